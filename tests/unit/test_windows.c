/* Convolutions and pools over one, two and three axes: values against the formula written out, first and
 * second derivatives against dual numbers, native code against the interpreter, bit by bit. */
#include "api_kit.h"
#include "elab_kit.h"

typedef enum { CONV, TRANSPOSED, MAX, AVG, ADAPTIVE } Kind;

/* Over depth, height, width; missing axes have extent 1. */
typedef struct Form {
  Kind kind;
  const char *call; /* over x and w */
  int axes;
  int x[5], w[5]; /* [N, C, D, H, W], [O or C, C or O of a group, KD, KH, KW] */
  int stride[3], before[3], dilation[3], groups;
  int out[3];
} Form;

static const Form forms[] = {
    {CONV, "conv1d(x, w)", 1, {2, 3, 1, 1, 6}, {4, 3, 1, 1, 3}, {1, 1, 1}, {0}, {1, 1, 1}, 1, {1, 1, 4}},
    {CONV,
     "conv1d(x, w, stride = 2, padding = 2, dilation = 2)",
     1,
     {2, 3, 1, 1, 7},
     {2, 3, 1, 1, 3},
     {1, 1, 2},
     {0, 0, 2},
     {1, 1, 2},
     1,
     {1, 1, 4}},
    {CONV,
     "conv1d(x, w, groups = 3)",
     1,
     {2, 3, 1, 1, 6},
     {6, 1, 1, 1, 2},
     {1, 1, 1},
     {0},
     {1, 1, 1},
     3,
     {1, 1, 5}},
    {CONV,
     "conv1d(x, w, padding = \"same\")",
     1,
     {1, 2, 1, 1, 5},
     {2, 2, 1, 1, 4},
     {1, 1, 1},
     {0, 0, 1},
     {1, 1, 1},
     1,
     {1, 1, 5}},
    {CONV,
     "conv1d(x, w, padding = \"same\", stride = 3)",
     1,
     {1, 2, 1, 1, 7},
     {2, 2, 1, 1, 4},
     {1, 1, 3},
     {0, 0, 1},
     {1, 1, 1},
     1,
     {1, 1, 3}},
    {CONV,
     "conv2d(x, w, padding = \"same\", stride = 2)",
     2,
     {2, 2, 1, 6, 5},
     {3, 2, 1, 3, 3},
     {1, 2, 2},
     {0, 0, 1},
     {1, 1, 1},
     1,
     {1, 3, 3}},
    {CONV,
     "conv2d(x, w, padding = \"valid\", dilation = [2, 1])",
     2,
     {1, 2, 1, 5, 4},
     {2, 2, 1, 2, 3},
     {1, 1, 1},
     {0},
     {1, 2, 1},
     1,
     {1, 3, 2}},
    {CONV,
     "conv2d(x, w, padding = 1, groups = 4)",
     2,
     {2, 4, 1, 4, 5},
     {4, 1, 1, 3, 3},
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     4,
     {1, 4, 5}},
    {CONV,
     "conv2d(x, w, padding = 1, groups = 20, stride = [1, 2])",
     2,
     {3, 40, 1, 4, 5},
     {40, 2, 1, 3, 3},
     {1, 1, 2},
     {0, 1, 1},
     {1, 1, 1},
     20,
     {1, 4, 3}},
    {CONV,
     "conv1d(x, w, groups = 50)",
     1,
     {2, 50, 1, 1, 5},
     {50, 1, 1, 1, 2},
     {1, 1, 1},
     {0},
     {1, 1, 1},
     50,
     {1, 1, 4}},
    {CONV, "conv3d(x, w)", 3, {2, 2, 4, 3, 5}, {3, 2, 2, 2, 3}, {1, 1, 1}, {0}, {1, 1, 1}, 1, {3, 2, 3}},
    {CONV,
     "conv3d(x, w, stride = [2, 1, 2], padding = [2, 0, 1], dilation = [2, 1, 1], groups = 2)",
     3,
     {1, 4, 5, 3, 4},
     {2, 2, 3, 2, 3},
     {2, 1, 2},
     {2, 0, 1},
     {2, 1, 1},
     2,
     {3, 2, 2}},
    {CONV,
     "conv3d(x, w, padding = \"same\", stride = 2)",
     3,
     {1, 1, 4, 3, 5},
     {2, 1, 3, 2, 3},
     {2, 2, 2},
     {0, 0, 1},
     {1, 1, 1},
     1,
     {2, 2, 3}},
    {TRANSPOSED,
     "conv_transpose1d(x, w)",
     1,
     {2, 3, 1, 1, 4},
     {3, 2, 1, 1, 3},
     {1, 1, 1},
     {0},
     {1, 1, 1},
     1,
     {1, 1, 6}},
    {TRANSPOSED,
     "conv_transpose1d(x, w, stride = 3, padding = 1, output_padding = 2, dilation = 2)",
     1,
     {1, 3, 1, 1, 4},
     {3, 2, 1, 1, 3},
     {1, 1, 3},
     {0, 0, 1},
     {1, 1, 2},
     1,
     {1, 1, 14}},
    {TRANSPOSED,
     "conv_transpose1d(x, w, stride = 4, groups = 2)",
     1,
     {1, 4, 1, 1, 3},
     {4, 1, 1, 1, 2},
     {1, 1, 4},
     {0},
     {1, 1, 1},
     2,
     {1, 1, 10}},
    {TRANSPOSED,
     "conv_transpose2d(x, w, stride = 2)",
     2,
     {2, 2, 1, 3, 2},
     {2, 3, 1, 2, 2},
     {1, 2, 2},
     {0},
     {1, 1, 1},
     1,
     {1, 6, 4}},
    {TRANSPOSED,
     "conv_transpose2d(x, w, stride = [2, 3], padding = 1, output_padding = [1, 0], dilation = [1, 2], "
     "groups = 2)",
     2,
     {1, 4, 1, 3, 3},
     {4, 2, 1, 3, 2},
     {1, 2, 3},
     {0, 1, 1},
     {1, 1, 2},
     2,
     {1, 6, 7}},
    {TRANSPOSED,
     "conv_transpose3d(x, w, stride = 2)",
     3,
     {1, 2, 2, 3, 2},
     {2, 2, 2, 3, 2},
     {2, 2, 2},
     {0},
     {1, 1, 1},
     1,
     {4, 7, 4}},
    {TRANSPOSED,
     "conv_transpose3d(x, w, stride = [3, 1, 2], padding = [1, 0, 1], output_padding = [2, 0, 1], dilation = "
     "[2, 1, "
     "1], groups = 2)",
     3,
     {1, 4, 3, 2, 2},
     {4, 1, 2, 2, 3},
     {3, 1, 2},
     {1, 0, 1},
     {2, 1, 1},
     2,
     {9, 3, 4}},
    {MAX,
     "max_pool1d(x, 3, stride = 2, padding = 1)",
     1,
     {2, 2, 1, 1, 7},
     {1, 1, 1, 1, 3},
     {1, 1, 2},
     {0, 0, 1},
     {1, 1, 1},
     1,
     {1, 1, 4}},
    {MAX,
     "max_pool2d(x, [2, 3])",
     2,
     {2, 2, 1, 4, 7},
     {1, 1, 1, 2, 3},
     {1, 2, 3},
     {0},
     {1, 1, 1},
     1,
     {1, 2, 2}},
    {MAX,
     "max_pool3d(x, [3, 2, 2], stride = [2, 1, 2], padding = [1, 1, 0])",
     3,
     {2, 2, 4, 3, 5},
     {1, 1, 3, 2, 2},
     {2, 1, 2},
     {1, 1, 0},
     {1, 1, 1},
     1,
     {2, 4, 2}},
    {AVG, "avg_pool1d(x, 2)", 1, {2, 2, 1, 1, 7}, {1, 1, 1, 1, 2}, {1, 1, 2}, {0}, {1, 1, 1}, 1, {1, 1, 3}},
    {AVG,
     "avg_pool3d(x, 2, padding = 1)",
     3,
     {1, 2, 4, 3, 5},
     {1, 1, 2, 2, 2},
     {2, 2, 2},
     {1, 1, 1},
     {1, 1, 1},
     1,
     {3, 2, 3}},
    {ADAPTIVE, "adaptive_avg_pool1d(x, 4)", 1, {2, 2, 1, 1, 8}, {1, 1, 1, 1, 1}, {0}, {0}, {0}, 1, {1, 1, 4}},
    {ADAPTIVE, "adaptive_avg_pool1d(x, 5)", 1, {2, 2, 1, 1, 7}, {1, 1, 1, 1, 1}, {0}, {0}, {0}, 1, {1, 1, 5}},
    {ADAPTIVE,
     "adaptive_avg_pool2d(x, [3, 2])",
     2,
     {1, 2, 1, 7, 4},
     {1, 1, 1, 1, 1},
     {0},
     {0},
     {0},
     1,
     {1, 3, 2}},
    {ADAPTIVE, "adaptive_avg_pool2d(x, 4)", 2, {1, 2, 1, 2, 3}, {1, 1, 1, 1, 1}, {0}, {0}, {0}, 1, {1, 4, 4}},
    {ADAPTIVE,
     "adaptive_avg_pool3d(x, [2, 1, 3])",
     3,
     {1, 2, 4, 5, 4},
     {1, 1, 1, 1, 1},
     {0},
     {0},
     {0},
     1,
     {2, 1, 3}},
};
enum { FORMS = sizeof forms / sizeof *forms, MOST = 4096 };

