/* Memory, arenas, sizes, limits, text, tables and places. */
#include "base/embed.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/size.h"
#include "base/source.h"
#include "unit.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static Mem mem;
static Arena arena;

static Arena *fresh(void) {
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  return &arena;
}

static bool all_zero(const void *p, size_t n) {
  const unsigned char *b = p;
  for (size_t i = 0; i < n; i++)
    if (b[i]) return false;
  return true;
}

static void done(void) {
  arena_release(&arena);
  ck_assert_uint_eq(mem.used, 0);
}

START_TEST(mem_counts_and_aligns) {
  fresh();
  size_t sizes[] = {1, 63, 64, 65, 4096, 1 << 20};
  for (size_t i = 0; i < 6; i++) {
    unsigned char *p = mem_try(&mem, sizes[i]);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    ck_assert(all_zero(p, sizes[i]));
    memset(p, 0xff, sizes[i]);
    ck_assert_uint_eq(mem.used, sizes[i]);
    mem_free(&mem, p, sizes[i]);
  }
  mem_free(&mem, NULL, 10);
  ck_assert_uint_eq(mem.used, 0);
  ck_assert_uint_eq(mem.peak, 1 << 20);
}
END_TEST

START_TEST(mem_limit_at_the_edge) {
  mem_init(&mem, 100);
  void *p = mem_try(&mem, 99), *q = mem_try(&mem, 1);
  ck_assert_ptr_nonnull(p);
  ck_assert_ptr_nonnull(q);
  ck_assert_ptr_null(mem_try(&mem, 1));
  ck_assert_ptr_null(mem_try(&mem, SIZE_MAX));
  mem_free(&mem, q, 1);
  q = mem_try(&mem, 1);
  ck_assert_ptr_nonnull(q);
  Rescue r;
  if (RESCUE(&mem, &r)) {
    (void)!mem_get(&mem, 1);
    ck_abort_msg("the limit did not hold");
  }
  ck_assert_int_eq(r.status, ST_LIMIT);
  ck_assert_ptr_nonnull(strstr(r.what, "'compiler_bytes' of 100"));
  mem_free(&mem, p, 99);
  mem_free(&mem, q, 1);
}
END_TEST

