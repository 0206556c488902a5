/* Data sets: which file feeds which input. Files are opened by who trains, not here. */
#include "frontend/elab.h"

static const struct {
  const char *name, *part;
} readers[] = {
#define READER(id, name, endings, magic, part) {#name, part},
#include "base/readers.def"
#undef READER
};
enum { READERS = sizeof readers / sizeof readers[0] };

/* "npy("..."), idx("...") or csv("...")" */
static Str readers_text(Arena *a) {
  Sb b;
  sb_init(&b, a);
  for (int i = 0; i < READERS; i++)
    sb_fmt(&b, "%s%s(\"..\")", i == 0 ? "" : i == READERS - 1 ? " or " : ", ", readers[i].name);
  return sb_str(&b);
}

/* Does the argument say which part of the file is meant? */
static bool is_part(Elab *x, const AstArg *a, int reader) {
  return ast_ident_written(a->name) && str_eq(sym_str(x, a->name.name), str_z(readers[reader].part));
}

/* What a field is called with: a file's name, and the part of it that is meant. */
static bool arguments(Elab *x, const AstExpr *e, int reader, DataField *f) {
  const char *name = readers[reader].name, *part = readers[reader].part;
  for (uint32_t i = 0; i < e->call.args.n; i++) {
    const AstArg *a = &e->call.args.at[i];
    bool path = i == 0 && !ast_ident_written(a->name), chosen = is_part(x, a, reader);
    Value v = eval(x, x->main->scope, a->value);
    if ((!path && !chosen) || (val_ok(v) && v.kind != VAL_STRING)) {
      TELL(x, dataset_field, a->at,
           *part ? str_fmt(x->a, "'%s' takes a file's name as text, and %s = \"..\"", name, part)
                 : str_fmt(x->a, "'%s' takes a file's name as text and nothing else", name));
      return false;
    }
    if (!val_ok(v)) return false;
    *(path ? &f->path : &f->part) = v.str;
  }
  if (f->path.n) return true;
  TELL(x, dataset_field, e->at, str_fmt(x->a, "'%s' needs a file's name", name));
  return false;
}

static void field(Elab *x, Dataset *d, const AstStmt *t) {
  const AstPath *target = &t->assign.target;
  Str name = path_text(x, target);
  Scope *in;
  Binding *b =
      target->parts.n == 1 ? scope_find(x, x->main->scope, target->parts.at[0].name.name, &in) : NULL;
  if (!b || !b->decl || b->decl->kind != STMT_INPUT) {
    if (target->parts.n == 1 && name_said(x, x->main->scope, target->parts.at[0].name.name)) return;
    Diag *g = TELL(x, dataset_field, target->at, str_fmt(x->a, "no input is named '" STRF "'", STRA(name)));
    VEC(Str) names = {0};
    for (uint32_t i = 0; i < x->main->scope->binding.n; i++)
      if (x->main->scope->binding.at[i]->decl && x->main->scope->binding.at[i]->decl->kind == STMT_INPUT)
        VEC_PUSH(x->a, &names, sym_str(x, x->main->scope->binding.at[i]->name));
    suggest(x, g, target->at, name, names.at, names.n, "inputs:");
    return;
  }
  const AstExpr *e = t->assign.value;
  Str reader =
      e->kind == EXPR_CALL && e->call.callee->kind == EXPR_NAME ? sym_str(x, e->call.callee->name) : STR("");
  Str names[READERS];
  int known = -1;
  for (int i = 0; i < READERS; i++) {
    names[i] = str_z(readers[i].name);
    if (str_eq(reader, names[i])) known = i;
  }
  if (known < 0) {
    Diag *g =
        TELL(x, dataset_field, e->at, str_fmt(x->a, "a field is read by " STRF, STRA(readers_text(x->a))));
    if (reader.n) suggest(x, g, e->call.callee->at, reader, names, READERS, NULL);
    return;
  }
  DataField f = {.input = b->name, .reader = names_add(x->n, reader), .at = e->at};
  if (!arguments(x, e, known, &f)) return;
  for (uint32_t i = 0; i < d->field.n; i++)
    if (sym_eq(d->field.at[i].input, f.input)) {
      TELL(x, dataset_field, target->at, str_fmt(x->a, "'" STRF "' is fed twice", STRA(name)));
      return;
    }
  VEC_PUSH(x->p->arena, &d->field, f);
}

void elaborate_dataset(Elab *x, const AstStmt *t) {
  Dataset d = {.name = t->unit.name.name, .at = t->unit.name.at};
  for (uint32_t i = 0; i < t->unit.body->stmts.n; i++) {
    const AstStmt *s = t->unit.body->stmts.at[i];
    if (s->kind == STMT_SET)
      field(x, &d, s);
    else
      stands_not(x, s, "in a data set");
  }
  VEC_PUSH(x->p->arena, &x->p->dataset, d);
}
