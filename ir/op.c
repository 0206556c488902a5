/* The op table as data. */
#include "ir/op.h"

/* Attributes of a row: the colons of its text, which a C initialiser counts place by place. */
#define COLON(s, i) (sizeof(s) > (i) && (s)[sizeof(s) > (i) ? (i) : 0] == ':')
#define COLONS4(s, i) (COLON(s, i) + COLON(s, (i) + 1) + COLON(s, (i) + 2) + COLON(s, (i) + 3))
#define COLONS16(s, i) (COLONS4(s, i) + COLONS4(s, (i) + 4) + COLONS4(s, (i) + 8) + COLONS4(s, (i) + 12))
#define COLONS(s) (COLONS16(s, 0) + COLONS16(s, 16) + COLONS16(s, 32) + COLONS16(s, 48))

const OpInfo op_info[OP_COUNT] = {
#define SCALAR(id, nm, sg, fl, cl, val, d0, d1, d2, l, h, dc)                                                \
  {.name = nm,                                                                                               \
   .scalar = true,                                                                                           \
   .arity = sizeof(sg) - 2,                                                                                  \
   .flags = fl,                                                                                              \
   .sig = sg,                                                                                                \
   .attrs = "",                                                                                              \
   .cls = cl,                                                                                                \
   .value = val,                                                                                             \
   .grad = {d0, d1, d2},                                                                                     \
   .lo = l,                                                                                                  \
   .hi = h,                                                                                                  \
   .linear = "",                                                                                             \
   .doc = dc},
#define STRUCT(id, nm, ar, at, cl, fl, family, li, dc)                                                       \
  {.name = nm,                                                                                               \
   .arity = ar,                                                                                              \
   .nattr = COLONS(at),                                                                                      \
   .flags = fl,                                                                                              \
   .sig = "",                                                                                                \
   .attrs = at,                                                                                              \
   .cls = cl,                                                                                                \
   .value = "",                                                                                              \
   .grad = {"", "", ""},                                                                                     \
   .linear = li,                                                                                             \
   .doc = dc},
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};

bool op_find(Str name, Op *out) {
  for (int op = 0; op < OP_COUNT; op++)
    if (str_eq(name, str_z(op_info[op].name))) return *out = (Op)op, true;
  return false;
}
