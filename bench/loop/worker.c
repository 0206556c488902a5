/* The leapfrog of leapfrog.dg, forward and gradient, by dgc or by hand: worker dgc FILE.dg | worker c. The
 * first answer is the loss; then each line with a number of passes is answered by milliseconds a pass. */
#include <dg/dg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODIES = 6, WIDE = 8, STEPS = 10000 };
static const double dt = 1e-4;

typedef struct Start {
  double mass[BODIES], place[BODIES][3], speed[BODIES][3];
} Start;

static Start start(void) { /* with_jax.py has the same */
  Start s;
  for (int i = 0; i < BODIES; i++) {
    s.mass[i] = 0.5 + 0.2 * i;
    for (int k = 0; k < 3; k++) {
      s.place[i][k] = sin(1 + 3 * i + k);
      s.speed[i][k] = 0.1 * cos(2 + 3 * i + k);
    }
  }
  return s;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- by hand: coordinates first, bodies padded to a vector with masses of 0 ---- */

typedef double Body[3][WIDE];
static double mass[WIDE];
static Body path[STEPS];

static void pull(const Body q, Body a) {
  for (int i = 0; i < BODIES; i++) {
    double sum[3] = {0};
    for (int j = 0; j < WIDE; j++) {
      double x = q[0][j] - q[0][i], y = q[1][j] - q[1][i], z = q[2][j] - q[2][i],
             r2 = x * x + y * y + z * z + 0.01;
      double w = mass[j] / (r2 * sqrt(r2));
      sum[0] += x * w, sum[1] += y * w, sum[2] += z * w;
    }
    for (int k = 0; k < 3; k++) a[k][i] = sum[k];
  }
}

/* to += (how a pull at q moves)^T of */
static void pull_back(const Body q, const Body of, Body to) {
  for (int i = 0; i < BODIES; i++) {
    double own[3] = {0};
    for (int j = 0; j < WIDE; j++) {
      double x = q[0][j] - q[0][i], y = q[1][j] - q[1][i], z = q[2][j] - q[2][i],
             r2 = x * x + y * y + z * z + 0.01;
      double w = mass[j] / (r2 * sqrt(r2)),
             along = -3 * w / r2 * (of[0][i] * x + of[1][i] * y + of[2][i] * z);
      double gx = w * of[0][i] + along * x, gy = w * of[1][i] + along * y, gz = w * of[2][i] + along * z;
      to[0][j] += gx, to[1][j] += gy, to[2][j] += gz;
      own[0] += gx, own[1] += gy, own[2] += gz;
    }
    for (int k = 0; k < 3; k++) to[k][i] -= own[k];
  }
}

static double by_hand(const Start *s) {
  Body q = {{0}}, v = {{0}}, a = {{0}}, dq = {{0}}, dv = {{0}};
  double loss = 0;
  for (int i = 0; i < BODIES; i++) {
    mass[i] = s->mass[i];
    for (int k = 0; k < 3; k++) q[k][i] = s->place[i][k], v[k][i] = s->speed[i][k];
  }
  for (int t = 0; t < STEPS; t++) {
    memcpy(path[t], q, sizeof q);
    pull(q, a);
    for (int k = 0; k < 3; k++)
      for (int i = 0; i < WIDE; i++) v[k][i] += dt * a[k][i], q[k][i] += dt * v[k][i];
  }
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < BODIES; i++) loss += q[k][i] * q[k][i], dq[k][i] = 2 * q[k][i];
  for (int t = STEPS; t-- > 0;) {
    for (int k = 0; k < 3; k++)
      for (int i = 0; i < WIDE; i++) dv[k][i] += dt * dq[k][i], a[k][i] = dt * dv[k][i];
    pull_back(path[t], a, dq);
  }
  return dq[0][0] == 12345 ? 0 : loss; /* the gradient is wanted */
}

/* ---- by dgc ---- */

static int failed(const char *what, dg_context *cx) {
  printf("- %s: %s\n", what, cx ? dg_error(cx) : "no memory");
  return 1;
}

static int by_dgc(const char *file, const Start *s) {
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  dg_session *session = NULL;
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.threads = 1;
  Start own = *s;
  dg_array m = {.dtype = DG_F64, .rank = 1, .extent = {BODIES}, .data = own.mass},
           q = {.dtype = DG_F64, .rank = 2, .extent = {BODIES, 3}, .data = own.place},
           v = {.dtype = DG_F64, .rank = 2, .extent = {BODIES, 3}, .data = own.speed};
  if (!cx || dg_check_file(cx, file, &p) != DG_OK) return failed("check", cx);
  if (dg_session_new(p, &o, &session) != DG_OK || dg_bind(session, "mass", &m) != DG_OK ||
      dg_write(session, "place", &q) != DG_OK || dg_write(session, "speed", &v) != DG_OK ||
      dg_step(session, "fit") != DG_OK)
    return failed("session", cx);
  double loss;
  if (dg_value(session, "spread", &loss) != DG_OK) return failed("loss", cx);
  printf("+ %.12g\n", loss);
  fflush(stdout);
  for (int n; scanf("%d", &n) == 1;) {
    double t0 = now();
    for (int i = 0; i < n; i++)
      if (dg_step(session, "fit") != DG_OK) return failed("step", cx);
    printf("%.4f\n", (now() - t0) / n);
    fflush(stdout);
  }
  dg_session_free(session);
  dg_program_free(p);
  dg_context_free(cx);
  return 0;
}

int main(int argc, char **argv) {
  Start s = start();
  if (argc == 3 && strcmp(argv[1], "dgc") == 0) return by_dgc(argv[2], &s);
  if (argc != 2 || strcmp(argv[1], "c") != 0) return 2;
  printf("+ %.12g\n", by_hand(&s));
  fflush(stdout);
  for (int n; scanf("%d", &n) == 1;) {
    double t0 = now(), sum = 0;
    for (int i = 0; i < n; i++) sum += by_hand(&s);
    printf("%.4f\n", (now() - t0) / n + 0 * sum);
    fflush(stdout);
  }
  return 0;
}
