/* `scan`: one loop of the graph, never unrolled. The body is elaborated once; where a start is a plain number
 * it is elaborated before with the number's type left open, to learn what the carry is. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"
#include "ir/graph/region.h"

enum { PARTS = 64 }; /* carries, sources, values of a yield */

typedef struct Carry {
  const AstCarry *ast;
  Value start;
  NodeId first; /* the start as a node of the graph around */
  Type type;
  bool open;  /* a plain number: its type is that of the next value */
  Value next; /* of the body under construction */
  bool given; /* there is a `next` */
} Carry;

typedef struct Walked { /* what a name walks */
  AstIdent name;
  Span at;
  bool range;
  DimId lo;
  int64_t step;
  NodeId stack; /* in the graph around; of a range, 0, 1, .. */
} Walked;

typedef struct Scan {
  const AstExpr *e;
  Carry *carry;
  Walked *source;
  uint32_t ncarry, nsource;
  DimId trip;
  int64_t trips; /* or -1: not known */
  VEC(Value) yield;
  bool yields, ends, hurt;
  Value go;     /* in the body: does it go on behind this step? */
  uint64_t key; /* of random numbers */
} Scan;

static Value wrong(Elab *x, Span at, Str what) {
  TELL(x, scan, at, what);
  return val_poison();
}

/* ---- what is walked */

static bool source_range(Elab *x, Scope *s, const AstExpr *e, Walked *src, DimId *trip) {
  DimId hi;
  src->range = true;
  src->step = 1;
  bool good = val_static_dim(x, eval(x, s, e->range.lo), e->range.lo->at, "the start of a range", &src->lo);
  good = val_static_dim(x, eval(x, s, e->range.hi), e->range.hi->at, "the end of a range", &hi) && good;
  if (good && e->range.step)
    good = val_static_int(x, eval(x, s, e->range.step), e->range.step->at, "the step of a range", &src->step);
  if (!good) return false;
  if (src->step < 1) {
    TELL(x, static_arith, e->at, STR("the step of a range is at least 1"));
    return false;
  }
  *trip = dim_sub(x->dims, hi, src->lo);
  if (src->step > 1)
    *trip = dim_floordiv(x->dims, dim_add(x->dims, *trip, dim_const(x->dims, src->step - 1)), src->step);
  return dim_made(x, e->at, *trip);
}

static bool source_rows(Elab *x, Scope *s, const AstExpr *e, Walked *src, DimId *trip) {
  Value v = eval(x, s, e);
  if (!val_ok(v)) return false;
  if (!val_tensor(v) || !val_type(x, v).rank) {
    Diag *g = TELL(x, wrong_kind, e->at, val_text(x, v), "a range or a tensor with an axis to walk");
    if (v.kind == VAL_INT || v.kind == VAL_DIM)
      diag_help(g, "a range is written 0:" STRF, STRA(span_text(x, e->at)));
    if (v.kind == VAL_LIST) diag_help(g, "a list is walked by 'for', when the program is compiled");
    return false;
  }
  src->stack = val_to_node(x, v, e->at, -1);
  if (!node_ok(src->stack)) return false;
  *trip = node_type(x, src->stack).dim[0];
  return true;
}

static bool walk_sources(Elab *x, Scope *s, Scan *c) {
  const AstFor *walk = &c->e->scan.walk;
  c->nsource = walk->sources.n;
  if (!c->nsource) { /* `while` alone */
    c->trip = dim_const(x->dims, LOOP_UNBOUNDED);
    return true;
  }
  if (walk->names.n != c->nsource || c->nsource > PARTS) {
    TELL(x, declaration, walk->at, str_fmt(x->a, "%u names walk %u sources", walk->names.n, c->nsource));
    return false;
  }
  c->source = ARENA_ARRAY(x->a, Walked, c->nsource);
  for (uint32_t i = 0; i < c->nsource; i++) {
    const AstExpr *e = walk->sources.at[i];
    Walked *src = &c->source[i];
    DimId trip;
    *src = (Walked){.name = walk->names.at[i], .at = e->at, .stack = NO_NODE};
    if (!(e->kind == EXPR_RANGE ? source_range : source_rows)(x, s, e, src, &trip)) return false;
    if (i && !dim_agree(trip, c->trip)) {
      wrong(x, e->at,
            str_fmt(x->a, "what is walked together has one length, and these have " STRF " and " STRF,
                    STRA(dim_text(x, c->trip)), STRA(dim_text(x, trip))));
      return false;
    }
    c->trip = trip;
  }
  if (!dim_is_const(x->dims, c->trip, &c->trips))
    c->trips = -1;
  else if (c->trips < 0)
    c->trips = 0;
  return true;
}

