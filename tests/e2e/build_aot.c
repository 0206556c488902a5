/* The same with an object built ahead of time and libdgc-core.a. Compiled by tests/e2e/build.sh with
 * -include MODEL.h, NAME(x) pasting the model's prefix, LOSS the loss's type, STEP and PREDICT the calls, and
 * OUTPUTS their buffers. usage: build_aot SEED STEPS FILE..
 * LOAD and SAVE in the environment name checkpoints. */
#include "build_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  size_t bytes;
} outputs[] = {OUTPUTS{NULL, 0}};

static int put(void *file, const void *p, size_t n) { return fwrite(p, 1, n, file) != n; }

int main(int argc, char **argv) {
  enum { MOST = 1 << 22, AT_MOST = 8 };
  static union {
    char at[sizeof(NAME(state)) + 8];
    double align;
  } room;
  NAME(state) *s = (void *)(room.at + 8); /* of no better alignment than it must have */
  void *in[AT_MOST] = {0}, *out[AT_MOST] = {0};
  for (int i = 3; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    in[i - 3] = malloc(MOST);
    if (!f || !fread(in[i - 3], 1, MOST, f)) return 4;
    fclose(f);
  }
  for (int i = 0; outputs[i].name; i++) out[i] = malloc(outputs[i].bytes);
  int32_t st = NAME(init)(s, (uint32_t)strtoul(argv[1], NULL, 10));
  if (!st && getenv("LOAD")) {
    FILE *f = fopen(getenv("LOAD"), "rb");
    void *file = malloc(MOST);
    if (!f || !file) return 4;
    size_t n = fread(file, 1, MOST, f);
    fclose(f);
    st = NAME(load)(s, file, n);
    free(file);
  }
  for (int i = 0; !st && i < atoi(argv[2]); i++) {
    LOSS loss = 0;
    st = NAME(STEP);
    if (!st) printf("loss %d %a\n", i, (double)loss);
  }
  if (!st && getenv("SAVE")) {
    FILE *f = fopen(getenv("SAVE"), "wb");
    if (!f) return 4;
    st = NAME(save)(s, put, f);
    fclose(f);
  }
  for (int i = 0; !st && NAME(tensors)[i].name; i++)
    if (strncmp(NAME(tensors)[i].name, "dg.", 3))
      printf("tensor %s %016llx\n", NAME(tensors)[i].name,
             (unsigned long long)hash((char *)s + NAME(tensors)[i].offset, NAME(tensors)[i].bytes));
#ifdef PREDICT
  if (!st) st = NAME(PREDICT);
#endif
  for (int i = 0; !st && outputs[i].name; i++)
    printf("output %s %016llx\n", outputs[i].name, (unsigned long long)hash(out[i], outputs[i].bytes));
  for (int i = 0; i < AT_MOST; i++) free(in[i]), free(out[i]);
  if (st) fprintf(stderr, "status %d\n", (int)st);
  return st;
}
