/* Random whole programs (model_text.h). Of each, the training step as lowered, run by the kernel evaluator,
 * has the bits of the interpreter on the reference graph, and its gradients are those of dual numbers, which
 * never read a derivative rule. Of each fifth, through the public interface: what the interpreter and native
 * code make of initial values, three training steps, evaluation and prediction is the same to the bit, at
 * some level, instruction set and number of threads. What failed is printed with MODELS_SHOW=1.
 *
 * usage: models [COUNT [FIRST [EVERY]]]
 *
 *        programs FIRST .. FIRST+COUNT-1, native code of each EVERYth
 *
 * or:    models -p SEED
 *
 *        prints one program */
#include "base/mem.h"
#include "dg/dg.h"
#include "frontend/frontend.h"
#include "ir/interp.h"
#include "ir/plan.h"
#include "ir/scalar.h"
#include "model_text.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "runtime/core/cpu.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static long turn = -1; /* for `died` */

static void died(int sig) {
  char line[64];
  int n = snprintf(line, sizeof line, "not ok 1 - program %ld ended by signal %d\n", turn, sig);
  if (write(1, line, (size_t)n) != n) _exit(3);
  _exit(2);
}

typedef struct Config {
  int interpret, threads, level;
  const char *isa;
} Config;

typedef struct Data { /* what a program is given */
  void *x, *z, *image;
  int32_t *label;
} Data;

static double number(Gen *g, bool specials) {
  static const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, -1e-310, 3e38, 1e-20, 1, -1, 0.25};
  if (specials && gen_next(g, 12) == 0) return GEN_ONE(g, odd);
  if (gen_next(g, 6) == 0) return gen_next(g, 7) - 3.0; /* ties */
  return (gen_next(g, 2000001) - 1e6) / 4e5;
}
static void *numbers(Gen *g, long n, bool specials) {
  float *f = malloc((size_t)n * 8);
  for (long i = 0; i < n; i++)
    if (g->dt[1] == '3')
      f[i] = (float)number(g, specials);
    else
      ((double *)(void *)f)[i] = number(g, specials);
  return f;
}

static const Val *by_name(const Gen *g, const char *name) {
  for (int i = 0; i < 4 && i < g->n; i++)
    if (strcmp(g->pool[i].name, name) == 0) return &g->pool[i];
  return NULL;
}
static dg_array array_of(const Gen *g, const Val *v, void *data) {
  dg_array a = {g->dt[1] == '3' ? DG_F32 : DG_F64, v->rank, {0}, data};
  for (int i = 0; i < v->rank; i++) a.extent[i] = extent_of(g, v->dim[i]);
  return a;
}

static bool failed(const Gen *g, const char *what, const char *detail) {
  printf("# program %ld: %s: %s\n", turn, what, detail);
  if (getenv("MODELS_SHOW")) printf("%s\n", g->text);
  return false;
}

static bool same(const dg_array *a, const dg_array *b) {
  size_t n = 1;
  for (int i = 0; i < a->rank; i++) n *= (size_t)a->extent[i];
  for (size_t i = 0; i < n; i++) {
    if (a->dtype == DG_F64 || a->dtype == DG_I64) {
      double x = ((double *)a->data)[i], y = ((double *)b->data)[i];
      if (memcmp(&x, &y, sizeof x) != 0 && !(a->dtype == DG_F64 && isnan(x) && isnan(y))) return false;
    } else {
      float x = ((float *)a->data)[i], y = ((float *)b->data)[i];
      if (memcmp(&x, &y, sizeof x) != 0 && !(a->dtype == DG_F32 && isnan(x) && isnan(y))) return false;
    }
  }
  return true;
}

/* All names of a kind, or of all that live between calls. */
static bool same_values(const Gen *g, dg_context *cx, dg_program *p, dg_session *a, dg_session *b,
                        dg_kind kind, const char *when) {
  for (int i = 0; i < dg_name_count(p, kind); i++) {
    const char *name = dg_name_at(p, kind, i);
    char what[128];
    snprintf(what, sizeof what, "'%s' %s", name, when);
    if (kind == DG_LOSS || kind == DG_METRIC) {
      double x, y;
      if (dg_value(a, name, &x) != DG_OK || dg_value(b, name, &y) != DG_OK) continue; /* not of this entry */
      if (memcmp(&x, &y, sizeof x) != 0 && !(isnan(x) && isnan(y))) return failed(g, what, "differs");
      continue;
    }
    dg_array x, y;
    if (dg_read(a, name, &x) != DG_OK || dg_read(b, name, &y) != DG_OK) return failed(g, what, dg_error(cx));
    if (!same(&x, &y)) return failed(g, what, "differs");
  }
  return true;
}

