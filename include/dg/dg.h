/* dgc as a library: check, differentiate, compile and train a .dg model inside a C program.
 *
 *   dg_context *cx = dg_context_new();
 *   dg_program *p;
 *   if (dg_check_source(cx, "model.dg", text, strlen(text), &p) != DG_OK) { ...dg_diagnostic_at(p, i)... }
 *   dg_session *s;
 *   dg_session_new(p, NULL, &s);                      parameters get their initial values
 *   dg_bind(s, "x", &(dg_array){...});                  your buffer is read in place at each step
 *   for (int i = 0; i < 100; i++) dg_step(s, "fit");  forward, backward, optimizer: one native call
 *   dg_value(s, "mse", &loss);
 *
 * Nothing here prints, exits, installs handlers or changes the process: locale, signals, floating-point modes
 * are as they were when a call returns. C99; no other header of the project is needed.
 *
 * Ownership. What a dg_*_new or dg_check_* gives is released by the matching dg_*_free, once; NULL may be
 * freed. A session keeps its program alive, a program its context: free them in any order. Text and pointers
 * returned live as long as the object they were asked of, unless said otherwise. Strings, option structs and
 * dg_arrays that you pass are copied; only what dg_array.data points to stays yours and in use: it must live
 * until the next dg_bind of that name or dg_session_free.
 *
 * Arrays have rank 0 (a scalar) to 8, the outermost extent first, each extent at least 1. Without strides
 * they are dense and row-major. Those that you pass may have strides, of either sign, and 0 for one value
 * along an axis beside others that are not 0; what is bound so is gathered anew for each run, which takes the
 * time of a copy. Those that you get are dense. f32 and f64 are IEEE; i32, i64 signed; bool is an int32_t of
 * 0 or 1. Subnormal numbers count as zero. data lies at a multiple of the element's size, as malloc and C
 * arrays give it.
 *
 * Structs with a size. Set it to sizeof the struct, as the _init functions do: a host that was built with
 * another version of this header has another size. What is missing in a smaller struct is as by default; a
 * larger one is taken when the rest is 0. What the library fills in has a size, too: do not read behind it.
 * docs/abi.md is the policy.
 *
 * Errors. Every call that can fail returns a dg_status; dg_error gives one line about the last failure of
 * that context. A NULL handle is DG_USAGE, without text. After DG_INTERNAL or DG_NO_MEMORY the object the
 * call was about can only be freed.
 *
 * Cancelling. dg_cancel may be called from any thread, and from a signal handler. Calls under way that check,
 * compile or run, of the context's programs and sessions, return DG_CANCELLED within a tenth of a second, and
 * so does each later one, until dg_cancel(cx, 0). A check gives no program. A step changes nothing, and the
 * session can be used again; dg_train saves what was trained before, as where a step fails. What the host's
 * own functions take, reading files, saving, a loop that became one kernel, and updates that have begun
 * (a millisecond for a million parameters) are not cut short.
 *
 * Threads. A context and its programs belong to one thread at a time; different contexts are independent.
 * Sessions of one program may each be made, used and freed in a thread of their own, side by side with the
 * bits of one, as long as no other call about the context or the program is made meanwhile. They share
 * compiled code, which is made once. dg_error then tells of one of the failures. A session runs its kernels
 * on its own threads (dg_session_options.threads); results do not depend on their number. Your functions are
 * called on the thread that made the call, in its floating-point environment. An extern may not call the
 * session that calls it; a progress function may, but for dg_train, dg_load and dg_data. Nothing may be freed
 * from within them. Checking needs 768 KiB of stack, a call that compiles 192 KiB: on a thread with less it
 * is DG_LIMIT. */
#ifndef DG_DG_H
#define DG_DG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DG_API __attribute__((visibility("default")))
#define DG_MUST_USE __attribute__((warn_unused_result))
#else
#define DG_API
#define DG_MUST_USE
#endif

/* Also the exit statuses of the dgc command. */
typedef enum {
  DG_OK = 0,
  DG_REJECTED = 1, /* the program was rejected, or what was asked does not fit it */
  DG_USAGE = 2,    /* the API or the command line was used wrongly */
  DG_BAD_DATA = 3, /* a data or checkpoint file is invalid, or a value is none that its input takes */
  DG_IO = 4,       /* the system refused to read or write */
  DG_LIMIT = 5,    /* a named limit was exceeded */
  DG_NO_MEMORY = 6,
  DG_NON_FINITE = 7, /* training met a NaN or an infinity */
  DG_SELF_CHECK = 8, /* a check that the program makes while it runs does not hold */
  DG_MISMATCH = 9,   /* a checkpoint of another program */
  DG_CANCELLED = 10, /* dg_cancel has ended the call */
  DG_INTERNAL = 70   /* a defect of dgc */
} dg_status;

