/* From an entry point to something that runs. This is the compiler's second half as a list: reference graph,
 * optimised graph, plan, native code. What the passes leave behind ends with the compile. */
#include "api/code.h"

#include "base/size.h"
#include "ir/graph/build.h"

Status code_leaf_shape(const Program *p, uint32_t leaf, const DimBinding *bind, size_t nbind, Tensor *out,
                       Sb *why) {
  const Leaf *l = &p->leaf.at[leaf];
  *out = (Tensor){.dtype = (DType)l->type.dtype, .rank = l->type.rank, .count = 1};
  for (int k = 0; k < l->type.rank; k++) {
    if (!dim_eval(p->dims, l->type.dim[k], bind, nbind, &out->ext[k])) {
      sb_fmt(why, "'" STRF "': axis %d has no value: bind its dim", STRA(names_str(p->names, l->path)), k);
      return ST_REJECTED;
    }
    if (!size_mul(out->count, (size_t)out->ext[k], &out->count)) {
      sb_fmt(why, "'" STRF "' has more elements than can be counted", STRA(names_str(p->names, l->path)));
      return ST_LIMIT;
    }
  }
  return ST_OK;
}

/* Shapes of the leaves that the graph reads or assigns, now that dims have values. */
static Status bind_leaves(Code *c, Sb *why) {
  const Program *p = &c->program;
  const Graph *g = c->graph;
  const DimBinding *bind = c->key.bind;
  size_t nbind = c->key.nbind;
  c->leaf = ARENA_ARRAY(&c->arena, Tensor, p->leaf.n);
  c->reads = ARENA_ARRAY(&c->arena, bool, p->leaf.n);
  bool *touched = ARENA_ARRAY(&c->arena, bool, p->leaf.n);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LEAF) {
      uint32_t leaf = (uint32_t)graph_attr(g, (NodeId){i})[0];
      c->reads[leaf] = touched[leaf] = true;
    }
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN) touched[g->root.at[i].leaf.i] = true;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Status st = touched[i] ? code_leaf_shape(p, i, bind, nbind, &c->leaf[i], why) : ST_OK;
    if (st != ST_OK) return st;
  }
  return ST_OK;
}

void code_memory(PassOptions *o, int64_t memory, ExecOptions *x) {
  if (!memory || memory == INT64_MAX) return;
  o->memory = memory;
  o->measure = exec_measure;
  o->measure_cx = x;
}

Graph *code_graph(Arena *a, Program *own, const Entry *e, const DimBinding *bind, size_t nbind,
                  const PassOptions *o, Sb *why) {
  Graph source = *e->graph;
  source.program = own;
  Entry entry = *e;
  entry.graph = &source;
  Graph *g = passes_reference(a, own, &entry, bind, nbind, o, why);
  return g ? passes_optimise(a, g, o) : NULL;
}

static Status compile(dg_program *p, Code *c, Sb *why) {
  ExecOptions o = {.level = c->key.level, .isa = c->key.isa, .cpu = c->key.cpu, .code_only = true};
  PassOptions quiet = {0};
  if (!c->key.interpret) code_memory(&quiet, c->key.memory, &o);
  c->program = p->prog;
  c->program.dims = dims_copy(&c->arena, p->prog.dims);
  if (program_dims_broken(&c->program, c->key.bind, c->key.nbind, why) != SIZE_MAX)
    return ST_REJECTED; /* before shapes that fit because of what is asserted */
  ArenaScope scope;
  Arena *passing = arena_open(&scope, &c->mem);
  Graph *g = code_graph(passing, &c->program, c->key.entry, c->key.bind, c->key.nbind, &quiet, why);
  if (g) c->graph = graph_copy(&c->arena, g, NULL, 0);
  arena_close(&scope);
  if (!g) return ST_REJECTED;
  Status st = bind_leaves(c, why);
  if (st != ST_OK) return st;
  c->facts.isa = "interpreter";
  if (c->key.interpret) return ST_OK;
  st = exec_new(&c->arena, c->graph, &o, &c->exec, why);
  if (st != ST_OK) return st;
  const ExecFacts *f = exec_facts(c->exec);
  c->facts = (CodeFacts){
      .arena_bytes = (int64_t)f->arena_bytes, .kernels = f->kernels, .flops = f->flops, .isa = f->isa};
  return exec_fits(f->arena_bytes, INT64_MAX, quiet.memory, why);
}

