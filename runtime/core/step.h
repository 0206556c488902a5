/* The compiled form of an entry point, and the one walker that runs it: for a session's JIT code, for an
 * object built ahead of time, and for the plan evaluator.
 *
 * A StepImage is one block of constant bytes. Its tables name each other by number and lie at offsets from
 * its start, so it works wherever it is put, and a session's block is byte by byte the one an object carries.
 * Kernels are beside it: a table of functions by number. */
#ifndef DG_RUNTIME_CORE_STEP_H
#define DG_RUNTIME_CORE_STEP_H

#include "runtime/core/pool.h"

enum { STEP_BUFFERS = 64, STEP_ALIGN = 64, STEP_OFFSET_BITS = 40 };

/* Where a buffer begins: base << STEP_OFFSET_BITS | offset in bytes. */
typedef uint64_t StepRef;
/* Bases. Leaf i of the image is STEP_LEAF + i. */
enum { STEP_SCRATCH, STEP_ARENA, STEP_DATA, STEP_LEAF };
/* In the body of a loop or condition: its parameters, then where its results are wanted. */
#define STEP_SLOT (UINT32_C(1) << 23)
#define STEP_MOST_BYTES (UINT64_C(1) << STEP_OFFSET_BITS)

typedef enum { STEP_KERNEL, STEP_HOST, STEP_LOOP, STEP_COND } StepKind;
typedef struct StepLaunch {
  uint32_t kind, index; /* StepKind; of the kernel, host site or body */
  uint32_t ref, nref;   /* KERNEL: buffers in its order. HOST: inputs, then the result */
  int64_t estimate_ns;  /* one thread; rough */
} StepLaunch;

/* Units of a kernel are those of its top loops, one behind the other: where each begins, then all. */
typedef struct StepKernel {
  uint32_t cut, ncut; /* ncut + 1 numbers of the cut table */
} StepKernel;

typedef struct StepTable { /* launches in order; of a body: where its results stand when they have run */
  uint32_t launch, nlaunch, result, nresult; /* into launches, references */
} StepTable;

/* What is given for a parameter, and taken from a body. step: bytes from one trip's to the next, 0: the same.
 */
typedef struct StepArg {
  StepRef buffer, spare; /* spare: of what is carried, in turn with buffer */
  uint64_t step, bytes;
} StepArg;
typedef struct StepBody {
  StepTable side[2]; /* LOOP: the first. COND: where the predicate holds, where not */
  StepRef arena;     /* room for a table of addresses, then for what the launches need */
  uint64_t table;    /* bytes of that table */
  StepRef pred;      /* COND */
  int64_t trip;
  uint32_t arg, nparam, nresult; /* arguments: parameters, then results */
  uint32_t carry;                /* the first so many parameters and results are carried */
  uint32_t reverse, ends;        /* the last trip first; ends when the first parameter is 0 */
} StepBody;

typedef struct StepRoot {
  StepRef ref; /* where the value stands when the step has ended */
  uint64_t bytes;
  uint32_t check, unused; /* check: 32-bit words, none of which may be 0 */
} StepRoot;

/* Offsets in bytes from here, and counts. */
typedef struct StepImage {
  uint64_t bytes;                      /* of the image, its constant data included */
  uint64_t arena_bytes, scratch_bytes; /* scratch: for each thread */
  uint64_t data;                       /* constant data, at a multiple of STEP_ALIGN */
  uint32_t launch, ref, body, arg, kernel, cut, root, leaf;
  uint32_t nroot, nleaf;
  uint32_t commit;  /* launches of `main` from here on assign leaves and do nothing else */
  uint32_t settled; /* at most commit: before it no leaf is written, and a step can be given up */
  StepTable main;
} StepImage;

/* Up to the next multiple of STEP_ALIGN. */
static inline uint64_t step_up(uint64_t n) { return (n + (STEP_ALIGN - 1)) & ~(uint64_t)(STEP_ALIGN - 1); }

static inline const void *step_part(const StepImage *m, uint64_t offset) {
  return (const char *)m + offset; /* size-ok: within the image */
}
/* By leaf of the image: its number in the program. */
static inline const uint32_t *step_leaves(const StepImage *m) { return step_part(m, m->leaf); }
static inline const StepRoot *step_roots(const StepImage *m) { return step_part(m, m->root); }

/* Kernels may be cut into `pieces`, each of which has its part of every top loop (the loops are cases of one
 * space, full tiles and remainders, so pieces are about equally dear): the unit of loop i at which piece c
 * begins. Loops of few units begin apart. */
static inline int64_t step_cut(const int64_t *start, uint32_t i, int64_t c, int64_t pieces) {
  int64_t n = start[i + 1] - start[i], shift = i * 19 % pieces;
  return start[i] + (n / pieces) * c + (n % pieces * c + shift) / pieces;
}

/* How many pieces a launch of an estimated time is cut into for a pool: each is worth a fork, and threads end
 * at about the same time. */
int64_t step_pieces(int64_t estimate_ns);

typedef void StepFn(void *const *buf, int64_t lo, int64_t hi);
typedef enum { STEP_DONE, STEP_CHECK_FAILED, STEP_HOST_FAILED, STEP_CANCELLED } StepResult;

typedef struct StepEnv {
  const StepImage *image;
  StepFn *const *fn; /* by kernel */
  void *const *base; /* of scratch, arena, constant data and every leaf. Arena and scratch at STEP_ALIGN */
  Pool *pool;        /* NULL: the caller alone */
  void (*run)(Pool *, PoolFn, void *arg, int64_t units,
              int64_t estimate_ns); /* pool_run, where there is one */
  /* The host's function at a site, called in the float environment of the caller of step_run. False: failed.
   */
  bool (*host)(void *user, uint32_t site, void *const *buf);
  /* Not NULL: instead of fn, for whole kernels. */
  void (*eval)(void *user, uint32_t kernel, void *const *buf);
  void *user;
  const uint32_t *stop; /* not 0 there: another thread has ended the step; NULL: none can */
  uint32_t given_up;    /* 0. What was seen there once holds to the end, for work was left out */
  uint32_t failed;      /* out, STEP_HOST_FAILED: the site */
} StepEnv;

/* One step. Anything but STEP_DONE: no leaf has changed. */
StepResult step_run(StepEnv *e) __attribute__((warn_unused_result));
/* Address of a buffer outside of bodies. */
void *step_address(void *const *base, StepRef r);

#endif
