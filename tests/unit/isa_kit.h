/* Tests of native code run once for each instruction set, given by DG_ISA. Where the CPU lacks it they are
 * counted as skipped. Without DG_ISA they run for the best this CPU has. */
#ifndef DG_TESTS_ISA_KIT_H
#define DG_TESTS_ISA_KIT_H

#include "runtime/core/cpu.h"
#include "unit.h"

static inline CpuLevel isa_level(void) {
  CpuLevel level = cpu_level(CPU_ASK);
  const char *name = getenv("DG_ISA");
  if (name && !cpu_isa(name, &level)) fprintf(stderr, "DG_ISA=%s: %s\n", name, CPU_ISA_NAMES), exit(2);
  return level > CPU_AVX2 ? level : CPU_AVX2;
}
static inline const char *isa_name(void) { return isa_level() == CPU_AVX512 ? "avx512" : "avx2"; }

/* Every case as skipped, for a CPU that has no more than `has`; false: they can run. */
static inline bool isa_skips(CpuLevel has, CpuLevel level, const Unit *u, size_t n, FILE *out) {
  if (has >= level) return false;
  int cases = 0, k = 0;
  for (size_t i = 0; i < n; i++)
    for (const TTest *const *t = u[i].tests; *t; t++) cases += u[i].turns;
  fprintf(out, "1..%d\n", cases);
  for (size_t i = 0; i < n; i++)
    for (int turn = 0; turn < u[i].turns; turn++)
      for (const TTest *const *t = u[i].tests; *t; t++)
        fprintf(out, "ok %d - %s:%s # SKIP this CPU has no %s\n", ++k, u[i].name, (*t)->name,
                level == CPU_AVX512 ? "AVX-512" : "AVX2 and FMA");
  return true;
}
#define ISA_MAIN(...)                                                                                        \
  int main(void) {                                                                                           \
    const Unit units[] = {__VA_ARGS__};                                                                      \
    size_t n = sizeof units / sizeof units[0];                                                               \
    return isa_skips(cpu_level(CPU_ASK), isa_level(), units, n, stdout) ? EXIT_SUCCESS : unit_run(units, n); \
  }

#endif