static int index5(const int *e, int a, int b, const int *p) {
  return (((a * e[1] + b) * e[2] + p[0]) * e[3] + p[1]) * e[4] + p[2];
}
static bool within(const int *p, const int *e) {
  for (int i = 0; i < 3; i++)
    if (p[i] < 0 || p[i] >= e[i]) return false;
  return true;
}
static bool next3(int *p, const int *e) { /* row-major; false: it was the last */
  for (int i = 3; i-- > 0; p[i] = 0)
    if (++p[i] < e[i]) return true;
  return false;
}
static int channels_out(const Form *f) {
  return f->kind == CONV ? f->w[0] : f->kind == TRANSPOSED ? f->w[1] * f->groups : f->x[1];
}

static double conv_at(const Form *f, const double *x, const double *w, int n, int o, const int *p) {
  int per = f->x[1] / f->groups, group = o / (channels_out(f) / f->groups), k[3] = {0}, at[3];
  double sum = 0;
  do
    for (int c = 0; c < per; c++) {
      bool meets = true;
      int from = group * per + c;
      for (int i = 0; i < 3; i++) {
        if (f->kind == CONV) {
          at[i] = p[i] * f->stride[i] - f->before[i] + k[i] * f->dilation[i];
        } else { /* input i lands at i*stride - padding + k*dilation */
          int v = p[i] + f->before[i] - k[i] * f->dilation[i];
          meets = meets && v % f->stride[i] == 0;
          at[i] = v < 0 ? -1 : v / f->stride[i];
        }
      }
      if (!meets || !within(at, f->x + 2)) continue;
      int wi = f->kind == CONV ? index5(f->w, o, c, k) : index5(f->w, from, o % f->w[1], k);
      sum += x[index5(f->x, n, from, at)] * w[wi];
    }
  while (next3(k, f->w + 2));
  return sum;
}