START_TEST(mem_too_large_is_refused) {
  fresh();
  ck_assert_ptr_null(mem_try(&mem, SIZE_MAX));
  ck_assert_ptr_null(mem_try(&mem, (size_t)PTRDIFF_MAX));
  ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(nth_allocation_fails) {
  /* The same work with every allocation failing once: each raises, nothing leaks, and the last run succeeds.
   */
  volatile uint64_t n = 0, failed = 0;
  for (;;) {
    Arena *a = fresh();
    Rescue r;
    mem.fail_at = ++n;
    if (RESCUE(&mem, &r)) {
      Names names;
      Map map;
      names_init(&names, a);
      map_init(&map, a);
      for (uint32_t i = 0; i < 2000; i++) {
        Sym s = names_add(&names, str_fmt(a, "name%u", i));
        map_put(&map, i, s.i);
      }
      rescue_end(&mem, &r);
      done();
      break;
    }
    failed++;
    ck_assert_int_eq(r.status, ST_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(r.what, "bytes refused"));
    ck_assert_ptr_null(mem.rescue);
    done();
  }
  ck_assert_uint_gt(failed, 5);
}
END_TEST

START_TEST(rescue_nests) {
  fresh();
  Rescue outer, inner;
  volatile int steps = 0;
  if (RESCUE(&mem, &outer)) {
    if (RESCUE(&mem, &inner)) {
      steps++;
      mem_raise(&mem, ST_LIMIT, "inner %d", 7);
    }
    ck_assert_str_eq(inner.what, "inner 7");
    ck_assert_int_eq(inner.status, ST_LIMIT);
    steps++;
    BUG(&mem, "outer %s", "text");
  }
  ck_assert_int_eq(steps, 2);
  ck_assert_int_eq(outer.status, ST_INTERNAL);
  ck_assert_ptr_nonnull(strstr(outer.what, "test_base.c:"));
  ck_assert_ptr_nonnull(strstr(outer.what, "outer text"));
  ck_assert_ptr_null(mem.rescue);
}
END_TEST

START_TEST(long_reasons_are_cut) {
  fresh();
  Rescue r;
  char text[600];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  if (RESCUE(&mem, &r)) mem_raise(&mem, ST_IO, "%s", text);
  ck_assert_uint_eq(strlen(r.what), sizeof r.what - 1);
}
END_TEST

START_TEST(arena_zeroes_and_aligns) {
  Arena *a = fresh();
  for (size_t align = 1; align <= 64; align *= 2)
    for (size_t n = 0; n < 300; n += 37) {
      unsigned char *p = arena_alloc(a, n, align);
      ck_assert_uint_eq((uintptr_t)p % align, 0);
      ck_assert(all_zero(p, n));
      memset(p, 0xee, n);
    }
  void *p = arena_alloc(a, 0, 1), *q = arena_alloc(a, 0, 1);
  ck_assert_ptr_ne(p, q);
  done();
}
END_TEST

START_TEST(arena_large_blocks) {
  Arena *a = fresh();
  char *small = arena_alloc(a, 10, 1), *big = arena_alloc(a, 5 << 20, 64), *more = arena_alloc(a, 10, 1);
  memset(small, 1, 10);
  memset(big, 2, 5 << 20);
  memset(more, 3, 10);
  ck_assert_int_eq(small[9], 1);
  ck_assert_int_eq(big[(5 << 20) - 1], 2);
  done();
}
END_TEST

START_TEST(arena_room_is_one_block) {
  Arena *a = fresh();
  char *first = arena_alloc(a, 100, 64);
  ck_assert_ptr_nonnull(first);
  arena_room(a, 1 << 16);
  size_t calls = mem.calls;
  char *p = arena_alloc(a, 1 << 15, 64);
  for (int i = 0; i < 7; i++) ck_assert_ptr_nonnull(arena_alloc(a, 1 << 12, 64));
  ck_assert_uint_eq(mem.calls, calls);
  ck_assert(all_zero(p, 1 << 15));
  arena_room(a, 16); /* what is there is enough */
  ck_assert_uint_eq(mem.calls, calls);
  done();
}
END_TEST

/* The kernel's flags of the mapping that holds p: is large pages' advice among them? */
static bool advised(const void *p) {
  FILE *f = fopen("/proc/self/smaps", "r");
  char line[512];
  bool here = false, hg = false;
  uintptr_t lo, hi;
  while (f && fgets(line, sizeof line, f)) {
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &lo, &hi) == 2)
      here = (uintptr_t)p >= lo && (uintptr_t)p < hi;
    if (here && strncmp(line, "VmFlags:", 8) == 0) hg = strstr(line, " hg") != NULL;
  }
  if (f) fclose(f);
  return hg;
}

START_TEST(large_blocks_ask_for_large_pages) {
  FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
  if (!f) return; /* a system without them */
  fclose(f);
  (void)fresh();
  size_t n = 9 << 20;
  char *p = mem_get(&mem, n), *small = mem_get(&mem, 3 << 20);
  ck_assert(advised(p + n / 2));
  ck_assert(!advised(small + (1 << 20)));
  mem_free(&mem, small, 3 << 20);
  mem_free(&mem, p, n);
}
END_TEST

START_TEST(arena_rewind_gives_back_zeroed_memory) {
  Arena *a = fresh();
  char *kept = arena_alloc(a, 8, 8);
  memcpy(kept, "kept me", 8);
  ArenaMark m = arena_mark(a);
  size_t held = mem.used;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 200; i++) {
      unsigned char *p = arena_alloc(a, 1000, 8);
      ck_assert(all_zero(p, 1000));
      memset(p, 0xcc, 1000);
    }
    arena_rewind(a, m);
    ck_assert_uint_eq(mem.used, held);
    ck_assert_str_eq(kept, "kept me");
  }
  done();
}
END_TEST

