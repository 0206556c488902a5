/* The elaborator, inside. An abstract interpreter over the tree: a value is static (numbers, texts, lists,
 * functions, modules, instances) or a node of the graph under construction. File and module level
 * declarations are bindings that are evaluated when first asked for: a `let`, and what depends on `training`,
 * once per entry point (`epoch`), what else there is once. Instances and leaves are made once.
 *
 * Errors: VAL_POISON and NO_NODE are reported already and spread in silence. */
#ifndef DG_FRONTEND_ELAB_H
#define DG_FRONTEND_ELAB_H

#include "base/hash.h"
#include "frontend/frontend.h"
#include "ir/graph/body.h"
#include "ir/scalar/op_program.h"

typedef struct Scope Scope;
typedef struct Instance Instance;
typedef struct Closure Closure;
typedef struct Value Value;
typedef struct Elab Elab;
typedef struct Builtin Builtin;
typedef struct Segment Segment;
typedef struct Tree Tree;

typedef enum {
  VAL_POISON,
  VAL_INT,       /* i */
  VAL_DIM,       /* dim: an int that depends on symbols */
  VAL_REAL,      /* real */
  VAL_BOOL,      /* boolean */
  VAL_STRING,    /* str */
  VAL_LIST,      /* list */
  VAL_TUPLE,     /* list */
  VAL_TENSOR,    /* node, ones, weak */
  VAL_LEAF,      /* leaf: an input, parameter or state by name */
  VAL_INSTANCE,  /* inst */
  VAL_TREE,      /* tree: an instance's leaves after arithmetic, or read from elsewhere */
  VAL_FN,        /* fn */
  VAL_BUILTIN,   /* builtin */
  VAL_MODULE,    /* unit */
  VAL_OPTIMIZER, /* unit */
  VAL_FILE,      /* file: an import */
  VAL_DATASET,   /* name */
  VAL_DTYPE,     /* dtype */
  VAL_KIND_COUNT
} ValueKind;

typedef struct ValueList {
  uint32_t n;
  uint32_t cells; /* values within, nested lists' too: saturates; a list may hold another many times */
  Value *at;
} ValueList;

typedef struct SrcFile {
  uint32_t file;
  const AstFile *ast;
  Scope *scope;
  Str key; /* "std:nn.dg" or the path */
  bool library, loading, broken_muted;
} SrcFile;

typedef struct UnitRef { /* a module or optimizer and the scope it was written in */
  const AstStmt *stmt;
  Scope *scope;
} UnitRef;

struct Value {
  ValueKind kind;
  uint8_t ones; /* TENSOR: axes that were written as one, by `_` or keep = true; bit i is axis i */
  bool weak; /* TENSOR: made of `step`, `epoch` and numbers only: takes the dtype it meets, integer to real */
  union {
    int64_t i;
    DimId dim;
    double real;
    bool boolean;
    Str str;
    ValueList list;
    NodeId node;
    LeafId leaf;
    Instance *inst;
    Tree *tree;
    Closure *fn;
    const Builtin *builtin;
    UnitRef unit;
    SrcFile *file;
    Sym name;
    DType dtype;
  };
};

struct Closure {
  const AstFn *fn;
  Scope *scope; /* where it was written: a file, an instance, a function's scope for a lambda */
  Sym name;
  bool is_extern;
  uint32_t ext; /* index into Program.externs, once called */
};

struct Instance {
  Sym path;
  UnitRef module;
  Scope *scope;
  bool frozen, hurt; /* hurt: errors were reported while it was made */
  bool broken;       /* by its caller: a contract or an assertion does not hold, and it has no value */
  Span made;         /* the call that made it */
  const Tree *holds; /* NULL: leaves of its own; else what stands in their place (tree.c) */
};

typedef struct Binding Binding;
struct Binding {
  Sym name;
  Span at;
  const AstStmt *decl; /* evaluated on demand; NULL: `value` is all there is */
  uint32_t part;       /* which name of `let a, b = e` */
  Value value;
  uint32_t epoch; /* of `value`; EPOCH_ALWAYS: holds for every entry */
  bool busy, is_var, is_symbol;
  bool varies;          /* evaluating it asked for `training` */
  VEC(Binding *) needs; /* the declarations it asked for when it was evaluated */
  uint32_t seen;        /* binding_prepare's mark */
};
enum { EPOCH_NONE = 0, EPOCH_ALWAYS = UINT32_MAX };

