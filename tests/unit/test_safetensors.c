/* The safetensors reader against a table with one fault per row, all prefixes and all single-byte changes of
 * a good file, and out-of-memory at every allocation; the writer against the reader; XXH64 against known
 * answers. */
#include "runtime/core/safetensors.h"
#include "runtime/core/sum.h"
#include "unit.h"

#include <string.h>

/* Memory that fails at the n-th request, so that the reader's way out is taken at each. */
typedef struct Room {
  void *got[4096];
  size_t calls, fail_at;
} Room;

static void *room_get(void *context, size_t n) {
  Room *r = context;
  if (++r->calls == r->fail_at || r->calls > 4096) return NULL;
  return r->got[r->calls - 1] = malloc(n ? n : 1);
}

static void room_free(Room *r) {
  for (size_t i = 0; i < r->calls && i < 4096; i++) free(r->got[i]);
  *r = (Room){0};
}

typedef struct Bytes {
  char *p;
  size_t n;
} Bytes;

static void bytes_put(void *context, const char *p, size_t n) {
  Bytes *b = context;
  b->p = realloc(b->p, b->n + n + 1);
  memcpy(b->p + b->n, p, n);
  b->n += n;
}

/* Length field, header as given, then `data` bytes. The block has exactly the file's size: reading past it is
 * seen by AddressSanitizer. */
static Bytes file_of(const char *header, size_t data) {
  size_t h = strlen(header);
  Bytes b = {malloc(8 + h + data + 1), 8 + h + data};
  for (int i = 0; i < 8; i++) b.p[i] = (char)(h >> 8 * i);
  memcpy(b.p + 8, header, h);
  memset(b.p + 8 + h, 7, data);
  b.p = realloc(b.p, b.n);
  return b;
}

static SafeResult parse(Bytes b, Room *room, SafeFile *f, SafeError *err) {
  return safe_parse(b.p, b.n, (SafeMemory){room_get, room}, f, err);
}

static void check_bad(const char *header, size_t data, const char *why) {
  Room room = {0};
  SafeFile f;
  SafeError err;
  Bytes b = file_of(header, data);
  SafeResult r = parse(b, &room, &f, &err);
  if (r != SAFE_BAD || !strstr(err.what, why))
    ck_abort_msg("header %s\ngot %d \"%s\"\nexpected \"%s\"", header, (int)r, r == SAFE_OK ? "" : err.what,
                 why);
  ck_assert_uint_le(err.at, b.n);
  free(b.p);
  room_free(&room);
}

#define T(name, type, shape, lo, hi)                                                                         \
  "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" lo "," hi "]}"

