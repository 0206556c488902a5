/* Names that nothing declares: said once with all their places, with what was most likely meant. */
#include "base/embed.h"
#include "frontend/elaborate/elab.h"

enum { PLACES_SHOWN = 4, NAMES_SHOWN = 8, COMPARED_MAX = 1 << 20 };

/* Names are compared with others until that much was compared in all; later mistakes get no suggestion. */
static bool may_compare(Elab *x, uint64_t n) { return (x->compared += n) <= COMPARED_MAX; }

typedef struct NameList {
  Elab *x;
  VEC(Str) at;
} NameList;
static void name_seen(void *cx, Str name) {
  NameList *l = cx;
  VEC_PUSH(l->x->a, &l->at, name);
}

Str nearest_name(Elab *x, Scope *s, Sym name) {
  NameList l = {.x = x};
  uint64_t n = 0;
  for (const Scope *k = s; k; k = k->outer) n += k->binding.n;
  if (!may_compare(x, n)) return STR("");
  for (; s; s = s->outer)
    for (uint32_t i = 0; i < s->binding.n; i++)
      if (s->binding.at[i]->name.i && sym_str(x, s->binding.at[i]->name).p[0] != '(')
        name_seen(&l, sym_str(x, s->binding.at[i]->name));
  builtin_names(name_seen, &l); /* what is built */
  name_seen(&l, STR("true"));
  name_seen(&l, STR("false"));
  return diag_nearest(sym_str(x, name), l.at.at, l.at.n);
}

/* "did you mean"; or, when no name is near and `have` says whose they are, what there is. */
void suggest(Elab *x, Diag *g, Span at, Str got, const Str *names, size_t n, const char *have) {
  Str near = may_compare(x, n) ? diag_nearest(got, names, n) : STR("");
  if (near.n) {
    diag_meant(g, at, got, near);
  } else if (have && n) {
    Sb b;
    sb_init(&b, x->a);
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) sb_fmt(&b, "%s" STRF, i ? ", " : "", STRA(names[i]));
    diag_help(g, "%s " STRF "%s", have, STRA(sb_str(&b)), n > NAMES_SHOWN ? ", .." : "");
  }
}

/* ---- what other languages call it ---- */

typedef struct Word {
  const char *name, *write, *help; /* write: takes its place; help: when it is no mere name */
} Word;
#define OPTIMIZERS                                                                                           \
  "the library has sgd, adam, adamw, rmsprop, adagrad and lion; another is written optimizer name(w, g) { "  \
  "w := .. }"
#define FUNCTION(form) "no layer but a function, without import: write " form
#define CELL(layer, state)                                                                                   \
  "one step of a layer is a function of it: let net = nn." layer "(n, h), then net.cell(x, " state ")"
