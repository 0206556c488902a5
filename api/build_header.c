/* The header of a built model: C99 and C++, readable, without another header of the project. */
#include "api/build.h"
#include "base/num.h"

static const struct {
  const char *name;
  int value;
  const char *what;
} status[] = {
    {"OK", MODEL_OK, ""},
    {"NO_CPU", MODEL_NO_CPU, "the CPU lacks the instruction set named above"},
    {"USAGE", MODEL_USAGE, "a state or an input is NULL"},
    {"BAD_DATA", MODEL_BAD_DATA,
     "an input has a value outside its range, a file is damaged, or a counter to be saved is below 0; "
     "nothing has changed"},
    {"IO", MODEL_IO, "saving: what takes the bytes failed"},
    {"LIMIT", MODEL_LIMIT, "a step has run as often as can be counted"},
    {"NO_MEMORY", MODEL_NO_MEMORY, "loading: the file has many more tensors than the model"},
    {"NON_FINITE", MODEL_NON_FINITE, "saving: a parameter or a state is NaN or infinite; nothing was put"},
    {"CHECK", MODEL_CHECK,
     "a check that the program makes does not hold; nothing has changed, but for the step of an "
     "`after` block that makes it, which is done"},
    {"MISMATCH", MODEL_MISMATCH,
     "libdgc-core.a is of another version than the object, or a file of another model"}};

void aot_header_names(Build *b) {
  static const char *const own[] = {"init",   "load",    "save",   "predict", "state",
                                    "tensor", "tensors", "layout", "H",       "TENSORS"};
  Arena *a = b->arena;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) (void)aot_take(a, &b->names, own[i]);
  for (size_t i = 0; i < sizeof status / sizeof *status; i++) (void)aot_take(a, &b->names, status[i].name);
  b->dim = ARENA_ARRAY(a, const char *, b->p->bound.n);
  for (uint32_t i = 0; i < b->p->bound.n; i++) {
    const char *name = aot_c_name(a, names_str(b->prog.names, b->p->bound.at[i].name), &b->names);
    b->dim[i] = str_fmt(a, "%s_%s", b->upper, name).p;
  }
}

void aot_reserve_macros(Build *b, BuildNames *taken) {
  (void)aot_take(b->arena, taken, str_fmt(b->arena, "%s_H", b->upper).p);
  for (uint32_t i = 0; i < b->p->bound.n; i++) (void)aot_take(b->arena, taken, b->dim[i]);
}

static const char *c_type(DType t) {
  static const char *const name[DT_ALL] = {
      [DT_F32] = "float",    [DT_F64] = "double", [DT_I32] = "int32_t",  [DT_I64] = "int64_t",
      [DT_BOOL] = "int32_t", [DT_U8] = "uint8_t", [DT_BF16] = "uint16_t"}; /* the upper half of a float */
  return name[t];
}

/* As safetensors spell them; a bool is a byte there and a word here. */
static const char *tensor_type(DType t) {
  static const char *const name[DT_ALL] = {[DT_F32] = "F32", [DT_F64] = "F64",   [DT_I32] = "I32",
                                           [DT_I64] = "I64", [DT_BOOL] = "BOOL", [DT_BF16] = "BF16"};
  return name[t];
}

static void extents(Sb *o, const Tensor *t) { /* [2][3] */
  for (int i = 0; i < t->rank; i++) sb_fmt(o, "[%lld]", (long long)t->ext[i]);
}

static void type_text(Sb *o, const Tensor *t) { /* f32[2, 3] */
  sb_fmt(o, "%s", dtype_name(t->dtype));
  for (int i = 0; i < t->rank; i++) sb_fmt(o, "%s%lld", i ? ", " : "[", (long long)t->ext[i]);
  if (t->rank) sb_char(o, ']');
}

