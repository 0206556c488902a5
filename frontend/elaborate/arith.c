/* Operators on tensors: dtypes that must be equal, shapes that align at the last axis, and the rule of
 * language.md that two operands are stretched only where every stretched axis was written as one. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

static bool is_static(Value v) { return val_number(v) || v.kind == VAL_BOOL || v.kind == VAL_STRING; }
static bool is_weak(Value v) { return v.kind == VAL_TENSOR && v.weak; }
static bool weak_number(Elab *x, Value v) { return is_weak(v) && node_type(x, v.node).dtype != DT_BOOL; }

static Str operand_text(Elab *x, Operand o) { return val_text(x, o.v); }

static bool one(const Elab *x, DimId d) {
  int64_t v;
  return dim_is_const(x->dims, d, &v) && v == 1;
}

/* A name, a call, an index: brackets behind it belong to all of it. */
static bool takes_brackets(Str e) {
  int depth = 0;
  for (size_t i = 0; i < e.n; i++) {
    char c = e.p[i];
    bool word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (c == ')' || c == ']') depth--;
    if (!depth && !word && !strchr("()[]'", c)) return false;
    if (c == '(' || c == '[') depth++;
  }
  return e.n > 0;
}

/* With ones behind it, does the narrow operand fit the wide one? */
static bool lines_up(Elab *x, const Type *tl, const Type *th) {
  for (int i = 0; i < tl->rank; i++)
    if (!one(x, tl->dim[i]) && !one(x, th->dim[i]) && !dim_eq(tl->dim[i], th->dim[i])) return false;
  return true;
}

/* `y[:, _]`: written behind an operand so that its axes line up with the other's leading ones. */
static void stretch_help(Elab *x, Diag *g, Operand low, Type tl, Type th) {
  Sb lead, trail;
  sb_init(&lead, x->a);
  sb_init(&trail, x->a);
  sb_char(&lead, '[');
  sb_char(&trail, '[');
  for (int i = tl.rank; i < th.rank; i++) sb_fmt(&lead, "_, ");
  for (int i = 0; i < tl.rank; i++) {
    sb_fmt(&lead, i + 1 < tl.rank ? ":, " : ":]");
    sb_fmt(&trail, ":, ");
  }
  for (int i = tl.rank; i < th.rank; i++) sb_fmt(&trail, i + 1 < th.rank ? "_, " : "_]");
  if (tl.rank == th.rank) {
    diag_help(g, "write the stretched axes of both with '_' (x[:, _]) or keep = true if every pair is meant");
    return;
  }
  Str whole = span_text(x, low.at), text = whole;
  bool plain = text.n <= 24, ends = takes_brackets(whole), up = lines_up(x, &tl, &th);
  for (size_t i = 0; i < text.n; i++)
    plain = plain && (text.p[i] == '_' || text.p[i] == '.' || (text.p[i] | 32) >= 'a'
                          ? (text.p[i] | 32) <= 'z' || text.p[i] == '_'
                          : text.p[i] >= '0' && text.p[i] <= '9');
  if (!plain) text = STR("(..)");
  if (up)
    diag_help(g, "write " STRF STRF " to line the axes up, or " STRF STRF " if every pair is meant",
              STRA(text), STRA(sb_str(&trail)), STRA(text), STRA(sb_str(&lead)));
  else
    diag_help(g, "write " STRF STRF " if every pair is meant", STRA(text), STRA(sb_str(&lead)));
  Str axes = up ? sb_str(&trail) : sb_str(&lead);
  if (ends)
    diag_edit(g, (Span){low.at.file, low.at.hi, low.at.hi}, axes);
  else
    diag_edit(g, low.at, str_fmt(x->a, "(" STRF ")" STRF, STRA(whole), STRA(axes)));
}

typedef struct Shape {
  Type t;
  uint8_t ones;
} Shape;