START_TEST(arena_rewind_to_empty) {
  Arena *a = fresh();
  ArenaMark m = arena_mark(a);
  memset(arena_alloc(a, 100, 1), 1, 100);
  arena_rewind(a, m);
  ck_assert_uint_eq(mem.used, 0);
  ck_assert_int_eq(*(char *)arena_alloc(a, 1, 1), 0);
  done();
}
END_TEST

START_TEST(lists_give_back_what_they_outgrow) {
  Arena *a = fresh();
  VEC(uint64_t) v = {0};
  enum { MANY = 1 << 20 };
  for (uint32_t i = 0; i < MANY; i++) VEC_PUSH(a, &v, i);
  for (uint32_t i = 0; i < MANY; i++) ck_assert_uint_eq(v.at[i], i);
  ck_assert_uint_lt(mem.used, 2 * sizeof(uint64_t) * MANY);
  Map m;
  map_init(&m, a);
  size_t before = mem.used;
  for (uint32_t i = 0; i < MANY / 4; i++) map_put(&m, i * 7 + 1, i);
  uint32_t got = 0;
  ck_assert(map_get(&m, 7 * 1000 + 1, &got) && got == 1000);
  ck_assert_uint_lt(mem.used - before, (size_t)MANY * 14);
  done();
}
END_TEST

START_TEST(rewind_frees_what_is_large) {
  Arena *a = fresh();
  char *keep = arena_alloc(a, 300000, 64);
  keep[0] = 1;
  ArenaMark mark = arena_mark(a);
  size_t held = mem.used;
  for (int turn = 0; turn < 3; turn++) {
    char *p = arena_alloc(a, 500000, 64), *q = arena_alloc(a, 10, 1);
    ck_assert(all_zero(p, 500000) && all_zero(q, 10));
    p[499999] = q[9] = 1;
    arena_rewind(a, mark);
    ck_assert_uint_le(mem.used, held + 8192);
  }
  ck_assert_int_eq(keep[0], 1);
  done();
}
END_TEST

/* An arena of a function goes when it ends, and when a raise passes by. */
static void in_scope(int depth, bool raises) {
  ArenaScope s;
  memset(arena_alloc(arena_open(&s, &mem), 10000, 8), 1, 10000);
  if (depth > 0) in_scope(depth - 1, raises);
  if (depth == 0 && raises) mem_raise(&mem, ST_LIMIT, "%s", str_copy(&s.arena, STR("enough")).p);
  arena_close(&s);
}

START_TEST(scopes_end) {
  fresh();
  in_scope(3, false);
  ck_assert_uint_eq(mem.used, 0);
  ArenaScope outer;
  memset(arena_alloc(arena_open(&outer, &mem), 100, 8), 1, 100);
  size_t held = mem.used;
  Rescue r;
  if (RESCUE(&mem, &r)) {
    in_scope(3, true);
    ck_abort_msg("not reached");
  }
  ck_assert_str_eq(r.what, "enough");
  ck_assert_uint_eq(mem.used, held); /* what was open before the rescue is open still */
  in_scope(2, false);
  arena_close(&outer);
  done();
}
END_TEST

START_TEST(arena_array_overflow_is_a_limit) {
  Arena *a = fresh();
  size_t counts[] = {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 4 + 2};
  for (int i = 0; i < 3; i++) {
    Rescue r;
    if (RESCUE(&mem, &r)) {
      (void)!arena_array(a, counts[i], 8, 8);
      ck_abort_msg("an impossible array was given out");
    }
    ck_assert(r.status == ST_LIMIT || r.status == ST_NO_MEMORY);
  }
  done();
}
END_TEST

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
START_TEST(arena_poisons) {
  Arena *a = fresh();
  char *p = arena_alloc(a, 10, 1);
  ck_assert(!__asan_address_is_poisoned(p + 9));
  ck_assert(__asan_address_is_poisoned(p + 10));
  ArenaMark m = arena_mark(a);
  char *q = arena_alloc(a, 10, 1);
  arena_rewind(a, m);
  ck_assert(__asan_address_is_poisoned(q));
  ck_assert(!__asan_address_is_poisoned(p));
  done();
}
END_TEST
#endif

