/* Pooling for one float type; included by ir/interpret/window.c with REAL and FN(name) defined. One plane [H,
 * W] at a time. docs/numbers.md. */

static bool FN(greater)(REAL a, REAL b) { /* NaN wins, +0 > -0 */
  if (isnan(b)) return false;
  return isnan(a) || (a == b ? !signbit(a) && signbit(b) : a > b);
}

static void FN(max_pool)(const Pool *p, const REAL *x, REAL *y) {
  for (size_t i = 0; i < p->oh; i++)
    for (size_t j = 0; j < p->ow; j++) {
      REAL best = -(REAL)INFINITY;
      bool first = true;
      for (size_t kh = 0; kh < p->kh; kh++)
        for (size_t kw = 0; kw < p->kw; kw++) {
          size_t h, w;
          if (!pool_at(p, i, j, kh, kw, &h, &w)) continue;
          REAL v = x[h * p->w + w];
          if (first || FN(greater)(v, best)) best = v;
          first = false;
        }
      y[i * p->ow + j] = best;
    }
}

static void FN(avg_pool)(const Pool *p, const REAL *x, REAL *y) {
  for (size_t i = 0; i < p->oh; i++)
    for (size_t j = 0; j < p->ow; j++) {
      REAL acc = 0;
      for (size_t kh = 0; kh < p->kh; kh++)
        for (size_t kw = 0; kw < p->kw; kw++) {
          size_t h, w;
          acc = acc + (pool_at(p, i, j, kh, kw, &h, &w) ? x[h * p->w + w] : (REAL)0);
        }
      y[i * p->ow + j] = acc / (REAL)(p->kh * p->kw);
    }
}

/* Is position (kh, kw) of window (i, j) the first that equals its maximum? */
static bool FN(first)(const Pool *p, const REAL *x, REAL y, size_t i, size_t j, size_t kh, size_t kw) {
  size_t h, w;
  for (size_t a = 0; a <= kh; a++)
    for (size_t b = 0; b < p->kw; b++) {
      if (!pool_at(p, i, j, a, b, &h, &w)) continue;
      REAL v = x[h * p->w + w];
      if (v == y || (isnan(v) && isnan(y))) return a == kh && b == kw;
    }
  return false;
}

/* max: x and y given, the first maximum takes gy; else every position takes gy, divided at the end */
static void FN(pool_dx)(const Pool *p, bool max, const REAL *x, const REAL *y, const REAL *gy, REAL *dx) {
  for (size_t h = 0; h < p->h; h++)
    for (size_t w = 0; w < p->w; w++) {
      REAL acc = 0;
      for (size_t kh = 0; kh < p->kh; kh++) {
        int64_t a = (int64_t)(h + p->ph) - (int64_t)kh, i = a / (int64_t)p->sh;
        if (a % (int64_t)p->sh) continue;
        for (size_t kw = 0; kw < p->kw; kw++) {
          int64_t b = (int64_t)(w + p->pw) - (int64_t)kw, j = b / (int64_t)p->sw;
          if (b % (int64_t)p->sw) continue;
          bool in = i >= 0 && j >= 0 && i < (int64_t)p->oh && j < (int64_t)p->ow;
          size_t at = in ? (size_t)(i * (int64_t)p->ow + j) : 0; /* size-ok: inside the plane */
          bool takes = in && (!max || FN(first)(p, x, y[at], (size_t)i, (size_t)j, kh, kw));
          acc = acc + (takes ? gy[at] : (REAL)0);
        }
      }
      dx[h * p->w + w] = max ? acc : acc / (REAL)(p->kh * p->kw);
    }
}
