/* The op table, type rules, building, sharing, copying, text form and verifier. */
#include "base/mem.h"
#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/interpret/eval.h"
#include "ir/scalar/expr.h"
#include "ir/scalar/op_program.h"
#include "op_cases.h"
#include "unit.h"

static Mem mem;
static Arena arena;
static Names names;
static Sources sources;
static Limits limits;
static Program program;
static Builder b;

static Type ty(DType t, int rank, ...) {
  Type r = type_scalar(t);
  va_list ap;
  va_start(ap, rank);
  for (int i = 0; i < rank; i++) r.dim[r.rank++] = dim_const(program.dims, va_arg(ap, int));
  va_end(ap);
  return r;
}
static void begin(void) {
  arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  names_init(&names, &arena);
  sources_init(&sources, &arena);
  limits_init(&limits);
  program_init(&program, &arena, &names, &sources, &limits);
  b = (Builder){graph_new(&arena, &program, names_add(&names, STR("eval"))), {0}, NO_NODE};
}
static NodeId leaf(const char *path, Type t) {
  return build_leaf(
      &b,
      program_leaf(&program, (Leaf){.kind = LEAF_INPUT, .path = names_add(&names, str_z(path)), .type = t}));
}
static Type type_of(NodeId n) { return graph_node(b.g, n)->type; }
static void is_type(NodeId n, Type t) {
  Type own = type_of(n);
  Sb x;
  sb_init(&x, &arena);
  type_print(program.dims, &own, &x);
  ck_assert_msg(type_eq(&own, &t), "the type is %.*s", (int)x.n, x.p);
}

START_TEST(table) {
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    int colons = 0;
    Op back;
    for (const char *p = o->attrs; *p; p++) colons += *p == ':';
    ck_assert_msg(colons == o->nattr, "%s has %d attributes", o->name, colons);
    ck_assert(op_find(str_z(o->name), &back) && (int)back == op);
    ck_assert_msg(*o->doc, "%s has no doc line", o->name);
    ck_assert_msg(!o->scalar || strlen(o->sig) == (size_t)o->arity + 1, "%s", o->name);
    ck_assert_msg(!!strstr(o->attrs, "order:") == !!(o->flags & OPF_REDUCES), "%s: order", o->name);
    /* every input is classified; every differentiable scalar input has its derivative, no other has one */
    ck_assert_msg(*o->cls || o->arity == 0, "%s: no gradient class", o->name);
    ck_assert_msg(o->arity != 0 || (o->flags & OPF_LEAF), "%s", o->name);
    for (const char *c = o->cls; *c; c++)
      ck_assert_msg(strchr("dziso", *c) != NULL, "%s: class %c", o->name, *c);
    /* a structural row that carries gradient has its tangent by linearity or by a rule of its family; bodies
     * run with theirs */
    const OpEval *own = eval_op((Op)op);
    ck_assert_msg(strspn(o->linear, ".+*") == strlen(o->linear) && (!o->scalar || !o->linear[0]), "%s",
                  o->name);
    for (uint32_t i = 0; !o->scalar && i < strlen(o->cls); i++)
      ck_assert_msg(op_linear((Op)op, i) == LINEAR_NOT || op_grad_class((Op)op, i) == GC_CARRIES, "%s",
                    o->name);
    if (!o->scalar && strchr(o->cls, 'd') && !o->linear[0] && !op_is((Op)op, OPF_ALIAS) && op != OP_GRAD &&
        !op_is((Op)op, OPF_NO_VALUE) && op != OP_RESULT)
      ck_assert_msg(own->dual != NULL, "%s has no tangent", o->name);
    for (int i = 0; o->scalar && i < 3; i++) {
      bool has = o->grad[i][0] != 0, want = i < o->arity && op_grad_class((Op)op, (uint32_t)i) == GC_CARRIES;
      ck_assert_msg(has == want, "%s: derivative by input %d", o->name, i);
    }
  }
}
END_TEST

