/* `--report=table`: one line a parameter. */
#include "passes/diagnose/diagnose.h"

static const char *flow_word(Flow f) {
  switch (f) {
  case FLOW_UNUSED:
  case FLOW_UNREACHABLE: return "unreachable";
  case FLOW_CUT: return "cut";
  case FLOW_ZERO: return "zero";
  case FLOW_STUCK: return "stuck";
  case FLOW_SYMMETRIC: return "symmetric";
  case FLOW_OPEN: return "open";
  }
  return "";
}

static const char *rule_word(Rule r) {
  switch (r) {
  case RULE_NONE: return "not listed";
  case RULE_MOVES: return "moves";
  case RULE_IDLE: return "idle";
  case RULE_BLIND: return "reads no gradient";
  case RULE_DRIFTS: return "moves without gradient";
  }
  return "";
}

static const char *head_word(Headline h) {
  switch (h) {
  case HEAD_HEALTHY: return "open";
  case HEAD_SILENT: return "frozen or assigned";
  case HEAD_OWNED_TWICE: return "owned twice";
  case HEAD_UNUSED: return "unused";
  case HEAD_UNREACHABLE: return "unreachable";
  case HEAD_CUT:
  case HEAD_SHAPE: return "cut";
  case HEAD_ZERO: return "zero";
  case HEAD_STUCK: return "stuck";
  case HEAD_SYMMETRIC: return "symmetric";
  case HEAD_IDLE: return "idle";
  case HEAD_DRIFTS: return "moves without gradient";
  case HEAD_OVERWRITTEN: return "overwritten";
  case HEAD_UNOWNED: return "unowned";
  case HEAD_PARTIAL: return "partial";
  case HEAD_FROZEN_UNUSED: return "frozen, unused";
  }
  return "";
}

/* What the verdict rests on: the contract's proof classes. */
static const char *proof_word(Headline h) {
  switch (h) {
  case HEAD_OWNED_TWICE:
  case HEAD_UNUSED:
  case HEAD_UNREACHABLE:
  case HEAD_CUT:
  case HEAD_SHAPE:
  case HEAD_OVERWRITTEN:
  case HEAD_UNOWNED:
  case HEAD_FROZEN_UNUSED: return "structural";
  case HEAD_ZERO: return "algebraic";
  case HEAD_PARTIAL: return "structural";
  case HEAD_STUCK:
  case HEAD_SYMMETRIC: return "by initial value";
  case HEAD_IDLE:
  case HEAD_DRIFTS: return "by optimizer rule";
  case HEAD_HEALTHY:
  case HEAD_SILENT: return "-";
  }
  return "";
}

/* With what it needs to stay as it is. */
static Str proof(Diagnose *x, const Finding *f) {
  if (f->head == HEAD_ZERO) return str_z(zero_proof(x, &x->view.at[f->view].param[f->param.i]));
  if (f->head != HEAD_IDLE) return str_z(proof_word(f->head));
  Assumes need = x->view.at[f->view].param[f->param.i].assumes;
  Sb b;
  sb_init(&b, x->arena);
  sb_fmt(&b, "%s", proof_word(f->head));
  for (uint8_t i = 0; i < need.n; i++)
    sb_fmt(&b, "%s'" STRF "'", i ? ", " : " while nobody writes ",
           STRA(names_str(x->p->names, program_leaf_at(x->p, need.at[i])->path)));
  if (need.more || need.states) sb_fmt(&b, "%s", need.n ? ", states" : " while nobody writes its states");
  return sb_str(&b);
}

static Str reason(Diagnose *x, const Finding *f) {
  if (!x->view.n) return (Str){0};
  const View *v = &x->view.at[f->view];
  switch (f->head) {
  case HEAD_CUT:
  case HEAD_ZERO:
  case HEAD_STUCK:
  case HEAD_SYMMETRIC:
  case HEAD_PARTIAL:
  case HEAD_UNOWNED:
  case HEAD_HEALTHY: return flow_path_text(x, v, f->param);
  case HEAD_UNREACHABLE: return flow_sinks_text(x, flow_sinks(x, f->param));
  case HEAD_SHAPE: return STR("only its shape is used");
  case HEAD_SILENT:
  case HEAD_OWNED_TWICE:
  case HEAD_OVERWRITTEN:
  case HEAD_UNUSED:
  case HEAD_IDLE:
  case HEAD_DRIFTS:
  case HEAD_FROZEN_UNUSED: return (Str){0};
  }
  return (Str){0};
}

enum { COLUMNS = 7 };

/* What a row is about: a parameter with its findings, or a state that nothing assigns. */
typedef struct Row {
  const Finding *first;
  uint32_t n; /* 0: a state */
} Row;

