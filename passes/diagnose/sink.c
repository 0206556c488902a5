/* Where a value ends up that a loss does not read: in a root, in a name inside a function that nothing reads,
 * in a question about its shape. */
#include "base/hash.h"
#include "passes/diagnose/diagnose.h"

enum {
  SINK_OUTPUT = 1,
  SINK_METRIC,
  SINK_LOSS,
  SINK_STATE,
  SINK_NOTHING,
  SINK_VALUE,
  SINK_LOCAL,
  SINK_SHAPE
};

static bool library(const Program *p, Span at) { return !at.file || p->sources->file.at[at.file].library; }

/* Places are told apart by their text: train steps and eval ask the same question, and so does every call and
 * instance of what is written once. */
static uint32_t place_id(Diagnose *x, Span at, uint64_t other, SinkPlace place) {
  uint64_t word[3] = {at.file, at.lo, other};
  uint64_t key = hash_bytes(word, sizeof word, at.hi);
  uint32_t id;
  if (!x->place.n) map_init(&x->place_index, x->arena);
  if (map_get(&x->place_index, key, &id)) return id;
  map_put(&x->place_index, key, x->place.n);
  place.at = at;
  VEC_PUSH(x->arena, &x->place, place);
  return x->place.n - 1;
}

/* What several paths have in common, in whole components. */
static Str common(Str a, Str b) {
  size_t n = 0;
  for (size_t i = 0; i < a.n && i < b.n && a.p[i] == b.p[i]; i++)
    if (a.p[i] == '.') n = i;
  return (Str){a.p, n};
}

/* One assignment in the text may assign to many states: a whole instance, or one in each instance of a
 * module. */
static uint64_t state_sink(Diagnose *x, const Root *r) {
  const Program *p = x->p;
  Sym path = p->leaf.at[r->leaf.i].path;
  Str name = names_str(p->names, path);
  bool own = library(p, r->at); /* there each state is told by itself */
  uint32_t id = place_id(x, own ? (Span){0} : r->at, own ? path.i : 0, (SinkPlace){.name = name});
  SinkPlace *s = &x->place.at[id];
  if (!str_eq(s->name, name) && !s->several) s->first = s->name;
  if (!str_eq(s->name, name)) {
    s->name = common(s->name, name);
    s->several = true;
  }
  return (uint64_t)SINK_STATE << 32 | id;
}

static uint64_t local_sink(Diagnose *x, const LocalName *b) {
  SinkPlace s = {
      .name = names_str(x->p->names, b->name), .in = names_str(x->p->names, b->in), .kind = b->kind};
  return (uint64_t)SINK_LOCAL << 32 | place_id(x, b->at, 1, s);
}

/* What the user called the thing a node stands in: the function or declaration, not the library's. */
static Sym around(const Program *p, const Graph *g, NodeId n) {
  Location s = g->location.at[graph_node(g, n)->location.i];
  for (uint32_t turn = 0; library(p, s.at) && s.at.file && s.caller.i && turn < g->location.n; turn++)
    s = g->location.at[s.caller.i];
  return s.what;
}

/* By node, from 1: the place where nothing but its shape is asked for; the name it got last. */
typedef struct Ends {
  uint32_t *shape, *local;
} Ends;

static uint64_t sink_name(Diagnose *x, const Graph *g, uint64_t member, LeafId param, Ends ends) {
  const Program *p = x->p;
  if (member & SINK_NODE) {
    NodeId end = {(uint32_t)(member & ~SINK_NODE)};
    if (ends.shape[end.i]) return (uint64_t)SINK_SHAPE << 32 | (ends.shape[end.i] - 1);
    if (node_op(g, end) == OP_LEAF || node_op(g, end) == OP_GRAD) return 0;
    if (ends.local[end.i]) return local_sink(x, &g->local.at[ends.local[end.i] - 1]);
    Sym what = around(p, g, end);
    return what.i ? (uint64_t)SINK_VALUE << 32 | what.i : 0;
  }
  const Root *r = &g->root.at[member];
  switch (r->kind) {
  case ROOT_OUTPUT: return (uint64_t)SINK_OUTPUT << 32 | r->name.i;
  case ROOT_METRIC: return (uint64_t)SINK_METRIC << 32 | r->name.i;
  case ROOT_LOSS: return (uint64_t)SINK_LOSS << 32 | r->name.i;
  case ROOT_ASSIGN:
    if (leaf_eq(r->leaf, param) || leaf_eq(p->leaf.at[r->leaf.i].of, param)) return 0;
    return state_sink(x, r);
  case ROOT_CHECK: return 0;
  }
  return 0;
}

/* Questions about shapes; those about a leaf itself are its sinks at once. */
static void shape_questions(Diagnose *x, const Graph *g, uint32_t *shape) {
  for (uint32_t i = 0; i < g->shape_use.n; i++) {
    const ShapeUse *u = &g->shape_use.at[i];
    bool leaf = !node_ok(u->node) || node_op(g, u->node) == OP_LEAF;
    uint32_t at = place_id(x, u->at, 2, (SinkPlace){0}), of = u->leaf.i;
    if (node_ok(u->node) && leaf) of = (uint32_t)graph_attr(g, u->node)[0];
    if (leaf)
      x->sinks[of] = sets_add(&x->sets, x->sinks[of], (uint64_t)SINK_SHAPE << 32 | at);
    else if (!shape[u->node.i])
      shape[u->node.i] = at + 1;
  }
}

