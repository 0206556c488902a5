/* Sessions: parameters and states in memory, and the compiled variants of the entry points. */
#ifndef DG_API_SESSION_H
#define DG_API_SESSION_H

#include "api/runner.h"
#include "runtime/core/strides.h"
#include "runtime/host/data.h"

enum { SESSION_VARIANTS = 16 }; /* compiled variants alive at once; the least recently used one goes */

typedef struct Variant {
  const Entry *entry;
  DimBinding *bind;
  uint32_t nbind;
  uint64_t shapes; /* of the session, when it was last found to fit what is bound */
  Runner *runner;
  uint64_t used;         /* tick of the last use */
  const uint32_t *watch; /* inputs it reads whose values have a range */
  uint32_t nwatch;
} Variant;

typedef struct Bound { /* an input as the host or the data set bound it */
  bool has, fed;       /* fed: by a pass over a data set */
  Tensor t;            /* data is the host's */
  void *copy;          /* flushed, of a buffer that holds subnormals */
  size_t room;         /* bytes of it */
  const void *host;    /* with strides: t.data is gathered from here for each run; else NULL */
  void *dense;         /* the memory for that */
  size_t dense_room;
  Strides strides;
} Bound;

typedef struct Look { /* by train step: when its parameters and states were looked at */
  int32_t every, last;
} Look;

typedef struct Scalar1 { /* last value of a loss or metric */
  Str name;
  double value;
} Scalar1;

typedef struct View { /* an input fed from a file */
  Sym input;
  LeafId leaf;
  bool whole;            /* the file is one value, the same for every batch; else its rows are drawn */
  int64_t ext[MAX_RANK]; /* of the input; [0] only of a whole one */
  DataRange range;
  DataSource source;
  Arena own; /* of what was read */
} View;
typedef struct DataSet {
  VEC(View *) feed; /* passes keep these */
} DataSet;
void set_close(DataSet *set); /* gives back what its files hold */
typedef enum { SET_TRAIN, SET_TEST, SET_COUNT } SetKind;

/* What the last evaluation or prediction read and found. */
typedef struct Evaluated {
  Arena arena; /* of the texts */
  VEC(dg_evaluated) all;
} Evaluated;

struct dg_session {
  dg_program *p;
  dg_context *cx;   /* its own: allocator, error, float environment */
  dg_context local; /* what cx points at */
  Program prog;     /* the program's, with a table of dims of its own: nothing of the program changes */
  Arena dims;       /* of that table */
  Arena arena;
  dg_session_options opt;
  void *pool_memory;
  size_t pool_size;
  Pool *pool;
  void **leaf;         /* by LeafId: storage of parameters, states and counters; inputs: bound buffers */
  size_t *leaf_bytes;  /* 0 for inputs */
  Tensor *leaf_tensor; /* parameters and states: their constant shapes */
  Bound *bound;        /* by LeafId: what the next run reads */
  Bound *own;          /* by LeafId: what the host bound, which comes back after a pass over a data set */
  DataRange *range;    /* by LeafId: the values an input takes */
  int32_t *counter;    /* by train step: steps done */
  Look *look;          /* by train step */
  bool *wild;          /* by LeafId: not finite from outside: its initial value, or written by the host */
  int32_t epoch;       /* epochs done */
  int64_t batch;       /* batches done of the epoch under way */
  Runner *initial;     /* while initial values are made: freed with the session when that unwinds */
  HostEntry *host;     /* by extern */
  struct HostThunk *thunk;
  Variant variant[SESSION_VARIANTS];
  uint32_t nvariant;
  uint64_t tick;
  uint64_t shapes; /* changes whenever an input gets another shape, or a first buffer */
  Variant *last;   /* whose outputs dg_read sees */
  VEC(Scalar1) scalar;
  VEC(const char *) note; /* what its beginning needs a word for */
  Arena missing_names;
  VEC(const char *) missing; /* states that the last file loaded did not hold */
  Arena opening;             /* a file that is being read: it becomes a view's own */
  DataSet set[SET_COUNT];    /* files that the host gave */
  DataSet *dataset;          /* by dataset of the program: what has been opened of it */
  VEC(Entry *) part;         /* evaluation of some losses and metrics alone */
  Arena work;                /* of one call: passes, means */
  Arena predicted;           /* rows of the last dg_predict_set: an output may be an input */
  Evaluated evaluated;
  bool running;  /* inside a step or prediction: a host function may not call back */
  bool settled;  /* inside an `after` block, which its step takes along: it is not cancelled */
  bool training; /* inside dg_train: its callback may look, not train or change what is fed */
  bool dead;     /* after DG_INTERNAL or DG_NO_MEMORY: may only be freed */
};