static const Word words[] = {
    {"float32", "f32", NULL},
    {"float", "f32", NULL},
    {"float64", "f64", NULL},
    {"double", "f64", NULL},
    {"int32", "i32", NULL},
    {"int64", "i64", NULL},
    {"long", "i64", NULL},
    {"boolean", "bool", NULL},
    {"arange", "range", NULL},
    {"ln", "log", NULL},
    {"detach", "stop_gradient", NULL},
    {"cat", "concat", NULL},
    {"concatenate", "concat", NULL},
    {"view", "reshape", NULL},
    {"swish", "silu", NULL},
    {"clamp", "clip", NULL},
    {"conv", NULL,
     "a convolution of images [N, C, H, W] is written conv2d(x, w), of rows [N, C, L] conv1d(x, w)"},
    {"interpolate", NULL, "a larger image by the nearest element is written upsample2d(x, factor)"},
    {"expand", "broadcast_to", NULL},
    {"std", NULL, "the standard deviation is written sqrt(variance(x, axis = ..))"},
    {"stddev", NULL, "the standard deviation is written sqrt(variance(x, axis = ..))"},
    {"mse_loss", "mse", NULL},
    {"zeros_like", NULL, "write zeros(shape(x))"},
    {"ones_like", NULL, "write ones(shape(x))"},
    {"scaled_dot_product_attention", "attention", NULL},
    {"masked_fill", NULL, "write where(mask, value, x)"},
    {"no_grad", NULL, "write stop_gradient(e) around the value that no gradient may pass"},
    {"mm", NULL, "the product of matrices is written a @ b"},
    {"bmm", NULL, "the product of matrices is written a @ b"},
    {"matmul", NULL, "the product of matrices is written a @ b"},
    {"dot", NULL, "the product of matrices is written a @ b"},
    {"transpose", NULL, "the transpose of x is written x'"},
    {"pow", NULL, "a power is written x^n"},
    {"squeeze", NULL, "an axis of extent 1 is dropped by x[.., 0]"},
    {"unsqueeze", NULL, "a new axis is written x[.., _]"},
    {"tensor", NULL, "a constant tensor is a list with a type: let t: f32[3] = [1, 2, 3]"},
    {"array", NULL, "a constant tensor is a list with a type: let t: f32[3] = [1, 2, 3]"},
    {"randn", NULL, "write normal(0, 1, shape = [..]), or ~ normal(0, 1) behind a type"},
    {"rand", NULL, "write uniform(0, 1, shape = [..]), or ~ uniform(0, 1) behind a type"},
    {"lambda", NULL, "a function as a value is written fn (x) = e"},
    {"self", NULL, "inside a module its names stand alone: w, not self.w"},
    {"this", NULL, "inside a module its names stand alone: w, not this.w"},
    {"backward", NULL,
     "a train step takes the derivatives: train fit { minimize loss ... }; in a value it is grad(e, x)"},
    {"requires_grad", NULL, "what is not to be trained is declared 'frozen'"},
    {"muon", NULL, OPTIMIZERS},
    {"lamb", NULL, OPTIMIZERS},
    {"lars", NULL, OPTIMIZERS},
    {"adafactor", NULL, OPTIMIZERS},
    {"adadelta", NULL, OPTIMIZERS},
    {"adamax", NULL, OPTIMIZERS},
    {"nadam", NULL, OPTIMIZERS},
    {"radam", NULL, OPTIMIZERS},
    {"rprop", NULL, OPTIMIZERS},
    {"lbfgs", NULL, OPTIMIZERS},
};

/* Members that other languages' libraries of layers have. */
static const Word layers[] = {
    {"Dense", "Linear", NULL},
    {"BatchNorm2d", "BatchNorm", NULL},
    {"BatchNorm3d", "BatchNorm", NULL},
    {"RMSNorm", "RmsNorm", NULL},
    {"MLP", "Mlp", NULL},
    {"MultiheadAttention", "MultiHeadAttention", NULL},
    {"Attention", "MultiHeadAttention", NULL},
    {"TransformerEncoderLayer", "TransformerBlock", NULL},
    {"Rnn", "RNN", NULL},
    {"Gru", "GRU", NULL},
    {"Lstm", "LSTM", NULL},
    {"RNNCell", NULL, CELL("RNN", "state")},
    {"GRUCell", NULL, CELL("GRU", "state")},
    {"LSTMCell", NULL, CELL("LSTM", "state, memory")},
    {"ReLU", NULL, FUNCTION("relu(x)")},
    {"Relu", NULL, FUNCTION("relu(x)")},
    {"LeakyReLU", NULL, FUNCTION("leaky_relu(x)")},
    {"ELU", NULL, FUNCTION("elu(x)")},
    {"GELU", NULL, FUNCTION("gelu(x)")},
    {"SiLU", NULL, FUNCTION("silu(x)")},
    {"Tanh", NULL, FUNCTION("tanh(x)")},
    {"Sigmoid", NULL, FUNCTION("sigmoid(x)")},
    {"Softplus", NULL, FUNCTION("softplus(x)")},
    {"Softmax", NULL, FUNCTION("softmax(x)")},
    {"LogSoftmax", NULL, FUNCTION("log_softmax(x)")},
    {"Conv1D", "Conv1d", NULL},
    {"Conv2D", "Conv2d", NULL},
    {"Conv3D", "Conv3d", NULL},
    {"Conv1DTranspose", "ConvTranspose1d", NULL},
    {"Conv2DTranspose", "ConvTranspose2d", NULL},
    {"Conv3DTranspose", "ConvTranspose3d", NULL},
    {"DepthwiseConv2D", NULL, "a convolution by channel has a group for each: Conv2d(c, c, 3, groups = c)"},
    {"MaxPool1d", NULL, FUNCTION("max_pool1d(x, 2)")},
    {"MaxPool2d", NULL, FUNCTION("max_pool2d(x, 2)")},
    {"MaxPool3d", NULL, FUNCTION("max_pool3d(x, 2)")},
    {"AvgPool1d", NULL, FUNCTION("avg_pool1d(x, 2)")},
    {"AvgPool2d", NULL, FUNCTION("avg_pool2d(x, 2)")},
    {"AvgPool3d", NULL, FUNCTION("avg_pool3d(x, 2)")},
    {"AdaptiveAvgPool1d", NULL, FUNCTION("adaptive_avg_pool1d(x, 1)")},
    {"AdaptiveAvgPool2d", NULL, FUNCTION("adaptive_avg_pool2d(x, 1)")},
    {"AdaptiveAvgPool3d", NULL, FUNCTION("adaptive_avg_pool3d(x, 1)")},
    {"MaxPooling2D", NULL, FUNCTION("max_pool2d(x, 2)")},
    {"AveragePooling2D", NULL, FUNCTION("avg_pool2d(x, 2)")},
    {"GlobalAveragePooling2D", NULL, FUNCTION("global_avg_pool(x)")},
    {"GlobalMaxPooling2D", NULL, FUNCTION("global_max_pool(x)")},
    {"Upsample", NULL, FUNCTION("upsample2d(x, 2)")},
    {"UpsamplingNearest2d", NULL, FUNCTION("upsample2d(x, 2)")},
    {"UpSampling2D", NULL, FUNCTION("upsample2d(x, 2)")},
    {"Flatten", NULL, FUNCTION("reshape(x, [..])")},
    {"CrossEntropyLoss", NULL, FUNCTION("mean(cross_entropy(logits, label))")},
    {"MSELoss", NULL, FUNCTION("mse(pred, target)")},
    {"BCEWithLogitsLoss", NULL, FUNCTION("mean(bce_with_logits(logit, target))")},
    {"Sequential", NULL,
     "layers are called one in the other: b(relu(a(x))); Mlp(widths) is a chain of Linear"},
};

