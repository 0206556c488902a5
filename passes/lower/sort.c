/* argsort. Elements become integers of the same order first, their keys. A short line ranks each by counting
 * those before it. A long one is sorted by eight bits of the keys at a time, from the last to the first: a
 * count of each digit says where the elements with that digit go, and equal ones keep their order. */
#include "ir/scalar/literal.h"
#include "passes/lower/internal.h"

enum { COUNTED = 256, DIGITS = 256, DIGIT_BITS = 8 };

typedef struct Sorting {
  Line line;
  DType type, key;
  bool descending, radix;
  View in, out, row;              /* row: scratch of a line's length */
  uint32_t from, to;              /* plan buffers */
  int keys[2], places[2], digits; /* scratch of a line's length */
  int counts, at;                 /* by digit: how many, then where the next goes; that place, alone */
  int pass;
} Sorting;

/* ---- programs ---- */

/* An integer that is less where the element comes before: the bits of a float, all but the sign flipped where
 * it is set. -0 and what is flushed count as 0, the one NaN is above infinity. */
static const Scalar *program_key(Arena *a, const Sorting *s) {
  ScalarBuilder *b = ARENA_NEW(a, ScalarBuilder);
  scalar_begin(b, a);
  ScalarRef x = scalar_input(b, 0, s->type);
  if (dtype_is_float(s->type)) {
    bool wide = s->key == DT_I64;
    ScalarRef zero = scalar_number(b, s->type, 0);
    ScalarRef all =
        scalar_const(b, s->key, wide ? (ScalarValue){.l = INT64_MAX} : (ScalarValue){.i = INT32_MAX});
    x = scalar_ins(b, SC_SEL, scalar_ins(b, SC_EQ, x, zero, x), zero, x);
    x = scalar_ins(b, SC_BITS, x, x, x);
    ScalarRef sign = scalar_ins(b, SC_SHR, x, scalar_number(b, s->key, wide ? 63 : 31), x);
    x = scalar_ins(b, SC_XOR, x, scalar_ins(b, SC_AND, sign, all, sign), x);
  }
  if (s->descending) x = scalar_ins(b, SC_NOT, x, x, x);
  scalar_output(b, x);
  return scalar_end(b);
}

/* Digit `pass` of a key, the last digit first; in the first one the sign counts the other way. */
static const Scalar *program_digit(Arena *a, DType key, int pass) {
  ScalarBuilder *b = ARENA_NEW(a, ScalarBuilder);
  scalar_begin(b, a);
  int bits = key == DT_I64 ? 64 : 32, shift = pass * DIGIT_BITS;
  ScalarRef x = scalar_input(b, 0, key);
  x = scalar_ins(b, SC_USHR, x, scalar_number(b, key, shift), x);
  x = scalar_ins(b, SC_AND, x, scalar_number(b, key, DIGITS - 1), x);
  if (shift + DIGIT_BITS == bits) x = scalar_ins(b, SC_XOR, x, scalar_number(b, key, DIGITS / 2), x);
  scalar_output(b, scalar_cast(b, DT_I32, x));
  return scalar_end(b);
}

/* rank + (is the other, at y, before mine, at x) */
static const Scalar *program_rank(Arena *a, DType key) {
  ScalarBuilder *b = ARENA_NEW(a, ScalarBuilder);
  scalar_begin(b, a);
  ScalarRef rank = scalar_input(b, 0, DT_I32), mine = scalar_input(b, 1, key),
            other = scalar_input(b, 2, key), x = scalar_input(b, 3, DT_I32), y = scalar_input(b, 4, DT_I32);
  ScalarRef less = scalar_ins(b, SC_LT, other, mine, other), same = scalar_ins(b, SC_EQ, other, mine, other);
  ScalarRef first = scalar_ins(b, SC_AND, same, scalar_ins(b, SC_LT, y, x, y), same);
  ScalarRef before = scalar_ins(b, SC_OR, less, first, less);
  ScalarRef more = scalar_ins(b, SC_ADD, rank, scalar_number(b, DT_I32, 1), rank);
  scalar_output(b, scalar_ins(b, SC_SEL, before, more, rank));
  return scalar_end(b);
}

/* ---- steps along a line, sixteen elements at a time ---- */

static Access row_access(const Coord *c, const Sorting *s, int buffer) {
  View row = s->row;
  row.type = DT_I32;
  return coord_access(c, buffer, &row, DT_I32);
}

static void key_step(LowerKernel *m, const Coord *c, void *cx) {
  const Sorting *s = cx;
  int key = kernel_tile(&m->b, STR("key"), s->key, 1, c->cols);
  KernelOperand x = coord_padded(m, c, &s->in, s->from, (ScalarValue){0});
  kernel_map1(&m->b, program_key(m->b.arena, s), key, 1, &x);
  kernel_store(&m->b, key, row_access(c, s, s->keys[0]));
}

