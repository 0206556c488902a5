/* Kernel text on any bytes: what is refused is explained; what is accepted prints to a text that reads back
 * to itself; and what the verifier accepts never leaves its buffers, which the evaluator checks at every
 * element. */
#include "base/size.h"
#include "ir/kernel/kernel.h"
#include "tests/fuzz/guarded.h"

/* Roughly the elements the evaluator would touch; large numbers stand for too many. */
static double work(const Kernel *k, const KernelStmt *s) {
  double sum = 0;
  for (; s; s = s->next)
    sum += s->kind == STMT_LOOP ? (double)s->loop.extent * (1 + work(k, s->loop.body)) : 2000;
  return sum;
}

static void evaluate(Arena *a, const Kernel *k) {
  void *buf[KERNEL_BUFFERS];
  uint32_t seed = 1;
  if (work(k, k->root) > 2e6) return;
  for (int i = 0; i < k->nbuffer; i++) {
    if (k->buffer[i].n > 100000) return;
    buf[i] = ARENA_ARRAY(a, int64_t, (size_t)k->buffer[i].n);
    for (int64_t j = 0; j < k->buffer[i].n; j++)
      ((int64_t *)buf[i])[j] = (seed = seed * 1664525 + 1013904223) >> 28;
  }
  uint32_t env = fp_enter();
  kernel_eval(k, buf, 0, kernel_units(k), a); /* an access out of bounds is a BUG, which ends the run below */
  fp_leave(env);
}

static void check(Arena *a, Str text) {
  Kernel *k, *again;
  Sb b, c, why;
  sb_init(&b, a), sb_init(&c, a), sb_init(&why, a);
  if (!kernel_parse(a, text, &k, &why)) {
    if (!why.n) abort();
    return;
  }
  if (!kernel_verify(k, &why)) {
    if (!why.n) abort();
    return;
  }
  kernel_print(k, &b);
  if (!kernel_parse(a, sb_str(&b), &again, &why)) abort();
  kernel_print(again, &c);
  if (!str_eq(sb_str(&b), sb_str(&c))) abort();
  if (!kernel_independent(k, &why) && !why.n) abort();
  evaluate(a, k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) { return guarded(check, data, n, ST_LIMIT); }
