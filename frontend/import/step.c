/* Entry points of a recorded program: steps with their optimizers, what is written beside them, and what was
 * seen while it ran. */
#include "frontend/import/internal.h"
#include "ir/graph/build.h"

#include <math.h>

static bool known_param(Reader *x, LeafId *out) {
  bool known;
  *out = lines_leaf(&x->r, lines_word(&x->r), &known);
  if (!known) return lines_bad(&x->r, "no such leaf");
  return x->r.p->leaf.at[out->i].kind == LEAF_PARAM || lines_bad(&x->r, "a parameter expected");
}

/* train NAME loss=%I @PLACE */
bool import_step(Reader *x) {
  Program *p = x->r.p;
  TrainStep t = {.loss = NO_NODE};
  uint32_t place;
  if (x->entered) return lines_bad(&x->r, "the graph is an entry point already");
  t.name = lines_name(&x->r, lines_word(&x->r));
  if (!import_field(x, "loss")) return lines_bad(&x->r, "'loss=%NODE' expected");
  if (!lines_node(&x->r, &t.loss) || !import_place(x, &place)) return false;
  const Node *n = graph_node(x->r.g, t.loss);
  if (n->type.rank || !dtype_is_float((DType)n->type.dtype) || n->region)
    return lines_bad(&x->r, "a loss is one real number");
  t.loss_name = names_add(p->names, STR("loss"));
  t.at = t.minimize_at = import_span(x, place);
  t.entry = p->entry.n;
  x->step = p->train.n;
  x->entered = true;
  graph_root(x->r.g, ROOT_LOSS, t.loss_name, (LeafId){0}, t.loss, t.at);
  VEC_PUSH(p->arena, &p->train, t);
  VEC_PUSH(p->arena, &p->entry,
           ((Entry){.kind = ENTRY_TRAIN, .name = t.name, .graph = x->r.g, .train = x->step}));
  return true;
}

/* after NAME every=N: what is assigned beside the updates of that step */
bool import_after(Reader *x) {
  Program *p = x->r.p;
  Sym name = lines_name(&x->r, lines_word(&x->r));
  int64_t every;
  if (x->entered) return lines_bad(&x->r, "the graph is an entry point already");
  if (!import_field(x, "every") || !lines_int(&x->r, &every) || every < 1)
    return lines_bad(&x->r, "'every=N' expected");
  for (uint32_t i = 0; i < p->train.n; i++) {
    if (!sym_eq(p->train.at[i].name, name)) continue;
    VEC_PUSH(p->arena, &p->entry,
             ((Entry){.kind = ENTRY_AFTER, .name = name, .graph = x->r.g, .train = i, .every = every}));
    x->entered = true;
    return true;
  }
  return lines_bad(&x->r, "no such step");
}

/* group OPTIMIZER NAME=NUMBER .. @PLACE */
bool import_group(Reader *x) {
  Program *p = x->r.p;
  GraphLines *r = &x->r;
  uint32_t place;
  VEC(GroupSetting) setting = {0};
  if (x->step == UINT32_MAX) return lines_bad(r, "a step expected");
  Group g = {.optimizer = lines_name(r, lines_word(r))};
  for (;;) {
    lines_skip(r);
    const char *eq = strchr(r->at, '=');
    if (!eq || *r->at == '@' || *r->at == '#') break;
    GroupSetting s = {.given = true, .name = names_add(p->names, (Str){r->at, (size_t)(eq - r->at)})};
    r->at = eq + 1;
    if (!lines_number(r, &s.number)) return false;
    VEC_PUSH(p->arena, &setting, s);
  }
  if (!import_place(x, &place)) return false;
  g.at = g.using_at = import_span(x, place);
  for (uint32_t i = 0; i < setting.n; i++) {
    setting.at[i].at = g.at;
    VEC_PUSH(p->arena, &g.setting, setting.at[i]);
  }
  VEC_PUSH(p->arena, &p->train.at[x->step].group, g);
  return true;
}

/* As its values are, whatever it is stored as. */
static Type computed(const Leaf *leaf) {
  Type t = leaf->type;
  t.dtype = (uint8_t)dtype_compute((DType)t.dtype);
  return t;
}