static double pool_at(const Form *f, const double *x, int n, int c, const int *p) {
  int k[3] = {0}, at[3];
  double best = -INFINITY, sum = 0;
  do {
    for (int i = 0; i < 3; i++) at[i] = p[i] * f->stride[i] - f->before[i] + k[i];
    if (!within(at, f->x + 2)) continue;
    double v = x[index5(f->x, n, c, at)];
    best = fmax(best, v), sum += v;
  } while (next3(k, f->w + 2));
  return f->kind == MAX ? best : sum / (f->w[2] * f->w[3] * f->w[4]);
}

static double adaptive_at(const Form *f, const double *x, int n, int c, const int *p) {
  int from[3], many[3], k[3] = {0}, at[3];
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    from[i] = p[i] * f->x[2 + i] / f->out[i];
    many[i] = ((p[i] + 1) * f->x[2 + i] + f->out[i] - 1) / f->out[i] - from[i];
  }
  do {
    for (int i = 0; i < 3; i++) at[i] = from[i] + k[i];
    sum += x[index5(f->x, n, c, at)];
  } while (next3(k, many));
  return sum / (many[0] * many[1] * many[2]);
}

static void reference(const Form *f, const double *x, const double *w, double *y) {
  for (int n = 0; n < f->x[0]; n++)
    for (int o = 0; o < channels_out(f); o++) {
      int p[3] = {0};
      do
        *y++ = f->kind <= TRANSPOSED ? conv_at(f, x, w, n, o, p)
               : f->kind == ADAPTIVE ? adaptive_at(f, x, n, o, p)
                                     : pool_at(f, x, n, o, p);
      while (next3(p, f->out));
    }
}