START_TEST(elementwise) {
  begin();
  NodeId x = leaf("x", ty(DT_F32, 2, 2, 3)), y = leaf("y", ty(DT_F32, 2, 2, 3)),
         i = leaf("i", ty(DT_I32, 2, 2, 3));
  is_type(build_scalar(&b, OP_ADD, x, y, NO_NODE), ty(DT_F32, 2, 2, 3));
  NodeId lt = build_scalar(&b, OP_LT, x, y, NO_NODE);
  is_type(lt, ty(DT_BOOL, 2, 2, 3));
  is_type(build_scalar(&b, OP_WHERE, lt, i, i), ty(DT_I32, 2, 2, 3));
  is_type(build_cast(&b, i, DT_F64), ty(DT_F64, 2, 2, 3));
  Type out;
  Sb why;
  sb_init(&why, &arena);
  ck_assert(!op_infer(b.g, OP_ADD, (NodeId[]){x, i}, 2, NULL, NULL, &out, &why));
  ck_assert_strn(why, "add: operands of different types f32[2, 3] and i32[2, 3]");
  sb_init(&why, &arena);
  ck_assert(!op_infer(b.g, OP_EXP, &i, 1, NULL, NULL, &out, &why));
  sb_init(&why, &arena);
  NodeId z = leaf("z", ty(DT_F32, 1, 3));
  ck_assert(!op_infer(b.g, OP_ADD, (NodeId[]){x, z}, 2, NULL, NULL, &out, &why));
  ck_assert_strn(why, "add: operands of different shapes f32[2, 3] and f32[3]");
  ck_assert_int_eq(graph_grad_class(b.g, build_cast(&b, i, DT_F32), 0), GC_ZERO);
  ck_assert_int_eq(graph_grad_class(b.g, build_cast(&b, x, DT_F64), 0), GC_CARRIES);
  ck_assert_int_eq(graph_grad_class(b.g, lt, 0), GC_ZERO);
}
END_TEST

START_TEST(movement) {
  begin();
  NodeId x = leaf("x", ty(DT_F32, 3, 2, 3, 4));
  is_type(build_transpose(&b, x, (uint8_t[]){2, 0, 1}), ty(DT_F32, 3, 4, 2, 3));
  is_type(build_reshape(&b, x, ty(DT_F32, 1, 24)), ty(DT_F32, 1, 24));
  ck_assert(node_eq(build_reshape(&b, x, ty(DT_F32, 3, 2, 3, 4)), x));
  is_type(build_slice(&b, x, 2, dim_const(program.dims, 1), 2, dim_const(program.dims, 2)),
          ty(DT_F32, 3, 2, 3, 2));
  is_type(build_reduce(&b, OP_SUM, x, 5), ty(DT_F32, 3, 1, 3, 1));
  is_type(build_drop_axes(&b, build_reduce(&b, OP_SUM, x, 5), 5), ty(DT_F32, 1, 3));
  NodeId s = build_broadcast(&b, leaf("s", ty(DT_F32, 2, 3, 1)), ty(DT_F32, 3, 2, 3, 4));
  is_type(s, ty(DT_F32, 3, 2, 3, 4));
  is_type(build_sum_to(&b, s, ty(DT_F32, 2, 3, 1)), ty(DT_F32, 2, 3, 1));
  ck_assert(node_eq(build_sum_to(&b, s, ty(DT_F32, 3, 2, 3, 4)), s));
  is_type(build_op(&b, OP_PAD, &x, 1,
                   (int64_t[]){1, dim_const(program.dims, 1).i, dim_const(program.dims, 2).i, 3}, NULL),
          ty(DT_F32, 3, 2, 10, 4));
  is_type(build_op(&b, OP_CONCAT, (NodeId[]){x, x}, 2, (int64_t[]){2}, NULL), ty(DT_F32, 3, 2, 3, 8));
}
END_TEST