/* The common shape of n tensors; false after a report. */
static bool common_shape(Elab *x, const char *name, Span at, const Operand *o, const Type *t,
                         const uint8_t *ones, uint32_t n, Shape *out) {
  Shape r = {0};
  int widest = -1;
  for (uint32_t i = 0; i < n; i++)
    if (t[i].rank > r.t.rank || widest < 0) r.t.rank = t[i].rank, widest = (int)i;
  for (int a = 0; a < r.t.rank; a++) {
    int from = -1;
    for (uint32_t i = 0; i < n; i++) {
      int own = a - (r.t.rank - t[i].rank);
      if (own < 0) continue;
      DimId d = t[i].dim[own];
      bool open = !d.i || (from >= 0 && !r.t.dim[a].i); /* unknown: reported where it arose, or a probe's */
      if (open && !probe_any(x)) return false;
      if (open && from >= 0) { /* it may be the other one, or 1 */
        DimId other = d.i ? d : r.t.dim[a];
        r.t.dim[a] = one(x, other) ? (DimId){0} : other;
        continue;
      }
      if (from < 0 || (one(x, r.t.dim[a]) && !one(x, d)))
        r.t.dim[a] = d, from = (int)i;
      else if (!one(x, d) && !dim_eq(d, r.t.dim[a])) {
        Diag *g = TELL(x, shape_mismatch, at, str_z(name), operand_text(x, o[from]), operand_text(x, o[i]));
        if (told_at(x, at).lo == at.lo && told_at(x, at).file == at.file) {
          diag_label(g, o[from].at, STRF, STRA(operand_text(x, o[from])));
          diag_label(g, o[i].at, STRF, STRA(operand_text(x, o[i])));
        }
        diag_under(g, STRF " is not " STRF, STRA(dim_text(x, r.t.dim[a])), STRA(dim_text(x, d)));
        help_whole(x, g, &(Type){.rank = 1, .dim = {r.t.dim[a]}}, &(Type){.rank = 1, .dim = {d}});
        return false;
      }
    }
    for (uint32_t i = 0; i < n; i++) {
      int own = a - (r.t.rank - t[i].rank);
      if (own >= 0 && (ones[i] >> own & 1) && one(x, r.t.dim[a])) r.ones |= (uint8_t)(1 << a);
    }
  }
  uint32_t stretched = 0, unwritten = 0, who[2] = {0, 0};
  for (uint32_t i = 0; i < n; i++) {
    if (!t[i].rank) continue;
    bool any = false, bad = false;
    for (int a = 0; a < r.t.rank; a++) {
      int own = a - (r.t.rank - t[i].rank);
      bool stretch = own < 0 || (one(x, t[i].dim[own]) && r.t.dim[a].i && !one(x, r.t.dim[a]));
      any = any || stretch;
      bad = bad || (stretch && (own < 0 || !(ones[i] >> own & 1)));
    }
    if (!any) continue;
    if (stretched < 2) who[stretched] = i;
    stretched++;
    unwritten += bad;
  }
  if (stretched > 1 && unwritten) {
    Operand p = o[who[0]], q = o[who[1]];
    Type tp = t[who[0]], tq = t[who[1]];
    Diag *g = TELL(x, two_sided, at, str_z(name), operand_text(x, p), operand_text(x, q));
    diag_under(g, "the result would be " STRF,
               STRA(type_text(x, (Type){.dtype = t[n - 1].dtype,
                                        .rank = r.t.rank,
                                        .dim = {r.t.dim[0], r.t.dim[1], r.t.dim[2], r.t.dim[3], r.t.dim[4],
                                                r.t.dim[5], r.t.dim[6], r.t.dim[7]}})));
    if (told_at(x, at).lo == at.lo && told_at(x, at).file == at.file) {
      diag_label(g, p.at, STRF, STRA(operand_text(x, p)));
      diag_label(g, q.at, STRF, STRA(operand_text(x, q)));
    }
    if (tp.rank < tq.rank)
      stretch_help(x, g, p, tp, tq);
    else
      stretch_help(x, g, q, tq, tp);
    return false;
  }
  *out = r;
  return true;
}

