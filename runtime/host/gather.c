/* Rows to batches, one behind the other: conversion, flushing of subnormals, ranges. One loop per pair of
 * types, each branch-free over a row so that the compiler vectorises it; a row with a fault is looked at
 * again, slowly, to say which value it was. */
#include "base/num.h"
#include "base/size.h"
#include "runtime/core/fpenv.h"
#include "runtime/host/data.h"

#include <math.h>
#include <stdio.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* the loops below are worth vectorising in every build; clang does so at -O2 */
#endif

/* Rows lie at any address of a file. */
typedef uint8_t SrcU8;
typedef int8_t SrcI8;
typedef uint8_t SrcBOOL;
typedef uint16_t __attribute__((aligned(1), may_alias)) SrcBF16; /* the upper half of an f32 */
typedef int32_t __attribute__((aligned(1), may_alias)) SrcI32;
typedef int64_t __attribute__((aligned(1), may_alias)) SrcI64;
typedef uint32_t
    __attribute__((aligned(1), may_alias)) SrcF32; /* as bits: moves do not flush, the code below does */
typedef uint64_t __attribute__((aligned(1), may_alias)) SrcF64;

/* What is written as one type is looked at as another: as bits, as numbers. */
typedef float __attribute__((may_alias)) DstF32;
typedef double __attribute__((may_alias)) DstF64;
typedef int32_t __attribute__((may_alias)) DstI32;
typedef int64_t __attribute__((may_alias)) DstI64;
typedef uint16_t __attribute__((may_alias)) Bits16;
typedef uint32_t __attribute__((may_alias)) Bits32;
typedef uint64_t __attribute__((may_alias)) Bits64;

static inline float f32_of(uint32_t b) {
  float f;
  memcpy(&f, &b, sizeof f);
  return f;
}
static inline double f64_of(uint64_t b) {
  double d;
  memcpy(&d, &b, sizeof d);
  return d;
}
static inline uint32_t f32_bits(float f) {
  uint32_t b;
  memcpy(&b, &f, sizeof b);
  return b;
}
/* A subnormal becomes the zero of its sign. By integer operations: compilers fold x * 1 away, and moves do
 * not flush. */
static inline uint32_t flush32(uint32_t b) { return b & 0x7f800000u ? b : b & 0x80000000u; }
static inline uint64_t flush64(uint64_t b) { return b & 0x7ff0000000000000u ? b : b & 0x8000000000000000u; }
static inline uint32_t wide16(uint32_t b) { return flush32(b << 16); }
static inline bool finite32(uint32_t b) { return (b & 0x7f800000u) != 0x7f800000u; }
static inline bool finite64(uint64_t b) { return (b & 0x7ff0000000000000u) != 0x7ff0000000000000u; }

/* The upper half of an f32, ties to even; NaN stays NaN. */
static inline uint16_t bf16_bits(uint32_t b) {
  uint32_t r = b + 0x7fff + (b >> 16 & 1);
  return (uint16_t)(((b & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : r) >> 16);
}
/* To f32 first, but so that a second rounding is the only one: what is lost leaves a last bit set. */
static inline uint32_t f32_sticky(double d) {
  float f = (float)d;
  uint32_t b = f32_bits(f);
  if ((double)f == d || f != f) return b;
  if (fabs((double)f) > fabs(d)) b--; /* toward zero; from infinity to the largest */
  return b | 1;
}
static inline bool exact16(int64_t v) {
  uint32_t b = f32_bits((float)v);
  return (b & 0xffffu) == 0 && (float)v < 0x1p63f && (int64_t)(float)v == v;
}

/* Is the integer v a value of the float type? 2^24 and 2^53 bound the dense range; beyond, the bits below the
 * last place must be zero, which the way there and back tells (the largest i64 rounds to 2^63, which does not
 * come back). */
static inline bool exact32(int64_t v) { return (float)v < 0x1p63f && (int64_t)(float)v == v; }
static inline bool exact64(int64_t v) { return (double)v < 0x1p63 && (int64_t)(double)v == v; }
/* Is the float a whole number lo <= v < hi (both powers of two or their negatives)? */
static inline bool whole(double v, double lo, double hi) { return v >= lo && v < hi && v == floor(v); }

/* CONVERT(name, source type, destination type): v is the element as read, `ok` whether it may stand, to what
 * is stored. */
#define CONVERT(name, Src, Dst, ok, value)                                                                   \
  static bool name(const void *from, void *to, int64_t n) {                                                  \
    const Src *restrict s = from;                                                                            \
    Dst *restrict d = to;                                                                                    \
    bool good = true;                                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                                        \
      __typeof__(s[0] + 0) v = s[i];                                                                         \
      (void)v;                                                                                               \
      good &= (ok);                                                                                          \
      d[i] = (Dst)(value);                                                                                   \
    }                                                                                                        \
    return good;                                                                                             \
  }
