/* Statements that reduce axes, rows and products. */
#include "gen.h"

static void reduce_bool(Gen *g, const char *name) { /* any, all */
  Val v = gen_pick(g, TRUTH, -2);
  int axis = (int)gen_next(g, (uint32_t)v.rank);
  if (gen_one_in(g, 2))
    gen_let(g, gval_without(v, axis), "%s(%s, axis = %d)", name, v.name, axis);
  else
    gen_let(g, gval_shape(BOOLEAN, 0, ext_of(0), ext_of(0), ext_of(0), ext_of(0)), "%s(%s)", name, v.name);
}

static void reduce_int(Gen *g) {
  static const char *const op[] = {"sum", "max", "min", "prod"};
  Val v = gen_pick(g, INTEGER, -2);
  int axis = (int)gen_next(g, (uint32_t)v.rank);
  gen_let(g, gval_without(v, axis), "%s(%s, axis = %d)", GEN_ONE(g, op), v.name, axis);
}

void gen_reduce(Gen *g) {
  static const char *const op[] = {"sum",  "mean",      "max", "min",  "variance",
                                   "norm", "logsumexp", "any", "int",  "argument",
                                   "prod", "several",   "all", "keep", "whole"};
  enum { OPS = sizeof op / sizeof *op };
  const char *name = op[gen_turn(g, TABLE_REDUCE, OPS)];
  static const char *const plain[] = {"sum", "mean", "max", "min", "variance", "norm", "prod"};
  if (strcmp(name, "any") == 0 || strcmp(name, "all") == 0) {
    reduce_bool(g, name);
    return;
  }
  if (strcmp(name, "int") == 0) {
    reduce_int(g);
    return;
  }
  Val v = gen_pick(g, REAL, -2), one = v;
  int axis = (int)gen_next(g, (uint32_t)v.rank);
  one.dim[axis] = ext_of(1);
  if (strcmp(name, "argument") == 0) {
    gen_let(g, gval_typed(gval_without(v, axis), I32), "arg%s(%s, axis = %d)",
            gen_one_in(g, 2) ? "max" : "min", v.name, axis);
  } else if (strcmp(name, "prod") == 0) {
    gen_let(g, gval_without(v, axis), "tanh(prod(%s * tanh(%s), axis = %d))", gen_one_in(g, 2) ? "1.5" : "1",
            v.name, axis);
  } else if (strcmp(name, "several") == 0 && v.rank > 1) {
    int second = v.rank > 2 && gen_one_in(g, 2) ? 2 : 1;
    gen_let(g, gval_without(gval_without(v, second), 0), "tanh(%s(%s, axis = [0, %d]))", GEN_ONE(g, plain),
            v.name, second);
  } else if (strcmp(name, "whole") == 0 || strcmp(name, "several") == 0) {
    v.rank = 0;
    gen_let(g, v, "tanh(%s(%s))", GEN_ONE(g, plain), v.name);
  } else if (strcmp(name, "keep") == 0) {
    gen_let(g, one, "tanh(%s(%s, axis = %d, keep = true))", GEN_ONE(g, plain), v.name, axis);
  } else
    gen_let(g, gval_without(v, axis), "tanh(%s(%s, axis = %d))", name, v.name,
            gen_one_in(g, 2) ? axis : axis - v.rank);
}

