/* Values: what they are called in messages, how they become nodes, and where a message about them points. */
#include "base/num.h"
#include "base/size.h"
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"
#include "ir/scalar/literal.h"

#include <float.h>
#include <math.h>

Str sym_str(const Elab *x, Sym s) { return names_str(x->n, s); }
Sym sym_of(Elab *x, const char *z) { return names_add(x->n, str_z(z)); }
Type node_type(const Elab *x, NodeId n) { return graph_node(x->g, n)->type; }
/* As values are: what is kept as bf16 is read as f32. u8 stays what it is, for only a conversion reads it. */
Type leaf_type(const Elab *x, LeafId l) {
  Type t = program_leaf_at(x->p, l)->type;
  if (t.dtype == DT_BF16) t.dtype = DT_F32;
  return t;
}
NodeId leaf_kept(Elab *x, LeafId l, NodeId n, Span at) {
  Builder b = builder_at(x, at);
  bool rounds = node_ok(n) && program_leaf_at(x->p, l)->type.dtype == DT_BF16;
  return rounds ? build_op(&b, OP_ROUND_BF16, &n, 1, NULL, NULL) : n;
}
/* A weak real number is a node of f64 (arith.c) and, where nothing gives it another type, an f32. */
Type val_type(Elab *x, Value v) {
  Type t = v.kind == VAL_LEAF ? leaf_type(x, v.leaf) : node_type(x, v.node);
  if (v.kind == VAL_TENSOR && v.weak && t.dtype == DT_F64) t.dtype = DT_F32;
  return t;
}

Value val_dim(Elab *x, DimId d) {
  int64_t i;
  if (!d.i) return val_poison();
  return dim_is_const(x->dims, d, &i) ? val_int(i) : (Value){.kind = VAL_DIM, .dim = d};
}

Value list_value(ValueKind kind, Value *at, uint32_t n) {
  uint64_t cells = n;
  for (uint32_t i = 0; i < n; i++)
    if (at[i].kind == VAL_LIST || at[i].kind == VAL_TUPLE) cells += at[i].list.cells;
  return (Value){.kind = kind, .list = {n, cells > UINT32_MAX ? UINT32_MAX : (uint32_t)cells, at}};
}

Value val_list(Elab *x, ValueKind kind, const Value *at, uint32_t n) {
  Value *copy = ARENA_ARRAY(x->a, Value, n ? n : 1);
  if (n) memcpy(copy, at, n * sizeof *copy); /* size-ok: just allocated */
  return list_value(kind, copy, n);
}

/* Each scope is looked at once: a function may see itself, and see another in many ways. The scopes are of
 * calls that have ended, so one that holds no nodes never will. */
bool holds_nodes(Elab *x, Value v) {
  VEC(ValueList) left = {0}; /* what is not looked at: no deeper than values are nested */
  VEC(Scope *) scope = {0};
  x->walks++;
  for (ValueList one = {1, 1, &v};;) {
    if (!one.n && !left.n) break;
    if (!one.n) {
      one = left.at[--left.n];
      continue;
    }
    Value next = *one.at++;
    one.n--;
    if (next.kind == VAL_TENSOR || next.kind == VAL_TREE) return true;
    if (next.kind == VAL_LIST || next.kind == VAL_TUPLE) {
      if (one.n) VEC_PUSH(x->a, &left, one);
      one = next.list;
    }
    for (Scope *s = next.kind == VAL_FN ? next.fn->scope : NULL; s && s->kind > SCOPE_MODULE; s = s->outer) {
      if (s->walked == x->walks || s->walked == WALK_ENDED) break; /* so are those around it */
      s->walked = x->walks;
      VEC_PUSH(x->a, &scope, s);
      for (uint32_t i = 0; i < s->binding.n; i++)
        VEC_PUSH(x->a, &left, (ValueList){1, 1, &s->binding.at[i]->value});
    }
  }
  for (uint32_t i = 0; i < scope.n; i++) scope.at[i]->walked = WALK_ENDED;
  return false;
}

