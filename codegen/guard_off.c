/* -Dguard=off: no C++. LLVM's fatal errors (memory, internal checks) then end the process. */
#include "codegen/guard.h"

GuardResult guard_call(void (*fn)(void *), void *arg, char *msg, unsigned cap) {
  (void)msg;
  (void)cap;
  fn(arg);
  return GUARD_OK;
}

StartResult guard_start(StartResult (*fn)(void *), void *arg) { return fn(arg); }
