/* LLVM's work on a whole module, which another thread may end between two functions. In guard.cc. */
#ifndef DG_CODEGEN_GUARD_MODULE_H
#define DG_CODEGEN_GUARD_MODULE_H

#include <llvm-c/Error.h>
#include <llvm-c/TargetMachine.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* Whether another thread has ended the work. */
typedef struct GuardStop {
  const uint32_t *asked; /* not 0 there: it has; NULL: none can */
  int ended;             /* that was seen: what was made since is of no use, whatever stands there now */
} GuardStop;
static inline int guard_ended(GuardStop *s) {
  if (!s->ended && s->asked) s->ended = __atomic_load_n(s->asked, __ATOMIC_RELAXED) != 0;
  return s->ended;
}
/* LLVMRunPasses and LLVMTargetMachineEmitToMemoryBuffer, which run over a whole module: they end soon after
 * the function they are at. The module is of no use then. */
LLVMErrorRef guard_passes(LLVMModuleRef m, const char *passes, LLVMTargetMachineRef tm, GuardStop *stop);
LLVMBool guard_emit(LLVMTargetMachineRef tm, LLVMModuleRef m, LLVMCodeGenFileType type, GuardStop *stop,
                    char **error, LLVMMemoryBufferRef *out);
#ifdef __cplusplus
}
#endif

#endif