/* ---- what is carried */

static bool start_carries(Elab *x, Scope *s, Scan *c) {
  const AstCarryVec *v = &c->e->scan.carries;
  bool good = true;
  c->ncarry = v->n;
  if (v->n > PARTS)
    return wrong(x, c->e->at, str_fmt(x->a, "%u values are carried, and %d may be", v->n, PARTS)), false;
  c->carry = ARENA_ARRAY(x->a, Carry, v->n + 1);
  for (uint32_t i = 0; i < v->n; i++) {
    Carry *k = &c->carry[i];
    *k = (Carry){.ast = &v->at[i], .start = eval(x, s, v->at[i].value), .first = NO_NODE};
    Span at = k->ast->value->at;
    if (!val_ok(k->start)) {
      good = false;
    } else if (k->ast->type) {
      if (type_of(x, s, k->ast->type, &k->type)) k->first = val_coerce(x, k->start, k->type, at, "the start");
    } else if (k->start.kind == VAL_INT || k->start.kind == VAL_REAL ||
               (k->start.kind == VAL_TENSOR && k->start.weak)) {
      k->open = true;
    } else {
      k->first = val_to_node(x, k->start, at, -1);
    }
    if (node_ok(k->first)) k->type = node_type(x, k->first);
    good = good && (k->open || node_ok(k->first));
  }
  return good;
}

static bool is_open(const Carry *k) { return k->open && !node_ok(k->first); }

/* The type an open carry has until its next value is known: a number that takes the dtype it meets. */
static Type open_type(Elab *x, const Carry *k) {
  if (k->start.kind == VAL_TENSOR && k->start.weak) return node_type(x, k->start.node);
  return type_scalar(k->start.kind == VAL_INT ? DT_I32 : DT_F64);
}

/* ---- the body */

static Value index_value_at(Elab *x, const Walked *src, NodeId index) {
  Operand i = {val_node(index), src->at};
  if (src->step != 1) i.v = binary_value(x, BINARY_MUL, src->at, i, (Operand){val_int(src->step), src->at});
  int64_t lo;
  if (dim_is_const(x->dims, src->lo, &lo) && lo == 0) return i.v;
  return binary_value(x, BINARY_ADD, src->at, i, (Operand){val_dim(x, src->lo), src->at});
}

/* Does it read a name? */
static bool mentions(const AstExpr *e, Sym name) {
  if (!e) return false;
  bool any = e->kind == EXPR_NAME && sym_eq(e->name, name);
  if (e->kind == EXPR_UNARY) any = mentions(e->unary.operand, name);
  if (e->kind == EXPR_BINARY) any = mentions(e->binary.left, name) || mentions(e->binary.right, name);
  if (e->kind == EXPR_TRANSPOSE) any = mentions(e->transpose.operand, name);
  if (e->kind == EXPR_INDEX) any = mentions(e->index.base, name);
  for (uint32_t i = 0; e->kind == EXPR_CALL && i < e->call.args.n; i++)
    any |= mentions(e->call.args.at[i].value, name);
  return any;
}

/* Before a step there is no row yet. */
static bool test_reads_row(Elab *x, const Scan *c) {
  for (uint32_t i = 0; i < c->nsource; i++) {
    const Walked *w = &c->source[i];
    if (w->range || !w->name.name.i || !mentions(c->e->scan.test, w->name.name)) continue;
    Str name = sym_str(x, w->name.name);
    Str what =
        str_fmt(x->a, "'while' is asked before each step, and '" STRF "' is a row of that step", STRA(name));
    diag_help(TELL(x, scan, c->e->scan.test->at, what), "it may read what is carried, and names of ranges");
    return true;
  }
  return false;
}

