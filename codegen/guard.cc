// The only C++ of the project: turns LLVM's fatal paths into return values. It works through LLVM built
// without exceptions, because Debian's build keeps unwind tables; tests/unit/test_codegen.c holds that.
#include "codegen/guard.h"

#include <cstdio>
#include <exception>
#include <llvm/Support/ErrorHandling.h>
#include <mutex>
#include <new>

namespace {
struct Fatal {
  char text[240];
};
void onFatal(void *, const char *reason, bool) {
  Fatal f;
  std::snprintf(f.text, sizeof f.text, "%s", reason);
  throw f;
}
void onBadAlloc(void *, const char *, bool) { throw std::bad_alloc(); }
std::once_flag once; // LLVM's handlers are process-wide
std::mutex starting;
StartResult started;
} // namespace

GuardResult guard_call(void (*fn)(void *), void *arg, char *msg, unsigned cap) {
  std::call_once(once, [] {
    llvm::install_fatal_error_handler(onFatal);
    llvm::install_bad_alloc_error_handler(onBadAlloc);
  });
  try {
    fn(arg);
    return GUARD_OK;
  } catch (const std::bad_alloc &) {
    std::snprintf(msg, cap, "out of memory");
    return GUARD_NO_MEMORY;
  } catch (const Fatal &f) {
    std::snprintf(msg, cap, "%s", f.text);
    return GUARD_FATAL;
  } catch (const std::exception &e) {
    std::snprintf(msg, cap, "%s", e.what());
    return GUARD_OTHER;
  }
}

StartResult guard_start(StartResult (*fn)(void *), void *arg) {
  std::lock_guard<std::mutex> lock(starting);
  if (started == START_LATER) started = fn(arg);
  return started;
}
