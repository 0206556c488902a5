/* Random numbers as ordinary nodes: a counter cipher over the element's index, keyed by the seed, the step
 * and the name path of the draw (the definition: runtime/core/rng.h). */
#include "frontend/elaborate/elab.h"

/* rng_path: the constant part of a key. */
static uint64_t path_key(uint64_t domain, uint64_t path) {
  return hash_mix(path + domain * 0x9e3779b97f4a7c15u);
}

/* mix(k, i) for the index i of the step of each loop around, the outermost first. */
static NodeId mix_indices(Elab *x, Builder *b, Body *body, NodeId k) {
  if (body->around) k = mix_indices(x, b, body->around, k);
  if (!body->loop) return k;
  return build_scalar(b, OP_RNG_KEY, k, body_see(x->body, body, body_index(body)), NO_NODE);
}

/* mix(mix(word, seed), step), and of a group of batches which one it is, stretched to the draw's shape;
 * initial values have step 0. In the body of a loop each step has a key of its own. */
static NodeId key_node(Elab *x, Builder *b, uint32_t word, Type shape) {
  Type i32 = type_scalar(DT_I32);
  NodeId k = build_const(b, i32, (double)(int32_t)word);
  k = build_scalar(b, OP_RNG_KEY, k, leaf_to_node(x, clock_leaf(x, LEAF_SEED)), NO_NODE);
  NodeId step = x->entry == ENTRY_INIT ? build_const(b, i32, 0) : leaf_to_node(x, clock_leaf(x, LEAF_STEP));
  k = build_scalar(b, OP_RNG_KEY, k, step, NO_NODE);
  if (x->gathered.i != UINT32_MAX) /* several batches have one step */
    k = build_scalar(b, OP_RNG_KEY, k, leaf_to_node(x, x->gathered), NO_NODE);
  return build_broadcast(b, mix_indices(x, b, x->body, k), shape);
}

/* Uniform in [0, 1); *second is an independent one of the same block when asked for. */
NodeId draw_uniform(Elab *x, Type t, Span at, NodeId *second) {
  Builder b = builder_at(x, at);
  uint64_t p = path_key(x->domain, frame_key(x, sym_of(x, "draw")));
  Type words = t;
  words.dtype = DT_I32;
  NodeId key0 = key_node(x, &b, (uint32_t)p, words), key1 = key_node(x, &b, (uint32_t)(p >> 32), words);
  NodeId element = build_iota(&b, words, -1);
  NodeId lo = build_scalar(&b, OP_RNG_LO, element, key1, key0);
  if (second) {
    NodeId hi = build_scalar(&b, OP_RNG_HI, element, key1, key0);
    *second = build_op(&b, OP_UNIT, &hi, 1, NULL, &t);
  }
  return build_op(&b, OP_UNIT, &lo, 1, NULL, &t);
}

static bool draw_type(Elab *x, Operand shape, Span at, Type *t) {
  int want = x->frame->want_dtype, hole;
  *t = type_scalar(want >= 0 ? (DType)want : DT_F32);
  if (arg_given(shape) && !dims_of(x, shape, t->dim, &t->rank, &hole)) return false;
  if (!dtype_is_float((DType)t->dtype)) {
    TELL(x, declared_type, at, "a random number", STR("real"), type_text(x, *t));
    return false;
  }
  return type_small(x, at, t);
}

Value bi_uniform(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Type t;
  if (!builtin_args(x, b, args, at, o) || !draw_type(x, o[2], at, &t)) return val_poison();
  Value u = val_node(draw_uniform(x, t, at, NULL));
  if (!arg_given(o[0])) return u;
  Value hi = arg_given(o[1]) ? o[1].v : val_int(1);
  Value span = binary_value(x, BINARY_SUB, at, (Operand){hi, at}, (Operand){o[0].v, at});
  u = binary_value(x, BINARY_MUL, at, (Operand){u, at}, (Operand){span, at});
  return binary_value(x, BINARY_ADD, at, (Operand){u, at}, (Operand){o[0].v, at});
}

/* Box and Muller, "A note on the generation of random normal deviates", 1958: sqrt(-2 log(1 - u)) cos(2 pi
 * v). */
Value bi_normal(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Type t;
  if (!builtin_args(x, b, args, at, o) || !draw_type(x, o[2], at, &t)) return val_poison();
  NodeId v, u = draw_uniform(x, t, at, &v);
  Builder bu = builder_at(x, at);
  NodeId one = build_const(&bu, t, 1), minus2 = build_const(&bu, t, -2),
         tau = build_const(&bu, t, 6.28318530717958647692);
  NodeId l = build_scalar(&bu, OP_LOG, build_scalar(&bu, OP_SUB, one, u, NO_NODE), NO_NODE, NO_NODE);
  NodeId r = build_scalar(&bu, OP_SQRT, build_scalar(&bu, OP_MUL, minus2, l, NO_NODE), NO_NODE, NO_NODE);
  NodeId c = build_scalar(&bu, OP_COS, build_scalar(&bu, OP_MUL, tau, v, NO_NODE), NO_NODE, NO_NODE);
  Value z = val_node(build_scalar(&bu, OP_MUL, r, c, NO_NODE));
  if (arg_given(o[1])) z = binary_value(x, BINARY_MUL, at, (Operand){z, at}, o[1]);
  if (arg_given(o[0])) z = binary_value(x, BINARY_ADD, at, (Operand){z, at}, o[0]);
  return z;
}

/* The greatest of logits + noise, the noise -log(-log(u)) (Gumbel): each index with the probability that
 * softmax gives it. A u of 0 never wins, so what has no chance is never drawn. */
Value bi_categorical(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(n)) return val_poison();
  Type t = node_type(x, n);
  int axis = t.rank - 1;
  if (t.rank == 0) return wrong_kind(x, o[0].at, o[0].v, "a tensor with axes");
  if (!dtype_is_float((DType)t.dtype)) return wrong_kind(x, o[0].at, o[0].v, "a tensor of real numbers");
  if (arg_given(o[1]) && !axis_of(x, o[1], t.rank, &axis)) return val_poison();
  NodeId u = draw_uniform(x, t, at, NULL);
  Builder bu = builder_at(x, at);
  for (int i = 0; i < 2; i++) {
    u = build_scalar(&bu, OP_LOG, u, NO_NODE, NO_NODE);
    u = build_scalar(&bu, OP_NEG, u, NO_NODE, NO_NODE);
  }
  NodeId noisy = build_scalar(&bu, OP_ADD, n, u, NO_NODE);
  int64_t attr = axis;
  NodeId greatest = emit(x, at, b->name, OP_ARGMAX, &noisy, 1, &attr, NULL);
  return node_ok(greatest) ? val_node(build_drop_axes(&bu, greatest, 1u << axis)) : val_poison();
}