Str type_text(Elab *x, Type t) {
  Sb b;
  sb_init(&b, x->a);
  type_print(x->dims, &t, &b);
  return sb_str(&b);
}

Str dim_text(Elab *x, DimId d) {
  Sb b;
  sb_init(&b, x->a);
  dim_print(x->dims, d, &b);
  return sb_str(&b);
}

Str val_text(Elab *x, Value v) {
  switch (v.kind) {
  case VAL_POISON: return STR("an error");
  case VAL_INT: return str_fmt(x->a, "the number %lld", (long long)v.i);
  case VAL_DIM: return str_fmt(x->a, "the dim " STRF, STRA(dim_text(x, v.dim)));
  case VAL_REAL: { /* 4.0, not 4: an integer would be in its place where this is told */
    char z[NUM_TEXT];
    Str s = num_text(z, 6, v.real);
    bool whole = !memchr(s.p, '.', s.n) && !memchr(s.p, 'e', s.n) && isfinite(v.real);
    return str_fmt(x->a, "the number " STRF "%s", STRA(s), whole ? ".0" : "");
  }
  case VAL_BOOL: return v.boolean ? STR("true") : STR("false");
  case VAL_STRING: return STR("a text");
  case VAL_LIST: return str_fmt(x->a, "a list of %u", v.list.n);
  case VAL_TUPLE: return str_fmt(x->a, "a tuple of %u", v.list.n);
  case VAL_TENSOR:
  case VAL_LEAF: return type_text(x, val_type(x, v));
  case VAL_INSTANCE:
    return str_fmt(x->a, "an instance of '" STRF "'", STRA(sym_str(x, v.inst->module.stmt->unit.name.name)));
  case VAL_TREE: return STR("an instance's values");
  case VAL_FN:
    return v.fn->name.i ? str_fmt(x->a, "the function '" STRF "'", STRA(sym_str(x, v.fn->name)))
                        : STR("a function");
  case VAL_BUILTIN: return str_fmt(x->a, "the function '%s'", v.builtin->name);
  case VAL_MODULE:
    return str_fmt(x->a, "the module '" STRF "'", STRA(sym_str(x, v.unit.stmt->unit.name.name)));
  case VAL_OPTIMIZER:
    return str_fmt(x->a, "the optimizer '" STRF "'", STRA(sym_str(x, v.unit.stmt->unit.name.name)));
  case VAL_FILE: return STR("an imported file");
  case VAL_DATASET: return STR("a data set");
  case VAL_DTYPE: return str_fmt(x->a, "the dtype %s", dtype_name(v.dtype));
  case VAL_KIND_COUNT: break;
  }
  return STR("a comparison of dims that are bound later");
}

/* ---- places ---- */

static bool in_library(const Elab *x, Span at) { return at.file && x->src->file.at[at.file].library; }

Span told_at(const Elab *x, Span at) {
  if (!in_library(x, at)) return at;
  for (const Frame *f = x->frame; f; f = f->outer)
    if (f->call_at.file && !in_library(x, f->call_at)) return f->call_at;
  return at;
}

static bool within(Span inner, Span outer) {
  return inner.file == outer.file && inner.lo >= outer.lo && inner.hi <= outer.hi;
}

Diag *told(Elab *x, Diag *g, Span at) {
  bool moved = in_library(x, at) && !in_library(x, g->at);
  if (moved) diag_note(g, at, "found in the library here");
  if (moved || in_library(x, at)) return g;
  uint32_t shown = 0;
  Span last = {0};
  for (const Frame *f = x->frame; f && shown < 4; f = f->outer) {
    if (!f->call_at.file || in_library(x, f->call_at) || within(at, f->call_at)) continue;
    if (f->call_at.file == last.file && f->call_at.lo == last.lo) continue;
    last = f->call_at;
    diag_note(g, f->call_at, f->module ? "in the instance made here" : "in the call here");
    shown++;
  }
  return g;
}

