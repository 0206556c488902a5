/* The table of built-in functions, their arguments, and those that work element by element or reduce. */
#include "frontend/elaborate/window.h"

#include <math.h>

static const Builtin table[] = {
#define BUILTIN(name, fn, op, params, doc) {name, fn, OP_##op, params, doc},
#include "frontend/elaborate/builtins.def"
#undef BUILTIN
};

/* Element by element, one or two operands of the result's type: the op table's row is all such a function
 * needs. */
static const Builtin of_op[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)                                    \
  [OP_##id] = {name, bi_elementwise, OP_##id, sizeof(sig) == 3 ? "x" : "a b", doc},
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc)
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};

static bool is_function(Op op) {
  const OpInfo *o = &op_info[op];
  if (!o->scalar || o->arity > 2 || (o->flags & OPF_OPERATOR)) return false;
  if (o->sig[0] != 'F' && o->sig[0] != 'T') return false;
  return o->sig[1] == o->sig[0] && o->sig[o->arity] == o->sig[0];
}

const Builtin *builtin_find(Str name) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (str_eq(str_z(table[i].name), name)) return &table[i];
  Op op;
  return op_find(name, &op) && is_function(op) ? &of_op[op] : NULL;
}

void builtin_names(void (*see)(void *cx, Str name), void *cx) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) see(cx, str_z(table[i].name));
  for (int op = 0; op < OP_COUNT; op++)
    if (is_function((Op)op)) see(cx, str_z(of_op[op].name));
}

bool calls_builtin(Elab *x, Scope *s, const AstExpr *e, const char *name) {
  if (e->kind != EXPR_CALL || e->call.callee->kind != EXPR_NAME) return false;
  if (!str_eq(sym_str(x, e->call.callee->name), str_z(name))) return false;
  Value v = eval(x, s, e->call.callee);
  return v.kind == VAL_BUILTIN && !strcmp(v.builtin->name, name);
}

bool arg_given(Operand o) { return o.at.file != 0; }

typedef struct Param {
  Str name;
  bool optional, by_name;
} Param;

static uint32_t params_of(const Builtin *b, Param *out) {
  uint32_t n = 0;
  bool by_name = false;
  for (const char *p = b->params; *p;) {
    const char *from = p;
    while (*p && *p != ' ') p++;
    Str w = {from, (size_t)(p - from)};
    while (*p == ' ') p++;
    if (str_eq(w, STR("|"))) {
      by_name = true;
      continue;
    }
    bool optional = str_ends(w, STR("?"));
    out[n++] = (Param){{w.p, w.n - optional}, optional, by_name};
  }
  return n;
}

bool builtin_args(Elab *x, const Builtin *b, ArgVec *args, Span at, Operand *out) {
  Param p[MAX_BUILTIN_ARGS];
  uint32_t n = params_of(b, p), next = 0;
  Str name = str_z(b->name);
  memset(out, 0, sizeof *out * MAX_BUILTIN_ARGS); /* size-ok: a small constant */
  for (uint32_t i = 0; i < args->n; i++) {
    Arg *a = &args->at[i];
    uint32_t k = next;
    if (a->name.i) {
      for (k = 0; k < n && !str_eq(p[k].name, sym_str(x, a->name)); k++) {}
      if (k == n) {
        Diag *g = TELL(x, arguments, a->name_at, name,
                       str_fmt(x->a, "it has no parameter '" STRF "'", STRA(sym_str(x, a->name))));
        Str names[MAX_BUILTIN_ARGS];
        uint32_t left = 0;
        for (uint32_t j = 0; j < n; j++)
          if (!arg_given(out[j]) && !arg_named(x, args, p[j].name)) names[left++] = p[j].name;
        suggest(x, g, a->name_at, sym_str(x, a->name), names, left, "it has");
        return false;
      }
    } else if (k < n && !p[k].by_name)
      next++;
    else {
      Diag *g = TELL(x, arguments, a->at, name,
                     k < n ? str_fmt(x->a, "'" STRF "' is given by name", STRA(p[k].name))
                           : str_fmt(x->a, "it takes %u argument%s", n, n == 1 ? "" : "s"));
      if (b->call == bi_reduce && (b->op == OP_MAX || b->op == OP_MIN))
        diag_help(g, "of two values write %s(a, b)", b->op == OP_MAX ? "maximum" : "minimum");
      else if (b->op == OP_CONCAT)
        diag_help(g, "the tensors stand in a list: %s([a, b])", b->name);
      else if ((b->op == OP_CONV2D || b->op == OP_CONV2D_DX) && val_tensor(a->v)) /* F.conv2d(x, w, b) */
        diag_help(g, "a bias is added to the result: + " STRF "[:%.*s]", STRA(span_text(x, a->at)),
                  3 * window_axes(b), ", _, _, _");
      else if (k < n) {
        diag_help(g, "write " STRF " = ..", STRA(p[k].name));
        diag_edit(g, (Span){a->at.file, a->at.lo, a->at.lo}, str_fmt(x->a, STRF " = ", STRA(p[k].name)));
      }
      return false;
    }
    if (arg_given(out[k])) {
      TELL(x, arguments, a->at, name, str_fmt(x->a, "'" STRF "' is given twice", STRA(p[k].name)));
      return false;
    }
    out[k] = (Operand){a->v, a->at};
  }
  for (uint32_t k = 0; k < n; k++)
    if (!arg_given(out[k]) && !p[k].optional) {
      Diag *g = TELL(x, arguments, at, name, str_fmt(x->a, "'" STRF "' is missing", STRA(p[k].name)));
      if (p[k].by_name) diag_help(g, "it is given by name: " STRF " = ..", STRA(p[k].name));
      return false;
    }
  return true;
}