void gen_row(Gen *g) {
  enum {
    SOFT,
    LOG_SOFT,
    STANDARD,
    NORM,
    RMS,
    LENGTH_1,
    SOFT_AXIS,
    LSE,
    ONE_HOT,
    KL,
    COSINE,
    RANGE,
    RUNNING,
    SORTED,
    GREATEST,
    ROWS
  };
  Val v = gen_pick(g, REAL, -2), w = gen_like(g, &v);
  Dim last = v.dim[v.rank - 1];
  int axis = (int)gen_next(g, (uint32_t)v.rank);
  char d[48];
  switch (gen_turn(g, TABLE_ROW, ROWS)) {
  case SOFT: gen_let(g, v, "softmax(%s)", v.name); return;
  case RUNNING:
    gen_let(g, v, "tanh(cum%s(%s, axis = %d))", gen_one_in(g, 2) ? "sum" : "prod", v.name, axis);
    return;
  case SORTED:
    if (gen_one_in(g, 3)) {
      gen_let(g, v, "gather(%s, argsort(%s, axis = %d), axis = %d)", v.name, w.name, axis, axis);
      return;
    }
    gen_let(g, v, "sort(%s, axis = %d, descending = %s) * tanh(%s)", v.name, axis,
            gen_one_in(g, 2) ? "true" : "false", w.name);
    return;
  case GREATEST:
    w = v;
    w.dim[axis] = ext_of(1);
    gen_let(g, w, "top_k(%s, 1, axis = %d)[0]", v.name, axis);
    return;
  case LOG_SOFT: gen_let(g, v, "log_softmax(%s)", v.name); return;
  case STANDARD: gen_let(g, v, "standardize(%s)", v.name); return;
  case NORM: gen_let(g, v, "layer_norm(%s, axis = %d, eps = 0.1)", v.name, axis); return;
  case RMS: gen_let(g, v, "rms_norm(%s, axis = %d, eps = 0.1)", v.name, axis); return;
  case LENGTH_1: gen_let(g, v, "l2norm(%s, axis = %d, eps = 0.1)", v.name, axis); return;
  case SOFT_AXIS:
    gen_let(g, v, "%ssoftmax(%s, axis = %d)", gen_one_in(g, 3) ? "log_" : "", v.name, axis);
    return;
  case LSE: {
    Val r = v;
    r.dim[axis] = ext_of(1);
    gen_let(g, r, "logsumexp(%s, axis = %d, keep = true)", v.name, axis);
    return;
  }
  case ONE_HOT:
    if (!ext_fixed(last)) break;
    gen_let(g, v, "%s(one_hot(arg%s(%s, axis = -1), %s))", gval_type[v.type],
            gen_one_in(g, 2) ? "max" : "min", v.name, ext_text(g, last, d));
    return;
  case KL:
    gen_let(g, gval_without(v, v.rank - 1), "kl_div(log_softmax(%s), log_softmax(%s))", v.name, w.name);
    return;
  case COSINE: gen_let(g, gval_without(v, v.rank - 1), "cosine(%s, %s)", v.name, w.name); return;
  case RANGE:
    if (!ext_fixed(last)) v = gen_param(g, gval_row(g->dt, gen_size(g))), last = v.dim[0];
    gen_let(g, v, "tanh(%s) * %s(range(%s))", v.name, gval_type[v.type], ext_text(g, last, d));
    return;
  default: break;
  }
  gen_let(g, v, "softmax(%s) + 0.5 * %s", v.name, w.name);
}

/* Multiplied by a parameter, on either side, of any rank. */
static void by_parameter(Gen *g, const Val *v, int k) {
  int m = gen_one_in(g, 6) ? 0 : gen_size(g); /* 0: with a vector */
  Val s = m ? gval_matrix(v->type, ext_of(k), ext_of(m)) : gval_row(v->type, k), r = *v;
  if (m > 0 && gval_count(g, v) / k * m > g->most) return;
  Val p = gen_param(g, s);
  if (m)
    r.dim[r.rank - 1] = ext_of(m);
  else
    r.rank--;
  gen_let(g, r, gen_one_in(g, 3) ? "0.3 * (%s @ %s)" : "tanh(%s @ %s)", v->name, p.name);
}

/* Attention over rows or batches of them, positions, the unit matrix, diagonals. */
static void attend(Gen *g, int kind) {
  enum { ROWS, BATCHES, ROTARY, UNIT, DIAG, DIAG_OF };
  static const char *const options[] = {"", ", causal = true", ", mask = (%s > 0)[.., _, :, 0]",
                                        ", scale = 0.5, causal = true, mask = (%s > -0.5)[.., _, :, 0]"};
  Val v = gen_pick(g, REAL, kind == BATCHES ? 3 : kind == DIAG ? 1 : kind == UNIT ? -2 : 2), r = v;
  Val w = gen_like(g, &v);
  Dim last = v.dim[v.rank - 1];
  char d[48], option[96];
  if (kind == ROWS || kind == BATCHES) {
    r.dim[r.rank - 1] = v.dim[v.rank - 2];
    if (gval_count(g, &r) > g->most) return;
    snprintf(option, sizeof option, GEN_ONE(g, options), w.name);
    gen_let(g, v, "attention(%s, %s, %s%s)", v.name, w.name, gen_one_in(g, 2) ? v.name : w.name, option);
  } else if (kind == DIAG_OF) {
    r.dim[1] = v.dim[0];
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, gval_without(v, 1), "tanh(diag(%s @ %s'))", v.name, w.name);
  } else if (kind == DIAG) {
    r.rank = 2;
    r.dim[1] = r.dim[0];
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, r, "diag(%s)", v.name);
  } else if (ext_fixed(last) && kind == UNIT) {
    gen_let(g, v, "%s @ (0.5 * eye(%s, dtype = %s))", v.name, ext_text(g, last, d), gval_type[v.type]);
  } else if (ext_fixed(last) && last.one % 2 == 0) {
    gen_let(g, v, "rotary(%s%s)", v.name, gen_one_in(g, 2) ? "" : ", base = 50");
  } else if (kind == ROTARY) {
    r.dim[1] = ext_add(last, last);
    gen_let(g, r, "rotary(concat([%s, %s], axis = -1))", v.name, w.name);
  }
}

