/* A C program that trains a model inside itself: no Python, no files, no other library than libdgc.
 *
 * The model is text. Its weight passes through a C function of ours; the text says what its derivative is, so
 * it trains. build: cc fit.c $(pkg-config --cflags --libs dgc) -lm */
#include <dg/dg.h>
#include <stdio.h>
#include <string.h>

static const char model[] = "extern fn double_on_host(a: f32[1, U]) -> f32[1, U]\n"
                            "  backward (dy) = 2 * dy\n"
                            "\n"
                            "input x: f32[N, 1]\n"
                            "input y: f32[N, 1]\n"
                            "param w: f32[1, 1] ~ normal(0, 1)\n"
                            "param b: f32[1]    = 0\n"
                            "param spare: f32[1] = 0        // nothing reads it: dgc says so\n"
                            "let  pred = x @ double_on_host(w) + b\n"
                            "loss mse  = mean((pred - y)^2)\n"
                            "output line = pred\n"
                            "train fit {\n"
                            "  minimize mse\n"
                            "  update   *\n"
                            "  using    adam(lr = 0.1)\n"
                            "}\n";

/* Called in each step, on this thread. */
static int double_on_host(void *user, const dg_array *in, int n, dg_array *out) {
  (void)user, (void)n;
  for (int64_t i = 0; i < in[0].extent[1]; i++) ((float *)out->data)[i] = 2 * ((const float *)in[0].data)[i];
  return 0;
}

static int failed(dg_context *cx, const char *what, dg_status st) {
  if (st == DG_OK) return 0;
  fprintf(stderr, "%s: %s\n", what, dg_error(cx));
  return 1;
}

int main(void) {
  enum { ROWS = 32 };
  float x[ROWS], y[ROWS];
  for (int i = 0; i < ROWS; i++) {
    x[i] = (float)i / ROWS;
    y[i] = 3 * x[i] - 1;
  }
  int status = 1;
  dg_program *program = NULL;
  dg_session *session = NULL;
  dg_context *cx = dg_context_new();
  if (!cx) return 1;
  if (failed(cx, "register", dg_register(cx, "double_on_host", double_on_host, NULL))) goto out;

  dg_status checked = dg_check_source(cx, "line.dg", model, strlen(model), &program);
  for (int i = 0; i < dg_diagnostic_count(program); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(program, i);
    printf("%s:%u: %s [%s]", d->place.file, d->place.line, d->message, d->code);
    for (int k = 0; k < d->subjects; k++) printf(" about '%s'", d->subject[k]);
    printf("\n");
  }
  if (failed(cx, "check", checked)) goto out;
  if (failed(cx, "session", dg_session_new(program, NULL, &session))) goto out;

  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {ROWS, 1}, .data = x},
           ay = {.dtype = DG_F32, .rank = 2, .extent = {ROWS, 1}, .data = y};
  if (failed(cx, "bind", dg_bind(session, "x", &ax)) || failed(cx, "bind", dg_bind(session, "y", &ay)))
    goto out;
  double first = 0, loss = 0;
  for (int i = 0; i < 300; i++) {
    if (failed(cx, "step", dg_step(session, "fit")) || failed(cx, "loss", dg_value(session, "mse", &loss)))
      goto out;
    if (i == 0) first = loss;
  }
  printf("loss %.4f -> %.6f\n", first, loss);

  float at[2] = {0, 2};
  dg_array aat = {.dtype = DG_F32, .rank = 2, .extent = {2, 1}, .data = at}, line;
  if (failed(cx, "bind", dg_bind(session, "x", &aat)) || failed(cx, "predict", dg_predict(session)) ||
      failed(cx, "read", dg_read(session, "line", &line)))
    goto out;
  printf("line(0) = %.2f, line(2) = %.2f\n", (double)((float *)line.data)[0],
         (double)((float *)line.data)[1]);
  status = loss < 1e-3 ? 0 : 1;
out:
  dg_session_free(session);
  dg_program_free(program);
  dg_context_free(cx);
  return status;
}
