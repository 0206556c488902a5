#include "runtime/core/sum.h"

#include <string.h>

#define P1 UINT64_C(0x9e3779b185ebca87)
#define P2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define P3 UINT64_C(0x165667b19e3779f9)
#define P4 UINT64_C(0x85ebca77c2b2ae63)
#define P5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }
static uint64_t load64(const unsigned char *p) {
  uint64_t x;
  memcpy(&x, p, sizeof x);
  return x;
}
static uint64_t round_of(uint64_t acc, uint64_t word) { return rotate(acc + word * P2, 31) * P1; }
static uint64_t merge(uint64_t acc, uint64_t lane) { return (acc ^ round_of(0, lane)) * P1 + P4; }

static void stripe(Sum *s, const unsigned char *p) {
  for (int i = 0; i < 4; i++) s->lane[i] = round_of(s->lane[i], load64(p + 8 * i));
}

void sum_init(Sum *s) { *s = (Sum){.lane = {P1 + P2, P2, 0, -P1}}; }

void sum_add(Sum *s, const void *data, size_t n) {
  const unsigned char *p = data;
  s->total += n;
  if (s->ntail) {
    size_t take = sizeof s->tail - s->ntail;
    if (take > n) take = n;
    memcpy(s->tail + s->ntail, p, take);
    s->ntail += (uint32_t)take, p += take, n -= take;
    if (s->ntail < sizeof s->tail) return;
    stripe(s, s->tail);
    s->ntail = 0;
  }
  for (; n >= 32; n -= 32, p += 32) stripe(s, p);
  if (n) memcpy(s->tail, p, n);
  s->ntail = (uint32_t)n;
}

uint64_t sum_value(const Sum *s) {
  const uint64_t *l = s->lane;
  uint64_t h = s->total < 32 ? P5 : rotate(l[0], 1) + rotate(l[1], 7) + rotate(l[2], 12) + rotate(l[3], 18);
  for (int i = 0; i < 4 && s->total >= 32; i++) h = merge(h, l[i]);
  h += s->total;
  const unsigned char *p = s->tail, *end = p + s->ntail;
  for (; end - p >= 8; p += 8) h = rotate(h ^ round_of(0, load64(p)), 27) * P1 + P4;
  if (end - p >= 4) {
    uint32_t w;
    memcpy(&w, p, sizeof w);
    h = rotate(h ^ w * P1, 23) * P2 + P3;
    p += 4;
  }
  for (; p < end; p++) h = rotate(h ^ *p * P5, 11) * P1;
  h = (h ^ h >> 33) * P2;
  h = (h ^ h >> 29) * P3;
  return h ^ h >> 32;
}

uint64_t sum_without(const void *bytes, size_t n, size_t at) {
  const unsigned char *p = bytes;
  Sum s;
  sum_init(&s);
  sum_add(&s, p, at);
  sum_add(&s, "0000000000000000", SUM_DIGITS);
  sum_add(&s, p + at + SUM_DIGITS, n - at - SUM_DIGITS);
  return sum_value(&s);
}
