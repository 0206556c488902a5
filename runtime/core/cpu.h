/* What this CPU can run, by CPUID. The CPU's name says nothing (virtual machines lie). */
#ifndef DG_RUNTIME_CORE_CPU_H
#define DG_RUNTIME_CORE_CPU_H

#include <stdbool.h>

/* Ascending: each level has the one before. CPU_ASK: no level, "what CPUID says". */
typedef enum { CPU_ASK, CPU_BASE, CPU_AVX2, CPU_AVX512 } CpuLevel;
#define CPU_ISA_NAMES "avx2, avx512"

/* The level of this CPU, but not above `most`: tests give it to stand for a lesser CPU, others CPU_ASK. A
 * build with -Disa=avx2 never gives more than CPU_AVX2. */
CpuLevel cpu_level(CpuLevel most);
/* The level that `isa = "..."` names; false: no name of CPU_ISA_NAMES. */
bool cpu_isa(const char *name, CpuLevel *out);

#endif
