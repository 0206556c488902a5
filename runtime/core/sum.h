/* Checksum of checkpoint bytes: XXH64 with seed 0 (Yann Collet's public specification), fed in pieces. Finds
 * flipped bits and truncation; it is no defence against an adversary. Known answers: "" -> ef46db3751d8e999,
 * "abc" -> 44bc2cf5ad770999. */
#ifndef DG_RUNTIME_CORE_SUM_H
#define DG_RUNTIME_CORE_SUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct Sum {
  uint64_t lane[4], total;
  unsigned char tail[32]; /* bytes not yet in the lanes */
  uint32_t ntail;
} Sum;

void sum_init(Sum *s);
void sum_add(Sum *s, const void *p, size_t n);
uint64_t sum_value(const Sum *s);
/* Of n bytes, among which the sum itself stands at `at`, as 16 digits: they are taken as 0. */
enum { SUM_DIGITS = 16 };
uint64_t sum_without(const void *bytes, size_t n, size_t at);

#endif
