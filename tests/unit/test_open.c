/* Opening data files under bounds: what is not wanted, or is too much, is refused by its head; one tensor of
 * a safetensors file; values looked at in the order of the file. */
#include "folder_kit.h"
#include "runtime/host/readers.h"

#include <math.h>
#include <zlib.h>

static HostError err;

static DataOpen plain(void) { return (DataOpen){.limit = {1 << 30, 100, 1 << 16}, .type = DATA_F32}; }

static bool open_bytes(const char *name, Str bytes, DataOpen how, DataSource *out) {
  return data_open(&arena, put(name, bytes), &how, out, &err);
}

/* Refused with that reason, and without taking much memory beside the bytes themselves. */
static void refused(const char *name, Str bytes, DataOpen how, Status st, const char *why) {
  DataSource s;
  Str path = put(name, bytes);
  size_t before = mem.peak;
  bool ok = data_open(&arena, path, &how, &s, &err);
  if (ok || err.status != st || !strstr(err.what, why))
    ck_abort_msg("%s: got %d \"%s\", expected %d \"%s\"", name, ok ? 0 : (int)err.status, ok ? "" : err.what,
                 (int)st, why);
  ck_assert_uint_lt(mem.peak, before + bytes.n + (8 << 20));
}

/* `head`, then n bytes of `fill`, packed without ever being in memory. */
static Str packed(Str head, char fill, size_t n) {
  static char room[1 << 22], piece[1 << 16];
  z_stream z = {.next_out = (Bytef *)room, .avail_out = sizeof room};
  ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (Bytef *)(uintptr_t)head.p, z.avail_in = (uInt)head.n;
  ck_assert_int_eq(deflate(&z, Z_NO_FLUSH), Z_OK);
  memset(piece, fill, sizeof piece);
  for (size_t at = 0; at < n; at += sizeof piece) {
    z.next_in = (Bytef *)piece, z.avail_in = n - at < sizeof piece ? (uInt)(n - at) : sizeof piece;
    ck_assert_int_eq(deflate(&z, Z_NO_FLUSH), Z_OK);
  }
  ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
  size_t made = sizeof room - z.avail_out;
  ck_assert_int_eq(deflateEnd(&z), Z_OK);
  return str_copy(&arena, (Str){room, made});
}

enum { MIB = 1 << 20 };
#define IDX1 "\0\0\x08\2\0\0\0\4\0\0\0\1" /* 4 rows of 1 */

/* A .gz stops at what its head needs, or at the limit; 256 MiB stand in for any number. */
START_TEST(gzip_bounds) {
  begin();
  Str zeros = packed(STR(""), 0, 256 * MIB);
  refused("x.idx.gz", zeros, plain(), ST_BAD_DATA, "magic 00 00 08 expected");
  refused("x.npy.gz", zeros, plain(), ST_BAD_DATA, "not an npy file");
  refused("x.safetensors.gz", zeros, plain(), ST_BAD_DATA, "not a safetensors file");
  refused("x.csv.gz", zeros, plain(), ST_LIMIT,
          "a record of more than the 65536 bytes that the limit 'line_bytes'");
  refused("x.gz", zeros, plain(), ST_BAD_DATA, "neither its name");
  refused("x.csv.gz", packed(STR("1\n"), '\n', 256 * MIB), plain(), ST_LIMIT,
          "the limit 'unpack_ratio' allows 100");
  refused("x.idx.gz", packed(STR(IDX1 "abcd"), 0, 256 * MIB), plain(), ST_BAD_DATA,
          "bytes behind the data: 16 bytes expected by its header, found more");
  refused("x.idx.gz", packed(STR("\0\0\x08\1\x10\0\0\0"), 0, 256 * MIB), plain(), ST_LIMIT,
          "the limit 'unpack_ratio' allows 100");
  refused("x.idx.gz", packed(STR(IDX1 "ab"), 0, 0), plain(), ST_BAD_DATA,
          "truncated: 16 bytes expected by its header, found 14");
  /* What another input would need is not unpacked: the message comes from the head. */
  DataOpen how = plain();
  how.want = &(DataWant){STR("x"), false, 1, (int64_t[]){7}};
  refused("x.idx.gz", packed(STR("\0\0\x08\2\x10\0\0\0\0\0\0\1"), 0, 256 * MIB), how, ST_BAD_DATA,
          "rows of 7 numbers [7] expected by input 'x', found 1 [1]");
  how.limit.unpack_ratio = 2000; /* asked for, it is read */
  how.want = NULL;
  DataSource s;
  ck_assert_msg(open_bytes("x.idx.gz", packed(STR("\0\0\x08\1\4\x80\0\0"), 0, 72 * MIB), how, &s), "%s",
                err.what);
  ck_assert_int_eq(s.dim[0], 72 * MIB);
  end();
}
END_TEST