void gen_product(Gen *g) {
  enum {
    PARAM,
    GRAM,
    BATCHED,
    DOT,
    VECTOR,
    SWAPPED,
    THREE,
    NAMED,
    NAMED_BATCH,
    FACTOR,
    ATTEND,
    ATTEND_BATCH,
    ROTARY,
    UNIT,
    DIAG,
    DIAG_OF,
    PRODUCTS
  };
  int kind = gen_turn(g, TABLE_PRODUCT, PRODUCTS);
  if (kind >= ATTEND && kind <= DIAG_OF) {
    attend(g, kind - ATTEND);
    return;
  }
  int rank = kind == GRAM || kind == NAMED || kind == FACTOR ? 2
             : kind == BATCHED || kind == NAMED_BATCH        ? 3
             : kind == DOT                                   ? 1
             : kind == SWAPPED                               ? 2
                                                             : -2;
  Val v = gen_pick(g, REAL, rank), w = gen_like(g, &v), r = v;
  Dim last = v.dim[v.rank - 1];
  switch (kind) {
  case GRAM: {
    bool left = gen_one_in(g, 2);
    r.dim[0] = r.dim[1] = v.dim[!left];
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, r, left ? "tanh(%s @ %s')" : "tanh(%s' @ %s)", v.name, w.name);
    return;
  }
  case FACTOR: { /* a Gram matrix made positive definite */
    char d[48];
    if (!ext_fixed(v.dim[0])) break;
    r.dim[1] = v.dim[0];
    if (gval_count(g, &r) > g->most) return;
    char a[256];
    snprintf(a, sizeof a, "cholesky(tanh(%s) @ tanh(%s)' + 2 * eye(%s, dtype = %s))", v.name, v.name,
             ext_text(g, v.dim[0], d), gval_type[v.type]);
    static const char *const how[] = {"", ", transpose = true"};
    if (gen_one_in(g, 2))
      gen_let(g, r, "%s", a);
    else
      gen_let(g, v, "tanh(triangular_solve(%s, %s%s))", a, w.name, GEN_ONE(g, how));
    return;
  }
  case NAMED: /* three tensors; the result's axes in another order than they come */
    r.dim[0] = r.dim[1];
    r.dim[1] = v.dim[0];
    gen_let(g, r, "tanh(einsum(\"%s\", %s, %s, %s))", gen_one_in(g, 2) ? "ij,ik,ik->ji" : "ab,cb,ab->ba",
            v.name, w.name, v.name);
    return;
  case NAMED_BATCH:
    r.dim[0] = v.dim[1];
    r.dim[1] = v.dim[0];
    r.dim[2] = v.dim[1];
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, r, "tanh(einsum(\"%s\", %s, %s))", gen_one_in(g, 2) ? "bij,bkj->ibk" : "..ij,..kj->i..k",
            v.name, w.name);
    return;
  case BATCHED:
    r.dim[2] = v.dim[1];
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, r, "softmax(%s @ %s' / 2)", v.name, w.name);
    return;
  case DOT: gen_let(g, gval_without(v, 0), "tanh(%s @ %s)", v.name, w.name); return;
  case VECTOR: /* a vector from the left */
    if (v.rank != 1 || !ext_fixed(last)) break;
    r.dim[0] = ext_of(gen_size(g));
    gen_let(g, r, "tanh(%s @ %s)", v.name, gen_param(g, gval_matrix(v.type, last, r.dim[0])).name);
    return;
  case SWAPPED:
    if (!ext_fixed(v.dim[0])) break;
    r.dim[0] = ext_of(gen_size(g));
    if (gval_count(g, &r) > g->most) return;
    gen_let(g, r, "tanh(%s' @ %s)", gen_param(g, gval_matrix(v.type, v.dim[0], r.dim[0])).name, v.name);
    return;
  case THREE: /* a batch of matrices over a plain one, both sides turned */
    if (v.rank < 2 || !ext_fixed(last)) break;
    r.dim[r.rank - 1] = ext_of(1 + (int)gen_next(g, 5));
    gen_let(g, r, "tanh(%s @ %s')", v.name, gen_param(g, gval_matrix(v.type, r.dim[r.rank - 1], last)).name);
    return;
  default: break;
  }
  if (ext_fixed(last)) by_parameter(g, &v, last.one);
}
