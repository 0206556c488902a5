/* What a checkpoint's file says of itself: files of others, our metadata, counters. */
#include "folder_kit.h"
#include "runtime/core/safetensors.h"
#include "runtime/host/checkpoint.h"

#include <math.h>

static HostError err;
static const CkMeta meta = {.program = 0x0123456789abcdef, .step = 4690, .epoch = 10, .seed = 4294967295u};
static const CkLoad strict = {.max_bytes = 1 << 20};

static void append(void *context, const char *p, size_t n) { sb_add(context, (Str){p, n}); }

/* Files of other programs: no checksum, subnormals, bools that are none. */
START_TEST(foreign) {
  begin();
  SafeTensor t[] = {{.name = {"w", 1}, .dtype = SAFE_F32, .rank = 1, .dim = {3}}};
  static const SafeMeta format = {{"format", 6}, {"pt", 2}};
  static const uint32_t bits[] = {1, 0x807fffff, 0x3f800000};
  float w[3];
  CkTensor want = {STR("w"), DATA_F32, 1, {3}, w};
  CkMeta m;
  Sb b;
  sb_init(&b, &arena);
  ck_assert(safe_layout(t, 1));
  ck_assert(safe_write_header(t, 1, &format, 1, (SafeSink){append, &b}));
  sb_add(&b, (Str){(const char *)bits, sizeof bits});
  put("x", sb_str(&b));
  ck_assert_msg(checkpoint_load(&arena, in("x"), &want, 1, strict, &m, &err), "%s", err.what);
  ck_assert(!m.ours && m.step == 0);
  ck_assert(w[0] == 0 && !signbit(w[0]) && w[1] == 0 && signbit(w[1]) && w[2] == 1);
  Str header = STR("{\"w\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}"),
      length = {"\x39\0\0\0\0\0\0", 8};
  sb_init(&b, &arena);
  sb_add(&b, length);
  sb_add(&b, header);
  ck_assert_uint_eq(header.n, 0x37);
  sb_add(&b, STR("  \2"));
  put("y", sb_str(&b));
  want = (CkTensor){STR("w"), DATA_BOOL, 1, {1}, w};
  ck_assert(!checkpoint_load(&arena, in("y"), &want, 1, strict, &m, &err));
  ck_assert_ptr_nonnull(strstr(err.what, "0 or 1 expected, found 2"));
  end();
}
END_TEST

/* Writes a file of no tensors with one row of its metadata changed, or left out, and a right checksum. */
static void put_meta(const char *row, const char *value) {
  CkMetaText text;
  SafeMeta own[CK_META_ROWS];
  Sb b;
  uint64_t sum = 0;
  for (int turn = 0; turn < 2; turn++) {
    size_t n = 0;
    ck_meta_write(&meta, sum, &text);
    for (int i = 0; i < CK_META_ROWS; i++) {
      own[n] = text.row[i];
      if (!str_eq((Str){own[n].key.p, own[n].key.n}, str_z(row)))
        n++;
      else if (value)
        own[n++].value = (SafeText){value, strlen(value)};
    }
    sb_init(&b, &arena);
    ck_assert(safe_write_header(NULL, 0, own, n, (SafeSink){append, &b}));
    Sum s;
    sum_init(&s);
    sum_add(&s, b.p, b.n);
    sum = sum_value(&s);
  }
  put("x", sb_str(&b));
}

/* Numbers of our metadata are as they were written, and all are there; the checksum alone does not make a
 * file good. */
START_TEST(metadata) {
  static const struct {
    const char *row, *value;
    bool good;
  } cases[] = {{"dgc.seed", "4294967295", true},
               {"dgc.seed", "0", true},
               {"dgc.seed", "4294967296", false},
               {"dgc.seed", "-1", false},
               {"dgc.seed", "+1", false},
               {"dgc.seed", "01", false},
               {"dgc.seed", "1x", false},
               {"dgc.seed", "", false},
               {"dgc.seed", NULL, false},
               {"dgc.step", "9223372036854775807", true},
               {"dgc.step", "9223372036854775808", false},
               {"dgc.step", "99999999999999999999", false},
               {"dgc.step", "-1", false},
               {"dgc.epoch", "1 ", false},
               {"dgc.program", "0123456789ABCDEF", false},
               {"dgc.program", "0", false},
               {"dgc.format", "2", false},
               {"dgc.format", NULL, false},
               {"dgc.sum", NULL, false}};
  begin();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CkMeta m;
    put_meta(cases[i].row, cases[i].value);
    bool ok = checkpoint_load(&arena, in("x"), NULL, 0, strict, &m, &err);
    ck_assert_msg(ok == cases[i].good && (ok ? m.ours : err.status == ST_BAD_DATA), "%s '%s': %s",
                  cases[i].row, cases[i].value, ok ? "taken" : err.what);
  }
  put_meta("dgc.format", "2");
  CkMeta m;
  ck_assert(!checkpoint_load(&arena, in("x"), NULL, 0, strict, &m, &err));
  ck_assert_ptr_nonnull(strstr(err.what, "format 1 expected, found '2'"));
  end();
}
END_TEST

/* A count below 0 is none; the largest is one. */
START_TEST(counts) {
  begin();
  int32_t steps = INT32_MAX, got;
  int64_t batches = INT64_MAX, most;
  CkTensor t[] = {{.name = STR("steps"), .type = DATA_I32, .data = &steps},
                  {.name = STR("batches"), .type = DATA_I64, .data = &batches}};
  CkTensor back[] = {{.name = STR("steps"), .type = DATA_I32, .data = &got},
                     {.name = STR("batches"), .type = DATA_I64, .data = &most}};
  CkMeta m;
  CkLoad how = {.max_bytes = 1 << 20, .counts = (const bool[]){true, true}};
  for (int below = 0; below < 3; below++) {
    if (below == 1) steps = -1;
    if (below == 2) steps = 0, batches = INT64_MIN;
    ck_assert(checkpoint_save(&arena, in("w"), t, 2, &meta, false, &err));
    ck_assert_int_eq(checkpoint_load(&arena, in("w"), back, 2, how, &m, &err), !below);
    if (below)
      ck_assert_ptr_nonnull(
          strstr(err.what, below == 1 ? "count 'steps' is below 0" : "count 'batches' is below 0"));
  }
  end();
}
END_TEST

UNIT_MAIN(UNIT("metadata", foreign, metadata, counts))