typedef enum {
  SCOPE_PRELUDE,
  SCOPE_FILE,
  SCOPE_MODULE,
  SCOPE_FN,
  SCOPE_BLOCK,
  SCOPE_BODY, /* of a scan, a cond, a vmap: a level of its own */
  SCOPE_TRAIN,
  SCOPE_OPTIMIZER
} ScopeKind;
struct Scope {
  ScopeKind kind;
  Scope *outer;
  SrcFile *file;
  Instance *inst; /* MODULE */
  VEC(Binding *) binding;
  uint32_t spare; /* bindings of an earlier turn of a loop behind binding.n, to be used again */
  Map by_name;
  /* a call's own: what `..` and dtype variables stand for */
  bool has_rest;
  uint8_t rest_n;
  DimId rest[MAX_RANK];
  VEC(struct {
    Sym name;
    DType dtype;
  })
  dtype;
  uint32_t serial;             /* FN: of the call */
  Body *body;                  /* its values are nodes of this graph; NULL: of the entry's own */
  struct Scan *scan;           /* BODY of a scan: what `next` and `yield` give */
  VEC(const AstStmt *) active; /* FILE, MODULE: its statements, static ifs decided */
  uint32_t walked;             /* holds_nodes' mark: the last walk that came here */
  Scope *twin;                 /* instance.c: one of another entry that binds the same */
  uint32_t twin_walk;          /* found by this walk, which may not have ended; WALK_ENDED: it did */
};
enum { WALK_ENDED = UINT32_MAX }; /* what a mark says holds of this scope and of all that is seen from it */

/* What surrounds the expression being evaluated; lives on the C stack. */
typedef struct Frame {
  struct Frame *outer; /* the caller; NULL for a declaration */
  struct Frame *saved; /* what was current before */
  Span call_at;        /* where it was called, or its instance made */
  LocationId caller;
  Sym what;
  bool training;
  bool making; /* a module call may stand here; its path is */
  bool frozen;
  Str path;
  int want_dtype; /* dtype of the declaration a draw fills, or -1 */
  const Closure *fn;
  const AstStmt *module; /* being made */
  uint64_t key;          /* of the name path, for random numbers */
  VEC(struct {
    Sym name;
    uint32_t n;
  })
  count;
} Frame;

typedef struct LeafDecl { /* by LeafId: how the initial value is made */
  const AstExpr *value, *init;
  Span init_at;
  Scope *scope;
  Sym name;
  NodeId node;               /* in the init graph */
  bool busy, copied, cyclic; /* cyclic: reported */
  LeafId asked;              /* whose initial value reads this one, while busy */
  Value copy;                /* VAL_LEAF: the leaf whose initial value this one starts from */
} LeafDecl;

typedef struct Pending { /* a state assigned in this step */
  LeafId leaf;
  NodeId node, before;
  uint32_t serial;
  Span at;
} Pending;

typedef struct Said { /* a message about a name */
  Diag *diag;
  Str near;
} Said;