START_TEST(products_and_windows) {
  begin();
  DimId n = dim_symbol(program.dims, names_add(&names, STR("N")));
  Type img = ty(DT_F32, 4, 1, 3, 28, 28);
  img.dim[0] = n;
  NodeId x = leaf("x", img), w = leaf("w", ty(DT_F32, 4, 8, 3, 5, 5));
  int64_t conv[8] = {2, 2, 2, 2, 1, 1, 1, 0}, pool[6] = {2, 2, 2, 2, 0, 0};
  NodeId y = build_op(&b, OP_CONV2D, (NodeId[]){x, w}, 2, conv, NULL);
  Type want = ty(DT_F32, 4, 1, 8, 14, 14);
  want.dim[0] = n;
  is_type(y, want);
  is_type(build_op(&b, OP_CONV2D_DX, (NodeId[]){y, w}, 2, conv, &img), img);
  Type wt = type_of(w);
  is_type(build_op(&b, OP_CONV2D_DW, (NodeId[]){x, y}, 2, conv, &wt), wt);
  NodeId p = build_op(&b, OP_MAX_POOL2D, &y, 1, pool, NULL);
  want.dim[2] = want.dim[3] = dim_const(program.dims, 7);
  is_type(p, want);
  Type yt = type_of(y);
  is_type(build_op(&b, OP_MAX_POOL2D_DX, (NodeId[]){y, p, p}, 3, pool, NULL), yt);
  is_type(build_op(&b, OP_AVG_POOL2D_DX, &p, 1, pool, &yt), yt);
  Type out;
  Sb why;
  sb_init(&why, &arena);
  pool[4] = 2;
  ck_assert(!op_infer(b.g, OP_MAX_POOL2D, &y, 1, pool, NULL, &out, &why));
  NodeId a = leaf("a", ty(DT_F32, 3, 7, 3, 4)), c = leaf("c", ty(DT_F32, 3, 7, 5, 4));
  is_type(build_contract(&b, a, c, false, true), ty(DT_F32, 3, 7, 3, 5));
  ck_assert(!op_infer(b.g, OP_CONTRACT, (NodeId[]){a, c}, 2, (int64_t[]){0, 0, 0}, NULL, &out, &why));
  ck_assert(!op_infer(b.g, OP_CONTRACT, (NodeId[]){a, c}, 2, (int64_t[]){0, 1, 7}, NULL, &out, &why));
}
END_TEST

START_TEST(sharing) {
  begin();
  NodeId x = leaf("x", ty(DT_F32, 0)), y = leaf("y", ty(DT_F32, 0));
  ck_assert(!node_eq(build_scalar(&b, OP_ADD, x, y, NO_NODE), build_scalar(&b, OP_ADD, x, y, NO_NODE)));
  b.g->share = true;
  NodeId s = build_scalar(&b, OP_ADD, x, y, NO_NODE);
  ck_assert(node_eq(s, build_scalar(&b, OP_ADD, y, x, NO_NODE)));
  ck_assert(!node_eq(build_scalar(&b, OP_SUB, x, y, NO_NODE), build_scalar(&b, OP_SUB, y, x, NO_NODE)));
  ck_assert(
      node_eq(build_const(&b, type_scalar(DT_F32), 0.1), build_const(&b, type_scalar(DT_F32), (double)0.1f)));
  ck_assert(!node_eq(build_const(&b, type_scalar(DT_F32), 0), build_const(&b, type_scalar(DT_F64), 0)));
  ck_assert(node_eq(build_const(&b, type_scalar(DT_F32), 0), build_const(&b, type_scalar(DT_F32), 1e-42)));
  NodeId a = build_op(&b, OP_STOP, &x, 1, NULL, NULL), c = build_op(&b, OP_STOP, &x, 1, NULL, NULL);
  ck_assert(!node_eq(a, c));
}
END_TEST

