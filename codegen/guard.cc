// The only C++ of the project: turns LLVM's fatal paths into return values, and ends its work on a module
// between two functions, for which the C interface has no hook. The first works through LLVM built without
// exceptions, because Debian's build keeps unwind tables; tests/unit/test_codegen.c holds that.
#ifndef NDEBUG
#define NDEBUG // what LLVM's headers assert would end the process
#endif
#include "codegen/guard.h"

#include "codegen/guard_module.h"

#include <cstdio>
#include <exception>
#include <llvm-c/Core.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Pass.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Passes/StandardInstrumentations.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Target/TargetMachine.h>
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

// What a call below is made of is lost when LLVM fails in its midst: nothing of it can be relied on then, not
// even to be taken apart. So all of it lies on the heap.
namespace {
struct Passes {
  llvm::PassInstrumentationCallbacks callbacks;
  llvm::PassBuilder builder;
  llvm::LoopAnalysisManager loop;
  llvm::FunctionAnalysisManager function;
  llvm::CGSCCAnalysisManager component;
  llvm::ModuleAnalysisManager module;
  llvm::StandardInstrumentations standard; // leaves functions marked optnone alone
  llvm::ModulePassManager list;
  Passes(llvm::Module &m, llvm::TargetMachine *tm)
      : builder(tm, llvm::PipelineTuningOptions(), std::nullopt, &callbacks),
        standard(m.getContext(), false) {
    builder.registerModuleAnalyses(module);
    builder.registerCGSCCAnalyses(component);
    builder.registerFunctionAnalyses(function);
    builder.registerLoopAnalyses(loop);
    builder.crossRegisterProxies(loop, function, component, module);
    standard.registerCallbacks(callbacks, &module);
  }
};

// Stands behind the passes of the code generator, all of which run over one function before they come to the
// next: then those that are left lose their bodies, and are passed over.
class Rest final : public llvm::FunctionPass {
  GuardStop *stop;
  bool done = false;

public:
  static char id;
  explicit Rest(GuardStop *s) : FunctionPass(id), stop(s) {}
  bool runOnFunction(llvm::Function &f) override {
    if (done || !guard_ended(stop)) return false;
    done = true;
    for (auto g = std::next(f.getIterator()), end = f.getParent()->end(); g != end; ++g) g->deleteBody();
    return true;
  }
};
char Rest::id;

struct Emitting {
  llvm::legacy::PassManager passes;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out{bytes};
};
} // namespace

LLVMErrorRef guard_passes(LLVMModuleRef m, const char *passes, LLVMTargetMachineRef tm, GuardStop *stop) {
  llvm::Module &module = *llvm::unwrap(m);
  auto *p = new Passes(module, reinterpret_cast<llvm::TargetMachine *>(tm));
  p->callbacks.registerShouldRunOptionalPassCallback(
      [stop](llvm::StringRef, llvm::Any) { return !guard_ended(stop); });
  llvm::Error error = p->builder.parsePassPipeline(p->list, passes);
  if (!error) p->list.run(module, p->module);
  delete p;
  return llvm::wrap(std::move(error));
}

LLVMBool guard_emit(LLVMTargetMachineRef tm, LLVMModuleRef m, LLVMCodeGenFileType type, GuardStop *stop,
                    char **error, LLVMMemoryBufferRef *out) {
  auto *e = new Emitting;
  auto *machine = reinterpret_cast<llvm::TargetMachine *>(tm);
  llvm::unwrap(m)->setDataLayout(machine->createDataLayout());
  bool failed = machine->addPassesToEmitFile(e->passes, e->out, nullptr,
                                             type == LLVMObjectFile ? llvm::CodeGenFileType::ObjectFile
                                                                    : llvm::CodeGenFileType::AssemblyFile);
  if (failed) {
    *error = LLVMCreateMessage("the target has no such output");
  } else {
    e->passes.add(new Rest(stop));
    e->passes.run(*llvm::unwrap(m));
    *out = LLVMCreateMemoryBufferWithMemoryRangeCopy(e->bytes.data(), e->bytes.size(), "");
  }
  delete e;
  return failed;
}