/* `exact`: all operands are numbers of the text, `step` and `epoch`: they are computed in f64 until a tensor
 * gives them its dtype, so that a rate or a bias correction is as exact as the parameter it is for. */
static bool common_dtype(Elab *x, const char *name, Span at, const Operand *o, uint32_t n, bool force_float,
                         bool exact, DType *out) {
  int found = -1;
  bool real = force_float, weak_only = true;
  for (uint32_t i = 0; i < n; i++) {
    if (!val_ok(o[i].v)) return false;
    if (!val_tensor(o[i].v) && !is_static(o[i].v)) {
      wrong_kind(x, o[i].at, o[i].v, "a tensor or a number");
      return false;
    }
    if (o[i].v.kind == VAL_REAL) real = true;
    if (weak_number(x, o[i].v) && dtype_is_float((DType)val_type(x, o[i].v).dtype)) real = true;
    if (!val_tensor(o[i].v) || weak_number(x, o[i].v)) continue;
    weak_only = false;
    Type t = val_type(x, o[i].v);
    if (found < 0)
      found = (int)i;
    else if (val_type(x, o[found].v).dtype != t.dtype) {
      Diag *g = TELL(x, dtype_mismatch, at, str_z(name), operand_text(x, o[found]), operand_text(x, o[i]));
      if (told_at(x, at).lo == at.lo && told_at(x, at).file == at.file) {
        diag_label(g, o[found].at, STRF, STRA(operand_text(x, o[found])));
        diag_label(g, o[i].at, STRF, STRA(operand_text(x, o[i])));
      }
      DType a = (DType)val_type(x, o[found].v).dtype, b = (DType)t.dtype;
      diag_help(g, "convert one of them: %s(..)",
                dtype_name(dtype_is_float(b) || !dtype_is_float(a) ? b : a));
      return false;
    }
  }
  if (!weak_only)
    *out = (DType)val_type(x, o[found].v).dtype;
  else {
    bool all_bool = true;
    for (uint32_t i = 0; i < n; i++) all_bool = all_bool && o[i].v.kind == VAL_BOOL;
    *out = all_bool ? DT_BOOL : !real ? DT_I32 : exact ? DT_F64 : DT_F32;
  }
  return true;
}

bool operands_meet(Elab *x, const char *name, Span at, Operand *o, uint32_t n, uint32_t first,
                   bool force_float, NodeId *out, Value *shape) {
  DType dt;
  Type t[4];
  uint8_t ones[4];
  bool weak = true;
  for (uint32_t i = 0; i < n; i++) {
    if (!val_ok(o[i].v)) return false;
    if (o[i].v.kind == VAL_LIST) return wrong_kind(x, o[i].at, o[i].v, "a tensor"), false;
    weak = weak && (is_weak(o[i].v) || is_static(o[i].v));
  }
  if (!common_dtype(x, name, at, o + first, n - first, force_float, weak, &dt)) return false;
  for (uint32_t i = 0; i < n; i++) {
    bool tensor = val_tensor(o[i].v);
    t[i] = tensor ? val_type(x, o[i].v) : type_scalar(dt);
    ones[i] = tensor ? o[i].v.ones : 0;
  }
  Shape s;
  if (!common_shape(x, name, at, o, t, ones, n, &s)) return false;
  for (uint32_t i = 0; i < n; i++) {
    DType want = i < first ? DT_BOOL : dt;
    Type full = s.t;
    full.dtype = (uint8_t)want;
    Builder b = builder_at(x, at);
    if (is_static(o[i].v))
      out[i] = val_coerce(x, o[i].v, full, o[i].at, "this");
    else {
      NodeId v = val_to_node(x, o[i].v, o[i].at, (int)want);
      if (!node_ok(v)) return false;
      Type got = node_type(x, v);
      bool real_to_int = dtype_is_float((DType)got.dtype) && !dtype_is_float(want);
      if (weak_number(x, o[i].v) && got.dtype != want && want != DT_BOOL && !real_to_int)
        v = build_cast(&b, v, want);
      if (node_type(x, v).dtype != want) return wrong_kind(x, o[i].at, o[i].v, dtype_name(want)), false;
      out[i] = build_broadcast(&b, v, full);
    }
    if (!node_ok(out[i])) return false;
  }
  *shape = (Value){.kind = VAL_TENSOR, .ones = s.ones, .weak = weak};
  return true;
}