static void digit_step(LowerKernel *m, const Coord *c, void *cx) {
  const Sorting *s = cx;
  int digit = kernel_tile(&m->b, STR("digit"), DT_I32, 1, c->cols);
  KernelOperand key = operand_memory(&m->b, 1, c->cols, row_access(c, s, s->keys[s->pass % 2]));
  kernel_map1(&m->b, program_digit(m->b.arena, s->key, s->pass), digit, 1, &key);
  kernel_store(&m->b, digit, row_access(c, s, s->digits));
}

static void rank_step(LowerKernel *m, const Coord *c, void *cx) {
  const Sorting *s = cx;
  KernelBuilder *b = &m->b;
  int mine = kernel_tile(b, STR("mine"), s->key, 1, c->cols),
      rank = kernel_tile(b, STR("rank"), DT_I32, 1, c->cols);
  kernel_load(b, mine, row_access(c, s, s->keys[0]));
  kernel_fill(b, rank, 0);
  int k = kernel_loop(b, LOOP_SEQ, s->line.n, s->line.n < 4 ? (int)s->line.n : 4);
  Affine other = affine_add(affine(0), k, 1);
  KernelOperand src[5] = {operand_tile(b, rank), operand_tile(b, mine),
                          operand_memory(b, 1, 1, access_at(s->keys[0], other, 0, 0)),
                          operand_coord(1, c->cols, c->at[LINE_AXIS], 0, 1),
                          operand_coord(1, 1, other, 0, 0)};
  kernel_map1(b, program_rank(b->arena, s->key), rank, 5, src);
  kernel_end(b);
  kernel_store(b, rank, row_access(c, s, s->digits));
}

static void copy_step(LowerKernel *m, const Coord *c, void *cx) {
  const Sorting *s = cx;
  int place = kernel_tile(&m->b, STR("place"), DT_I32, 1, c->cols);
  kernel_load(&m->b, place, row_access(c, s, s->places[s->pass % 2]));
  kernel_store(&m->b, place, coord_access(c, lower_kernel_out(m, s->to), &s->out, DT_I32));
}

/* ---- steps along a line, one element at a time ---- */

static int one(KernelBuilder *b, const char *name, DType t) { return kernel_tile(b, str_z(name), t, 1, 1); }

/* What `table` holds at the digit (or rank) of element k. */
static Access by_digit(const Sorting *s, int table, Affine k, int64_t extent) {
  return access_index(access_at(table, affine(0), 0, 0), s->digits, k, 0, 0, 1, extent);
}

static void add_one(KernelBuilder *b, int tile) {
  KernelOperand x = operand_tile(b, tile);
  kernel_map1(b, program_of(b->arena, "x + 1", DT_I32, DT_I32), tile, 1, &x);
}

static void element_number(KernelBuilder *b, int tile, Affine k) {
  KernelOperand x = operand_coord(1, 1, k, 0, 0);
  kernel_map1(b, program_of(b->arena, "x", DT_I32, DT_I32), tile, 1, &x);
}

static void count_digits(LowerKernel *m, const Sorting *s) {
  KernelBuilder *b = &m->b;
  int zero = kernel_tile(b, STR("zero"), DT_I32, 1, KERNEL_LANES), n = one(b, "n", DT_I32);
  kernel_fill(b, zero, 0);
  int k = kernel_loop(b, LOOP_SEQ, DIGITS / KERNEL_LANES, 1);
  kernel_store(b, zero, access_at(s->counts, affine_add(affine(0), k, KERNEL_LANES), 0, 1));
  kernel_end(b);
  k = kernel_loop(b, LOOP_SEQ, s->line.n, 1);
  Access count = by_digit(s, s->counts, affine_add(affine(0), k, 1), DIGITS);
  kernel_load(b, n, count);
  add_one(b, n);
  kernel_store(b, n, count);
  kernel_end(b);
}

/* How many of each digit become where the first of each goes. */
static void sum_counts(LowerKernel *m, const Sorting *s) {
  KernelBuilder *b = &m->b;
  int sum = one(b, "sum", DT_I32), n = one(b, "n", DT_I32);
  kernel_fill(b, sum, 0);
  int k = kernel_loop(b, LOOP_SEQ, DIGITS, 4);
  Access at = access_at(s->counts, affine_add(affine(0), k, 1), 0, 0);
  kernel_load(b, n, at);
  kernel_store(b, sum, at);
  KernelOperand src[2] = {operand_tile(b, sum), operand_tile(b, n)};
  kernel_map1(b, program_sum(b->arena, DT_I32), sum, 2, src);
  kernel_end(b);
}

