/* Products for one float type; included by ir/interpret/product.c with REAL, FN(name) and FMA defined.
 * docs/numbers.md. Every element has its own chain; loops are arranged so that chains run side by side.
 * Always inlined into clones with and without the CPU's fma. */

/* z[n] = one piece of the chains of row x (stride sx) with y [K, N] */
static inline INLINE void FN(chain_row)(const REAL *x, size_t sx, const REAL *y, size_t k0, size_t k1,
                                        size_t n, REAL *z) {
  for (size_t j = 0; j < n; j++) z[j] = 0;
  for (size_t k = k0; k < k1; k++) {
    REAL a = x[k * sx];
    const REAL *row = y + k * n;
    for (size_t j = 0; j < n; j++) z[j] = FMA(a, row[j], z[j]);
  }
}

static inline INLINE REAL FN(lanes_dot)(const REAL *x, size_t sx, const REAL *y, size_t sy, size_t k0,
                                        size_t k1) {
  REAL p[ORDER_LANES] = {0};
  for (size_t k = k0; k < k1; k++)
    p[(k - k0) % ORDER_LANES] = FMA(x[k * sx], y[k * sy], p[(k - k0) % ORDER_LANES]);
  for (int s = ORDER_LANES / 2; s; s /= 2)
    for (int i = 0; i < s; i++) p[i] = p[i] + p[i + s];
  return p[0];
}

/* One matrix product. x(m, k) = x[m*xm + k*xk]; y is [K, N] plain. part: n elements of room. */
static inline INLINE void FN(contract)(const Product *p, const REAL *x, const REAL *y, REAL *z, REAL *part) {
  size_t chunk = (size_t)p->order.chunk;
  for (size_t m = 0; m < p->m; m++) {
    REAL *row = z + m * p->n;
    for (size_t k = 0; k < p->k; k += chunk) {
      size_t end = p->k - k < chunk ? p->k : k + chunk;
      REAL *to = p->order.chunks == 1 ? row : part;
      if (p->order.kind == ORDER_LANES16)
        for (size_t j = 0; j < p->n; j++) to[j] = FN(lanes_dot)(x + m * p->xm, p->xk, y + j, p->n, k, end);
      else
        FN(chain_row)(x + m * p->xm, p->xk, y, k, end, p->n, to);
      for (size_t j = 0; j < p->n && to == part; j++) row[j] = row[j] + part[j];
    }
  }
}

/* xp: one image's channels, padded: [C, HP, WP] */
static inline INLINE void FN(conv)(const Conv *c, const REAL *xp, const REAL *w, REAL *y) {
  for (size_t o = 0; o < c->o; o++) {
    size_t group = o / (c->o / c->groups);
    REAL *out = y + o * c->oh * c->ow;
    for (size_t i = 0; i < c->oh * c->ow; i++) out[i] = 0;
    for (size_t kh = 0; kh < c->kh; kh++)
      for (size_t kw = 0; kw < c->kw; kw++)
        for (size_t ch = 0; ch < c->cg; ch++) {
          REAL f = w[((o * c->cg + ch) * c->kh + kh) * c->kw + kw];
          for (size_t i = 0; i < c->oh; i++) {
            const REAL *row =
                xp + ((group * c->cg + ch) * c->hp + i * c->sh + kh * c->dh) * c->wp + kw * c->dw;
            if (c->sw == 1)
              for (size_t j = 0; j < c->ow; j++) out[i * c->ow + j] = FMA(row[j], f, out[i * c->ow + j]);
            else
              for (size_t j = 0; j < c->ow; j++)
                out[i * c->ow + j] = FMA(row[j * c->sw], f, out[i * c->ow + j]);
          }
        }
  }
}

/* One image: gy [O, OH, OW] -> dx [C, H, W]; positions whose distance the stride does not divide are not in
 * the chain */
static inline INLINE void FN(conv_dx)(const Conv *c, const REAL *gy, const REAL *w, REAL *dx) {
  size_t og = c->o / c->groups;
  for (size_t ch = 0; ch < c->c; ch++) {
    size_t group = ch / c->cg;
    for (size_t h = 0; h < c->h; h++) {
      REAL *row = dx + (ch * c->h + h) * c->w;
      for (size_t j = 0; j < c->w; j++) row[j] = 0;
      for (size_t kh = 0; kh < c->kh; kh++) {
        int64_t a = (int64_t)(h + c->ph) - (int64_t)(kh * c->dh);
        if (a % (int64_t)c->sh) continue;
        int64_t i = a / (int64_t)c->sh;
        bool row_in = i >= 0 && i < (int64_t)c->oh;
        for (size_t kw = 0; kw < c->kw; kw++)
          for (size_t o = group * og; o < (group + 1) * og; o++) {
            REAL f = w[((o * c->cg + ch - group * c->cg) * c->kh + kh) * c->kw + kw];
            const REAL *g = gy + (o * c->oh + (row_in ? (size_t)i : 0)) * c->ow;
            if (c->sw == 1) { /* the same, with what lies inside apart */
              int64_t shift = (int64_t)c->pw - (int64_t)(kw * c->dw), end = (int64_t)c->ow - shift;
              size_t lo = shift < 0 ? (size_t)-shift : 0, hi = end < 0 ? 0 : (size_t)end;
              if (hi > c->w) hi = c->w;
              if (lo > hi || !row_in) lo = hi = c->w;
              for (size_t x = 0; x < lo; x++) row[x] = FMA((REAL)0, f, row[x]);
              for (size_t x = lo; x < hi; x++) row[x] = FMA(g[(int64_t)x + shift], f, row[x]);
              for (size_t x = hi; x < c->w; x++) row[x] = FMA((REAL)0, f, row[x]);
              continue;
            }
            for (size_t x = 0; x < c->w; x++) {
              int64_t b = (int64_t)(x + c->pw) - (int64_t)(kw * c->dw), j = b / (int64_t)c->sw;
              if (b % (int64_t)c->sw) continue;
              REAL v = row_in && j >= 0 && j < (int64_t)c->ow ? g[j] : 0;
              row[x] = FMA(v, f, row[x]);
            }
          }
      }
    }
  }
}

/* Adds one image to the chains of dw [O, CG, KH, KW]: positions ascending. patch: cg*kh*kw elements of room.
 */
static inline INLINE void FN(conv_dw)(const Conv *c, const REAL *xp, const REAL *gy, REAL *dw, REAL *patch) {
  size_t og = c->o / c->groups, n = c->cg * c->kh * c->kw;
  for (size_t i = 0; i < c->oh; i++)
    for (size_t j = 0; j < c->ow; j++)
      for (size_t group = 0; group < c->groups; group++) {
        size_t at = 0;
        for (size_t ch = 0; ch < c->cg; ch++)
          for (size_t kh = 0; kh < c->kh; kh++)
            for (size_t kw = 0; kw < c->kw; kw++)
              patch[at++] = xp[((group * c->cg + ch) * c->hp + i * c->sh + kh * c->dh) * c->wp + j * c->sw +
                               kw * c->dw];
        for (size_t o = group * og; o < (group + 1) * og; o++) {
          REAL g = gy[(o * c->oh + i) * c->ow + j], *acc = dw + o * n;
          for (size_t t = 0; t < n; t++) acc[t] = FMA(patch[t], g, acc[t]);
        }
      }
}