START_TEST(copying) {
  begin();
  DimId n = dim_symbol(program.dims, names_add(&names, STR("N")));
  Type t = ty(DT_F32, 2, 1, 4);
  t.dim[0] = n;
  NodeId x = leaf("x", t), dead = build_scalar(&b, OP_EXP, x, NO_NODE, NO_NODE);
  b.location = graph_location(b.g, (Span){0, 3, 4},
                              graph_location(b.g, (Span){0, 1, 2}, (LocationId){0}, (Sym){0}), (Sym){0});
  NodeId y = build_scalar(&b, OP_NEG, x, NO_NODE, NO_NODE),
         s = build_slice(&b, y, 0, dim_floordiv(program.dims, n, 2), 1, dim_const(program.dims, 1));
  (void)dead;
  graph_root(b.g, ROOT_OUTPUT, names_add(&names, STR("o")), (LeafId){0}, s, (Span){0});
  Graph *g = graph_copy(&arena, b.g, (DimBinding[]){{names_add(&names, STR("N")), 6}}, 1);
  ck_assert_uint_eq(g->node.n, 3);
  ck_assert(graph_node(g, (NodeId){1})->type.dim[0].i == dim_const(program.dims, 6).i);
  ck_assert_int_eq(graph_attr(g, (NodeId){2})[1], dim_const(program.dims, 3).i);
  LocationId location = graph_node(g, (NodeId){2})->location;
  ck_assert_uint_eq(g->location.at[location.i].at.lo, 3);
  ck_assert_uint_eq(g->location.at[g->location.at[location.i].caller.i].at.lo, 1);
  /* within one graph, with x replaced */
  NodeId map[16], z = leaf("z", t), want = y;
  for (int i = 0; i < 16; i++) map[i] = NO_NODE;
  map[x.i] = z;
  graph_copy_nodes(&b, b.g, &want, 1, map);
  ck_assert(node_eq(graph_in(b.g, map[y.i])[0], z));
}
END_TEST

START_TEST(node_limit) {
  begin();
  limits.nodes = 2;
  NodeId x = leaf("x", ty(DT_F32, 0));
  Rescue r;
  build_scalar(&b, OP_NEG, x, NO_NODE, NO_NODE);
  if (RESCUE(&mem, &r)) {
    build_scalar(&b, OP_NEG, x, NO_NODE, NO_NODE);
    ck_abort_msg("no limit");
  } else {
    ck_assert_int_eq(r.status, ST_LIMIT);
  }
}
END_TEST

/* ---- text ---- */

static Str every_op(void) {
  static char text[1 << 16];
  FILE *f = fopen("tests/unit/data/every_op.graph", "rb");
  ck_assert_msg(f != NULL, "run in the top folder");
  size_t n = fread(text, 1, sizeof text, f);
  fclose(f);
  return (Str){text, n};
}

START_TEST(round_trip_of_every_op) {
  begin();
  Str text = every_op();
  Graph *g, *again;
  Sb why, one, two;
  bool seen[OP_COUNT] = {false};
  sb_init(&why, &arena);
  if (!graph_parse(&program, text, &g, &why)) ck_abort_msg("%.*s", (int)why.n, why.p);
  for (uint32_t i = 0; i < g->node.n; i++) seen[g->node.at[i].op] = true;
  for (int i = 0; i < OP_CASES; i++) {
    char own[2048];
    Graph *c;
    begin();
    if (!graph_parse(&program, str_z(op_case_graph(i, own, sizeof own)), &c, &why))
      ck_abort_msg("%.*s", (int)why.n, why.p);
    seen[c->node.at[c->node.n - 1].op] = true;
    sb_init(&one, &arena);
    graph_print(c, &one);
    sb_char(&one, 0);
    ck_assert_str_eq(own, one.p);
  }
  for (int op = OP_LEAF; op < OP_COUNT;
       op++) /* scalar rows have no text of their own; test_interp.c reads each */
    ck_assert_msg(seen[op], "%s is missing in op_cases.h", op_info[op].name);
  begin();
  sb_init(&why, &arena);
  if (!graph_parse(&program, text, &g, &why)) ck_abort_msg("%.*s", (int)why.n, why.p);
  sb_init(&one, &arena);
  graph_print(g, &one);
  sb_char(&one, 0);
  ck_assert_strn(text, one.p);
  begin();
  ck_assert(graph_parse(&program, text, &again, &why)); /* into a fresh program */
  sb_init(&two, &arena);
  graph_print(again, &two);
  sb_char(&two, 0);
  ck_assert_strn(text, two.p);
}
END_TEST

static void refused(const char *text, const char *part) {
  Graph *g;
  Sb why;
  begin();
  sb_init(&why, &arena);
  ck_assert_msg(!graph_parse(&program, str_z(text), &g, &why), "accepted: %s", text);
  sb_char(&why, 0);
  ck_assert_msg(strstr(why.p, part) != NULL, "%s\nsays: %s", text, why.p);
}

