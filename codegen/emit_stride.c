/* Vectors whose elements lie two to four apart: neighbours are moved and shuffled, which is several times
 * faster than gathering them one by one. No element is touched that does not belong to the vector or lie
 * between two that do. Where as many rows lie next to each other as the columns are apart, all of them are
 * moved together: whole vectors, each once. */
#include "codegen/emit.h"

/* The mask of the j-th vector of neighbours: every step-th lane, and of those the ones in `mask` (NULL: all).
 */
static Val spread_mask(Emit *e, Val mask, int j, int step) {
  int w = e->lanes, index[KERNEL_LANES];
  bool on[KERNEL_LANES];
  for (int l = 0; l < w; l++) {
    on[l] = (j * w + l) % step == 0;
    index[l] = on[l] ? (j * w + l) / step : w;
  }
  return mask ? emit_shuffle(e, mask, LLVMConstNull(LLVMTypeOf(mask)), index) : emit_lanes(e, on);
}

static Val neighbours(Emit *e, LLVMTypeRef elem, Val p, int j) {
  Val k = emit_i64(e, (int64_t)j * e->lanes);
  return j ? LLVMBuildGEP2(e->b, elem, p, &k, 1, "") : p;
}

Val emit_load_step(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int step, Val mask, Val pad) {
  int w = e->lanes;
  LLVMTypeRef vec = LLVMTypeOf(pad);
  Val r = NULL;
  for (int j = 0; j < step; j++) {
    Val v, at = neighbours(e, elem, p, j);
    if (!mask && j < step - 1) {
      v = LLVMBuildLoad2(e->b, vec, at, "");
      LLVMSetAlignment(v, align);
    } else {
      bool on[KERNEL_LANES]; /* nothing behind the last element */
      for (int l = 0; l < w; l++) on[l] = j * w + l <= step * (w - 1);
      Val m = mask ? spread_mask(e, mask, j, step) : emit_lanes(e, on);
      v = emit_intrinsic(e, "llvm.masked.load", (LLVMTypeRef[]){vec, e->ptr}, 2,
                         (Val[]){at, emit_i32(e, align), m, pad}, 4);
    }
    int index[KERNEL_LANES];
    for (int i = 0; i < w; i++) {
      int from = step * i / w, lane = step * i % w;
      index[i] = from == j ? w + lane : i;
    }
    r = emit_shuffle(e, r ? r : v, v, index);
  }
  return r;
}

void emit_store_step(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int step, Val mask, Val v) {
  int w = e->lanes;
  for (int j = 0; j < step; j++) {
    int index[KERNEL_LANES];
    for (int l = 0; l < w; l++) index[l] = (j * w + l) / step;
    Val part = emit_shuffle(e, v, v, index);
    emit_intrinsic(
        e, "llvm.masked.store", (LLVMTypeRef[]){LLVMTypeOf(v), e->ptr}, 2,
        (Val[]){part, neighbours(e, elem, p, j), emit_i32(e, align), spread_mask(e, mask, j, step)}, 4);
  }
}

/* The j-th vector of `rows` rows element by element: element i is row i % rows of column i / rows. */
static Val column_mask(Emit *e, Val mask, int j, int rows) {
  int index[KERNEL_LANES];
  for (int l = 0; l < e->lanes; l++) index[l] = (j * e->lanes + l) / rows;
  return emit_shuffle(e, mask, mask, index);
}

void emit_load_rows(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int rows, Val mask, Val pad, Val *out) {
  int w = e->lanes, index[KERNEL_LANES];
  for (int j = 0; j < rows; j++) {
    Val v, at = neighbours(e, elem, p, j);
    if (mask) {
      v = emit_intrinsic(e, "llvm.masked.load", (LLVMTypeRef[]){LLVMTypeOf(pad), e->ptr}, 2,
                         (Val[]){at, emit_i32(e, align), column_mask(e, mask, j, rows), pad}, 4);
    } else {
      v = LLVMBuildLoad2(e->b, LLVMTypeOf(pad), at, "");
      LLVMSetAlignment(v, align);
    }
    for (int r = 0; r < rows; r++) { /* what this vector holds of row r */
      for (int l = 0; l < w; l++) {
        int i = rows * l + r;
        index[l] = i / w == j ? w + i % w : l;
      }
      out[r] = emit_shuffle(e, j ? out[r] : v, v, index);
    }
  }
}

void emit_store_rows(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int rows, Val mask, const Val *v) {
  int w = e->lanes, index[KERNEL_LANES];
  for (int j = 0; j < rows; j++) {
    Val part = v[0], at = neighbours(e, elem, p, j);
    for (int r = 1; r < rows; r++) {
      for (int l = 0; l < w; l++) {
        int i = j * w + l;
        index[l] = i % rows == r ? w + i / rows : r > 1 ? l : i / rows;
      }
      part = emit_shuffle(e, part, v[r], index);
    }
    if (mask) {
      emit_intrinsic(e, "llvm.masked.store", (LLVMTypeRef[]){LLVMTypeOf(part), e->ptr}, 2,
                     (Val[]){part, at, emit_i32(e, align), column_mask(e, mask, j, rows)}, 4);
    } else {
      Val st = LLVMBuildStore(e->b, part, at);
      LLVMSetAlignment(st, align);
    }
  }
}