static const Word *word_of(Str name, const Word *from, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (str_eq(name, str_z(from[i].name))) return &from[i];
  return NULL;
}

static const Word *foreign_word(Str name) { return word_of(name, words, sizeof words / sizeof *words); }

bool explain_layer(Diag *g, Span at, Str word) {
  const Word *w = word_of(word, layers, sizeof layers / sizeof *layers);
  if (!w) return false;
  if (w->write)
    diag_meant(g, at, word, str_z(w->write));
  else
    diag_help(g, "%s", w->help);
  return true;
}

void explain_method(Diag *g, Str word, Str base) {
  const Word *w = foreign_word(word);
  if (w && w->write)
    diag_help(g, "a tensor has no members: write %s(" STRF ")", w->write, STRA(base));
  else if (w)
    diag_help(g, "%s", w->help);
}

/* ---- what stands in a file that is imported, or could be ---- */

static bool declares(Str text, const char *word, Str name) {
  for (size_t i = 0; i + strlen(word) + name.n < text.n; i++) {
    if (i && text.p[i - 1] != '\n') continue;
    Str rest = {text.p + i, text.n - i};
    if (!str_starts(rest, str_z(word))) continue;
    rest.p += strlen(word), rest.n -= strlen(word);
    if (str_starts(rest, name) && rest.n > name.n && (rest.p[name.n] == '(' || rest.p[name.n] == ' '))
      return true;
  }
  return false;
}

/* The import that sees a member of that name: "nn". *imported: it stands in the file already. */
static Str import_with(Elab *x, Str name, bool *imported) {
  Scope *s = x->main->scope;
  *imported = false;
  if (!may_compare(x, s->binding.n)) return STR("");
  *imported = true;
  for (uint32_t i = 0; i < s->binding.n; i++) {
    const Binding *b = s->binding.at[i];
    if (b->value.kind != VAL_FILE || !b->value.file->scope) continue;
    const Binding *m = scope_find_here(x, b->value.file->scope, names_add(x->n, name));
    if (m && m->decl &&
        (m->decl->kind == STMT_CONST || (m->decl->kind >= STMT_FN && m->decl->kind <= STMT_OPTIMIZER)))
      return sym_str(x, b->name);
  }
  *imported = false;
  for (const EmbeddedFile *e = embedded_std; e->text.p; e++) {
    Str file = {e->name.p, e->name.n - strlen(".dg")};
    if (declares(e->text, "module ", name) || declares(e->text, "fn ", name) ||
        declares(e->text, "const ", name))
      return file;
  }
  return STR("");
}