/* The test of `while`, with what it may read bound: carries and names of ranges. */
static Value eval_test(Elab *x, Scope *outer, Scan *c, const Value *carry, const Value *index) {
  Scope *s = scope_new(x, SCOPE_BODY, outer);
  s->scan = NULL;
  for (uint32_t i = 0; i < c->ncarry; i++) scope_bind(x, s, c->carry[i].ast->name, carry[i]);
  for (uint32_t i = 0; i < c->nsource; i++)
    if (c->source[i].range) scope_bind(x, s, c->source[i].name, index[i]);
  const AstExpr *e = c->e->scan.test;
  Value v = eval(x, s, e);
  if (!val_ok(v)) return v;
  if (v.kind == VAL_BOOL) return val_node(val_to_node(x, v, e->at, -1));
  if (!val_tensor(v) || val_type(x, v).dtype != DT_BOOL || val_type(x, v).rank)
    return wrong_kind(x, e->at, v, "one truth value");
  return val_node(val_to_node(x, v, e->at, -1));
}

static void bind_inside(Elab *x, Scan *c, Inside *in, bool first, NodeId start_go) {
  LocationId at = location_here(x, c->e->scan.head);
  Type *guess = ARENA_ARRAY(x->a, Type, c->ncarry + 1);
  Body *here = body_switch(x, in->around);
  for (uint32_t i = 0; i < c->ncarry; i++) guess[i] = open_type(x, &c->carry[i]);
  (void)body_switch(x, here);
  if (c->ends) body_carry(&in->body, start_go, at);
  for (uint32_t i = 0; i < c->ncarry; i++) {
    Carry *k = &c->carry[i];
    bool weak = first && is_open(k);
    NodeId p = weak ? body_guess(&in->body, guess[i], at) : body_carry(&in->body, k->first, at);
    Value v = val_node(p);
    v.weak = weak;
    scope_bind(x, in->scope, k->ast->name, value_named(x, in->scope, k->ast->name, v, true));
    k->given = false;
  }
  for (uint32_t i = 0; i < c->nsource; i++) {
    Walked *src = &c->source[i];
    Value v = val_node(body_step(&in->body, src->stack, at));
    if (src->range) v = index_value_at(x, src, v.node);
    scope_bind(x, in->scope, src->name, value_named(x, in->scope, src->name, v, true));
  }
}

/* Does it go on behind this step? Asked of the next values. */
static void next_test(Elab *x, Scan *c, Inside *in, Scope *outer) {
  Value *carry = ARENA_ARRAY(x->a, Value, c->ncarry + 1), *index = ARENA_ARRAY(x->a, Value, c->nsource + 1);
  for (uint32_t i = 0; i < c->ncarry; i++) carry[i] = c->carry[i].next;
  for (uint32_t i = 0; i < c->nsource; i++) {
    Binding *b = c->source[i].range && c->source[i].name.name.i
                     ? scope_find_here(x, in->scope, c->source[i].name.name)
                     : NULL;
    if (!b) continue;
    Operand now = {b->value, c->source[i].at};
    index[i] = binary_value(x, BINARY_ADD, now.at, now, (Operand){val_int(c->source[i].step), now.at});
  }
  c->go = eval_test(x, outer, c, carry, index);
}

/* Elaborates the body into in->body; false: something is wrong, and said. */
static bool run_inside(Elab *x, Scope *s, Scan *c, Inside *in, bool first, NodeId start_go) {
  uint32_t errors = x->d->errors;
  Value ret;
  c->yield.n = 0;
  c->yields = c->hurt = false;
  inside_begin(x, in, s, c->key);
  in->scope->scan = c;
  in->body.loop = true;
  bind_inside(x, c, in, first, start_go);
  (void)exec_block(x, in->scope, c->e->scan.body, &ret);
  for (uint32_t i = 0; i < c->ncarry && !c->hurt && x->d->errors == errors; i++) {
    Carry *k = &c->carry[i];
    if (k->given) continue;
    Str name = sym_str(x, k->ast->name.name);
    diag_help(TELL(x, scan, k->ast->at,
                   str_fmt(x->a, "'" STRF "' is carried, and the body says no next value", STRA(name))),
              "write next " STRF " = .. in the body, or use the value without carrying it", STRA(name));
  }
  if (c->ends && x->d->errors == errors && !first) next_test(x, c, in, s);
  return !c->hurt && x->d->errors == errors && !x->stopped;
}