static dg_session *start(const Gen *g, dg_context *cx, dg_program *p, const Config *c, const Data *d) {
  dg_session_options o;
  dg_session_options_init(&o);
  o.seed = (uint32_t)turn, o.interpret = c->interpret, o.threads = c->threads, o.level = c->level,
  o.isa = c->isa, o.check_finite = 0;
  dg_session *s;
  if (dg_session_new(p, &o, &s) != DG_OK) return failed(g, "session", dg_error(cx)), NULL;
  dg_array x = array_of(g, by_name(g, "x"), d->x), z = array_of(g, by_name(g, "z"), d->z),
           label = {DG_I32, 1, {g->batch}, d->label};
  dg_status st = dg_bind(s, "x", &x);
  if (st == DG_OK) st = dg_bind(s, "z", &z);
  if (st == DG_OK) st = dg_bind(s, "label", &label);
  if (st == DG_OK && d->image) {
    dg_array i = array_of(g, by_name(g, "image"), d->image);
    st = dg_bind(s, "image", &i);
  }
  if (st != DG_OK) return failed(g, "bind", dg_error(cx)), dg_session_free(s), NULL;
  return s;
}

static bool compare(const Gen *g, dg_context *cx, dg_program *p, dg_session *a, dg_session *b) {
  static const dg_kind kept[] = {DG_PARAM, DG_STATE};
  char when[32] = "at first";
  for (int step = 0; step <= 3; step++) {
    if (step) {
      snprintf(when, sizeof when, "after step %d", step);
      if (dg_step(a, "fit") != DG_OK || dg_step(b, "fit") != DG_OK) return failed(g, when, dg_error(cx));
      if (!same_values(g, cx, p, a, b, DG_LOSS, when)) return false;
    }
    for (int k = 0; k < 2; k++)
      if (!same_values(g, cx, p, a, b, kept[k], when)) return false;
  }
  if (dg_evaluate(a) != DG_OK || dg_evaluate(b) != DG_OK) return failed(g, "evaluate", dg_error(cx));
  if (!same_values(g, cx, p, a, b, DG_LOSS, "of eval") || !same_values(g, cx, p, a, b, DG_METRIC, "of eval"))
    return false;
  if (dg_predict(a) != DG_OK || dg_predict(b) != DG_OK) return failed(g, "predict", dg_error(cx));
  return same_values(g, cx, p, a, b, DG_OUTPUT, "of predict");
}

static bool one_program(Gen *g, bool has_native) {
  static const int threads[] = {1, 2, 3, 5};
  static const char *const isa[] = {"avx512", "avx2"};
  bool specials = gen_next(g, 6) == 0;
  gen_train(g, false);
  const Val *image = by_name(g, "image");
  Data d = {
      numbers(g, count_of(g, by_name(g, "x")), specials), numbers(g, count_of(g, by_name(g, "z")), specials),
      image ? numbers(g, count_of(g, image), specials) : NULL, malloc(sizeof(int32_t) * (size_t)g->batch)};
  for (int i = 0; i < g->batch; i++) d.label[i] = (int32_t)gen_next(g, 2);
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  bool good = dg_check_source(cx, "model.dg", g->text, strlen(g->text), &p) == DG_OK;
  if (!good) failed(g, "rejected", dg_diagnostics_text(p, 0));
  Config reference = {1, 1, -1, NULL};
  dg_session *a = good ? start(g, cx, p, &reference, &d) : NULL;
  good = good && a;
  if (good && has_native) {
    Config c = {0, GEN_ONE(g, threads), (int)gen_next(g, 4), GEN_ONE(g, isa)};
    if (cpu_level(CPU_ASK) < CPU_AVX512) c.isa = "avx2";
    dg_session *b = start(g, cx, p, &c, &d);
    good = b && compare(g, cx, p, a, b);
    if (!good) printf("# with %d threads, level %d, %s\n", c.threads, c.level, c.isa);
    dg_session_free(b);
  }
  dg_session_free(a);
  dg_program_free(p);
  dg_context_free(cx);
  free(d.x), free(d.z), free(d.image), free(d.label);
  return good;
}

/* ---- gradients ---- */

