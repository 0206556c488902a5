/* Verdicts about what steps do: the program is run from its initial values in f64, and every step is looked
 * at. A gradient that is called stuck is 0, one that is called symmetric is equal along its axes, elements
 * that are called dead get nothing, what is called zero is rounding noise, and what is called idle, or is
 * said to keep its value, stays. A number that is not finite, or very large, ends the run: it lies outside of
 * the domain. */
#include "check.h"
#include "gen.h"
#include "ir/scalar/literal.h"
#include "passes/diagnose/slab.h"
#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 4 };
static const double LARGE = 1e9;

typedef struct Run {
  const Case *c;
  Loaded *l;
  Arena *a;
  Fault *f;
  Tensor *leaf; /* by LeafId */
  const HostEntry *host;
  const char *name; /* of the entry that runs */
  int turn;
} Run;

static Tensor *leaves_of(Run *r) {
  Loaded *l = r->l;
  Tensor *leaf = ARENA_ARRAY(r->a, Tensor, l->p.leaf.n);
  for (uint32_t i = 0; i < l->p.leaf.n; i++) {
    Type t = load_type(l, &l->p.leaf.at[i].type);
    if (dtype_is_float(dtype_compute((DType)t.dtype))) t.dtype = DT_F64;
    if (!tensor_of_type(r->a, l->p.dims, &t, &leaf[i])) return NULL;
  }
  return leaf;
}

/* Inputs of this step, and the clock. */
static void feed(Run *r) {
  Case other = *r->c;
  other.data += (unsigned long)r->turn * 1000003;
  for (uint32_t i = 0; i < r->l->p.leaf.n; i++) {
    const Leaf *from = &r->l->p.leaf.at[i];
    Tensor *t = &r->leaf[i];
    if (from->kind == LEAF_PARAM || from->kind == LEAF_STATE) continue;
    value_fill(&other, from, &r->l->names, t->dtype, t->count, true, t->data);
    if (from->kind == LEAF_STEP) ((int32_t *)t->data)[0] = r->turn + 1;
    if (from->kind == LEAF_EPOCH) ((int32_t *)t->data)[0] = 1;
  }
}

static bool tame(const Graph *g, const Interp *it, double *most) {
  for (uint32_t i = 0; i < g->node.n; i++)
    for (size_t k = 0; it->value[i].dtype == DT_F64 && k < it->value[i].count; k++) {
      double x = fabs(((const double *)it->value[i].data)[k]);
      if (!(x < LARGE)) return false;
      if (x > *most) *most = x;
    }
  return true;
}

/* Runs an entry and assigns what it assigns. False: it cannot go on. */
static bool run_entry(Run *r, const Entry *e, double *most) {
  Sb why;
  sb_init(&why, r->a);
  Graph *g = passes_reference(r->a, &r->l->p, e, r->l->bind, r->l->nbind, NULL, &why);
  Interp it = {.graph = g, .mode = INTERP_F64, .arena = r->a, .leaf = r->leaf, .host = r->host};
  if (!g || interp_run(&it) != ST_OK || !tame(g, &it, most)) return false;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *root = &g->root.at[i];
    if (root->kind != ROOT_ASSIGN) continue;
    const Tensor *v = &it.value[root->node.i];
    double *to = r->leaf[root->leaf.i].data;
    memcpy(to, v->data, v->count * dtype_bytes((DType)v->dtype));
    bool halves = r->l->p.leaf.at[root->leaf.i].type.dtype == DT_BF16; /* which f64 does not round */
    for (size_t k = 0; halves && k < v->count; k++) to[k] = (double)literal_bf16((float)to[k]).s;
  }
  return true;
}

static bool wrong(Run *r, uint32_t leaf, const char *what, double x) {
  Str path = names_str(&r->l->names, r->l->p.leaf.at[leaf].path);
  return finding(r->f, "verdict", STRF " is called %s by step %s; in turn %d: %g", STRA(path), what, r->name,
                 r->turn, x);
}