/* The ratio at -1, 0 and +1 beyond what is free, and below it. */
START_TEST(ratio_limit) {
  DataLimits l = {1 << 30, 100, 1};
  ck_assert_uint_eq(unpack_most(1, &l), DATA_UNPACK_FREE);
  ck_assert_uint_eq(unpack_most(671088, &l), DATA_UNPACK_FREE);
  ck_assert_uint_eq(unpack_most(671089, &l), 67108900);
  ck_assert_uint_eq(unpack_most(SIZE_MAX / 2, &l), 1 << 30);
  l.data_bytes = 10;
  ck_assert_uint_eq(unpack_most(1, &l), 10);
}
END_TEST

static Str repeat(Str s, size_t n) {
  char *p = ARENA_ARRAY(&arena, char, s.n *n);
  for (size_t i = 0; i < n; i++) memcpy(p + i * s.n, s.p, s.n);
  return (Str){p, s.n * n};
}

static Str join(Str a, Str b) {
  char *p = ARENA_ARRAY(&arena, char, a.n + b.n);
  memcpy(p, a.p, a.n);
  memcpy(p + a.n, b.p, b.n);
  return (Str){p, a.n + b.n};
}

/* A record of a CSV file ends within line_bytes, the first, a later one, a quoted one. */
START_TEST(csv_bounds) {
  begin();
  DataSource s;
  const char *why = "a record of more than the 65536 bytes that the limit 'line_bytes' allows";
  Str field = repeat(STR("1,"), 16 * MIB / 2), one = STR("1\n");
  refused("x.csv", field, plain(), ST_LIMIT, why);
  refused("x.csv", repeat(STR("1"), 16 * MIB), plain(), ST_LIMIT, why);
  refused("x.csv", join(STR("\""), repeat(STR("\n"), 16 * MIB)), plain(), ST_LIMIT, why);
  refused("x.csv", join(one, repeat(STR("1,"), MIB)), plain(), ST_LIMIT, "x.csv:2: a record of more than");
  refused("x.csv", repeat(STR("\0"), 16 * MIB), plain(), ST_LIMIT, why);
  DataOpen how = plain();
  for (int d = -1; d <= 1; d++) { /* 8 bytes and a line end */
    how.limit.line_bytes = 9 + d;
    for (int second = 0; second < 2; second++) {
      Str text = second ? STR("1,2,3\n1,2,3456\n") : STR("1,2,3456\n1,2,3\n");
      if (d >= 0)
        ck_assert_msg(open_bytes("x.csv", text, how, &s), "%s", err.what);
      else
        refused("x.csv", text, how, ST_LIMIT, second ? "x.csv:2:" : "x.csv:1:");
    }
  }
  how = plain(); /* as many fields as the input takes, whatever stands in them */
  how.want = &(DataWant){STR("x"), false, 1, (int64_t[]){2}};
  refused("x.csv", STR("a,b,c\n"), how, ST_BAD_DATA,
          "rows of 2 numbers [2] expected by input 'x', found 3 [3]");
  how.part = &(Str){"c", 1}, how.parts = 1;
  refused("x.csv", STR("a,b,c\n1,2,3\n"), how, ST_BAD_DATA,
          "rows of 2 numbers [2] expected by input 'x', found 1");
  /* A first record longer than one look, within the limit. */
  how = plain(), how.limit.line_bytes = MIB;
  ck_assert_msg(open_bytes("x.csv", join(repeat(STR("1,"), 100000), one), how, &s), "%s", err.what);
  ck_assert_int_eq(s.dim[1], 100001);
  end();
}
END_TEST