START_TEST(vec_grows) {
  Arena *a = fresh();
  VEC(uint64_t) v = {0};
  for (uint64_t i = 0; i < 10000; i++) VEC_PUSH(a, &v, i * i);
  ck_assert_uint_eq(v.n, 10000);
  for (uint64_t i = 0; i < 10000; i++)
    if (v.at[i] != i * i) ck_abort_msg("element %d", (int)i);
  done();
}
END_TEST

START_TEST(size_arithmetic) {
  size_t n = 0;
  int64_t i = 0;
  ck_assert(size_mul(3, 4, &n) && n == 12);
  ck_assert(!size_mul(SIZE_MAX / 2, 3, &n));
  ck_assert(size_add(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX);
  ck_assert(!size_add(SIZE_MAX, 1, &n));
  ck_assert(!size_sub(1, 2, &n));
  ck_assert(size_sub(2, 2, &n) && n == 0);
  ck_assert(!i64_mul(INT64_MAX, 2, &i) && !i64_add(INT64_MAX, 1, &i) && !i64_sub(INT64_MIN, 1, &i));
  ck_assert(i64_mul(-3, 4, &i) && i == -12);
  ck_assert(size_align(0, 64, &n) && n == 0);
  ck_assert(size_align(1, 64, &n) && n == 64);
  ck_assert(size_align(64, 64, &n) && n == 64);
  ck_assert(!size_align(SIZE_MAX - 3, 64, &n));
}
END_TEST

START_TEST(size_products) {
  size_t n = 1;
  ck_assert(size_product(NULL, 0, &n) && n == 1);
  ck_assert(size_product((int64_t[]){2, 3, 4}, 3, &n) && n == 24);
  ck_assert(size_product((int64_t[]){5, 0, 7}, 3, &n) && n == 0);
  ck_assert(!size_product((int64_t[]){2, -1}, 2, &n));
  ck_assert(!size_product((int64_t[]){INT64_MAX, 3}, 2, &n));
  /* a zero extent does not hide an overflowing partner, wherever it stands */
  ck_assert(!size_product((int64_t[]){0, INT64_MAX, 3}, 3, &n));
  ck_assert(!size_product((int64_t[]){INT64_MAX, 3, 0}, 3, &n));
}
END_TEST

START_TEST(limits_have_names) {
  Limits l;
  limits_init(&l);
  ck_assert_int_eq(l.rank, 8);
  ck_assert_int_eq(l.source_bytes, 16 << 20);
  ck_assert(limits_set(&l, STR("rank"), 1));
  ck_assert_int_eq(l.rank, 1);
  ck_assert(!limits_set(&l, STR("rank"), 0));
  ck_assert(!limits_set(&l, STR("rank"), -5));
  ck_assert(!limits_set(&l, STR("ran"), 5));
  ck_assert(!limits_set(&l, STR("rank "), 5));
  ck_assert(!limits_set(&l, STR(""), 5));
  ck_assert_int_eq(l.rank, 1);
#define X(name, dflt, help) ck_assert(limits_set(&l, STR(#name), 77) && l.name == 77);
  LIMITS(X)
#undef X
}
END_TEST

START_TEST(str_basics) {
  Arena *a = fresh();
  ck_assert(str_eq(STR("a"), STR("a")) && !str_eq(STR("a"), STR("b")) && !str_eq(STR("a"), STR("aa")));
  ck_assert(str_eq((Str){NULL, 0}, STR("")));
  ck_assert_int_lt(str_cmp(STR("a"), STR("b")), 0);
  ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
  ck_assert_int_gt(str_cmp(STR("\xff"), STR("a")), 0);
  ck_assert_int_eq(str_cmp(STR(""), (Str){NULL, 0}), 0);
  ck_assert(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR("")) &&
            !str_starts(STR("a"), STR("ab")));
  ck_assert(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")) && str_ends(STR("x"), STR("")));
  Str nul = str_copy(a, (Str){"a\0b", 3});
  ck_assert_uint_eq(nul.n, 3);
  ck_assert_int_eq(nul.p[3], 0);
  ck_assert(str_eq(nul, (Str){"a\0b", 3}));
  ck_assert_strn(str_fmt(a, "%d-" STRF, 42, STRA(STR("xy"))), "42-xy");
  ck_assert_strn(str_fmt(a, "%s", ""), "");
  done();
}
END_TEST

START_TEST(str_builder_grows) {
  Arena *a = fresh();
  Sb b;
  sb_init(&b, a);
  ck_assert_strn(sb_str(&b), "");
  for (int i = 0; i < 1000; i++) sb_char(&b, (char)('a' + i % 26));
  sb_fmt(&b, "%0500d", 7);
  sb_add(&b, STR("end"));
  Str s = sb_str(&b);
  ck_assert_uint_eq(s.n, 1503);
  ck_assert_int_eq(s.p[999], 'a' + 999 % 26);
  ck_assert(str_ends(s, STR("07end")));
  ck_assert_int_eq(s.p[s.n], 0);
  done();
}
END_TEST

START_TEST(str_edit_distance) {
  ck_assert_uint_eq(str_distance(STR("kitten"), STR("sitting"), 5), 3);
  ck_assert_uint_eq(str_distance(STR("kitten"), STR("sitting"), 2), 3);
  ck_assert_uint_eq(str_distance(STR("relu"), STR("rleu"), 5), 1);
  ck_assert_uint_eq(str_distance(STR(""), STR("abc"), 5), 3);
  ck_assert_uint_eq(str_distance(STR("abc"), STR(""), 1), 2);
  ck_assert_uint_eq(str_distance(STR("same"), STR("same"), 0), 0);
  char x[100];
  memset(x, 'x', sizeof x);
  ck_assert_uint_eq(str_distance((Str){x, 100}, (Str){x, 99}, 3), 4);
  ck_assert_uint_eq(str_distance((Str){x, 100}, (Str){x, 100}, 3), 0);
}
END_TEST

START_TEST(names_intern) {
  Arena *a = fresh();
  Names n;
  bool found = false;
  names_init(&n, a);
  ck_assert_uint_eq(names_add(&n, STR("")).i, 0);
  Sym x = names_add(&n, STR("x")), y = names_add(&n, STR("y"));
  ck_assert(!sym_eq(x, y));
  ck_assert(sym_eq(x, names_add(&n, STR("x"))));
  ck_assert(sym_eq(y, names_find(&n, STR("y"), &found)) && found);
  names_find(&n, STR("z"), &found);
  ck_assert(!found);
  for (int i = 0; i < 5000; i++) {
    Sym s = names_add(&n, str_fmt(a, "n%d", i));
    ck_assert_uint_eq(s.i, 3 + i);
  }
  ck_assert_strn(names_str(&n, names_find(&n, STR("n4321"), &found)), "n4321");
  ck_assert(found);
  ck_assert(sym_eq(x, names_find(&n, STR("x"), &found)));
  done();
}
END_TEST

START_TEST(map_keeps_pairs) {
  Arena *a = fresh();
  Map m;
  uint32_t v = 0;
  map_init(&m, a);
  ck_assert(!map_get(&m, 0, &v));
  for (uint64_t i = 0; i < 5000; i++) map_put(&m, i << 32 | i, (uint32_t)i);
  for (uint64_t i = 0; i < 5000; i++) ck_assert(map_get(&m, i << 32 | i, &v) && v == i);
  ck_assert(!map_get(&m, 5, &v));
  map_put(&m, 0, 99);
  ck_assert(map_get(&m, 0, &v) && v == 99);
  ck_assert_uint_eq(m.n, 5000);
  map_put(&m, UINT64_MAX, 0);
  ck_assert(map_get(&m, UINT64_MAX, &v) && v == 0);
  Rescue r;
  if (RESCUE(&mem, &r)) map_put(&m, 1, UINT32_MAX);
  ck_assert_int_eq(r.status, ST_INTERNAL);
  done();
}
END_TEST

START_TEST(hash_is_stable) {
  /* path keys of random draws are made of it: a change would change every program's initial values */
  ck_assert_uint_eq(hash_bytes("", 0, 0), hash_mix(0xcbf29ce484222325u));
  ck_assert_uint_eq(hash_bytes("a", 1, 0), hash_mix(0xaf63dc4c8601ec8cu)); /* FNV-1a test vector */
  ck_assert_uint_eq(hash_bytes("foobar", 6, 0), hash_mix(0x85944171f73967e8u));
  ck_assert_uint_ne(hash_bytes("a", 1, 0), hash_bytes("a", 1, 1));
}
END_TEST

static void at(const Sources *s, uint32_t f, uint32_t byte, uint32_t line, uint32_t col) {
  LineCol lc = sources_at(s, f, byte);
  ck_assert_msg(lc.line == line && lc.col == col, "byte %u: got %u:%u, expected %u:%u", byte, lc.line, lc.col,
                line, col);
}

START_TEST(source_places) {
  Arena *a = fresh();
  Sources s;
  sources_init(&s, a);
  ck_assert_uint_eq(s.file.n, 1);
  /*                            0123 4 5 6 78 9  the letter e with acute is two bytes */
  uint32_t f = sources_add(&s, STR("m.dg"), STR("ab\tc\n\n\xc3\xa9x\r\nlast"), false);
  ck_assert_uint_eq(f, 1);
  at(&s, f, 0, 1, 1);
  at(&s, f, 2, 1, 3);
  at(&s, f, 3, 1, 4); /* a tab is one column */
  at(&s, f, 4, 1, 5); /* the line end belongs to its line */
  at(&s, f, 5, 2, 1);
  at(&s, f, 6, 3, 1);
  at(&s, f, 8, 3, 2); /* one character, two bytes */
  at(&s, f, 11, 4, 1);
  at(&s, f, 15, 4, 5);
  at(&s, f, 999, 4, 5);
  ck_assert_strn(sources_line(&s, f, 1), "ab\tc");
  ck_assert_strn(sources_line(&s, f, 2), "");
  ck_assert_strn(sources_line(&s, f, 3), "\xc3\xa9x");
  ck_assert_strn(sources_line(&s, f, 4), "last");
  ck_assert_strn(sources_line(&s, f, 5), "");
  ck_assert_strn(sources_line(&s, f, 0), "");
  done();
}
END_TEST

START_TEST(source_empty_and_final_newline) {
  Arena *a = fresh();
  Sources s;
  sources_init(&s, a);
  uint32_t e = sources_add(&s, STR("e"), STR(""), false), n = sources_add(&s, STR("n"), STR("x\n"), true);
  at(&s, e, 0, 1, 1);
  at(&s, n, 2, 2, 1);
  ck_assert_strn(sources_line(&s, n, 2), "");
  ck_assert(s.file.at[n].library && !s.file.at[e].library);
  done();
}
END_TEST

START_TEST(span_joins) {
  Span a = {1, 3, 5}, b = {1, 8, 9}, none = {0, 0, 0}, other = {2, 0, 1};
  Span j = span_join(b, a);
  ck_assert(j.file == 1 && j.lo == 3 && j.hi == 9);
  ck_assert(span_join(none, a).lo == 3 && span_join(a, none).hi == 5 && span_join(a, other).file == 1);
}
END_TEST

static void reads(const char *text, size_t n, double want) {
  double x = -1;
  ck_assert_msg(num_read(str_z(text), &x) == n, "%s: %zu bytes", text, num_read(str_z(text), &x));
  if (n) ck_assert_msg(memcmp(&x, &want, sizeof x) == 0, "%s: %a", text, x);
}

static void all_numbers(void) {
  reads("12", 2, 12);
  reads("1.5e3x", 5, 1500);
  reads("0.1", 3, 0.1);
  reads(".25", 3, 0.25);
  reads("-0.0", 4, -0.0);
  reads("00012.500", 9, 12.5);
  reads("1,5", 1, 1);
  reads("1e", 1, 1);
  reads("1e+", 1, 1);
  reads("2.2250738585072014e-308", 23, DBL_MIN);
  reads("1.7976931348623157e308", 22, DBL_MAX);
  reads("1e309", 5, (double)INFINITY);
  reads("1e-99999999999999999999", 23, 0);
  reads("-inf", 4, -(double)INFINITY);
  reads("", 0, 0);
  reads(".", 0, 0);
  reads("-", 0, 0);
  reads("x1", 0, 0);
  char z[NUM_TEXT];
  ck_assert_strn(num_text(z, 3, 1234567.0), "1.23e+06");
  ck_assert_strn(num_text(z, 17, 0.1), "0.10000000000000001");
  ck_assert_strn(num_text(z, 6, -(double)INFINITY), "-inf");
  ck_assert_strn(num_shortest(z, false, 0.1), "0.1");
  ck_assert_strn(num_shortest(z, true, (double)0.1f), "0.1");
  ck_assert_strn(num_shortest(z, false, (double)0.1f), "0.10000000149011612");
  ck_assert_strn(num_shortest(z, false, -2.5e-7), "-2.5e-07");
}

START_TEST(numbers_have_points) {
  all_numbers();
  if (unit_comma_locale()) all_numbers();
  unit_locale_back();
}
END_TEST

/* Digits beyond any that decide: halfway between 1 and the next double, then a hair above it, a thousand
 * digits on. */
START_TEST(numbers_round_once) {
  char z[1200] = "1.00000000000000011102230246251565404236316680908203125";
  reads(z, strlen(z), 1);
  size_t n = strlen(z);
  memset(z + n, '0', 1000);
  reads(z, n + 1000, 1);
  z[n + 999] = '1';
  reads(z, n + 1000, 1 + DBL_EPSILON);
  memset(z, '9', 1100);
  memcpy(z + 1100, "e-1100", 7);
  reads(z, 1106, 1);
  float f;
  num_nearest("16777217000000001", 17, -9, NULL, &f); /* through double it would be 16777216 */
  ck_assert(f == 16777218.0f);
}
END_TEST

START_TEST(embedded_files) {
  ck_assert_ptr_null(embedded_find(embedded_std, STR("no such file")));
  for (const EmbeddedFile *f = embedded_pages; f->text.p; f++) {
    ck_assert(str_starts(f->name, STR("DG")));
    ck_assert_uint_eq(strlen(f->text.p), f->text.n);
    ck_assert_ptr_eq(embedded_find(embedded_pages, f->name), f);
  }
  for (const EmbeddedFile *f = embedded_functions; f->text.p; f++) {
    ck_assert(str_starts(f->text, STR("## ")));
    ck_assert(str_starts((Str){f->text.p + 3, f->text.n - 3}, f->name));
    ck_assert_ptr_eq(embedded_find(embedded_functions, f->name), f);
  }
}
END_TEST

UNIT_MAIN(UNIT("mem", large_blocks_ask_for_large_pages, mem_counts_and_aligns, mem_limit_at_the_edge,
               mem_too_large_is_refused, nth_allocation_fails, rescue_nests, long_reasons_are_cut),
          UNIT("arena", arena_zeroes_and_aligns, arena_large_blocks, arena_room_is_one_block,
               arena_rewind_gives_back_zeroed_memory, arena_rewind_to_empty, arena_array_overflow_is_a_limit,
#if defined(__SANITIZE_ADDRESS__)
               arena_poisons,
#endif
               vec_grows, lists_give_back_what_they_outgrow, rewind_frees_what_is_large, scopes_end),
          UNIT("size", size_arithmetic, size_products), UNIT("limits", limits_have_names),
          UNIT("str", str_basics, str_builder_grows, str_edit_distance),
          UNIT("num", numbers_have_points, numbers_round_once),
          UNIT("tables", names_intern, map_keeps_pairs, hash_is_stable, embedded_files),
          UNIT("source", source_places, source_empty_and_final_newline, span_joins))
