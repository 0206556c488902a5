#include "ir/scalar/op_program.h"

void op_programs_init(OpPrograms *p, Arena *a) {
  *p = (OpPrograms){.arena = a};
  map_init(&p->at, a);
}

const Scalar *op_program(OpPrograms *p, Op op, const DType *in, uint32_t nin, DType result) {
  static const char *const name[] = {"x", "y", "z"};
  ScalarInput input[3];
  uint64_t key = (uint64_t)op << 32 | (uint64_t)result << 16;
  uint32_t at;
  if (!op_info[op].scalar || nin > 3) BUG(p->arena->mem, "%s has no scalar program", op_info[op].name);
  for (uint32_t i = 0; i < nin; i++) {
    key |= (uint64_t)(in[i] + 1) << (4 * i);
    input[i] = (ScalarInput){name[i], in[i]};
  }
  if (map_get(&p->at, key, &at)) return p->program.at[at];
  Sb why;
  sb_init(&why, p->arena);
  const Scalar *s = scalar_parse(p->arena, str_z(op_info[op].value), input, nin, result, &why);
  if (!s) BUG(p->arena->mem, "%s: " STRF, op_info[op].name, STRA(sb_str(&why)));
  map_put(&p->at, key, p->program.n);
  VEC_PUSH(p->arena, &p->program, s);
  return s;
}
