/* Every limit has a name, a default and a setter (`--limit NAME=VALUE`, dg_set_limit). Exceeding one is
 * status 5 and the message names it. Each is tested at -1, 0 and +1. */
#ifndef DG_BASE_LIMITS_H
#define DG_BASE_LIMITS_H

#include "base/str.h"

#include <stdint.h>

#define LIMITS(X)                                                                                            \
  X(source_bytes, 16 << 20, "bytes of one source file")                                                      \
  X(files, 256, "source files of one program")                                                               \
  X(nesting, 200, "nested brackets, blocks and expressions")                                                 \
  X(calls, 128, "nested calls of functions and modules while a program is expanded")                         \
  X(nodes, 2000000, "graph nodes of one entry point")                                                        \
  X(expansion, 10000000, "expressions evaluated while a program is expanded")                                \
  X(expansion_bytes, 112 << 20, "bytes a program may take while expanded, beside 64 for each of its text")   \
  X(diagnosis, 4000000, "nodes the diagnosis looks at, added up over the losses of a program")               \
  X(rank, 8, "axes of a tensor")                                                                             \
  X(params, 100000, "parameters")                                                                            \
  X(tensor_bytes, INT64_C(1) << 40, "bytes of one tensor")                                                   \
  X(arena_bytes, INT64_C(1) << 36, "bytes of a compiled program's memory")                                   \
  X(memory, INT64_MAX, "bytes a step keeps to on one thread: to compute again rather than to keep")          \
  X(data_bytes, INT64_C(1) << 36, "bytes of one data file once unpacked")                                    \
  X(unpack_ratio, 100, "bytes of a .gz once unpacked for each packed one, beyond the first 64 MiB")          \
  X(line_bytes, 8 << 20, "bytes of one record of a CSV file")                                                \
  X(compiler_bytes, INT64_C(8) << 30, "bytes the compiler itself may hold")                                  \
  X(errors, 100, "diagnostics shown of one run")

typedef struct Limits {
#define X(name, dflt, help) int64_t name;
  LIMITS(X)
#undef X
} Limits;

void limits_init(Limits *l);
/* False when there is no such limit or the value is below 1. */
MUST_USE bool limits_set(Limits *l, Str name, int64_t value);

#endif
