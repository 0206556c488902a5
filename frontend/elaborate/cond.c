/* `cond p { a } else { b }`: one of two bodies runs. What both give has one form: numbers take the type of
 * the other side. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

enum { PARTS = 64 };

typedef struct Side {
  Inside in;
  Value part[PARTS];
  uint32_t n;
  bool list;
  ValueKind kind;
} Side;

static bool run_side(Elab *x, Scope *s, const AstExpr *e, Side *side) {
  inside_begin(x, &side->in, s, frame_key(x, sym_of(x, "cond")));
  Value v = eval(x, side->in.scope, e);
  side->list = v.kind == VAL_LIST || v.kind == VAL_TUPLE;
  side->kind = v.kind;
  side->n = side->list ? v.list.n : 1;
  bool good = val_ok(v) && side->n <= PARTS;
  if (val_ok(v) && !good) TELL(x, scan, e->at, str_fmt(x->a, "%u values, and %d may be", side->n, PARTS));
  for (uint32_t i = 0; good && i < side->n; i++) {
    Value p = side->part[i] = side->list ? v.list.at[i] : v;
    if (!val_tensor(p) && !val_number(p) && p.kind != VAL_BOOL)
      good = val_ok(wrong_kind(x, e->at, p, "a tensor or a number"));
  }
  inside_end(x, &side->in);
  return good;
}

static bool untyped(const Value *v) { return !val_tensor(*v) || (v->kind == VAL_TENSOR && v->weak); }

/* The type both sides take. */
static Type type_meet(Elab *x, Side *side, uint32_t i) {
  for (int r = 0; r < 2; r++)
    if (!untyped(&side[r].part[i])) {
      Body *here = body_switch(x, &side[r].in.body);
      Type t = val_type(x, side[r].part[i]);
      (void)body_switch(x, here);
      return t;
    }
  bool real = false, truth = true;
  for (int r = 0; r < 2; r++) {
    Value v = side[r].part[i];
    truth = truth && v.kind == VAL_BOOL;
    if (v.kind == VAL_TENSOR) {
      Body *here = body_switch(x, &side[r].in.body);
      real = real || dtype_is_float((DType)node_type(x, v.node).dtype);
      (void)body_switch(x, here);
    } else
      real = real || v.kind == VAL_REAL;
  }
  return type_scalar(truth ? DT_BOOL : real ? DT_F32 : DT_I32);
}

static bool coerce_side(Elab *x, Side *side, const Type *want, NodeId *yield, Span at, const char *what) {
  Frame *frame = x->frame;
  bool good = true;
  side->in.frame.saved = frame;
  x->frame = &side->in.frame;
  Body *here = body_switch(x, &side->in.body);
  for (uint32_t i = 0; i < side->n; i++) {
    yield[i] = val_coerce(x, side->part[i], want[i], at, what);
    good = good && node_ok(yield[i]);
  }
  (void)body_switch(x, here);
  x->frame = frame;
  return good;
}

Value eval_cond(Elab *x, Scope *s, const AstExpr *e) {
  const AstExpr *test = e->choice.test, *arm[2] = {e->choice.then, e->choice.otherwise};
  Value p = eval(x, s, test);
  if (!val_ok(p)) {
    probe_expr(x, s, arm[0]);
    probe_expr(x, s, arm[1]);
    return p;
  }
  if (p.kind == VAL_BOOL) { /* known already: the other side is no part of the program */
    const AstExpr *taken = arm[p.boolean ? 0 : 1];
    return taken ? eval(x, s, taken) : val_poison();
  }
  if (!val_tensor(p) || val_type(x, p).dtype != DT_BOOL || val_type(x, p).rank) {
    Diag *g = TELL(x, wrong_kind, test->at, val_text(x, p), "one truth value");
    if (val_tensor(p) && val_type(x, p).dtype == DT_BOOL)
      diag_help(g, "to choose for each element write where(p, a, b)");
    return val_poison();
  }
  NodeId pred = val_to_node(x, p, test->at, -1);
  Side *side = ARENA_ARRAY(x->a, Side, 2);
  if (!arm[0] || !arm[1] || !node_ok(pred)) return val_poison();
  bool good = run_side(x, s, arm[0], &side[0]);
  if (!run_side(x, s, arm[1], &side[1]) || !good) return val_poison();
  if (side[0].n != side[1].n || side[0].list != side[1].list) {
    TELL(x, scan, e->at,
         str_fmt(x->a, "one side of this 'cond' gives %u values, the other %u", side[0].n, side[1].n));
    return val_poison();
  }
  uint32_t n = side[0].n;
  Type *want = ARENA_ARRAY(x->a, Type, n + 1);
  NodeId *yield[2] = {ARENA_ARRAY(x->a, NodeId, n + 1), ARENA_ARRAY(x->a, NodeId, n + 1)};
  for (uint32_t i = 0; i < n; i++) want[i] = type_meet(x, side, i);
  good = coerce_side(x, &side[0], want, yield[0], arm[0]->at, "this side");
  if (!coerce_side(x, &side[1], want, yield[1], arm[1]->at, "this side, where the other one decides,") ||
      !good)
    return val_poison();
  Builder b = builder_at(x, (Span){e->at.file, e->at.lo, test->at.hi});
  Body *const body[2] = {&side[0].in.body, &side[1].in.body};
  NodeId c = body_cond(&b, body, pred, (const NodeId *const[]){yield[0], yield[1]}, n);
  Value *out = ARENA_ARRAY(x->a, Value, n + 1);
  for (uint32_t i = 0; i < n; i++) out[i] = val_node(build_result(&b, c, i));
  return side[0].list ? val_list(x, side[0].kind, out, n) : out[0];
}