static Value scalar_op(Elab *x, Op op, const char *name, Span at, Operand *o, uint32_t n, uint32_t first) {
  NodeId in[3];
  Value shape;
  const char *sig = op_info[op].sig;
  bool need_float = sig[first] == 'F';
  bool any_tensor = false;
  for (uint32_t i = 0; i < n; i++) any_tensor = any_tensor || (val_tensor(o[i].v) && !weak_number(x, o[i].v));
  if (!operands_meet(x, name, at, o, n, first, need_float && !any_tensor, in, &shape)) return val_poison();
  DType dt = (DType)node_type(x, in[first]).dtype;
  char c = sig[first];
  bool fits = c == 'F'   ? dtype_is_float(dt)
              : c == 'I' ? dtype_is_int(dt)
              : c == 'b' ? dt == DT_BOOL
              : c == 'T' ? dt != DT_BOOL
                         : true;
  if (!fits) {
    Diag *g = TELL(x, bad_operand, at, name,
                   str_fmt(x->a, "it needs %s, and this is %s",
                           c == 'F'   ? "real numbers"
                           : c == 'I' ? "integers"
                           : c == 'b' ? "bool"
                                      : "numbers",
                           dtype_name(dt)));
    if (c == 'F' && *name == '/' && dtype_is_int(dt))
      diag_help(g, "div(a, b) divides integers and rounds down; f32(a) / f32(b) divides as real numbers");
    else if (c == 'F')
      diag_help(g, "convert it: f32(..)");
    return val_poison();
  }
  NodeId r = emit(x, at, name, op, in, n, NULL, NULL);
  if (!node_ok(r)) return val_poison();
  shape.node = r;
  return shape;
}

Value arith(Elab *x, Op op, const char *name, Span at, Operand a, Operand b) {
  Operand o[2] = {a, b};
  return scalar_op(x, op, name, at, o, 2, 0);
}
Value arith1(Elab *x, Op op, const char *name, Span at, Operand a) {
  return scalar_op(x, op, name, at, &a, 1, 0);
}
Value arith3(Elab *x, Op op, const char *name, Span at, Operand a, Operand b, Operand c) {
  Operand o[3] = {a, b, c};
  return scalar_op(x, op, name, at, o, 3, op == OP_WHERE ? 1 : 0);
}

/* Constant integer powers are fixed products: x^2 is square(x), x^3 is x^2 * x, x^5 is (x^2)^2 * x. */
Value power(Elab *x, Span at, Operand a, Operand b) {
  if (b.v.kind == VAL_REAL && b.v.real >= -64 && b.v.real <= 64 && b.v.real == (double)(int64_t)b.v.real)
    b.v = val_int((int64_t)b.v.real); /* x^2.0 is x^2 */
  if (val_tensor(a.v) && b.v.kind == VAL_INT && b.v.i >= -64 && b.v.i <= 64 &&
      !(is_weak(a.v) && !dtype_is_float((DType)val_type(x, a.v).dtype))) {
    int64_t n = b.v.i < 0 ? -b.v.i : b.v.i;
    if (n == 0) {
      Type t = val_type(x, a.v);
      return val_node(val_coerce(x, val_int(1), t, at, "this"));
    }
    Value r = val_poison(), sq = a.v;
    for (bool have = false; n; n >>= 1) {
      if (n & 1) {
        r = have ? arith(x, OP_MUL, "^", at, (Operand){r, at}, (Operand){sq, at}) : sq;
        have = true;
      }
      if (n > 1) sq = arith1(x, OP_SQUARE, "^", at, (Operand){sq, at});
      if (!val_ok(sq)) return sq;
    }
    return b.v.i < 0 ? arith(x, OP_DIV, "^", at, (Operand){val_int(1), at}, (Operand){r, at}) : r;
  }
  return arith(x, OP_POW, "^", at, a, b);
}