/* ---- safetensors ---- */

static Str safetensors(const char *json, Str data) {
  size_t n = strlen(json), room = (n + 7) / 8 * 8;
  char *p = ARENA_ARRAY(&arena, char, 8 + room + data.n);
  for (int i = 0; i < 8; i++) p[i] = (char)(room >> 8 * i);
  memset(p + 8, ' ', room);
  memcpy(p + 8, json, n);
  memcpy(p + 8 + room, data.p, data.n);
  return (Str){p, 8 + room + data.n};
}

START_TEST(safetensors_good) {
  begin();
  DataSource s;
  float x[2];
  static const float f[] = {1, 2, 3, 4};
  Str data = {(const char *)f, sizeof f};
  Str one = safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", data);
  Str two = safetensors(
      "{\"__metadata__\":{\"a\":\"b\"},\"p\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"q\":{\"dtype\":\"I32\",\"shape\":[2,1],\"data_offsets\":[8,16]}}",
      data);
  ck_assert_msg(open_bytes("d.safetensors", one, plain(), &s), "%s",
                err.what); /* the only one needs no name */
  ck_assert(s.type == DATA_F32 && s.rank == 2 && s.dim[0] == 2 && s.dim[1] == 2);
  ck_assert(data_rows_gather(&s, (int64_t[]){1}, 1, x, DATA_F32, (DataRange){0}, &err));
  ck_assert(x[0] == 3 && x[1] == 4);
  DataOpen how = plain();
  how.part = &(Str){"q", 1}, how.parts = 1;
  ck_assert_msg(open_bytes("d.safetensors", two, how, &s), "%s", err.what);
  ck_assert(s.type == DATA_I32 && s.rank == 2 && !memcmp(s.rows, f + 2, 8));
  how = plain(); /* named as the input is */
  how.want = &(DataWant){STR("p"), false, 0, NULL};
  ck_assert_msg(open_bytes("d.safetensors", two, how, &s), "%s", err.what);
  ck_assert(s.type == DATA_F32 && s.rank == 1 && !memcmp(s.rows, f, 8));
  ck_assert_msg(open_bytes("d.safetensors.gz", packed(one, 0, 0), plain(), &s), "%s", err.what);
  end();
}
END_TEST

START_TEST(safetensors_faults) {
  begin();
  static const struct {
    const char *json, *why;
  } row[] = {
      {"{}", "0 tensors: name the one that is meant"},
      {"{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}",
       "tensor 'a': F32, F64, I32, I64, U8, I8 or BOOL expected, found F16"},
      {"{\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}",
       "tensor 'a': at least one axis expected, found a single number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"b\":{\"dtype\":\"F32\",\"shape\":["
       "2],"
       "\"data_offsets\":[0,8]}}",
       "2 tensors: name the one that is meant (tensor = \"..\"): it has a, b"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "byte "},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "byte "},
      {"[]", "'{' expected at byte 8, found '['"},
      {"{\"a\":", "byte "},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    refused("x.safetensors", safetensors(row[i].json, i ? STR("12345678") : STR("")), plain(), ST_BAD_DATA,
            row[i].why);
  Str good =
      safetensors("{\"weight\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", STR("12345678"));
  DataOpen how = plain();
  how.part = &(Str){"wieght", 6}, how.parts = 1;
  refused("x.safetensors", good, how, ST_BAD_DATA, "no tensor is named 'wieght'; did you mean 'weight'?");
  for (size_t n = 0; n < good.n; n++)
    refused("x.safetensors", (Str){good.p, n}, plain(), ST_BAD_DATA, "x.safetensors: ");
  refused("x.safetensors", STR("\0\0\0\x10\0\0\0\0{\"a\""), plain(), ST_BAD_DATA,
          "safetensors header of 268435456 bytes: at most 8388608 expected in data");
  refused("x.safetensors", STR("\xff\xff\xff\xff\xff\xff\xff\xff{\"a\""), plain(), ST_BAD_DATA,
          "at most 8388608");
  how.part = (Str[]){{"a", 1}, {"b", 1}}, how.parts = 2;
  refused("x.safetensors", good, how, ST_USAGE, "one tensor feeds an input, not 2");
  how.parts = 1;
  refused("x.idx", STR(IDX1 "abcd"), how, ST_USAGE,
          "of csv, safetensors and tokens files alone, this is idx");
  end();
}
END_TEST