static uint64_t seed;
static double number(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return -1 + 2 * ((double)(seed >> 11) * 0x1p-53);
}

static Str declared(Arena *a, const char *how, const char *name, const char *type, const int *e, int axes) {
  Sb b;
  sb_init(&b, a);
  sb_fmt(&b, "%s %s: %s[%d, %d", how, name, type, e[0], e[1]);
  for (int i = 5 - axes; i < 5; i++) sb_fmt(&b, ", %d", e[i]);
  sb_fmt(&b, "]\n");
  return sb_str(&b);
}
static Str text_of(Arena *a, const Form *f, const char *type, const char *more) {
  return str_fmt(a, STRF STRF "output y = %s\n%s", STRA(declared(a, "input", "x", type, f->x, f->axes)),
                 STRA(declared(a, "input", "w", type, f->w, f->axes)), f->call, more);
}

typedef struct Run {
  Elk k;
  Interp it;
  Graph *g;
  double *leaf[2], *tangent[2];
} Run;

static void run(Run *r, const Form *f, const char *more, bool dual) {
  elk_init(&r->k);
  elk_run(&r->k, str_copy(&r->k.arena, text_of(&r->k.arena, f, "f64", more)).p);
  ck_assert_msg(r->k.ok, "%s: %.*s", f->call, STRA(elk_messages(&r->k)));
  const Entry *e = NULL;
  for (uint32_t i = 0; i < r->k.p.entry.n; i++)
    if (r->k.p.entry.at[i].kind == ENTRY_PREDICT) e = &r->k.p.entry.at[i];
  Sb why;
  sb_init(&why, &r->k.arena);
  r->g = passes_reference(&r->k.arena, &r->k.p, e, NULL, 0, NULL, &why);
  ck_assert_ptr_nonnull(r->g);
  uint32_t n = r->k.p.leaf.n;
  Arena *a = &r->k.arena;
  r->it = (Interp){.graph = r->g, .mode = dual ? INTERP_DUAL : INTERP_F64, .arena = a};
  r->it.leaf = ARENA_ARRAY(a, Tensor, n);
  r->it.leaf_tangent = ARENA_ARRAY(a, Tensor, n);
  for (uint32_t i = 0; i < n; i++) {
    Type t = r->k.p.leaf.at[i].type;
    ck_assert(tensor_of_type(a, r->k.p.dims, &t, &r->it.leaf[i]) &&
              tensor_of_type(a, r->k.p.dims, &t, &r->it.leaf_tangent[i]));
    ck_assert_uint_lt(i, 2);
    r->leaf[i] = r->it.leaf[i].data, r->tangent[i] = r->it.leaf_tangent[i].data;
    for (size_t j = 0; j < r->it.leaf[i].count; j++) r->leaf[i][j] = number(), r->tangent[i][j] = number();
  }
  ck_assert_msg(interp_run(&r->it) == ST_OK, "%s: %s", f->call, r->it.what);
}
static const Tensor *root(const Run *r, const char *name, bool tangent) {
  for (uint32_t i = 0; i < r->g->root.n; i++)
    if (str_eq(names_str(&r->k.names, r->g->root.at[i].name), str_z(name)))
      return &(tangent ? r->it.tangent : r->it.value)[r->g->root.at[i].node.i];
  ck_abort_msg("no output %s", name);
  return NULL;
}