static bool library_file(Str name) {
  for (const EmbeddedFile *e = embedded_std; e->text.p; e++)
    if (e->name.n == name.n + 3 && str_starts(e->name, name)) return true;
  return false;
}

/* Where an import goes: before the first statement of the file. */
static void edit_import(Elab *x, Diag *g, Str file) {
  const AstStmtVec *v = &x->main->ast->stmts;
  if (!v->n) return;
  Span at = v->at[0]->at;
  if (v->at[0]->doc_at.file) at = v->at[0]->doc_at;
  at.hi = at.lo;
  diag_edit(g, at, str_fmt(x->a, "import " STRF "\n", STRA(file)));
}

/* Adds help; what the name is to be replaced by, if anything. */
static Str explain(Elab *x, Diag *g, Scope *s, Sym name) {
  Str text = sym_str(x, name);
  const Word *w = foreign_word(text);
  if (w && !w->write) {
    diag_help(g, "%s", w->help);
    return STR("");
  }
  if (str_eq(text, STR("step")) || str_eq(text, STR("epoch"))) {
    diag_help(g, "it lives in train steps, 'after' blocks and optimizers");
    return STR("");
  }
  if (library_file(text)) {
    diag_help(g, "import it from the standard library");
    edit_import(x, g, text);
    return STR("");
  }
  bool imported;
  Str file = w ? STR("") : import_with(x, text, &imported);
  Str near = w        ? str_z(w->write)
             : file.n ? str_fmt(x->a, STRF "." STRF, STRA(file), STRA(text))
                      : nearest_name(x, s, name);
  if (near.n) diag_help(g, "did you mean '" STRF "'?", STRA(near));
  if (file.n && !imported) edit_import(x, g, file);
  return w || file.n || diag_very_near(text, near) ? near : STR("");
}

/* ---- what was said ---- */

static uint64_t key_of(const Scope *s, Sym name) {
  return (uint64_t)(s->file ? s->file->file : 0) << 32 | name.i;
}

enum { MUTED = UINT32_MAX - 1 }; /* a map holds no larger value */

void name_mute(Elab *x, const Scope *s, Sym name) {
  if (name.i) map_put(&x->said_by_name, key_of(s, name), MUTED);
}

/* Did not parse, or was reported where it should have been declared. */
bool name_muted(Elab *x, Scope *s, Sym name) {
  uint32_t k;
  if (!name.i || (x->nameless && s->file == x->main)) return true;
  SrcFile *f = s->file;
  if (f && f->ast && !f->broken_muted) {
    f->broken_muted = true;
    for (uint32_t i = 0; i < f->ast->broken.n; i++) name_mute(x, s, f->ast->broken.at[i]);
  }
  return map_get(&x->said_by_name, key_of(s, name), &k) && k == MUTED;
}

/* A second place joins the first message: one mistake, most often. */
static void also_here(Elab *x, Said *said, Span at) {
  Diag *g = said->diag;
  if (at.file == g->at.file && at.lo == g->at.lo) return;
  for (uint32_t i = 0; i < g->label.n; i++)
    if (at.file == g->label.at[i].at.file && at.lo == g->label.at[i].at.lo) return;
  if (g->label.n == PLACES_SHOWN) return;
  diag_label(g, at, "and here");
  if (said->near.n) diag_edit(g, at, said->near);
  (void)x;
}

/* Unknown, muted or not. */
bool name_said(Elab *x, Scope *s, Sym name) {
  uint32_t k;
  return name_muted(x, s, name) || map_get(&x->said_by_name, key_of(s, name), &k);
}

Value unknown_name(Elab *x, Scope *s, Sym name, Span at) {
  uint32_t k;
  if (name_muted(x, s, name)) return val_poison();
  at = told_at(x, at);
  if (map_get(&x->said_by_name, key_of(s, name), &k)) {
    also_here(x, &x->said.at[k], at);
    return val_poison();
  }
  Said said = {.diag = TELL(x, unknown_name, at, sym_str(x, name))};
  if (!x->d->unkept) { /* else nobody sees it */
    said.near = explain(x, said.diag, s, name);
    if (said.near.n) diag_edit(said.diag, at, said.near);
  }
  map_put(&x->said_by_name, key_of(s, name), x->said.n);
  VEC_PUSH(x->a, &x->said, said);
  return val_poison();
}
