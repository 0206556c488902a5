/* A C program around a model that was built ahead of time: no compiler, no LLVM, no libdgc when it runs.
 *
 *   dgc build examples/seed/b-update-list-mended.dg -D N=32 --name=line
 *   cc -I. examples/host/aot.c line.o -ldgc-core -o aot && ./aot */
#include <line.h>
#include <stdio.h>

int main(void) {
  static line_state state; /* parameters, what adam keeps, counters, and all memory of a step */
  float x[LINE_N], y[LINE_N], loss = 0, at[LINE_N] = {0, 2}, line[LINE_N];
  for (int i = 0; i < LINE_N; i++) {
    x[i] = (float)i / LINE_N;
    y[i] = 3 * x[i] - 1;
  }
  int status = line_init(&state, 0); /* also looks whether this CPU can run the object */
  for (int i = 0; i < 300 && status == LINE_OK; i++) {
    status = line_step_fit(&state, x, y, &loss); /* forward, backward, optimizer */
    if (i == 0) printf("loss %.4f", (double)loss);
  }
  if (status == LINE_OK) status = line_predict(&state, at, line);
  if (status != LINE_OK) {
    fprintf(stderr, "status %d\n", status);
    return status;
  }
  printf(" -> %.6f after %d steps\n", (double)loss, (int)state.steps_fit);
  printf("w = %.2f, b = %.2f; line(0) = %.2f, line(2) = %.2f\n", (double)state.w[0][0], (double)state.b[0],
         (double)line[0], (double)line[1]);
  for (int i = 0; i < LINE_TENSORS; i++) /* by the names a checkpoint has */
    printf("%s %s at byte %zu\n", line_tensors[i].name, line_tensors[i].type, line_tensors[i].offset);
  return loss < 1e-3f ? 0 : 1;
}
