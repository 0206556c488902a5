#include "passes/graph/budget.h"
#include "passes/graph/copy.h"

const PassInfo pass_info[PASS_COUNT] = {
#define PASS(id, fn, needs, keeps, help) {#id, fn, needs, keeps, help},
#include "passes/passes.def"
#undef PASS
};

bool pass_find(Str name, PassId *out) {
  for (int i = 0; i < PASS_COUNT; i++) {
    if (!str_eq(name, str_z(pass_info[i].name))) continue;
    *out = (PassId)i;
    return true;
  }
  return false;
}

/* ---- the facts of passes.def: looked up in the graph itself, so that the table cannot say what is not so */

static bool is_bound(const Graph *g, Arena *a) {
  (void)a;
  for (uint32_t i = 0; i < g->node.n; i++) {
    int64_t ext[MAX_RANK];
    if (!type_extents(g->program->dims, &g->node.at[i].type, ext)) return false;
    if (g->node.at[i].op != OP_LOOP) continue;
    if (!dim_is_const(g->program->dims, graph_loop(g, (NodeId){i}).trip, ext)) return false;
  }
  return true;
}

static bool is_pure(const Graph *g, Arena *a) {
  (void)a;
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_GRAD) return false;
  return true;
}

static bool is_erased(const Graph *g, Arena *a) {
  (void)a;
  for (uint32_t i = 0; i < g->node.n; i++) {
    Op op = (Op)g->node.at[i].op;
    if (op_is(op, OPF_ERASED) || op == OP_COTANGENT) return false;
  }
  return true;
}

static bool is_live(const Graph *g, Arena *a) {
  const bool *live = graph_live(g, a);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (!live[i]) return false;
  return true;
}

static const struct {
  const char *word;
  bool (*holds)(const Graph *g, Arena *a);
} facts[] = {{"bound", is_bound}, {"pure", is_pure}, {"erased", is_erased}, {"live", is_live}};
enum { FACTS = sizeof facts / sizeof facts[0] };

/* A bit per fact. */
static uint32_t facts_of(const Graph *g, Arena *a) {
  uint32_t set = 0;
  for (uint32_t i = 0; i < FACTS; i++) set |= (uint32_t)facts[i].holds(g, a) << i;
  return set;
}

static uint32_t facts_named(Str words) {
  uint32_t set = 0;
  for (uint32_t i = 0; i < FACTS; i++)
    if (str_eq(words, STR("all")) || memmem(words.p, words.n, facts[i].word, strlen(facts[i].word)))
      set |= UINT32_C(1) << i;
  return set;
}

static void require(const PassInfo *p, const char *verb, uint32_t missing, Mem *m) {
  for (uint32_t i = 0; i < FACTS; i++)
    if (missing >> i & 1) BUG(m, "pass '%s' %s '%s'", p->name, verb, facts[i].word);
}

/* ---- running */

static Str graph_text(Graph *g, Arena *a) {
  Sb b;
  sb_init(&b, a);
  graph_print(g, &b);
  return sb_str(&b);
}

static void log_graph(Sb *log, const char *pass, Str text) {
  sb_fmt(log, "// after %s\n", pass);
  sb_add(log, text);
  if (text.n && text.p[text.n - 1] != '\n') sb_char(log, '\n');
}

static bool is(const char *option, const char *name) { return option && strcmp(option, name) == 0; }

static void say_at(const Graph *g, NodeId at, Sb *reason, Sb *why) {
  graph_place(g, at, why);
  sb_add(why, sb_str(reason));
}

/* What values of the user's break is no defect of ours. */
static bool bound_fits(const Graph *g, PassCx *cx) {
  NodeId at;
  Sb reason;
  sb_init(&reason, cx->arena);
  if (graph_operands_fit(g, cx->bind, cx->nbind, &at, &reason)) return true;
  say_at(g, at, &reason, cx->why);
  return false;
}