struct Elab {
  Arena *a;
  Diags *d;
  const Limits *limits;
  Sources *src;
  Names *n;
  Program *p;
  DimTable *dims;
  const ElabOptions *opt;
  Graph *g;   /* under construction: body->g */
  Body top;   /* the entry's graph */
  Body *body; /* &top, or the body of a loop or condition within */
  EntryKind entry;
  uint32_t epoch, serial;
  bool training;
  uint64_t entry_key, domain;
  Frame *frame;
  SrcFile *main;
  VEC(SrcFile *) file;
  Scope *prelude;
  VEC(LeafDecl) leaf;
  VEC(NodeId) leaf_node; /* by LeafId, of this graph */
  VEC(Pending) pending;
  Map endless;      /* functions found to call themselves, by the place of their head */
  Map said_by_name; /* file and name: which of `said` */
  VEC(Said) said;
  Map used; /* units that were expanded, by the place of their first word */
  Map pending_by_leaf, leaf_by_path, instance_by_path;
  OpPrograms programs;  /* of op rows, for numbers known when compiling */
  LeafId clock[3];      /* step, epoch, seed; UINT32_MAX: not made */
  VEC(Binding *) chain; /* declarations being evaluated */
  VEC(Instance *) instance;
  int64_t expanded;
  size_t room;       /* bytes of the arena's memory in use at which expansion ends */
  Span now;          /* the expression being evaluated */
  uint64_t closures; /* made so far: each keeps its scope */
  uint64_t compared; /* names, for suggestions */
  uint32_t depth, calls, nparams, ncustom, prepares, walks;
  const Binding *metric; /* whose value is being made, or NULL */
  VEC(NodeId) total;     /* what total(..) gives, of this entry */
  bool rounds_products;  /* of f32, in the step under way: precision.c */
  LeafId gathered;       /* of the step under way: batches in its group; UINT32_MAX: there are no groups */
  Sym step_name;         /* of the step whose optimizer is expanded */
  LeafId opt_param, initial; /* initial: whose initial value is being made; UINT32_MAX: none */
  bool nameless;       /* a declaration without its name was reported: any unknown name may be that one */
  Segment *segment;    /* the innermost checkpoint whose argument is being evaluated; NULL: none */
  struct Probe *probe; /* what nobody calls is being checked (unused.c); NULL: no */
  bool varies;         /* Binding's, of the one being evaluated, so far */
  bool stopped;        /* a limit was passed: everything is poison from here */
};

/* ---- value.c: values, places, messages ---- */
static inline Value val_poison(void) { return (Value){.kind = VAL_POISON}; }
static inline Value val_int(int64_t i) { return (Value){.kind = VAL_INT, .i = i}; }
static inline Value val_real(double r) { return (Value){.kind = VAL_REAL, .real = r}; }
static inline Value val_bool(bool b) { return (Value){.kind = VAL_BOOL, .boolean = b}; }
static inline Value val_node(NodeId n) {
  return node_ok(n) ? (Value){.kind = VAL_TENSOR, .node = n} : (Value){.kind = VAL_POISON};
}
static inline Value val_leaf(LeafId l) { return (Value){.kind = VAL_LEAF, .leaf = l}; }
Value val_dim(Elab *x, DimId d);                         /* VAL_INT when constant */
Value list_value(ValueKind kind, Value *at, uint32_t n); /* keeps at */
Value val_list(Elab *x, ValueKind kind, const Value *at, uint32_t n);
static inline bool val_ok(Value v) { return v.kind != VAL_POISON; }
static inline bool val_number(Value v) {
  return v.kind == VAL_INT || v.kind == VAL_REAL || v.kind == VAL_DIM;
}
static inline bool val_tensor(Value v) { return v.kind == VAL_TENSOR || v.kind == VAL_LEAF; }
/* Has nodes of this entry's graph, also in what a function sees around it: no other entry can use it. */
bool holds_nodes(Elab *x, Value v);
Str val_text(Elab *x, Value v); /* "f32[N, 3]", "the number 3", "an instance of 'Mlp'" */
Str type_text(Elab *x, Type t);
Str dim_text(Elab *x, DimId d);
/* Said where they would fit if a dim were a multiple. */
void help_whole(Elab *x, Diag *g, const Type *a, const Type *b);
Type val_type(Elab *x, Value v); /* of a tensor or leaf */
Type node_type(const Elab *x, NodeId n);
Str sym_str(const Elab *x, Sym s);
Sym sym_of(Elab *x, const char *z);
/* The node of a tensor, leaf, number or bool; numbers take `dtype` (or i32, f32 when it is -1). Reports other
 * kinds. */
NodeId val_to_node(Elab *x, Value v, Span at, int dtype);
NodeId leaf_to_node(Elab *x, LeafId l);
NodeId product_operand(Elab *x, NodeId n); /* what a product reads of n */
/* n as leaf l keeps it: a bf16 rounds it. */
NodeId leaf_kept(Elab *x, LeafId l, NodeId n, Span at);
/* Fits v to a declared type: equal types, a number or scalar that fills it, a list of numbers. `what` is for
 * the message. */
NodeId val_coerce(Elab *x, Value v, Type want, Span at, const char *what);
bool val_static_int(Elab *x, Value v, Span at, const char *what, int64_t *out);
bool val_static_dim(Elab *x, Value v, Span at, const char *what, DimId *out);
bool val_static_bool(Elab *x, Value v, Span at, const char *what, bool *out);