bool axis_of(Elab *x, Operand o, uint32_t rank, int *axis) {
  int64_t i;
  if (!val_static_int(x, o.v, o.at, "an axis", &i)) return false;
  if (i < -(int64_t)rank || i >= (int64_t)rank) {
    TELL(x, index_range, o.at, str_fmt(x->a, "%lld", (long long)i),
         str_fmt(x->a, "a tensor with %u axes", rank));
    return false;
  }
  *axis = (int)(i < 0 ? i + rank : i);
  return true;
}

bool axes_of(Elab *x, Operand o, uint32_t rank, uint32_t *mask) {
  *mask = (1u << rank) - 1;
  if (!arg_given(o)) return true;
  int axis;
  if (o.v.kind != VAL_LIST) {
    if (!axis_of(x, o, rank, &axis)) return false;
    *mask = 1u << axis;
    return true;
  }
  *mask = 0;
  for (uint32_t i = 0; i < o.v.list.n; i++) {
    if (!axis_of(x, (Operand){o.v.list.at[i], o.at}, rank, &axis)) return false;
    if (*mask >> axis & 1) {
      TELL(x, static_arith, o.at, str_fmt(x->a, "axis %d stands twice in the list", axis));
      return false;
    }
    *mask |= 1u << axis;
  }
  return true;
}

/* ---- element by element ---- */

static bool numeric(Value v) { return v.kind == VAL_INT || v.kind == VAL_REAL; }

static ScalarValue run_row(Elab *x, Op op, DType t, const Operand *o, uint32_t n) {
  DType type[2] = {t, t};
  ScalarValue in[2], out = {.w = 0};
  for (uint32_t i = 0; i < n; i++)
    in[i] = t == DT_I64 ? (ScalarValue){.l = o[i].v.i} : (ScalarValue){.d = static_real(o[i].v)};
  uint32_t saved = fp_enter();
  scalar_eval(op_program(&x->programs, op, type, n, t), in, &out);
  fp_leave(saved);
  return out;
}

/* What is known when compiling is the number the op would give: its row, evaluated in f64, or in i64 for
 * whole numbers and a row that takes any type (T), as long as the result is one. */
static Value static_row(Elab *x, Op op, const Operand *o, uint32_t n) {
  bool whole = op_info[op].sig[0] == 'T';
  for (uint32_t i = 0; i < n; i++) whole = whole && o[i].v.kind == VAL_INT;
  double r = run_row(x, op, DT_F64, o, n).d;
  return whole && fabs(r) < 9.2e18 ? val_int(run_row(x, op, DT_I64, o, n).l) : val_real(r);
}

Value bi_elementwise(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  uint32_t n = (uint32_t)op_info[b->op].arity;
  if (numeric(o[0].v) && (n == 1 || numeric(o[1].v))) return static_row(x, b->op, o, n);
  return n == 1 ? arith1(x, b->op, b->name, at, o[0]) : arith(x, b->op, b->name, at, o[0], o[1]);
}

Value bi_div(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  Value p = o[0].v, q = o[1].v;
  if ((p.kind == VAL_INT || p.kind == VAL_DIM) && q.kind == VAL_INT) {
    if (q.i == 0) return static_binary(x, BINARY_DIV, val_int(1), q, at);
    if (p.kind == VAL_INT && q.i != -1) {
      int64_t d = p.i / q.i, m = p.i % q.i;
      if (m && (m < 0) != (q.i < 0)) d--, m += q.i;
      return val_int(b->op == OP_MOD ? m : d);
    }
    if (p.kind == VAL_DIM && q.i > 0) {
      DimId d = dim_floordiv(x->dims, p.dim, q.i);
      return val_dim(
          x, b->op == OP_MOD ? dim_sub(x->dims, p.dim, dim_mul(x->dims, d, dim_const(x->dims, q.i))) : d);
    }
  }
  if (numeric(p) && numeric(q) && b->op == OP_MOD && static_real(q) != 0)
    return val_real(static_real(p) - static_real(q) * floor(static_real(p) / static_real(q)));
  return arith(x, b->op, b->name, at, o[0], o[1]);
}

