/* What is found about each parameter: a list, strongest first, so that nothing hides anything. A death (no
 * gradient in any step that owns it) comes before what a rule does, that before "owned twice" and
 * "overwritten", and those before "unowned". Dead in one owner and open in another is healthy. */
#include "base/hash.h"
#include "passes/diagnose/slab.h"

/* A set of cuts as the user sees it: equal texts at equal places are one cause, however often a function or a
 * loop was expanded. */
static uint64_t cut_places(const Diagnose *x, const View *v, uint32_t set) {
  const Set *s = &x->sets.set.at[set];
  uint64_t place[SET_CAP], n = 0;
  for (uint8_t i = 0; i < s->n; i++) {
    uint64_t h = flow_cut_place(v, key_edge(s->at[i]));
    uint64_t k = 0;
    while (k < n && place[k] < h) k++;
    if (k < n && place[k] == h) continue;
    for (uint64_t j = n++; j > k; j--) place[j] = place[j - 1];
    place[k] = h;
  }
  return hash_bytes(place, n * sizeof *place, s->more ? set : 0); /* size-ok: at most SET_CAP */
}

/* Nobody reads the value; perhaps its shape. */
static Headline not_read(Diagnose *x, Finding *f) {
  uint32_t sinks = flow_sinks(x, f->param);
  if (!sinks) return HEAD_UNUSED;
  f->key = (uint64_t)sinks << 20 | f->view;
  return flow_only_shape(x, sinks) ? HEAD_SHAPE : HEAD_UNREACHABLE;
}

typedef struct Owners {           /* the steps that list a parameter, or every loss where none does */
  uint32_t n, changing, training; /* listing it; changing it by their rule; changing it by its gradient */
  uint32_t best, rule;            /* view of the weakest flow; of the rule that is spoken of */
  uint64_t changers;              /* which views change it */
} Owners;

static Owners owners(const Diagnose *x, LeafId id) {
  Owners o = {.best = UINT32_MAX, .rule = UINT32_MAX};
  for (uint32_t i = 0; i < x->view.n; i++) o.n += x->view.at[i].param[id.i].rule != RULE_NONE;
  for (uint32_t i = 0; i < x->view.n; i++) {
    const Verdict *v = &x->view.at[i].param[id.i];
    if (o.n && v->rule == RULE_NONE) continue;
    if (o.best == UINT32_MAX || v->flow > x->view.at[o.best].param[id.i].flow) o.best = i;
    if (rule_changes(v->rule)) {
      o.changing++;
      o.changers = o.changers * 1024 + i + 1;
    }
    o.training += v->rule == RULE_MOVES;
    bool blind = v->rule != RULE_NONE && v->rule != RULE_MOVES;
    if (blind && (o.rule == UINT32_MAX || v->flow > x->view.at[o.rule].param[id.i].flow)) o.rule = i;
  }
  return o;
}

static void add(Diagnose *x, Finding f, Headline head, uint32_t view, uint64_t key) {
  f.head = head;
  f.view = view;
  f.key = key;
  VEC_PUSH(x->arena, &x->found, f);
}

static void find_overwritten(Diagnose *x, Finding f, const Owners *o) {
  Span at = x->assigned[f.param.i].at;
  if (o->training && assigned_overwrites(x, f.param))
    add(x, f, HEAD_OVERWRITTEN, o->best, (uint64_t)at.file << 32 | at.lo);
}

/* No gradient from any loss that could train it. */
static void find_death(Diagnose *x, Finding f, const Owners *o) {
  const View *view = &x->view.at[o->best];
  const Verdict *v = &view->param[f.param.i];
  f.view = o->best;
  if (v->flow == FLOW_CUT) {
    add(x, f, HEAD_CUT, o->best, cut_places(x, view, v->cause) ^ o->best);
  } else if (v->flow == FLOW_ZERO) {
    add(x, f, HEAD_ZERO, o->best, (uint64_t)v->cause << 20 | o->best);
  } else if (v->flow == FLOW_STUCK) {
    add(x, f, HEAD_STUCK, o->best, (uint64_t)v->rests << 20 | o->best);
  } else if (v->flow == FLOW_SYMMETRIC) {
    add(x, f, HEAD_SYMMETRIC, o->best, o->best);
  } else {
    Headline head = not_read(x, &f);
    add(x, f, head, o->best, f.key);
  }
  if (o->rule == UINT32_MAX) return;
  const Verdict *by = &x->view.at[o->rule].param[f.param.i];
  f.covered = true; /* that it does not move for want of a gradient is no finding of its own */
  if (by->rule == RULE_DRIFTS || by->always)
    add(x, f, by->rule == RULE_IDLE ? HEAD_IDLE : HEAD_DRIFTS, o->rule,
        (uint64_t)by->group << 20 | o->rule | UINT64_C(1) << 40);
}

/* Which elements, and what leaves them out. */
static uint64_t part_cause(const Diagnose *x, uint32_t view, LeafId param) {
  const Verdict *v = &x->view.at[view].param[param.i];
  Span at = graph_user_span(x->view.at[view].grad, x->p->sources, v->part->from);
  return hash_bytes(&v->part->set, sizeof v->part->set, view) ^ ((uint64_t)at.file << 32 | at.lo);
}

/* Some of its elements get no gradient. Equal elements of one step are one cause where one text says them:
 * along the same axis of tensors, in columns and the vector that is added to them. A vector joins the tensor
 * before it. */