/* The element that k is equal to, where elements are equal along these axes (from the last). */
static size_t equal_to(const Tensor *g, size_t k, uint32_t axes) {
  size_t at = 0, stride = 1, rest = k;
  for (int axis = g->rank - 1; axis >= 0; axis--) {
    size_t e = (size_t)g->ext[axis];
    if (!(axes >> (g->rank - 1 - axis) & 1)) at += rest % e * stride;
    rest /= e;
    stride *= e;
  }
  return at;
}

static bool in_part(const Verdict *p, const Tensor *g, size_t k) {
  size_t stride = 1;
  for (uint32_t axis = p->part_axis + 1; axis < g->rank; axis++) stride *= (size_t)g->ext[axis];
  int64_t i = (int64_t)(k / stride) % g->ext[p->part_axis];
  for (uint8_t j = 0; j < p->part->set.n; j++)
    if (i >= p->part->set.at[j].lo && i < p->part->set.at[j].hi) return true;
  return false;
}

static bool gradient_holds(Run *r, uint32_t leaf, const Verdict *p, const Tensor *g, double noise) {
  const double *x = g->data;
  for (size_t k = 0; k < g->count; k++) {
    if (p->flow == FLOW_STUCK && x[k] != 0) return wrong(r, leaf, "stuck", x[k]);
    if (p->flow == FLOW_ZERO && fabs(x[k]) > noise) return wrong(r, leaf, "zero", x[k]);
    if (p->flow == FLOW_SYMMETRIC && fabs(x[k] - x[equal_to(g, k, p->equal)]) > noise)
      return wrong(r, leaf, "symmetric", x[k] - x[equal_to(g, k, p->equal)]);
    if (p->flow == FLOW_OPEN && p->part && in_part(p, g, k) && fabs(x[k]) > noise)
      return wrong(r, leaf, "dead in part", x[k]);
    if (p->late && r->turn == 0 && r->f->steps == 0 && fabs(x[k]) > noise)
      return wrong(r, leaf, "late", x[k]);
  }
  return true;
}

static void count(int *seen, const Verdict *p) {
  seen[SEEN_ZERO] += p->flow == FLOW_ZERO;
  seen[SEEN_STUCK] += p->flow == FLOW_STUCK;
  seen[SEEN_SYMMETRIC] += p->flow == FLOW_SYMMETRIC;
  seen[SEEN_PARTIAL] += p->flow == FLOW_OPEN && p->part;
  seen[SEEN_LATE] += p->flow == FLOW_OPEN && p->late;
  seen[SEEN_IDLE] += p->rule == RULE_IDLE;
}

static const char *verdict_name(const Verdict *p) {
  static const char *const name[] = {
      [FLOW_UNUSED] = "unused", [FLOW_UNREACHABLE] = "unreachable", [FLOW_CUT] = "cut",  [FLOW_ZERO] = "zero",
      [FLOW_STUCK] = "stuck",   [FLOW_SYMMETRIC] = "symmetric",     [FLOW_OPEN] = "open"};
  return p->flow == FLOW_OPEN && p->part ? "partial" : name[p->flow];
}

static void count_body(Run *r, const Verdict *p, Str path) {
  int k;
  const char *want = gen_body_verdict(path.p, path.n, &k);
  bool by_step = want && (strcmp(want, "stuck") == 0 || strcmp(want, "symmetric") == 0 ||
                          strcmp(want, "partial") == 0); /* said of what a step trains */
  if (!want || (by_step && p->rule == RULE_NONE)) return;
  r->f->body_planted[k]++;
  r->f->body_seen[k] += strcmp(want, verdict_name(p)) == 0;
  if (getenv("MODELS_SHOW") && strcmp(want, verdict_name(p)) != 0)
    printf("# " STRF " is %s\n", STRA(path), verdict_name(p));
}

static void count_all(Run *r, const View *v) {
  for (uint32_t i = 0; i < r->l->p.leaf.n; i++) {
    const Leaf *leaf = &r->l->p.leaf.at[i];
    if (leaf->kind != LEAF_PARAM) continue;
    count(r->f->seen, &v->param[i]);
    Str path = names_str(&r->l->names, leaf->path);
    if (gen_planted(path.p, path.n)) count(r->f->planted, &v->param[i]);
    if (str_eq(v->loss, STR("l"))) count_body(r, &v->param[i], path);
  }
}

