/* The lines of a `.dgg` file (docs/import.md). The bytes are nobody's: every number is looked at before it is
 * used, nothing recurses, and what is refused is told with its line. */
#include "frontend/import/internal.h"

enum { VERSION = 1, MOST_FILES = 4096 };

bool import_is(Str text) { return str_starts(text, STR("dgg ")); }

bool import_field(Reader *x, const char *name) { return lines_eat(&x->r, name) && lines_eat(&x->r, "="); }

bool import_place(Reader *x, uint32_t *place) {
  int64_t i;
  *place = 0;
  if (!lines_eat(&x->r, "@")) return true;
  if (!lines_int(&x->r, &i)) return false;
  if (i < 0 || i >= x->place.n) return lines_bad(&x->r, "no such place");
  *place = (uint32_t)i;
  return true;
}

Span import_span(const Reader *x, uint32_t place) { return place ? x->place.at[place].at : (Span){0}; }

/* Callers stand in front of what they call, so the chain ends. */
LocationId import_location(Reader *x, uint32_t place) {
  VEC(uint32_t) todo = {0};
  for (uint32_t i = place; i && !x->located.at[i].i; i = x->place.at[i].caller)
    VEC_PUSH(x->r.arena, &todo, i);
  while (todo.n) {
    uint32_t i = todo.at[--todo.n];
    const PlaceLine *at = &x->place.at[i];
    x->located.at[i] = graph_location(x->r.g, at->at, x->located.at[at->caller], at->what);
  }
  return x->located.at[place];
}

static bool read_head(Reader *x) {
  int64_t v;
  if (!lines_eat(&x->r, "dgg") || !lines_int(&x->r, &v)) return lines_bad(&x->r, "'dgg 1' expected");
  if (v != VERSION) return lines_bad(&x->r, "another version of the format: 1 is the one known here");
  Str by = lines_rest(&x->r);
  x->out->framework = str_starts(by, STR("jax "))          ? FRAMEWORK_JAX
                      : str_starts(by, STR("tensorflow ")) ? FRAMEWORK_TENSORFLOW
                                                           : FRAMEWORK_TORCH;
  return true;
}

static bool read_file(Reader *x) {
  int64_t i;
  if (x->sources) return lines_bad(&x->r, "files and places stand in front of the graphs");
  if (!lines_int(&x->r, &i)) return false;
  if (i != x->file.n || i > MOST_FILES) return lines_bad(&x->r, "files are numbered in order, from 1");
  Str name = lines_rest(&x->r);
  if (!name.n) return lines_bad(&x->r, "a file name expected");
  VEC_PUSH(x->r.arena, &x->file, (FileLine){.name = name});
  return true;
}

/* place I FILE LINE COL ENDLINE ENDCOL CALLER [NAME] */
static bool read_place(Reader *x) {
  int64_t v[7];
  if (x->sources) return lines_bad(&x->r, "files and places stand in front of the graphs");
  for (int i = 0; i < 7; i++)
    if (!lines_int(&x->r, &v[i])) return false;
  if (v[0] != x->place.n) return lines_bad(&x->r, "places are numbered in order, from 1");
  if (v[1] < 1 || v[1] >= x->file.n) return lines_bad(&x->r, "no such file");
  if (v[6] < 0 || v[6] >= v[0]) return lines_bad(&x->r, "the caller of a place comes earlier");
  for (int i = 2; i < 6; i++)
    if (v[i] < (i % 2 ? 0 : 1) || v[i] > (1 << 20)) return lines_bad(&x->r, "no such line or column");
  if (x->place.n > (uint64_t)x->r.p->limits->nodes) return lines_bad(&x->r, "too many places");
  PlaceLine p = {.file = (uint32_t)v[1], .line = (uint32_t)v[2], .col = (uint32_t)v[3]};
  p.end_line = (uint32_t)v[4], p.end_col = (uint32_t)v[5], p.caller = (uint32_t)v[6];
  Str what = lines_word(&x->r);
  if (what.n && *what.p != '#') p.what = lines_name(&x->r, what);
  VEC_PUSH(x->r.arena, &x->place, p);
  return true;
}

/* What nothing reads is where values end: messages name the place. */
static void name_ends(Reader *x) {
  Graph *g = x->r.g;
  bool *read = ARENA_ARRAY(x->r.arena, bool, g->node.n + 1);
  for (uint32_t i = 0; i < g->edge.n; i++) read[g->edge.at[i].i] = true;
  for (uint32_t i = 0; i < g->root.n; i++) read[g->root.at[i].node.i] = true;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Location *at = &g->location.at[g->node.at[i].location.i];
    if (read[i] || !at->at.file || g->node.at[i].op == OP_LEAF) continue;
    LocalName name = {.node = {i}, .kind = LOCAL_LET, .name = at->what, .at = at->at};
    VEC_PUSH(g->arena, &g->local, name);
  }
}

/* What the graph before was made of is checked before the next begins. */
static bool close_graph(Reader *x) {
  if (!x->r.g) return true;
  if (x->r.g->open) return lines_bad(&x->r, "a region is still open");
  if (!x->entered) return lines_bad(&x->r, "the graph above is neither a 'step' nor an 'after'");
  Sb why;
  sb_init(&why, x->r.arena);
  if (graph_verify(x->r.g, &why)) {
    name_ends(x);
    return true;
  }
  sb_fmt(x->r.why, "graph '" STRF "': " STRF, STRA(names_str(x->r.p->names, x->r.g->name)),
         STRA(sb_str(&why)));
  return false;
}

