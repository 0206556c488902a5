/* The whole set as one module: --emit=llvm, asm and obj, and objects built ahead of time. */
#include "codegen/module.h"

/* Runs a job alone. What it made is added to out, or why it failed to why. */
static Status module_take(ModuleJob *job, Arena *a, Sb *out, Sb *why) {
  mem_init_beside(&job->mem, a->mem);
  job->stop.asked = a->mem->stop;
  Status st = llvm_start(job->what, sizeof job->what);
  if (st == ST_OK) {
    module_run(job);
    st = job->status;
  }
  Rescue r; /* the text may not fit: what LLVM gave is released all the same */
  if (RESCUE(a->mem, &r)) {
    if (st == ST_OK && job->text) sb_add(out, str_z(job->text));
    if (st == ST_OK && job->buffer)
      sb_add(out, (Str){LLVMGetBufferStart(job->buffer), LLVMGetBufferSize(job->buffer)});
    if (st != ST_OK) sb_fmt(why, "%s", job->what);
    rescue_end(a->mem, &r);
  }
  LLVMDisposeMessage(job->text);
  if (job->buffer) LLVMDisposeMemoryBuffer(job->buffer);
  if (r.status != ST_OK) mem_raise(a->mem, r.status, "%s", r.what);
  return st;
}

/* What the kernels share stands in the same module. */
static void all_tiles(ModuleJob *job, Arena *a, const char *prefix) {
  Tiles *tiles = tiles_find(a, job->kernel, job->n, codegen_share_from(job->options), prefix);
  uint32_t *tile = ARENA_ARRAY(a, uint32_t, tiles->nfn);
  for (uint32_t i = 0; i < tiles->nfn; i++) tile[i] = i;
  job->tiles = tiles;
  job->tile = tile;
  job->ntile = tiles->nfn;
}

Status codegen_print(Arena *a, const KernelSet *set, const CodegenOptions *o, CodegenPrint what,
                     const char *prefix, Sb *out, Sb *why) {
  const char **symbol = ARENA_ARRAY(a, const char *, set->n);
  for (uint32_t i = 0; i < set->n; i++) symbol[i] = str_fmt(a, "%s%u", prefix, i).p;
  ModuleJob job = {.options = o, .kernel = set->kernel, .symbol = symbol, .n = set->n};
  job.form = what == PRINT_LLVM ? MODULE_LLVM : what == PRINT_ASSEMBLY ? MODULE_ASSEMBLY : MODULE_OBJECT;
  all_tiles(&job, a, prefix);
  return module_take(&job, a, out, why);
}

Status codegen_object(Arena *a, const KernelSet *set, const CodegenOptions *o, const ObjectFace *face,
                      CodegenStats *stats, Sb *out, Sb *why) {
  double t0 = clock_ms();
  size_t before = out->n;
  KernelShare own = kernels_share(a, set);
  ModuleJob job = {.options = o,
                   .kernel = own.kernel,
                   .symbol = own.symbol,
                   .n = own.n,
                   .face = face,
                   .of = own.of,
                   .nof = set->n};
  all_tiles(&job, a, "");
  Status st = module_take(&job, a, out, why);
  if (stats)
    *stats = (CodegenStats){.ms = clock_ms() - t0,
                            .ms_emit = job.ms_emit,
                            .ms_passes = job.ms_passes,
                            .ms_code = job.ms_code,
                            .functions = own.n,
                            .object_bytes = out->n - before};
  return st;
}
