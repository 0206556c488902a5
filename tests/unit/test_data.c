/* Readers of data files: a good file of each format, one row per fault, every prefix; gzip with each fault
 * and the limit at -1, 0, +1; changed bytes; out of memory at every allocation. */
#include "folder_kit.h"
#include "runtime/host/readers.h"

#include <libdeflate.h>
#include <locale.h>
#include <math.h>

static HostError err;

static DataOpen plain(void) { return (DataOpen){.limit = {1 << 24, 100, 1 << 16}, .type = DATA_F32}; }

static bool open_bytes(const char *name, Str bytes, DataOpen how, DataSource *out) {
  return data_open(&arena, put(name, bytes), &how, out, &err);
}

static void refused(const char *name, Str bytes, DataOpen how, Status st, const char *why) {
  DataSource s;
  bool ok = open_bytes(name, bytes, how, &s);
  if (ok || err.status != st || !strstr(err.what, why))
    ck_abort_msg("%s: got %d \"%s\", expected %d \"%s\"", name, ok ? 0 : (int)err.status, ok ? "" : err.what,
                 (int)st, why);
}

static Str gzip(Str bytes) {
  struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
  size_t room = libdeflate_gzip_compress_bound(c, bytes.n);
  char *p = ARENA_ARRAY(&arena, char, room);
  size_t n = libdeflate_gzip_compress(c, bytes.p, bytes.n, p, room);
  libdeflate_free_compressor(c);
  ck_assert_uint_gt(n, 0);
  return (Str){p, n};
}

static Str join(Str a, Str b) {
  char *p = ARENA_ARRAY(&arena, char, a.n + b.n);
  memcpy(p, a.p, a.n);
  memcpy(p + a.n, b.p, b.n);
  return (Str){p, a.n + b.n};
}

/* ---- IDX ---- */

#define IDX2 "\0\0\x08\x02\0\0\0\x03\0\0\0\x02"

START_TEST(idx_good) {
  begin();
  DataSource s;
  ck_assert(open_bytes("a-idx2-ubyte", STR(IDX2 "\1\2\3\4\5\xff"), plain(), &s));
  ck_assert_int_eq(s.type, DATA_U8);
  ck_assert_uint_eq(s.rank, 2);
  ck_assert_int_eq(s.dim[0], 3);
  ck_assert_int_eq(s.dim[1], 2);
  float x[2];
  int32_t y[2];
  int64_t last = 2;
  ck_assert(data_rows_gather(&s, &last, 1, x, DATA_F32, (DataRange){0}, &err));
  ck_assert(x[0] == 5 && x[1] == 255);
  ck_assert(data_rows_gather(&s, &last, 1, y, DATA_I32, (DataRange){0}, &err));
  ck_assert(y[0] == 5 && y[1] == 255);
  /* By content when the name says nothing, by request whatever the name, packed by name and by content. */
  ck_assert(open_bytes("labels", STR(IDX2 "abcdef"), plain(), &s));
  DataOpen how = plain();
  how.format = DATA_IDX;
  ck_assert(open_bytes("x.csv", STR(IDX2 "abcdef"), how, &s));
  ck_assert(open_bytes("a-idx2-ubyte.gz", gzip(STR(IDX2 "abcdef")), plain(), &s));
  ck_assert(open_bytes("b-idx2-ubyte", gzip(STR(IDX2 "abcdef")), plain(), &s));
  ck_assert_mem_eq(s.rows, "abcdef", 6);
  end();
}
END_TEST