static Str verdicts(const Diagnose *x, const Row *r, const Leaf *leaf) {
  Sb t;
  sb_init(&t, x->arena);
  if (!r->n) sb_fmt(&t, "never assigned");
  for (uint32_t k = 0; k < r->n; k++) {
    const Finding *f = &r->first[k];
    const char *word = f->head == HEAD_SILENT ? (leaf->frozen ? "frozen" : "assigned") : head_word(f->head);
    if (f->head == HEAD_DRIFTS && x->view.at[f->view].param[f->param.i].rule != RULE_DRIFTS)
      word = rule_word(RULE_BLIND);
    sb_fmt(&t, "%s%s", k ? ", " : "", word);
  }
  return sb_str(&t);
}

static Str steps(const Diagnose *x, LeafId leaf) {
  Sb t;
  sb_init(&t, x->arena);
  for (uint32_t k = 0; k < x->view.n; k++) {
    const View *v = &x->view.at[k];
    const Verdict *verdict = &v->param[leaf.i];
    Str name = v->step ? names_str(x->p->names, v->step->name) : v->loss;
    sb_fmt(&t, "%s" STRF ": %s", k ? "; " : "", STRA(name),
           verdict->late ? "open, zero at first" : flow_word(verdict->flow));
    if (!v->step) continue;
    if (verdict->rule == RULE_NONE) {
      sb_fmt(&t, ", %s", rule_word(verdict->rule));
      continue;
    }
    Str opt = names_str(x->p->names, v->step->group.at[verdict->group].optimizer);
    bool still = verdict->flow == FLOW_ZERO || verdict->flow == FLOW_STUCK; /* the rule alone would move it */
    sb_fmt(&t, ", %s by " STRF, still && verdict->rule == RULE_MOVES ? "updated" : rule_word(verdict->rule),
           STRA(opt));
  }
  return sb_str(&t);
}

static void fill_row(Diagnose *x, const Row *r, Str *c) {
  const Program *p = x->p;
  const Leaf *leaf = program_leaf_at(p, r->first->param);
  Sb t;
  c[0] = names_str(p->names, leaf->path);
  sb_init(&t, p->arena);
  type_print(p->dims, &leaf->type, &t);
  c[1] = sb_str(&t);
  sb_init(&t, p->arena);
  dim_print(p->dims, type_count(p->dims, &leaf->type), &t);
  c[2] = sb_str(&t);
  c[3] = verdicts(x, r, leaf);
  c[4] = r->n ? proof(x, r->first) : STR("structural");
  c[5] = steps(x, r->first->param);
  c[6] = reason(x, r->first);
}

static void print_cells(Arena *a, const Str *cell, uint32_t rows, Sb *b) {
  size_t width[COLUMNS] = {0};
  for (uint32_t i = 0; i < rows; i++)
    for (int k = 0; k < COLUMNS; k++)
      if (cell[i * COLUMNS + k].n > width[k]) width[k] = cell[i * COLUMNS + k].n;
  for (uint32_t i = 0; i < rows; i++) {
    Sb line;
    sb_init(&line, a);
    for (int k = 0; k < COLUMNS; k++) {
      Str c = cell[i * COLUMNS + k];
      size_t gap = width[k] - c.n;
      if (k == 2)
        for (size_t s = 0; s < gap; s++) sb_char(&line, ' ');
      sb_add(&line, c);
      if (k != 2)
        for (size_t s = 0; s < gap; s++) sb_char(&line, ' ');
      sb_fmt(&line, "  ");
    }
    Str s = sb_str(&line);
    while (s.n && s.p[s.n - 1] == ' ') s.n--;
    sb_add(b, s);
    sb_char(b, '\n');
  }
}

void diagnose_table(const Program *p, const DimBinding *bind, size_t nbind, Sb *b) {
  static const char *const title[COLUMNS] = {"parameter", "shape", "count", "verdict",
                                             "proof",     "steps", "reason"};
  Diags silent = {0};
  if (nbind) p = diagnose_bound_program(p, bind, nbind, p->arena);
  Diagnose x = {.arena = p->arena, .p = p, .d = &silent};
  if (!diagnose_run(&x)) return;
  VEC(Row) row = {0};
  for (uint32_t i = 0; i < x.found.n; i++) {
    if (!i || !leaf_eq(x.found.at[i].param, x.found.at[i - 1].param))
      VEC_PUSH(p->arena, &row, (Row){.first = &x.found.at[i]});
    row.at[row.n - 1].n++;
  }
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (!state_unassigned(&x, (LeafId){i})) continue;
    Finding *at_rest = ARENA_NEW(p->arena, Finding);
    *at_rest = (Finding){.param = {i}, .head = HEAD_SILENT};
    VEC_PUSH(p->arena, &row, (Row){.first = at_rest});
  }
  Str *cell = arena_array(p->arena, (size_t)row.n + 1, sizeof(Str[COLUMNS]), _Alignof(Str));
  for (int k = 0; k < COLUMNS; k++) cell[k] = str_z(title[k]);
  for (uint32_t i = 0; i < row.n; i++) fill_row(&x, &row.at[i], &cell[(i + 1) * COLUMNS]);
  print_cells(p->arena, cell, row.n + 1, b);
}
