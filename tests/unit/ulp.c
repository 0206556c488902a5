/* The worst errors of the functions of ir/scalar/mathlib.def, as docs/scalar.md gives them.
 * usage: ulp [DRAWS [FUNCTION]]      for each function and type, e.g. ulp 10000000 log1p */
#include "base/mem.h"
#include "ulp_kit.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int64_t draws = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000;
  bool good = true;
  Mem mem;
  Arena arena;
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  printf("%-12s  type  documented  measured, of %lld draws and seed 1\n", "function", (long long)draws);
  for (int i = 0; i < ULP_ROWS; i++)
    for (int t = DT_F32; t <= DT_F64; t++) {
      const UlpRow *r = &ulp_rows[i];
      if (argc > 2 && strncmp(r->text, argv[2], strlen(argv[2]))) continue;
      Sb why;
      sb_init(&why, &arena);
      ScalarInput x = {"x", (DType)t};
      const Scalar *p = scalar_parse(&arena, str_z(r->text), &x, 1, (DType)t, &why);
      if (!p) return fprintf(stderr, "ulp: %.*s\n", (int)why.n, why.p), 2;
      UlpWorst w = ulp_measure(r, p, t == DT_F32, draws, 1, &arena);
      printf("%-12s  %s   %8.2f    %8.3f at %.17g%s\n", r->text, dtype_name((DType)t), r->bound[t == DT_F64],
             w.ulp, w.at, w.ulp > r->bound[t == DT_F64] ? "  ABOVE" : "");
      fflush(stdout);
      good &= w.ulp <= r->bound[t == DT_F64];
    }
  arena_release(&arena);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
