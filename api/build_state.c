/* Where parameters, states and counters lie in the state of a built model, and the model's tables. */
#include "api/build.h"
#include "api/session.h"
#include "base/hash.h"
#include "base/size.h"
#include "runtime/host/checkpoint.h"

#include <ctype.h>

/* ---- names ---- */

static bool begins(Str s, const char *with) {
  size_t n = strlen(with);
  return s.n >= n && memcmp(s.p, with, n) == 0;
}

static bool ends(Str s, const char *with) {
  size_t n = strlen(with);
  return s.n >= n && memcmp(s.p + s.n - n, with, n) == 0;
}

/* The macros of stdint.h, there or to come: INT32_MAX, UINT_FAST8_WIDTH, SIZE_MAX, INT64_C. */
static bool macro_of_stdint(Str s) {
  static const char *const of[] = {"INT", "UINT", "PTRDIFF_", "SIG_ATOMIC_", "SIZE_", "WCHAR_", "WINT_"},
                           *const what[] = {"_MAX", "_MIN", "_WIDTH", "_C"};
  bool first = false, last = false;
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) first |= begins(s, of[i]);
  for (size_t i = 0; i < sizeof what / sizeof *what; i++) last |= ends(s, what[i]);
  return first && last;
}

/* The keywords of C23 and C++20, then what the header and its stddef.h and stdint.h have, and what compilers
 * define besides. */
static bool reserved(Str s) {
  static const char words[] =
      " "
      "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t "
      "char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr "
      "constinit continue decltype default delete do double dynamic_cast else enum explicit export extern "
      "false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr "
      "operator or or_eq private protected public register reinterpret_cast requires restrict return "
      "short signed sizeof static static_assert static_cast struct switch template this thread_local "
      "throw true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void "
      "volatile wchar_t while xor xor_eq "
      "NULL errno i386 int32_t int64_t linux offsetof size_t state uint16_t uint32_t uint8_t unix "
      "unreachable ";
  const char *end = words + sizeof words, *p = words;
  while ((p = memmem(p + 1, (size_t)(end - p) - 1, s.p, s.n)))
    if (p[-1] == ' ' && p[s.n] == ' ') return true;
  return macro_of_stdint(s);
}

bool aot_take(Arena *a, BuildNames *taken, const char *name) {
  uint64_t h = hash_bytes(name, strlen(name), 0);
  uint32_t at;
  if (!taken->seen.arena) map_init(&taken->seen, a);
  for (; map_get(&taken->seen, h, &at); h++)
    if (!strcmp(taken->at.at[at], name)) return false;
  map_put(&taken->seen, h, taken->at.n);
  VEC_PUSH(a, &taken->at, name);
  return true;
}

const char *aot_c_name(Arena *a, Str name, BuildNames *taken) {
  Sb b;
  sb_init(&b, a);
  if (!name.n || isdigit((unsigned char)name.p[0])) sb_char(&b, 'n');
  for (size_t i = 0; i < name.n; i++) {
    unsigned char c = (unsigned char)name.p[i];
    if (c == ']') continue;
    sb_char(&b, c < 0x80 && isalnum(c) ? (char)c : '_');
  }
  if (reserved(sb_str(&b))) sb_char(&b, '_');
  const char *own = api_z(a, sb_str(&b));
  for (int k = 2; !aot_take(a, taken, own); k++) own = str_fmt(a, "%.*s_%d", (int)b.n, b.p, k).p;
  return own;
}

/* ---- the state ---- */

enum { FIELD_ALIGN = 64 }; /* of tensors that are no shorter */

static dg_status add_field(Build *b, BuildField f, size_t *end) {
  size_t each = dtype_bytes(f.dtype), at = *end;
  bool fits = size_mul(f.shape.count, each, &f.bytes) && size_align(at, each, &at);
  if (fits && f.bytes >= FIELD_ALIGN) {
    size_t line;
    fits = size_align(at, FIELD_ALIGN, &line);
    f.pad = line - at;
    at = line;
  }
  f.at = at;
  if (!fits || !size_add(at, f.bytes, end) || *end >= STEP_MOST_BYTES)
    return api_fail(b->cx, ST_LIMIT, "the parameters and states of the program are too large for one object");
  VEC_PUSH(b->arena, &b->field, f);
  return DG_OK;
}