static bool read_graph(Reader *x) {
  if (!x->sources && !import_sources(x)) return false;
  if (!close_graph(x)) return false;
  x->r.g = NULL;
  x->r.named.n = 0;
  x->step = UINT32_MAX;
  x->entered = false;
  if (!lines_graph(&x->r)) return false;
  x->graphs++;
  x->located.n = 0;
  for (uint32_t i = 0; i < x->place.n; i++) VEC_PUSH(x->r.arena, &x->located, (LocationId){0});
  return true;
}

/* end nodes=N graphs=N: what is not all there was cut short. */
static bool read_end(Reader *x) {
  int64_t nodes, graphs;
  if (!close_graph(x)) return false;
  if (!import_field(x, "nodes") || !lines_int(&x->r, &nodes) || !import_field(x, "graphs") ||
      !lines_int(&x->r, &graphs))
    return lines_bad(&x->r, "'end nodes=N graphs=N' expected");
  if (nodes != (int64_t)x->nodes || graphs != (int64_t)x->graphs)
    return lines_bad(&x->r, "lines are missing: the counts differ");
  x->ended = true;
  return true;
}

/* Is `%I: TYPE = WORD` the head of what only this format has? */
static bool has_op(const GraphLines *r, const char *op) {
  const char *eq = strchr(r->at, '=');
  size_t n = strlen(op);
  return eq && eq[1] == ' ' && strncmp(eq + 2, op, n) == 0 && (eq[2 + n] == ' ' || !eq[2 + n]);
}

/* A line of the graph itself, and the place behind it. */
static bool read_in_graph(Reader *x) {
  GraphLines *r = &x->r;
  lines_skip(r);
  bool node = *r->at == '%', ok;
  uint32_t leaves = r->p->leaf.n, from = r->g->node.n, roots = r->g->root.n, place;
  x->nodes += node;
  if (node && has_op(r, "unknown"))
    ok = (r->at++, import_unknown(x, true));
  else if (node && has_op(r, "host"))
    ok = (r->at++, import_unknown(x, false));
  else
    ok = lines_graph(r);
  if (!ok || !import_place(x, &place)) return false;
  LocationId at = import_location(x, place);
  for (uint32_t i = from; i < r->g->node.n; i++) r->g->node.at[i].location = at;
  for (uint32_t i = roots; i < r->g->root.n; i++) r->g->root.at[i].at = import_span(x, place);
  if (r->p->leaf.n > leaves) {
    r->p->leaf.at[leaves].at = import_span(x, place);
    if (r->p->leaf.n > (uint64_t)r->p->limits->nodes) return lines_bad(r, "too many leaves");
  }
  return true;
}

typedef bool LineFn(Reader *x);
static const struct {
  const char *word;
  LineFn *fn;
  bool inside; /* a graph */
} words[] = {
    {"file", read_file, false},   {"place", read_place, false},  {"graph", read_graph, false},
    {"end", read_end, false},     {"start", import_start, true}, {"set", import_set, true},
    {"seen", import_seen, true},  {"note", import_note, true},   {"after", import_after, true},
    {"train", import_step, true}, {"group", import_group, true}, {"own", import_own, true},
};

static bool read_line(Reader *x) {
  GraphLines *r = &x->r;
  lines_skip(r);
  if (r->number == 1) return read_head(x);
  if (!*r->at || *r->at == '#') return true;
  if (x->ended) return lines_bad(r, "nothing follows 'end'");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!lines_eat(r, words[i].word)) continue;
    if (words[i].inside && !r->g) return lines_bad(r, "a graph expected");
    if (words[i].fn == read_graph) r->at -= strlen("graph");
    return words[i].fn(x);
  }
  return r->g ? read_in_graph(x) : lines_bad(r, "'file', 'place' or 'graph' expected");
}

static bool read_all(Reader *x, Str text) {
  while (text.n) {
    lines_begin(&x->r, &text);
    if (!read_line(x) || !lines_end(&x->r)) return false;
  }
  if (x->ended) return true;
  sb_fmt(x->r.why, "it has no 'end': the recording stopped half-way");
  return false;
}

/* Initial values are an entry point of their own, over all leaves. */
static void enter_first(Reader *x) {
  if (!x->first) return;
  VEC_PUSH(x->r.arena, &x->r.p->entry, ((Entry){.kind = ENTRY_INIT, .graph = x->first}));
}

bool import_program(uint32_t file, Str folder, Diags *d, Program *p, Import *out) {
  Sb why;
  sb_init(&why, p->arena);
  Reader x = {.r = {.p = p, .arena = p->arena, .why = &why}, .out = out, .folder = folder};
  map_init(&x.witness, p->arena);
  map_init(&x.started, p->arena);
  VEC_PUSH(p->arena, &x.file, (FileLine){0});
  VEC_PUSH(p->arena, &x.place, (PlaceLine){0});
  const Source *own = &p->sources->file.at[file];
  Str text = own->text;
  if (read_all(&x, text)) {
    enter_first(&x);
    return true;
  }
  own = &p->sources->file.at[file]; /* sources were added meanwhile */
  uint32_t line = x.r.number ? x.r.number - 1 : 0;
  Span at = {file, line < own->line.n ? own->line.at[line] : 0, 0};
  at.hi = at.lo;
  diag_bad_import(d, at, sb_str(&why));
  return false;
}