START_TEST(faults) {
  static const struct {
    const char *header;
    size_t data;
    const char *why;
  } row[] = {
      {"", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "header ends where '\"' is expected"},
      {"{}x", 0, "byte 0x78 after the header's end"},
      {"{}\n", 0, "byte 0x0a after the header's end"},
      {"{,}", 0, "'\"' expected in the header, found byte 0x2c"},
      {"{\"a\"}", 0, "':' expected"},
      {"{\"a\":1}", 0, "'{' expected"},
      {"{\"a\":{}}", 0, "tensor 'a' has no entry 'dtype'"},
      {"{\"a\":{\"dtype\":\"F32\"}}", 0, "has no entry 'shape'"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, "has no entry 'data_offsets'"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "has two entries 'dtype'"},
      {"{\"a\":{\"type\":\"F32\"}}", 0, "unknown entry 'type'"},
      {"{\"a\":{\"dtype\":\"F33\"}}", 0, "unknown type 'F33'"},
      {"{\"a\":{\"dtype\":32}}", 0, "'\"' expected"},
      {"{" T("a", "U8", "4", "0", "4") "," T("a", "U8", "4", "4", "8") "}", 8, "two tensors are named 'a'"},
      {"{" T("a", "U8", "4", "0", "4") "," T("b", "U8", "4", "2", "6") "}", 6, "tensor 'b' overlaps"},
      {"{" T("a", "U8", "4", "0", "4") "," T("b", "U8", "4", "0", "4") "}", 4, "tensor 'b' overlaps"},
      {"{" T("a", "U8", "4", "0", "4") "," T("b", "U8", "4", "5", "9") "}", 9,
       "1 bytes before tensor 'b' belong to none"},
      {"{" T("a", "U8", "4", "1", "5") "}", 5, "1 bytes before tensor 'a'"},
      {"{" T("a", "U8", "4", "0", "4") "}", 5, "1 bytes after the last tensor"},
      {"{}", 1, "1 bytes after the last tensor"},
      {"{" T("a", "U8", "4", "0", "4") "}", 3, "ends at byte 4, the file has 3 bytes of data"},
      {"{" T("a", "U8", "4", "4", "0") "}", 4, "ends before it begins"},
      {"{" T("a", "U8", "5", "0", "4") "}", 4, "has 4 bytes, its type and shape need 5"},
      {"{" T("a", "F32", "4294967296,4294967296", "0", "4") "}", 4, "size of tensor 'a' does not fit"},
      {"{" T("a", "F32", "4611686018427387904", "0", "0") "}", 0, "size of tensor 'a' does not fit"},
      {"{" T("a", "F32", "18446744073709551616", "0", "0") "}", 0, "does not fit 64 bits"},
      {"{" T("a", "U8", "4", "0", "18446744073709551615") "}", 4, "ends at byte 18446744073709551615"},
      {"{" T("a", "U8", "4", "0", "99999999999999999999") "}", 4, "does not fit 64 bits"},
      {"{" T("a", "U8", "-4", "0", "4") "}", 4, "a whole number is expected"},
      {"{" T("a", "U8", "+4", "0", "4") "}", 4, "a whole number is expected"},
      {"{" T("a", "U8", "04", "0", "4") "}", 4, "leading zero"},
      {"{" T("a", "U8", "4.0", "0", "4") "}", 4, "']' expected"},
      {"{" T("a", "U8", "4e0", "0", "4") "}", 4, "']' expected"},
      {"{" T("a", "U8", "4,", "0", "4") "}", 4, "a whole number is expected"},
      {"{" T("a", "U8", "[4]", "0", "4") "}", 4, "a whole number is expected"},
      {"{" T("a", "U8", "1,1,1,1,1,1,1,1,1", "0", "1") "}", 1, "more than 8 axes"},
      {"{" T("a", "U8", "4", "0", "4,4") "}", 4, "']' expected"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", 4, "',' expected"},
      {"{" T("a", "U8", "4", "0", "4") ",}", 4, "'\"' expected"},
      {"{" T("a", "U8", "4", "0", "4"), 4, "header ends where '}' is expected"},
      {"{\"a\":{\"dtype\":\"U8\"", 4, "header ends where '}' is expected"},
      {"{\"a", 0, "text without closing quote"},
      {"{\"a\\", 0, "header ends inside an escape"},
      {"{\"\\u12", 0, "header ends inside an escape"},
      {"{\"\\x41\"", 0, "unknown escape"},
      {"{\"\\u00g0\"", 0, "no hexadecimal digit"},
      {"{\"\\u0000\":1}", 0, "the character NUL"},
      {"{\"\\ud800\":1}", 0, "half of a surrogate pair"},
      {"{\"\\ud800\\u0041\":1}", 0, "half of a surrogate pair"},
      {"{\"\\udc00\":1}", 0, "half of a surrogate pair"},
      {"{\"\xff\":1}", 0, "byte 0xff inside a text"},
      {"{\"\xc0\x80\":1}", 0, "byte 0xc0 inside a text"},
      {"{\"\xed\xa0\x80\":1}", 0, "byte 0xed inside a text"},
      {"{\"\xf4\x90\x80\x80\":1}", 0, "byte 0xf4 inside a text"},
      {"{\"\xe2\x82", 0, "byte 0xe2 inside a text"},
      {"{\"a\tb\":1}", 0, "byte 0x09 inside a text"},
      {"{\"\x1b[31m\":1}", 0, "byte 0x1b inside a text"},
      {"{\"\\u001b[31m\":{\"dtype\":\"\"}}", 0, "tensor '\\x1b[31m' has unknown type"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "two entries '__metadata__'"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "'\"' expected"},
      {"{\"__metadata__\":[]}", 0, "'{' expected"},
      {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "metadata 'a' stands twice"},
      {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "'\"' expected"},
      {"{" T("abcd", "F32", "1", "0", "4") "}", 4, "not aligned to its element size"},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) check_bad(row[i].header, row[i].data, row[i].why);
}
END_TEST

START_TEST(length_field) {
  static const struct {
    unsigned char byte[8];
    size_t n;
    const char *why;
  } row[] = {
      {{0}, 0, "0 bytes, a safetensors file has at least 8"},
      {{0}, 7, "7 bytes, a safetensors file has at least 8"},
      {{0}, 8, "does not begin with '{'"},
      {{1}, 8, "header of 1 bytes, the file has 0 after its length"},
      {{0, 0xe1, 0xf5, 5}, 8, "header of 100000000 bytes, the file has 0"},
      {{1, 0xe1, 0xf5, 5}, 8, "header of 100000001 bytes, at most 100000000 are accepted"},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, "at most 100000000 are accepted"},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    Room room = {0};
    SafeFile f;
    SafeError err;
    char *p = malloc(row[i].n ? row[i].n : 1);
    memcpy(p, row[i].byte, row[i].n);
    ck_assert_int_eq(parse((Bytes){p, row[i].n}, &room, &f, &err), SAFE_BAD);
    if (!strstr(err.what, row[i].why)) ck_abort_msg("got \"%s\", expected \"%s\"", err.what, row[i].why);
    free(p);
    room_free(&room);
  }
}
END_TEST