/* Where to report: the place itself, or the user's call when it lies in the library. told() adds what is
 * behind it. */
Span told_at(const Elab *x, Span at);
Diag *told(Elab *x, Diag *g, Span at);
#define TELL(x, fn, at, ...) told((x), diag_##fn((x)->d, told_at((x), (at)), __VA_ARGS__), (at))
Value wrong_kind(Elab *x, Span at, Value found, const char *wanted);
Value not_built(Elab *x, Span at, const char *what);
Value limit_passed(Elab *x, Span at, const char *what, const char *name, int64_t limit);

/* ---- emission ---- */
LocationId location_here(Elab *x, Span at);
Builder builder_at(Elab *x, Span at);
/* Asks the op's own rule first; its refusal is reported in the name of `what`. */
NodeId emit(Elab *x, Span at, const char *what, Op op, const NodeId *in, uint32_t nin, const int64_t *attr,
            const Type *given);
bool dim_made(Elab *x, Span at, DimId d);
bool type_small(Elab *x, Span at, const Type *t); /* rank and bytes within the limits */

/* ---- scope.c ---- */
Scope *scope_new(Elab *x, ScopeKind kind, Scope *outer);
bool scope_empty(Scope *s); /* for another turn; false when it is too large for that */
Binding *scope_find_here(Elab *x, Scope *s, Sym name);
Binding *scope_find(Elab *x, Scope *s, Sym name, Scope **in);
Binding *scope_add(Elab *x, Scope *s, Sym name, Span at); /* reports a name declared twice */
void scope_bind(Elab *x, Scope *s, AstIdent name, Value v);
void scope_declare(
    Elab *x, Scope *s,
    const AstStmtVec *stmts); /* declarations of file or module level; static ifs are decided */
Value name_value(Elab *x, Scope *s, Sym name, Span at);
/* v as the value of a name of this scope: where something differentiates by the name, a node of its own, so
 * that what reads the same value otherwise is no use of the name. given: by a caller or a loop. */
Value value_named(Elab *x, Scope *s, AstIdent name, Value v, bool given);
void value_goes(Elab *x, AstIdent name, Value v, LocalKind kind); /* remembers where a value went */

/* ---- uses.c: which name stands for what, for editors ---- */
void use_seen(Elab *x, Span at, Span declared, Value v);
void uses_finish(Elab *x);

/* ---- binding.c ---- */
void scope_force(Elab *x, Scope *s, bool leaves_only);
Value binding_value(Elab *x, Scope *s, Binding *b);
void binding_prepare(Elab *x,
                     Binding *b); /* a long chain of declarations, first ones first: no deep recursion */
void names_prepare(Elab *x, Scope *s, const AstExpr *e);

/* ---- unknown.c ---- */
Value unknown_name(Elab *x, Scope *s, Sym name, Span at);
Str nearest_name(Elab *x, Scope *s, Sym name);
void suggest(Elab *x, Diag *g, Span at, Str got, const Str *names, size_t n, const char *have);
bool explain_layer(Diag *g, Span at, Str word);    /* what others call a layer; false: not known */
void explain_method(Diag *g, Str word, Str base);  /* base.word(..), as others write it */
void name_mute(Elab *x, const Scope *s, Sym name); /* reported where it should have been declared */
bool name_muted(Elab *x, Scope *s, Sym name);
bool name_said(Elab *x, Scope *s, Sym name);

/* ---- static.c ---- */
Value static_binary(Elab *x, AstBinary op, Value a, Value b,
                    Span at); /* both static; VAL_KIND_COUNT kind: undecided */
Value static_number(Elab *x, const AstNumber *n, Span at);
double static_real(Value v);
Value define_value(Elab *x, Str text, Span at);
const ElabDefine *define_of(const Elab *x, Sym name);