static BuildField counter(const char *name, const char *tensor, DType t) {
  return (BuildField){.name = name,
                      .tensor = str_z(tensor),
                      .dtype = t,
                      .shape = {.dtype = t, .count = 1},
                      .leaf = {UINT32_MAX}};
}

static dg_status counters(Build *b, BuildNames *taken, size_t *end) {
  dg_status st = DG_OK;
  b->counter = b->field.n;
  for (uint32_t i = 0; i < b->prog.train.n && st == DG_OK; i++) {
    Str name = names_str(b->prog.names, b->prog.train.at[i].name);
    const char *own = aot_c_name(b->arena, str_fmt(b->arena, "steps_" STRF, STRA(name)), taken);
    st = add_field(b, counter(own, str_fmt(b->arena, "dg.step." STRF, STRA(name)).p, DT_I32), end);
  }
  b->epoch = b->field.n;
  if (st == DG_OK)
    st = add_field(b, counter(aot_c_name(b->arena, STR("epoch"), taken), "dg.epoch", DT_I32), end);
  if (st == DG_OK)
    st = add_field(b, counter(aot_c_name(b->arena, STR("batch"), taken), "dg.batch", DT_I64), end);
  b->seed = b->field.n;
  if (st == DG_OK) st = add_field(b, counter(aot_c_name(b->arena, STR("seed"), taken), "", DT_I32), end);
  return st;
}

dg_status aot_state(Build *b) {
  const Program *p = &b->prog;
  BuildNames taken = {0};
  size_t end = 0;
  dg_status st = DG_OK;
  b->field_of = ARENA_ARRAY(b->arena, uint32_t, p->leaf.n);
  aot_reserve_macros(b, &taken);
  (void)aot_c_name(b->arena, STR("work"), &taken);
  for (uint32_t i = 0; i < p->leaf.n && st == DG_OK; i++) {
    const Leaf *l = &p->leaf.at[i];
    if (l->kind != LEAF_PARAM && l->kind != LEAF_STATE) continue;
    Str path = names_str(p->names, l->path);
    BuildField f = {.name = aot_c_name(b->arena, path, &taken),
                    .path = path,
                    .tensor = session_file_name(b->arena, path),
                    .dtype = (DType)l->type.dtype,
                    .leaf = {i},
                    .needed = l->kind == LEAF_PARAM,
                    .what = l->kind == LEAF_STATE ? "state "
                            : l->frozen           ? "frozen "
                                                  : ""};
    b->field_of[i] = b->field.n;
    st = aot_shape(b, i, &f.shape);
    if (st == DG_OK) st = add_field(b, f, &end);
  }
  if (st == DG_OK) st = counters(b, &taken, &end);
  for (uint32_t i = 0, n = 0; i < b->field.n && st == DG_OK; i++)
    if (b->field.at[i].pad)
      b->field.at[i].filling = aot_c_name(b->arena, str_fmt(b->arena, "pad%u", ++n), &taken);
  b->model.kept_bytes = end;
  return st;
}

/* ---- the model's tables ---- */

/* Reserves room at a multiple of `align`; returns its offset. */
static uint32_t put(Build *b, const void *from, size_t bytes, size_t align) {
  while (b->block.n % align) sb_char(&b->block, 0);
  uint32_t at = (uint32_t)b->block.n; /* aot_block looks at the end */
  sb_add(&b->block, (Str){from, bytes});
  return at;
}

static ModelType type_of(DType t) {
  static const ModelType to[DT_ALL] = {
      [DT_F32] = MODEL_F32,  [DT_F64] = MODEL_F64, [DT_I32] = MODEL_I32,  [DT_I64] = MODEL_I64,
      [DT_BOOL] = MODEL_I32, [DT_U8] = MODEL_U8,   [DT_BF16] = MODEL_BF16};
  return to[t];
}

