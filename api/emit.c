/* Text of every stage, for people and golden tests. Each stage is computed afresh from the program. */
#include "api/api.h"
#include "api/code.h"
#include "frontend/frontend.h"
#include "passes/pass.h"

typedef struct EmitCall {
  dg_program *p;
  Str stage;
  const dg_emit_options *o;
  Sb out;
  size_t length;
} EmitCall;

static const Entry *default_entry(const dg_program *p) {
  return p->prog.train.n ? &p->prog.entry.at[p->prog.train.at[0].entry] : program_entry(p, STR("predict"));
}

static dg_status emit_text(EmitCall *c) {
  dg_program *p = c->p;
  Limits *limits = &p->cx->limits;
  Diags again; /* the program has them */
  diags_init(&again, &p->arena, &p->sources, limits);
  bool ok = str_eq(c->stage, STR("tokens"))
                ? tokens_print(1, &p->sources, &p->names, &p->arena, &again, limits, &c->out)
                : fmt_file(1, &p->sources, &p->names, &p->arena, &again, limits, &c->out);
  return ok ? DG_OK : api_fail(p->cx, ST_REJECTED, "the text has syntax errors");
}

/* Do the names in the options exist? Asked whatever the stage. *stop stays where no pass is given. */
static dg_status names_known(EmitCall *c, PassId *stop) {
  const char *after = c->o->print_after, *at = c->o->stop_after, *bad = NULL;
  PassId any;
  CpuLevel level;
  if (c->o->isa && !cpu_isa(c->o->isa, &level))
    return api_fail(c->p->cx, ST_USAGE, "there is no instruction set '%.40s': " CPU_ISA_NAMES, c->o->isa);
  if (after && strcmp(after, "all") && strcmp(after, "changed") && !pass_find(str_z(after), &any))
    bad = after;
  if (at && !pass_find(str_z(at), stop)) bad = at;
  if (!bad) return DG_OK;
  Sb names;
  sb_init(&names, &c->p->arena);
  for (int i = 0; i < PASS_COUNT; i++) sb_fmt(&names, " %s", pass_info[i].name);
  return api_fail(c->p->cx, ST_USAGE, "no pass '%.40s':" STRF, bad, STRA(sb_str(&names)));
}

/* Rows for what comes behind the passes: where dims have no value there is nothing, and it is said. */
static dg_status time_rest(EmitCall *c, const Graph *g, TimeLog *times, double began) {
  dg_program *p = c->p;
  Sb why;
  sb_init(&why, &p->arena);
  dg_status st = dims_valued(p->cx, g, &p->arena, p->bound.at, p->bound.n, NULL);
  if (st != DG_OK) { /* the passes' rows are there all the same */
    sb_fmt(times->out, "lowering needs more: %s\n", dg_error(p->cx));
    timelog_total(times, p->check_ms + clock_ms() - began);
    return DG_OK;
  }
  ExecOptions o = {.level = c->o->level, .isa = c->o->isa, .cpu = p->cx->cpu};
  Status made = exec_time(&p->arena, g, &o, times, &why);
  if (made != ST_OK) return api_fail(p->cx, made, STRF, STRA(sb_str(&why)));
  timelog_total(times, p->check_ms + clock_ms() - began);
  return DG_OK;
}

static void place(const Sources *s, Span at, Sb *b) {
  LineCol l = sources_at(s, at.file, at.lo);
  sb_fmt(b, STRF ":%u:%u", STRA(s->file.at[at.file].name), l.line, l.col);
}

/* A line for each name of the user's files: its place, it, where it was declared, what it is. The program is
 * elaborated once more, for this alone; what has errors has an index of what was understood. */
static dg_status emit_index(EmitCall *c) {
  dg_program *p = c->p;
  dg_context *cx = p->cx;
  Arena *a = &p->arena;
  Sources sources;
  Program prog;
  Diags diags;
  AstFile *ast;
  NameUses uses = {0};
  api_stack(&cx->mem, API_STACK_CHECK);
  ElabOptions opt = {.folder = p->folder, .uses = &uses};
  sources_init(&sources, a);
  diags_init(&diags, a, &sources, &cx->limits);
  program_init(&prog, a, &p->names, &sources, &cx->limits);
  for (uint32_t i = 0; i < cx->define.n; i++)
    VEC_PUSH(a, &opt.define, (ElabDefine){cx->define.at[i].name, cx->define.at[i].value});
  const Source *f = &p->sources.file.at[1];
  bool sound = frontend_program(sources_add(&sources, f->name, f->text, false), &opt, &diags, &prog, &ast);
  (void)sound; /* its messages have been given */
  for (uint32_t i = 0; i < uses.all.n; i++) {
    const NameUse *u = &uses.all.at[i];
    place(&sources, u->at, &c->out);
    sb_fmt(&c->out, " " STRF " ",
           STRA(((Str){sources.file.at[u->at.file].text.p + u->at.lo, u->at.hi - u->at.lo})));
    if (u->declared.file)
      place(&sources, u->declared, &c->out);
    else
      sb_add(&c->out, STR("-"));
    sb_fmt(&c->out, " " STRF "\n", STRA(u->what));
  }
  return DG_OK;
}

