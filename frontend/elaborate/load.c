/* `~ load("f.safetensors")` on an instance, a parameter or a state: which leaves begin with what a file
 * holds. It is read when a session begins, not here. */
#include "frontend/elaborate/elab.h"

bool is_load(Elab *x, Scope *s, const AstExpr *e) { return e && calls_builtin(x, s, e, "load"); }

/* Its number from 1; 0 after a report. */
static uint32_t file_of(Elab *x, Scope *s, const AstExpr *e, Str own) {
  const AstArg *a = e->call.args.n == 1 ? &e->call.args.at[0] : NULL;
  Value v = a && !ast_ident_written(a->name) ? eval(x, s, a->value) : val_int(0);
  if (!val_ok(v)) return 0;
  if (v.kind != VAL_STRING || !v.str.n) {
    diag_help(TELL(x, declaration, e->at, STR("'load' takes the name of a safetensors file as text")),
              "write ~ load(\"weights.safetensors\")");
    return 0;
  }
  for (uint32_t i = 0; i < x->p->initial_file.n; i++)
    if (str_eq(x->p->initial_file.at[i].path, v.str) && str_eq(x->p->initial_file.at[i].own, own))
      return i + 1;
  VEC_PUSH(x->p->arena, &x->p->initial_file, (InitialFile){v.str, own, e->at});
  return x->p->initial_file.n;
}

static void begins_with(Elab *x, LeafId l, uint32_t file) {
  Leaf *f = &x->p->leaf.at[l.i];
  f->file = file;
  f->loaded = file != 0;
}

void load_leaf(Elab *x, Scope *s, const AstExpr *e, LeafId l) {
  begins_with(x, l, file_of(x, s, e, STR("")));
  x->leaf.at[l.i].init = NULL; /* it is no value to compute */
}

Value load_instance(Elab *x, Scope *s, const AstExpr *e, Value v) {
  uint32_t file = file_of(x, s, e, sym_str(x, v.inst->path));
  if (!file) return val_poison();
  const Tree *t = instance_tree(x, v.inst);
  for (uint32_t i = 0; i < t->n; i++) begins_with(x, t->leaf[i], file);
  return v;
}

/* In the init graph such a leaf is itself: it is filled before that runs. */
NodeId load_initial(Elab *x, LeafId l) {
  const Leaf *f = program_leaf_at(x->p, l);
  Builder b = {
      .g = x->g, .location = graph_location(x->g, f->at, (LocationId){0}, f->path), .primal = NO_NODE};
  return build_leaf(&b, l);
}

Value bi_load(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  (void)b;
  (void)args;
  diag_help(TELL(x, declaration, at, STR("'load' starts parameters, states and instances, and is no value")),
            "write it behind '~': let net = Mlp(..) ~ load(\"weights.safetensors\")");
  return val_poison();
}
