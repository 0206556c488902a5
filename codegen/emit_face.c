/* What an object has beside its kernels: the constant block of the model, a table of its kernels, and one
 * function for each thing a program calls. They are made for every x86-64, because the check of the CPU is
 * behind them. */
#include "codegen/emit.h"
#include "codegen/module.h"

static void attribute(Emit *e, Val fn, const char *key, const char *value) {
  LLVMAttributeRef a =
      LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

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

/* int32_t NAME(void *state, void *arg...) { void *all[] = {arg...}; return dgc_model_run(.., all); } */
static void function(Emit *e, const ObjectFunction *f, Val block, Val kernels, Val init, Val run) {
  bool is_init = f->nargs == OBJECT_INIT;
  uint32_t n = is_init ? 0 : f->nargs;
  LLVMTypeRef *type = ARENA_ARRAY(e->arena, LLVMTypeRef, n + 2);
  for (uint32_t i = 0; i <= n; i++) type[i] = e->ptr;
  if (is_init) type[1] = e->i32;
  Val fn = LLVMAddFunction(e->module, f->symbol, LLVMFunctionType(e->i32, type, n + 1 + is_init, 0));
  attribute(e, fn, "target-cpu", "x86-64");
  attribute(e, fn, "target-features", "+sse2");
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, fn, ""));
  if (is_init) {
    Val arg[] = {block, kernels, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1)};
    LLVMBuildRet(e->b, LLVMBuildCall2(e->b, LLVMGlobalGetValueType(init), init, arg, 4, ""));
    return;
  }
  Val all = LLVMBuildArrayAlloca(e->b, e->ptr, emit_i32(e, n ? n : 1), "");
  for (uint32_t i = 0; i < n; i++) {
    Val at = emit_i64(e, i);
    LLVMBuildStore(e->b, LLVMGetParam(fn, i + 1), LLVMBuildGEP2(e->b, e->ptr, all, &at, 1, ""));
  }
  Val arg[] = {block, kernels, emit_i32(e, f->entry), LLVMGetParam(fn, 0), all};
  LLVMBuildRet(e->b, LLVMBuildCall2(e->b, LLVMGlobalGetValueType(run), run, arg, 5, ""));
}

void emit_face(Emit *e, const ModuleJob *j) {
  const ObjectFace *f = j->face;
  LLVMTypeRef args[] = {e->ptr, e->ptr, e->ptr, e->i32}, more[] = {e->ptr, e->ptr, e->i32, e->ptr, e->ptr};
  Val init = LLVMAddFunction(e->module, "dgc_model_init", LLVMFunctionType(e->i32, args, 4, 0)),
      run = LLVMAddFunction(e->module, "dgc_model_run", LLVMFunctionType(e->i32, more, 5, 0));
  Val block = constant(e, "model", LLVMConstStringInContext2(e->context, f->block.p, f->block.n, 1), 64);
  Val kernels = kernel_table(e, j);
  for (uint32_t i = 0; i < f->n; i++) function(e, &f->function[i], block, kernels, init, run);
}