static void fill(Gen *g, const Leaf *leaf, Tensor *t) {
  for (size_t i = 0; i < t->count; i++) {
    double v = leaf->kind == LEAF_STATE ? 0.5 + gen_next(g, 1000) / 1e3 : (gen_next(g, 2000001) - 1e6) / 8e5;
    if (leaf->kind == LEAF_STEP || leaf->kind == LEAF_EPOCH) v = 3;
    if (leaf->kind == LEAF_SEED) v = 11;
    if (t->dtype == DT_F64)
      ((double *)t->data)[i] = v;
    else if (t->dtype == DT_F32)
      ((float *)t->data)[i] = (float)v;
    else
      ((int32_t *)t->data)[i] = leaf->kind == LEAF_INPUT ? (int32_t)gen_next(g, 2) : (int32_t)v;
  }
}

static Tensor *leaves(Gen *g, Arena *a, const Program *p, const DimBinding *bind, bool wide) {
  Tensor *leaf = ARENA_ARRAY(a, Tensor, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Type t = p->leaf.at[i].type;
    for (uint8_t k = 0; k < t.rank; k++) t.dim[k] = dim_bind(p->dims, t.dim[k], bind, 1);
    if (wide && dtype_is_float((DType)t.dtype)) t.dtype = DT_F64;
    if (!tensor_of_type(a, p->dims, &t, &leaf[i])) return NULL;
    fill(g, &p->leaf.at[i], &leaf[i]);
  }
  return leaf;
}

/* The plan of the optimised graph, evaluated without machine code, against the interpreter on the reference
 * graph. */
static bool planned(Gen *g, Arena *a, const Program *p, const Graph *r, const DimBinding *bind) {
  Sb why;
  sb_init(&why, a);
  Tensor *leaf = leaves(g, a, p, bind, false);
  Interp it = {.graph = r, .arena = a, .leaf = leaf};
  if (!leaf || interp_run(&it) != ST_OK) return failed(g, "interpreter", it.what);
  LowerOptions o;
  lower_options_init(&o, gen_next(g, 2) ? 32 : 64);
  o.fuse = gen_next(g, 4), o.in_place = gen_next(g, 4), o.reuse = gen_next(g, 4);
  if (gen_next(g, 3) == 0) { /* products in small blocks */
    o.block_terms = 1 + gen_next(g, 7), o.block_rows = 1 + gen_next(g, 20);
    o.block_pack = gen_next(g, 2) ? BLOCK_PACK_ALWAYS : BLOCK_PACK_NEVER;
  }
  Plan *plan = lower_graph(a, passes_optimise(a, r, NULL), &o, &why);
  if (!plan || !plan_verify(plan, &why)) return sb_char(&why, 0), failed(g, "plan", why.p);
  void **memory = ARENA_ARRAY(a, void *, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) { /* a copy: the run assigns leaves */
    size_t n = leaf[i].count * dtype_bytes(leaf[i].dtype);
    memory[i] = arena_alloc(a, n + 1, 64);
    memcpy(memory[i], leaf[i].data, n);
  }
  PlanMemory m = {.leaf = memory, .arena = arena_alloc(a, plan->arena_bytes + 1, 64)};
  memset(m.arena, 0xff, plan->arena_bytes);
  if (plan_eval(plan, &m, a) != ST_OK) return failed(g, "plan", "does not run");
  for (uint32_t i = 0; i < r->root.n; i++) {
    const Tensor *want = &it.value[r->root.at[i].node.i];
    dg_array x = {(dg_dtype)want->dtype, 1, {(int64_t)want->count}, want->data}, y = x;
    y.data = plan_address(plan, &m, plan->root.at[i].buffer);
    if (!same(&x, &y)) {
      char text[64];
      snprintf(text, sizeof text, "root %u differs (fuse %d, in place %d, reuse %d)", i, o.fuse, o.in_place,
               o.reuse);
      return failed(g, "plan", text);
    }
  }
  return true;
}

/* The tangent of the loss by duals is the sum of gradient times direction. 1: yes, 0: no, -1: not finite, or
 * stopped somewhere. Before, the plan of the same step. */
