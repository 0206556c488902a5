/* Products: what is read, through which axes, by which kernel. Roles, tiles and blocks are chosen in
 * shape.c; the kernels are made in product.c and dot.c. */
#include "passes/lower/product.h"

/* Operand in the output's space. `own` is its position among M (0) and N (1). */
static View operand(LowerCx *lo, NodeId n, int rank, bool swapped, int own, int64_t *k_step) {
  View s = lower_memory(lo, n);
  int64_t outer = s.at.c[rank - 2], inner = s.at.c[rank - 1];
  /* x is [M, K], or [K, M] when swapped; y is [K, N], or [N, K] when swapped */
  int64_t mine = (own == 0) != swapped ? outer : inner;
  *k_step = (own == 0) != swapped ? inner : outer;
  s.at.c[rank - 2] = own == 0 ? mine : 0;
  s.at.c[rank - 1] = own == 1 ? mine : 0;
  return s;
}

/* ---- fewer axes ---- */

static bool as_one(const View *s, int i, int64_t ext) { /* axes i and i + 1, the second of this extent */
  bool one = s->at.c[i] == s->at.c[i + 1] * ext;
  for (int g = 0; g < s->nguard; g++) one &= s->guard[g].at.c[i] == s->guard[g].at.c[i + 1] * ext;
  return one;
}

/* Drops axis i of the linear form. */
static void drop(AxisAffine *l, int i, int rank) {
  for (int j = i; j + 1 < rank; j++) l->c[j] = l->c[j + 1];
  l->c[rank - 1] = 0;
}

static void view_drop(View *s, int i, int rank) {
  drop(&s->at, i, rank);
  for (int g = 0; g < s->nguard; g++) drop(&s->guard[g].at, i, rank);
}

/* Batch axes that everything steps through as one become one, and one with the rows where the right operand
 * is the same for the whole batch. */
static void merge_axes(Product *p) {
  View *all[SCALAR_IN + SCALAR_OUT + 2] = {&p->x, &p->y};
  int n = 2;
  for (int i = 0; i < p->gb.nsrc; i++) all[n++] = &p->gb.src[i];
  for (int i = 0; i < p->gb.nout; i++) all[n++] = &p->gb.dst[i];
  for (int i = p->rank - 3; i >= 0; i--) {
    bool last = i + 1 == p->rank - 2, first_one = p->ext[i] == 1, second_one = p->ext[i + 1] == 1;
    bool one =
        first_one || !last || p->y.at.c[i] == 0; /* rows are what the right operand does not step along */
    for (int j = 0; j < n; j++) one &= first_one || second_one || as_one(all[j], i, p->ext[i + 1]);
    if (!one) continue;
    for (int j = 0; j < n; j++) view_drop(all[j], second_one ? i + 1 : i, p->rank);
    p->ext[i + 1] *= p->ext[i];
    for (int j = i; j + 1 < p->rank; j++) p->ext[j] = p->ext[j + 1];
    p->rank--;
  }
}

static void product_cost(LowerKernel *m, const Product *p, double cycles) {
  double count = 1;
  for (int i = 0; i < p->rank; i++) count *= (double)p->ext[i];
  m->flops = 2.0 * count * (double)p->k;
  m->cost_ns = cycles / 2.6 + count * (p->gb.program->nins + 1) / 60;
}

void product_lower(LowerKernel *m, const Product *p, NodeId node) {
  Shape s = product_shape(p);
  if (product_thin_terms(p, &s)) {
    product_thin(m, p, node, &s);
    return;
  }
  Blocks b = product_blocks(p, &s);
  Packed packed = {PLAN_NONE, PLAN_NONE};
  if (b.pack_rows) packed.rows = product_pack_rows(p, node, &s);
  if (b.pack_lanes) packed.lanes = product_pack_lanes(p, node, &s);
  lower_kernel_begin(m, p->lo, node, "product");
  product_emit(m, p, &s, &b, packed);
  double batch = 1;
  for (int i = 0; i < p->rank - 2; i++) batch *= (double)p->ext[i];
  product_cost(m, p, s.cycles * batch);
}

static void lower_contract(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, xn = graph_in(lo->g, n)[0], yn = graph_in(lo->g, n)[1];
  const Node *d = graph_node(lo->g, n);
  const int64_t *attr = graph_attr(lo->g, n);
  Product p = {.lo = lo, .type = (DType)d->type.dtype, .rank = d->type.rank};
  memcpy(p.ext, lo->ext[n.i], sizeof p.ext);
  p.x = operand(lo, xn, p.rank, attr[0], 0, &p.xk);
  p.y = operand(lo, yn, p.rank, attr[1], 1, &p.yk);
  p.k = lo->ext[xn.i][attr[0] ? p.rank - 2 : p.rank - 1];
  p.order = order_contract(p.ext[p.rank - 2], p.ext[p.rank - 1], p.k, attr[0], attr[1]);
  group_body(lo, gr, &p.gb);
  merge_axes(&p);
  if (product_splits(&p)) {
    product_split(&p, n);
    return;
  }
  LowerKernel m;
  if (p.order.kind == ORDER_LANES16) {
    lower_kernel_begin(&m, lo, n, "dot");
    dot_emit(&m, &p);
    product_cost(&m, &p, (double)lo->count[n.i] * (double)p.k / 8);
  } else {
    product_lower(&m, &p, n);
  }
  lower_kernel_end(&m);
}
const LowerOp lower_CONTRACT = {.role = ROLE_TILE, .kernels = lower_contract};
