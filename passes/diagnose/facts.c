#include "passes/diagnose/facts.h"

#include "ir/scalar/literal.h"

#include <math.h>

/* A run ends long before its counter does; so step + 1 is no overflow. */
enum { CLOCK_MAX = INT32_MAX - (1 << 20) };

static Bound any(void) { return range_any(); }
static Bound point(double v) { return (Bound){v, v}; }
static Bound with_zero(Bound x) { return range_hull(x, point(0)); }
static DType type_in(const Facts *f, uint32_t i) {
  return (DType)graph_node(f->g, graph_in(f->g, f->n)[i])->type.dtype;
}
/* Signs alone: of sums, whose rounding never changes them. */
static Bound sign(Bound x) { return (Bound){x.lo >= 0 ? 0 : -INFINITY, x.hi <= 0 ? 0 : INFINITY}; }

/* ---- leaves ---- */

Bound facts_LEAF(const Facts *f) {
  LeafId id = {(uint32_t)graph_attr(f->g, f->n)[0]};
  switch (program_leaf_at(f->g->program, id)->kind) {
  case LEAF_STEP:
  case LEAF_EPOCH: return (Bound){1, CLOCK_MAX};
  case LEAF_PARAM:
  case LEAF_STATE:
    if (f->leaf) return f->leaf[id.i];
    break;
  case LEAF_INPUT:
  case LEAF_SEED: break;
  }
  return any();
}
Bound facts_CONST(const Facts *f) { return point(graph_const_value(f->g, f->n)); }
Bound facts_TABLE(const Facts *f) {
  const Table *t = &f->g->table.at[graph_attr(f->g, f->n)[0]];
  DType type = (DType)graph_node(f->g, f->n)->type.dtype;
  Bound r = any();
  for (uint32_t i = 0; i < t->n; i++) {
    double v = literal_number(type, (int64_t)t->word[i]);
    if (isnan(v)) continue;
    r = i && !isinf(r.lo) ? range_hull(r, point(v)) : point(v);
    if (isinf(v)) return any();
  }
  return r;
}
Bound facts_IOTA(const Facts *f) {
  const Type *t = &graph_node(f->g, f->n)->type;
  int64_t axis = graph_attr(f->g, f->n)[0], n;
  DimId d = axis < 0 ? type_count(f->g->program->dims, t) : t->dim[axis];
  return (Bound){0, dim_is_const(f->g->program->dims, d, &n) ? (double)(n - 1) : INFINITY};
}
Bound facts_COTANGENT(const Facts *f) { return (void)f, any(); }

/* ---- moves, and values under another name ---- */

Bound facts_BROADCAST(const Facts *f) { return f->in[0]; }
Bound facts_RESHAPE(const Facts *f) { return f->in[0]; }
Bound facts_TRANSPOSE(const Facts *f) { return f->in[0]; }
Bound facts_SLICE(const Facts *f) { return f->in[0]; }
Bound facts_REVERSE(const Facts *f) { return f->in[0]; }
Bound facts_STOP(const Facts *f) { return f->in[0]; }
Bound facts_NAME(const Facts *f) { return f->in[0]; }
Bound facts_CHECKPOINT(const Facts *f) { return f->in[0]; }
Bound facts_CUSTOM(const Facts *f) { return f->in[0]; }
Bound facts_PAD(const Facts *f) { return with_zero(f->in[0]); }
Bound facts_CONCAT(const Facts *f) {
  Bound r = f->in[0];
  for (uint32_t i = 1; i < graph_node(f->g, f->n)->nin; i++) r = range_hull(r, f->in[i]);
  return r;
}

Bound facts_GATHER(const Facts *f) { /* a place outside reads 0 */
  int64_t n;
  DimId extent = graph_node(f->g, graph_in(f->g, f->n)[0])->type.dim[graph_attr(f->g, f->n)[0]];
  bool inside = f->in[1].lo >= 0 && dim_is_const(f->g->program->dims, extent, &n) && f->in[1].hi < (double)n;
  return inside ? f->in[0] : with_zero(f->in[0]);
}
Bound facts_SCATTER_ADD(
    const Facts *f) { /* rounding does not take a sum across what is added to; integers wrap */
  if (!dtype_is_float(type_in(f, 0))) return any();
  return (Bound){f->in[2].lo >= 0 ? f->in[0].lo : -INFINITY, f->in[2].hi <= 0 ? f->in[0].hi : INFINITY};
}

/* ---- reductions ---- */

/* Elements of the operand for one of the result; infinite: not known. */
static double reduced(const Facts *f) {
  const Type *x = &graph_node(f->g, graph_in(f->g, f->n)[0])->type;
  double n = 1;
  for (uint8_t i = 0; i < x->rank; i++) {
    int64_t e;
    if (!(graph_attr(f->g, f->n)[0] >> i & 1)) continue;
    if (!dim_is_const(f->g->program->dims, x->dim[i], &e)) return INFINITY;
    n *= (double)e;
  }
  return n;
}
/* n roundings of sums no larger than `most` */
static double slack(DType t, double n, double most) {
  return dtype_is_float(t) ? n * most * (t == DT_F64 ? 0x1p-52 : 0x1p-23) : 0;
}
static double times(double n, double x) { return x == 0 ? 0 : n * x; }