typedef struct dg_context dg_context;
typedef struct dg_program dg_program;
typedef struct dg_session dg_session;

DG_API const char *dg_version(void);      /* "1.2.3" */
DG_API const char *dg_llvm_version(void); /* "19.1.7", or "" when built without native code */

/* ---- context: settings for what is checked in it ---- */

DG_API dg_context *dg_context_new(void); /* NULL: no memory */
/* How a context reaches outside, in place of the system's own ways. A NULL member leaves the system's. The
 * functions are called within calls about the context, its programs and their sessions, also from threads of
 * the library's, several at once. They must not call the library. */
typedef struct dg_callbacks {
  uint32_t size; /* sizeof(dg_callbacks) */
  void *user;    /* given to each */
  /* Memory: all that the library holds itself. LLVM, and the libraries that unpack files and read JSON, keep
   * to malloc. At least `bytes`, aligned to 16; NULL: none, and the call returns DG_NO_MEMORY. release is
   * given the same number. Both, or neither. */
  void *(*allocate)(void *user, size_t bytes);
  void (*release)(void *user, void *p, size_t bytes);
  /* Files that are read: programs, what they import, data, parameters. A descriptor of a regular file, at its
   * beginning, which the library closes; or -errno. Names are as given, or those in programs behind their
   * folder or a data root; that these lie beneath it, links included, is for this function to see. What is
   * written goes to the system's files. */
  int (*open)(void *user, const char *path);
} dg_callbacks;
DG_API DG_MUST_USE dg_status dg_context_new_with(const dg_callbacks *callbacks, dg_context **out);
DG_API void dg_context_free(dg_context *cx);
/* One line about the last call that failed, "" when none has; successful calls leave it. Valid until the next
 * failing call. */
DG_API const char *dg_error(const dg_context *cx);

/* 1: ends what is under way, and all that comes; 0: from now on calls run again. */
DG_API void dg_cancel(dg_context *cx, int on);

/* `const hidden = 512` becomes value; a dim symbol (N) becomes bound. Value is a number, true or false. */
DG_API DG_MUST_USE dg_status dg_define(dg_context *cx, const char *name, const char *value);
/* A flag as after -W: "dead-params", "no-cut", "error", "error=unowned". */
DG_API DG_MUST_USE dg_status dg_warn(dg_context *cx, const char *flag);
/* A limit of `dgc --help=limits` by name. */
DG_API DG_MUST_USE dg_status dg_limit(dg_context *cx, const char *name, int64_t value);
/* Folder beneath which a program may name data files, beside its own folder; it must exist. */
DG_API DG_MUST_USE dg_status dg_data_root(dg_context *cx, const char *folder);
typedef enum {
  DG_LOAD_ALL,    /* what dg_save wrote: training goes on with the same bits */
  DG_LOAD_MODEL,  /* parameters and the model's own states, without what optimizers keep: training begins anew
                   */
  DG_LOAD_TRAINED /* as DG_LOAD_MODEL, and the seed: evaluation draws as in the run that saved it */
} dg_load_what;
/* Sessions of the programs checked from now on will dg_load a file: what it brings takes the place of initial
 * values, and nothing is said of a parameter that rests on those. Files that the program names for initial
 * values are not read then. */
DG_API DG_MUST_USE dg_status dg_will_load(dg_context *cx, dg_load_what what);

/* An element of DG_BOOL is an int32_t of 0 or 1, of DG_U8 a uint8_t, of DG_BF16 a uint16_t: the upper half of
 * a float. The last two are types of inputs, parameters and states; outputs have the first five. */
typedef enum { DG_F32, DG_F64, DG_I32, DG_I64, DG_BOOL, DG_U8, DG_BF16 } dg_dtype;
typedef struct dg_array {
  dg_dtype dtype;
  int rank;
  int64_t extent[8];   /* numbers of elements, [0] outermost */
  void *data;          /* element [0][0]... */
  int64_t stride[8];   /* elements from one index to the next; all 0: dense, row-major */
  int64_t reserved[4]; /* 0 */
} dg_array;
/* A host function for `extern fn NAME`: reads in[0..n-1], the arguments in order, fills out->data, whose type
 * and shape are set, and returns 0 for success. It must be pure: the same inputs give the same output. Its
 * derivative is written in the program (`backward`) and may call another extern. Counts for sessions made
 * after dg_register. Nonzero fails the step with DG_REJECTED, which changes nothing then. */