Value bi_fma(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  return builtin_args(x, b, args, at, o) ? arith3(x, b->op, b->name, at, o[0], o[1], o[2]) : val_poison();
}

Value bi_clip(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  Value v = arith(x, OP_MAXIMUM, b->name, at, o[0], o[1]);
  return arith(x, OP_MINIMUM, b->name, at, (Operand){v, at}, o[2]);
}

Value bi_where(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!val_tensor(o[0].v) && o[0].v.kind != VAL_BOOL) return wrong_kind(x, o[0].at, o[0].v, "a condition");
  if (val_tensor(o[0].v) && val_type(x, o[0].v).dtype != DT_BOOL)
    return wrong_kind(x, o[0].at, o[0].v, "a condition (bool)");
  return arith3(x, b->op, b->name, at, o[0], o[1], o[2]);
}

Value bi_stop(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!val_tensor(o[0].v)) return val_number(o[0].v) ? o[0].v : wrong_kind(x, o[0].at, o[0].v, "a tensor");
  NodeId n = val_to_node(x, o[0].v, at, -1);
  return (Value){.kind = VAL_TENSOR,
                 .node = emit(x, at, b->name, b->op, &n, 1, NULL, NULL),
                 .ones = o[0].v.kind == VAL_TENSOR ? o[0].v.ones : 0};
}

/* ---- reductions ---- */

/* The node to reduce, its axes, and whether they stay. */
static bool reduction(Elab *x, Operand *o, NodeId *n, uint32_t *mask, bool *keep) {
  *n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(*n) || !axes_of(x, o[1], node_type(x, *n).rank, mask)) return false;
  *keep = false;
  return !arg_given(o[2]) || val_static_bool(x, o[2].v, o[2].at, "'keep'", keep);
}

static Value reduced(Elab *x, NodeId n, uint32_t mask, bool keep, Span at) {
  if (!node_ok(n)) return val_poison();
  Builder b = builder_at(x, at);
  if (keep) return (Value){.kind = VAL_TENSOR, .node = n, .ones = (uint8_t)mask};
  return val_node(mask ? build_drop_axes(&b, n, mask) : n);
}

static bool fits(Elab *x, const Builtin *b, NodeId n, Span at, bool real) {
  DType t = (DType)node_type(x, n).dtype;
  if (real ? dtype_is_float(t) : t != DT_BOOL) return true;
  Diag *g =
      TELL(x, bad_operand, at, b->name,
           str_fmt(x->a, "it needs %s, and this is %s", real ? "real numbers" : "numbers", dtype_name(t)));
  diag_help(g, "convert it: f32(..)");
  return false;
}

Value bi_reduce(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  uint32_t mask;
  bool keep;
  if (!builtin_args(x, b, args, at, o) || !reduction(x, o, &n, &mask, &keep) ||
      !fits(x, b, n, at, b->op == OP_MEAN))
    return val_poison();
  Builder bu = builder_at(x, at);
  return reduced(x, mask ? build_reduce(&bu, b->op, n, mask) : n, mask, keep, at);
}

Value bi_anyall(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  uint32_t mask;
  bool keep;
  if (!builtin_args(x, b, args, at, o) || !reduction(x, o, &n, &mask, &keep)) return val_poison();
  if (node_type(x, n).dtype != DT_BOOL) return wrong_kind(x, o[0].at, o[0].v, "a condition (bool)");
  Builder bu = builder_at(x, at);
  NodeId r = build_cast(&bu, n, DT_I32);
  if (mask) r = build_reduce(&bu, b->op, r, mask);
  return reduced(x, build_cast(&bu, r, DT_BOOL), mask, keep, at);
}

Value bi_variance(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  uint32_t mask;
  bool keep;
  if (!builtin_args(x, b, args, at, o) || !reduction(x, o, &n, &mask, &keep) || !fits(x, b, n, at, true))
    return val_poison();
  if (!mask) return val_node(val_coerce(x, val_int(0), node_type(x, n), at, "this"));
  Builder bu = builder_at(x, at);
  NodeId mean = build_reduce(&bu, OP_MEAN, n, mask);
  NodeId d = build_scalar(&bu, OP_SUB, n, build_broadcast(&bu, mean, node_type(x, n)), NO_NODE);
  return reduced(x, build_reduce(&bu, OP_MEAN, build_scalar(&bu, OP_SQUARE, d, NO_NODE, NO_NODE), mask), mask,
                 keep, at);
}

