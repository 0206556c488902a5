/* The peak of f32 fused multiply-adds. usage: peak [THREADS] [--isa=avx2] */
#include "bench/peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  int threads = 1, bytes = 0;
  for (int i = 1; i < argc; i++) {
    char *end;
    long n = strtol(argv[i], &end, 10);
    if (strcmp(argv[i], "--isa=avx2") == 0)
      bytes = 32;
    else if (end != argv[i] && *end == 0 && n >= 1 && n <= peak_cores())
      threads = (int)n;
    else {
      fprintf(stderr,
              "peak: '%s' is neither --isa=avx2 nor a number of threads from 1 to %d, this process's cores\n",
              argv[i], peak_cores());
      return 2;
    }
  }
  printf("%.1f\n", peak_fma(threads, bytes, 0.5));
  return 0;
}