typedef int dg_host_fn(void *user, const dg_array *in, int n, dg_array *out);
DG_API DG_MUST_USE dg_status dg_register(dg_context *cx, const char *name, dg_host_fn *fn, void *user);

/* ---- program: a text, checked ---- */

/* With DG_OK and DG_REJECTED there is a program, which carries the diagnostics; dg_error has the first of
 * them. With another status *out is NULL or a program of diagnostics alone: free it in any case. Warnings (a
 * parameter that will not learn is one) leave the status DG_OK. `name` is shown in messages; imports are
 * looked up beneath its folder. `text` is UTF-8, `length` bytes, and copied. */
DG_API DG_MUST_USE dg_status dg_check_file(dg_context *cx, const char *path, dg_program **out);
DG_API DG_MUST_USE dg_status dg_check_source(dg_context *cx, const char *name, const char *text,
                                             size_t length, dg_program **out);
DG_API void dg_program_free(dg_program *p);

typedef enum { DG_SEV_NOTE = 1, DG_SEV_WARNING = 2, DG_SEV_ERROR = 3 } dg_severity;
typedef struct dg_place {
  const char *file;              /* "" when there is no place */
  uint32_t line, column;         /* from 1; columns count characters */
  uint32_t end_line, end_column; /* just behind the last character */
  uint32_t byte, end_byte;
} dg_place;
typedef struct dg_diagnostic {
  uint32_t size;     /* sizeof(dg_diagnostic), as the library has it */
  const char *code;  /* "DG0304" */
  const char *group; /* name of its -W flag: "unowned"; "" for errors */
  dg_severity severity;
  const char *message; /* the headline */
  const char *help;    /* "" when there is none */
  dg_place place;
  int subjects; /* parameters it is about, by path: "net.fc1.w" */
  const char *const *subject;
  int edits; /* replacing text of edit_place[i] by edit_text[i] mends it */
  const dg_place *edit_place;
  const char *const *edit_text;
  int notes; /* further places with their text: the cut, the update list ... */
  const dg_place *note_place;
  const char *const *note_text;
  const char *rendered; /* as the command prints it, with source lines, without colour */
} dg_diagnostic;
DG_API int dg_diagnostic_count(const dg_program *p);
DG_API const dg_diagnostic *dg_diagnostic_at(const dg_program *p, int i); /* NULL outside 0..count-1 */
/* What is said of a function, layer or optimizer of the language ("softmax", "nn.Linear"), of a code
 * ("DG0304", "dg0304") or of the name of its flag ("unowned"), as Markdown; NULL when there is nothing. */
DG_API const char *dg_explain(const char *code);
/* All diagnostics as the command prints them. */
DG_API const char *dg_diagnostics_text(dg_program *p, int color);
/* The same as one JSON object: docs/errors/README.md lists its fields. */
DG_API const char *dg_diagnostics_json(dg_program *p);
/* The same as SARIF 2.1.0, for editors and code hosts. */
DG_API const char *dg_diagnostics_sarif(dg_program *p);

/* Files as edits of their diagnostics leave them: those that can be meant in one way only, with `maybe` also
 * those that are one way out of several. Edits of one diagnostic stand together; where two meet, the first is
 * made. dg_fix makes the list that the others give; a later one makes another. The files live as long as the
 * program. */
typedef struct dg_fixed {
  uint32_t size; /* sizeof(dg_fixed), as the library has it */
  int edits;     /* made in it */
  const char *file, *before, *after;
  size_t before_length, after_length;
} dg_fixed;
DG_API DG_MUST_USE dg_status dg_fix(dg_program *p, int maybe);
DG_API int dg_fixed_count(const dg_program *p);
DG_API const dg_fixed *dg_fixed_at(const dg_program *p, int i); /* NULL outside 0..count-1 */
/* Diagnostics of the program whose edits met others: for another turn. */
DG_API int dg_fixed_left(const dg_program *p);

/* DG_USAGE: the path names a file that the program reads, by whatever name: one of its texts, or data that it
 * names. Ask before you write what is made of it. */
DG_API DG_MUST_USE dg_status dg_may_write(dg_program *p, const char *path);