/* One body that is thrown away: the types of carries whose next value has one. `rest`: those that only
 * numbers make take the type a number has alone. */
static bool learn_some(Elab *x, Scope *s, Scan *c, bool rest, bool *any) {
  Inside *in = ARENA_NEW(x->a, Inside);
  bool good = run_inside(x, s, c, in, true, NO_NODE), *now = ARENA_ARRAY(x->a, bool, c->ncarry + 1);
  *any = false;
  for (uint32_t i = 0; i < c->ncarry && good; i++) {
    Carry *k = &c->carry[i];
    if (!is_open(k)) continue;
    bool typed = k->next.kind == VAL_LEAF || (k->next.kind == VAL_TENSOR && !k->next.weak);
    if (!typed && !val_tensor(k->next) && !val_number(k->next))
      good = val_ok(wrong_kind(x, k->ast->at, k->next, "a tensor or a number"));
    now[i] = good && (typed || rest);
    if (!now[i]) continue;
    bool real = k->start.kind == VAL_REAL || k->next.kind == VAL_REAL;
    k->type = val_tensor(k->next) ? val_type(x, k->next) : type_scalar(real ? DT_F32 : DT_I32);
    *any = true;
  }
  inside_end(x, in);
  for (uint32_t i = 0; i < c->ncarry && good; i++) {
    Carry *k = &c->carry[i];
    if (!now[i]) continue;
    k->first = val_coerce(x, k->start, k->type, k->ast->value->at, "the start");
    good = node_ok(k->first);
  }
  return good;
}

/* The types of carries that start as plain numbers: of their next values, which may need each other's. */
static bool learn_types(Elab *x, Scope *s, Scan *c) {
  bool ends = c->ends, good = true;
  c->ends = false;
  for (uint32_t turn = 0; turn <= 2 * c->ncarry && good; turn++) {
    bool open = false, any = true;
    for (uint32_t i = 0; i < c->ncarry; i++) open |= is_open(&c->carry[i]);
    if (!open) break;
    good = learn_some(x, s, c, false, &any);
    if (good && !any) good = learn_some(x, s, c, true, &any);
  }
  c->ends = ends;
  return good;
}

static bool refused_here(Elab *x, Scope *s, const AstStmt *t, Scan **c) {
  Scope *in = scope_root(s);
  *c = in->kind == SCOPE_BODY ? in->scan : NULL;
  if (*c) return false;
  stands_not(x, t, "outside of the body of a scan");
  return true;
}

void scan_next(Elab *x, Scope *s, const AstStmt *t) {
  Scan *c;
  Value v = eval(x, s, t->assign.value);
  if (refused_here(x, s, t, &c)) return;
  AstIdent name = t->assign.target.parts.at[0].name;
  Carry *k = NULL;
  for (uint32_t i = 0; i < c->ncarry; i++)
    if (sym_eq(c->carry[i].ast->name.name, name.name)) k = &c->carry[i];
  if (!k) {
    Str word = sym_str(x, name.name);
    diag_help(TELL(x, scan, name.at, str_fmt(x->a, "'" STRF "' is not carried by this scan", STRA(word))),
              "carry it: scan (" STRF " = ..)", STRA(word));
    c->hurt = true;
    return;
  }
  if (k->given) {
    wrong(x, name.at, str_fmt(x->a, "'" STRF "' has a next value already", STRA(sym_str(x, name.name))));
    c->hurt = true;
    return;
  }
  k->given = true;
  k->next = v;
  c->hurt |= !val_ok(v);
  if (!val_ok(v) || is_open(k)) return;
  const char *what =
      str_copy(x->a, str_fmt(x->a, "the next value of '" STRF "'", STRA(sym_str(x, name.name)))).p;
  NodeId n = NO_NODE;
  if (val_tensor(v) && !val_type(x, v).rank &&
      k->type.rank) /* a number fills a shape, a scalar of the run not */
    TELL(x, declared_type, t->assign.value->at, what, type_text(x, val_type(x, v)), type_text(x, k->type));
  else
    n = val_coerce(x, v, k->type, t->assign.value->at, what);
  k->next = val_node(n);
  c->hurt |= !node_ok(n);
}

