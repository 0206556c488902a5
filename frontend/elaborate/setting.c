/* The settings of a train step, `batch = 64`: which there are, and what their values are. */
#include "frontend/elaborate/train.h"

typedef enum { SETTING_NAME, SETTING_CHOICE, SETTING_COUNT, SETTING_ABOVE_0, SETTING_FLAG } SettingKind;

#define CHOICE(a, b) .kind = SETTING_CHOICE, .choice = {a, b}, .choices = "is \"" a "\" or \"" b "\""
static const struct Known {
  const char *name;
  SettingKind kind;
  bool first, i32; /* read before all else of the step; counted in an i32 */
  const char *choice[2], *choices;
} known[] = {
    {.name = "data", .kind = SETTING_NAME},
    {.name = "batch", .kind = SETTING_COUNT},
    {.name = "epochs", .kind = SETTING_COUNT},
    {.name = "steps", .kind = SETTING_COUNT},
    {.name = "shuffle", .kind = SETTING_FLAG},
    {.name = "last", CHOICE("drop", "pad")},
    {.name = "validate", .kind = SETTING_NAME},
    {.name = "every", .kind = SETTING_COUNT},
    {.name = "accumulate", .kind = SETTING_COUNT, .first = true, .i32 = true},
    {.name = "clip_norm", .kind = SETTING_ABOVE_0},
    {.name = "clip_value", .kind = SETTING_ABOVE_0},
    {.name = "precision", .first = true, CHOICE("f32", "bf16")},
};
#undef CHOICE
enum { KNOWN = sizeof known / sizeof *known };

static const struct Known *find(Str name) {
  for (int i = 0; i < KNOWN; i++)
    if (str_eq(name, str_z(known[i].name))) return &known[i];
  return NULL;
}

static void unknown(Elab *x, const Step *st, const AstPath *target, Str name) {
  Str names[KNOWN];
  Sb all;
  sb_init(&all, x->a);
  for (int i = 0; i < KNOWN; i++) {
    names[i] = str_z(known[i].name);
    sb_fmt(&all, "%s%s", i ? ", " : "", known[i].name);
  }
  Diag *g = TELL(x, setting, target->at, name, "is not one that a train step has");
  if (target->parts.n == 1) name_mute(x, st->scope, target->parts.at[0].name.name);
  Str near = diag_nearest(name, names, KNOWN);
  if (near.n)
    diag_meant(g, target->at, name, near);
  else
    diag_help(g, "settings are " STRF "; a name of your own needs 'let'", STRA(sb_str(&all)));
}

bool setting_first(Elab *x, const AstStmtVec *stmts, const char *name, const AstStmt **at, Value *v) {
  const struct Known *k = find(str_z(name));
  *at = NULL;
  for (uint32_t i = 0; i < stmts->n && !*at; i++) {
    const AstStmt *t = stmts->at[i];
    if (t->kind == STMT_SET && str_eq(path_text(x, &t->assign.target), str_z(name))) *at = t;
  }
  if (!*at) return false;
  const AstExpr *e = (*at)->assign.value;
  Scope *in;
  if (e->kind == EXPR_NAME && !scope_find(x, x->main->scope, e->name, &in)) {
    TELL(x, setting, e->at, str_z(name),
         k->kind == SETTING_CHOICE ? "is a text or a const of the file"
                                   : "is a number or a const of the file");
    return false;
  }
  *v = eval(x, x->main->scope, e);
  return true;
}

/* What the setting is and this value is not; NULL: it is. */
static const char *refused(const struct Known *k, Value v, const Setting *s) {
  bool text = v.kind == VAL_STRING || v.kind == VAL_DATASET;
  bool number = v.kind == VAL_INT || (v.kind == VAL_REAL && s->number == s->number);
  switch (k->kind) {
  case SETTING_NAME: return text ? NULL : "is a name or a text";
  case SETTING_CHOICE:
    if (!text) return "is a name or a text";
    for (int i = 0; i < 2; i++)
      if (str_eq(s->text, str_z(k->choice[i]))) return NULL;
    return k->choices;
  case SETTING_COUNT:
    if (!number) return "is a number";
    if (v.kind != VAL_INT || v.i < 1) return "is an integer of at least 1";
    if (k->i32 && v.i > INT32_MAX) return "is an integer below 2^31";
    return v.i <= INT64_C(1) << 53 ? NULL : "is an integer up to 2^53"; /* it is kept as a double */
  case SETTING_ABOVE_0: return !number ? "is a number" : s->number > 0 ? NULL : "is above 0";
  case SETTING_FLAG: return v.kind == VAL_BOOL ? NULL : "is true or false";
  }
  return NULL;
}

void train_setting(Elab *x, Step *st, const AstStmt *t) {
  Str name = path_text(x, &t->assign.target);
  const struct Known *k = find(name);
  Span at = t->assign.target.at;
  if (!k) {
    unknown(x, st, &t->assign.target, name);
    return;
  }
  for (uint32_t i = 0; i < st->ts.setting.n; i++)
    if (str_eq(sym_str(x, st->ts.setting.at[i].name), name)) {
      diag_label(TELL(x, setting, at, name, "is given twice"), st->ts.setting.at[i].at, "first here");
      return;
    }
  if (k->first && st->accumulate != t && st->precision != t) {
    diag_help(TELL(x, setting, at, name, "stands in the block itself, and in no 'if'"),
              "give it a const that is chosen: const k = if .. { 4 } else { 1 }");
    return;
  }
  Value v = eval(x, st->scope, t->assign.value);
  if (!val_ok(v)) return;
  Setting r = {.name = names_add(x->n, name), .at = at, .number = __builtin_nan("")};
  if (v.kind == VAL_STRING)
    r.text = v.str;
  else if (v.kind == VAL_DATASET)
    r.text = sym_str(x, v.name);
  else if (v.kind == VAL_INT || v.kind == VAL_REAL)
    r.number = static_real(v);
  else if (v.kind == VAL_BOOL)
    r.number = v.boolean;
  const char *why = refused(k, v, &r);
  if (why) {
    TELL(x, setting, t->assign.value->at, name, why);
    return;
  }
  if (str_eq(name, STR("clip_norm"))) st->clip_norm = r.number;
  if (str_eq(name, STR("clip_value"))) st->clip_value = r.number;
  VEC_PUSH(x->p->arena, &st->ts.setting, r);
}