Bound facts_SUM(const Facts *f) {
  Bound x = f->in[0];
  double n = reduced(f), most = times(n, fmax(fabs(x.lo), fabs(x.hi))), off = slack(type_in(f, 0), n, most);
  Bound s = sign(x);
  if (!(off <= most / 16)) return dtype_is_float(type_in(f, 0)) ? s : any(); /* integers wrap */
  return (Bound){fmax(s.lo, times(n, x.lo) - off), fmin(s.hi, times(n, x.hi) + off)};
}
Bound facts_CUMSUM(const Facts *f) { /* integers wrap */
  return dtype_is_float(type_in(f, 0)) ? sign(f->in[0]) : any();
}
Bound facts_MEAN(const Facts *f) {
  Bound x = f->in[0], s = sign(x);
  double n = reduced(f), most = fmax(fabs(x.lo), fabs(x.hi)), off = 2 * slack(type_in(f, 0), n, most);
  if (!(off <= most / 16) || isinf(most * n)) return s;
  return (Bound){fmax(s.lo, x.lo - off), fmin(s.hi, x.hi + off)};
}
Bound facts_MAX(const Facts *f) { return f->in[0]; }
Bound facts_MIN(const Facts *f) { return f->in[0]; }
Bound facts_PROD(const Facts *f) { /* rounding does not take a product across 0 or 1 */
  Bound x = f->in[0];
  if (!dtype_is_float(type_in(f, 0)) || x.lo < -1) return any();
  double most = x.hi <= 1 ? 1 : INFINITY;
  return (Bound){x.lo >= 1 ? 1 : x.lo >= 0 ? 0 : -most, most};
}
Bound facts_ARGMAX(const Facts *f) {
  const Type *x = &graph_node(f->g, graph_in(f->g, f->n)[0])->type;
  int64_t n;
  bool known = dim_is_const(f->g->program->dims, x->dim[graph_attr(f->g, f->n)[0]], &n);
  return (Bound){0, known ? (double)(n - 1) : INT32_MAX};
}
Bound facts_ARGMIN(const Facts *f) { return facts_ARGMAX(f); }

/* ---- rows ---- */

Bound facts_SOFTMAX(const Facts *f) { return (void)f, (Bound){0, 1}; } /* a part of a sum of such parts */
Bound facts_LOG_SOFTMAX(const Facts *f) { return (void)f, (Bound){-INFINITY, 0}; }
Bound facts_LOGSUMEXP(const Facts *f) {
  return (Bound){f->in[0].lo, INFINITY};
} /* no less than the maximum */
Bound facts_CROSS_ENTROPY(const Facts *f) { /* without its label's logit where the label lies outside */
  return (Bound){fmin(f->in[0].lo, 0), INFINITY};
}

/* ---- products and windows: signs ---- */

static Bound sign_of_products(const Facts *f) {
  Bound x = sign(f->in[0]), y = sign(f->in[1]);
  bool same = (x.lo == 0 && y.lo == 0) || (x.hi == 0 && y.hi == 0),
       other = (x.lo == 0 && y.hi == 0) || (x.hi == 0 && y.lo == 0);
  return (Bound){same ? 0 : -INFINITY, other ? 0 : INFINITY};
}
Bound facts_CONTRACT(const Facts *f) { return sign_of_products(f); }
Bound facts_CONV2D(const Facts *f) { return sign_of_products(f); }
Bound facts_CONV2D_DX(const Facts *f) { return sign_of_products(f); }
Bound facts_CONV2D_DW(const Facts *f) { return sign_of_products(f); }
Bound facts_MAX_POOL2D(const Facts *f) { return f->in[0]; } /* padding never wins */
Bound facts_MAX_POOL2D_DX(const Facts *f) { return sign(f->in[2]); }
Bound facts_AVG_POOL2D(const Facts *f) { return sign(f->in[0]); }
Bound facts_AVG_POOL2D_DX(const Facts *f) { return sign(f->in[0]); }

/* ---- what nothing is known of ---- */

Bound facts_EXTERN(const Facts *f) { return (void)f, any(); }
Bound facts_GRAD(const Facts *f) { return (void)f, any(); }
Bound facts_PARAM(const Facts *f) { return (void)f, any(); }
Bound facts_YIELD(const Facts *f) { return (void)f, any(); }
Bound facts_LOOP(const Facts *f) { return (void)f, any(); }
Bound facts_COND(const Facts *f) { return (void)f, any(); }
Bound facts_RESULT(const Facts *f) { return (void)f, any(); }

static FactsFn *const facts[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = facts_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};

Bound facts_of(ScalarRanges *c, const Graph *g, NodeId n, const Bound *in, const Bound *leaf) {
  const Node *node = graph_node(g, n);
  DType type[3] = {DT_F32, DT_F32, DT_F32};
  if (op_info[node->op].scalar) {
    for (uint32_t i = 0; i < node->nin && i < 3; i++)
      type[i] = (DType)graph_node(g, graph_in(g, n)[i])->type.dtype;
    return op_range(c, (Op)node->op, in, type, node->nin, (DType)node->type.dtype);
  }
  Bound r = range_fit(facts[node->op](&(Facts){g, n, in, leaf}), (DType)node->type.dtype);
  if (node->type.dtype == DT_BOOL) r = (Bound){fmax(r.lo, 0), fmin(r.hi, 1)};
  return r;
}
