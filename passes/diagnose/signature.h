/* Dependency signatures: how a value changes when a parameter does. Not at all; by a term that is constant
 * along some axes; by a factor that is. An operation that takes that away (softmax, centring, a norm without
 * epsilon, a quotient) ends the dependence. No derivative and no algebra: one step for each op, over the
 * values that carry gradient to the loss. */
#ifndef DG_PASSES_DIAGNOSE_SIGNATURE_H
#define DG_PASSES_DIAGNOSE_SIGNATURE_H

#include "passes/diagnose/value.h"

typedef enum {
  SIG_NONE,  /* does not change */
  SIG_SHIFT, /* by k w, w constant along `axes` */
  SIG_SCALE, /* by k w times itself */
  SIG_ANY,
} SigKind;

typedef struct Sig {
  SigKind kind;
  uint32_t axes; /* from the last; those of extent 1 included */
  uint64_t w;    /* equal, and maps too: the same w, stretched along its axes */
  uint32_t map;  /* which axis of w each axis is, 4 bits for each, 15: none */
  Ratio k;
  uint32_t times_axes; /* SHIFT, not 0: it is also k w f, this w constant along these axes; f: */
  ValueId times;
  bool masked;   /* other changes where the value is a written -infinity */
  uint8_t depth; /* of the innermost loop at whose steps w may be another one, as of values */
} Sig;

typedef struct SigNode { /* one node and the signatures of its operands */
  Values *v;
  const Graph *g;
  const ValueId *of;
  NodeId n;
  const Sig *in;
} SigNode;

static inline Sig sig_none(void) { return (Sig){.kind = SIG_NONE, .k = {1, 1}}; }
static inline Sig sig_any(void) { return (Sig){.kind = SIG_ANY, .k = {1, 1}}; }
Sig sig_node(const SigNode *s);
/* signature_loop.c: of a PARAM or RESULT; `in` is of its sources (ir/graph/region.h). */
Sig sig_body(const SigNode *s);
/* A change that is like no other, constant along these axes. */
Sig sig_fresh(const SigNode *s, uint32_t axes);
/* Another w, made of this one and of what `with` tells. */
void sig_rebase(Sig *a, uint64_t with);
bool sig_same(const Sig *a, const Sig *b);
Sig sig_start(const Values *v, const Type *t, SigKind kind); /* of the parameter itself */
/* Axes of extent 1 of a type, and those it does not have. */
uint32_t sig_ones(const Values *v, const Type *t);

#endif
