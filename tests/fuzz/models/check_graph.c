/* Without machine code. Every entry point: its plan, run by the kernel evaluator, has the bits of the
 * interpreter on the reference graph. Every train step: the gradients are those of dual numbers, which never
 * read a derivative rule; what the diagnosis calls unused, unreachable or cut has a gradient of zero. */
#include "check.h"
#include "ir/plan/plan.h"
#include "ir/scalar/scalar.h"
#include "passes/lower/lower.h"
#include "passes/passes.h"
#include "runtime/core/pool.h"

#include <math.h>

static Tensor *leaves(const Case *c, const Loaded *l, Arena *a, bool wide, uint64_t more) {
  Tensor *leaf = ARENA_ARRAY(a, Tensor, l->p.leaf.n);
  Case other = *c;
  other.data += more;
  for (uint32_t i = 0; i < l->p.leaf.n; i++) {
    const Leaf *from = &l->p.leaf.at[i];
    Type t = load_type(l, &from->type);
    if (wide && dtype_is_float(dtype_compute((DType)t.dtype))) t.dtype = DT_F64;
    if (!tensor_of_type(a, l->p.dims, &t, &leaf[i])) return NULL;
    value_fill(more && from->kind == LEAF_PARAM ? &other : c, from, &l->names, leaf[i].dtype, leaf[i].count,
               wide, leaf[i].data);
    fp_flush(leaf[i].dtype, leaf[i].data, leaf[i].count); /* as the library does at every door */
  }
  return leaf;
}

static const char *entry_name(const Loaded *l, const Entry *e, char *to, size_t n) {
  static const char *const kind[] = {"init", "train", "gather", "after", "eval", "predict"};
  Str name = names_str(&l->names, e->name);
  bool has = e->kind == ENTRY_TRAIN || e->kind == ENTRY_GATHER || e->kind == ENTRY_AFTER;
  snprintf(to, n, "%s%s" STRF, kind[e->kind], has ? " " : "", STRA((has ? name : STR(""))));
  return to;
}

/* ---- plans ---- */

static void count_work(const Plan *p) {
  for (uint32_t i = 0; i < p->launch.n; i++)
    if (p->launch.at[i].estimate_ns >= POOL_SPLIT_NS && p->launch.at[i].units > 1)
      cover_feature(FEAT_pool_split);
}

/* One entry, by one choice of options. */
static bool plan_one(const Case *c, Loaded *l, Arena *a, const Graph *r, const Interp *it, const Tensor *leaf,
                     unsigned bits, const char *entry, Fault *f) {
  Sb why;
  LowerOptions o;
  sb_init(&why, a);
  lower_options_init(&o, bits & 1 ? 32 : 64);
  o.fuse = bits & 6, o.in_place = bits & 24, o.reuse = bits & 96, o.updates_last = bits >> 16 & 1;
  if (bits % 3 == 0) { /* products in small blocks */
    o.block_terms = 1 + bits / 128 % 7, o.block_rows = 1 + bits / 1024 % 20;
    o.block_pack = bits / 32768 % 2 ? BLOCK_PACK_ALWAYS : BLOCK_PACK_NEVER;
  }
  Plan *plan = lower_graph(a, passes_optimise(a, r, NULL), &o, &why);
  if (!plan || !plan_verify(plan, &why)) return sb_char(&why, 0), finding(f, "plan", "%s: %s", entry, why.p);
  count_work(plan);
  void **memory = ARENA_ARRAY(a, void *, l->p.leaf.n);
  for (uint32_t i = 0; i < l->p.leaf.n; i++) { /* a copy: the run assigns leaves */
    size_t n = leaf[i].count * dtype_bytes(leaf[i].dtype);
    memory[i] = arena_alloc(a, n + 1, 64);
    memcpy(memory[i], leaf[i].data, n);
  }
  PlanMemory m = {.leaf = memory, .arena = arena_alloc(a, plan->arena_bytes + 1, 64), .host = it->host};
  memset(m.arena, 0xff, plan->arena_bytes);
  if (plan_eval(plan, &m, a) != ST_OK) return finding(f, "plan", "%s: does not run", entry);
  for (uint32_t i = 0; i < r->root.n; i++) {
    const Tensor *want = &it->value[r->root.at[i].node.i];
    dg_array x = {.dtype = host_dtype(want->dtype),
                  .rank = 1,
                  .extent = {(int64_t)want->count},
                  .data = want->data},
             y = x;
    y.data = plan_address(plan, &m, plan->root.at[i].buffer);
    if (!same_bits(&x, &y))
      return finding(f, "plan",
                     "%s: root %u differs from the interpreter (case data %lu: fuse %d, in place %d, reuse "
                     "%d, %d bytes)",
                     entry, i, c->data, o.fuse, o.in_place, o.reuse, o.vector_bytes);
  }
  return true;
}