static int gradients(Gen *g, Arena *a, double *worst) {
  Names names;
  Sources sources;
  Limits limits;
  Diags diags;
  Program p;
  ElabOptions o = {.folder = STR("/nonexistent")};
  AstFile *ast;
  Sb why;
  names_init(&names, a);
  sources_init(&sources, a);
  limits_init(&limits);
  diags_init(&diags, a, &sources, &limits);
  program_init(&p, a, &names, &sources, &limits);
  sb_init(&why, a);
  gen_train(g, true);
  uint32_t file = sources_add(&sources, STR("model.dg"), str_z(g->text), false);
  if (!frontend_program(file, &o, &diags, &p, &ast)) {
    diags_finish(&diags);
    diag_render_all(&diags, (DiagStyle){.tab = 8}, &why);
    sb_char(&why, 0);
    return failed(g, "gradients", why.p);
  }
  const Entry *e = NULL;
  for (uint32_t i = 0; i < p.entry.n; i++)
    if (p.entry.at[i].kind == ENTRY_TRAIN) e = &p.entry.at[i];
  DimBinding bind = {p.symbol.at[0], g->batch};
  Graph *r = passes_reference(a, &p, e, &bind, 1, NULL, &why);
  if (!r) return failed(g, "gradients", "no reference graph");
  if (!planned(g, a, &p, r, &bind)) return 0;
  if (g->stops) return -1;
  Tensor *leaf = leaves(g, a, &p, &bind, true), *tangent = leaf ? leaves(g, a, &p, &bind, true) : NULL;
  if (!tangent) return failed(g, "gradients", "a leaf without extents");
  for (uint32_t i = 0; i < p.leaf.n; i++)
    if (p.leaf.at[i].kind != LEAF_PARAM || p.leaf.at[i].frozen) tangent[i].data = NULL;
  Interp it = {.graph = r, .mode = INTERP_DUAL, .arena = a, .leaf = leaf, .leaf_tangent = tangent};
  if (interp_run(&it) != ST_OK) return failed(g, "duals", it.what);
  double dual = 0, sum = 0, size = 1e-3;
  for (uint32_t i = 0; i < r->root.n; i++) {
    const Root *root = &r->root.at[i];
    if (root->kind == ROOT_LOSS && it.tangent[root->node.i].data) /* none: it depends on no parameter */
      dual = ((double *)it.tangent[root->node.i].data)[0];
    if (root->kind != ROOT_ASSIGN || program_leaf_at(&p, root->leaf)->of.i == UINT32_MAX) continue;
    const Tensor *value = &it.value[root->node.i], *along = &tangent[program_leaf_at(&p, root->leaf)->of.i];
    for (size_t k = 0; k < value->count; k++) {
      double t = ((double *)value->data)[k] * ((double *)along->data)[k];
      sum += t, size += fabs(t);
    }
  }
  if (!isfinite(dual) || !isfinite(sum)) return -1;
  double error = fabs(dual - sum) / size;
  if (error > *worst) *worst = error;
  /* in f32 programs the value and its derivative are both rounded approximations */
  if (error < (g->dt[1] == '3' ? 1e-5 : 1e-9)) return 1;
  char text[96];
  snprintf(text, sizeof text, "%.12g by duals, %.12g by the graph", dual, sum);
  return failed(g, "gradient", text);
}

static int gradients_of(Gen *g, double *worst) {
  Mem m;
  Arena a;
  Rescue rescue;
  int r;
  mem_init(&m, 0);
  arena_init(&a, &m);
  if (RESCUE(&m, &rescue)) {
    r = gradients(g, &a, worst);
    rescue_end(&m, &rescue);
  } else
    r = failed(g, "gradients", "raised");
  arena_release(&a);
  return r;
}

int main(int argc, char **argv) {
  static Gen g, copy;
  if (argc == 3 && strcmp(argv[1], "-p") == 0) {
    gen_model(&g, (uint64_t)atoll(argv[2]));
    (void)gen_next(&g, 6);
    gen_train(&g, false);
    fputs(g.text, stdout);
    return 0;
  }
  long count = argc > 1 ? atol(argv[1]) : 24, first = argc > 2 ? atol(argv[2]) : 0,
       every = argc > 3 && atol(argv[3]) > 0 ? atol(argv[3]) : 5;
  signal(SIGABRT, died);
  signal(SIGSEGV, died);
  signal(SIGALRM, died);
  setvbuf(stdout, NULL, _IOLBF, 0);
  bool has_native = *dg_llvm_version() != 0;
  long bad = 0, checked = 0;
  double worst = 0;
  puts("1..1");
  for (turn = first; turn < first + count; turn++) {
    alarm(120);
    gen_model(&g, (uint64_t)turn);
    copy = g;
    bool good = turn % every || one_program(&g, has_native); /* machine code takes most of the time */
    int r = gradients_of(&copy, &worst);
    checked += r >= 0;
    bad += !(good && r);
  }
  printf("# %ld programs, %ld with gradients by duals (worst %.2g of the sum of absolute terms)\n", count,
         checked, worst);
  printf("%s 1 - %ld of %ld random programs\n", bad ? "not ok" : "ok", count - bad, count);
  return bad != 0;
}