/* ---- types.c ---- */
bool dim_of(Elab *x, Scope *s, const AstExpr *e, DimId *out);
bool type_of(Elab *x, Scope *s, const AstType *t, Type *out);      /* a tensor type, all dims known */
bool type_of_leaf(Elab *x, Scope *s, const AstType *t, Type *out); /* of what is declared: bf16, too */
DType dtype_of_word(AstDtype w);
bool dtype_variable(Scope *s, Sym name, DType *out); /* of the signatures of the calls around */
bool type_is_static(Elab *x, Scope *s, const AstType *t);
/* First pass over the arguments: binds symbols, `..` and dtype variables; second: checks and converts. */
void unify_learn(Elab *x, Scope *s, const AstType *t, Value v);
Value unify_check(Elab *x, Scope *s, const AstType *t, Value v, Span at, const char *what);
bool dim_is_free_symbol(Elab *x, Scope *s, const AstExpr *e);
void file_symbols(Elab *x, const AstStmtVec *stmts);

/* ---- expr.c, stmt.c ---- */
Value eval(Elab *x, Scope *s, const AstExpr *e);
Value eval_comprehension(Elab *x, Scope *s, const AstExpr *e); /* loop.c */
bool exec_for(Elab *x, Scope *s, const AstStmt *t, Value *ret);
/* The block did not run: what it would have assigned, and declared where it opens no scope, is poison. True:
 * it could have returned. */
bool poison_block(Elab *x, Scope *s, const AstBlock *b, bool declares);
bool exec_block(Elab *x, Scope *s, const AstBlock *b, Value *ret); /* true: returned */
void exec_let(Elab *x, Scope *s, const AstStmt *t);
Value eval_init(Elab *x, Scope *s, const AstExpr *call, Type want); /* `~ f(args)` */
void assign_state(Elab *x, Scope *s, const AstStmt *t);
bool check_assert(Elab *x, Scope *s, const AstStmt *t);
bool live_claim(Elab *x, Scope *s, const AstStmt *t); /* live.c; false: another assertion */

/* ---- arith.c ---- */
typedef struct Operand {
  Value v;
  Span at;
} Operand;
/* Brings operands to one dtype and shape. `same`: how many of them, from the last, share the dtype (where: 2
 * of 3). force_float: integers become f32. */
bool operands_meet(Elab *x, const char *name, Span at, Operand *o, uint32_t n, uint32_t first,
                   bool force_float, NodeId *out, Value *shape);
Value arith(Elab *x, Op op, const char *name, Span at, Operand a, Operand b);
Value arith1(Elab *x, Op op, const char *name, Span at, Operand a);
Value arith3(Elab *x, Op op, const char *name, Span at, Operand a, Operand b, Operand c);
Value binary_value(Elab *x, AstBinary op, Span at, Operand a, Operand b);
Value matmul(Elab *x, Span at, Operand a, Operand b);
Value power(Elab *x, Span at, Operand a, Operand b);
NodeId norm_scale(Builder *b, NodeId m,
                  bool tiny); /* of the largest magnitude m: what the squares are taken of */

/* ---- call.c, instance.c ---- */
typedef struct Arg {
  Sym name; /* 0: positional */
  Value v;
  Span at, name_at;
} Arg;
typedef VEC(Arg) ArgVec;
Value eval_call(Elab *x, Scope *s, const AstExpr *e);
Value call_value(Elab *x, Value callee, ArgVec *args, Span at);
/* Which argument each parameter is given, in `given`; false after a report. */
bool match_params(Elab *x, const AstParamVec *params, uint32_t skip, ArgVec *args, Arg **given, Span at,
                  Str name);
bool bind_params(Elab *x, Scope *callee, const AstParamVec *params, uint32_t skip, ArgVec *args, Span at,
                 Str name);
bool eval_args(Elab *x, Scope *s, const AstArgVec *args, ArgVec *out);
Value make_instance(Elab *x, UnitRef m, ArgVec *args, Span at);
Value closure_body(Elab *x, Closure *c, Scope *callee, Span at); /* its parameters are bound */
Value call_instance(Elab *x, Instance *i, ArgVec *args, Span at);
Value instance_member(Elab *x, Value base, AstIdent field);
Value leaf_value(Elab *x, Scope *s, LeafId l);

