/* --emit=llvm, asm and obj: the whole set as one module. */
#include "codegen/module.h"

Status codegen_print(Arena *a, const KernelSet *set, const CodegenOptions *o, CodegenPrint what,
                     const char *prefix, Sb *out, Sb *why) {
  const char **symbol = ARENA_ARRAY(a, const char *, set->n);
  for (uint32_t i = 0; i < set->n; i++) symbol[i] = str_fmt(a, "%s%u", prefix, i).p;
  ModuleJob job = {.options = o, .kernel = set->kernel, .symbol = symbol, .n = set->n};
  job.form = what == PRINT_LLVM ? MODULE_LLVM : what == PRINT_ASSEMBLY ? MODULE_ASSEMBLY : MODULE_OBJECT;
  Tiles *tiles = tiles_find(a, set->kernel, set->n, codegen_share_from(o), prefix);
  uint32_t *tile = ARENA_ARRAY(a, uint32_t, tiles->nfn);
  for (uint32_t i = 0; i < tiles->nfn; i++) tile[i] = i;
  job.tiles = tiles;
  job.tile = tile;
  job.ntile = tiles->nfn;
  mem_init(&job.mem, a->mem->limit);
  Status st = llvm_start(job.what, sizeof job.what);
  if (st == ST_OK) {
    module_run(&job);
    st = job.status;
  }
  Rescue r; /* the text may not fit: what LLVM gave is released all the same */
  if (RESCUE(a->mem, &r)) {
    if (st == ST_OK && job.text) sb_add(out, str_z(job.text));
    if (st == ST_OK && job.buffer)
      sb_add(out, (Str){LLVMGetBufferStart(job.buffer), LLVMGetBufferSize(job.buffer)});
    if (st != ST_OK) sb_fmt(why, "%s", job.what);
    rescue_end(a->mem, &r);
  }
  LLVMDisposeMessage(job.text);
  if (job.buffer) LLVMDisposeMemoryBuffer(job.buffer);
  if (r.status != ST_OK) mem_raise(a->mem, r.status, "%s", r.what);
  return st;
}