bool check_plans(const Case *c, Loaded *l, Arena *a, Fault *f) {
  const Tensor *leaf = leaves(c, l, a, false, 0);
  const HostEntry *host = host_entries(l, a);
  char name[80];
  Sb why;
  if (!leaf) return finding(f, "plan", "a leaf without extents");
  for (uint32_t i = 0; i < l->p.entry.n; i++) {
    const Entry *e = &l->p.entry.at[i];
    entry_name(l, e, name, sizeof name);
    sb_init(&why, a);
    cover_graph(e->graph);
    Graph *r = passes_reference(a, &l->p, e, l->bind, l->nbind, NULL, &why);
    if (!r) return sb_char(&why, 0), finding(f, "reference", "%s: %s", name, why.p);
    cover_orders(r);
    Interp it = {.graph = r, .arena = a, .leaf = (Tensor *)leaf, .host = host};
    if (interp_run(&it) != ST_OK) return finding(f, "interpreter", "%s: %s", name, it.what);
    unsigned bits = (unsigned)(c->data * 2654435761u >> 3) + i * 37;
    if (!plan_one(c, l, a, r, &it, leaf, bits, name, f)) return false;
  }
  return true;
}

/* ---- gradients ---- */

/* The program with an optimizer that keeps the gradients in states STEP.d.PARAM, and changes nothing. */
static char *keeping(const Case *c, Arena *a) {
  size_t n = strlen(c->text);
  char *to = arena_alloc(a, 2 * n + 256, 1), *w = to;
  for (const char *p = c->text; *p;) {
    const char *end = strchr(p, '\n'), *cut = end;
    if (!end) end = p + strlen(p), cut = end;
    bool drop = strncmp(p, "  clip_", 7) == 0 || strncmp(p, "  accumulate ", 13) == 0;
    const char *by = strncmp(p, "  update ", 9) == 0 ? strstr(p, " using ") : NULL;
    if (by && by < end) cut = by;
    if (!drop) {
      memcpy(w, p, (size_t)(cut - p)), w += cut - p;
      if (cut != end) w += sprintf(w, " using keep()");
      *w++ = '\n';
    }
    p = *end ? end + 1 : end;
  }
  strcpy(w, "optimizer keep(w, g) {\n  state d = 0\n  d := g\n  w := w\n}\n");
  return to;
}

static bool has_single(const Graph *g) {
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].type.dtype == DT_F32) return true;
  return false;
}

/* DEAD: the gradient is not there, or is the literal 0. ZERO: it is 0 in real arithmetic. */
enum { LIVE, DEAD, ZERO };

/* What the diagnosis says about parameters, by leaf. */
static uint8_t *dead_params(Loaded *l, Arena *a, Fault *f) {
  uint8_t *dead = ARENA_ARRAY(a, uint8_t, l->p.leaf.n);
  diagnose(&l->p, l->bind, l->nbind, &l->diags);
  for (uint32_t i = 0; i < l->diags.all.n; i++) {
    const Diag *d = l->diags.all.at[i];
    bool zero = d->kind == DIAG_zero;
    if (d->kind != DIAG_unused && d->kind != DIAG_unreachable && d->kind != DIAG_cut && !zero) continue;
    for (uint32_t k = 0; k < d->subject.n; k++) {
      LeafId id;
      if (!program_find_leaf(&l->p, d->subject.at[k], &id)) continue;
      dead[id.i] = zero ? ZERO : DEAD;
      f->dead++;
      f->zero += zero;
    }
  }
  return dead;
}

/* The greatest number that is calculated: rounding noise is as large as a small part of it. */
static double largest(const Graph *g, const Interp *it) {
  double most = 1;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Tensor *t = &it->value[i];
    for (size_t k = 0; t->dtype == DT_F64 && k < t->count; k++) {
      double x = fabs(((const double *)t->data)[k]);
      if (isfinite(x) && x > most) most = x;
    }
  }
  return most;
}

