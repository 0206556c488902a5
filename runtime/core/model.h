/* A model built ahead of time (`dgc build`): one constant block beside the kernels of an object, as a
 * StepImage is, and what its generated functions call. Nothing here allocates. All memory
 * is the state that the caller hands in, whose layout the generated header spells out: parameters, states and
 * counters by name, then room to work in. Statuses are those of dg/dg.h. */
#ifndef DG_RUNTIME_CORE_MODEL_H
#define DG_RUNTIME_CORE_MODEL_H

#include "runtime/core/safetensors.h"
#include "runtime/core/step.h"

enum { MODEL_VERSION = 5 }; /* of these tables and of StepImage; an object of another one is refused */
enum {
  MODEL_OK = 0,
  MODEL_NO_CPU = 1,     /* the CPU lacks the instructions the object was built for */
  MODEL_USAGE = 2,      /* no state, or an input is missing */
  MODEL_BAD_DATA = 3,   /* an input has a value that it does not take, a file is damaged, a counter that is to
                           be   saved is below 0; nothing has changed, nothing was put */
  MODEL_IO = 4,         /* saving: `put` failed */
  MODEL_LIMIT = 5,      /* a step was run INT32_MAX times */
  MODEL_NO_MEMORY = 6,  /* a file has many more tensors than the model */
  MODEL_NON_FINITE = 7, /* saving: a parameter or a state is NaN or infinite; nothing was put */
  MODEL_CHECK = 8, /* a check of the program does not hold: the entry that makes it has changed nothing, but
                      what runs before it is done: the step of an AFTER, the zeros of an INIT */
  MODEL_MISMATCH = 9, /* object and library are of different versions, or a file is of another model */
};

/* bool is an i32 of 0 or 1, BF16 the upper half of an f32 */
typedef enum { MODEL_F32, MODEL_F64, MODEL_I32, MODEL_I64, MODEL_U8, MODEL_BF16 } ModelType;

/* What a leaf of an entry's image is. */
typedef enum { MODEL_KEPT, MODEL_ARGUMENT, MODEL_STEP, MODEL_EPOCH, MODEL_SEED } ModelSourceKind;
typedef struct ModelSource {
  uint32_t kind, unused;
  uint64_t at; /* KEPT: bytes from the start of the state; ARGUMENT: which */
} ModelSource;

typedef struct ModelInput {
  uint32_t type, ranged; /* ModelType; whether values must lie in `lo` to `hi`, both included */
  uint64_t n;
  int64_t lo,
      hi; /* of integers; the bits of two doubles for floats, which F32 (and of BF16 F32) holds exactly */
  uint32_t whole; /* floats: and be integers */
  uint32_t none;  /* there is no such value */
} ModelInput;

typedef struct ModelOutput {
  uint32_t root, type;
} ModelOutput;

typedef enum { MODEL_ENTRY_INIT, MODEL_ENTRY_TRAIN, MODEL_ENTRY_AFTER, MODEL_ENTRY_RUN } ModelEntryKind;
typedef struct ModelEntry {
  uint64_t image;                 /* offset of its StepImage, at a multiple of STEP_ALIGN */
  uint64_t counter;               /* TRAIN, AFTER: offset in the state of the steps done */
  int64_t every;                  /* AFTER: runs when the counter is a multiple */
  int64_t accumulate;             /* TRAIN: batches of an update; all but the last run the entry `gather` */
  uint64_t gathered;              /* above 1: offset in the state of how many are in, an int32_t */
  uint32_t kind, kernel;          /* its first kernel in the object's table */
  uint32_t source, input, output; /* offsets of tables */
  uint32_t ninput, noutput;       /* the arguments: inputs, then outputs */
  uint32_t after, nafter;         /* TRAIN: entries that follow it, without arguments */
  uint32_t gather, unused;        /* with the arguments of the step */
} ModelEntry;

typedef struct ModelTensor { /* of a checkpoint */
  uint64_t at;               /* in the state */
  uint32_t name, name_bytes; /* offset in the block */
  uint32_t dtype, rank;      /* SafeDtype */
  uint32_t needed, counts;   /* a file must have it; a counter, not below 0 */
  uint64_t dim[SAFE_MAX_RANK];
} ModelTensor;

typedef struct Model {
  uint32_t version, level;               /* CpuLevel that the kernels need */
  uint64_t bytes;                        /* of the block */
  uint64_t kept_bytes, state_bytes;      /* of the state: parameters, states and counters; all of it */
  uint64_t work, work_bytes;             /* room within the state, of any alignment */
  uint64_t arena_bytes, scratch_bytes;   /* the most that an entry takes */
  uint64_t seed, epoch;                  /* offsets in the state: uint32_t, int32_t (epochs done) */
  uint64_t program;                      /* CkMeta.program */
  uint32_t tensor, ntensor;              /* offset of the tensors */
  uint32_t entry, nentry, nleaf, unused; /* offset of the entries; most leaves that one has */
} Model;

static inline const void *model_part(const Model *m, uint64_t offset) {
  return (const char *)m + offset; /* size-ok: within the block */
}
/* The room to work in, from its first multiple of STEP_ALIGN on. */
static inline char *model_room(const Model *m, void *state) {
  char *work = (char *)state + m->work; /* size-ok: within the state */
  return work + (step_up((uintptr_t)work) - (uintptr_t)work);
}

/* Does every value lie in the input's range? A subnormal counts as zero where the caller has set FTZ and DAZ.
 */
bool model_within(const ModelInput *in, const void *p);
/* Bytes of `work` that a model needs, STEP_ALIGN of them to align the rest. Zero: more than there are. */
uint64_t model_work_bytes(const Model *m, uint64_t copies);

/* Everything to zero, then initial values. */
int32_t dgc_model_init(const Model *m, StepFn *const *kernel, void *state, uint32_t seed);
/* arg: buffers of the inputs, then of the outputs, where NULL is not wanted. An entry of kind TRAIN is
 * counted, and what comes after it runs. */
int32_t dgc_model_run(const Model *m, StepFn *const *kernel, uint32_t entry, void *state, void *const *arg);

/* Bytes of `work` that loading and saving need. */
uint64_t model_file_bytes(uint32_t ntensor);
/* Takes what the state has of a safetensors file: a checkpoint of dgc, or any with these names and shapes.
 * Parameters must be in it. */
int32_t dgc_model_load(const Model *m, void *state, const void *file, size_t bytes);
/* The bytes of such a file, piece by piece. Not 0: stop. */
typedef int ModelPut(void *user, const void *piece, size_t bytes);
int32_t dgc_model_save(const Model *m, void *state, ModelPut *put, void *user);

#endif
