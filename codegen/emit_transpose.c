/* A square of lanes x lanes elements, transposed in registers: first inside 128-bit groups by unpacking, then
 * the groups themselves, so that every shuffle is one instruction. A fence between the two halves keeps
 * LLVM's shuffle combining from exploring trees of all of them (it halves the time of code generation). */
#include "codegen/emit.h"

static void unpack32(Emit *e, Val *r) { /* groups of 4 elements: 2 x 2 blocks, then 4 x 4 */
  Val t[KERNEL_LANES];
  int index[KERNEL_LANES], w = e->lanes;
  for (int i = 0; i < w; i += 2)
    for (int h = 0; h < 2; h++) {
      for (int l = 0; l < w; l++) index[l] = (l & 1 ? w : 0) + (l & ~3) + (l & 3) / 2 + 2 * h;
      t[i + h] = emit_shuffle(e, r[i], r[i + 1], index);
    }
  for (int i = 0; i < w; i += 4)
    for (int h = 0; h < 4; h++) {
      for (int l = 0; l < w; l++) index[l] = ((l & 3) < 2 ? 0 : w) + (l & ~3) + (l & 1) + 2 * (h & 1);
      r[i + h] = emit_shuffle(e, t[i + h / 2], t[i + h / 2 + 2], index);
    }
}

static void unpack64(Emit *e, Val *r) { /* groups of 2 elements */
  int index[KERNEL_LANES], w = e->lanes;
  for (int i = 0; i < w; i += 2) {
    Val pair[2];
    for (int h = 0; h < 2; h++) {
      for (int l = 0; l < w; l++) index[l] = (l & 1 ? w : 0) + (l & ~1) + h;
      pair[h] = emit_shuffle(e, r[i], r[i + 1], index);
    }
    r[i] = pair[0];
    r[i + 1] = pair[1];
  }
}

/* Of two vectors of groups, the even or the odd groups of a, then of b. */
static Val groups(Emit *e, Val a, Val b, int per, int odd) {
  int index[KERNEL_LANES], n = e->lanes / per;
  for (int l = 0; l < e->lanes; l++) {
    int q = l / per, from = 2 * (q % (n / 2)) + odd;
    index[l] = (q < n / 2 ? 0 : e->lanes) + from * per + l % per;
  }
  return emit_shuffle(e, a, b, index);
}

void emit_transpose(Emit *e, DType t, Val *r) {
  int per = dtype_bytes(t) == 8 ? 2 : 4, n = e->lanes / per; /* n groups of `per` elements in a vector */
  if (per == 4)
    unpack32(e, r);
  else
    unpack64(e, r);
  if (n == 1) return;
  if (dtype_is_float(t))
    for (int i = 0; i < e->lanes; i++) r[i] = emit_fence(e, r[i]);
  Val out[KERNEL_LANES];
  for (int h = 0; h < per; h++) { /* rows g * per + h, g below n, exchange their groups */
    Val a[4];
    for (int g = 0; g < n; g++) a[g] = r[g * per + h];
    if (n == 2) {
      out[h] = groups(e, a[0], a[1], per, 0);
      out[per + h] = groups(e, a[0], a[1], per, 1);
      continue;
    }
    Val even0 = groups(e, a[0], a[1], per, 0), odd0 = groups(e, a[0], a[1], per, 1);
    Val even1 = groups(e, a[2], a[3], per, 0), odd1 = groups(e, a[2], a[3], per, 1);
    out[h] = groups(e, even0, even1, per, 0);
    out[2 * per + h] = groups(e, even0, even1, per, 1);
    out[per + h] = groups(e, odd0, odd1, per, 0);
    out[3 * per + h] = groups(e, odd0, odd1, per, 1);
  }
  for (int i = 0; i < e->lanes; i++) r[i] = out[i];
}