static ModelInput input_of(const Build *b, const BuildArg *a) {
  DataRange r = program_range(&b->prog, b->p->bound.at, b->p->bound.n, a->leaf);
  return data_bounds(r, session_data_type(a->shape.dtype), a->shape.count);
}

static ModelSource source_of(const Build *b, const BuildEntry *e, uint32_t leaf) {
  switch (b->prog.leaf.at[leaf].kind) {
  case LEAF_PARAM:
  case LEAF_STATE: return (ModelSource){.kind = MODEL_KEPT, .at = b->field.at[b->field_of[leaf]].at};
  case LEAF_STEP: return (ModelSource){.kind = MODEL_STEP};
  case LEAF_EPOCH: return (ModelSource){.kind = MODEL_EPOCH};
  case LEAF_SEED: return (ModelSource){.kind = MODEL_SEED};
  case LEAF_TOTAL: /* taken out: of_one_batch */
  case LEAF_INPUT: break;
  }
  uint64_t k = 0;
  while (e->input.at[k].leaf != leaf) k++; /* each was collected */
  return (ModelSource){.kind = MODEL_ARGUMENT, .at = k};
}

static ModelEntry entry_of(Build *b, const BuildEntry *e, uint64_t *copies) {
  static const uint32_t kind[] = {[ENTRY_INIT] = MODEL_ENTRY_INIT,  [ENTRY_TRAIN] = MODEL_ENTRY_TRAIN,
                                  [ENTRY_GATHER] = MODEL_ENTRY_RUN, [ENTRY_AFTER] = MODEL_ENTRY_AFTER,
                                  [ENTRY_EVAL] = MODEL_ENTRY_RUN,   [ENTRY_PREDICT] = MODEL_ENTRY_RUN};
  Arena *a = b->arena;
  ModelEntry m = {.kind = kind[e->entry->kind],
                  .every = e->entry->every,
                  .kernel = e->kernel,
                  .ninput = e->input.n,
                  .noutput = e->output.n,
                  .after = e->after,
                  .nafter = e->nafter};
  if (e->entry->kind == ENTRY_TRAIN || e->entry->kind == ENTRY_AFTER)
    m.counter = b->field.at[b->counter + e->entry->train].at;
  if (e->gather) {
    const TrainStep *t = &b->prog.train.at[e->entry->train];
    m.accumulate = t->accumulate;
    m.gather = e->gather;
    m.gathered = b->field.at[b->field_of[t->gathered.i]].at;
  }
  m.image = put(b, e->image, e->image->bytes, STEP_ALIGN);
  ModelSource *from = ARENA_ARRAY(a, ModelSource, e->image->nleaf);
  for (uint32_t i = 0; i < e->image->nleaf; i++) from[i] = source_of(b, e, step_leaves(e->image)[i]);
  m.source = put(b, from, e->image->nleaf * sizeof *from, 8); /* size-ok: as allocated */
  ModelInput *in = ARENA_ARRAY(a, ModelInput, e->input.n);
  uint64_t room = 0;
  for (uint32_t i = 0; i < e->input.n; i++) {
    in[i] = input_of(b, &e->input.at[i]);
    size_t bytes = in[i].n * dtype_bytes(e->input.at[i].shape.dtype); /* size-ok: seen to fit */
    if (dtype_is_float(dtype_compute(e->input.at[i].shape.dtype))) room += step_up(bytes);
  }
  if (room > *copies) *copies = room;
  m.input = put(b, in, e->input.n * sizeof *in, 8); /* size-ok: as allocated */
  ModelOutput *out = ARENA_ARRAY(a, ModelOutput, e->output.n);
  for (uint32_t i = 0; i < e->output.n; i++)
    out[i] = (ModelOutput){e->output.at[i].root, type_of(e->output.at[i].shape.dtype)};
  m.output = put(b, out, e->output.n * sizeof *out, 8); /* size-ok: as allocated */
  return m;
}