/* The extents of a list of numbers, or of lists of one length: "2, 3". Else empty. */
static Str extents_of(Elab *x, Value v) {
  Sb b;
  sb_init(&b, x->a);
  for (; v.kind == VAL_LIST && v.list.n; v = v.list.at[0]) sb_fmt(&b, "%s%u", b.n ? ", " : "", v.list.n);
  return val_number(v) || v.kind == VAL_BOOL ? sb_str(&b) : STR("");
}

Value wrong_kind(Elab *x, Span at, Value found, const char *wanted) {
  if (!val_ok(found)) return val_poison();
  Diag *g = TELL(x, wrong_kind, at, val_text(x, found), wanted);
  Str extents =
      found.kind == VAL_LIST && str_starts(str_z(wanted), STR("a tensor")) ? extents_of(x, found) : STR("");
  if (extents.n)
    diag_help(g, "a list becomes a tensor where a type is declared: let t: f32[" STRF "] = ..",
              STRA(extents));
  return val_poison();
}

Value not_built(Elab *x, Span at, const char *what) {
  TELL(x, not_built, at, str_z(what));
  return val_poison();
}

Value limit_passed(Elab *x, Span at, const char *what, const char *name, int64_t limit) {
  if (!x->stopped) diag_status(TELL(x, limit, at, what, name, limit), ST_LIMIT);
  x->stopped = true;
  return val_poison();
}

/* ---- nodes ---- */

LocationId location_here(Elab *x, Span at) {
  return graph_location(x->g, at, x->frame->caller, x->frame->what);
}

Builder builder_at(Elab *x, Span at) {
  return (Builder){.g = x->g, .location = location_here(x, at), .primal = NO_NODE};
}

/* No dim is what an earlier error leaves, or a sum or product that became too large: that is said here. */
bool dim_made(Elab *x, Span at, DimId d) {
  if (probe_any(x)) return true;
  if (!d.i && !x->d->errors)
    TELL(x, static_arith, at, STR("the extent of an axis is too large a number or formula"));
  return d.i != 0;
}

bool type_small(Elab *x, Span at, const Type *t) {
  if (t->rank > x->limits->rank) {
    limit_passed(x, at, "the tensor's axes", "rank", x->limits->rank);
    return false;
  }
  int64_t bytes = (int64_t)dtype_bytes((DType)t->dtype);
  for (int i = 0; i < t->rank; i++) {
    int64_t v;
    if (!dim_made(x, at, t->dim[i]) || !dim_is_const(x->dims, t->dim[i], &v)) continue;
    if (v < 1) {
      TELL(x, declaration, at,
           str_fmt(x->a, "an axis has at least one element, and this one has %lld", (long long)v));
      return false;
    }
    if (!i64_mul(bytes, v, &bytes) || bytes > x->limits->tensor_bytes) {
      limit_passed(x, at, "the bytes of a tensor", "tensor_bytes", x->limits->tensor_bytes);
      return false;
    }
  }
  return true;
}

NodeId emit(Elab *x, Span at, const char *what, Op op, const NodeId *in, uint32_t nin, const int64_t *attr,
            const Type *given) {
  for (uint32_t i = 0; i < nin; i++)
    if (!node_ok(in[i])) return NO_NODE;
  Sb why;
  sb_init(&why, x->a);
  Type out;
  if (!op_infer(x->g, op, in, nin, attr, given, &out, &why)) {
    Str text = sb_str(&why), own = str_fmt(x->a, "%s: ", op_info[op].name);
    if (str_starts(text, own)) text = (Str){text.p + own.n, text.n - own.n};
    Diag *g = TELL(x, bad_operand, at, what, text);
    Type first = nin > 1 ? node_type(x, in[0]) : out;
    for (uint32_t i = 1; i < nin && !g->help.n; i++) {
      Type t = node_type(x, in[i]);
      help_whole(x, g, &first, &t);
    }
    return NO_NODE;
  }
  if (!type_small(x, at, &out)) return NO_NODE;
  Builder b = builder_at(x, at);
  return build_op(&b, op, in, nin, attr, given);
}

