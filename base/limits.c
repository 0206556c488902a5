#include "base/limits.h"

void limits_init(Limits *l) {
#define X(name, dflt, help) l->name = dflt;
  LIMITS(X)
#undef X
}

bool limits_set(Limits *l, Str name, int64_t value) {
  if (value < 1) return false;
#define X(nm, dflt, help)                                                                                    \
  if (str_eq(name, STR(#nm))) {                                                                              \
    l->nm = value;                                                                                           \
    return true;                                                                                             \
  }
  LIMITS(X)
#undef X
  return false;
}