START_TEST(values) {
  const Form *f = &forms[_i];
  Run r;
  seed = (uint64_t)_i;
  run(&r, f, "", false);
  const Tensor *y = root(&r, "y", false);
  static double want[MOST];
  int n = f->x[0] * channels_out(f) * f->out[0] * f->out[1] * f->out[2], rank = f->axes + 2;
  ck_assert_int_le(n, MOST);
  ck_assert_msg(y->count == (size_t)n && y->rank == rank, "%s: %d elements, not %d", f->call, (int)y->count,
                n);
  for (int i = 0; i < f->axes; i++) ck_assert_int_eq((int)y->ext[2 + i], f->out[3 - f->axes + i]);
  reference(f, r.leaf[0], r.k.p.leaf.n > 1 ? r.leaf[1] : NULL, want);
  for (int i = 0; i < n; i++)
    ck_assert_msg(fabs(((double *)y->data)[i] - want[i]) < 1e-13, "%s, element %d: %.17g, expected %.17g",
                  f->call, i, ((double *)y->data)[i], want[i]);
  elk_free(&r.k);
}
END_TEST

static double along(const Run *r, const char *name, uint32_t leaf) {
  const Tensor *t = root(r, name, false);
  double s = 0;
  for (size_t i = 0; i < t->count; i++) s += ((double *)t->data)[i] * r->tangent[leaf][i];
  return s;
}
static void same(const Form *f, const char *what, double got, double want) {
  ck_assert_msg(fabs(got - want) <= 1e-10 * (1 + fabs(want)), "%s, %s: %.17g, dual %.17g", f->call, what, got,
                want);
}

START_TEST(derivatives) { /* of l, and of a function of its gradients */
  const Form *f = &forms[_i];
  Run r;
  seed = 100 + (uint64_t)_i;
  bool filter = f->kind <= TRANSPOSED;
  run(&r, f,
      filter ? "output l = sum(sin(y) * (1 + y))\noutput gx = grad(l, x)\noutput gw = grad(l, w)\n"
               "output q = sum(sin(gx)) + sum(gw^2)\noutput hx = grad(q, x)\noutput hw = grad(q, w)\n"
             : "output l = sum(sin(y) * (1 + y))\noutput gx = grad(l, x)\noutput q = sum(sin(gx))\n"
               "output hx = grad(q, x)\n",
      true);
  same(f, "first", along(&r, "gx", 0) + (filter ? along(&r, "gw", 1) : 0),
       ((double *)root(&r, "l", true)->data)[0]);
  same(f, "second", along(&r, "hx", 0) + (filter ? along(&r, "hw", 1) : 0),
       ((double *)root(&r, "q", true)->data)[0]);
  elk_free(&r.k);
}
END_TEST

/* Training steps: forward, both gradients. */
START_TEST(native_bits) {
  const Form *f = &forms[_i / 2];
  const char *type = _i % 2 ? "f64" : "f32";
  Mem mem;
  Arena a;
  mem_init(&mem, 0);
  arena_init(&a, &mem);
  Str text =
      str_fmt(&a,
              STRF STRF "loss l = sum(square(%s))\noutput y = %s\ntrain t { minimize l; update * using "
                        "sgd(lr = 0.01) }\n",
              STRA(declared(&a, "param", "x", type, f->x, f->axes)),
              STRA(declared(&a, "param", "w", type, f->w, f->axes)), f->call, f->call);
  Sb b;
  sb_init(&b, &a);
  for (size_t i = 0; i < text.n; i++) /* initial values: behind each type */
    sb_fmt(&b, "%s%c", text.p[i] == '\n' && i && text.p[i - 1] == ']' ? " ~ normal(0, 1)" : "", text.p[i]);
  sb_fmt(&b, "%c", 0);
  dg_context *cx = context();
  dg_program *p = program(cx, sb_str(&b).p);
  dg_session *by[3];
  dg_array y[3];
  int n = native() ? 3 : 2;
  for (int i = 0; i < n; i++) { /* the interpreter; the best this CPU has, in two threads; without AVX-512 */
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.interpret = i == 0 || !native(), o.threads = 1 + (i == 1), o.isa = i == 2 ? "avx2" : NULL;
    ok(dg_session_new(p, &o, &by[i]));
    for (int step = 0; step < 2; step++) ok(dg_step(by[i], "t"));
    ok(dg_predict(by[i]));
    ok(dg_read(by[i], "y", &y[i]));
    same_bits(cx, p, by[0], by[i], f->call);
    ck_assert_msg(memcmp(y[0].data, y[i].data, array_bytes(&y[0])) == 0, "%s: y differs", f->call);
  }
  for (int i = 0; i < n; i++) dg_session_free(by[i]);
  dg_program_free(p);
  dg_context_free(cx);
  arena_release(&a);
}
END_TEST