static NodeId node_of_leaf(Elab *x, LeafId l) {
  if (x->entry == ENTRY_INIT && program_leaf_at(x->p, l)->kind <= LEAF_STATE &&
      program_leaf_at(x->p, l)->kind != LEAF_INPUT)
    return leaf_initial(x, l);
  while (x->leaf_node.n <= l.i) VEC_PUSH(x->a, &x->leaf_node, NO_NODE);
  if (!node_ok(x->leaf_node.at[l.i])) {
    Builder b = {.g = x->g,
                 .location = graph_location(x->g, program_leaf_at(x->p, l)->at, (LocationId){0},
                                            program_leaf_at(x->p, l)->path),
                 .primal = NO_NODE};
    x->leaf_node.at[l.i] = build_leaf(&b, l);
  }
  return x->leaf_node.at[l.i];
}

/* Leaves stand in the entry's graph; bodies capture them. */
NodeId leaf_to_node(Elab *x, LeafId l) {
  Body *here = body_switch(x, NULL);
  NodeId n = node_of_leaf(x, l);
  (void)body_switch(x, here);
  return node_ok(n) ? body_see(x->body, &x->top, n) : n;
}

/* A dim as a number of the graph: as many ones as it says, summed; a constant once the dim is bound. */
static NodeId dim_to_node(Elab *x, DimId d, DType t, Span at) {
  Builder b = builder_at(x, at);
  Type row = {.dtype = (uint8_t)t, .rank = 1, .dim = {d}};
  return build_drop_axes(&b, build_reduce(&b, OP_SUM, build_const(&b, row, 1), 1), 1);
}

static bool number_fits(Elab *x, Value v, DType t, Span at) {
  if (v.kind == VAL_REAL && !dtype_is_float(t)) {
    Str number = val_text(x, v);
    diag_help(TELL(x, wrong_kind, at, number, dtype_name(t)),
              "a real number becomes no integer by itself: convert one side with i32(..) or f32(..)");
    return false;
  }
  if ((v.kind == VAL_BOOL) != (t == DT_BOOL)) {
    wrong_kind(x, at, v, t == DT_BOOL ? "true or false" : dtype_name(t));
    return false;
  }
  if (t == DT_F32 && v.kind == VAL_REAL && isfinite(v.real) && (v.real > FLT_MAX || v.real < -FLT_MAX)) {
    TELL(x, static_arith, at,
         str_fmt(x->a, "%s does not fit f32", num_text((char[NUM_TEXT]){0}, 6, v.real).p));
    return false;
  }
  if (v.kind == VAL_INT && t == DT_I32 && (v.i > INT32_MAX || v.i < INT32_MIN)) {
    TELL(x, static_arith, at, str_fmt(x->a, "%lld does not fit i32", (long long)v.i));
    return false;
  }
  return true;
}

/* The attribute of a constant of type t: integers whole, however large. */
static int64_t number_word(Value v, DType t) {
  if (v.kind == VAL_INT && dtype_is_int(t)) return v.i;
  return literal_of(t, v.kind == VAL_BOOL ? v.boolean : static_real(v));
}

/* Bytes are no numbers to compute with. */
static NodeId unconverted(Elab *x, Value v, Span at) {
  Str name = sym_str(x, program_leaf_at(x->p, v.leaf)->path);
  diag_help(TELL(x, wrong_kind, at, val_text(x, v), "f32 or i32"),
            "convert it where it is read: f32(" STRF ") or i32(" STRF ")", STRA(name), STRA(name));
  return NO_NODE;
}