static Op binary_op(AstBinary op, bool *swap) {
  *swap = op == BINARY_GT || op == BINARY_GE;
  switch (op) {
  case BINARY_OR: return OP_OR;
  case BINARY_AND: return OP_AND;
  case BINARY_EQ: return OP_EQ;
  case BINARY_NE: return OP_NE;
  case BINARY_LT:
  case BINARY_GT: return OP_LT;
  case BINARY_LE:
  case BINARY_GE: return OP_LE;
  case BINARY_ADD: return OP_ADD;
  case BINARY_SUB: return OP_SUB;
  case BINARY_MUL: return OP_MUL;
  case BINARY_DIV: return OP_DIV;
  case BINARY_MATMUL: return OP_CONTRACT;
  case BINARY_POW: return OP_POW;
  case BINARY_COUNT: break;
  }
  return OP_COUNT;
}

Value binary_value(Elab *x, AstBinary op, Span at, Operand a, Operand b) {
  if (!val_ok(a.v) || !val_ok(b.v)) return val_poison();
  if (a.v.kind == VAL_INSTANCE || a.v.kind == VAL_TREE || b.v.kind == VAL_INSTANCE || b.v.kind == VAL_TREE)
    return tree_binary(x, op, at, a, b);
  /* a dim among real numbers is a number of the graph: it is bound later */
  bool mixed = (a.v.kind == VAL_DIM && b.v.kind == VAL_REAL) || (a.v.kind == VAL_REAL && b.v.kind == VAL_DIM);
  if (is_static(a.v) && is_static(b.v) && !mixed) return static_binary(x, op, a.v, b.v, at);
  if (op == BINARY_MATMUL) return matmul(x, at, a, b);
  if (op == BINARY_POW) return power(x, at, a, b);
  if (op == BINARY_DIV && ((b.v.kind == VAL_INT && b.v.i == 0) || (b.v.kind == VAL_REAL && b.v.real == 0))) {
    TELL(x, static_arith, at, STR("a division by zero"));
    return val_poison();
  }
  bool swap;
  Op o = binary_op(op, &swap);
  return arith(x, o, ast_binary_name(op), at, swap ? b : a, swap ? a : b);
}

static Value matmul_mismatch(Elab *x, Span at, Operand a, Operand b, DimId p, DimId q) {
  Diag *g = TELL(x, shape_mismatch, at, STR("@"), operand_text(x, a), operand_text(x, b));
  if (told_at(x, at).lo == at.lo && told_at(x, at).file == at.file) {
    diag_label(g, a.at, STRF, STRA(operand_text(x, a)));
    diag_label(g, b.at, STRF, STRA(operand_text(x, b)));
  }
  diag_under(g, "contracts " STRF " with " STRF, STRA(dim_text(x, p)), STRA(dim_text(x, q)));
  return val_poison();
}

/* a @ b contracts a's last axis with b's second-last, or only, one. The op wants [B.., M, K] with [B.., K, N]
 * and equal batch axes; leading axes of `a` over a plain matrix are rows, so they are folded into M. */
