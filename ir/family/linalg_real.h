/* Triangular systems and Cholesky's factor for one float type; included by ir/family/linalg.c with REAL,
 * FN(name), FMA and ROOT defined. docs/numbers.md has the order. Always inlined into clones with and without
 * the CPU's fma. */

/* T x = b, column by column of b [n, m]; T(i, k) = a[i * ai + k * ak], of which one triangle is read. */
static inline INLINE void FN(solve)(const System *s, const REAL *a, const REAL *b, REAL *x) {
  for (size_t p = 0; p < s->n; p++) {
    size_t i = s->backwards ? s->n - 1 - p : p;
    REAL *row = x + i * s->m;
    for (size_t j = 0; j < s->m; j++) row[j] = b[i * s->m + j];
    for (size_t q = 0; q < p; q++) {
      size_t k = s->backwards ? s->n - 1 - q : q;
      REAL minus = -a[i * s->ai + k * s->ak];
      for (size_t j = 0; j < s->m; j++) row[j] = FMA(minus, x[k * s->m + j], row[j]);
    }
    for (size_t j = 0; j < s->m; j++) row[j] = row[j] / a[i * (s->ai + s->ak)];
  }
}

/* l l^T = a, by columns; l is zeroed. */
static inline INLINE void FN(cholesky)(size_t n, const REAL *a, REAL *l) {
  for (size_t j = 0; j < n; j++) {
    REAL root = 0;
    for (size_t i = j; i < n; i++) {
      REAL acc = a[i * n + j];
      for (size_t k = 0; k < j; k++) acc = FMA(-l[j * n + k], l[i * n + k], acc);
      if (i == j) root = ROOT(acc);
      l[i * n + j] = i == j ? root : acc / root;
    }
  }
}