/* One step: what is said of gradients before it, of values after it. *on: the run goes on. */
static bool step_holds(Run *r, const View *v, const Entry *e, bool *on) {
  const Program *p = &r->l->p;
  double most = 1;
  if (v->grad) {
    Interp it = {.graph = v->grad, .mode = INTERP_F64, .arena = r->a, .leaf = r->leaf, .host = r->host};
    *on = interp_run(&it) == ST_OK && tame(v->grad, &it, &most);
    for (uint32_t i = 0; *on && i < p->leaf.n; i++)
      if (p->leaf.at[i].kind == LEAF_PARAM && node_ok(v->grad_of[i]) &&
          !gradient_holds(r, i, &v->param[i], &it.value[v->grad_of[i].i], 1e-9 * most))
        return false;
  }
  double **old = ARENA_ARRAY(r->a, double *, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (p->leaf.at[i].kind != LEAF_PARAM || r->leaf[i].dtype != DT_F64) continue;
    old[i] = ARENA_ARRAY(r->a, double, r->leaf[i].count);
    memcpy(old[i], r->leaf[i].data, r->leaf[i].count * sizeof(double));
  }
  *on = *on && run_entry(r, e, &most);
  r->f->steps += *on;
  for (uint32_t i = 0; *on && i < p->leaf.n; i++) {
    const Verdict *verdict = &v->param[i];
    const double *now = r->leaf[i].data;
    for (size_t k = 0; old[i] && k < r->leaf[i].count; k++) {
      if (verdict->rule == RULE_IDLE && fabs(now[k] - old[i][k]) > 1e-9 * most)
        return wrong(r, i, "idle", now[k] - old[i][k]);
      if (verdict->flow == FLOW_STUCK && !verdict->decays && now[k] != old[i][k])
        return wrong(r, i, "at rest", now[k] - old[i][k]);
    }
  }
  return true;
}

static bool afters(Run *r, uint32_t train) {
  double most = 1;
  for (uint32_t i = 0; i < r->l->p.entry.n; i++) {
    const Entry *e = &r->l->p.entry.at[i];
    if (e->kind != ENTRY_AFTER || e->train != train || (e->every > 1 && (r->turn + 1) % e->every)) continue;
    if (!run_entry(r, e, &most)) return false;
  }
  return true;
}

bool check_rest(const Case *c, Loaded *l, Arena *a, Fault *f) {
  Run r = {c, l, a, f, NULL, host_entries(l, a), "init", 0};
  Diags quiet = {.arena = a, .sources = &l->sources, .limits = &l->limits};
  Diagnose x = {.arena = a, .p = diagnose_bound_program(&l->p, l->bind, l->nbind, a), .d = &quiet};
  double most = 1;
  if (!l->p.train.n || !diagnose_run(&x)) return true;
  r.leaf = leaves_of(&r);
  if (!r.leaf) return true;
  for (uint32_t k = 0; k < x.view.n; k++) count_all(&r, &x.view.at[k]);
  feed(&r);
  for (uint32_t i = 0; i < l->p.entry.n; i++)
    if (l->p.entry.at[i].kind == ENTRY_INIT && !run_entry(&r, &l->p.entry.at[i], &most)) return true;
  bool on = true;
  for (r.turn = 0; r.turn < STEPS && on; r.turn++) {
    feed(&r);
    for (uint32_t k = 0; k < x.view.n && on; k++) {
      const View *v = &x.view.at[k];
      char name[64];
      snprintf(name, sizeof name, STRF, STRA(names_str(&l->names, v->step->name)));
      r.name = name;
      if (!step_holds(&r, v, &l->p.entry.at[v->step->entry], &on)) return false;
      on = on && afters(&r, (uint32_t)(v->step - x.p->train.at));
    }
  }
  return true;
}