START_TEST(idx_faults) {
  begin();
  static const struct {
    Str bytes;
    const char *why;
  } row[] = {
      {{"", 0}, "at least 4 bytes expected, found 0"},
      {{"\0\0\x08", 3}, "at least 4 bytes expected, found 3"},
      {{"\1\0\x08\1\0\0\0\1a", 9}, "magic 00 00 08 expected, found 01 00 08"},
      {{"\0\1\x08\1\0\0\0\1a", 9}, "magic 00 00 08 expected, found 00 01 08"},
      {{"\0\0\x07\1\0\0\0\1a", 9}, "magic 00 00 08 expected, found 00 00 07"},
      {{"\0\0\x0d\1\0\0\0\1abcd", 12}, "unsigned byte (08) expected, found 32-bit float (0d)"},
      {{"\0\0\x08\0", 4}, "1 to 8 axes expected, found 0"},
      {{"\0\0\x08\x09", 4}, "1 to 8 axes expected, found 9"},
      {{"\0\0\x08\2\0\0\0\1", 8}, "IDX header of 12 bytes expected, found 8"},
      {{"\0\0\x08\1\0\0\0\2a", 9}, "truncated: 10 bytes expected by its header, found 9"},
      {{"\0\0\x08\1\0\0\0\2abc", 11}, "bytes behind the data: 10 bytes expected by its header, found 11"},
      {{"\0\0\x08\1\0\0\0\0", 8}, "at least one row expected, found none"},
      {{"\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16}, "overflows"},
      {{"\0\0\x08\3\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16}, "at least one row"},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    refused("x.idx", row[i].bytes, plain(), ST_BAD_DATA, row[i].why);
  end();
}
END_TEST

/* ---- npy ---- */

/* A version 1 file with that dictionary, padded as NumPy does. */
static Str npy(const char *dictionary, Str data) {
  size_t n = strlen(dictionary), head = (10 + n + 1 + 63) / 64 * 64;
  char *p = ARENA_ARRAY(&arena, char, head + data.n);
  memcpy(p, "\x93NUMPY\1\0", 8);
  p[8] = (char)(head - 10);
  p[9] = (char)((head - 10) >> 8);
  memset(p + 10, ' ', head - 10);
  memcpy(p + 10, dictionary, n);
  p[head - 1] = '\n';
  memcpy(p + head, data.p, data.n);
  return (Str){p, head + data.n};
}
#define NPY(descr, order, shape) "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

START_TEST(npy_good) {
  begin();
  DataSource s;
  static const float f4[] = {1, -2, 3.5f, 4, 5, 6};
  ck_assert(open_bytes("x.npy", npy(NPY("<f4", "False", "(3, 2)"), (Str){(const char *)f4, sizeof f4}),
                       plain(), &s));
  ck_assert(s.type == DATA_F32 && s.rank == 2 && s.dim[0] == 3 && s.dim[1] == 2);
  float x[4];
  ck_assert(data_rows_gather(&s, (int64_t[]){2, 0}, 2, x, DATA_F32, (DataRange){0}, &err));
  ck_assert(x[0] == 5 && x[1] == 6 && x[2] == 1 && x[3] == -2);
  static const struct {
    const char *head;
    size_t bytes;
    DataType type;
  } row[] = {
      {NPY("<f8", "False", "(3,)"), 24, DATA_F64},
      {NPY("<i4", "False", "(3,)"), 12, DATA_I32},
      {NPY("<i8", "False", "(1, 3)"), 24, DATA_I64},
      {NPY("|u1", "False", "(3, 1, 1)"), 3, DATA_U8},
      {NPY("|i1", "False", "(3,)"), 3, DATA_I8},
      {NPY("|b1", "False", "(3,)"), 3, DATA_BOOL},
      {"{\"shape\":(3,),\"descr\":\"|u1\",\"fortran_order\":False}", 3, DATA_U8},
      {NPY("|u1", "False", "(3, 1,)"), 3, DATA_U8},
      {NPY("|u1", "False", "(3, 0)"), 0, DATA_U8},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    char zero[24] = {0};
    if (!open_bytes("y.npy", npy(row[i].head, (Str){zero, row[i].bytes}), plain(), &s))
      ck_abort_msg("%s: %s", row[i].head, err.what);
    ck_assert_int_eq(s.type, row[i].type);
  }
  /* Versions 2 and 3 have a longer length field. */
  Str v2 = npy(NPY("|u1", "False", "(2,)"), STR("ab"));
  for (char version = 2; version < 4; version++) {
    char *p = ARENA_ARRAY(&arena, char, v2.n + 2);
    memcpy(p, v2.p, 8);
    p[6] = version;
    p[8] = v2.p[8], p[9] = v2.p[9], p[10] = 0, p[11] = 0;
    memcpy(p + 12, v2.p + 10, v2.n - 10);
    ck_assert_msg(open_bytes("v.npy", (Str){p, v2.n + 2}, plain(), &s), "%s", err.what);
    ck_assert_mem_eq(s.rows, "ab", 2);
  }
  end();
}
END_TEST

START_TEST(npy_faults) {
  begin();
  static const struct {
    const char *head, *why;
  } row[] = {
      {NPY("<f4", "True", "(2,)"), "C order expected, found Fortran order"},
      {NPY(">f4", "False", "(2,)"), "little-endian order expected, found '>f4'"},
      {NPY("<f2", "False", "(2,)"), "expected, found '<f2'"},
      {NPY("|O", "False", "(2,)"), "expected, found '|O'"},
      {NPY("<U7", "False", "(2,)"), "expected, found '<U7'"},
      {NPY("", "False", "(2,)"), "expected, found ''"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "records"},
      {NPY("<f4", "False", "()"), "at least one axis expected, found a single number"},
      {NPY("<f4", "False", "(0,)"), "bytes behind the data"},
      {NPY("<f4", "False", "(1,)"), "bytes behind the data: 132 bytes expected by its header, found 136"},
      {NPY("<f4", "False", "(3,)"), "truncated: 140 bytes expected by its header, found 136"},
      {NPY("<f4", "False", "(2)"), "',' expected"},
      {NPY("<f4", "False", "(2 )"), "',' expected"},
      {NPY("<f4", "False", "(2L,)"), "',' or ')' expected, found 'L,)"},
      {NPY("<f4", "False", "(-2,)"), "an extent expected, found '-2,)"},
      {NPY("<f4", "False", "(2.0,)"), "',' or ')' expected"},
      {NPY("<f4", "False", "(,)"), "an extent expected"},
      {NPY("<f4", "False", "2"), "'(' expected"},
      {NPY("<f4", "False", "(9223372036854775808,)"), "63 bits"},
      {NPY("<f4", "False", "(9223372036854775807,)"), "overflows"},
      {NPY("<f4", "False", "(4294967296, 4294967296)"), "overflows"},
      {NPY("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "at most 8 axes"},
      {NPY("<f4", "0", "(2,)"), "True or False expected"},
      {"{'descr': '<f4', 'fortran_order': False, }", "'descr', 'fortran_order' and 'shape' expected"},
      {"{'descr': '<f4', 'descr': '<f4', }", "one each of"},
      {"{'descr': '<f4', 'strides': (1,), }", "one each of"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", "a quoted text expected"},
      {"{'descr': '<f4", "a closed text expected"},
      {"{'descr' '<f4'", "':' expected"},
      {"{'descr': '<f4' 'shape'", "',' or '}' expected"},
      {"{'descr': 4}", "a quoted text expected"},
      {"[]", "'{' expected"},
      {"", "'{' expected"},
      {NPY("<f4", "False", "(2,)") "x", "a line end expected"},
      {NPY("<f4", "False", "(2,)") "\n", "a line end expected"},
      {NPY("<f4\\x27", "False", "(2,)"), "expected, found '<f4\\x5cx27'"},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    refused("x.npy", npy(row[i].head, STR("12345678")), plain(), ST_BAD_DATA, row[i].why);
  refused("x.npy", STR(""), plain(), ST_BAD_DATA, "magic '\\x93NUMPY' expected, found ''");
  refused("x.npy", STR("PK\3\4zip file"), plain(), ST_BAD_DATA, "found 'PK\\x03\\x04zi'");
  refused("x.npy", STR("\x93NUMPY\4\0\1\0{"), plain(), ST_BAD_DATA,
          "version 1.0, 2.0 or 3.0 expected, found 4.0");
  refused("x.npy", STR("\x93NUMPY\1\1\1\0{"), plain(), ST_BAD_DATA, "found 1.1");
  refused("x.npy", STR("\x93NUMPY\1\0\1"), plain(), ST_BAD_DATA, "at least 10 bytes expected, found 9");
  refused("x.npy", STR("\x93NUMPY\2\0\1\0\0"), plain(), ST_BAD_DATA, "at least 12 bytes expected, found 11");
  refused("x.npy", STR("\x93NUMPY\1\0\xff\xff{"), plain(), ST_BAD_DATA,
          "npy header of 65545 bytes expected, found 11");
  refused("x.npy", STR("\x93NUMPY\2\0\xff\xff\xff\xff{"), plain(), ST_BAD_DATA,
          "npy header of 4294967307 bytes expected, found 13");
  refused("x.npy", npy(NPY("|u1", "False", "(0, 3)"), STR("")), plain(), ST_BAD_DATA,
          "at least one row expected");
  Str whole = npy(NPY("<f4", "False", "(2,)"), STR("12345678"));
  for (size_t n = 0; n < whole.n; n++) refused("x.npy", (Str){whole.p, n}, plain(), ST_BAD_DATA, "expected");
  end();
}
END_TEST

/* Short rows are converted side by side: the right ones, in their order, and the one at fault is named. */
START_TEST(short_rows) {
  begin();
  DataSource s;
  double v[40][3];
  for (int i = 0; i < 40; i++)
    for (int k = 0; k < 3; k++) v[i][k] = 3 * i + k;
  v[7][1] = 1e300;
  ck_assert(open_bytes("x.npy", npy(NPY("<f8", "False", "(40, 3)"), (Str){(const char *)v, sizeof v}),
                       plain(), &s));
  int64_t row[300];
  float x[300][3];
  for (int i = 0; i < 300; i++) row[i] = i * 11 % 40 == 7 ? 0 : i * 11 % 40;
  for (int n = 1; n <= 300; n += 23) { /* some are more than are laid side by side */
    ck_assert(data_rows_gather(&s, row, n, x, DATA_F32, (DataRange){0}, &err));
    for (int i = 0; i < n; i++)
      for (int k = 0; k < 3; k++) ck_assert(x[i][k] == (float)v[row[i]][k]);
  }
  row[9] = 7;
  ck_assert(!data_rows_gather(&s, row, 20, x, DATA_F32, (DataRange){0}, &err));
  ck_assert_msg(strstr(err.what, "row 7") && strstr(err.what, "1e+300"), "%s", err.what);
  row[9] = 40;
  ck_assert(!data_rows_gather(&s, row, 20, x, DATA_F32, (DataRange){0}, &err));
  ck_assert_msg(strstr(err.what, "row 40"), "%s", err.what);
  end();
}
END_TEST

static double number_at(const void *p, DataType t, int64_t i) {
  if (t == DATA_F32) return (double)((const float *)p)[i];
  if (t == DATA_F64) return ((const double *)p)[i];
  if (t == DATA_I64) return (double)((const int64_t *)p)[i];
  return ((const int32_t *)p)[i]; /* bools, too */
}

/* What is written of one row lies behind the row before, whatever an element takes there. */
START_TEST(short_rows_of_any_type) {
  begin();
  static const DataType to[] = {DATA_F32, DATA_F64, DATA_I32, DATA_I64, DATA_BOOL};
  DataSource s;
  char v[40][3];
  for (int i = 0; i < 40; i++)
    for (int k = 0; k < 3; k++) v[i][k] = (char)(i * (k + 3) % 7 < 3);
  ck_assert(open_bytes("x.npy", npy(NPY("|u1", "False", "(40, 3)"), (Str){(const char *)v, sizeof v}),
                       plain(), &s));
  int64_t row[25];
  double x[25 * 3];
  for (int i = 0; i < 25; i++) row[i] = i * 11 % 40;
  for (size_t t = 0; t < sizeof to / sizeof *to; t++) {
    ck_assert(data_rows_gather(&s, row, 25, x, to[t], (DataRange){0}, &err));
    for (int i = 0; i < 25 * 3; i++) ck_assert(number_at(x, to[t], i) == v[row[i / 3]][i % 3]);
  }
  end();
}
END_TEST

/* ---- CSV ---- */

static void row_is(const DataSource *s, int64_t row, const float *want) {
  float x[16];
  ck_assert_msg(data_rows_gather(s, &row, 1, x, DATA_F32, (DataRange){0}, &err), "%s", err.what);
  for (int64_t i = 0; i < s->row_elements; i++)
    if (x[i] != want[i])
      ck_abort_msg("row %lld, element %lld: %g, expected %g", (long long)row, (long long)i, (double)x[i],
                   (double)want[i]);
}

START_TEST(csv_good) {
  begin();
  static const char *const text[] = {
      "1,2,3\n4,5,6\n",
      "1,2,3\n4,5,6",
      "1,2,3\r\n4,5,6\r\n\r\n\n",
      "1;2;3\n4;5;6\n",
      "1\t2\t3\n4\t5\t6\n",
      "a,b,c\n1,2,3\n4,5,6\n",
      "\xef\xbb\xbf\141,b,c\n1,2,3\n4,5,6\n",
      "\"a\",\"b\",c\n\"1\", 2 ,3.0\n+4,.5e1,\"60e-1\"\n",
      "\"a;\"\"x\"\"\",\"b\nb\",c\n1,2,3\n4,5.,6\n",
  };
  for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
    DataSource s;
    if (!open_bytes("x.csv", str_z(text[i]), plain(), &s)) ck_abort_msg("%zu: %s", i, err.what);
    ck_assert(s.type == DATA_F32 && s.rank == 2 && s.dim[0] == 2 && s.dim[1] == 3);
    row_is(&s, 0, (float[]){1, 2, 3});
    row_is(&s, 1, (float[]){4, 5, 6});
  }
  end();
}
END_TEST

START_TEST(csv_columns) {
  begin();
  Str text = STR("age,\"net, income\",7,label\n1,2,3,0\n4,5,6,1\n");
  static const struct {
    Str column[3];
    size_t n;
    uint32_t rank;
    float want[5];
  } row[] = {
      {{{"age", 3}}, 1, 1, {4}},
      {{{"net, income", 11}, {"age", 3}}, 2, 2, {5, 4}},
      {{{"0:2", 3}, {"age", 3}}, 2, 2, {4, 5, 4}},
      {{{"7", 1}}, 1, 1, {6}},
      {{{"label", 5}, {"2", 1}}, 2, 2, {1, 6}},
      {{{"age", 3}, {"age", 3}}, 2, 2, {4, 4}},
      {{{"label", 5}, {"0:4", 3}}, 2, 2, {1, 4, 5, 6, 1}},
  };
  DataSource s;
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    DataOpen how = plain();
    how.part = row[i].column;
    how.parts = row[i].n;
    if (!open_bytes("x.csv", text, how, &s)) ck_abort_msg("%zu: %s", i, err.what);
    ck_assert_uint_eq(s.rank, row[i].rank);
    row_is(&s, 1, row[i].want);
  }
  static const struct {
    Str column;
    const char *why;
  } bad[] = {
      {{"agee", 4}, "no column is named 'agee'; did you mean 'age'?"},
      {{"zzzzzzz", 7}, "no column is named 'zzzzzzz'"},
      {{"", 0}, "no column is named ''"},
      {{"4", 1}, "column 4 is outside its 4 columns"},
      {{"3:5", 3}, "column 3:5 is outside its 4 columns"},
      {{"2:2", 3}, "column 2:2 is outside"},
      {{"-1", 2}, "no column is named '-1'"},
      {{"1:", 2}, "no column is named '1:'"},
      {{"99999999999", 11}, "no column is named"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    DataOpen how = plain();
    how.part = &bad[i].column;
    how.parts = 1;
    refused("x.csv", text, how, ST_BAD_DATA, bad[i].why);
  }
  DataOpen how = plain(); /* numbers as names of columns must be announced */
  how.header = CSV_HEADER_YES;
  ck_assert(open_bytes("x.csv", STR("2020,2021\n1,2\n"), how, &s));
  ck_assert_int_eq(s.dim[0], 1);
  how.header = CSV_HEADER_NO;
  refused("x.csv", STR("a,b\n1,2\n"), how, ST_BAD_DATA, "x.csv:1: column 1: 'a' is not a number");
  end();
}
END_TEST

/* The first line is a row unless it is plainly none: no row is lost in silence. */
START_TEST(csv_header) {
  begin();
  DataSource s;
  static const struct {
    const char *text;
    Str column;
    int64_t rows;
  } good[] = {
      {"a,b\n1,2\n", {"", 0}, 1},         {"a,\n1,2\n", {"", 0}, 1},
      {"a,?\n1,2\n", {"", 0}, 1},         {"a,%\r\n1,2\r\n", {"", 0}, 1},
      {"id,1stFlrSF\n1,2\n", {"", 0}, 1}, {"\"x\"\n1\n2\n", {"", 0}, 2},
      {"# a;b\n1;2\n", {"", 0}, 1},       {"\xef\xbb\xbf\"a\"\n1\n", {"", 0}, 1},
      {"\xc3\xa9\n1\n", {"", 0}, 1},      {"a,2020\n1,2\n", {"a", 1}, 1}, /* named */
      {"a,2020\n1,2\n", {"2020", 4}, 1},  {"1,2\n3,4\n", {"1", 1}, 2},    /* an index names nothing */
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    DataOpen how = plain();
    how.part = &good[i].column, how.parts = good[i].column.n != 0;
    if (!open_bytes("x.csv", str_z(good[i].text), how, &s)) ck_abort_msg("%zu: %s", i, err.what);
    ck_assert_int_eq(s.dim[0], good[i].rows);
  }
  static const struct {
    const char *text, *why;
  } bad[] = {
      {"1.5,?\n3,4\n", "x.csv:1: column 2: '?' is not a number (a first line is a header"},
      {"?,1.5\n3,4\n", "x.csv:1: column 1: '?' is not a number"},
      {"1.5,0x10\n3,4\n", "x.csv:1: column 2: '0x10' is not a number"},
      {"1.5,nan(1)\n3,4\n", "x.csv:1: column 2: 'nan(1)' is not a number"},
      {"1.5,\n3,4\n", "x.csv:1: column 2: '' is empty"},
      {"\"1.5\",\"?\"\r\n3,4\r\n", "x.csv:1: column 2: '?' is not a number"},
      {"\xef\xbb\xbf\061;a\n3;4\n", "x.csv:1: column 2: 'a' is not a number"},
      {"a,2020\n1,2\n", "x.csv:1: column 1: 'a' is not a number"},
      {"1,2,\n3,4,\n", "x.csv:1: column 3: '' is empty"},
      {"a,b,\n3,4,\n", "x.csv:2: column 3 '': '' is empty"},
      {"?\n3\n", "x.csv:1: column 1: '?' is not a number"},
      {"0x10\n3\n", "x.csv:1: column 1: '0x10' is not a number"},
      {"nan(1)\n3\n", "x.csv:1: column 1: 'nan(1)' is not a number"},
      {"NaN\n3\n", "x.csv:1: column 1: 'NaN' is not finite"},
      {"N/A\n3\n", "x.csv:1: column 1: 'N/A' is not a number"},
      {"null,-\n3,4\n", "x.csv:1: column 1: 'null' is not a number"},
      {"1e\n3\n", "x.csv:1: column 1: '1e' is not a number"},
      {"1 2\n3 4\n", "x.csv:1: column 1: '1 2' is not a number"},
      {"1_000\n3\n", "x.csv:1: column 1: '1_000' is not a number"},
      {"1,5\n2,x\n", "x.csv:2: column 2: 'x' is not a number"},
      {",\n1,2\n", "x.csv:1: column 1: '' is empty"},
      {"\xff\xfe\061", "UTF-8 expected, found UTF-16"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    refused("x.csv", str_z(bad[i].text), plain(), ST_BAD_DATA, bad[i].why);
  /* A column that is no index and that nothing names, beside numbers: the line stays a row. */
  DataOpen how = plain();
  how.part = &(Str){"5", 1}, how.parts = 1;
  refused("x.csv", STR("1,5\n2,6\n"), how, ST_BAD_DATA, "column 5 is outside its 2 columns");
  end();
}
END_TEST

START_TEST(csv_faults) {
  begin();
  static const struct {
    const char *text, *why;
  } row[] = {
      {"", "empty: at least one row expected"},
      {"\n\n", "empty: at least one row expected"},
      {"a,b\n", "a header without rows"},
      {"1,2\n3\n", "x.csv:2: 2 fields expected as in the first record, found 1"},
      {"1,2\n3,4,5\n", "x.csv:2: 2 fields expected as in the first record, found 3"},
      {"1,2\n\n3,4\n", "x.csv:2: 2 fields expected as in the first record, found 1"},
      {"a,b\n1,2\n3,x y\n", "x.csv:3: column 2 'b': 'x y' is not a number"},
      {"1,2\n3,\x1b[31mred\n", "x.csv:2: column 2: '\\x1b[31mred' is not a number"},
      {"1,2\n3,\n", "x.csv:2: column 2: '' is empty"},
      {"1,2\n3,nan\n", "'nan' is not finite"},
      {"1,2\n3,-Inf\n", "'-Inf' is not finite"},
      {"1,2\n3,1e39\n", "'1e39' does not fit f32"},
      {"1,2\n3,0x10\n", "'0x10' is not a number"},
      {"1,2\n3,1e\n", "'1e' is not a number"},
      {"1,2\n3,.\n", "'.' is not a number"},
      {"1,2\n3,1.2.3\n", "'1.2.3' is not a number"},
      {"1,2\n3,--1\n", "'--1' is not a number"},
      {"1,2\n3,1 2\n", "'1 2' is not a number"},
      {"1,2\n3,1f\n", "'1f' is not a number"},
      {"1;2\n3,5;1\n", "'3,5' is not a number"},
      {"1,\"2\n3,4\n", "x.csv:1: quote without an end"},
      {"1,2\n\"3\"x,4\n", "x.csv:2: text behind a closing quote"},
      {"1,2\n3\",4\n", "x.csv:2: quote inside a field without quotes"},
      {"a,\"b\nb\"\n1,2\n3,?\n", "x.csv:4: column 2 'b\\x0ab': '?' is not a number"},
  };
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    refused("x.csv", str_z(row[i].text), plain(), ST_BAD_DATA, row[i].why);
  Str digits = STR("1,");
  for (int i = 0; i < 41; i++) digits = join(digits, STR("1234567890"));
  refused("x.csv", digits, plain(), ST_BAD_DATA, "is too long for a number");
  refused("x.csv", STR("1,2\n3,\0\n"), plain(), ST_BAD_DATA, "'\\x00' is not a number");
  DataOpen how = plain();
  how.type = DATA_I32;
  refused("x.csv", STR("1,2\n3,2147483648\n"), how, ST_BAD_DATA, "does not fit i32");
  refused("x.csv", STR("1,2\n3,1.0\n"), how, ST_BAD_DATA, "'1.0' is not a whole number");
  how.type = DATA_I64;
  refused("x.csv", STR("1,2\n3,-9223372036854775809\n"), how, ST_BAD_DATA, "does not fit i64");
  how.type = DATA_U8;
  refused("x.csv", STR("1,2\n"), how, ST_USAGE, "not as u8");
  end();
}
END_TEST

/* Values come out correctly rounded for their type, in any locale; what is not finite only when allowed. */
START_TEST(csv_values) {
  begin();
  DataSource s;
  DataOpen how = plain();
  int64_t row = 0;
  /* Just above the middle of two floats, by less than a double can show: through double it would round down.
   */
  ck_assert(open_bytes("x.csv", STR("1.00000005960464477539062500000001\n"), how, &s));
  row_is(&s, 0, (float[]){0x1.000002p0f});
  how.type = DATA_I64;
  ck_assert(open_bytes("x.csv", STR("9223372036854775807,-9223372036854775808\n"), how, &s));
  int64_t l[2];
  ck_assert(data_rows_gather(&s, &row, 1, l, DATA_I64, (DataRange){0}, &err));
  ck_assert(l[0] == INT64_MAX && l[1] == INT64_MIN);
  how.type = DATA_F64;
  how.allow_non_finite = true;
  setlocale(LC_ALL, "de_DE.UTF-8"); /* if it is installed */
  ck_assert(open_bytes("x.csv", STR("0.1,NaN,-inf,,+Infinity,NA\n"), how, &s));
  setlocale(LC_ALL, "C");
  double d[6];
  ck_assert(data_rows_gather(&s, &row, 1, d, DATA_F64, (DataRange){0}, &err));
  ck_assert(d[0] == 0.1 && isnan(d[1]) && d[2] == -INFINITY && isnan(d[3]) && d[4] == INFINITY &&
            isnan(d[5]));
  end();
}
END_TEST

/* ---- files and gzip ---- */

START_TEST(file_faults) {
  begin();
  DataSource s;
  DataOpen how = plain();
  refused("what", STR("hello"), how, ST_BAD_DATA, "neither its name");
  ck_assert(!data_open(&arena, in("none.npy"), &how, &s, &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!data_open(&arena, str_z(folder), &how, &s, &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!data_open(&arena, STR("/dev/zero"), &how, &s, &err));
  ck_assert_int_eq(err.status, ST_IO);
  Str bytes = STR(IDX2 "abcdef"); /* 18 bytes */
  how.limit.data_bytes = 17;
  refused("x.idx", bytes, how, ST_LIMIT, "(limit 'data_bytes')");
  how.limit.data_bytes = 18;
  ck_assert(open_bytes("x.idx", bytes, how, &s));
  how.limit.data_bytes = 19;
  ck_assert(open_bytes("x.idx", bytes, how, &s));
  end();
}
END_TEST

/* Bytes that do not shrink much, so that the packed form has some length. */
static Str noise(size_t n) {
  char *p = ARENA_ARRAY(&arena, char, n);
  uint32_t x = 1;
  for (size_t i = 0; i < n; i++) p[i] = (char)((x = x * 1664525 + 1013904223) >> 24 & 0x3f);
  return (Str){p, n};
}

static void gunzip_refused(Str packed, int64_t max, Status st, const char *why) {
  Str out;
  bool ok = data_gunzip(&arena, STR("x.gz"), packed, max, &out, &err);
  if (ok || err.status != st || !strstr(err.what, why))
    ck_abort_msg("got %d \"%s\", expected %d \"%s\"", ok ? 0 : (int)err.status, ok ? "" : err.what, (int)st,
                 why);
}

START_TEST(gunzip_good) {
  begin();
  static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    Str text = noise(sizes[i]), one = gzip(text), out;
    int64_t max = (int64_t)text.n;
    ck_assert_msg(data_gunzip(&arena, STR("x.gz"), one, max, &out, &err), "%s", err.what);
    ck_assert(str_eq(out, text));
    /* Two members: the trailer tells only the second's size, so the stream does it. */
    ck_assert_msg(data_gunzip(&arena, STR("x.gz"), join(one, one), 2 * max, &out, &err), "%s", err.what);
    ck_assert(str_eq(out, join(text, text)));
  }
  end();
}
END_TEST

/* The limit on unpacked bytes at -1, 0 and +1, by the fast way and by the stream. */
START_TEST(gunzip_limit) {
  begin();
  Str text = noise(100000), one = gzip(text), two = join(one, one), out;
  gunzip_refused(one, 99999, ST_LIMIT, "more than the limit 'data_bytes' of 99999 allows");
  ck_assert(data_gunzip(&arena, STR("x.gz"), one, 100000, &out, &err));
  ck_assert(data_gunzip(&arena, STR("x.gz"), one, 100001, &out, &err));
  gunzip_refused(two, 199999, ST_LIMIT, "more than the limit 'data_bytes' of 199999 allows");
  ck_assert(data_gunzip(&arena, STR("x.gz"), two, 200000, &out, &err));
  ck_assert(data_gunzip(&arena, STR("x.gz"), two, 200001, &out, &err));
  /* 64 MiB of zeros in 64 KiB: refused before memory for them is taken. */
  Str bomb = gzip((Str){ARENA_ARRAY(&arena, char, 64 << 20), 64 << 20});
  size_t before = mem.peak;
  gunzip_refused(bomb, 1 << 20, ST_LIMIT, "limit 'data_bytes'");
  ck_assert_uint_lt(mem.peak, before + (4 << 20));
  end();
}
END_TEST

START_TEST(gunzip_faults) {
  begin();
  Str text = noise(5000), whole = gzip(text), out;
  gunzip_refused(STR(""), 1 << 20, ST_BAD_DATA, "magic 1f 8b expected, found ''");
  gunzip_refused(STR("PK\3\4"), 1 << 20, ST_BAD_DATA, "magic 1f 8b expected, found 'PK'");
  for (size_t n = 2; n < whole.n; n++)
    gunzip_refused((Str){whole.p, n}, 1 << 20, ST_BAD_DATA, "truncated: packed data ends after");
  gunzip_refused(join(whole, STR("garbage")), 1 << 20, ST_BAD_DATA,
                 "7 bytes behind the end of the packed data");
  gunzip_refused(join(whole, STR("\0")), 1 << 20, ST_BAD_DATA, "1 bytes behind the end");
  gunzip_refused(join(whole, STR("\x1f")), 1 << 20, ST_BAD_DATA, "truncated");
  gunzip_refused(join(whole, STR("\x1f\x8b\x08")), 1 << 20, ST_BAD_DATA, "truncated");
  /* A flipped bit from the deflate data on is found by the code, the checksum or the size, or changes
   * nothing: the last byte of the data has a few bits that mean nothing. */
  char *p = ARENA_ARRAY(&arena, char, whole.n);
  int accepted = 0;
  for (size_t i = 10; i < whole.n; i++) {
    memcpy(p, whole.p, whole.n);
    p[i] ^= (char)(1 << i % 8);
    if (!data_gunzip(&arena, STR("x.gz"), (Str){p, whole.n}, 1 << 20, &out, &err)) continue;
    ck_assert(str_eq(out, text));
    accepted++;
  }
  ck_assert_int_le(accepted, 1);
  refused("x.idx.gz", STR(IDX2 "abcdef"), plain(), ST_BAD_DATA, "not a gzip file: magic 1f 8b expected");
  end();
}
END_TEST

/* ---- robustness ---- */

/* Opens the file with the n-th allocation failing: 1 opened, 0 refused, -1 raised. Apart, because of setjmp.
 */
static int __attribute__((noinline)) open_short(Mem *m, Arena *a, Str path) {
  DataSource s;
  DataOpen how = plain();
  Rescue r;
  if (RESCUE(m, &r)) {
    bool ok = data_open(a, path, &how, &s, &err);
    rescue_end(m, &r);
    return ok;
  }
  return r.status == ST_NO_MEMORY ? -1 : -2;
}

/* Each allocation of a read fails once: raised as no memory, nothing left behind. */
START_TEST(out_of_memory) {
  begin();
  Str text = STR("age,\"net\"\"\",label\n1,2,0\n4,5,1\n"), packed = gzip(text);
  /* Two members need zlib's memory too; the second one's header is refused as a row. */
  Str path[] = {put("x.csv.gz", join(packed, packed)), put("y.csv", STR("a,b\n1,2\n"))};
  for (int k = 0; k < 2; k++) {
    int got = -1;
    uint64_t fail_at = 0;
    while (got == -1) {
      Mem m;
      Arena a;
      mem_init(&m, 0);
      arena_init(&a, &m);
      m.fail_at = ++fail_at;
      got = open_short(&m, &a, path[k]);
      arena_release(&a);
      ck_assert_uint_eq(m.used, 0);
    }
    ck_assert_int_eq(got, k);
    ck_assert_uint_gt(fail_at, 1);
  }
  end();
}
END_TEST

/* 10,000 changed files per reader: accepted or refused with a line of text, nothing read outside
 * (AddressSanitizer). */
static uint32_t dice(uint32_t *x) { return *x = *x * 1664525 + 1013904223, *x >> 8; }
static void mutate(Str good, DataFormat format) {
  uint32_t x = 12345;
  uint64_t read_rows = 0;
  Mem m;
  mem_init(&m, 0);
  for (int k = 0; k < 10000; k++) {
    Arena a;
    arena_init(&a, &m);
    size_t n = good.n;
    char *p = malloc(n + 8), z[64];
    memcpy(p, good.p, n);
    for (uint32_t c = 1 + dice(&x) % 3; c > 0; c--) {
      size_t at = n ? dice(&x) % n : 0;
      switch (dice(&x) % 5) {
      case 0: n = at; break;
      case 1: p[at] = (char)dice(&x); break;
      case 2: p[at] ^= (char)(1 << dice(&x) % 8); break;
      case 3: p[at] = "0,\n\"'(){}:;9 -"[dice(&x) % 14]; break;
      case 4:
        if (n < good.n + 8) p[n++] = (char)dice(&x);
        break;
      }
    }
    p = realloc(p, n ? n : 1);
    DataSource s = {.name = STR("m")};
    DataOpen how = plain();
    memset(err.what, 0, sizeof err.what);
    Str out, bytes = {p, n};
    FileHead h;
    bool ok = false;
    snprintf(z, sizeof z, "format %d, round %d", (int)format, k);
    switch (format) {
    case DATA_IDX: ok = idx_head(s.name, bytes, &s, &h, &err) && rows_behind(bytes, h, &s, &err); break;
    case DATA_NPY: ok = npy_head(s.name, bytes, &s, &h, &err) && rows_behind(bytes, h, &s, &err); break;
    case DATA_CSV: ok = read_csv(&a, &a, bytes, &how, &s, &err); break;
    case DATA_SAFETENSORS:
      ok = safetensors_head(s.name, bytes, &err) && read_safetensors(&a, &a, bytes, &how, &s, &err);
      break;
    case DATA_TOKENS:
      how.part = &(Str){"3", 1}, how.parts = 1;
      ok = read_tokens(&a, bytes, &how, &s, &err);
      break;
    case DATA_BY_NAME: ok = data_gunzip(&a, s.name, bytes, 1 << 20, &out, &err); break;
    }
    if (!ok && (err.what[0] == 0 || (err.status != ST_BAD_DATA && err.status != ST_LIMIT)))
      ck_abort_msg("%s: no reason given", z);
    if (ok && format != DATA_BY_NAME) { /* every row can be read */
      double *d = malloc((size_t)s.row_elements * 8 + 8);
      for (int64_t r = 0; r < s.dim[0]; r++)
        read_rows += data_rows_gather(&s, &r, 1, d, DATA_F64, (DataRange){0}, &err);
      free(d);
    }
    free(p);
    arena_release(&a);
  }
  ck_assert_uint_eq(m.used, 0);
  ck_assert(format == DATA_BY_NAME || read_rows > 1000); /* not all was refused */
}

START_TEST(mutations) {
  begin();
  static const double d[] = {1, 2.5, -3, 1e300, 5, 6};
  mutate(STR(IDX2 "abcdef"), DATA_IDX);
  mutate(npy(NPY("<f8", "False", "(3, 2)"), (Str){(const char *)d, sizeof d}), DATA_NPY);
  mutate(STR("age,\"net, income\",label\r\n1,2.5e3,0\r\n\"4\",-5,1\n"), DATA_CSV);
  mutate(gzip(noise(300)), DATA_BY_NAME);
  mutate(join(gzip(noise(100)), gzip(noise(50))), DATA_BY_NAME);
  end();
}
END_TEST

UNIT_MAIN(UNIT("idx", idx_good, idx_faults),
          UNIT("npy", npy_good, npy_faults, short_rows, short_rows_of_any_type),
          UNIT("csv", csv_good, csv_columns, csv_header, csv_faults, csv_values),
          UNIT("files", file_faults, gunzip_good, gunzip_limit, gunzip_faults),
          UNIT("robust", out_of_memory, mutations))