uint32_t flow_sinks(Diagnose *x, LeafId param) {
  if (x->sinks) return x->sinks[param.i];
  const Program *p = x->p;
  x->sinks = ARENA_ARRAY(x->arena, uint32_t, p->leaf.n);
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    if (!g || p->entry.at[e].kind == ENTRY_INIT) continue;
    uint32_t *sink = reach_sinks(g, &x->sets, x->arena);
    Ends ends = {ARENA_ARRAY(x->arena, uint32_t, g->node.n + 1),
                 ARENA_ARRAY(x->arena, uint32_t, g->node.n + 1)};
    shape_questions(x, g, ends.shape);
    for (uint32_t i = 0; i < g->local.n; i++) ends.local[g->local.at[i].node.i] = i + 1;
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (g->node.at[i].op != OP_LEAF) continue;
      LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
      Set s = x->sets.set.at[sink[i]];
      uint32_t *all = &x->sinks[leaf.i];
      for (uint8_t k = 0; k < s.n; k++) {
        uint64_t m = sink_name(x, g, s.at[k], leaf, ends);
        if (m) *all = sets_add(&x->sets, *all, m);
      }
      if (s.more && !*all) *all = sets_add(&x->sets, 0, (uint64_t)SINK_NOTHING << 32);
    }
  }
  return x->sinks[param.i];
}

static bool has_sink(const Set *s, uint32_t kind) {
  for (uint8_t i = 0; i < s->n; i++)
    if (s->at[i] >> 32 == kind) return true;
  return false;
}

bool flow_only_shape(const Diagnose *x, uint32_t set) {
  const Set *s = &x->sets.set.at[set];
  for (uint8_t i = 0; i < s->n; i++)
    if (s->at[i] >> 32 != SINK_SHAPE) return false;
  return s->n > 0 && !s->more;
}

Span flow_shape_place(const Diagnose *x, uint32_t set, uint8_t i) {
  const Set *s = &x->sets.set.at[set];
  return i < s->n ? x->place.at[(uint32_t)s->at[i]].at : (Span){0};
}

Str flow_sinks_loss(const Diagnose *x, uint32_t set) {
  Set s = x->sets.set.at[set];
  for (uint8_t i = 0; i < s.n; i++)
    if (s.at[i] >> 32 == SINK_LOSS) return names_str(x->p->names, (Sym){(uint32_t)s.at[i]});
  return (Str){0};
}

/* What is shown of a set: roots; without any, values that nothing reads. */
typedef struct Shown {
  uint64_t at[SET_CAP];
  uint32_t n;
  bool values, trains;
} Shown;

static Shown shown(const Set *s) {
  Shown w = {.trains = has_sink(s, SINK_LOSS)}; /* then states follow from that loss */
  for (uint8_t i = 0; i < s->n; i++)
    if (s->at[i] >> 32 < SINK_NOTHING && !(w.trains && s->at[i] >> 32 == SINK_STATE)) w.at[w.n++] = s->at[i];
  w.values = w.n == 0;
  for (uint8_t i = 0; i < s->n && w.values; i++)
    if (s->at[i] >> 32 == SINK_VALUE || s->at[i] >> 32 == SINK_LOCAL) w.at[w.n++] = s->at[i];
  return w;
}

static void sink_text(const Diagnose *x, uint64_t sink, Sb *b) {
  static const char *const kind[] = {"", "output ", "metric ", "loss ", "", "", "", "", ""};
  if (sink >> 32 == SINK_STATE) {
    const SinkPlace *s = &x->place.at[(uint32_t)sink];
    if (!s->several)
      sb_fmt(b, "state '" STRF "'", STRA(s->name));
    else if (s->name.n)
      sb_fmt(b, "states of '" STRF "'", STRA(s->name));
    else
      sb_fmt(b, "state '" STRF "' and others", STRA(s->first));
  } else if (sink >> 32 == SINK_LOCAL) {
    const SinkPlace *s = &x->place.at[(uint32_t)sink];
    if (s->kind == LOCAL_ARGUMENT) sb_fmt(b, "argument ");
    if (s->name.n)
      sb_fmt(b, "'" STRF "'", STRA(s->name));
    else
      sb_fmt(b, "a value without a name"); /* in a recording, which knows no functions either */
    if (s->in.n) sb_fmt(b, " of '" STRF "'", STRA(s->in));
  } else {
    sb_fmt(b, "%s'" STRF "'", kind[sink >> 32], STRA(names_str(x->p->names, (Sym){(uint32_t)sink})));
  }
}

Str flow_sinks_text(Diagnose *x, uint32_t set) {
  Sb b;
  sb_init(&b, x->arena);
  Set s = x->sets.set.at[set];
  Shown w = shown(&s);
  if (!w.n) sb_fmt(&b, "what is made of it is never used");
  if (w.n) sb_fmt(&b, "%s", w.values ? "ends in " : "feeds only ");
  for (uint32_t i = 0; i < w.n; i++) {
    bool last = i + 1 == w.n && (w.trains || !s.more);
    sb_fmt(&b, "%s", i == 0 ? "" : last ? " and " : ", ");
    sink_text(x, w.at[i], &b);
  }
  if (s.more && !w.trains) sb_fmt(&b, " and more");
  if (w.n && w.values) sb_fmt(&b, ", which nothing reads");
  return sb_str(&b);
}

void flow_sinks_label(const Diagnose *x, uint32_t set, Diag *g) {
  Set s = x->sets.set.at[set];
  Shown w = shown(&s);
  for (uint32_t i = 0; i < w.n; i++) {
    if (w.at[i] >> 32 != SINK_LOCAL) continue;
    const SinkPlace *p = &x->place.at[(uint32_t)w.at[i]];
    switch (p->kind) {
    case LOCAL_ARGUMENT: diag_label(g, p->at, "'" STRF "' does not read this argument", STRA(p->in)); break;
    case LOCAL_LET: diag_label(g, p->at, "nothing reads this"); break;
    case LOCAL_VAR: diag_label(g, p->at, "nothing reads the value it gets here"); break;
    }
  }
}
