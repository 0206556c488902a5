/* Counting what programs contain, and saying what they never did. */
#include "cover.h"

#include "base/embed.h"
#include "ir/graph/program.h"
#include "ir/interpret/order.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const feature_text[FEATURES] = {
#define FEATURE(id, text) text,
#include "features.def"
#undef FEATURE
};

static Cover *into;

/* ---- words: functions, modules and optimizers that a program can call ---- */

typedef struct Words {
  char name[COVER_WORDS][32];
  int n;
} Words;

static void words_add(Words *w, const char *p, size_t n) {
  if (w->n == COVER_WORDS || n >= 32) abort();
  memcpy(w->name[w->n], p, n);
  w->name[w->n++][n] = 0;
}

/* An elementwise row that can be called by its name: as in frontend/elaborate/builtins.c. */
static bool is_function(const OpInfo *o) {
  if (!o->scalar || o->arity > 2 || (o->flags & OPF_OPERATOR)) return false;
  if (o->sig[0] != 'F' && o->sig[0] != 'T') return false;
  return o->sig[1] == o->sig[0] && o->sig[o->arity] == o->sig[0];
}

static const Words *words(void) {
  static Words w;
  if (w.n) return &w;
#define BUILTIN(name, handler, op, params, doc) words_add(&w, name, strlen(name));
#include "frontend/elaborate/builtins.def"
#undef BUILTIN
  for (int op = 0; op < OP_COUNT; op++)
    if (is_function(&op_info[op])) {
      bool twice = false; /* also a row of builtins.def */
      for (int i = 0; i < w.n; i++) twice = twice || strcmp(w.name[i], op_info[op].name) == 0;
      if (!twice) words_add(&w, op_info[op].name, strlen(op_info[op].name));
    }
  static const char *const begins[] = {"fn ", "module ", "optimizer "};
  for (const EmbeddedFile *e = embedded_std; e->text.p; e++)
    for (const char *p = e->text.p, *end = p + e->text.n; p && p < end;
         p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : NULL)
      for (int k = 0; k < 3; k++) {
        size_t b = strlen(begins[k]), n = 0;
        if ((size_t)(end - p) < b || memcmp(p, begins[k], b) != 0) continue;
        while (isalnum((unsigned char)p[b + n]) || p[b + n] == '_') n++;
        words_add(&w, p + b, n);
      }
  return &w;
}

void cover_begin(Cover *shared) { into = shared; }
void cover_feature(Feature f) {
  if (into) into->feature[f]++;
}
void cover_wrong(const char *code) {
  if (into) into->wrong[atoi(code + 2) % 1000]++;
}

void cover_text(const char *text) {
  const Words *w = words();
  if (!into) return;
  for (const char *p = text; *p;) {
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
    if (n && (p[n] == '(' || p[n] == ',' || p[n] == ')')) /* called, or handed on as a value */
      for (int i = 0; i < w->n; i++)
        if (strlen(w->name[i]) == n && memcmp(w->name[i], p, n) == 0) into->word[i]++;
    if (strncmp(p + n, " ~ ", 3) == 0) n += 2;
    p += n ? n : 1;
  }
}

/* ---- graphs ---- */

void cover_graph(const Graph *g) {
  if (!into) return;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *n = &g->node.at[i];
    into->op[n->op]++;
    if (n->type.dtype < COVER_TYPES) into->op_type[n->op][n->type.dtype]++;
  }
}

typedef struct Extents {
  int64_t at[MAX_RANK];
  int rank;
  bool known;
} Extents;

static Extents extents(const Graph *g, NodeId n) {
  const Type *t = &graph_node(g, n)->type;
  Extents e = {.rank = t->rank, .known = true};
  for (int i = 0; i < t->rank; i++) e.known = e.known && dim_is_const(g->program->dims, t->dim[i], &e.at[i]);
  return e;
}

static bool innermost(const Extents *e, int axis) {
  for (int i = axis + 1; i < e->rank; i++)
    if (e->at[i] != 1) return false;
  return true;
}

