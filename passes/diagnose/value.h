/* Values of all graphs of a file in one table: what is equal for every input has one number, whichever graph
 * computes it. A value is an op over values, a sum of few terms, or a product of few powers, in real
 * arithmetic, where everything is finite. It has its *natural shape*: extent 1 along every axis along which
 * it is constant, so that a broadcast is the value itself. Sound, bounded work a node, no search: what is not
 * seen stays a value of its own. Used on the diagnosis' private copies only. */
#ifndef DG_PASSES_VALUE_H
#define DG_PASSES_VALUE_H

#include "ir/graph/graph.h"
#include "ir/graph/program.h"
#include "ir/scalar/op_program.h"
#include "ir/scalar/range.h"
#include "passes/diagnose/interval.h"

typedef struct ValueId {
  uint32_t i;
} ValueId;
#define NO_VALUE ((ValueId){UINT32_MAX})
static inline bool value_eq(ValueId a, ValueId b) { return a.i == b.i; }

/* p / q, q > 0; a fraction of integers is kept exact and in lowest terms. */
typedef struct Ratio {
  double p, q;
} Ratio;
static inline Ratio ratio(double p) { return (Ratio){p, 1}; }
static inline double ratio_number(Ratio r) { return r.p / r.q; }

typedef struct Shape { /* dim[0] is the last axis; no axis of extent 1 in front */
  uint8_t rank;
  DimId dim[MAX_RANK];
} Shape;

typedef struct Term {
  ValueId of;
  Ratio k; /* of a sum: the factor; of a product: the exponent */
} Term;

typedef enum { VALUE_OP, VALUE_SUM, VALUE_PRODUCT } ValueKind;
enum { VALUE_TERMS = 16 }; /* of a sum or product; more: the operands are terms as they are */

typedef struct Value { /* one for each node of every graph, several times: small */
  ValueKind kind : 8;
  Op op : 16;      /* OP */
  DType dtype : 8; /* all floats are DT_F64 */
  bool undefined;  /* reads a division by the literal 0 or the like: equal to nothing, and never multiplied
                      away */
  bool infinite;   /* may be a written infinity: no number to calculate with */
  bool noise;      /* a literal by cancelling only: in floats it is near that number, on either side */
  uint8_t depth;   /* of the innermost loop in whose steps it may differ; 0: none */
  Shape shape;
  Interval range;
  Ratio c; /* SUM: the constant term. A literal is a sum without terms */
  uint32_t n, nattr;
  const Term *term; /* operands, terms or factors */
  const int64_t *attr;
} Value;

typedef struct Values {
  Arena *arena;
  const Program *p;
  VEC(Value *) chunk; /* of VALUE_CHUNK: a value stays where it is while others are made */
  uint32_t n;
  Map index;
  OpPrograms programs;
  ScalarRanges ranges;
  int64_t fresh;
  uint8_t depth; /* of the loop whose body is looked at */
  bool exact;    /* a 0 is one of the program's own arithmetic: terms that cancel are unknown */
  bool rounds;   /* a comparison that rounding could decide is unknown */
} Values;

void values_init(Values *v, const Program *p, Arena *a);
enum { VALUE_CHUNK = 1024 };
static inline const Value *value_at(const Values *v, ValueId id) {
  return &v->chunk.at[id.i / VALUE_CHUNK][id.i % VALUE_CHUNK];
}
void value_set_range(Values *v, ValueId id, Interval range); /* of a value that was just made */
static inline const Term *value_term(const Values *v, ValueId id, uint32_t k) {
  return &value_at(v, id)->term[k];
}
static inline bool value_is_const(const Values *v, ValueId id) {
  return value_at(v, id)->kind == VALUE_SUM && !value_at(v, id)->n;
}
bool value_is(const Values *v, ValueId id, double x); /* the literal x */
static inline bool value_is_zero(const Values *v, ValueId id) { return value_is(v, id, 0); }
/* Constant along the axis that is the k-th from the last. */
bool value_flat(const Values *v, ValueId id, uint32_t k);

/* Making values. */
ValueId value_const(Values *v, DType t, double x);
ValueId value_ratio(Values *v, Ratio r);
ValueId value_noisy(Values *v, ValueId a);          /* a literal that is met nearly; anything else as it is */
ValueId value_unknown(Values *v, DType t, Shape s); /* equal to nothing else */
ValueId value_undefined(Values *v, DType t, Shape s);
ValueId value_op(Values *v, Op op, DType t, const ValueId *in, uint32_t nin, const int64_t *attr,
                 uint32_t nattr, Shape s, Interval range);
