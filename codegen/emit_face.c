/* What an object has beside its kernels: the constant block of the model, a table of its kernels, and one
 * function for each thing a program calls. They are made for every x86-64, because the check of the CPU is
 * behind them. */
#include "codegen/emit.h"
#include "codegen/module.h"
#include "runtime/core/step.h"

static Val constant(Emit *e, const char *name, Val value, unsigned align) {
  Val g = LLVMAddGlobal(e->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(g, value);
  LLVMSetGlobalConstant(g, 1);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetAlignment(g, align);
  return g;
}

/* By kernel of the set. The kernels, and what they share, are nobody else's from now on. */
static Val kernel_table(Emit *e, const ModuleJob *j) {
  Val *at = ARENA_ARRAY(e->arena, Val, j->nof + 1);
  for (Val fn = LLVMGetFirstFunction(e->module); fn; fn = LLVMGetNextFunction(fn))
    if (!LLVMIsDeclaration(fn)) LLVMSetLinkage(fn, LLVMInternalLinkage);
  for (uint32_t i = 0; i < j->nof; i++) at[i] = LLVMGetNamedFunction(e->module, j->symbol[j->of[i]]);
  if (!j->nof) at[0] = LLVMConstNull(e->ptr);
  return constant(e, "kernels", LLVMConstArray2(e->ptr, at, j->nof ? j->nof : 1), 8);
}

/* int32_t NAME(void *state, T x, ..) of baseline code, and what it calls. */
typedef struct Face {
  Val block, kernels;
  LLVMTypeRef to_type[4];
  Val to[4]; /* by ObjectKind */
} Face;

static Val begin(Emit *e, const char *symbol, const LLVMTypeRef *type, uint32_t n) {
  Val fn = LLVMAddFunction(e->module, symbol, LLVMFunctionType(e->i32, (LLVMTypeRef *)(uintptr_t)type, n, 0));
  emit_attribute(e, fn, "target-cpu", "x86-64");
  emit_attribute(e, fn, "target-features", "+sse2");
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, fn, ""));
  return fn;
}

static void end(Emit *e, const Face *c, ObjectKind k, Val *arg, unsigned n) {
  LLVMBuildRet(e->b, LLVMBuildCall2(e->b, c->to_type[k], c->to[k], arg, n, ""));
}

/* int32_t NAME(void *state, void *arg..) { void *all[] = {arg..}; return dgc_model_run(.., all); } */
static void run_function(Emit *e, const Face *c, const ObjectFunction *f) {
  LLVMTypeRef *type = ARENA_ARRAY(e->arena, LLVMTypeRef, f->nargs + 1);
  for (uint32_t i = 0; i <= f->nargs; i++) type[i] = e->ptr;
  Val fn = begin(e, f->symbol, type, f->nargs + 1);
  Val all = LLVMBuildArrayAlloca(e->b, e->ptr, emit_i32(e, f->nargs ? f->nargs : 1), "");
  for (uint32_t i = 0; i < f->nargs; i++) {
    Val at = emit_i64(e, i);
    LLVMBuildStore(e->b, LLVMGetParam(fn, i + 1), LLVMBuildGEP2(e->b, e->ptr, all, &at, 1, ""));
  }
  Val arg[] = {c->block, c->kernels, emit_i32(e, f->entry), LLVMGetParam(fn, 0), all};
  end(e, c, OBJECT_RUN, arg, 5);
}

static void function(Emit *e, const Face *c, const ObjectFunction *f) {
  switch (f->kind) {
  case OBJECT_RUN: run_function(e, c, f); return;
  case OBJECT_INIT: {
    Val fn = begin(e, f->symbol, (LLVMTypeRef[]){e->ptr, e->i32}, 2);
    Val arg[] = {c->block, c->kernels, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1)};
    end(e, c, f->kind, arg, 4);
    return;
  }
  case OBJECT_LOAD:
  case OBJECT_SAVE: {
    LLVMTypeRef last = f->kind == OBJECT_LOAD ? e->i64 : e->ptr;
    Val fn = begin(e, f->symbol, (LLVMTypeRef[]){e->ptr, e->ptr, last}, 3);
    Val arg[] = {c->block, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), LLVMGetParam(fn, 2)};
    end(e, c, f->kind, arg, 4);
    return;
  }
  }
}

void emit_face(Emit *e, const ModuleJob *j) {
  static const char *const name[] = {[OBJECT_RUN] = "dgc_model_run",
                                     [OBJECT_INIT] = "dgc_model_init",
                                     [OBJECT_LOAD] = "dgc_model_load",
                                     [OBJECT_SAVE] = "dgc_model_save"};
  const ObjectFace *f = j->face;
  Face c = {.block = constant(e, "model", LLVMConstStringInContext2(e->context, f->block.p, f->block.n, 1),
                              STEP_ALIGN),
            .kernels = kernel_table(e, j)};
  c.to_type[OBJECT_RUN] =
      LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr, e->i32, e->ptr, e->ptr}, 5, 0);
  c.to_type[OBJECT_INIT] = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->i32}, 4, 0);
  c.to_type[OBJECT_LOAD] = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->i64}, 4, 0);
  c.to_type[OBJECT_SAVE] = LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->ptr}, 4, 0);
  for (int k = 0; k < 4; k++) c.to[k] = LLVMAddFunction(e->module, name[k], c.to_type[k]);
  for (uint32_t i = 0; i < f->n; i++) function(e, &c, &f->function[i]);
}
