/* Vectors whose elements lie two to four apart: neighbours are moved and shuffled, which is several times
 * faster than gathering them one by one. No element is touched that does not belong to the vector or lie
 * between two that do. */
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