/* ---- builtins ---- */
typedef Value BuiltinFn(Elab *x, const Builtin *b, ArgVec *args, Span at);
struct Builtin {
  const char *name;
  BuiltinFn *call;
  Op op;
  const char *params; /* names in order; a `?` behind one that may be left out */
  const char *doc;
};
const Builtin *builtin_find(Str name);
void builtin_names(void (*see)(void *cx, Str name), void *cx);
enum { MAX_BUILTIN_ARGS = 8 };
/* Sorts the arguments by the row's parameter list; what was left out is VAL_POISON with at.file 0. */
bool arg_named(const Elab *x, const ArgVec *args, Str name); /* is it given by that name? */
bool builtin_args(Elab *x, const Builtin *b, ArgVec *args, Span at, Operand *out);
bool arg_given(Operand o);
bool axes_of(Elab *x, Operand o, uint32_t rank, uint32_t *mask);
bool axis_of(Elab *x, Operand o, uint32_t rank, int *axis);
bool dims_of(Elab *x, Operand o, DimId *dim, uint8_t *rank, int *hole);
#define BUILTIN(name, fn, op, params, doc) BuiltinFn fn; /* several rows may share one */
#include "frontend/elaborate/builtins.def"
#undef BUILTIN
BuiltinFn bi_elementwise; /* of the op table's rows */

Value index_value(Elab *x, Scope *s, const AstExpr *e);
/* Slices of n along an axis at the places of an i32 index, whose axes stand in the axis's place. */
NodeId value_take(Elab *x, const char *what, NodeId n, NodeId index, int axis, Span at);
Value value_slice(Elab *x, NodeId n, int axis, DimId start, int64_t step, DimId extent, Span at);
NodeId draw_uniform(Elab *x, Type t, Span at, NodeId *second);
uint64_t frame_key(Elab *x, Sym name);

/* ---- decl.c, train.c, data.c, import.c ---- */
Value declare_leaf(Elab *x, Scope *s, const AstStmt *t);
bool leaf_keeps(Elab *x, const AstType *t, LeafKind kind, Type type); /* false after a report */
NodeId leaf_initial(Elab *x, LeafId l);
bool leaf_find(const Elab *x, Str path, LeafId *out);
LeafId new_leaf(Elab *x, Leaf leaf, LeafDecl decl);
void leaf_marks(Elab *x, const AstStmt *t, Leaf *leaf);
/* Of a step or a let: silent about all, and expected of one. */
void marks_of_many(Elab *x, const AstStmt *t, const LeafId *of, uint32_t n);
void elaborate_dataset(Elab *x, const AstStmt *t);
typedef struct LeafRange { /* [first, end) */
  uint32_t first, end;
} LeafRange;
/* taken: by LeafId, 1 matched, 2 by its own name; none outside of *within. */
bool path_leaves(Elab *x, Scope *s, const AstPath *p, bool *exact, uint8_t *taken, LeafRange *within);
Str span_text(const Elab *x, Span at); /* as written */
Str path_text(Elab *x, const AstPath *p);
SrcFile *import_file(Elab *x, const AstStmt *t);
SrcFile *load_embedded(Elab *x, Str name, Span at);
void load_prelude(Elab *x);
void entry_begin(Elab *x, EntryKind kind, Sym name, uint32_t train, bool training, uint64_t domain);
void frame_push(Elab *x, Frame *f, Frame *caller);
static inline void frame_pop(Elab *x) { x->frame = x->frame->saved; }
void pending_roots(Elab *x);
void unit_used(Elab *x, Span word);
/* A named result of the file as a root. Losses and metrics are scalars, outputs any tensor. */
void named_root(Elab *x, Binding *b, RootKind kind);
void not_a_loss(Elab *x, Span at, Type ty);
bool has_error(
    const AstStmtVec *v); /* a statement in it did not parse: what seems missing may have stood there */
LeafId clock_leaf(Elab *x, LeafKind kind);
Scope *scope_root(Scope *s); /* past the blocks of loops */
void stands_not(Elab *x, const AstStmt *t, const char *place);
void declares_not(Elab *x, Scope *s, const AstStmt *t,
                  const char *place);                  /* and what it would declare is known */
void mute_block(Elab *x, Scope *s, const AstBlock *b); /* what it would have declared is no unknown name */
Type leaf_type(const Elab *x, LeafId l);

#include "frontend/elaborate/body.h"
#include "frontend/elaborate/load.h"
#include "frontend/elaborate/tree.h"

#endif