/* 1 where the squares of numbers up to m, and their sum, stay within the type; else the power of two that
 * brings them there, exactly. `tiny`: also where squares are too small. A choice of constants has no
 * derivative. */
NodeId norm_scale(Builder *b, NodeId m, bool tiny) {
  Type t = graph_node(b->g, m)->type;
  bool single = t.dtype == DT_F32;
  NodeId s = build_const(b, t, 1);
  if (tiny)
    s = build_scalar(b, OP_WHERE,
                     build_scalar(b, OP_LT, m, build_const(b, t, single ? 0x1p-40 : 0x1p-450), NO_NODE),
                     build_const(b, t, single ? 0x1p84 : 0x1p560), s);
  NodeId large = build_scalar(b, OP_LT, build_const(b, t, single ? 0x1p48 : 0x1p480), m, NO_NODE);
  return build_scalar(b, OP_WHERE, large, build_const(b, t, single ? 0x1p-80 : 0x1p-600), s);
}

/* sqrt(s) with both value and derivative 0 where s is 0: the root is taken of 1 there, and not chosen. */
Value bi_norm(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  uint32_t mask;
  bool keep;
  if (!builtin_args(x, b, args, at, o) || !reduction(x, o, &n, &mask, &keep) || !fits(x, b, n, at, true))
    return val_poison();
  Builder bu = builder_at(x, at);
  NodeId m = build_scalar(&bu, OP_ABS, n, NO_NODE, NO_NODE);
  if (mask) m = build_reduce(&bu, OP_MAX, m, mask);
  NodeId scale = norm_scale(&bu, m, true);
  NodeId scaled = build_scalar(&bu, OP_MUL, n, build_broadcast(&bu, scale, node_type(x, n)), NO_NODE);
  NodeId s = build_scalar(&bu, OP_SQUARE, scaled, NO_NODE, NO_NODE);
  if (mask) s = build_reduce(&bu, OP_SUM, s, mask);
  NodeId zero = build_const(&bu, node_type(x, s), 0), one = build_const(&bu, node_type(x, s), 1);
  NodeId none = build_scalar(&bu, OP_EQ, s, zero, NO_NODE); /* a NaN stays one */
  NodeId root = build_scalar(&bu, OP_SQRT, build_scalar(&bu, OP_WHERE, none, one, s), NO_NODE, NO_NODE);
  root = build_scalar(&bu, OP_DIV, root, scale, NO_NODE);
  return reduced(x, build_scalar(&bu, OP_WHERE, none, zero, root), mask, keep, at);
}

Value bi_arg(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int axis;
  bool keep = false;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(n) || !axis_of(x, o[1], node_type(x, n).rank, &axis) ||
      (arg_given(o[2]) && !val_static_bool(x, o[2].v, o[2].at, "'keep'", &keep)))
    return val_poison();
  int64_t attr = axis;
  return reduced(x, emit(x, at, b->name, b->op, &n, 1, &attr, NULL), 1u << axis, keep, at);
}

/* Along an axis that must be named where there are several; the shape stays. */
Value bi_along(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(n)) return val_poison();
  uint32_t rank = node_type(x, n).rank;
  int axis = 0;
  if (rank == 0) return wrong_kind(x, o[0].at, o[0].v, "a tensor with axes");
  if (!arg_given(o[1]) && rank > 1) {
    TELL(x, bad_operand, at, b->name,
         str_fmt(x->a, "the tensor has %u axes: say along which one, axis = ..", rank));
    return val_poison();
  }
  if (!fits(x, b, n, o[0].at, false) || (arg_given(o[1]) && !axis_of(x, o[1], rank, &axis)))
    return val_poison();
  int64_t attr = axis;
  return val_node(emit(x, at, b->name, b->op, &n, 1, &attr, NULL));
}

Value bi_row(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  bool keep = false;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(n)) return val_poison();
  int rank = node_type(x, n).rank, axis = rank - 1;
  if (rank == 0) return wrong_kind(x, o[0].at, o[0].v, "a tensor with axes");
  if (!fits(x, b, n, o[0].at, true) || (arg_given(o[1]) && !axis_of(x, o[1], (uint32_t)rank, &axis)))
    return val_poison();
  if (arg_given(o[2]) && !val_static_bool(x, o[2].v, o[2].at, "'keep'", &keep)) return val_poison();
  int64_t attr = axis;
  NodeId r = emit(x, at, b->name, b->op, &n, 1, &attr, NULL);
  return b->op == OP_LOGSUMEXP ? reduced(x, r, 1u << axis, keep, at) : val_node(r);
}

Value bi_cross_entropy(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId in[2] = {val_to_node(x, o[0].v, o[0].at, -1), val_to_node(x, o[1].v, o[1].at, DT_I32)};
  return val_node(emit(x, at, b->name, b->op, in, 2, NULL, NULL));
}
