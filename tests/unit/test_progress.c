/* Texts of progress, to the letter. */
#include "runtime/host/progress.h"
#include "unit.h"

#include <math.h>

typedef struct Row {
  double v;
  const char *z;
} Row;

static void each(ProgressText (*f)(double), const Row *row, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ProgressText t = f(row[i].v);
    if (strcmp(t.z, row[i].z) != 0) ck_abort_msg("%.17g: got '%s', expected '%s'", row[i].v, t.z, row[i].z);
  }
}
#define EACH(f, ...)                                                                                         \
  do {                                                                                                       \
    static const Row row[] = {__VA_ARGS__};                                                                  \
    each(f, row, sizeof row / sizeof row[0]);                                                                \
  } while (0)

START_TEST(numbers) {
  EACH(human_count, {0, "0"}, {7, "7"}, {999, "999"}, {1000, "1.00 k"}, {1234, "1.23 k"}, {99999, "100 k"},
       {235146, "235 k"}, {999499, "999 k"}, {999500, "1.00 M"}, {1235000, "1.24 M"}, {124e6, "124 M"},
       {1e15, "1000 T"}, {-1234, "-1.23 k"}, {NAN, "nan"}, {INFINITY, "inf"});
  EACH(human_bytes, {0, "0 B"}, {1023, "1023 B"}, {1024, "1.00 KiB"}, {14900000, "14.2 MiB"},
       {1023.6 * 1024, "1.00 MiB"}, {5e12, "4.55 TiB"});
  EACH(human_seconds, {0, "0 s"}, {87e-6, "87 us"}, {0.0015, "1.5 ms"}, {0.15, "150 ms"}, {0.9996, "1.0 s"},
       {12.34, "12.3 s"}, {59.94, "59.9 s"}, {59.96, "1:00"}, {187, "3:07"}, {3727, "1:02:07"}, {-1, "?"},
       {NAN, "?"}, {1e30, "?"});
  EACH(human_flops, {470e6, "470 MFLOP"}, {3, "3 FLOP"}, {2.5e12, "2.50 TFLOP"});
  EACH(human_value, {0, "0.0000"}, {0.41234, "0.4123"}, {2.302585, "2.3026"}, {9.99996, "10.000"},
       {12.3456, "12.346"}, {123.456, "123.46"}, {99994, "99994"}, {1e5, "1.000e+05"}, {0.0001, "1.000e-04"},
       {-0.5, "-0.5000"}, {NAN, "nan"}, {-INFINITY, "-inf"});
}
END_TEST

static int width(const char *z) { /* columns: UTF-8 heads */
  int n = 0;
  for (; *z; z++) n += ((unsigned char)*z & 0xc0) != 0x80;
  return n;
}

START_TEST(bar) {
  ProgressView v = {.epoch = 3, .epochs = 10, .batch = 197, .batches = 468, .seconds = 1.3, .loss = 0.41234};
  ck_assert_str_eq(progress_bar(&v, 80, 0).z,
                   "epoch 3/10  42%|#######------------| 197/468 [1.3 s < 1.8 s, 152/s, loss 0.4123]");
  for (int columns = 0; columns < 300; columns++)
    for (int blocks = 0; blocks < 2; blocks++) {
      v.batch = columns * 468 / 300;
      ck_assert_int_le(width(progress_bar(&v, columns, blocks).z), columns);
    }
  v = (ProgressView){.epoch = 1, .epochs = 1, .batch = 0, .batches = 4, .loss = NAN};
  ck_assert_str_eq(progress_bar(&v, 60, 0).z, "epoch 1/1   0%|----------------------------------| 0/4 [0 s]");
  v.batch = 4, v.seconds = 2;
  ck_assert_str_eq(progress_bar(&v, 60, 1).z, "epoch 1/1 100%|█████████████████████| 4/4 [2.0 s < 0 s, 2/s]");
  v.batch = v.batches = 0;
  ck_assert_ptr_nonnull(strstr(progress_bar(&v, 60, 1).z, "0/0"));
}
END_TEST

START_TEST(lines) {
  ProgressValue value[] = {
      {"loss", 0.41234, 0.435}, {"accuracy", NAN, 0.8464}, {"broken", NAN, NAN}, {"norm", 1.5, NAN}};
  ck_assert_str_eq(
      progress_epoch(&(ProgressEpoch){3, 10, 0, 8, 8}, value, 4, 3.14).z,
      "epoch  3/10  loss 0.4123, test 0.4350  accuracy test 0.8464  broken nan  norm 1.5000  3.1 s");
  ck_assert_str_eq(progress_epoch(&(ProgressEpoch){3, 10, 4, 8, 8}, value, 1, 3.14).z,
                   "epoch  3/10, batches 5 to 8 of 8  loss 0.4123, test 0.4350  3.1 s");
  ck_assert_str_eq(progress_epoch(&(ProgressEpoch){1, 1, 0, 3, 8}, value, 1, 3.14).z,
                   "epoch 1/1, batches 1 to 3 of 8  loss 0.4123, test 0.4350  3.1 s");
  ck_assert_str_eq(progress_epoch(&(ProgressEpoch){1, 1, 7, 8, 8}, value, 1, 3.14).z,
                   "epoch 1/1, batch 8 of 8  loss 0.4123, test 0.4350  3.1 s");
  ProgressValue many[100];
  for (int i = 0; i < 100; i++) many[i] = (ProgressValue){"a_long_name_for_a_metric", 1, 2};
  ck_assert_uint_eq(strlen(progress_epoch(&(ProgressEpoch){1, 1, 0, 1, 1}, many, 100, 1).z),
                    sizeof(ProgressText) - 1); /* cut, not overrun */
}
END_TEST

UNIT_MAIN(UNIT("progress", numbers, bar, lines))
