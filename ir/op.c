/* The op table as data. */
#include "ir/op.h"

/* Number of attributes of each structural row (a C initialiser cannot count them; a test compares with the
 * text). */
enum {
  NATTR_LEAF = 1,
  NATTR_CONST = 1,
  NATTR_TABLE = 1,
  NATTR_IOTA = 1,
  NATTR_COTANGENT = 1,
  NATTR_BROADCAST = 0,
  NATTR_RESHAPE = 0,
  NATTR_TRANSPOSE = 1,
  NATTR_SLICE = 3,
  NATTR_PAD = 4,
  NATTR_CONCAT = 1,
  NATTR_REVERSE = 1,
  NATTR_SUM = 2,
  NATTR_MEAN = 2,
  NATTR_MAX = 2,
  NATTR_MIN = 2,
  NATTR_PROD = 2,
  NATTR_ARGMAX = 1,
  NATTR_ARGMIN = 1,
  NATTR_SOFTMAX = 1,
  NATTR_LOG_SOFTMAX = 1,
  NATTR_LOGSUMEXP = 1,
  NATTR_CROSS_ENTROPY = 0,
  NATTR_CONTRACT = 3,
  NATTR_CONV2D = 8,
  NATTR_CONV2D_DX = 8,
  NATTR_CONV2D_DW = 8,
  NATTR_MAX_POOL2D = 6,
  NATTR_MAX_POOL2D_DX = 6,
  NATTR_AVG_POOL2D = 6,
  NATTR_AVG_POOL2D_DX = 6,
  NATTR_STOP = 0,
  NATTR_NAME = 0,
  NATTR_EXTERN = 1,
  NATTR_CUSTOM = 2,
  NATTR_GRAD = 0,
};

#define IS_LEAF(op)                                                                                          \
  ((op) == OP_LEAF || (op) == OP_CONST || (op) == OP_TABLE || (op) == OP_IOTA || (op) == OP_COTANGENT)
#define IS_ONE_OF_ITS_KIND(op)                                                                               \
  ((op) == OP_STOP || (op) == OP_NAME || (op) == OP_EXTERN || (op) == OP_CUSTOM || (op) == OP_GRAD)
#define IS_ALIAS(op) ((op) == OP_RESHAPE || (op) == OP_STOP || (op) == OP_NAME || (op) == OP_CUSTOM)
#define IS_ORDERED(op)                                                                                       \
  ((op) == OP_SUM || (op) == OP_MEAN || (op) == OP_PROD || (op) == OP_MAX || (op) == OP_MIN ||               \
   (op) == OP_CONTRACT || (op) == OP_CONV2D || (op) == OP_CONV2D_DX || (op) == OP_CONV2D_DW)
#define FLAGS(op)                                                                                            \
  ((IS_LEAF(op) ? OPF_LEAF : 0) | (IS_ONE_OF_ITS_KIND(op) ? OPF_NO_MERGE : 0) |                              \
   (IS_ALIAS(op) ? OPF_ALIAS : 0) | (IS_ORDERED(op) ? OPF_REDUCES : 0))

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
   .cost = "scalar",                                                                                         \
   .doc = dc},
#define STRUCT(id, nm, ar, at, cl, co, dc)                                                                   \
  {.name = nm,                                                                                               \
   .arity = ar,                                                                                              \
   .nattr = NATTR_##id,                                                                                      \
   .flags = FLAGS(OP_##id),                                                                                  \
   .sig = "",                                                                                                \
   .attrs = at,                                                                                              \
   .cls = cl,                                                                                                \
   .value = "",                                                                                              \
   .grad = {"", "", ""},                                                                                     \
   .cost = co,                                                                                               \
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