Value matmul(Elab *x, Span at, Operand a, Operand b) {
  for (int i = 0; i < 2; i++) {
    Operand o = i ? b : a;
    if (!val_tensor(o.v) || val_type(x, o.v).rank == 0) return wrong_kind(x, o.at, o.v, "a tensor with axes");
  }
  Type ta = val_type(x, a.v), tb = val_type(x, b.v);
  if (ta.dtype != tb.dtype) {
    TELL(x, dtype_mismatch, at, STR("@"), operand_text(x, a), operand_text(x, b));
    return val_poison();
  }
  if (!dtype_is_float((DType)ta.dtype)) return wrong_kind(x, a.at, a.v, "a real tensor");
  DimId ka = ta.dim[ta.rank - 1], kb = tb.dim[tb.rank >= 2 ? tb.rank - 2 : 0];
  if ((!ka.i || !kb.i) && !probe_any(x)) return val_poison();
  if (!dim_agree(ka, kb)) return matmul_mismatch(x, at, a, b, ka, kb);
  NodeId na = val_to_node(x, a.v, a.at, -1), nb = val_to_node(x, b.v, b.at, -1);
  if (!node_ok(na) || !node_ok(nb)) return val_poison();
  Builder bu = builder_at(x, at);
  DimId unit = dim_const(x->dims, 1);
  Type out = {.dtype = ta.dtype}; /* of the result as the user sees it */
  Type ma = ta, mb = tb;
  if (ta.rank == 1) ma = (Type){.dtype = ta.dtype, .rank = 2, .dim = {unit, ka}};
  if (tb.rank == 1) mb = (Type){.dtype = tb.dtype, .rank = 2, .dim = {kb, unit}};
  int batch = ma.rank > mb.rank ? ma.rank - 2 : mb.rank - 2;
  if (mb.rank == 2 && ma.rank > 2) {
    for (int i = 0; i < ta.rank - 1; i++) out.dim[out.rank++] = ta.dim[i];
    Type rows = {.dtype = ta.dtype, .rank = out.rank};
    memcpy(rows.dim, out.dim, sizeof rows.dim);
    ma = (Type){.dtype = ta.dtype, .rank = 2, .dim = {type_count(x->dims, &rows), ka}};
    batch = 0;
  } else {
    DimId bd[MAX_RANK];
    for (int i = 0; i < batch; i++) {
      int ia = i - (batch - (ma.rank - 2)), ib = i - (batch - (mb.rank - 2));
      DimId da = ia >= 0 ? ma.dim[ia] : unit, db = ib >= 0 ? mb.dim[ib] : unit;
      if (!dim_agree(da, db) && !one(x, da) && !one(x, db)) return matmul_mismatch(x, at, a, b, da, db);
      bd[i] = one(x, da) ? db : da;
      out.dim[out.rank++] = bd[i];
    }
    Type fa = {.dtype = ta.dtype, .rank = (uint8_t)(batch + 2)}, fb = fa;
    memcpy(fa.dim, bd, sizeof bd[0] * (size_t)batch); /* size-ok: at most MAX_RANK */
    memcpy(fb.dim, bd, sizeof bd[0] * (size_t)batch); /* size-ok: at most MAX_RANK */
    for (int i = 0; i < 2; i++) {
      fa.dim[batch + i] = ma.dim[ma.rank - 2 + i];
      fb.dim[batch + i] = mb.dim[mb.rank - 2 + i];
    }
    if (ta.rank > 1) out.dim[out.rank++] = ma.dim[ma.rank - 2];
    if (ta.rank == 1) na = build_reshape(&bu, na, ma);
    if (tb.rank == 1) nb = build_reshape(&bu, nb, mb);
    na = build_broadcast(&bu, na, fa);
    nb = build_broadcast(&bu, nb, fb);
    ma = fa;
    mb = fb;
  }
  if (tb.rank > 1) out.dim[out.rank++] = tb.dim[tb.rank - 1];
  if (mb.rank == 2) {
    na = build_reshape(&bu, na, ma);
    nb = build_reshape(&bu, nb, mb);
  }
  NodeId r = build_contract(&bu, product_operand(x, na), product_operand(x, nb), false, false);
  if (!type_small(x, at, &out)) return val_poison();
  return val_node(build_reshape(&bu, r, out));
}