static void code_free(Code *c) {
  if (c->exec) exec_free(c->exec);
  Mem m = c->mem; /* the door outlives what it gives back */
  arena_release(&c->arena);
  mem_free(&m, c, sizeof *c);
}

static bool same_isa(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }
static bool key_eq(const CodeKey *a, const CodeKey *b) {
  if (a->entry != b->entry || a->nbind != b->nbind || a->interpret != b->interpret) return false;
  if (!a->interpret &&
      (a->level != b->level || a->cpu != b->cpu || a->memory != b->memory || !same_isa(a->isa, b->isa)))
    return false;
  for (uint32_t i = 0; i < a->nbind; i++)
    if (!sym_eq(a->bind[i].name, b->bind[i].name) || a->bind[i].value != b->bind[i].value) return false;
  return true;
}

static void key_copy(Code *c, const CodeKey *key) {
  c->key = *key;
  DimBinding *bind = ARENA_ARRAY(&c->arena, DimBinding, key->nbind);
  for (uint32_t i = 0; i < key->nbind; i++) bind[i] = key->bind[i];
  c->key.bind = bind;
  if (key->isa) c->key.isa = str_copy(&c->arena, str_z(key->isa)).p;
}

static bool of_program(const dg_program *p, const Entry *e) {
  return e >= p->prog.entry.at && e < p->prog.entry.at + p->prog.entry.n;
}

/* Under the program's lock. What is raised is told by `failed`. */
static Status make(dg_program *p, const CodeKey *key, Code *volatile c, Rescue *failed, Str *why) {
  Status st;
  double began = clock_ms();
  if (RESCUE(&c->mem, failed)) {
    Sb text;
    sb_init(&text, &c->arena);
    c->mem.stop = p->cx->stop;
    key_copy(c, key);
    st = compile(p, c, &text);
    *why = sb_str(&text);
    rescue_end(&c->mem, failed);
    c->mem.stop = NULL; /* it is whole */
  } else {
    return failed->status;
  }
  c->facts.compile_ms = clock_ms() - began;
  return st;
}

static const Code *find(dg_program *p, const CodeKey *key) {
  for (Code *c = p->code; c; c = c->next)
    if (key_eq(&c->key, key)) {
      c->refs++;
      return c;
    }
  return NULL;
}

Status code_get(dg_program *p, dg_context *cx, const CodeKey *key, const Code **out, Sb *why) {
  api_stack(&cx->mem, API_STACK_COMPILE);
  Code *c = mem_get(&cx->mem, sizeof *c); /* first, for nothing may raise under the lock */
  mem_init_within(&c->mem, &cx->mem);
  pthread_mutex_lock(&p->lock); /* who asks for what is being made waits for it */
  *out = find(p, key);
  if (*out) {
    pthread_mutex_unlock(&p->lock);
    mem_free(&cx->mem, c, sizeof *c);
    return ST_OK;
  }
  arena_init(&c->arena, &c->mem);
  c->refs = 1;
  Rescue failed = {.status = ST_OK};
  Str text = {"", 0};
  Status st = make(p, key, c, &failed, &text);
  if (st == ST_OK && of_program(p, key->entry)) {
    c->next = p->code;
    p->code = c;
  }
  pthread_mutex_unlock(&p->lock);
  if (st == ST_OK) {
    *out = c;
    return ST_OK;
  }
  if (failed.status == ST_OK && text.n) { /* it lies in what is about to go, and adding may raise */
    char z[512];
    size_t n = text.n < sizeof z ? text.n : sizeof z - 1;
    memcpy(z, text.p, n);
    code_free(c);
    sb_add(why, (Str){z, n});
    return st;
  }
  code_free(c);
  if (failed.status != ST_OK) mem_raise(&cx->mem, failed.status, "%s", failed.what);
  return st;
}

void code_drop(dg_program *p, const Code *code) {
  Code *c = (Code *)(uintptr_t)code; /* counting is all that changes */
  if (!c) return;
  pthread_mutex_lock(&p->lock);
  bool gone = --c->refs == 0;
  if (gone)
    for (Code **at = &p->code; *at; at = &(*at)->next)
      if (*at == c) {
        *at = c->next;
        break;
      }
  pthread_mutex_unlock(&p->lock);
  if (gone) code_free(c);
}