static bool step_gradients(const Case *c, Loaded *l, Arena *a, const Entry *e, const uint8_t *dead,
                           Fault *f) {
  Sb why;
  char name[80];
  entry_name(l, e, name, sizeof name);
  sb_init(&why, a);
  Graph *r = passes_reference(a, &l->p, e, l->bind, l->nbind, NULL, &why);
  if (!r) return sb_char(&why, 0), finding(f, "reference", "%s: %s", name, why.p);
  Tensor *leaf = leaves(c, l, a, true, 0), *tangent = leaf ? leaves(c, l, a, true, 1) : NULL;
  if (!tangent) return finding(f, "gradient", "a leaf without extents");
  bool *moves = ARENA_ARRAY(a, bool, l->p.leaf.n);
  for (uint32_t i = 0; i < r->root.n; i++) {
    const Leaf *to = r->root.at[i].kind == ROOT_ASSIGN ? program_leaf_at(&l->p, r->root.at[i].leaf) : NULL;
    if (to && to->of.i != UINT32_MAX) moves[to->of.i] = true;
  }
  for (uint32_t i = 0; i < l->p.leaf.n; i++)
    if (!moves[i]) tangent[i].data = NULL;
  Interp it = {.graph = r,
               .mode = INTERP_DUAL,
               .arena = a,
               .leaf = leaf,
               .leaf_tangent = tangent,
               .host = host_entries(l, a)};
  if (interp_run(&it) != ST_OK) return finding(f, "duals", "%s: %s", name, it.what);
  double dual = 0, sum = 0, size = 1e-3, noise = 1e-9 * largest(r, &it);
  for (uint32_t i = 0; i < r->root.n; i++) {
    const Root *root = &r->root.at[i];
    if (root->kind == ROOT_LOSS && it.tangent[root->node.i].data) /* none: it depends on no parameter */
      dual = ((double *)it.tangent[root->node.i].data)[0];
    if (root->kind != ROOT_ASSIGN) continue;
    LeafId of = program_leaf_at(&l->p, root->leaf)->of;
    if (of.i == UINT32_MAX) continue;
    const Tensor *value = &it.value[root->node.i], *along = &tangent[of.i];
    for (size_t k = 0; k < value->count; k++) {
      double v = ((double *)value->data)[k], t = v * ((double *)along->data)[k];
      Str path = names_str(&l->names, program_leaf_at(&l->p, of)->path);
      if (dead[of.i] && isfinite(v) && (dead[of.i] == DEAD ? v != 0 : fabs(v) > noise))
        return finding(f, "verdict", STRF " is called dead, and step %s has a gradient of %g", STRA(path),
                       name, v);
      sum += t, size += fabs(t);
    }
  }
  if (c->no_duals || !isfinite(dual) || !isfinite(sum)) return true;
  double error = fabs(dual - sum) / size;
  if (error > f->worst) f->worst = error;
  f->gradients++;
  /* in f32 programs the value and its derivative are both rounded approximations */
  if (error < (has_single(r) ? 1e-5 : 1e-9)) return true;
  return finding(f, "gradient", "%s: %.12g by duals, %.12g by the graph", name, dual, sum);
}

bool check_gradients(const Case *c, Loaded *l, Arena *a, Fault *f) {
  const uint8_t *dead = dead_params(l, a, f);
  Loaded *kept = ARENA_NEW(a, Loaded);
  if (!load_case(c, keeping(c, a), a, kept, f)) return false;
  uint8_t *same = ARENA_ARRAY(a, uint8_t, kept->p.leaf.n); /* leaves have other numbers there */
  for (uint32_t i = 0; i < l->p.leaf.n; i++) {
    LeafId id;
    if (dead[i] && program_find_leaf(&kept->p, names_str(&l->names, l->p.leaf.at[i].path), &id))
      same[id.i] = dead[i];
  }
  for (uint32_t i = 0; i < kept->p.entry.n; i++)
    if (kept->p.entry.at[i].kind == ENTRY_TRAIN && !step_gradients(c, kept, a, &kept->p.entry.at[i], same, f))
      return false;
  return true;
}