void scan_yield(Elab *x, Scope *s, const AstStmt *t) {
  Scan *c;
  Value v = eval(x, s, t->value);
  if (refused_here(x, s, t, &c)) return;
  bool several = t->value->kind == EXPR_TUPLE;
  if (c->yields) {
    wrong(x, t->at, STR("a body yields once in each step"));
    c->hurt = true;
    return;
  }
  c->yields = true;
  if (c->ends) {
    diag_help(
        TELL(x, scan, t->at, STR("a scan with 'while' yields nothing: how many steps it takes is not known")),
        "its value is what it carries when it ends");
    c->hurt = true;
    return;
  }
  c->hurt |= !val_ok(v);
  if (!val_ok(v)) return;
  uint32_t n = several ? v.list.n : 1;
  for (uint32_t i = 0; i < n; i++) VEC_PUSH(x->a, &c->yield, several ? v.list.at[i] : v);
}

/* ---- the whole */

static Value results(Elab *x, Scan *c, const Value *at, uint32_t n) {
  (void)c;
  return n == 1 ? at[0] : val_list(x, VAL_TUPLE, at, n);
}

/* No step is taken: the values are the starts. */
static Value no_steps(Elab *x, Scope *s, Scan *c) {
  Inside *in = ARENA_NEW(x->a, Inside);
  for (uint32_t i = 0; i < c->nsource; i++) /* the body is checked all the same */
    if (!node_ok(c->source[i].stack)) {
      Builder b = builder_at(x, c->source[i].at);
      Type t = {.dtype = DT_I32, .rank = 1, .dim = {dim_const(x->dims, 1)}};
      c->source[i].stack = build_iota(&b, t, 0);
    }
  c->ends = false;
  if (!learn_types(x, s, c)) return val_poison();
  bool good = run_inside(x, s, c, in, false, NO_NODE);
  inside_end(x, in);
  if (!good) return val_poison();
  if (c->yields)
    return wrong(x, c->e->scan.head, STR("this scan takes no step, so there is nothing to stack"));
  Value *at = ARENA_ARRAY(x->a, Value, c->ncarry + 1);
  for (uint32_t i = 0; i < c->ncarry; i++) at[i] = val_node(c->carry[i].first);
  return results(x, c, at, c->ncarry);
}

static NodeId first_test(Elab *x, Scope *s, Scan *c) {
  Value *carry = ARENA_ARRAY(x->a, Value, c->ncarry + 1), *index = ARENA_ARRAY(x->a, Value, c->nsource + 1);
  for (uint32_t i = 0; i < c->ncarry; i++) {
    carry[i] = node_ok(c->carry[i].first) ? val_node(c->carry[i].first) : c->carry[i].start;
  }
  for (uint32_t i = 0; i < c->nsource; i++)
    if (c->source[i].range)
      index[i] = val_node(val_to_node(x, val_dim(x, c->source[i].lo), c->source[i].at, DT_I32));
  Value go = eval_test(x, s, c, carry, index);
  return val_ok(go) ? go.node : NO_NODE;
}