/* What the program declares. */
typedef enum { DG_INPUT, DG_PARAM, DG_STATE, DG_OUTPUT, DG_LOSS, DG_METRIC, DG_STEP } dg_kind;
DG_API int dg_name_count(const dg_program *p, dg_kind kind);
DG_API const char *dg_name_at(const dg_program *p, dg_kind kind, int i); /* NULL outside 0..count-1 */
/* Rows of `--report=table` as text: one line a parameter. */
DG_API const char *dg_report(dg_program *p);
typedef struct dg_emit_options {
  uint32_t size;     /* sizeof(dg_emit_options) */
  const char *entry; /* a train step, "eval", "predict" or "init"; NULL: the first train step, else predict */
  const char *print_after; /* pass name, "all" or "changed": graphs are put before the text */
  const char *stop_after;  /* pass name */
  int time_passes;         /* 1: a table of times before the text */
  int level;               /* of optimisation by LLVM, -1: default */
  const char *isa;         /* "avx512", "avx2", also where the CPU lacks it; NULL: the best it has */
} dg_emit_options;
/* Text of a stage: tokens ast fmt index graph facts grad step opt kernels plan llvm asm; obj gives bytes;
 * log: only what print_after and time_passes ask for. Stages from opt on need values for all dims
 * (dg_define). */
DG_API DG_MUST_USE dg_status dg_emit(dg_program *p, const char *stage, const dg_emit_options *options,
                                     const char **text, size_t *length);

/* ---- build: an object for programs without this library ---- */

typedef struct dg_build_options {
  uint32_t size;    /* sizeof(dg_build_options) */
  const char *name; /* what all names of the header begin with; NULL: the file's name */
  const char *isa;  /* "avx512", "avx2", also where the CPU lacks it; NULL: the best it has */
  int level;        /* of optimisation by LLVM, 0..3; -1: the default */
} dg_build_options;
typedef struct dg_built {
  uint32_t size;      /* sizeof(dg_built), set by you */
  const char *name;   /* as in the header */
  const char *isa;    /* "avx512", "avx2" */
  const char *object; /* of x86-64 ELF, to be linked with libdgc-core */
  size_t object_bytes;
  const char *header; /* C, NUL-terminated */
  size_t header_bytes;
  uint64_t state_bytes; /* of the one struct that holds parameters, states and all memory of a step */
  int64_t kernels;
} dg_built;
/* Compiles initial values, every train step with its `after` block, and the prediction ahead of time.
 * DG_REJECTED with one diagnostic more: a dim has no value, or the program calls a host function. What *out
 * points to lives as long as the program. */
DG_API DG_MUST_USE dg_status dg_build(dg_program *p, const dg_build_options *options, dg_built *out);

/* ---- session: a program with parameters and native code ---- */

typedef struct dg_session_options {
  uint32_t size;    /* sizeof(dg_session_options) */
  int threads;      /* 0: as many as the machine has cores */
  uint32_t seed;    /* of initial values, noise and shuffling */
  int interpret;    /* 1: the reference interpreter instead of native code (same bits, slow) */
  int level;        /* of optimisation by LLVM, 0..3; -1: the default */
  const char *isa;  /* "avx512", "avx2"; NULL: the best this CPU has. What it lacks is DG_REJECTED at once */
  int check_finite; /* 1: a step whose loss, or what it assigns, becomes NaN or infinite fails with
                       DG_NON_FINITE; parameters and states of a large model are looked at every few steps */
} dg_session_options;
/* Fills in the defaults. size: sizeof *o. */
DG_API void dg_session_options_init(dg_session_options *o, size_t size);

/* options may be NULL. Dim symbols not bound by dg_define are bound by the buffers given to dg_bind. */
DG_API DG_MUST_USE dg_status dg_session_new(dg_program *p, const dg_session_options *options,
                                            dg_session **out);
DG_API void dg_session_free(dg_session *s);

/* Binds an input to your buffer, which is read, never written, at each step or prediction; change its values
 * in between as you like. Its extents must fit the declared type; symbols take their values from them, and
 * the same symbol must get the same value from all inputs an entry reads. Another shape may be bound at any
 * time; code for the last 16 combinations is kept. Values are looked at when they are read: one outside the
 * declared range (`in 0:10`), a label of cross_entropy outside the classes, a bool other than 0 and 1 is
 * DG_BAD_DATA. */
DG_API DG_MUST_USE dg_status dg_bind(dg_session *s, const char *input, const dg_array *array);
/* One training step of `train NAME`: losses, gradients, updates, and the `after` block when it is due. With
 * `accumulate = k` it takes one batch, and each k-th call updates, by the mean gradient of k. A failed step
 * changes nothing, with one exception: DG_NON_FINITE comes when the update has been made. */