START_TEST(text_refused) {
  refused("", "no graph");
  refused("input x: f32\n", "line 1: 'graph NAME' expected");
  refused("graph g\n%1: f32 = const 1\n", "line 2: nodes are numbered in order");
  refused("graph g\n%0: f32 = neg %0\n", "no such node");
  refused("graph g\n%0: f33 = const 0\n", "type expected");
  refused("graph g\n%0: f32 = cons 0\n", "no such op");
  refused("graph g\n%0: f32 = leaf x\n", "no such leaf");
  refused("graph g\n%0: f32[N +] = const 0\n", "dim expected");
  refused("graph g\n%0: f32 = const 0 0\n", "unexpected text");
  refused("graph g\n%0: f32[2] = iota\n", "'{' expected");
  refused("graph g\n%0: f32[1, 1, 1, 1, 1, 1, 1, 1, 1] = const 0\n", "too many axes");
  refused("graph g\noutput o = %0\n", "no such node");
  refused("graph g\n%0: f32[0] = const 0\n", "empty axis");
  refused("graph g\n%0: f32[-3] = const 0\n", "empty axis");
}
END_TEST

START_TEST(verifier_refuses) {
  refused("graph g\n%0: f32 = const 1e-42\n", "");
  refused("graph g\n%0: bool = const 2\n", "not one of its type");
  refused("graph g\n%0: f32 = const 1\n%1: i32 = neg %0\n", "is i32, must be f32");
  refused("graph g\n%0: f32[2] = const 1\n%1: f32[3] = const 1\n%2: f32[2] = add %0 %1\n",
          "different shapes");
  refused("graph g\n%0: f32 = const 1\n%1: f32 = add %0\n", "1 operands");
  refused("graph g\n%0: f32[6] = const 1\n%1: f32[2, 2] = reshape %0\n", "not the same elements");
  refused("graph g\n%0: f32[2] = const 1\n%1: f32[3] = broadcast %0\n", "does not stretch");
  refused("graph g\n%0: f32[2] = const 1\n%1: f64[3, 2] = broadcast %0\n", "does not stretch");
  refused("graph g\n%0: f32[2, 3] = const 1\n%1: f32[2, 3] = transpose %0 {perm=[0, 0]}\n", "permutation");
  refused("graph g\n%0: f32[2, 3] = const 1\n%1: f32[3] = sum %0 {axes=[0] order=0}\n", "must be f32[1, 3]");
  refused("graph g\n%0: f32[2, 3] = const 1\n%1: f32[1, 3] = sum %0 {axes=[0] order=1}\n", "attribute 1");
  refused("graph g\n%0: f32[4] = const 1\n%1: f32[3] = slice %0 {axis=0 start=2 step=1}\n", "leaves");
  refused("graph g\n%0: f32[2] = table [1, 2, 3]\n", "another number of elements");
  refused("graph g\ninput x: f32\n%0: f32 = leaf x\nassign x := %0\n", "does not fit");
  refused("graph g\nparam x: f32\n%0: f32 = leaf x\nassign x := %0\nassign x := %0\n", "second time");
  refused("graph g\n%0: f32[1, 1, 4, 4] = const 1\n%1: f32[1, 1, 5, 5] = const 1\n%2: f32[1, 1, 1, 1] = "
          "conv2d %0 %1 "
          "{sh=1 sw=1 ph=0 pw=0 dh=1 dw=1 groups=1 order=0}\n",
          "larger than");
  begin();
  Sb why;
  NodeId x = leaf("x", ty(DT_F32, 0)), y = build_scalar(&b, OP_NEG, x, NO_NODE, NO_NODE);
  sb_init(&why, &arena);
  ck_assert(graph_verify(b.g, &why));
  b.g->edge.at[0] = y;
  ck_assert(!graph_verify(b.g, &why));
  b.g->edge.at[0] = x;
  b.g->node.at[y.i].op = OP_COUNT;
  ck_assert(!graph_verify(b.g, &why));
  b.g->node.at[y.i].op = OP_EXP;
  b.g->node.at[y.i].location.i = 9;
  ck_assert(!graph_verify(b.g, &why));
}
END_TEST

/* ---- scalar text as a tree ---- */