NodeId val_to_node(Elab *x, Value v, Span at, int dtype) {
  Builder b = builder_at(x, at);
  switch (v.kind) {
  case VAL_TENSOR:
    return v.weak && (dtype < 0 || dtype == DT_F32) && node_type(x, v.node).dtype == DT_F64
               ? build_cast(&b, v.node, DT_F32)
               : v.node;
  case VAL_LEAF: return leaf_type(x, v.leaf).dtype == DT_U8 ? unconverted(x, v, at) : leaf_to_node(x, v.leaf);
  case VAL_INT:
  case VAL_REAL: {
    DType t = dtype >= 0 ? (DType)dtype : v.kind == VAL_INT ? DT_I32 : DT_F32;
    return number_fits(x, v, t, at) ? build_const_word(&b, type_scalar(t), number_word(v, t)) : NO_NODE;
  }
  case VAL_DIM: {
    DType t = dtype >= 0 ? (DType)dtype : DT_I32;
    if (t == DT_BOOL) {
      wrong_kind(x, at, v, "true or false");
      return NO_NODE;
    }
    return dim_to_node(x, v.dim, t, at);
  }
  case VAL_BOOL:
    if (dtype >= 0 && dtype != DT_BOOL) {
      wrong_kind(x, at, v, dtype_name((DType)dtype));
      return NO_NODE;
    }
    return build_const(&b, type_scalar(DT_BOOL), v.boolean);
  case VAL_POISON: return NO_NODE;
  case VAL_STRING:
  case VAL_LIST:
  case VAL_TUPLE:
  case VAL_INSTANCE:
  case VAL_TREE:
  case VAL_FN:
  case VAL_BUILTIN:
  case VAL_MODULE:
  case VAL_OPTIMIZER:
  case VAL_FILE:
  case VAL_DATASET:
  case VAL_DTYPE:
  case VAL_KIND_COUNT: break;
  }
  wrong_kind(x, at, v, "a tensor or a number");
  return NO_NODE;
}

/* Flattens a list of numbers nested to the rank of t into words; counts down the extents it expects. */
static bool table_words(Elab *x, Value v, const Type *t, int axis, uint64_t *word, uint64_t *n, Span at) {
  if (axis == t->rank) {
    if (v.kind != VAL_INT && v.kind != VAL_REAL && v.kind != VAL_BOOL) {
      wrong_kind(x, at, v, dtype_name((DType)t->dtype));
      return false;
    }
    if (!number_fits(x, v, (DType)t->dtype, at)) return false;
    word[(*n)++] = (uint64_t)number_word(v, (DType)t->dtype);
    return true;
  }
  int64_t ext;
  if (!dim_is_const(x->dims, t->dim[axis], &ext) || v.kind != VAL_LIST || v.list.n != ext) {
    if (val_ok(v)) TELL(x, declared_type, at, "the list", val_text(x, v), type_text(x, *t));
    return false;
  }
  for (uint32_t i = 0; i < v.list.n; i++)
    if (!table_words(x, v.list.at[i], t, axis + 1, word, n, at)) return false;
  return true;
}

static NodeId table_node(Elab *x, Value v, const Type *t, Span at) {
  int64_t ext[MAX_RANK];
  size_t count;
  if (!type_small(x, at, t)) return NO_NODE;
  if (!type_extents(x->dims, t, ext) || !size_product(ext, t->rank, &count) || count > UINT32_MAX) {
    TELL(x, declared_type, at, "the list", val_text(x, v), type_text(x, *t));
    return NO_NODE;
  }
  /* A list cannot hold more numbers than the text; refuse before allocating for a large declared type. */
  if (v.kind != VAL_LIST || (t->rank && v.list.n != ext[0])) {
    TELL(x, declared_type, at, "the list", val_text(x, v), type_text(x, *t));
    return NO_NODE;
  }
  uint64_t *word = ARENA_ARRAY(x->a, uint64_t, count ? count : 1);
  uint64_t n = 0;
  if (!table_words(x, v, t, 0, word, &n, at)) return NO_NODE;
  bool equal = count > 0;
  for (size_t i = 1; i < count && equal; i++) equal = word[i] == word[0];
  if (equal) return emit(x, at, "list", OP_CONST, NULL, 0, &(int64_t){(int64_t)word[0]}, t);
  int64_t index = x->g->table.n;
  VEC_PUSH(x->g->arena, &x->g->table, (Table){(uint32_t)count, word});
  return emit(x, at, "list", OP_TABLE, NULL, 0, &index, t);
}

