/* Every kind of CPU, whatever the one at hand: what a lesser one refuses, and when; what is not run there is
 * counted as skipped. */
#include "api/api.h"
#include "api_kit.h"
#include "isa_kit.h"

START_TEST(levels) {
  CpuLevel level, has = cpu_level(CPU_ASK);
  ck_assert(has >= CPU_BASE && has <= CPU_AVX512);
  ck_assert_int_eq(cpu_level(CPU_BASE), CPU_BASE);
  ck_assert_int_eq(cpu_level(CPU_AVX512), has);
  ck_assert_int_eq(cpu_level(CPU_AVX2), has < CPU_AVX2 ? has : CPU_AVX2);
  ck_assert(cpu_isa("avx2", &level) && level == CPU_AVX2);
  ck_assert(cpu_isa("avx512", &level) && level == CPU_AVX512);
  ck_assert(!cpu_isa("", &level) && !cpu_isa("AVX2", &level) && !cpu_isa("avx", &level));
}
END_TEST

static dg_status session_on(dg_program *p, const char *isa, int interpret) {
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.isa = isa, o.interpret = interpret, o.threads = 1;
  dg_session *s;
  dg_status st = dg_session_new(p, &o, &s);
  if (st == DG_OK) dg_session_free(s);
  return st;
}

/* A session is refused when it is made, not at its first step. */
START_TEST(refused_when_made) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  for (int interpret = 0; interpret < 2; interpret++) {
    fails(DG_USAGE, "there is no instruction set 'zz': avx2, avx512", session_on(p, "zz", interpret));
    fails(DG_USAGE, "there is no instruction set ''", session_on(p, "", interpret));
  }
  ok(session_on(p, "avx512", 1)); /* names are known; nothing is compiled */
  if (native()) {
    cx->cpu = CPU_AVX2;
    fails(DG_REJECTED, "this CPU has no AVX-512", session_on(p, "avx512", 0));
    cx->cpu = CPU_BASE;
    fails(DG_REJECTED, "this CPU lacks AVX2 or FMA", session_on(p, "avx2", 0));
    fails(DG_REJECTED, "this CPU lacks AVX2 or FMA", session_on(p, NULL, 0));
  } else {
    ok(session_on(p, NULL, 0)); /* it binds, reads and saves; what runs is refused */
  }
  ok(session_on(p, NULL, 1));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* On a CPU with AVX2 alone everything runs, in AVX2's code. */
START_TEST(lesser_cpu) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  float x[2] = {1, 2}, y[2] = {1, 3};
  dg_facts f = {.size = sizeof f};
  cx->cpu = CPU_AVX2;
  if (native() && cpu_level(CPU_ASK) >= CPU_AVX2) {
    dg_session *s = session(cx, p, 0, 1);
    ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {2, 1}, .data = x}));
    ok(dg_bind(s, "y", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {2, 1}, .data = y}));
    ok(dg_step(s, dg_name_at(p, DG_STEP, 0)));
    ok(dg_session_facts(s, dg_name_at(p, DG_STEP, 0), &f));
    ck_assert_str_eq(f.isa, "avx2");
    dg_session_free(s);
  }
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* Code to be read is made for any level on any CPU; names that do not exist are refused at every stage. */
START_TEST(printed_anywhere) {
  dg_context *cx = context();
  ok(dg_define(cx, "N", "64"));
  dg_program *p = program(cx, line_text);
  static const char *const stages[] = {"tokens", "ast",  "fmt", "graph",   "facts",
                                       "grad",   "step", "opt", "kernels", "asm"};
  const char *text;
  size_t n;
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
    fails(DG_USAGE, "no instruction set 'zz': avx2, avx512",
          dg_emit(p, stages[i], &(dg_emit_options){.size = sizeof(dg_emit_options), .isa = "zz"}, &text, &n));
    fails(DG_USAGE, "no pass 'zz': bind outline autodiff",
          dg_emit(p, stages[i], &(dg_emit_options){.size = sizeof(dg_emit_options), .print_after = "zz"},
                  &text, &n));
    fails(DG_USAGE, "no pass 'zz': bind outline autodiff",
          dg_emit(p, stages[i], &(dg_emit_options){.size = sizeof(dg_emit_options), .stop_after = "zz"},
                  &text, &n));
  }
  for (CpuLevel cpu = CPU_BASE; native() && cpu <= CPU_AVX512; cpu++) {
    cx->cpu = cpu;
    dg_emit_options o = {.size = sizeof o, .isa = "avx512", .level = -1};
    ok(dg_emit(p, "asm", &o, &text, &n));
    ck_assert_msg(strstr(text, "%zmm") || strstr(text, "%k1"), "%s", text);
    o.isa = "avx2";
    ok(dg_emit(p, "asm", &o, &text, &n));
    ck_assert(!strstr(text, "%zmm") && strstr(text, "%ymm"));
  }
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

START_TEST(skipped_are_counted) {
  const Unit units[] = {UNIT("a", levels, refused_when_made), UNIT_TURNS("b", 2, lesser_cpu)};
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  ck_assert(!isa_skips(CPU_AVX512, CPU_AVX512, units, 2, out) &&
            !isa_skips(CPU_AVX512, CPU_AVX2, units, 2, out));
  ck_assert(isa_skips(CPU_AVX2, CPU_AVX512, units, 2, out));
  fclose(out);
  ck_assert_str_eq(text, "1..4\nok 1 - a:levels # SKIP this CPU has no AVX-512\n"
                         "ok 2 - a:refused_when_made # SKIP this CPU has no AVX-512\n"
                         "ok 3 - b:lesser_cpu # SKIP this CPU has no AVX-512\n"
                         "ok 4 - b:lesser_cpu # SKIP this CPU has no AVX-512\n");
  free(text);
}
END_TEST

UNIT_MAIN(UNIT("isa", levels, refused_when_made, lesser_cpu, printed_anywhere, skipped_are_counted))