ValueId value_add(Values *v, ValueId a, Ratio ka, ValueId b, Ratio kb); /* ka a + kb b, floats */
ValueId value_scale(Values *v, ValueId a, Ratio k);
ValueId value_mul(Values *v, ValueId a, ValueId b);
ValueId value_power(Values *v, ValueId a, Ratio e);
ValueId value_extent(Values *v, DimId d); /* a dim as a number */
/* a is k times the answer, which has no factor of its own. */
ValueId value_factor(Values *v, ValueId a, Ratio *k);
/* A sum taken apart: the terms that are constant along all axes of the mask, and the rest. */
void value_split(Values *v, ValueId a, uint32_t mask, ValueId *flat, ValueId *rest);
uint32_t value_flat_axes(const Values *v, ValueId id); /* all of them, as a mask over MAX_RANK axes */
/* A reshape of what is constant along these axes (from the last): along which is the result? True: the other
 * axes only moved; axis k of the result is axis (map >> 4 k & 15), 15: none. */
bool value_reshape_axes(const Values *v, const Type *from, const Type *to, uint32_t *constant, int64_t *map);
bool value_flat_along(const Values *v, ValueId id, uint32_t mask);

/* ratio.c */
Ratio ratio_of(double p, double q);
Ratio ratio_power(Ratio a, Ratio e);
Ratio ratio_mul(Ratio a, Ratio b);
Ratio ratio_add(Ratio a, Ratio b);
Ratio ratio_inverse(Ratio a);

/* Shapes. */
bool shape_one(const Values *v, DimId d);
Shape shape_of(const Values *v, const Type *t);
void shape_trim(const Values *v, Shape *s);
Shape shape_union(const Values *v, const Shape *a, const Shape *b);
Shape shape_with(const Values *v, const Type *t,
                 uint32_t flat); /* constant along these axes, from the last */
bool shape_eq(const Shape *a, const Shape *b);

/* One node: values of its operands in, its own out. A function a family, linked by name (value_FAMILY.c). */
typedef struct ValueNode {
  Values *v;
  const Graph *g;
  NodeId n;
  const ValueId *in;
} ValueNode;
typedef ValueId ValuesFn(const ValueNode *f);
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) ValuesFn values_##id;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
ValuesFn values_scalar;
ValueId values_node(const ValueNode *f);

/* What is known of leaves while a graph is looked at; by LeafId, or NULL. */
typedef struct LeafFacts {
  const ValueId *is; /* its value, or NO_VALUE */
  bool ranges;       /* use what inputs are declared to lie in */
} LeafFacts;
ValueId value_leaf(Values *v, LeafId leaf, const LeafFacts *known);
/* By node: the values of what is needed (NULL: of all). Inside of a body: what holds of every step. */
ValueId *values_graph(Values *v, const Graph *g, const bool *needed, const LeafFacts *known);

/* The same, with a word of one's own about each node. A body is walked until what is believed of carried
 * values holds, so a node may be asked again, with less known. */
typedef struct ValueWalk ValueWalk;
struct ValueWalk {
  Values *v;
  const Graph *g;
  const bool *needed;
  const LeafFacts *known;
  ValueId *of;
  ValueId (*node)(ValueWalk *w, NodeId n); /* of all nodes but YIELD, LOOP and COND */
  void (*owner)(ValueWalk *w, NodeId n);   /* behind a LOOP or COND, or NULL */
  struct BodyValues *body;                 /* by region */
  ValueId *in;                             /* room for operands */
  uint32_t room;
};
void values_walk(ValueWalk *w);
/* value_loop.c: of values that differ from step to step of the innermost loop around this region. */
uint8_t values_depth(const Values *v, const Graph *g, uint32_t region);
ValueId values_plain(ValueWalk *w, NodeId n); /* the usual word about it */
/* For facts of families. */
static inline ValueId values_in(const ValueNode *f, uint32_t k) { return f->in[k]; }
static inline const Type *values_type(const ValueNode *f) { return &graph_node(f->g, f->n)->type; }
static inline const Type *values_type_in(const ValueNode *f, uint32_t k) {
  return &graph_node(f->g, graph_in(f->g, f->n)[k])->type;
}
static inline int64_t values_attr(const ValueNode *f, uint32_t k) { return graph_attr(f->g, f->n)[k]; }
ValueId values_unknown(const ValueNode *f); /* an op over its operands of which nothing more is known */
ValueId values_within(const ValueNode *f, Interval range); /* the same, and where it lies */
DType value_dtype(DType t);
/* moves (value_move.c), also used to put pieces together */
ValueId value_sum_axis(Values *v, ValueId a, uint32_t axis, DimId extent); /* value_reduce.c */
ValueId value_swap(Values *v, ValueId a);                                  /* the last two axes swapped */

#endif