static void refused(const char *text, const char *message) {
  Elk k;
  elk_of(&k, text);
  Str got = elk_messages(&k);
  ck_assert_msg(!k.ok && strstr(str_copy(&k.arena, str_fmt(&k.arena, STRF "%c", STRA(got), 0)).p, message),
                "%s: %.*s", text, STRA(got));
  elk_free(&k);
}

/* Extents that are not known: what must be known is told, and the rest goes on. */
START_TEST(open_extents) {
  static const char *const good[] = {
      "input x: f32[N, 2, L]\nparam w: f32[3, 2, 4] = 0\nlet y: f32[N, 3, L] = conv1d(x, w, padding = "
      "\"same\")\n",
      "input x: f32[N, 2, 3*L]\nparam w: f32[3, 2, 4] = 0\nlet y: f32[N, 3, L] = conv1d(x, w, padding = "
      "\"same\", "
      "stride = 3)\n",
      "input x: f32[N, 2, H, W]\nparam w: f32[2, 3, 2, 2] = 0\nlet y: f32[N, 3, 2*H, 2*W] = "
      "conv_transpose2d(x, w, "
      "stride = 2)\n",
      "input x: f32[N, 2, H]\nparam w: f32[2, 3, 3] = 0\nlet y: f32[N, 3, 2*H] = conv_transpose1d(x, w, "
      "stride = 2, "
      "padding = 1, output_padding = 1)\n",
      "input x: f32[N, 2, D, H, W]\nparam w: f32[3, 2, 3, 3, 3] = 0\nlet y: f32[N, 3, D, H, W] = conv3d(x, "
      "w, padding "
      "= 1)\n",
      "input x: f32[N, 2, H, 3*W]\nlet y: f32[N, 2, 1, 3] = adaptive_avg_pool2d(x, [1, 3])\n",
      "input x: f32[N, 2, D, H, W]\nlet y: f32[N, 2] = global_avg_pool(x)\n",
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    Elk k;
    elk_init(&k);
    elk_run(&k, str_fmt(&k.arena, "%soutput o = y\n", good[i]).p);
    ck_assert_msg(k.ok, "%s: %.*s", good[i], STRA(elk_messages(&k)));
    elk_free(&k);
  }
  refused("input x: f32[N, 2, L]\nparam w: f32[3, 2, 4] = 0\noutput y = conv1d(x, w, padding = \"same\", "
          "stride = 2)\n",
          "with a stride of 2 depends on the extent L");
  refused("input x: f32[N, 2, L]\noutput y = adaptive_avg_pool1d(x, 3)\n", "while its extent is open");
}
END_TEST