DG_API DG_MUST_USE dg_status dg_step(dg_session *s, const char *name);
/* All outputs (dg_predict) or all losses and metrics (dg_evaluate) for the bound inputs. */
DG_API DG_MUST_USE dg_status dg_predict(dg_session *s);
DG_API DG_MUST_USE dg_status dg_evaluate(dg_session *s);
/* A scalar loss or metric, as the last dg_step or dg_evaluate that computes it left it. */
DG_API DG_MUST_USE dg_status dg_value(dg_session *s, const char *name, double *out);
/* An output of the last dg_predict, or a parameter or state by path. `data` belongs to the session and is
 * valid until the next call that runs or loads. */
DG_API DG_MUST_USE dg_status dg_read(dg_session *s, const char *name, dg_array *out);
/* Copies array->data into a parameter or state of the same shape. */
DG_API DG_MUST_USE dg_status dg_write(dg_session *s, const char *path, const dg_array *array);
/* Parameters, states and counters as safetensors, by atomic replace. The program's and the data's own files
 * are not overwritten. */
DG_API DG_MUST_USE dg_status dg_save(dg_session *s, const char *path);
/* From a file of dg_save; but for DG_LOAD_ALL also from another safetensors file with these names and shapes.
 */
DG_API DG_MUST_USE dg_status dg_load(dg_session *s, const char *path, dg_load_what what);
/* What the session's beginning needs a word for, one line each: of files that the program names behind `~
 * load`, which tensors were converted, and what they hold besides. */
DG_API int dg_session_note_count(const dg_session *s);
DG_API const char *dg_session_note_at(const dg_session *s, int i); /* NULL outside 0..count-1 */
/* States of the model (running statistics) that the last file loaded did not hold: they are as they were.
 * Names are valid until the next dg_load. */
DG_API int dg_missing_count(const dg_session *s);
DG_API const char *dg_missing_at(const dg_session *s, int i); /* NULL outside 0..count-1 */

/* ---- training over data sets, as `dgc train` does ---- */

/* Feeds an input from a file (IDX, npy, csv, safetensors; .gz too), whose values are looked at now. Where
 * axis 0 of the input is the batch, the file holds rows of it, else the one value of all batches. `set` is
 * "train" or "test"; `part`, for csv, names columns ("" or NULL: all), for safetensors the tensor. */
DG_API DG_MUST_USE dg_status dg_data(dg_session *s, const char *set, const char *input, const char *path,
                                     const char *part);
typedef enum {
  DG_AT_START, /* once for all steps that read the same batches */
  DG_AT_STEP,
  DG_AT_EPOCH,
  DG_AT_END,
  DG_AT_PART /* training ends inside an epoch: the values so far */
} dg_moment;
typedef struct dg_progress {
  uint32_t size; /* sizeof(dg_progress), as the library has it */
  dg_moment at;
  const char *step;    /* name of the train step */
  int lanes;           /* sets of batches that are read side by side: 1 but where steps have different data */
  const char *instead; /* START: which settings of the train blocks the options stand in place of, or "" */
  int64_t epoch, epochs; /* from 1 */
  int64_t batch, batches;
  int64_t from;       /* batches of this epoch that an earlier run did: means and times leave them out */
  int64_t rows;       /* of the training data; 0: no data set, each epoch is one step */
  int64_t batch_rows; /* of one batch */
  int64_t left_out;   /* rows of each epoch behind the last full batch */
  double seconds;     /* since the epoch began (STEP, EPOCH) or training began (END) */
  double loss;        /* running mean of the epoch */
  int64_t saved_epoch,
      saved_batch; /* what the file holds: epochs, and batches of the next; -1: none written */
  int values; /* EPOCH, PART: name, value on training data (NaN: not measured) and on test data (NaN: no test
               * data)
               */
  const char *const *value_name;
  const double *train_value, *test_value;
  int64_t unfinished; /* END: batches at the end that made no update, for `accumulate` asks for more; a
                         checkpoint holds what they added up */
} dg_progress;
/* Return nonzero to stop after the current step. */
typedef int dg_progress_fn(void *user, const dg_progress *progress);
typedef struct dg_train_options {
  uint32_t size;    /* sizeof(dg_train_options) */
  const char *step; /* NULL: every train step of the file, in text order, in each round */
  int64_t epochs;   /* in total, with those of a loaded checkpoint; 0: as the train blocks say, else 1 */
  int64_t batch;    /* 0: as the train block says, else all rows */
  int64_t steps;    /* so many rounds (updates) more; 0: as the train blocks say, in total */
  const char *save; /* NULL: nothing is saved; else now and then (it takes a few per cent of the time: after
                       epochs, in long ones each minute), and at the end */
  dg_progress_fn *progress;
  void *user;
} dg_train_options;
DG_API void dg_train_options_init(dg_train_options *o, size_t size);
/* Inputs without data are read as bound; those with data are yours again when it returns.
 * DG_OK also when the callback stopped it: *stopped says so (may be NULL). */
