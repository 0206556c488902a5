/* Tile functions and calls of them: f(table, from, to, pointers, offsets). The table holds the call's
 * numbers; what depends on the loops around comes as a pointer (places) or a number (guards, coordinates). */
#include "codegen/emit.h"

enum { FIXED = 3 }; /* table, from, to */

static LLVMTypeRef type_of(Emit *e, const TileFn *f) {
  LLVMTypeRef arg[FIXED + TILE_POINTERS + TILE_OFFSETS] = {e->ptr, e->i64, e->i64};
  unsigned n = FIXED;
  for (int i = 0; i < f->npointer; i++) arg[n++] = e->ptr;
  for (int i = 0; i < f->noffset; i++) arg[n++] = e->i64;
  return LLVMFunctionType(LLVMVoidTypeInContext(e->context), arg, n, 0);
}

/* It may stand in another object of the same library, and is nobody else's. */
static Val function(Emit *e, uint32_t i) {
  const char *name = e->tiles->symbol[i];
  Val fn = LLVMGetNamedFunction(e->module, name);
  if (fn) return fn;
  fn = LLVMAddFunction(e->module, name, type_of(e, &e->tiles->fn[i]));
  LLVMSetVisibility(fn, LLVMHiddenVisibility);
  return fn;
}

void emit_tile_call(Emit *e, const TileCall *c, Val from, Val to) {
  const TileFn *f = &e->tiles->fn[c->fn];
  Val number[TILE_PARAMS], arg[FIXED + TILE_POINTERS + TILE_OFFSETS] = {NULL, from, to};
  unsigned n = FIXED;
  for (int i = 0; i < f->nparam; i++) number[i] = emit_i64(e, c->param[i]);
  Val table = LLVMConstArray2(e->i64, number, f->nparam);
  arg[0] = LLVMAddGlobal(e->module, LLVMTypeOf(table), "");
  LLVMSetInitializer(arg[0], table);
  LLVMSetGlobalConstant(arg[0], 1);
  LLVMSetLinkage(arg[0], LLVMPrivateLinkage);
  for (int i = 0; i < f->npointer; i++) {
    const TilePointer *p = &c->pointer[i];
    AxisAffine at = emit_affine(e, &p->at);
    Val index = emit_affine_value(e, &at);
    LLVMTypeRef elem = e->elem[e->k->buffer[p->buffer].type];
    arg[n++] = LLVMBuildGEP2(e->b, elem, e->buf[p->buffer], &index, 1, "");
  }
  for (int i = 0; i < f->noffset; i++) {
    AxisAffine at = emit_affine(e, &c->offset[i]);
    arg[n++] = emit_affine_value(e, &at);
  }
  LLVMBuildCall2(e->b, type_of(e, f), function(e, c->fn), arg, n, "");
}

void emit_tile_function(Emit *e, uint32_t i, const CodegenTarget *t, bool sanitize) {
  const TileFn *f = &e->tiles->fn[i];
  emit_function_begin(e, f->kernel, t, function(e, i), sanitize);
  e->param = ARENA_ARRAY(e->arena, Val, f->nparam + 1u);
  e->offset = ARENA_ARRAY(e->arena, Val, f->noffset + 1u);
  for (int p = 0; p < f->nparam; p++) {
    Val at = emit_i64(e, p), from = LLVMBuildGEP2(e->b, e->i64, LLVMGetParam(e->fn, 0), &at, 1, "");
    e->param[p] = LLVMBuildLoad2(e->b, e->i64, from, "");
    LLVMSetMetadata(e->param[p], LLVMGetMDKindIDInContext(e->context, "invariant.load", 14),
                    LLVMMDNodeInContext(e->context, NULL, 0));
  }
  for (int p = 0; p < f->npointer; p++) e->buf[p] = LLVMGetParam(e->fn, (unsigned)(FIXED + p));
  for (int p = 0; p < f->noffset; p++)
    e->offset[p] = LLVMGetParam(e->fn, (unsigned)(FIXED + f->npointer + p));
  emit_trips(e, f->kernel->root, LLVMGetParam(e->fn, 1), LLVMGetParam(e->fn, 2), TILE_RANGE);
  LLVMBuildRetVoid(e->b);
  e->param = e->offset = NULL;
}