static SafeDtype safe_type(DType t) {
  static const SafeDtype to[DT_ALL] = {[DT_F32] = SAFE_F32, [DT_F64] = SAFE_F64,   [DT_I32] = SAFE_I32,
                                       [DT_I64] = SAFE_I64, [DT_BOOL] = SAFE_BOOL, [DT_BF16] = SAFE_BF16};
  return to[t];
}

/* By name in checkpoints, in the order in which a session has them. */
static void put_tensors(Build *b) {
  ModelTensor *t = ARENA_ARRAY(b->arena, ModelTensor, b->field.n);
  CkTensor *same = ARENA_ARRAY(b->arena, CkTensor, b->field.n);
  uint32_t n = 0;
  for (uint32_t i = 0; i < b->field.n; i++) {
    const BuildField *f = &b->field.at[i];
    if (!f->tensor.n) continue;
    t[n] = (ModelTensor){.at = f->at,
                         .name = put(b, f->tensor.p, f->tensor.n, 1),
                         .name_bytes = (uint32_t)f->tensor.n,
                         .dtype = safe_type(f->dtype),
                         .rank = f->shape.rank,
                         .needed = f->needed,
                         .counts = f->leaf.i == UINT32_MAX};
    same[n] =
        (CkTensor){.name = f->tensor, .type = session_data_type(f->dtype), .rank = (uint32_t)f->shape.rank};
    for (int k = 0; k < f->shape.rank; k++) {
      t[n].dim[k] = (uint64_t)f->shape.ext[k];
      same[n].dim[k] = f->shape.ext[k];
    }
    n++;
  }
  b->model.program = checkpoint_program(same, n);
  b->model.tensor = put(b, t, n * sizeof *t, 8); /* size-ok: as allocated */
  b->model.ntensor = n;
}

dg_status aot_block(Build *b) {
  Model *m = &b->model;
  uint64_t copies = 0;
  size_t wide = 4;
  sb_init(&b->block, b->arena);
  (void)put(b, m, sizeof *m, STEP_ALIGN);
  ModelEntry *entry = ARENA_ARRAY(b->arena, ModelEntry, b->entry.n);
  for (uint32_t i = 0; i < b->entry.n; i++) {
    const StepImage *image = b->entry.at[i].image;
    entry[i] = entry_of(b, &b->entry.at[i], &copies);
    if (image->arena_bytes > m->arena_bytes) m->arena_bytes = image->arena_bytes;
    if (image->scratch_bytes > m->scratch_bytes) m->scratch_bytes = image->scratch_bytes;
    if (image->nleaf > m->nleaf) m->nleaf = image->nleaf;
    if (b->block.n > UINT32_MAX)
      return api_fail(b->cx, ST_LIMIT, "the constants of the program are too large for one object");
  }
  put_tensors(b);
  m->entry = put(b, entry, b->entry.n * sizeof *entry, 8); /* size-ok: as allocated */
  m->nentry = b->entry.n;
  m->version = MODEL_VERSION;
  m->level = b->level;
  m->bytes = b->block.n;
  m->epoch = b->field.at[b->epoch].at;
  m->seed = b->field.at[b->seed].at;
  m->work = m->kept_bytes;
  m->work_bytes = model_work_bytes(m, copies);
  if (m->work_bytes && m->work_bytes < model_file_bytes(m->ntensor))
    m->work_bytes = model_file_bytes(m->ntensor);
  for (uint32_t i = 0; i < b->field.n; i++)
    if (dtype_bytes(b->field.at[i].dtype) == 8) wide = 8;
  size_t whole;
  if (!m->work_bytes || !size_add(m->work, m->work_bytes, &whole) || !size_align(whole, wide, &whole))
    return api_fail(b->cx, ST_LIMIT, "the program needs more memory than there is");
  m->state_bytes = whole;
  memcpy(b->block.p, m, sizeof *m);
  return DG_OK;
}