NodeId val_coerce(Elab *x, Value v, Type want, Span at, const char *what) {
  if (!val_ok(v) || !type_small(x, at, &want)) return NO_NODE;
  if (want.dtype == DT_U8) {
    TELL(x, declaration, at, STR("nothing has values of u8: it is how an input is kept"));
    return NO_NODE;
  }
  Builder b = builder_at(x, at);
  if (v.kind == VAL_LIST) return table_node(x, v, &want, at);
  if (v.kind == VAL_INT || v.kind == VAL_REAL || v.kind == VAL_BOOL)
    return number_fits(x, v, (DType)want.dtype, at)
               ? build_const_word(&b, want, number_word(v, (DType)want.dtype))
               : NO_NODE;
  NodeId n = val_to_node(x, v, at, want.dtype);
  if (!node_ok(n)) return NO_NODE;
  Type got = node_type(x, n);
  bool number = got.dtype != DT_BOOL && want.dtype != DT_BOOL;
  bool widens = !dtype_is_float((DType)got.dtype) || dtype_is_float((DType)want.dtype);
  if (v.kind == VAL_TENSOR && v.weak && got.dtype != want.dtype && number && widens) {
    n = build_cast(&b, n, (DType)want.dtype);
    got = node_type(x, n);
  }
  if (type_eq(&got, &want) || (probe_any(x) && type_agree(&got, &want))) return n;
  if (got.dtype == want.dtype && got.rank == 0) return build_broadcast(&b, n, want);
  bool known = true; /* an unknown dim was reported where it arose */
  for (int i = 0; i < want.rank; i++) known = known && want.dim[i].i;
  for (int i = 0; i < got.rank; i++) known = known && got.dim[i].i;
  if (!known && !probe_any(x)) return NO_NODE;
  Diag *g = TELL(x, declared_type, at, what, type_text(x, got), type_text(x, want));
  if (type_same_shape(&got, &want)) diag_help(g, "convert it: %s(..)", dtype_name((DType)want.dtype));
  help_whole(x, g, &got, &want);
  return NO_NODE;
}

bool val_static_dim(Elab *x, Value v, Span at, const char *what, DimId *out) {
  if (v.kind == VAL_INT) {
    *out = dim_const(x->dims, v.i);
    return true;
  }
  if (v.kind == VAL_DIM) {
    *out = v.dim;
    return true;
  }
  if (val_tensor(v))
    TELL(x, not_static, at, what, val_text(x, v));
  else
    wrong_kind(x, at, v, "an int");
  return false;
}

bool val_static_int(Elab *x, Value v, Span at, const char *what, int64_t *out) {
  if (v.kind == VAL_INT) {
    *out = v.i;
    return true;
  }
  if (val_tensor(v) || v.kind == VAL_DIM)
    TELL(x, not_static, at, what, val_text(x, v));
  else
    wrong_kind(x, at, v, "an int");
  return false;
}

bool val_static_bool(Elab *x, Value v, Span at, const char *what, bool *out) {
  if (v.kind == VAL_BOOL) {
    *out = v.boolean;
    return true;
  }
  if (val_tensor(v))
    diag_help(TELL(x, not_static, at, what, val_text(x, v)),
              "choose between values with where(condition, a, b)");
  else if (v.kind == VAL_KIND_COUNT)
    TELL(x, not_static, at, what, STR("a comparison of dims that are not bound"));
  else
    wrong_kind(x, at, v, "true or false");
  return false;
}
