/* Code is made for a level of CPU (runtime/core/cpu.h), with the features CPUID shows. */
#include "codegen/codegen.h"
#include "codegen/guard.h"

#include <cpuid.h>
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <llvm/Config/llvm-config.h>

/* Off in the schedule's CPU, for code that another machine with AVX-512 is to run (x86-64-v4). */
static const char elsewhere[] =
    "-amx-bf16,-amx-int8,-amx-tile,-avx512bf16,-avx512bitalg,-avx512fp16,-avx512ifma,-avx512vbmi,-"
    "avx512vbmi2,"
    "-avx512vnni,-avx512vpopcntdq,-avxvnni,-cldemote,-clwb,-enqcmd,-gfni,-movdir64b,-movdiri,-pconfig,-pku,"
    "-ptwrite,-rdpid,-serialize,-sgx,-sha,-shstk,-tsxldtrk,-uintr,-vaes,-vpclmulqdq,-waitpkg,-wbnoinvd";

static void host_features(void *out) { *(char **)out = LLVMGetHostCPUFeatures(); }

/* Bytes of the data or unified caches of levels 1 and 2, by the leaf that Intel (4) or AMD (0x8000001D)
 * defines; both have the same form. */
static void caches(CodegenTarget *t) {
  unsigned a, b, c, d;
  t->cache_l1 = 32 << 10;
  t->cache_l2 = 512 << 10;
  for (int vendor = 0; vendor < 2; vendor++) {
    unsigned leaf = vendor ? 0x8000001du : 4u;
    for (unsigned i = 0; i < 8; i++) {
      if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || (a & 31) == 0) break;
      int64_t size = (int64_t)(b >> 22) + 1; /* ways */
      size *= ((b >> 12) & 1023) + 1;        /* partitions */
      size *= (b & 4095) + 1;                /* bytes of a line */
      size *= (int64_t)c + 1;                /* sets */
      bool data = (a & 31) != 2;
      if (data && ((a >> 5) & 7) == 1 && size >= 8 << 10) t->cache_l1 = size;
      if (data && ((a >> 5) & 7) == 2 && size >= 128 << 10) t->cache_l2 = size;
    }
  }
}

/* here: the code will run on this machine. */
static void set_level(Arena *a, CpuLevel level, bool here, CodegenTarget *out) {
  *out = (CodegenTarget){.level = level, .vector_bytes = level == CPU_AVX512 ? 64 : 32};
  if (level != CPU_AVX512) {
    out->name = STR("avx2");
    out->cpu = STR("x86-64-v3");
    out->features = STR("");
    return;
  }
  out->name = STR("avx512");
  /* Every feature is named, on or off, so the CPU's name only chooses the schedule. With this one 14x32 and
   * 9x48 accumulators stay in registers; with x86-64-v4 or icelake-server they spill and run at half speed.
   */
  out->cpu = STR("sapphirerapids");
  out->features = str_z(elsewhere);
  if (!here) return;
  char *f = NULL, msg[80];
  GuardResult g = guard_call(host_features, &f, msg, sizeof msg);
  if (g != GUARD_OK || !f) mem_raise(a->mem, ST_NO_MEMORY, "out of memory while LLVM asks for the CPU");
  out->features = str_copy(a, str_z(f));
  LLVMDisposeMessage(f);
}

Status codegen_target(Arena *a, const TargetRequest *r, CodegenTarget *out, Sb *why) {
  CpuLevel has = cpu_level(r->cpu), want = has;
  if (r->isa && !cpu_isa(r->isa, &want)) {
    sb_fmt(why, "there is no instruction set '%.40s': " CPU_ISA_NAMES, r->isa);
    return ST_USAGE;
  }
  if (!r->print && has < CPU_AVX2) {
    sb_fmt(why, "this CPU lacks AVX2 or FMA, which native code needs (x86-64-v3); `dgc train --interpret` "
                "works without");
    return ST_REJECTED;
  }
  if (!r->print && want > has) {
    sb_fmt(why, "this CPU has no AVX-512, which isa 'avx512' asks for; avx2 runs here");
    return ST_REJECTED;
  }
  if (want < CPU_AVX2) want = CPU_AVX2;
  set_level(a, want, want <= has && !r->elsewhere, out);
  caches(out);
  return ST_OK;
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
