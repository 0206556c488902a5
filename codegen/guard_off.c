/* -Dguard=false: no C++. LLVM's fatal errors (memory, internal checks) then end the process, and a module is
 * ended between its stages only. */
#include "codegen/guard.h"
#include "codegen/guard_module.h"

#include <llvm-c/Transforms/PassBuilder.h>

GuardResult guard_call(void (*fn)(void *), void *arg, char *msg, unsigned cap) {
  (void)msg;
  (void)cap;
  fn(arg);
  return GUARD_OK;
}

StartResult guard_start(StartResult (*fn)(void *), void *arg) { return fn(arg); }

LLVMErrorRef guard_passes(LLVMModuleRef m, const char *passes, LLVMTargetMachineRef tm, GuardStop *stop) {
  LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = guard_ended(stop) ? LLVMErrorSuccess : LLVMRunPasses(m, passes, tm, o);
  LLVMDisposePassBuilderOptions(o);
  return error;
}

LLVMBool guard_emit(LLVMTargetMachineRef tm, LLVMModuleRef m, LLVMCodeGenFileType type, GuardStop *stop,
                    char **error, LLVMMemoryBufferRef *out) {
  return !guard_ended(stop) && LLVMTargetMachineEmitToMemoryBuffer(tm, m, type, error, out);
}
