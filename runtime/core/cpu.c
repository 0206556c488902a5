#include "runtime/core/cpu.h"

#include <string.h>

#ifndef DG_ISA_MOST
#define DG_ISA_MOST CPU_AVX512
#endif

CpuLevel cpu_level(CpuLevel most) {
  __builtin_cpu_init();
  CpuLevel has = CPU_BASE;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    has = CPU_AVX2;
  if (has == CPU_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    has = CPU_AVX512;
  if (has > DG_ISA_MOST) has = DG_ISA_MOST;
  return most != CPU_ASK && most < has ? most : has;
}

bool cpu_isa(const char *name, CpuLevel *out) {
  if (!strcmp(name, "avx2"))
    *out = CPU_AVX2;
  else if (!strcmp(name, "avx512"))
    *out = CPU_AVX512;
  else
    return false;
  return true;
}
