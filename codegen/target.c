/* Which instructions this machine has, by CPUID. The CPU's name says nothing (virtual machines lie), so code
 * is made for a level, with the features CPUID shows. */
#include "codegen/codegen.h"
#include "codegen/guard.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <llvm/Config/llvm-config.h>

static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
static void host_features(void *out) { *(char **)out = LLVMGetHostCPUFeatures(); }

static Status set_level(Arena *a, TargetLevel level, CodegenTarget *out) {
  *out = (CodegenTarget){.level = level, .vector_bytes = level == TARGET_AVX512 ? 64 : 32};
  if (level == TARGET_AVX2) {
    out->name = STR("avx2");
    out->cpu = STR("x86-64-v3");
    out->features = STR("");
    return ST_OK;
  }
  char *f = NULL, msg[80];
  GuardResult g = guard_call(host_features, &f, msg, sizeof msg);
  if (g != GUARD_OK || !f) mem_raise(a->mem, ST_NO_MEMORY, "out of memory while LLVM asks for the CPU");
  out->name = STR("avx512");
  out->features = str_copy(a, str_z(f));
  /* Every feature is named, on or off, so the CPU's name only chooses the schedule. With this one 14x32 and
   * 9x48 accumulators stay in registers; with x86-64-v4 or icelake-server they spill and run at half speed.
   */
  out->cpu = STR("sapphirerapids");
  LLVMDisposeMessage(f);
  return ST_OK;
}

Status codegen_target(Arena *a, const char *force, CodegenTarget *out, Sb *why) {
  __builtin_cpu_init();
  bool want512 = force && strcmp(force, "avx512") == 0, want2 = force && strcmp(force, "avx2") == 0;
  if (force && !want512 && !want2) {
    sb_fmt(why, "there is no target '%s': avx2 or avx512", force);
    return ST_USAGE;
  }
  if (!has_avx2()) {
    sb_fmt(why, "this CPU lacks AVX2 or FMA, which native code needs (x86-64-v3); `dgc train --interpret` "
                "works without");
    return ST_REJECTED;
  }
  if (want512 && !has_avx512()) {
    sb_fmt(why, "this CPU has no AVX-512");
    return ST_REJECTED;
  }
  return set_level(a, want2 || !has_avx512() ? TARGET_AVX2 : TARGET_AVX512, out);
}

void codegen_options_init(CodegenOptions *o, const CodegenTarget *t) {
  *o = (CodegenOptions){.target = *t, .level = 2};
}

void codegen_options_level(CodegenOptions *o, int level) {
  static const char *const passes[] = {"", "default<O1>", NULL, "default<O3>"};
  if (level < 0 || level > 3) level = 2;
  o->passes = passes[level];
  o->level = level;
}

const char *codegen_llvm_version(void) { return LLVM_VERSION_STRING; }
