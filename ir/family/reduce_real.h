/* Reductions along one axis for one float type; included by ir/interpret/reduce.c with REAL and FN(name)
 * defined. docs/numbers.md. */

static REAL FN(chain)(const REAL *x, size_t n, size_t step) {
  REAL acc = 0;
  for (size_t k = 0; k < n; k++) acc = acc + x[k * step];
  return acc;
}

static REAL FN(lanes)(const REAL *x, size_t n) {
  REAL p[ORDER_LANES] = {0};
  for (size_t k = 0; k < n; k++) p[k % ORDER_LANES] = p[k % ORDER_LANES] + x[k];
  for (int s = ORDER_LANES / 2; s; s /= 2)
    for (int i = 0; i < s; i++) p[i] = p[i] + p[i + s];
  return p[0];
}

static void FN(sum)(const REAL *x, REAL *y, Along a, Order o) {
  size_t chunk = (size_t)o.chunk;
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      const REAL *row = x + out * a.n * a.inner + i;
      REAL total = 0;
      for (size_t k = 0; k < a.n; k += chunk) {
        size_t n = a.n - k < chunk ? a.n - k : chunk;
        REAL t = o.kind == ORDER_LANES16 ? FN(lanes)(row + k, n) : FN(chain)(row + k * a.inner, n, a.inner);
        total = o.chunks == 1 ? t : total + t;
      }
      y[out * a.inner + i] = total;
    }
}

static void FN(prod)(const REAL *x, REAL *y, Along a) {
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      REAL acc = 1;
      for (size_t k = 0; k < a.n; k++) acc = acc * x[(out * a.n + k) * a.inner + i];
      y[out * a.inner + i] = acc;
    }
}

/* NaN wins, +0 > -0 */
static bool FN(beats)(REAL a, REAL b, bool max) {
  if (isnan(b)) return false;
  if (isnan(a)) return true;
  if (a == b) return max ? !signbit(a) && signbit(b) : signbit(a) && !signbit(b);
  return max ? a > b : a < b;
}

static void FN(extreme)(const REAL *x, REAL *y, Along a, bool max) {
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      REAL best = x[out * a.n * a.inner + i];
      for (size_t k = 1; k < a.n; k++) {
        REAL v = x[(out * a.n + k) * a.inner + i];
        if (FN(beats)(v, best, max)) best = v;
      }
      y[out * a.inner + i] = best;
    }
}

static void FN(arg)(const REAL *x, int32_t *y, Along a,
                    bool max) { /* +0 and -0 are equal here: the lowest index that compares equal */
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      size_t best = 0;
      for (size_t k = 1; k < a.n; k++) {
        REAL v = x[(out * a.n + k) * a.inner + i], b = x[(out * a.n + best) * a.inner + i];
        if (!isnan(b) && (isnan(v) || (max ? v > b : v < b))) best = k;
      }
      y[out * a.inner + i] = (int32_t)best;
    }
}