Graph *passes_run(Graph *g, PassCx *cx, const PassId *list, size_t n) {
  static const PassOptions none = {0};
  const PassOptions *o = cx->options ? cx->options : &none;
  bool changed = o->log && is(o->print_after, "changed"), all = o->log && is(o->print_after, "all");
  Str before = {0};
  double checking = 0;
  if (changed && !cx->stopped) before = graph_text(g, cx->arena);
  for (size_t i = 0; i < n && !cx->stopped; i++) {
    const PassInfo *p = &pass_info[list[i]];
    double start = o->time ? clock_ms() : 0;
    uint32_t held = facts_of(g, cx->arena);
    require(p, "needs a graph that is", facts_named(str_z(p->needs)) & ~held, cx->arena->mem);
    if (o->time) checking += clock_ms() - start, start = clock_ms();
    g = p->fn(g, cx);
    timelog_lap(o->time, &start, p->name, g->node.n, "nodes");
    if (list[i] == PASS_bind && cx->why && !bound_fits(g, cx)) return NULL;
    Sb why;
    sb_init(&why, cx->arena);
    if (!graph_verify(g, &why)) {
      Str s = sb_str(&why);
      BUG(cx->arena->mem, "pass '%s': " STRF, p->name, STRA(s));
    }
    uint32_t kept = facts_named(str_z(p->keeps)) & held;
    require(p, "does not keep", kept & ~facts_of(g, cx->arena), cx->arena->mem);
    if (o->time) checking += clock_ms() - start;
    if (all || (o->log && is(o->print_after, p->name))) log_graph(o->log, p->name, graph_text(g, cx->arena));
    if (changed) {
      Str after = graph_text(g, cx->arena);
      if (!str_eq(before, after)) log_graph(o->log, p->name, after);
      before = after;
    }
    cx->stopped = is(o->stop_after, p->name);
  }
  timelog_row(o->time, "verifying", checking, 0, NULL);
  return g;
}

Graph *passes_reference(Arena *a, const Program *p, const Entry *e, const DimBinding *bind, size_t nbind,
                        const PassOptions *o, Sb *why) {
  NodeId at;
  Sb reason;
  sb_init(&reason, a);
  if (!graph_extents_fit(e->graph, bind, nbind, &at, &reason)) {
    say_at(e->graph, at, &reason, why);
    return NULL;
  }
  static const PassId list[] = {PASS_bind,  PASS_outline, PASS_autodiff,
                                PASS_erase, PASS_powers,  PASS_storage};
  PassCx cx = {.arena = a, .program = p, .bind = bind, .nbind = nbind, .options = o, .why = why};
  return passes_run(e->graph, &cx, list, sizeof list / sizeof list[0]);
}

/* Behind the decision which loops keep what they compute. */
static Graph *loops_finish(Graph *g, PassCx *cx) {
  static const PassId list[] = {PASS_split, PASS_remat,    PASS_trim, PASS_inline, PASS_trim,
                                PASS_cse,   PASS_simplify, PASS_cse,  PASS_dce};
  return passes_run(g, cx, list, sizeof list / sizeof list[0]);
}

Graph *passes_optimise(Arena *a, const Graph *reference, const PassOptions *o) {
  static const PassId list[] = {PASS_cse, PASS_simplify, PASS_fold, PASS_simplify, PASS_dce},
                      loops[] = {PASS_trim, PASS_hoist, PASS_trim};
  PassCx cx = {.arena = a, .program = reference->program, .options = o};
  Graph *g = passes_run((Graph *)reference, &cx, list,
                        sizeof list / sizeof list[0]); /* passes change no graph they get */
  if (g->region.n == 1 || cx.stopped) return g;
  g = passes_run(g, &cx, loops, sizeof loops / sizeof loops[0]);
  if (o && o->memory && o->measure && !cx.stopped) g = budget_marked(g, &cx, loops_finish);
  return loops_finish(g, &cx);
}