static void deal(LowerKernel *m, const Sorting *s) {
  KernelBuilder *b = &m->b;
  int from = s->pass % 2, to = 1 - from, at = one(b, "at", DT_I32), key = one(b, "key", s->key),
      place = one(b, "place", DT_I32);
  int k = kernel_loop(b, LOOP_SEQ, s->line.n, 1);
  Affine e = affine_add(affine(0), k, 1);
  Access count = by_digit(s, s->counts, e, DIGITS);
  kernel_load(b, at, count);
  kernel_store(b, at, access_at(s->at, affine(0), 0, 0));
  add_one(b, at);
  kernel_store(b, at, count);
  kernel_load(b, key, access_at(s->keys[from], e, 0, 0));
  kernel_store(b, key,
               access_index(access_at(s->keys[to], affine(0), 0, 0), s->at, affine(0), 0, 0, 1, s->line.n));
  if (s->pass == 0)
    element_number(b, place, e);
  else
    kernel_load(b, place, access_at(s->places[from], e, 0, 0));
  kernel_store(b, place,
               access_index(access_at(s->places[to], affine(0), 0, 0), s->at, affine(0), 0, 0, 1, s->line.n));
  kernel_end(b);
}

static void by_digits(LowerKernel *m, const Coord *c, Sorting *s) {
  int passes = (s->key == DT_I64 ? 64 : 32) / DIGIT_BITS;
  for (s->pass = 0; s->pass < passes; s->pass++) {
    line_walk(m, &s->line, c, affine(0), s->line.n, 1, digit_step, s);
    count_digits(m, s);
    sum_counts(m, s);
    deal(m, s);
  }
}

static void by_ranks(LowerKernel *m, const Coord *c, Sorting *s) {
  KernelBuilder *b = &m->b;
  line_walk(m, &s->line, c, affine(0), s->line.n, 1, rank_step, s);
  int place = one(b, "place", DT_I32), k = kernel_loop(b, LOOP_SEQ, s->line.n, 1);
  Affine e = affine_add(affine(0), k, 1);
  element_number(b, place, e);
  kernel_store(b, place, by_digit(s, s->places[0], e, s->line.n));
  kernel_end(b);
}

static void body(LowerKernel *m, const Coord *c, void *cx) {
  Sorting *s = cx;
  s->pass = 0;
  line_walk(m, &s->line, c, affine(0), s->line.n, 1, key_step, s);
  (s->radix ? by_digits : by_ranks)(m, c, s);
  line_walk(m, &s->line, c, affine(0), s->line.n, 1, copy_step, s);
}

static void argsort(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  int axis = (int)graph_attr(lo->g, n)[0];
  DType t = (DType)graph_node(lo->g, x)->type.dtype;
  Sorting s = {.type = t,
               .key = dtype_bytes(t) == 8 ? DT_I64 : DT_I32,
               .descending = graph_attr(lo->g, n)[1],
               .in = lower_memory(lo, x),
               .out = view_plain(lo, n),
               .row = {.kind = VIEW_MEMORY}};
  s.row.at.c[LINE_AXIS] = 1;
  s.from = plan_buffer_node(lo, s.in.base);
  s.to = plan_buffer_node(lo, n);
  View *all[2] = {&s.in, &s.out};
  line_begin(&s.line, lo, graph_node(lo->g, n)->type.rank, lo->ext[n.i], axis, true, all, 2);
  s.line.lanes = true; /* a line is a unit of its own, also a short one */
  s.line.tree = false;
  s.line.t.row = s.line.t.lane = -1;
  s.line.t.rows = s.line.t.cols = 1;
  int64_t len = s.line.n;
  s.radix = len > COUNTED;
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "argsort");
  for (int i = 0; i < 1 + s.radix; i++) {
    s.keys[i] = lower_kernel_scratch(&m, i ? STR("keys_b") : STR("keys_a"), s.key, len);
    s.places[i] = lower_kernel_scratch(&m, i ? STR("places_b") : STR("places_a"), DT_I32, len);
  }
  s.digits = lower_kernel_scratch(&m, STR("digits"), DT_I32, len);
  if (s.radix) {
    s.counts = lower_kernel_scratch(&m, STR("counts"), DT_I32, DIGITS);
    s.at = lower_kernel_scratch(&m, STR("at"), DT_I32, 1);
  }
  lower_tiles(&m, &s.line.t, body, &s);
  double each = s.radix ? 8.0 * (double)dtype_bytes(s.key) : 4 + 0.03 * (double)len;
  m.cost_ns = (double)lo->count[n.i] * each;
  lower_kernel_end(&m);
}
const LowerOp lower_ARGSORT = {.role = ROLE_OTHER, .kernels = argsort};