static void begin(const Build *b, Sb *o) {
  const char *file = b->p->sources.file.at[1].name.p, *slash = strrchr(file, '/');
  sb_fmt(o, "/* Made by dgc %s from %s for %s; not to be edited.\n *\n", dg_version(),
         slash ? slash + 1 : file, b->isa);
  sb_fmt(
      o,
      " * Link with the object and libdgc-core.a; nothing else is needed but libc. Nothing here prints or\n"
      " * exits, and only loading and saving allocate, for a while. All memory of a model is one %s_state, "
      "at\n"
      " * any address that is a multiple of 8 (of 64 is fastest); it may be copied, and each thread may have "
      "its\n"
      " * own. Arrays are dense and row-major. A bool is an int32_t of 0 or 1. */\n",
      b->name);
  sb_fmt(o, "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n", b->upper, b->upper);
  sb_fmt(o, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  if (b->p->bound.n) sb_fmt(o, "/* Dims. */\n");
  for (uint32_t i = 0; i < b->p->bound.n; i++)
    sb_fmt(o, "#define %s %lld\n", b->dim[i], (long long)b->p->bound.at[i].value);
  if (b->p->bound.n) sb_char(o, '\n');
}

static void statuses(const Build *b, Sb *o) {
  sb_fmt(o, "/* What the functions return. */\nenum {\n");
  for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
    sb_fmt(o, "  %s_%s = %d,", b->upper, status[i].name, status[i].value);
    sb_fmt(o, *status[i].what ? " /* %s */\n" : "\n", status[i].what);
  }
  sb_fmt(o, "};\n\n");
}

static void state(const Build *b, Sb *o) {
  sb_fmt(o, "/* Parameters and states, what the optimizers keep, and counters; then room to work in. */\n");
  sb_fmt(o, "typedef struct %s_state {\n", b->name);
  for (uint32_t i = 0; i < b->field.n; i++) {
    const BuildField *f = &b->field.at[i];
    if (f->pad) sb_fmt(o, "  unsigned char %s[%zu];\n", f->filling, f->pad);
    sb_fmt(o, "  %s %s", i == b->seed ? "uint32_t" : c_type(f->dtype), f->name);
    extents(o, &f->shape);
    sb_char(o, ';');
    if (f->leaf.i != UINT32_MAX)
      sb_fmt(o, " /* %s" STRF " */\n", f->what, STRA(f->path));
    else
      sb_fmt(o, " /* %s */\n",
             i == b->epoch       ? "epochs done: yours to count, where the program reads `epoch`"
             : i == b->epoch + 1 ? "batches of the next one done: yours to count, for `dgc train --resume`"
             : i == b->seed      ? "of initial values and noise"
                                 : "steps done");
  }
  sb_fmt(o, "  unsigned char work[%llu]; /* memory of a step: contents do not matter between calls */\n",
         (unsigned long long)(b->model.state_bytes - b->model.work));
  sb_fmt(o, "} %s_state;\n\n", b->name);
}

static void arguments(Sb *o, const BuildEntry *e) {
  for (uint32_t i = 0; i < e->input.n; i++)
    sb_fmt(o, ", const %s *%s", c_type(e->input.at[i].shape.dtype), e->input.at[i].name);
  for (uint32_t i = 0; i < e->output.n; i++)
    sb_fmt(o, ", %s *%s", c_type(e->output.at[i].shape.dtype), e->output.at[i].name);
}

static void argument_list(Sb *o, const char *what, const BuildArg *a, uint32_t n) {
  if (!n) return;
  sb_fmt(o, "%s", what);
  for (uint32_t i = 0; i < n; i++) {
    sb_fmt(o, "%s%s: ", i ? ", " : " ", a[i].name);
    type_text(o, &a[i].shape);
  }
  sb_char(o, '.');
}