/* Writes the loop into the graph around and gives what it gives. */
static Value write_loop(Elab *x, Scan *c, Inside *in) {
  uint32_t carry = c->ncarry + c->ends, n = carry + c->yield.n, k = 0;
  NodeId *yield = ARENA_ARRAY(x->a, NodeId, n + 1);
  Span at = c->e->scan.head;
  bool good = true;
  if (c->ends) yield[k++] = c->go.node;
  for (uint32_t i = 0; i < c->ncarry; i++) yield[k++] = c->carry[i].next.node;
  for (uint32_t i = 0; i < c->yield.n; i++) {
    NodeId y = val_to_node(x, c->yield.at[i], c->e->scan.head, -1);
    if (node_ok(y)) {
      Type t = node_type(x, y);
      if (t.rank < MAX_RANK) t = type_stacked(t, c->trip);
      good = good && t.rank <= MAX_RANK && node_type(x, y).rank < MAX_RANK && type_small(x, at, &t);
    }
    good = good && node_ok(y);
    yield[k++] = y;
  }
  inside_end(x, in);
  if (!good) return val_poison();
  Builder b = builder_at(x, at);
  LoopShape shape = {.carry = carry, .step = c->nsource, .trip = c->trip, .ends = c->ends};
  NodeId loop = body_loop(&b, &in->body, yield, n, shape);
  Value *out = ARENA_ARRAY(x->a, Value, n + 1);
  uint32_t from = c->yields ? carry : c->ends, to = c->yields ? n : carry;
  for (uint32_t i = from; i < to; i++) out[i - from] = val_node(build_result(&b, loop, i));
  return results(x, c, out, to - from);
}

/* In a probe, where what is carried or walked may be anything: what stands in the body is looked at. */
static void scan_probe(Elab *x, Scope *s, const AstExpr *e) {
  if (!x->probe) return;
  Scan *c = ARENA_NEW(x->a, Scan);
  *c = (Scan){.e = e, .ncarry = e->scan.carries.n};
  c->carry = ARENA_ARRAY(x->a, Carry, c->ncarry + 1);
  Inside *in = ARENA_NEW(x->a, Inside);
  Value ret;
  inside_begin(x, in, s, 0);
  in->scope->scan = c;
  for (uint32_t i = 0; i < c->ncarry; i++) {
    c->carry[i] = (Carry){.ast = &e->scan.carries.at[i], .open = true, .first = NO_NODE};
    scope_bind(x, in->scope, c->carry[i].ast->name, val_poison());
  }
  for (uint32_t i = 0; i < e->scan.walk.names.n; i++)
    scope_bind(x, in->scope, e->scan.walk.names.at[i], val_poison());
  if (e->scan.test) (void)eval(x, in->scope, e->scan.test);
  (void)exec_block(x, in->scope, e->scan.body, &ret);
  inside_end(x, in);
}

Value eval_scan(Elab *x, Scope *s, const AstExpr *e) {
  Scan *c = ARENA_NEW(x->a, Scan);
  *c = (Scan){.e = e, .ends = e->scan.test != NULL, .key = frame_key(x, sym_of(x, "scan"))};
  bool good = walk_sources(x, s, c);
  if (!start_carries(x, s, c) || !good || (c->ends && test_reads_row(x, c))) {
    scan_probe(x, s, e);
    return val_poison();
  }
  if (c->nsource && c->trips == 0) return no_steps(x, s, c);
  for (uint32_t i = 0; i < c->nsource; i++) {
    Walked *src = &c->source[i];
    if (!src->range) continue;
    Type t = {.dtype = DT_I32, .rank = 1, .dim = {c->trip}};
    if (!type_small(x, src->at, &t)) return val_poison();
    Builder b = builder_at(x, src->at);
    src->stack = build_iota(&b, t, 0);
  }
  if (!learn_types(x, s, c)) return val_poison();
  NodeId go = c->ends ? first_test(x, s, c) : NO_NODE;
  if (c->ends && !node_ok(go)) return val_poison();
  if (c->ends && !c->ncarry)
    return wrong(x, e->scan.head, STR("a scan with 'while' carries what its test reads"));
  Inside *in = ARENA_NEW(x->a, Inside);
  good = run_inside(x, s, c, in, false, go);
  if (good && !c->yields && !c->ncarry)
    good =
        val_ok(wrong(x, e->scan.head, STR("this scan has no value: it carries nothing and yields nothing")));
  good = good && (!c->ends || val_ok(c->go));
  if (good) return write_loop(x, c, in);
  inside_end(x, in);
  return val_poison();
}