static dg_status emit_stage(EmitCall *c) {
  dg_program *p = c->p;
  dg_context *cx = p->cx;
  sb_init(&c->out, &p->arena);
  PassId stop = PASS_COUNT;
  dg_status known = names_known(c, &stop);
  if (known != DG_OK) return known;
  if (p->sources.file.n < 2) return api_fail(cx, ST_REJECTED, "the file could not be read");
  if (p->imported && str_eq(c->stage, STR("fmt")))
    return api_fail(cx, ST_REJECTED, "a recorded model has no text to format");
  if (p->imported && !str_eq(c->stage, STR("graph")) && !str_eq(c->stage, STR("facts")))
    return api_fail(cx, ST_REJECTED, "a recorded model has the stages graph and facts only");
  if (str_eq(c->stage, STR("tokens")) || str_eq(c->stage, STR("fmt"))) return emit_text(c);
  if (str_eq(c->stage, STR("ast"))) {
    if (!p->ast) return api_fail(cx, ST_REJECTED, "there is no tree");
    ast_print(p->ast, &p->names, false, &c->out);
    return DG_OK;
  }
  if (str_eq(c->stage, STR("index"))) return emit_index(c);
  if (!p->sound) return api_fail(cx, ST_REJECTED, "the program has errors");
  const Entry *e = c->o->entry ? program_entry(p, str_z(c->o->entry)) : default_entry(p);
  if (!e) return api_fail(cx, ST_USAGE, "no entry point '%.60s'", c->o->entry ? c->o->entry : "predict");
  if (str_eq(c->stage, STR("graph"))) {
    graph_print(e->graph, &c->out);
    return DG_OK;
  }
  if (str_eq(c->stage, STR("facts"))) { /* what the analysis knows, parameter by parameter, whole paths */
    diagnose_table(&p->prog, p->bound.at, p->bound.n, &c->out);
    return DG_OK;
  }
  Sb why;
  sb_init(&why, &p->arena);
  TimeLog times = {.out = &c->out};
  double began = clock_ms();
  if (c->o->time_passes) timelog_row(&times, "check", p->check_ms, e->graph->node.n, "nodes");
  bool log = str_eq(c->stage, STR("log"));
  PassOptions po = {.print_after = c->o->print_after,
                    .stop_after = c->o->stop_after,
                    .time = c->o->time_passes ? &times : NULL,
                    .log = &c->out};
  ExecOptions xo = {.level = c->o->level, .isa = c->o->isa, .cpu = cx->cpu};
  bool plan = str_eq(c->stage, STR("plan"));
  code_memory(&po, cx->limits.memory, &xo);
  if (po.memory && plan) po.policy = &c->out;
  if (str_eq(c->stage, STR("grad")) && stop > PASS_autodiff) {
    stop = PASS_autodiff;
    po.stop_after = pass_info[stop].name;
  }
  Graph *g = passes_reference(&p->arena, &p->prog, e, p->bound.at, p->bound.n, &po, &why);
  if (!g) return api_fail(cx, ST_REJECTED, STRF, STRA(sb_str(&why)));
  /* stopped in the first half: there is nothing of a later stage */
  if (stop <= PASS_erase || str_eq(c->stage, STR("step"))) {
    if (!log) graph_print(g, &c->out);
    return DG_OK;
  }
  g = passes_optimise(&p->arena, g, &po);
  if (log) return c->o->time_passes && stop == PASS_COUNT ? time_rest(c, g, &times, began) : DG_OK;
  if (str_eq(c->stage, STR("opt")) || stop != PASS_COUNT) {
    graph_print(g, &c->out);
    return DG_OK;
  }
  dg_status valued = dims_valued(p->cx, g, &p->arena, p->bound.at, p->bound.n, NULL);
  if (valued != DG_OK) return valued;
  char stage[16] = "";
  if (c->stage.n < sizeof stage) memcpy(stage, c->stage.p, c->stage.n);
  Status st = exec_emit(&p->arena, g, &xo, stage, &c->out, &why);
  return st == ST_OK ? DG_OK : api_fail(cx, st, STRF, STRA(sb_str(&why)));
}

static dg_status emit_in(void *arg) {
  EmitCall *c = arg;
  api_polls(c->p->cx);
  dg_status st = emit_stage(c);
  if (st != DG_OK) return st;
  c->length = c->out.n;
  sb_char(&c->out, 0); /* text can be used as a C string; the length does not count it */
  return DG_OK;
}

dg_status dg_emit(dg_program *p, const char *stage, const dg_emit_options *options, const char **text,
                  size_t *length) {
  static const char *const stages[] = {"tokens", "ast",     "fmt",  "index", "graph", "facts", "grad", "step",
                                       "opt",    "kernels", "plan", "llvm",  "asm",   "obj",   "log"};
  if (!p) return DG_USAGE;
  if (!stage || !text || !length)
    return api_fail(p->cx, ST_USAGE, "dg_emit: a stage and places for text and length are needed");
  dg_emit_options own = {.size = sizeof own, .level = -1};
  dg_status st = options ? api_sized(p->cx, "dg_emit_options", &own, sizeof own, options) : DG_OK;
  if (st != DG_OK) return st;
  bool known = false;
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) known |= !strcmp(stages[i], stage);
  if (!known)
    return api_fail(p->cx, ST_USAGE,
                    "no stage '%.30s': tokens ast index graph facts grad step opt kernels plan llvm asm obj",
                    stage);
  EmitCall c = {.p = p, .stage = str_z(stage), .o = &own};
  st = api_guard(p->cx, emit_in, &c);
  if (st != DG_OK) return st;
  *text = c.out.p, *length = c.length;
  return DG_OK;
}