static void functions(const Build *b, Sb *o) {
  sb_fmt(o,
         "/* Looks whether this CPU can run the object, sets everything to zero, then gives parameters and "
         "states\n"
         " * their initial values. The first call on a state. */\n"
         "int32_t %s_init(%s_state *state, uint32_t seed);\n",
         b->name, b->name);
  for (uint32_t i = 0; i < b->entry.n; i++) {
    const BuildEntry *e = &b->entry.at[i];
    if (!e->symbol) continue;
    if (e->entry->kind == ENTRY_TRAIN)
      sb_fmt(o, "/* One step of `train " STRF "`: forward, backward, optimizer%s.",
             STRA(names_str(b->prog.names, e->entry->name)), e->nafter ? ", and `after` when it is due" : "");
    else
      sb_fmt(o, "/* All outputs.");
    if (e->gather)
      sb_fmt(o, " A call takes one batch, and %lld of them make one\n * update, by their mean gradient.",
             (long long)b->prog.train.at[e->entry->train].accumulate);
    argument_list(o, " In:", e->input.at, e->input.n);
    argument_list(o, " Out, or NULL:", e->output.at, e->output.n);
    sb_fmt(o, " */\nint32_t %s_%s(%s_state *state", b->name, e->symbol, b->name);
    arguments(o, e);
    sb_fmt(o, ");\n");
  }
  sb_fmt(
      o,
      "/* Takes parameters, states and counters from the bytes of a checkpoint of `dgc train`, or of "
      "another\n"
      " * safetensors file with these names and shapes. Parameters must be in it; what else is missing "
      "stays. */\n"
      "int32_t %s_load(%s_state *state, const void *file, size_t bytes);\n"
      "/* Gives the bytes of such a file to `put`, which returns 0 to go on. `dgc eval --load` takes it. */\n"
      "int32_t %s_save(%s_state *state, int (*put)(void *user, const void *piece, size_t bytes), void "
      "*user);\n",
      b->name, b->name, b->name, b->name);
  sb_char(o, '\n');
}

static void tensors(const Build *b, Sb *o) {
  uint32_t n = 0;
  sb_fmt(o, "/* What a checkpoint of `dgc train` holds of the model, by its name there, and where it lies "
            "here. A BOOL\n"
            " * is one byte in the file. */\n");
  sb_fmt(o,
         "typedef struct %s_tensor {\n  const char *name, *type; /* \"F32\" */\n  size_t offset, bytes;\n  "
         "int rank;\n"
         "  int64_t extent[8];\n} %s_tensor;\n",
         b->name, b->name);
  sb_fmt(o, "static const %s_tensor %s_tensors[] = {\n", b->name, b->name);
  for (uint32_t i = 0; i < b->field.n; i++) {
    const BuildField *f = &b->field.at[i];
    if (!f->tensor.n) continue;
    n++;
    sb_fmt(o, "    {\"" STRF "\", \"%s\", offsetof(%s_state, %s), %zu, %d, {", STRA(f->tensor),
           tensor_type(f->dtype), b->name, f->name, f->bytes, f->shape.rank);
    for (int k = 0; k < f->shape.rank; k++) sb_fmt(o, "%s%lld", k ? ", " : "", (long long)f->shape.ext[k]);
    sb_fmt(o, "%s}},\n", f->shape.rank ? "" : "0");
  }
  sb_fmt(o, "    {0, 0, 0, 0, 0, {0}}};\nenum { %s_TENSORS = %u };\n\n", b->upper, n);
}

/* The object knows the layout as numbers: a compiler that lays it out otherwise says so. */
static void layout_checks(const Build *b, Sb *o) {
  sb_fmt(
      o, "typedef char %s_layout[sizeof(%s_state) == %llu && offsetof(%s_state, work) == %llu ? 1 : -1];\n\n",
      b->name, b->name, (unsigned long long)b->model.state_bytes, b->name, (unsigned long long)b->model.work);
}

void aot_header(const Build *b, Sb *o) {
  begin(b, o);
  statuses(b, o);
  state(b, o);
  functions(b, o);
  tensors(b, o);
  layout_checks(b, o);
  sb_fmt(o, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
