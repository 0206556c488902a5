/* Loops are unrolled: ranges and lists are walked when compiling. The scope of a turn is used again for the
 * next one unless something keeps it; the first turn that fails is the last. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

typedef struct Walk {
  const AstFor *loop;
  Value *list; /* by source, or a range */
  int64_t *lo, *step;
  uint32_t turns;
  Scope *outer, *turn;
  uint64_t closures;
} Walk;

static bool walk_range(Elab *x, Scope *s, const AstExpr *e, int64_t *lo, int64_t *step, uint32_t *turns) {
  int64_t hi;
  bool good = val_static_int(x, eval(x, s, e->range.lo), e->range.lo->at, "the start of a range", lo);
  good = val_static_int(x, eval(x, s, e->range.hi), e->range.hi->at, "the end of a range", &hi) && good;
  *step = 1;
  if (good && e->range.step)
    good = val_static_int(x, eval(x, s, e->range.step), e->range.step->at, "the step of a range", step);
  if (!good) return false;
  if (*step < 1) {
    TELL(x, static_arith, e->at, STR("the step of a range is at least 1"));
    return false;
  }
  uint64_t n = hi > *lo ? ((uint64_t)hi - (uint64_t)*lo - 1) / (uint64_t)*step + 1 : 0;
  if (n > (uint64_t)x->limits->expansion || n > UINT32_MAX)
    return limit_passed(x, e->at, "the turns of a loop", "expansion", x->limits->expansion), false;
  *turns = (uint32_t)n;
  return true;
}

static bool walk_list(Elab *x, Scope *s, const AstExpr *e, Value *list) {
  *list = eval(x, s, e);
  if (!val_ok(*list)) return false;
  if (list->kind == VAL_LIST) return true;
  if (val_tensor(*list))
    not_built(x, e->at, "walking a tensor's leading axis");
  else if (val_number(*list))
    diag_help(TELL(x, wrong_kind, e->at, val_text(x, *list), "a list or a range"),
              "a range is written 0:" STRF, STRA(span_text(x, e->at)));
  else
    wrong_kind(x, e->at, *list, "a list or a range");
  return false;
}

static bool walk_begin(Elab *x, Scope *s, const AstFor *loop, Walk *w) {
  uint32_t n = loop->sources.n;
  *w = (Walk){.loop = loop,
              .list = ARENA_ARRAY(x->a, Value, n + 1),
              .lo = ARENA_ARRAY(x->a, int64_t, n + 1),
              .step = ARENA_ARRAY(x->a, int64_t, n + 1),
              .outer = s};
  if (loop->names.n != n) {
    TELL(x, declaration, loop->at, str_fmt(x->a, "%u names walk %u sources", loop->names.n, n));
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    const AstExpr *e = loop->sources.at[i];
    uint32_t turns;
    if (e->kind == EXPR_RANGE) {
      if (!walk_range(x, s, e, &w->lo[i], &w->step[i], &turns)) return false;
    } else if (walk_list(x, s, e, &w->list[i]))
      turns = w->list[i].list.n;
    else
      return false;
    if (i && turns != w->turns) {
      TELL(x, declaration, e->at,
           str_fmt(x->a, "lists walked together have one length, and these have %u and %u", w->turns, turns));
      return false;
    }
    w->turns = turns;
  }
  return true;
}

/* NULL: the names cannot be bound, as was told. */
static Scope *walk_turn(Elab *x, Walk *w, uint32_t k) {
  uint32_t errors = x->d->errors;
  if (!w->turn || x->closures != w->closures || !scope_empty(w->turn))
    w->turn = scope_new(x, SCOPE_BLOCK, w->outer);
  w->closures = x->closures;
  for (uint32_t i = 0; i < w->loop->names.n; i++) {
    AstIdent name = w->loop->names.at[i];
    Value v = w->loop->sources.at[i]->kind == EXPR_RANGE ? val_int(w->lo[i] + (int64_t)k * w->step[i])
                                                         : w->list[i].list.at[k];
    scope_bind(x, w->turn, name, value_named(x, w->turn, name, v, true));
  }
  return x->d->errors == errors ? w->turn : NULL;
}

Value eval_comprehension(Elab *x, Scope *s, const AstExpr *e) {
  Walk w;
  if (!walk_begin(x, s, &e->comprehension.walk, &w)) {
    probe_walk(x, s, &e->comprehension.walk, e->comprehension.item, NULL);
    return val_poison();
  }
  Str path = x->frame->path;
  VEC(Value) items = {0};
  bool good = true;
  for (uint32_t k = 0; k < w.turns && good && !x->stopped; k++) {
    if (x->frame->making) x->frame->path = str_fmt(x->a, STRF "[%u]", STRA(path), k);
    uint32_t errors = x->d->errors;
    Scope *turn = walk_turn(x, &w, k);
    Value v = turn ? eval(x, turn, e->comprehension.item) : val_poison();
    good = val_ok(v) && x->d->errors == errors;
    VEC_PUSH(x->a, &items, v);
  }
  x->frame->path = path;
  return good && !x->stopped ? list_value(VAL_LIST, items.at, items.n) : val_poison();
}

/* ---- what did not run */

static void poison_set(Elab *x, Scope *s, const AstPath *p) {
  Scope *in;
  Binding *b = p->parts.n == 1 ? scope_find(x, s, p->parts.at[0].name.name, &in) : NULL;
  if (b && b->is_var) b->value = val_poison();
}

bool poison_block(Elab *x, Scope *s, const AstBlock *b, bool declares) {
  bool returns = false;
  for (uint32_t i = 0; b && i < b->stmts.n; i++) {
    const AstStmt *t = b->stmts.at[i];
    if (t->kind == STMT_SET)
      poison_set(x, s, &t->assign.target);
    else if (t->kind == STMT_FOR)
      returns |= poison_block(x, s, t->loop.body, false);
    else if (t->kind == STMT_IF) {
      returns |= poison_block(x, s, t->choice.then, declares);
      returns |= poison_block(x, s, t->choice.otherwise, declares);
    } else if (t->kind == STMT_CONST || t->kind == STMT_LET || t->kind == STMT_VAR) {
      for (uint32_t k = 0; k < t->bind.names.n && declares; k++)
        if (t->bind.names.at[k].name.i && !scope_find_here(x, s, t->bind.names.at[k].name))
          scope_bind(x, s, t->bind.names.at[k], val_poison());
    }
    returns |= t->kind == STMT_RETURN;
  }
  return returns;
}

bool exec_for(Elab *x, Scope *s, const AstStmt *t, Value *ret) {
  Walk w;
  bool good = walk_begin(x, s, &t->loop.walk, &w);
  if (!good) probe_walk(x, s, &t->loop.walk, NULL, t->loop.body);
  for (uint32_t k = 0; good && k < w.turns && !x->stopped; k++) {
    uint32_t errors = x->d->errors;
    Scope *turn = walk_turn(x, &w, k);
    if (turn && exec_block(x, turn, t->loop.body, ret)) return true;
    good = x->d->errors == errors; /* else the next turn would say it again */
    if (++x->expanded > x->limits->expansion)
      limit_passed(x, t->at, "the turns of a loop", "expansion", x->limits->expansion);
  }
  if (good) return false;
  *ret = val_poison();
  return poison_block(x, s, t->loop.body, false);
}
