/* Compiles program text from memory and evaluates its outputs with the interpreter: for the tests of the
 * elaborator. */
#ifndef DG_TESTS_ELAB_KIT_H
#define DG_TESTS_ELAB_KIT_H

#include "frontend/frontend.h"
#include "ir/graph/build.h"
#include "ir/interpret/interp.h"
#include "passes/passes.h"
#include "unit.h"

typedef struct Elk {
  Mem mem;
  Arena arena;
  Sources sources;
  Names names;
  Limits limits;
  Diags diags;
  Program p;
  ElabOptions o;
  AstFile *ast;
  bool ok;
  Status raised; /* what a RESCUE caught */
} Elk;

static inline void elk_init(Elk *k) {
  memset(k, 0, sizeof *k);
  mem_init(&k->mem, 0);
  arena_init(&k->arena, &k->mem);
  sources_init(&k->sources, &k->arena);
  names_init(&k->names, &k->arena);
  limits_init(&k->limits);
  diags_init(&k->diags, &k->arena, &k->sources, &k->limits);
  program_init(&k->p, &k->arena, &k->names, &k->sources, &k->limits);
  k->o.folder = STR(".");
}

static inline void elk_define(Elk *k, const char *name, const char *value) {
  VEC_PUSH(&k->arena, &k->o.define, (ElabDefine){str_z(name), str_z(value)});
}

static inline void elk_run(Elk *k, const char *text) {
  Rescue r;
  if (RESCUE(&k->mem, &r)) {
    uint32_t file = sources_add(&k->sources, STR("t.dg"), str_z(text), false);
    k->ok = frontend_program(file, &k->o, &k->diags, &k->p, &k->ast);
    rescue_end(&k->mem, &r);
  } else
    k->raised = r.status;
  diags_finish(&k->diags);
}

static inline Elk *elk_of(Elk *k, const char *text) {
  elk_init(k);
  elk_run(k, text);
  return k;
}

static inline void elk_free(Elk *k) { arena_release(&k->arena); }

static inline Str elk_messages(Elk *k) {
  Sb b;
  sb_init(&b, &k->arena);
  diag_render_all(&k->diags, (DiagStyle){.tab = 8}, &b);
  return sb_str(&b);
}

/* "3:7 DG0207" of each message, one a line. */
static inline Str elk_codes(Elk *k) {
  Sb b;
  sb_init(&b, &k->arena);
  for (uint32_t i = 0; i < k->diags.all.n; i++) {
    const Diag *g = k->diags.all.at[i];
    LineCol at = sources_at(&k->sources, g->at.file, g->at.lo);
    sb_fmt(&b, "%s%u:%u DG%04u", i ? "\n" : "", at.line, at.col, diag_info[g->kind].code);
  }
  return sb_str(&b);
}

static inline Graph *elk_graph(Elk *k, EntryKind kind, const char *name) {
  return program_graph(&k->p, kind, names_add(&k->names, str_z(name)));
}

static inline Str elk_text(Elk *k, const Graph *g) {
  Sb b;
  sb_init(&b, &k->arena);
  graph_print(g, &b);
  return sb_str(&b);
}

/* All leaves by path, in order, separated by blanks. */
static inline Str elk_paths(Elk *k) {
  Sb b;
  sb_init(&b, &k->arena);
  for (uint32_t i = 0; i < k->p.leaf.n; i++)
    sb_fmt(&b, "%s" STRF, i ? " " : "", STRA(names_str(&k->names, k->p.leaf.at[i].path)));
  return sb_str(&b);
}

/* "f32[2] 1 2" of the one output; leaves hold 1, 2, 3 .. (integers 0, 1, 2 ..), seed and step are 1. */
static inline Str elk_value(Elk *k) {
  const Entry *e = NULL;
  for (uint32_t i = 0; i < k->p.entry.n; i++)
    if (k->p.entry.at[i].kind == ENTRY_PREDICT) e = &k->p.entry.at[i];
  Sb why;
  sb_init(&why, &k->arena);
  Graph *g = passes_reference(&k->arena, &k->p, e, k->o.bound.at, k->o.bound.n, NULL, &why);
  if (!g) ck_abort_msg("not differentiated: %.*s", STRA(sb_str(&why)));
  uint32_t n = k->p.leaf.n + 1;
  Interp it = {.graph = g,
               .mode = INTERP_NATIVE,
               .arena = &k->arena,
               .leaf = ARENA_ARRAY(&k->arena, Tensor, n),
               .leaf_tangent = ARENA_ARRAY(&k->arena, Tensor, n),
               .value = ARENA_ARRAY(&k->arena, Tensor, g->node.n + 1),
               .tangent = ARENA_ARRAY(&k->arena, Tensor, g->node.n + 1)};
  for (uint32_t i = 0; i + 1 < n; i++) {
    Type t = k->p.leaf.at[i].type;
    for (int a = 0; a < t.rank; a++) t.dim[a] = dim_bind(k->p.dims, t.dim[a], k->o.bound.at, k->o.bound.n);
    ck_assert(tensor_of_type(&k->arena, k->p.dims, &t, &it.leaf[i]));
    for (size_t e = 0; e < it.leaf[i].count; e++) {
      if (t.dtype == DT_F32) ((float *)it.leaf[i].data)[e] = (float)(e + 1);
      if (t.dtype == DT_F64) ((double *)it.leaf[i].data)[e] = (double)(e + 1);
      if (t.dtype == DT_I32) ((int32_t *)it.leaf[i].data)[e] = (int32_t)e + (t.rank == 0);
      if (t.dtype == DT_BOOL) ((int32_t *)it.leaf[i].data)[e] = e & 1;
    }
  }
  Status st = interp_run(&it);
  if (st != ST_OK) ck_abort_msg("interpreter: %s", it.what);
  Tensor *t = &it.value[g->root.at[0].node.i];
  Sb b;
  sb_init(&b, &k->arena);
  sb_fmt(&b, "%s", dtype_name(t->dtype));
  for (int a = 0; a < t->rank; a++)
    sb_fmt(&b, "%s%lld%s", a ? ", " : "[", (long long)t->ext[a], a + 1 < t->rank ? "" : "]");
  for (size_t e = 0; e < t->count; e++) {
    if (t->dtype == DT_F32)
      sb_fmt(&b, " %.4g", (double)((float *)t->data)[e]);
    else if (t->dtype == DT_F64)
      sb_fmt(&b, " %.4g", ((double *)t->data)[e]);
    else if (t->dtype == DT_I64)
      sb_fmt(&b, " %lld", (long long)((int64_t *)t->data)[e]);
    else
      sb_fmt(&b, " %d", ((int32_t *)t->data)[e]);
  }
  return sb_str(&b);
}

#endif
