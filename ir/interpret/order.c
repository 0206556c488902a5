#include "ir/interpret/order.h"

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* n terms in at most `pieces` equal pieces. */
static Order split(OrderKind kind, int64_t n, int64_t pieces) {
  if (pieces < 1) pieces = 1;
  int64_t chunk = ceil_div(n, pieces);
  if (chunk < 1) chunk = 1;
  int64_t chunks = ceil_div(n, chunk);
  return (Order){kind, n, chunks < 1 ? 1 : chunks, chunk};
}

static Order lanes(int64_t n) {
  int64_t chunks = ceil_div(n, ORDER_LANES_CHUNK);
  return (Order){ORDER_LANES16, n, chunks < 1 ? 1 : chunks, ORDER_LANES_CHUNK};
}

Order order_sum(int64_t n, bool innermost) {
  if (innermost) return lanes(n);
  return split(ORDER_CHAIN, n, least(ORDER_PIECES, ceil_div(n, ORDER_OUTER_ROWS)));
}

Order order_prod(int64_t n) { return split(ORDER_CHAIN, n, 1); }

Order order_row(int64_t n, bool innermost) { return innermost ? lanes(n) : split(ORDER_CHAIN, n, 1); }

Order order_contract(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  /* a vector times a matrix whose k axis is its innermost, or two vectors */
  if ((m == 1 && n == 1) || (n == 1 && !ta) || (m == 1 && tb)) return lanes(k);
  bool small = m < ORDER_CONTRACT_MN && n < ORDER_CONTRACT_MN && m * n < ORDER_CONTRACT_MN;
  if (!small || k < ORDER_CONTRACT_K) return split(ORDER_CHAIN, k, 1);
  return split(ORDER_CHAIN, k, least(ORDER_PIECES, ceil_div(k, ORDER_CONTRACT_PIECE)));
}

Order order_conv_dw(int64_t images, int64_t oh, int64_t ow) {
  int64_t per_image =
      oh > ORDER_OUTER_ROWS || ow > ORDER_OUTER_ROWS ? ORDER_OUTER_ROWS : least(oh * ow, ORDER_OUTER_ROWS);
  int64_t many = images > ORDER_OUTER_ROWS ? ORDER_PIECES : ceil_div(images * per_image, ORDER_OUTER_ROWS);
  return split(ORDER_CHAIN, images, least(least(ORDER_PIECES, images), many));
}