/* own PARAM grad=%I update=%I: by the group above */
bool import_own(Reader *x) {
  Program *p = x->r.p;
  GraphLines *r = &x->r;
  Owned o = {0};
  if (x->step == UINT32_MAX || !p->train.at[x->step].group.n) return lines_bad(r, "a group expected");
  TrainStep *t = &p->train.at[x->step];
  if (!known_param(x, &o.param)) return false;
  if (!import_field(x, "grad") || !lines_node(r, &o.grad) || !import_field(x, "update") ||
      !lines_node(r, &o.update))
    return lines_bad(r, "'grad=%NODE update=%NODE' expected");
  const Leaf *leaf = &p->leaf.at[o.param.i];
  Type want = computed(leaf);
  if (node_op(r->g, o.grad) != OP_GRAD || !type_eq(&graph_node(r->g, o.update)->type, &want))
    return lines_bad(r, "no gradient and update of that parameter");
  if (leaf->frozen) return lines_bad(r, "a frozen parameter is not updated");
  o.group = t->group.n - 1;
  o.item = t->group.at[o.group].at;
  graph_root(r->g, ROOT_ASSIGN, (Sym){0}, o.param, o.update, o.item);
  VEC_PUSH(p->arena, &t->owned, o);
  return true;
}

/* start LEAF NUMBER: the initial value of every element */
bool import_start(Reader *x) {
  Program *p = x->r.p;
  bool known;
  double value;
  LeafId leaf = lines_leaf(&x->r, lines_word(&x->r), &known);
  if (!known) return lines_bad(&x->r, "no such leaf");
  if (!lines_number(&x->r, &value)) return false;
  const Leaf *l = &p->leaf.at[leaf.i];
  Type t = computed(l);
  if ((l->kind != LEAF_PARAM && l->kind != LEAF_STATE) || !dtype_is_float((DType)t.dtype))
    return lines_bad(&x->r, "a real parameter or state expected");
  if (!x->first) x->first = graph_new(p->arena, p, (Sym){0});
  uint32_t other;
  if (map_get(&x->started, leaf.i, &other)) return lines_bad(&x->r, "a second initial value");
  map_put(&x->started, leaf.i, 0);
  Builder b = {.g = x->first, .primal = NO_NODE};
  NodeId n = build_const(&b, t, value);
  if (l->type.dtype == DT_BF16) n = build_op(&b, OP_ROUND_BF16, &n, 1, NULL, NULL);
  graph_root(x->first, ROOT_ASSIGN, (Sym){0}, leaf, n, (Span){0});
  return true;
}

static bool witness_of(Reader *x, Witness **out) {
  LeafId leaf;
  uint32_t at;
  if (!known_param(x, &leaf)) return false;
  if (!map_get(&x->witness, leaf.i, &at)) {
    at = x->out->witness.n;
    VEC_PUSH(x->r.arena, &x->out->witness, (Witness){.param = leaf});
    map_put(&x->witness, leaf.i, at);
  }
  *out = &x->out->witness.at[at];
  return true;
}

/* set PARAM @PLACE: where it got its initial value */
bool import_set(Reader *x) {
  Witness *w;
  uint32_t place;
  if (!witness_of(x, &w) || !import_place(x, &place)) return false;
  w->set = import_span(x, place);
  return true;
}

/* note PARAM @PLACE TEXT: what a message about it shows beside */
bool import_note(Reader *x) {
  Witness *w;
  uint32_t place;
  if (!witness_of(x, &w) || !import_place(x, &place)) return false;
  lines_skip(&x->r);
  if (!place || !*x->r.at) return lines_bad(&x->r, "'@PLACE TEXT' expected");
  w->note = import_span(x, place);
  w->note_text = lines_rest(&x->r);
  return true;
}

static const char *const seen_word[SEEN_COUNT] = {"none", "zero", "noise", "live", "nonfinite"};

/* seen PARAM CLASS .. : the framework's gradient, round by round */
bool import_seen(Reader *x) {
  Witness *w;
  if (!witness_of(x, &w)) return false;
  if (w->rounds) return lines_bad(&x->r, "a second 'seen' of that parameter");
  for (;;) {
    int k = 0;
    while (k < SEEN_COUNT && !lines_eat(&x->r, seen_word[k])) k++;
    if (k == SEEN_COUNT)
      return w->rounds || lines_bad(&x->r, "none, zero, noise, live or nonfinite expected");
    if (w->rounds == IMPORT_ROUNDS) return lines_bad(&x->r, "too many rounds");
    w->seen[w->rounds++] = (uint8_t)k;
  }
}
