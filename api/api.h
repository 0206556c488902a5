/* Inside the library: what the opaque handles of include/dg/dg.h are. */
#ifndef DG_API_API_H
#define DG_API_API_H

#include "dg/dg.h"
#include "ir/interpret/interp.h"
#include "runtime/core/cpu.h"

#include <pthread.h>

typedef struct Define {
  Str name, value;
} Define;
typedef struct HostReg {
  Str name;
  dg_host_fn *fn;
  void *user;
} HostReg;

struct dg_context {
  Mem mem;
  uint32_t refs; /* the user's, and one of each program */
  Arena arena;   /* settings */
  Limits limits;
  int64_t beyond;
  VEC(Define) define;
  VEC(Str) warn;
  VEC(Str) root;
  VEC(HostReg) host;
  bool will_load, load_all;  /* what programs are judged as: dg_will_load */
  struct dg_context *parent; /* of a session's own context: what failed is told there, too */
  pthread_mutex_t telling;   /* who writes `error` */
  CpuLevel cpu;              /* tests: as if the CPU had no more; CPU_ASK: what it has */
  uint32_t cancelled;        /* dg_cancel; other threads write it */
  const uint32_t *stop;      /* where that stands: for a session in its program's context */
  uint32_t host_mxcsr;       /* the host's, while one of its calls is under way */
  char error[1024];
};

struct AstFile;

struct dg_program {
  dg_context *cx;
  uint32_t refs; /* the user's, and one of each session */
  Arena arena;
  Names names;
  Sources sources;
  Diags diags;
  Program prog;
  pthread_mutex_t lock; /* of `code` and of the counts in it */
  struct Code *code;    /* what its sessions run */
  struct AstFile *ast;
  bool sound;      /* no errors: entry points may be compiled */
  bool brought;    /* its sessions load a file: what initial values come from is not read */
  bool imported;   /* a recorded model: to be diagnosed, not run */
  uint32_t beyond; /* bytes it may take above the limit, to say what was found before that was reached */
  double check_ms; /* how long reading, checking and diagnosing took */
  Str folder;      /* of the main file: data and imports are looked up beneath it */
  dg_diagnostic *view;
  VEC(DimBinding) bound; /* symbols bound by dg_define */
  VEC(dg_fixed) fixed;   /* of the last dg_fix */
  int left;              /* diagnostics whose edits it did not make */
};

/* ---- context.c ---- */
void context_drop(dg_context *cx);
/* A context for one session: host functions as they are now, an allocator and an error line of its own. */
void context_of_session(dg_context *cx, dg_context *out);
/* Moves the bytes that may be held above the limit 'compiler_bytes'. */
void context_beyond(dg_context *cx, int64_t by);
void program_drop(dg_program *p);
/* Records the reason and returns st. */
dg_status api_fail(dg_context *cx, Status st, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Runs fn(arg) with a RESCUE around it: raises become statuses. */
typedef dg_status ApiFn(void *arg);
dg_status api_guard(dg_context *cx, ApiFn *fn, void *arg);
/* From here to the end of the guard dg_cancel ends the call wherever it allocates: for calls that build
 * something of their own, which goes when they unwind. */
static inline void api_polls(dg_context *cx) { cx->mem.stop = cx->stop; }
/* What nesting at the default limits takes (a chain of 1,500 operators: 618 KiB), and a compile by LLVM (86
 * KiB for a convolutional net), with room. */
enum { API_STACK_CHECK = 768 << 10, API_STACK_COMPILE = 192 << 10 };
/* Raises ST_LIMIT where the calling thread has less than `need` bytes of stack left. */
void api_stack(Mem *m, size_t need);
/* Around a function of the host: it runs in the host's floating-point environment. */
uint32_t api_host_enter(const dg_context *cx);
void api_host_leave(uint32_t ours);
/* Memory of an object; DG_LIMIT or DG_NO_MEMORY when there is none. */
dg_status api_new(dg_context *cx, size_t n, void **out);
const char *api_z(Arena *a, Str s); /* NUL-terminated copy */

/* A struct of the host's, whose first member is its size, over the defaults in `to`: an older, smaller one is
 * completed by them, of a newer one the rest must be 0. */
dg_status api_sized(dg_context *cx, const char *name, void *to, size_t own, const void *from);
dg_status api_size(dg_context *cx, const char *name, uint32_t size); /* has somebody set it? */
/* api_sized without words: false where the struct cannot be taken. */
bool api_take(void *to, size_t own, const void *from);
/* The other way: what fits into the host's, with its size kept; the rest of a larger one is 0. */
void api_fill(void *to, size_t size, const void *from, size_t own);

/* Of the model, not of its training: what an optimizer keeps for a parameter is left out. */
static inline bool leaf_of_model(const Leaf *l) {
  return l->kind == LEAF_PARAM || (l->kind == LEAF_STATE && l->of.i == UINT32_MAX);
}

/* ---- own_files.c ---- */
/* Refuses to write over the program's texts, and over the data that it names. */
dg_status program_may_write(dg_context *cx, const dg_program *p, Arena *a, const char *path);

/* ---- program.c ---- */
/* Entry by the name users see: a train step, "eval", "predict", "init"; NULL when absent. */
const Entry *program_entry(const dg_program *p, Str name);
/* Refuses a graph in which a dim has no value: names it, or says `open` with the place of what needs it. */
dg_status dims_valued(dg_context *cx, const Graph *g, Arena *a, const DimBinding *bind, size_t n,
                      const char *open);
const Entry *program_step(const dg_program *p, Str name); /* train steps alone */

#endif
