/* Data sets: which file feeds which input. Files are opened by who trains, not here. */
#include "base/size.h"
#include "frontend/elaborate/elab.h"

static const struct {
  const char *name, *part;
  bool counts, header;
} readers[] = {
#define READER(id, name, endings, magic, part, counts, header) {#name, part, counts, header},
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

static bool is_called(Elab *x, const AstArg *a, const char *name) {
  return ast_ident_written(a->name) && str_eq(sym_str(x, a->name.name), str_z(name));
}

/* "'csv' takes a file's name as text, and column = "..", header = true or false" */
static Str takes_text(Arena *a, int reader) {
  Sb b;
  sb_init(&b, a);
  sb_fmt(&b, "'%s' takes a file's name as text", readers[reader].name);
  if (!*readers[reader].part) sb_add(&b, STR(" and nothing else"));
  if (readers[reader].counts)
    sb_fmt(&b, ", and %s = 1025, the tokens of a row, 2 to %d", readers[reader].part, WINDOW_MOST);
  else if (*readers[reader].part)
    sb_fmt(&b, ", and %s = \"..\"", readers[reader].part);
  if (readers[reader].header) sb_add(&b, STR(", header = true or false"));
  return sb_str(&b);
}

/* One argument: the file's name, the part of it that is meant, whether its first line is a header. */
static bool argument(Elab *x, const AstArg *a, bool first, int reader, DataField *f) {
  bool path = first && !ast_ident_written(a->name), part = is_called(x, a, readers[reader].part),
       header = readers[reader].header && is_called(x, a, "header");
  Value v = eval(x, x->main->scope, a->value);
  bool number = part && !path && readers[reader].counts;
  if (number && v.kind == VAL_INT && v.i >= 2 && v.i <= WINDOW_MOST)
    v = (Value){.kind = VAL_STRING, .str = str_fmt(x->a, "%lld", (long long)v.i)};
  if ((!path && !part && !header) || (val_ok(v) && v.kind != (header ? VAL_BOOL : VAL_STRING))) {
    TELL(x, dataset_field, a->at, takes_text(x->a, reader));
    return false;
  }
  if (!val_ok(v)) return false;
  if (header)
    f->header = v.boolean ? FIELD_HEADER_YES : FIELD_HEADER_NO;
  else
    *(path ? &f->path : &f->part) = v.str;
  return true;
}

static bool arguments(Elab *x, const AstExpr *e, int reader, DataField *f) {
  for (uint32_t i = 0; i < e->call.args.n; i++)
    if (!argument(x, &e->call.args.at[i], i == 0, reader, f)) return false;
  if (f->path.n) return true;
  TELL(x, dataset_field, e->at, str_fmt(x->a, "'%s' needs a file's name", readers[reader].name));
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