/* A layer is its function with the layer's own numbers; and what it starts from. */
static const struct {
  const char *layer, *call; /* of x, `net.w` and `net.b` */
  const char *x;
  double deviation; /* of w */
} layers[] = {
    {"Conv1d(30, 40, 5, padding = 2, stride = 2", "conv1d(x, net.w, padding = 2, stride = 2) + net.b[:, _]",
     "2, 30, 9", 0.11547005383792515}, /* sqrt(2 / 150) */
    {"Conv1d(30, 40, 5, padding = \"same\", groups = 2",
     "conv1d(x, net.w, padding = 2, groups = 2) + net.b[:, _]", "2, 30, 9",
     0.16329931618554522}, /* sqrt(2 / 75) */
    {"Conv2d(30, 8, 3, padding = \"same\", dilation = 2, bias = false",
     "conv2d(x, net.w, padding = 2, dilation = 2)", "1, 30, 5, 6", 0.08606629658238704}, /* sqrt(2 / 270) */
    {"Conv3d(20, 10, 2, stride = 2", "conv3d(x, net.w, stride = 2) + net.b[:, _, _, _]", "1, 20, 4, 2, 4",
     0.11180339887498949}, /* sqrt(2 / 160) */
    {"ConvTranspose1d(40, 20, 8, stride = 4, groups = 2, padding = 1, output_padding = 2",
     "conv_transpose1d(x, net.w, stride = 4, groups = 2, padding = 1, output_padding = 2) + net.b[:, _]",
     "1, 40, 3", 0.22360679774997896}, /* sqrt(2 * 4 / (20 * 8)) */
    {"ConvTranspose2d(20, 30, 4, stride = 2, padding = 1",
     "conv_transpose2d(x, net.w, stride = 2, padding = 1) + "
     "net.b[:, _, _]",
     "1, 20, 3, 2", 0.15811388300841897}, /* sqrt(2 * 4 / (20 * 16)) */
    {"ConvTranspose3d(10, 20, 2, dilation = 2, bias = false", "conv_transpose3d(x, net.w, dilation = 2)",
     "1, 10, 2, 2, 2", 0.15811388300841897}, /* sqrt(2 / 80) */
};

START_TEST(library) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "import nn\nparam x: f64[%s] ~ normal(0, 1)\nlet net = nn.%s, dtype = f64)\noutput y = "
             "max(abs(net(x) - "
             "(%s)))\nloss l = sum(net(x))\ntrain t { minimize l; update * using sgd(lr = 0.1) }\n",
             layers[i].x, layers[i].layer, layers[i].call);
    dg_context *cx = context();
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, 1, 1);
    dg_array w, y;
    ok(dg_read(s, "net.w", &w));
    double square = 0;
    size_t n = array_bytes(&w) / sizeof(double);
    for (size_t k = 0; k < n; k++) square += ((const double *)w.data)[k] * ((const double *)w.data)[k];
    ck_assert_msg(fabs(sqrt(square / (double)n) / layers[i].deviation - 1) < 0.05, "%s: %g, not %g",
                  layers[i].layer, sqrt(square / (double)n), layers[i].deviation);
    ok(dg_step(s, "t")); /* the bias is no longer 0 */
    ok(dg_predict(s));
    ok(dg_read(s, "y", &y));
    ck_assert_msg(*(const double *)y.data == 0, "%s: %g", layers[i].layer, *(const double *)y.data);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

/* Shapes that fit because of what is asserted: data that break it are told so, and not that shapes differ. */
START_TEST(asserted_multiple) {
  static float x[42];
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N, 2, L]\nassert mod(L, 3) == 0, \"rows come in threes\"\n"
                              "let y: f32[N, 2, L] = upsample1d(max_pool1d(x, 3), 3)\noutput o = y\n");
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_session *s = session(cx, p, interpret, 1);
    dg_array a = {.dtype = DG_F32, .rank = 3, .extent = {3, 2, 7}, .data = x};
    ok(dg_bind(s, "x", &a));
    fails(DG_REJECTED, "'mod(L, 3) == 0' does not hold: 1 and 0 (rows come in threes)", dg_predict(s));
    a.extent[2] = 6;
    ok(dg_bind(s, "x", &a));
    ok(dg_predict(s));
    dg_session_free(s);
  }
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("windows", FORMS, values, derivatives),
          UNIT_TURNS("windows native", 2 * FORMS, native_bits),
          UNIT("windows of open extents", open_extents, library, asserted_multiple))