static SafeText text(const char *z) { return (SafeText){z, strlen(z)}; }

/* A file with several types, a scalar, an empty tensor, metadata and names that need escapes. */
static Bytes good_file(void) {
  SafeTensor t[] = {
      {.name = text("net.b"), .dtype = SAFE_F32, .rank = 1, .dim = {3}},
      {.name = text("net.w"), .dtype = SAFE_F32, .rank = 2, .dim = {2, 3}},
      {.name = text("seen"), .dtype = SAFE_BOOL, .rank = 1, .dim = {5}},
      {.name = text("count"), .dtype = SAFE_I64},
      {.name = text("none"), .dtype = SAFE_F64, .rank = 2, .dim = {0, 7}},
      {.name = text("a \"quoted\" \\ \xc3\xa9\n"), .dtype = SAFE_I32, .rank = 1, .dim = {2}},
  };
  static const SafeMeta meta[] = {{{"step", 4}, {"12", 2}}, {{"note", 4}, {"tab\there", 8}}};
  size_t n = sizeof t / sizeof t[0];
  ck_assert(safe_layout(t, n));
  Bytes b = {0};
  ck_assert(safe_write_header(t, n, meta, 2, (SafeSink){bytes_put, &b}));
  ck_assert_uint_eq(b.n % 8, 0);
  for (uint64_t i = 0; i < t[n - 1].hi; i++) bytes_put(&b, &(char){(char)i}, 1);
  b.p = realloc(b.p, b.n);
  return b;
}

/* The tensor of that name, or NULL. */
static const SafeTensor *find(const SafeFile *f, SafeText name) {
  for (size_t i = 0; i < f->tensors; i++)
    if (safe_text_eq(f->tensor[i].name, name)) return &f->tensor[i];
  return NULL;
}

START_TEST(round_trip) {
  Room room = {0};
  SafeFile f;
  SafeError err;
  Bytes b = good_file(), again = {0};
  ck_assert_msg(parse(b, &room, &f, &err) == SAFE_OK, "%s", err.what);
  ck_assert_uint_eq(f.tensors, 6);
  ck_assert_uint_eq(f.metas, 2);
  ck_assert(safe_text_eq(f.meta[1].value, text("tab\there")));
  const SafeTensor *w = find(&f, text("net.w"));
  ck_assert_ptr_nonnull(w);
  ck_assert_int_eq(w->dtype, SAFE_F32);
  ck_assert_uint_eq(w->rank, 2);
  ck_assert_uint_eq(w->dim[0], 2);
  ck_assert_uint_eq(w->dim[1], 3);
  ck_assert_uint_eq(w->hi - w->lo, 24);
  ck_assert_ptr_nonnull(find(&f, text("a \"quoted\" \\ \xc3\xa9\n")));
  ck_assert_ptr_null(find(&f, text("net")));
  ck_assert_uint_eq(find(&f, text("none"))->hi, find(&f, text("none"))->lo);
  /* What was read writes back to the same bytes. */
  ck_assert(safe_layout(f.tensor, f.tensors));
  ck_assert(safe_write_header(f.tensor, f.tensors, f.meta, f.metas, (SafeSink){bytes_put, &again}));
  ck_assert_uint_eq(again.n, b.n - f.data_bytes);
  ck_assert_mem_eq(again.p, b.p, again.n);
  free(again.p);
  free(b.p);
  room_free(&room);
}
END_TEST