/* ---- values in the order of the file ---- */

static bool check_csv(const char *text, DataType read, DataType t, DataRange r) {
  DataSource s;
  DataOpen how = plain();
  how.type = read;
  ck_assert_msg(open_bytes("x.csv", str_z(text), how, &s), "%s", err.what);
  return data_check(&arena, &s, t, r, &err);
}

START_TEST(values_checked) {
  begin();
  DataRange ten = {.kind = RANGE_INT, .lo = 0, .hi = 10}, unit = {.kind = RANGE_CLOSED, .from = 0, .to = 1};
  ck_assert(check_csv("1,2\n9,0\n", DATA_I32, DATA_I32, ten));
  ck_assert(!check_csv("a,b\n1,2\n3,4\n5,10\n-1,0\n", DATA_I32, DATA_I32, ten));
  ck_assert_ptr_nonnull(strstr(err.what, "x.csv:4: column 2 'b': 10 is outside the declared range 0:10"));
  ck_assert(!check_csv("1,2\n3,-4\n", DATA_I32, DATA_I32, ten));
  ck_assert_ptr_nonnull(strstr(err.what, "x.csv:2: column 2: -4 is outside"));
  ck_assert(!check_csv("\"a\nb\"\n1\n\"2\"\n30\n", DATA_F32, DATA_F32, unit));
  ck_assert_ptr_nonnull(
      strstr(err.what, "x.csv:4: column 1 'a\\x0ab': 2 is outside the declared range [0, 1]"));
  ck_assert(!check_csv("0\n2\n", DATA_I32, DATA_BOOL, (DataRange){0}));
  ck_assert_ptr_nonnull(strstr(err.what, "x.csv:2: column 1: 2 is no value of type bool"));
  /* Beyond the first block, in a row that begins in the one before. */
  enum { ROWS = 3000, ROW = 3 };
  static float f[ROWS * ROW];
  DataSource s = {.name = STR("d"),
                  .type = DATA_F32,
                  .rank = 2,
                  .dim = {ROWS, ROW},
                  .row_elements = ROW,
                  .row_bytes = ROW * sizeof(float),
                  .rows = (const char *)f};
  ck_assert(data_check(&arena, &s, DATA_F32, unit, &err));
  for (int at = 0; at < ROWS * ROW; at += at < 4090 || at > 4100 ? 97 : 1) {
    char want[80];
    f[at] = NAN;
    if (at + 500 < ROWS * ROW) f[at + 500] = INFINITY; /* a later one is not the one that is named */
    ck_assert(!data_check(&arena, &s, DATA_F32, unit, &err));
    snprintf(want, sizeof want, "d: row %d (counted from 0), element %d: nan is not finite", at / ROW,
             at % ROW);
    ck_assert_str_eq(err.what, want);
    f[at] = 0;
    if (at + 500 < ROWS * ROW) f[at + 500] = 0;
  }
  /* Bytes that cannot be wrong are not looked at: there are none here. */
  DataSource bytes = {
      .name = STR("d"), .type = DATA_U8, .rank = 1, .dim = {1 << 30}, .row_elements = 1, .row_bytes = 1};
  ck_assert(
      data_check(&arena, &bytes, DATA_F32, (DataRange){.kind = RANGE_CLOSED, .from = 0, .to = 255}, &err));
  ck_assert(data_check(&arena, &bytes, DATA_I32, (DataRange){.kind = RANGE_INT, .lo = 0, .hi = 256}, &err));
  end();
}
END_TEST

UNIT_MAIN(UNIT("bounds", gzip_bounds, ratio_limit, csv_bounds),
          UNIT("safetensors", safetensors_good, safetensors_faults), UNIT("values", values_checked))
