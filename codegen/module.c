/* Kernels to object code, in a context of its own. */
#include "codegen/module.h"

#include "codegen/emit.h"
#include "codegen/guard.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdio.h>

/* More passes showed no gain on any kernel (docs/decisions/0005-one-emitter.md); licm hoists masks. */
#define DEFAULT_PASSES "function(early-cse,loop-mssa(licm),dce)"

static void fail(ModuleJob *j, Status st, const char *stage, const char *text) {
  if (j->status != ST_OK) return;
  j->status = st;
  snprintf(j->what, sizeof j->what, "%s: %s", stage, text ? text : "unknown error");
}

static void on_diagnostic(LLVMDiagnosticInfoRef d, void *job) { /* without a handler LLVM exits */
  if (LLVMGetDiagInfoSeverity(d) != LLVMDSError) return;
  char *s = LLVMGetDiagInfoDescription(d);
  fail(job, ST_INTERNAL, "LLVM", s);
  LLVMDisposeMessage(s);
}

/* Has another thread ended the work? Asked between the stages, and between functions. */
static bool ended(ModuleJob *j) {
  if (guard_ended(&j->stop)) fail(j, ST_CANCELLED, "LLVM", "cancelled");
  return j->stop.ended;
}

static LLVMTargetMachineRef machine(ModuleJob *j) {
  static const LLVMCodeGenOptLevel level[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                              LLVMCodeGenLevelDefault, LLVMCodeGenLevelAggressive};
  const CodegenTarget *t = &j->options->target;
  char *triple = LLVMGetDefaultTargetTriple(), *error = NULL;
  LLVMTargetRef target;
  LLVMTargetMachineRef m = NULL;
  if (!triple)
    fail(j, ST_NO_MEMORY, "LLVM", "no memory for the triple");
  else if (LLVMGetTargetFromTriple(triple, &target, &error))
    fail(j, ST_INTERNAL, "LLVM target", error);
  else
    m = LLVMCreateTargetMachine(target, triple, t->cpu.p, t->features.p, level[j->options->level & 3],
                                LLVMRelocPIC, LLVMCodeModelSmall);
  if (!m) fail(j, ST_INTERNAL, "LLVM target", "no machine");
  LLVMDisposeMessage(error);
  LLVMDisposeMessage(triple);
  return m;
}

static bool emit_all(ModuleJob *j, Arena *a, LLVMContextRef c, LLVMModuleRef m) {
  Emit *e = ARENA_NEW(a, Emit);
  e->arena = a;
  e->context = c;
  e->module = m;
  e->b = LLVMCreateBuilderInContext(c);
  e->i1 = LLVMInt1TypeInContext(c), e->i8 = LLVMInt8TypeInContext(c), e->i16 = LLVMInt16TypeInContext(c);
  e->i32 = LLVMInt32TypeInContext(c), e->i64 = LLVMInt64TypeInContext(c),
  e->ptr = LLVMPointerTypeInContext(c, 0);
  e->tiles = j->tiles;
  for (uint32_t i = 0; i < j->ntile && !ended(j); i++) {
    ArenaMark mark = arena_mark(a);
    emit_tile_function(e, j->tile[i], &j->options->target, j->options->sanitize);
    arena_rewind(a, mark);
  }
  for (uint32_t i = 0; i < j->n && !ended(j); i++) {
    ArenaMark mark = arena_mark(a);
    emit_kernel(e, j->kernel[i], &j->options->target, j->symbol[i], j->options->sanitize);
    arena_rewind(a, mark);
  }
  if (j->face && !ended(j)) emit_face(e, j);
  LLVMDisposeBuilder(e->b);
  if (ended(j)) return false;
  char *msg = NULL;
  if (LLVMVerifyModule(m, LLVMReturnStatusAction, &msg)) fail(j, ST_INTERNAL, "LLVM's verifier", msg);
  LLVMDisposeMessage(msg);
  return j->status == ST_OK;
}

static bool optimise(ModuleJob *j, LLVMModuleRef m, LLVMTargetMachineRef tm) {
  const char *passes = j->options->passes ? j->options->passes : DEFAULT_PASSES;
  char with_asan[200];
  if (j->options->sanitize) {
    snprintf(with_asan, sizeof with_asan, "%s%sasan", passes, *passes ? "," : "");
    passes = with_asan;
  }
  if (!*passes) return true;
  LLVMErrorRef error = guard_passes(m, passes, tm, &j->stop);
  if (error) {
    char *s = LLVMGetErrorMessage(error);
    fail(j, ST_INTERNAL, "LLVM's passes", s);
    LLVMDisposeErrorMessage(s);
  }
  return j->status == ST_OK && !ended(j);
}