/* The reference implementation's own smallest example, spaces between tokens, other types, an empty file of
 * tensors. */
START_TEST(foreign_files) {
  static const struct {
    const char *header;
    size_t data, tensors;
  } row[] = {
      {"{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16, 1},
      {"{ \"t\" : { \"shape\" : [ 2 , 2 ] ,\n \"data_offsets\":[ 0,\t8 ], \"dtype\":\"BF16\" } }  ", 8, 1},
      {"{}", 0, 0},
      {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0},
      {"{\"\\ud83d\\ude00\\u00e9\\/\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, 1},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    Room room = {0};
    SafeFile f;
    SafeError err;
    Bytes b = file_of(row[i].header, row[i].data);
    ck_assert_msg(parse(b, &room, &f, &err) == SAFE_OK, "%s: %s", row[i].header, err.what);
    ck_assert_uint_eq(f.tensors, row[i].tensors);
    if (i == 4) ck_assert(safe_text_eq(f.tensor[0].name, text("\xf0\x9f\x98\x80\xc3\xa9/")));
    free(b.p);
    room_free(&room);
  }
}
END_TEST

/* No prefix of a good file is a good file, and none is read past its end (blocks of exact size,
 * AddressSanitizer). */
START_TEST(truncation) {
  Bytes b = good_file();
  for (size_t n = 0; n < b.n; n++) {
    Room room = {0};
    SafeFile f;
    SafeError err;
    char *p = malloc(n ? n : 1);
    memcpy(p, b.p, n);
    if (parse((Bytes){p, n}, &room, &f, &err) != SAFE_BAD) ck_abort_msg("prefix of %zu bytes accepted", n);
    free(p);
    room_free(&room);
  }
  free(b.p);
}
END_TEST

/* Whatever byte is changed to whatever value: accepted or refused, and what is accepted lies inside the file.
 */
START_TEST(single_byte_changes) {
  Bytes b = good_file();
  char *p = malloc(b.n);
  for (size_t i = 0; i < b.n - 71; i++)
    for (int v = 0; v < 256; v += v < 128 ? 1 : 17) {
      Room room = {0};
      SafeFile f;
      SafeError err;
      memcpy(p, b.p, b.n);
      p[i] = (char)v;
      SafeResult r = parse((Bytes){p, b.n}, &room, &f, &err);
      if (r == SAFE_OK)
        for (size_t k = 0; k < f.tensors; k++)
          if (f.tensor[k].lo > f.tensor[k].hi || f.tensor[k].hi > f.data_bytes)
            ck_abort_msg("byte %zu = %d", i, v);
      room_free(&room);
    }
  free(p);
  free(b.p);
}
END_TEST

/* 20,000 files with a few changes each, lengths included: accepted with tensors inside the file, or refused
 * with a reason. */
static uint32_t dice(uint32_t *x) { return *x = *x * 1664525 + 1013904223, *x >> 8; }
START_TEST(mutations) {
  Bytes good = good_file();
  uint32_t x = 4711;
  int accepted = 0;
  for (int k = 0; k < 20000; k++) {
    size_t n = good.n;
    char *p = malloc(n + 8);
    memcpy(p, good.p, n);
    for (uint32_t c = 1 + dice(&x) % 3; c > 0 && n > 0; c--) {
      size_t at = dice(&x) % n;
      switch (dice(&x) % 6) {
      case 0: n = dice(&x) % 4 ? n - 1 : at; break;
      case 1: p[at] = (char)dice(&x); break;
      case 2: p[dice(&x) % 8 % n] ^= (char)(1 << dice(&x) % 8); break;
      case 3: p[at] = "\"{}[]:, 0918\\u"[dice(&x) % 15]; break;
      case 4:
        memmove(p + at, p + at + 1, n - at - 1), n--;
        break; /* shorter inside: the length no longer fits */
      case 5:
        if (n < good.n + 8) p[n++] = (char)dice(&x);
        break;
      }
    }
    p = realloc(p, n ? n : 1);
    Room room = {0};
    SafeFile f;
    SafeError err;
    SafeResult r = parse((Bytes){p, n}, &room, &f, &err);
    if (r == SAFE_NO_MEMORY || (r == SAFE_BAD && (!err.what[0] || err.at > n))) ck_abort_msg("round %d", k);
    for (size_t i = 0; r == SAFE_OK && i < f.tensors; i++)
      if (f.tensor[i].lo > f.tensor[i].hi || f.tensor[i].hi > f.data_bytes)
        ck_abort_msg("round %d, tensor %zu", k, i);
    accepted += r == SAFE_OK;
    room_free(&room);
    free(p);
  }
  ck_assert(accepted > 100 && accepted < 19900);
  free(good.p);
}
END_TEST

START_TEST(out_of_memory) {
  Bytes b = good_file();
  for (size_t fail_at = 1;; fail_at++) {
    Room room = {.fail_at = fail_at};
    SafeFile f;
    SafeError err;
    SafeResult r = parse(b, &room, &f, &err);
    size_t calls = room.calls;
    room_free(&room);
    if (calls < fail_at) {
      ck_assert_int_eq(r, SAFE_OK);
      ck_assert_uint_gt(fail_at, 3);
      break;
    }
    ck_assert_int_eq(r, SAFE_NO_MEMORY);
  }
  free(b.p);
}
END_TEST

START_TEST(layout_refuses) {
  SafeTensor same[] = {{.name = text("a")}, {.name = text("a")}};
  ck_assert(!safe_layout(same, 2));
  SafeTensor deep = {.name = text("a"), .rank = SAFE_MAX_RANK + 1};
  ck_assert(!safe_layout(&deep, 1));
  SafeTensor vast = {
      .name = text("a"), .dtype = SAFE_F32, .rank = 2, .dim = {UINT64_C(1) << 40, UINT64_C(1) << 40}};
  ck_assert(!safe_layout(&vast, 1));
  SafeTensor two[] = {{.name = text("a"), .dtype = SAFE_U8, .rank = 1, .dim = {UINT64_C(1) << 63}},
                      {.name = text("b"), .dtype = SAFE_U8, .rank = 1, .dim = {UINT64_C(1) << 63}}};
  ck_assert(!safe_layout(two, 2));
}
END_TEST

/* 10^5 tensors: names are compared by sorting, so the time does not grow with the square. */
START_TEST(many_tensors) {
  enum { N = 100000, ROW = 80 };
  Room room = {0};
  SafeFile f;
  SafeError err;
  char *header = malloc((size_t)N * ROW), *at = header;
  at += sprintf(at, "{");
  for (int i = 0; i < N; i++)
    at += sprintf(at, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%d,%d]}", i ? "," : "",
                  N - i, i, i + 1);
  sprintf(at, "}");
  Bytes b = file_of(header, N);
  ck_assert_msg(parse(b, &room, &f, &err) == SAFE_OK, "%s", err.what);
  ck_assert_uint_eq(f.tensors, N);
  ck_assert(safe_text_eq(f.tensor[0].name, text("t100000")));
  free(header);
  free(b.p);
  room_free(&room);
}
END_TEST

START_TEST(xxh64_known_answers) {
  static const struct {
    const char *z;
    uint64_t sum;
  } row[] = {
      {"", 0xef46db3751d8e999},
      {"a", 0xd24ec4f1a98c6e5b},
      {"abc", 0x44bc2cf5ad770999},
      {"Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    size_t n = strlen(row[i].z);
    for (size_t cut = 0; cut <= n; cut++) { /* in two pieces, cut everywhere */
      Sum s;
      sum_init(&s);
      sum_add(&s, row[i].z, cut);
      sum_add(&s, row[i].z + cut, n - cut);
      ck_assert_uint_eq(sum_value(&s), row[i].sum);
    }
  }
}
END_TEST

UNIT_MAIN(UNIT("safetensors", faults, length_field, round_trip, foreign_files, truncation,
               single_byte_changes, mutations, out_of_memory, layout_refuses, many_tensors),
          UNIT("sum", xxh64_known_answers))