/* api_guard for a call about s: a dead session is refused, and after DG_INTERNAL or DG_NO_MEMORY it is dead.
 */
dg_status session_guard(dg_session *s, ApiFn *fn, void *arg);
/* ---- initial.c ---- */
dg_status session_initial(dg_session *s);
void session_counters(dg_session *s, const Entry *e); /* step, epoch and seed as the entry sees them */
/* A path written in the program: beneath its folder, else beneath a data root. In s->opening. */
dg_status session_find_file(dg_session *s, Str path, Str *out);
bool session_same_shape(const Tensor *a, const Tensor *b);
dg_status session_alive(dg_session *s); /* DG_OK, or the reason is recorded */
/* The variant of an entry that ran last; NULL when none is there. */
Variant *session_latest(dg_session *s, const Entry *e);
/* The variant of an entry for the inputs bound now, compiled when it is not there. */
dg_status session_variant(dg_session *s, const Entry *e, Variant **out);
/* Do the bound inputs hold values that the entry may read? */
dg_status session_values_fit(const dg_session *s, const Variant *v);
/* Runs an entry on the inputs bound now and records its scalars. */
dg_status session_run(dg_session *s, const Entry *e, Variant **ran);
/* What its metrics sum over a pass begins again. */
void session_pass_begins(dg_session *s, const Entry *e);
/* Inputs that a pass over a data set fed are the host's again. */
void session_unfeed(dg_session *s);
dg_status session_no_step(dg_session *s, const char *name);
dg_status session_no_input(dg_session *s, const char *name); /* the failure, with the names there are */
/* One batch of a train step, with a look at its loss: an update, which is counted and has its `after` blocks
 * run; or where several batches make one, what is added up for it. */
dg_status session_step(dg_session *s, const Entry *e, Variant **ran);
/* Batches of the step's group that have been added up. */
int64_t session_gathered(const dg_session *s, uint32_t train);
/* DG_NON_FINITE: a parameter or state that the step assigns has become NaN or infinite. session_look looks as
 * often as costs little, session_finite now. */
dg_status session_look(dg_session *s, uint32_t train, const Variant *v);
dg_status session_finite(dg_session *s, uint32_t train);
void session_finite_begin(dg_session *s, uint32_t leaf); /* its values come from outside */
/* DG_USAGE inside dg_train. */
dg_status session_not_training(dg_session *s);
/* Refuses to save over the program or the data: what is read is not overwritten. */
dg_status session_may_save(dg_session *s, const char *path);
dg_status session_save(dg_session *s, const char *path);
Str session_file_name(Arena *a, Str path); /* of a parameter or state in checkpoints */
/* The values an input takes: declared, or class labels, or 0 and 1 of a bool. */
DataRange session_range(const dg_session *s, uint32_t leaf);
DataRange program_range(const Program *p, const DimBinding *bind, uint32_t nbind, uint32_t leaf);
void session_one_nan(const Tensor *t);
/* Is axis 0 of the input the batch, so that a file holds rows of it? */
bool session_has_rows(dg_session *s, LeafId input);
/* The strides of an array that has some; false: it is dense, or cannot be (then *st, and the reason). */
bool session_strides(dg_session *s, const char *name, const dg_array *a, size_t bytes, Strides *out,
                     dg_status *st);
dg_array session_array(const Tensor *t); /* the public form; data stays where it is */
DataType session_data_type(DType t);     /* the name readers and checkpoints have for it */
double session_scalar(const Tensor *t);  /* first element as a double */
void session_scalar_put(dg_session *s, Str name, double v);

#endif