static void write_out(ModuleJob *j, LLVMModuleRef m, LLVMTargetMachineRef tm) {
  if (j->form == MODULE_LLVM) {
    j->text = LLVMPrintModuleToString(m);
    return;
  }
  char *error = NULL;
  LLVMCodeGenFileType type = j->form == MODULE_OBJECT ? LLVMObjectFile : LLVMAssemblyFile;
  if (guard_emit(tm, m, type, &j->stop, &error, &j->buffer))
    fail(j, ST_INTERNAL, "LLVM's code generator", error);
  (void)ended(j); /* then the buffer is disposed of with the job */
  LLVMDisposeMessage(error);
}

static void module_work(ModuleJob *j, Arena *a) {
  double t0 = clock_ms();
  LLVMTargetMachineRef tm = machine(j);
  if (!tm) return;
  LLVMContextRef c = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(c, on_diagnostic, j);
  LLVMModuleRef m = LLVMModuleCreateWithNameInContext("dgc", c);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
  LLVMSetModuleDataLayout(m, layout);
  LLVMDisposeTargetData(layout);
  char *triple = LLVMGetTargetMachineTriple(tm);
  if (triple) LLVMSetTarget(m, triple);
  LLVMDisposeMessage(triple);
  bool ok = emit_all(j, a, c, m);
  double t1 = clock_ms(), t2 = t1;
  if (ok) ok = optimise(j, m, tm);
  t2 = clock_ms();
  if (ok) write_out(j, m, tm);
  LLVMDisposeModule(m);
  LLVMContextDispose(c);
  LLVMDisposeTargetMachine(tm);
  j->ms_emit = t1 - t0;
  j->ms_passes = t2 - t1;
  j->ms_code = clock_ms() - t2;
}

typedef struct Work {
  ModuleJob *job;
  Arena arena; /* released outside the guard, which LLVM may leave in the middle */
} Work;

/* Our own failures (memory, a defect) unwind to here, inside the guard. */
static void rescued(void *work) {
  Work *w = work;
  ModuleJob *j = w->job;
  Rescue r;
  if (j->starting) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  }
  if (RESCUE(&j->mem, &r)) {
    module_work(j, &w->arena);
    rescue_end(&j->mem, &r);
  } else {
    fail(j, r.status, "emitter", r.what);
  }
}

void module_run(ModuleJob *j) {
  char msg[240];
  Work w = {.job = j};
  j->status = ST_OK;
  if (ended(j)) return;
  arena_init(&w.arena, &j->mem);
  GuardResult g = guard_call(rescued, &w, msg, sizeof msg);
  arena_release(&w.arena);
  if (g == GUARD_NO_MEMORY)
    fail(j, ST_NO_MEMORY, "LLVM", msg);
  else if (g != GUARD_OK)
    fail(j, ST_INTERNAL, "LLVM", msg);
}

/* ---- the start, once in a process ---- */

/* LLVM registers its passes when they are first used, under a lock and inside pthread_once. A failure there
 * leaves the lock held for ever, or ends the process, because nothing can unwind through pthread_once. So all
 * is registered here, by making an object of nothing, and only when there is memory enough for that. After a
 * failure all the same, LLVM is not used again in this process. */
enum { PIECES = 24, PIECE = 64 << 10 };

static bool memory_enough(void) {
  Mem m;
  void *piece[PIECES];
  int n = 0;
  mem_init(&m, 0);
  while (n < PIECES && (piece[n] = mem_try(&m, PIECE))) n++;
  bool ok = n == PIECES;
  for (int i = 0; i < n; i++) mem_free(&m, piece[i], PIECE);
  return ok;
}

static StartResult start_work(void *job) {
  ModuleJob *j = job;
  if (!memory_enough()) {
    fail(j, ST_NO_MEMORY, "LLVM", "out of memory");
    return START_LATER;
  }
  module_run(j);
  return j->status == ST_OK ? START_DONE : START_FAILED;
}

Status llvm_start(char *why, unsigned cap) {
  const CodegenOptions o = {.target = {.cpu = STR("x86-64-v3"), .features = STR("")}, .level = 2};
  ModuleJob j = {.options = &o, .starting = true};
  mem_init(&j.mem, 0);
  if (guard_start(start_work, &j) == START_FAILED)
    fail(&j, ST_NO_MEMORY, "LLVM", "it ran out of memory when it started, and cannot be used any more");
  if (j.buffer) LLVMDisposeMemoryBuffer(j.buffer);
  snprintf(why, cap, "%s", j.what);
  return j.status;
}