static void find_part(Diagnose *x, Finding f, const Owners *o) {
  const Verdict *v = &x->view.at[o->best].param[f.param.i];
  if (!v->part) return;
  uint8_t rank = program_leaf_at(x->p, f.param)->type.rank;
  uint64_t cause = part_cause(x, o->best, f.param),
           said = rank > 2 ? 2 + v->part_axis : rank == 2 && !v->part_axis;
  uint64_t key = hash_mix(cause ^ said << 56);
  const Finding *last = x->found.n ? &x->found.at[x->found.n - 1] : NULL;
  if (rank == 1 && last && last->head == HEAD_PARTIAL && last->view == o->best &&
      part_cause(x, last->view, last->param) == cause)
    key = last->key;
  add(x, f, HEAD_PARTIAL, o->best, key);
}

static void find_rule(Diagnose *x, Finding f, const Owners *o) {
  if (!o->training && o->rule != UINT32_MAX) {
    const Verdict *v = &x->view.at[o->rule].param[f.param.i];
    uint64_t key = (uint64_t)v->group << 20 | o->rule;
    bool idle = v->rule == RULE_IDLE && !v->unread;
    if (idle) key ^= hash_bytes(&v->assumes, sizeof v->assumes, 0);
    add(x, f, idle ? HEAD_IDLE : HEAD_DRIFTS, o->rule, key);
  }
  if (o->training && o->changing > 1) add(x, f, HEAD_OWNED_TWICE, o->best, o->changers);
  find_overwritten(x, f, o);
  if (o->training == 1) find_part(x, f, o);
}

static void find(Diagnose *x, LeafId id) {
  const Leaf *leaf = program_leaf_at(x->p, id);
  Finding f = {.param = id};
  uint32_t before = x->found.n;
  Owners o = owners(x, id);
  if (leaf->frozen) {
    bool used = flow_sinks(x, id) || x->starts[id.i].i != UINT32_MAX;
    add(x, f, used ? HEAD_SILENT : HEAD_FROZEN_UNUSED, 0, 0);
    return;
  }
  if (x->assigned[id.i].taught && !o.changing) { /* no rule changes it and `after` moves it: intended */
    add(x, f, HEAD_SILENT, 0, 0);
    return;
  }
  if (o.best == UINT32_MAX) { /* no loss at all: nothing trains, but what nobody reads is still unused */
    add(x, f, flow_sinks(x, id) ? HEAD_HEALTHY : HEAD_UNUSED, 0, 0);
    return;
  }
  if (x->view.at[o.best].param[id.i].flow != FLOW_OPEN) {
    find_death(x, f, &o);
    if (x->view.at[o.best].param[id.i].flow > FLOW_ZERO) find_overwritten(x, f, &o);
  } else if (o.n) {
    find_rule(x, f, &o);
  } else if (x->p->train.n) {
    uint32_t home = list_home(x, id).view;
    if (home == UINT32_MAX) home = o.best;
    add(x, f, HEAD_UNOWNED, home, home);
  }
  if (x->found.n == before) add(x, f, HEAD_HEALTHY, o.best, 0);
}

/* End of the path's next component from byte i: before '.' or '['. */
static size_t component(Str path, size_t i) {
  while (i < path.n && path.p[i] != '.' && path.p[i] != '[') i++;
  return i;
}

/* One cause for every instance of a module: a parameter that its functions never read; an item of a list, or
 * a member of one, that nobody calls. `whole`: path of the outermost thing of which nothing is used. */
static uint64_t unused_key(const Diagnose *x, LeafId id, Str whole) {
  const Leaf *leaf = program_leaf_at(x->p, id);
  Str path = names_str(x->p->names, leaf->path);
  if (whole.n == path.n && leaf->at.file && !x->p->sources->file.at[leaf->at.file].library)
    return hash_mix((uint64_t)leaf->at.file << 32 | leaf->at.lo);
  uint64_t key = 0;
  for (size_t i = 0, end = 0; i < whole.n; i = end + 1) { /* its names without their indices */
    end = component(whole, i);
    if (i == 0 || whole.p[i - 1] == '.') key = hash_mix(key ^ hash_str((Str){whole.p + i, end - i}));
  }
  return key;
}

/* The parameters of an instance that nobody uses are one cause: the outermost one of which nothing is used.
 */
static void group_unused(Diagnose *x) {
  Map used; /* by hash of an instance's path */
  map_init(&used, x->arena);
  for (uint32_t i = 0; i < x->found.n; i++) {
    Str path = names_str(x->p->names, program_leaf_at(x->p, x->found.at[i].param)->path);
    bool other = x->found.at[i].head != HEAD_UNUSED && !x->found.at[i].covered;
    for (size_t k = component(path, 0); k < path.n && other; k = component(path, k + 1))
      map_put(&used, hash_str((Str){path.p, k}), 1);
  }
  for (uint32_t i = 0; i < x->found.n; i++) {
    if (x->found.at[i].head != HEAD_UNUSED) continue;
    Str path = names_str(x->p->names, program_leaf_at(x->p, x->found.at[i].param)->path);
    uint32_t yes;
    size_t k = component(path, 0);
    while (k < path.n && map_get(&used, hash_str((Str){path.p, k}), &yes)) k = component(path, k + 1);
    x->found.at[i].key = unused_key(x, x->found.at[i].param, (Str){path.p, k < path.n ? k : path.n});
  }
}

void diagnose_find(Diagnose *x) {
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    if (x->p->leaf.at[i].kind == LEAF_PARAM) find(x, (LeafId){i});
  group_unused(x);
}
