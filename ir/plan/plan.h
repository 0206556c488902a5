/* The executable plan: what a compiled entry point is once its graph has been lowered. Kernels (each once),
 * launches in order, and where every buffer lives: a leaf's own memory, a place in one arena whose size is
 * known before the run, or constant data. What runs is its image (plan_image), by the walker of
 * runtime/core/step.h: without LLVM (plan_eval), natively (api/exec.h), and in objects built ahead of time.
 */
#ifndef DG_IR_PLAN_H
#define DG_IR_PLAN_H

#include "ir/interpret/interp.h"
#include "ir/kernel/kernel.h"
#include "runtime/core/step.h"

#define PLAN_NONE UINT32_MAX
enum { PLAN_ALIGN = STEP_ALIGN };

typedef enum {
  PLACE_LEAF,  /* the memory bound to a leaf */
  PLACE_ARENA, /* offset in the arena */
  PLACE_DATA,  /* constant */
  PLACE_PARAM, /* of a body: what its owner gives for parameter `index` */
  PLACE_YIELD, /* of a body: where its owner wants result `index` */
} PlanPlace;

typedef struct PlanBuffer {
  uint8_t place, dtype; /* PlanPlace, DType */
  LeafId leaf;          /* LEAF */
  uint32_t index;       /* PARAM, YIELD */
  size_t offset, bytes; /* ARENA: multiple of PLAN_ALIGN */
  const void *data;     /* DATA */
  int64_t n;            /* elements */
  NodeId node;          /* whose value; NO_NODE: a part of a longer computation */
  uint32_t first,
      last; /* launches that use it; kept to the end of the step when last is the number of launches */
} PlanBuffer;

typedef enum { LAUNCH_KERNEL, LAUNCH_HOST, LAUNCH_LOOP, LAUNCH_COND } LaunchKind;
typedef struct PlanLaunch {
  uint8_t kind;    /* LaunchKind */
  uint32_t kernel; /* index into Plan.kernel; HOST: index of the extern; LOOP, COND: into Plan.body */
  uint32_t bind;   /* offset into Plan.bind: buffers in the kernel's order (PLAN_NONE for scratch); HOST:
                      inputs, then the result; LOOP, COND: all that the body names */
  uint32_t nbind;
  NodeId node; /* the last node it computes, for messages */
  int64_t units;
  int64_t estimate_ns; /* one thread; rough */
  double flops;        /* of products and convolutions */
} PlanLaunch;

typedef struct PlanRoot {
  RootKind kind;
  Sym name;
  LeafId leaf;
  uint32_t buffer; /* where the value is when the step has ended. ASSIGN: the leaf's buffer */
  NodeId node;
} PlanRoot;

/* What is given for a parameter, and taken from a body. step: bytes from one step's to the next, 0: the same.
 */
typedef struct PlanArg {
  uint32_t buffer, spare; /* spare: of what is carried, in turn with buffer; else PLAN_NONE */
  size_t step, bytes;
} PlanArg;

/* The body of a loop, or both of a condition, as plans of their own: their buffers are their parameters,
 * their results, and places in an arena which is one buffer of the plan around. Parameters in order: what is
 * carried (of a loop), what comes step by step, the rest. The first `carry` results are the next step's. */
typedef struct PlanBody {
  struct Plan *plan[2]; /* LOOP: the first */
  uint32_t arena;       /* a buffer: the table of addresses, then the larger of the bodies' arenas */
  size_t table;         /* bytes of that table */
  uint32_t pred;        /* COND: a buffer */
  uint32_t carry;
  int64_t trip;
  bool reverse, ends;
  VEC(PlanArg) param, result;
} PlanBody;

typedef struct Plan {
  Arena *arena;
  const Graph *graph;
  VEC(const Kernel *) kernel;
  VEC(PlanLaunch) launch;
  VEC(uint32_t) bind;
  VEC(PlanBuffer) buffer;
  VEC(PlanRoot) root; /* as the graph's roots; of a body: its results */
  VEC(PlanBody) body;
  uint32_t commit; /* launches from here on assign leaves and do nothing else: whatever may end the step is
                      before */
  bool in_place;   /* some launch before commit writes a leaf */
  size_t arena_bytes, scratch_bytes; /* scratch: per thread, enough for any kernel */
  double flops;                      /* of all launches */
} Plan;

/* Where the scratch buffers of one kernel lie within a thread's scratch memory. */
MUST_USE size_t plan_scratch(const Kernel *k, size_t *offset);
/* Buffers within the arena, launches and bindings within their tables, kernels verified. */
MUST_USE bool plan_verify(const Plan *p, Sb *why);
void plan_print(const Plan *p, Sb *b);         /* --emit=plan */
void plan_print_kernels(const Plan *p, Sb *b); /* --emit=kernels */

/* The first launch that writes a leaf, or commit: a step that has come there is finished. */
MUST_USE uint32_t plan_settled(const Plan *p);
/* What runs: tables without names, types or kernels (runtime/core/step.h), in `a`. NULL: larger than those
 * tables can say. */
MUST_USE StepImage *plan_image(Arena *a, const Plan *p, Sb *why);

/* A call of the host, by site: shapes of what it is given and gives, without data. */
enum { PLAN_HOST_INPUTS = 8 };
typedef struct PlanSite {
  uint32_t host; /* index of the extern */
  uint32_t nin;
  Tensor in[PLAN_HOST_INPUTS], out;
} PlanSite;
MUST_USE PlanSite *plan_sites(Arena *a, const Plan *p, uint32_t *n);
/* buf: inputs, then the result. False: not registered, or it failed. */
MUST_USE bool plan_host(const PlanSite *s, const HostEntry *host, void *const *buf);

typedef struct PlanMemory {
  void *const *leaf; /* by LeafId; NULL where unused */
  void *arena;       /* arena_bytes, PLAN_ALIGN-aligned; contents do not matter */
  const HostEntry *host;
} PlanMemory;
/* Address of a buffer's first element, outside of bodies. */
static inline void *plan_address(const Plan *p, const PlanMemory *m, uint32_t buffer) {
  const PlanBuffer *b = &p->buffer.at[buffer];
  return b->place == PLACE_LEAF    ? m->leaf[b->leaf.i]
         : b->place == PLACE_ARENA ? (char *)m->arena + b->offset
                                   : (void *)b->data;
}
/* One step by the kernel evaluator, under FTZ and DAZ. scratch is rewound. ST_SELF_CHECK: a CHECK root does
 * not hold, and no leaf has changed. ST_REJECTED: a host function is not registered or failed. */
MUST_USE Status plan_eval(const Plan *p, const PlanMemory *m, Arena *scratch);

#endif