static void count_sum(const Extents *in, int64_t axes) {
  for (int i = in->rank - 1; i >= 0; i--) {
    if (!(axes >> i & 1)) continue;
    Order o = order_sum(in->at[i], innermost(in, i));
    if (o.chunks > 1) cover_feature(o.kind == ORDER_LANES16 ? FEAT_lanes_pieces : FEAT_chain_pieces);
  }
}

static void count_node(const Graph *g, NodeId n) {
  const Node *node = graph_node(g, n);
  Extents in = extents(g, node->nin ? graph_in(g, n)[0] : n), out = extents(g, n);
  const int64_t *attr = graph_attr(g, n);
  int64_t count = 1;
  if (!in.known || !out.known) return;
  for (int i = 0; i < out.rank; i++) count *= out.at[i];
  if (count > 65536) cover_feature(FEAT_wide);
  if (node->op == OP_SUM || node->op == OP_MEAN) count_sum(&in, attr[0]);
  if (node->op == OP_SOFTMAX || node->op == OP_LOG_SOFTMAX || node->op == OP_LOGSUMEXP) {
    int axis = (int)attr[0];
    if (order_row(in.at[axis], innermost(&in, axis)).chunks > 1) cover_feature(FEAT_row_pieces);
  }
  if (node->op == OP_CONTRACT) {
    bool ta = attr[0], tb = attr[1];
    int r = in.rank;
    Order o = order_contract(out.at[r - 2], out.at[r - 1], in.at[r - (ta ? 2 : 1)], ta, tb);
    if (o.kind == ORDER_LANES16) cover_feature(o.chunks > 1 ? FEAT_dot_lanes_pieces : FEAT_dot_lanes);
    if (o.kind == ORDER_CHAIN && o.chunks > 1) cover_feature(FEAT_dot_chain_pieces);
  }
  if (node->op == OP_CONV2D_DW) {
    Extents gy = extents(g, graph_in(g, n)[1]);
    if (gy.known && order_conv_dw(gy.at[0], gy.at[2], gy.at[3]).chunks > 1)
      cover_feature(FEAT_conv_dw_pieces);
  }
}

void cover_orders(const Graph *g) {
  if (!into) return;
  cover_graph(g);
  for (uint32_t i = 0; i < g->node.n; i++) count_node(g, (NodeId){i});
}

/* ---- the report ---- */

/* What no program calls by its name, and why. */
static const struct {
  const char *name, *why;
} exceptions[] = {
    {"fan_in", "the library's initial values call it"},
    {"fan_out", "the library's initial values call it"},
    {"load", "it reads a file of weights; tests/e2e/weights.py"},
    {"live", "an assertion; tests/golden/err/flow/live.dg"},
};

static int missing(const char *what, const char *name) {
  for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
    if (strcmp(exceptions[i].name, name) == 0) {
      printf("# not by its name: %s: %s\n", name, exceptions[i].why);
      return 0;
    }
  printf("# never seen: %s '%s'\n", what, name);
  return 1;
}

bool cover_print(const Cover *c, bool complete) {
  const Words *w = words();
  int ops = 0, pairs = 0, seen = 0, features = 0, codes = 0, lost = 0;
  for (int i = 0; i < OP_COUNT; i++) {
    ops += c->op[i] > 0;
    for (int t = 0; t < COVER_TYPES; t++) pairs += c->op_type[i][t] > 0;
    if (!c->op[i]) lost += missing("op", op_info[i].name);
  }
  for (int i = 0; i < w->n; i++) {
    seen += c->word[i] > 0;
    if (!c->word[i]) lost += missing("function", w->name[i]);
  }
  for (int i = 0; i < FEATURES; i++) {
    features += c->feature[i] > 0;
    if (!c->feature[i]) lost += missing("feature", feature_text[i]);
  }
  for (int i = 0; i < 1000; i++) codes += c->wrong[i] > 0;
  printf("# coverage: %d of %d ops (%d with their types), %d of %d functions, %d of %d features, mistakes of "
         "%d codes\n",
         ops, (int)OP_COUNT, pairs, seen, w->n, features, (int)FEATURES, codes);
  return !complete || lost == 0;
}