DG_API DG_MUST_USE dg_status dg_train(dg_session *s, const dg_train_options *options, int *stopped);
/* Opens the data and compiles what dg_train will run, so that dg_session_facts can tell of it first.
 * Optional. */
DG_API DG_MUST_USE dg_status dg_train_prepare(dg_session *s, const dg_train_options *options);
/* One line of text about g, at most `width` characters, NUL-terminated; returns 0 when there is nothing to
 * say. */
DG_API int dg_progress_line(const dg_progress *g, int width, char *text, size_t capacity);
/* Losses and metrics over a whole data set, exactly, last batch included; dg_value gives them. `set` is
 * "train", "test", the name of a dataset in the program, or NULL: test data where there are some, else
 * training data. batch 0: as the train block says. Where steps have different data, all sets of that kind are
 * evaluated; their values are "STEP.NAME", the first set's also "NAME". */
DG_API DG_MUST_USE dg_status dg_evaluate_set(dg_session *s, const char *set, int64_t batch);
/* Outputs for all rows of a set at once: dg_read gives them. */
DG_API DG_MUST_USE dg_status dg_predict_set(dg_session *s, const char *set);
/* What the last of these two calls read and found, one a set; valid until the next such call. */
typedef struct dg_evaluated {
  uint32_t size;       /* sizeof(dg_evaluated), as the library has it */
  const char *set;     /* "train", "test", or "": a dataset by its name */
  const char *dataset; /* of the program; "" where files came from elsewhere */
  const char *step;    /* whose set it is, where steps have different data; else "" */
  int64_t rows;        /* 0: no file was read */
  const char *files;   /* "x = x.npy, y = y.csv" */
  int values;          /* of dg_evaluate_set: losses and metrics */
  const char *const *value_name;
  const double *value;
} dg_evaluated;
DG_API int dg_evaluated_count(const dg_session *s);
DG_API const dg_evaluated *dg_evaluated_at(const dg_session *s, int i); /* NULL outside 0..count-1 */

/* Facts about a compiled entry, compiled now if it has not been: for summaries. */
typedef struct dg_facts {
  uint32_t size;       /* sizeof(dg_facts): set it before the call */
  int64_t parameters;  /* trainable numbers */
  int64_t arena_bytes; /* of the entry's values, and scratch for each thread */
  int64_t kernels;
  double flops;      /* of one step: products and convolutions counted as 2 a multiply-add, one for other
                        arithmetic */
  double compile_ms; /* from checked program to callable code */
  const char *isa;   /* "avx512", "avx2", "interpreter" */
  int threads;
} dg_facts;
DG_API DG_MUST_USE dg_status dg_session_facts(dg_session *s, const char *entry, dg_facts *out);
/* What is found about the program with the extents that its inputs have now, and was not found for all
 * extents: text as the command prints it, one JSON object, or SARIF; empty: nothing. DG_REJECTED: one of them
 * counts as an error (dg_warn "error"). `step` NULL: the first train step. The text lives as long as the
 * session. */
typedef enum { DG_TEXT_PLAIN, DG_TEXT_COLOR, DG_TEXT_JSON, DG_TEXT_SARIF } dg_text_form;
DG_API DG_MUST_USE dg_status dg_session_warnings(dg_session *s, const char *step, dg_text_form form,
                                                 const char **text);
/* That, and what dg_diagnostics_text, _json and _sarif say: all of it in one text, or one document. */
DG_API DG_MUST_USE dg_status dg_session_diagnostics(dg_session *s, const char *step, dg_text_form form,
                                                    const char **text);
/* dg_report with the extents that the inputs of the step have now. The text lives as long as the session. */
DG_API DG_MUST_USE dg_status dg_session_report(dg_session *s, const char *step, const char **text);
/* The facts as one line for people; returns 0 when there is nothing to say. */
DG_API int dg_facts_line(const dg_facts *f, char *text, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