static const ScalarExpr *expr(const char *text) {
  Sb why;
  sb_init(&why, &arena);
  const ScalarExpr *e = scalar_expr_parse(&arena, str_z(text), &why);
  if (!e) ck_abort_msg("%.*s", (int)why.n, why.p);
  return e;
}
static void show(const ScalarExpr *e, Sb *o) {
  if (e->kind == SCALAR_NUMBER)
    sb_fmt(o, "%g", e->x);
  else if (e->kind == SCALAR_LET)
    sb_fmt(o, "let " STRF " ", STRA(e->name));
  else
    sb_add(o, e->name);
  for (uint32_t i = 0; i < e->narg; i++) {
    sb_add(o, i ? STR(", ") : STR("("));
    show(e->arg[i], o);
  }
  if (e->narg) sb_char(o, ')');
}
static void tree(const char *text, const char *want) {
  Sb o;
  sb_init(&o, &arena);
  show(expr(text), &o);
  ck_assert_strn(o, want);
}

START_TEST(trees) {
  begin();
  tree("x > 0 ? g : -x * 2 - y / z", "where(lt(0, x), g, sub(mul(neg(x), 2), div(y, z)))");
  tree("a = x + 1; b = -2; f(a, b) >= 0 or not c == d and e",
       "let a (add(x, 1), let b (-2, or(le(0, f(a, b)), and(not(eq(c, d)), e))))");
  tree("x << 1 | y & 3", "bitand(bitor(shl(x, 1), y), 3)");
}
END_TEST

/* Derivative texts become graph nodes: what they call must be ops, what they name must be there. */
static void only_ops(const ScalarExpr *e, const OpInfo *row) {
  Op op;
  switch (e->kind) {
  case SCALAR_NUMBER: break;
  case SCALAR_NAME:
    ck_assert_msg(e->name.n == 1 && strchr("xyzrg", e->name.p[0]) &&
                      (e->name.p[0] < 'x' || e->name.p[0] < 'x' + row->arity),
                  "%s: %.*s", row->name, (int)e->name.n, e->name.p);
    break;
  case SCALAR_OPERATOR:
  case SCALAR_CALL:
    ck_assert_msg(op_find(e->name, &op) && op_info[op].scalar && (uint32_t)op_info[op].arity == e->narg,
                  "%s: %.*s", row->name, (int)e->name.n, e->name.p);
    break;
  case SCALAR_LET: ck_abort_msg("%s: a binding", row->name);
  }
  for (uint32_t i = 0; i < e->narg; i++) only_ops(e->arg[i], row);
}

START_TEST(derivatives_are_made_of_ops) {
  begin();
  for (int op = 0; op < OP_COUNT; op++)
    for (int i = 0; i < 3; i++)
      if (op_info[op].grad[i][0]) only_ops(expr(op_info[op].grad[i]), &op_info[op]);
}
END_TEST

START_TEST(programs_of_rows) {
  begin();
  OpPrograms cache;
  op_programs_init(&cache, &arena);
  for (int narrow = 0; narrow < 2; narrow++)
    for (int op = 0; op < OP_LEAF; op++) {
      const OpInfo *o = &op_info[op];
      DType in[3], real = narrow ? DT_F32 : DT_F64, result = real;
      for (int i = 0; i <= o->arity; i++) {
        char c = o->sig[i];
        DType t = c == 'b' ? DT_BOOL : c == 'i' || c == 'I' ? DT_I32 : real;
        if (i < o->arity) in[i] = t;
        result = t;
      }
      const Scalar *p = op_program(&cache, (Op)op, in, (uint32_t)o->arity, result);
      Sb why;
      sb_init(&why, &arena);
      ck_assert_msg(scalar_verify(p, &why), "%s", o->name);
      ck_assert_ptr_eq(p, op_program(&cache, (Op)op, in, (uint32_t)o->arity, result));
    }
}
END_TEST

UNIT_MAIN(UNIT("ops", table, trees, derivatives_are_made_of_ops, programs_of_rows),
          UNIT("types", elementwise, movement, products_and_windows),
          UNIT("graph", sharing, copying, node_limit),
          UNIT("text", round_trip_of_every_op, text_refused, verifier_refuses))