/* From integers; fits: whether every value of the source is exact in both float types. */
#define FROM_INT(T, ok_f32, ok_f64, ok_i32, ok_bf16)                                                         \
  CONVERT(T##_to_f32, Src##T, DstF32, ok_f32, v)                                                             \
  CONVERT(T##_to_f64, Src##T, DstF64, ok_f64, v)                                                             \
  CONVERT(T##_to_i32, Src##T, DstI32, ok_i32, v)                                                             \
  CONVERT(T##_to_i64, Src##T, DstI64, true, v)                                                               \
  CONVERT(T##_to_u8, Src##T, uint8_t, v >= 0 && v <= UINT8_MAX, v)                                           \
  CONVERT(T##_to_bf16, Src##T, Bits16, ok_bf16, f32_bits((float)v) >> 16)                                    \
  CONVERT(T##_to_bool, Src##T, Bits32, v == 0 || v == 1, v)

FROM_INT(U8, true, true, true, true)
FROM_INT(I8, true, true, true, true)
FROM_INT(I32, exact32(v), true, true, exact16(v))
FROM_INT(I64, exact32(v), exact64(v), v == (int32_t)v, exact16(v))
/* A byte of a bool array is 0 or 1. */
CONVERT(BOOL_to_f32, SrcBOOL, DstF32, v <= 1, v)
CONVERT(BOOL_to_f64, SrcBOOL, DstF64, v <= 1, v)
CONVERT(BOOL_to_i32, SrcBOOL, DstI32, v <= 1, v)
CONVERT(BOOL_to_i64, SrcBOOL, DstI64, v <= 1, v)
CONVERT(BOOL_to_u8, SrcBOOL, uint8_t, v <= 1, v)
CONVERT(BOOL_to_bf16, SrcBOOL, Bits16, v <= 1, f32_bits((float)v) >> 16)
CONVERT(BOOL_to_bool, SrcBOOL, Bits32, v <= 1, v)
/* Floats. Non-finite values pass here and are looked for apart, because they may be allowed; a finite f64
 * that rounds to an infinity may not. */
CONVERT(F32_to_f32, SrcF32, Bits32, true, flush32(v))
CONVERT(F32_to_f64, SrcF32, DstF64, true, f32_of(flush32(v)))
CONVERT(F64_to_f32, SrcF64, Bits32, finite32(f32_bits((float)f64_of(flush64(v)))) || !finite64(v),
        flush32(f32_bits((float)f64_of(flush64(v)))))
CONVERT(F64_to_f64, SrcF64, Bits64, true, flush64(v))
CONVERT(BF16_to_f32, SrcBF16, Bits32, true, wide16((uint32_t)v))
CONVERT(BF16_to_f64, SrcBF16, DstF64, true, f32_of(wide16((uint32_t)v)))
CONVERT(BF16_to_bf16, SrcBF16, Bits16, true, wide16((uint32_t)v) >> 16)
/* A finite number that becomes an infinity is refused here, too. */
CONVERT(F32_to_bf16, SrcF32, Bits16, finite32((uint32_t)bf16_bits(v) << 16) || !finite32(v),
        bf16_bits(flush32(v)))
CONVERT(F64_to_bf16, SrcF64, Bits16,
        finite32((uint32_t)bf16_bits(f32_sticky(f64_of(v))) << 16) || !finite64(v),
        bf16_bits(flush32(f32_sticky(f64_of(flush64(v))))))
#define FROM_FLOAT(T, of, flush)                                                                             \
  CONVERT(T##_to_i32, Src##T, DstI32, whole(of(flush(v)), -0x1p31, 0x1p31),                                  \
          whole(of(flush(v)), -0x1p31, 0x1p31) ? of(flush(v)) : 0)                                           \
  CONVERT(T##_to_i64, Src##T, DstI64, whole(of(flush(v)), -0x1p63, 0x1p63),                                  \
          whole(of(flush(v)), -0x1p63, 0x1p63) ? of(flush(v)) : 0)                                           \
  CONVERT(T##_to_u8, Src##T, uint8_t, whole(of(flush(v)), 0, 256),                                           \
          whole(of(flush(v)), 0, 256) ? of(flush(v)) : 0)                                                    \
  CONVERT(T##_to_bool, Src##T, Bits32, of(flush(v)) == 0 || of(flush(v)) == 1, of(flush(v)) == 1)
FROM_FLOAT(F32, f32_of, flush32)
FROM_FLOAT(F64, f64_of, flush64)
FROM_FLOAT(BF16, f32_of, wide16)

typedef bool (*Convert)(const void *from, void *to, int64_t n);
static Convert converter(DataType from, DataType to) {
#define ROW(T)                                                                                               \
  [DATA_##T] = {                                                                                             \
      [DATA_F32] = T##_to_f32, [DATA_F64] = T##_to_f64,   [DATA_I32] = T##_to_i32,  [DATA_I64] = T##_to_i64, \
      [DATA_U8] = T##_to_u8,   [DATA_BF16] = T##_to_bf16, [DATA_BOOL] = T##_to_bool},
  static const Convert table[DATA_TYPE_COUNT][DATA_TYPE_COUNT] = {ROW(U8) ROW(I8) ROW(BOOL) ROW(I32) ROW(I64)
                                                                      ROW(F32) ROW(F64) ROW(BF16)};
#undef ROW
  return table[from][to];
}

/* Is there something that may be no finite number? */
static bool watched(const DataSource *s) {
  bool real = s->type == DATA_F32 || s->type == DATA_F64 || s->type == DATA_BF16;
  return !s->allow_non_finite && real;
}

/* Are all n converted values finite? */
static bool all_finite(const void *p, DataType t, int64_t n) {
  bool good = true;
  if (t == DATA_F32)
    for (int64_t i = 0; i < n; i++) good &= finite32(((const Bits32 *)p)[i]);
  if (t == DATA_F64)
    for (int64_t i = 0; i < n; i++) good &= finite64(((const Bits64 *)p)[i]);
  if (t == DATA_BF16)
    for (int64_t i = 0; i < n; i++) good &= finite32((uint32_t)((const Bits16 *)p)[i] << 16);
  return good;
}

/* Element i of a source row as text. */
static void value_text(const DataSource *s, const char *row, int64_t i, char z[NUM_TEXT]) {
  const size_t n = NUM_TEXT;
  switch (s->type) {
  case DATA_U8:
  case DATA_BOOL: snprintf(z, n, "%u", ((const SrcU8 *)row)[i]); break;
  case DATA_I8: snprintf(z, n, "%d", ((const SrcI8 *)row)[i]); break;
  case DATA_I32: snprintf(z, n, "%d", (int)((const SrcI32 *)row)[i]); break;
  case DATA_I64: snprintf(z, n, "%lld", (long long)((const SrcI64 *)row)[i]); break;
  case DATA_F32: (void)num_text(z, 9, (double)f32_of(((const SrcF32 *)row)[i])); break;
  case DATA_F64: (void)num_text(z, 17, f64_of(((const SrcF64 *)row)[i])); break;
  case DATA_BF16: (void)num_text(z, 4, (double)f32_of((uint32_t)((const SrcBF16 *)row)[i] << 16)); break;
  case DATA_TYPE_COUNT: break;
  }
}

typedef struct Place {
  char z[600]; /* a file and a column as host_show gives them, and numbers */
} Place;

typedef struct Row {
  const DataSource *source;
  const char *from;
  char *to;
  int64_t index;
  DataType type;
  DataRange range;
} Row;

/* "x.csv:7: column 3 'age'", "x.npy: row 5 (counted from 0), element 2" */
static Place place_text(const DataSource *s, int64_t row, int64_t element) {
  Place p;
  HostShown file = host_show(s->name);
  int n = s->line ? snprintf(p.z, sizeof p.z, "%s:%lld", file.z, (long long)(s->line + row))
                  : snprintf(p.z, sizeof p.z, "%s: row %lld (counted from 0)", file.z, (long long)row);
  char *at = p.z + n;
  size_t left = sizeof p.z - (size_t)n;
  if (!s->column)
    snprintf(at, left, ", element %lld", (long long)element);
  else if (!s->column_name)
    snprintf(at, left, ": column %u", s->column[element] + 1);
  else
    snprintf(at, left, ": column %u '%s'", s->column[element] + 1, host_show(s->column_name[element]).z);
  return p;
}

/* Finds the first value of the row at fault and says what is wrong with it. */
static bool explain(const Row *r, Convert convert, HostError *err) {
  const DataSource *s = r->source;
  size_t step = data_type_bytes(s->type);
  const char *at = r->from;
  for (int64_t i = 0; i < s->row_elements; i++, at += step) {
    uint64_t room = 0; /* one converted value */
    char value[NUM_TEXT];
    bool fits = convert(at, &room, 1);
    bool finite = s->allow_non_finite || all_finite(&room, r->type, 1);
    if (fits && finite && data_in_range(&room, r->type, 1, r->range)) continue;
    value_text(s, r->from, i, value);
    Place at_text = place_text(s, r->index, i);
    if (!fits)
      return host_fail(err, ST_BAD_DATA, "%s: %s is no value of type %s", at_text.z, value,
                       data_type_name(r->type));
    if (!finite) return host_fail(err, ST_BAD_DATA, "%s: %s is not finite", at_text.z, value);
    return host_fail(err, ST_BAD_DATA, "%s: %s is outside %s", at_text.z, value, data_range_text(r->range).z);
  }
  return host_fail(err, ST_INTERNAL, "%s: row %lld was refused for no reason", host_show(s->name).z,
                   (long long)r->index);
}

/* Shuffled rows are everywhere in memory; asking for one a few rows ahead hides most of the wait. */
static void prefetch_row(const DataSource *s, int64_t row) {
  enum { LINE = 64, MOST = 4096 };
  size_t offset;
  if (row < 0 || row >= s->dim[0] || !size_mul((size_t)row, s->row_bytes, &offset)) return;
  for (size_t b = 0; b < s->row_bytes && b < MOST; b += LINE) __builtin_prefetch(s->rows + offset + b);
}

enum { AHEAD = 6 };

static bool gather_each(const DataSource *s, const int64_t *rows, int64_t n, char *to, DataType t,
                        DataRange range, HostError *err) {
  Convert convert = converter(s->type, t);
  bool watch = watched(s);
  size_t row_bytes =
      (size_t)s->row_elements * data_memory_bytes(t); /* size-ok: data_rows_gather has looked */
  for (int64_t i = 0; i < n; i++, to += row_bytes) {
    size_t offset;
    if (i + AHEAD < n) prefetch_row(s, rows[i + AHEAD]);
    if (rows[i] < 0 || rows[i] >= s->dim[0] || !size_mul((size_t)rows[i], s->row_bytes, &offset))
      return host_fail(err, ST_USAGE, "%s: row %lld asked for, it has %lld", host_show(s->name).z,
                       (long long)rows[i], (long long)s->dim[0]);
    Row r = {s, s->rows + offset, to, rows[i], t, range};
    if (!convert(r.from, to, s->row_elements) || (watch && !all_finite(to, t, s->row_elements)) ||
        !data_in_range(to, t, s->row_elements, range))
      return explain(&r, convert, err);
  }
  return true;
}

/* Rows of a few bytes are laid side by side first, and then are one row: a call for each would take longer
 * than the row. False: one of them is at fault, or there is no such row; gather_each says so. */
static bool gather_short(const DataSource *s, const int64_t *rows, int64_t n, char *to, DataType t,
                         DataRange range) {
  enum { BLOCK = 4096 };
  char block[BLOCK];
  Convert convert = converter(s->type, t);
  bool watch = watched(s);
  size_t width = s->row_bytes;
  if ((size_t)n > BLOCK / width) return false;
  for (int64_t i = 0; i < n; i++) {
    if (i + AHEAD < n) prefetch_row(s, rows[i + AHEAD]);
    if (rows[i] < 0 || rows[i] >= s->dim[0]) return false;
    const char *from = s->rows + (size_t)rows[i] * width; /* size-ok: all rows of the source are in memory */
    char *at = block + (size_t)i * width;                 /* size-ok: within the block */
    if (width == 4)
      memcpy(at, from, 4);
    else if (width == 8)
      memcpy(at, from, 8);
    else
      memcpy(at, from, width);
  }
  int64_t all = n * s->row_elements; /* at most BLOCK */
  return convert(block, to, all) && (!watch || all_finite(to, t, all)) && data_in_range(to, t, all, range);
}

static bool gather_all(const DataSource *s, const int64_t *rows, int64_t n, char *to, DataType t,
                       DataRange range, HostError *err) {
  enum { SHORT = 64 };
  bool few = s->row_bytes > 0 && s->row_bytes <= SHORT;
  return (few && gather_short(s, rows, n, to, t, range)) || gather_each(s, rows, n, to, t, range, err);
}

bool data_rows_gather(const DataSource *s, const int64_t *rows, int64_t n, void *dst, DataType dst_type,
                      DataRange range, HostError *err) {
  size_t row_bytes;
  if (!data_memory_bytes(dst_type))
    return host_fail(err, ST_USAGE, "%s is no type of a compiled program", data_type_name(dst_type));
  if (!size_mul((size_t)s->row_elements, data_memory_bytes(dst_type), &row_bytes))
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", host_show(s->name).z);
  FpEnv host = fpenv_enter(); /* rounding f64 -> f32 is part of the result */
  bool ok = gather_all(s, rows, n, dst, dst_type, range, err);
  fpenv_leave(host);
  return ok;
}

/* Is every value of the type within the range, so that nothing need be looked at? */
static bool all_fit(const DataSource *s, DataType t, DataRange r) {
  int64_t lo = s->type == DATA_U8 ? 0 : INT8_MIN, hi = s->type == DATA_U8 ? UINT8_MAX : INT8_MAX;
  if ((s->type != DATA_U8 && s->type != DATA_I8) || t == DATA_BOOL) return false;
  switch (r.kind) {
  case RANGE_NONE: return true;
  case RANGE_INT: return r.lo <= lo && r.hi > hi;
  case RANGE_CLOSED: return r.from <= (double)lo && r.to >= (double)hi;
  }
  return false;
}

/* The first row at fault among those that n elements from number `from` on lie in; `row_at`: where the row of
 * the first begins. Always false. */
static bool explain_rows(const DataSource *s, int64_t from, int64_t n, const char *row_at, DataType t,
                         DataRange range, Convert convert, HostError *err) {
  int64_t row = from / s->row_elements, last = (from + n - 1) / s->row_elements;
  for (; row <= last; row++, row_at += s->row_bytes) {
    Row r = {s, row_at, NULL, row, t, range};
    if (!explain(&r, convert, err) && err->status != ST_INTERNAL) return false;
  }
  return false;
}

static bool check_all(Arena *scratch, const DataSource *s, DataType t, DataRange range, HostError *err) {
  enum { BLOCK = 1 << 12 }; /* stays in the first cache */
  Convert convert = converter(s->type, t);
  bool watch = watched(s);
  size_t step = data_type_bytes(s->type);
  void *to = arena_array(scratch, BLOCK, sizeof(int64_t), 64);
  int64_t all = s->dim[0] * s->row_elements; /* source_finish has looked */
  const char *at = s->rows;
  for (int64_t i = 0; i < all; i += BLOCK, at += BLOCK * step) {
    int64_t n = all - i < BLOCK ? all - i : BLOCK;
    if (!convert(at, to, n) || (watch && !all_finite(to, t, n)) || !data_in_range(to, t, n, range))
      return explain_rows(s, i, n, at - i % s->row_elements * (int64_t)step, t, range, convert, err);
  }
  return true;
}

bool data_check(Arena *scratch, const DataSource *s, DataType t, DataRange range, HostError *err) {
  if (!data_memory_bytes(t))
    return host_fail(err, ST_USAGE, "%s is no type of a compiled program", data_type_name(t));
  if (all_fit(s, t, range)) return true;
  ArenaMark mark = arena_mark(scratch);
  FpEnv host = fpenv_enter();
  bool ok = check_all(scratch, s, t, range, err);
  fpenv_leave(host);
  arena_rewind(scratch, mark);
  return ok;
}
