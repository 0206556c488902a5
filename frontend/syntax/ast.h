/* The syntax tree of one .dg file: exactly what was written, nothing resolved. Immutable after parse_file;
 * every pointer leads into the arena given there. What a form means is the elaborator's business, and so is
 * what may not stand where: one statement rule serves every block (language.md), so a `minimize` in a module
 * is a tree like any other.
 *
 * Conventions
 * - A Span with file 0 means "not written". `at` covers the whole construct, parentheses around an expression
 * included.
 * - A pointer is NULL where its part is optional and was not written; each field says so with "or NULL".
 * - An AstIdent whose name is 0 is `_`; one whose at.file is 0 as well was not written.
 * - After a syntax error the tree holds EXPR_ERROR, ATYPE_ERROR and STMT_ERROR: poison, already reported.
 * - Depth: every recursion over a tree is bounded by ast_depth_limit(limits); parse_file refuses deeper ones.
 */
#ifndef DG_FRONTEND_AST_H
#define DG_FRONTEND_AST_H

#include "base/limits.h"
#include "base/source.h"

typedef struct AstExpr AstExpr;
typedef struct AstStmt AstStmt;
typedef struct AstType AstType;
typedef struct AstBlock AstBlock;
typedef struct AstFn AstFn;
typedef VEC(AstExpr *) AstExprVec;
typedef VEC(AstStmt *) AstStmtVec;
typedef VEC(AstType *) AstTypeVec;

typedef struct AstIdent {
  Sym name;
  Span at;
} AstIdent;
typedef VEC(AstIdent) AstIdentVec;
static inline bool ast_ident_written(AstIdent i) { return i.at.file != 0; }
static inline bool ast_ident_hole(AstIdent i) { return i.at.file != 0 && i.name.i == 0; }

/* ---- expressions ---- */

/* A number literal, exact: value = digits * 10^exp10. `digits` has no point, underscore or leading zero ("0"
 * for zero) and is followed by a NUL. exp10 saturates at +-10^9. f64 and f32 are each rounded once, to
 * nearest even, from the exact value; out of range they are infinite (subnormals are not flushed here). */
typedef struct AstNumber {
  Str text; /* as written */
  Str digits;
  int64_t exp10;
  bool integer; /* written without point and exponent: `12`; `1e3` is real */
  bool fits;    /* integer, and at most 2^64 - 1; whether it fits i64, and with which sign, is the reader's to
                   ask */
  uint64_t u64; /* when fits */
  double f64;
  float f32;
} AstNumber;

/* One keyword or positional argument: `lr = 1e-3`, `x`. */
typedef struct AstArg {
  AstIdent name; /* not written when positional */
  AstExpr *value;
  Span at;
} AstArg;
typedef VEC(AstArg) AstArgVec;

/* `c = c0` of a scan. */
typedef struct AstCarry {
  AstIdent name;
  AstType *type; /* or NULL */
  AstExpr *value;
  Span at;
} AstCarry;
typedef VEC(AstCarry) AstCarryVec;

/* `a, b in xs, ys`: of for, scan and comprehension. As many names as sources is not checked here. */
typedef struct AstFor {
  AstIdentVec names;
  AstExprVec sources; /* EXPR_RANGE or any other expression */
  Span at;            /* from the first name to the last source */
} AstFor;

typedef enum {
  BINARY_OR,
  BINARY_AND,
  BINARY_EQ,
  BINARY_NE,
  BINARY_LT,
  BINARY_LE,
  BINARY_GT,
  BINARY_GE,
  BINARY_ADD,
  BINARY_SUB,
  BINARY_MUL,
  BINARY_DIV,
  BINARY_MATMUL,
  BINARY_POW,
  BINARY_COUNT
} AstBinary;
typedef enum { UNARY_NEG, UNARY_NOT, UNARY_COUNT } AstUnary;
/* The dtype words; `int` is a type of its own (ATYPE_INT), `bool` is this one. */
typedef enum {
  DTYPE_WORD_F32,
  DTYPE_WORD_F64,
  DTYPE_WORD_I32,
  DTYPE_WORD_I64,
  DTYPE_WORD_BOOL,
  DTYPE_WORD_U8,
  DTYPE_WORD_BF16,
  DTYPE_WORD_COUNT
} AstDtype;

typedef enum {
  EXPR_ERROR,         /* reported; stands for anything */
  EXPR_NUMBER,        /* 12  0.5  1e-3            number */
  EXPR_STRING,        /* "text"                   string, unescaped */
  EXPR_BOOL,          /* true false               boolean */
  EXPR_NAME,          /* x                        name */
  EXPR_HOLE,          /* _                        inferred dim, new axis */
  EXPR_REST,          /* ..                       only as a dim of a type or an index item */
  EXPR_DTYPE,         /* f32                      dtype; called it is a cast: f32(e) */
  EXPR_UNARY,         /* -x  not x                unary */
  EXPR_BINARY,        /* a + b                    binary */
  EXPR_TRANSPOSE,     /* x'                       transpose */
  EXPR_CALL,          /* f(x, k = 1)              call */
  EXPR_INDEX,         /* x[i, a:b, _, ..]         index */
  EXPR_FIELD,         /* nn.Linear                field */
  EXPR_LIST,          /* [a, b]                   list; also the closed range after an input's `in` */
  EXPR_TUPLE,         /* (a, b), or bare after return and yield   list; at least two items */
  EXPR_COMPREHENSION, /* [e for a in xs]          comprehension */
  EXPR_RANGE,         /* a:b:s                    range; only as index item or as what `in` walks */
  EXPR_IF,            /* if c { a } else { b }    choice; `else if` nests in otherwise */
  EXPR_COND,          /* cond c { a } else { b }  choice */
  EXPR_SCAN,          /* scan (c = c0) for x in xs while p { .. }  scan */
  EXPR_LAMBDA,        /* fn (x) = e               lambda */
  EXPR_COUNT
} AstExprKind;

struct AstExpr {
  AstExprKind kind;
  uint32_t depth; /* 1 for a leaf, else 1 + the deepest child */
  bool parens;    /* written in parentheses of its own; at covers them */
  Span at;
  union {
    AstNumber *number;
    Str string;
    bool boolean;
    Sym name;
    AstDtype dtype;
    struct {
      AstUnary op;
      Span op_at;
      AstExpr *operand;
    } unary;
    struct {
      AstBinary op;
      Span op_at;
      AstExpr *left, *right;
    } binary;
    struct {
      AstExpr *operand;
      Span op_at;
    } transpose;
    struct {
      AstExpr *callee;
      AstArgVec args;
      Span brackets;
    } call; /* brackets: from ( to ) */
    struct {
      AstExpr *base;
      AstExprVec items;
      Span brackets;
    } index; /* from [ to ] */
    struct {
      AstExpr *base;
      AstIdent field;
    } field;
    struct {
      AstExprVec items;
    } list; /* EXPR_LIST, EXPR_TUPLE */
    struct {
      AstExpr *item;
      AstFor walk;
    } comprehension;
    struct {
      AstExpr *lo, *hi, *step;
    } range; /* each or NULL; as a source of `for` lo and hi are there */
    struct {
      AstExpr *test, *then, *otherwise;
    } choice;
    struct {
      AstCarryVec carries;
      AstFor walk;
      AstExpr *test;
      AstBlock *body;
      Span head;
    } scan;        /* walk without names:
`while` alone; test: or NULL; head: `scan` up to the body */
    AstFn *lambda; /* without name and backward */
  };
};

/* ---- types: only after `:` and `->` ---- */

typedef enum {
  ATYPE_ERROR,
  ATYPE_DTYPE, /* f32  f32[N, 2*D]  f32[..]  f32[]      dtype, dims */
  ATYPE_NAME,  /* F[.., E] a dtype variable; F or Mlp or nn.Linear, which only scope can tell apart   name,
                  dims */
  ATYPE_INT,   /* int */
  ATYPE_FN,    /* fn */
  ATYPE_LIST,  /* [T]         items, one */
  ATYPE_TUPLE, /* (T, U)      items */
  ATYPE_COUNT
} AstTypeKind;

struct AstType {
  AstTypeKind kind;
  uint32_t depth;
  Span at;
  AstDtype dtype;
  AstIdent qualifier, name; /* nn . Linear; the qualifier may be unwritten */
  bool has_dims;            /* brackets were written (f32[] has them, and no dims) */
  AstExprVec dims;          /* expressions, EXPR_REST, EXPR_HOLE */
  Span brackets;
  AstTypeVec items;
};

/* ---- functions ---- */

typedef struct AstParam {
  AstIdent name;
  AstType *type;  /* or NULL: lambda, optimizer */
  AstExpr *value; /* default, or NULL */
  Span at;
} AstParam;
typedef VEC(AstParam) AstParamVec;

/* Either value (`= e`) or body (`{ .. return e }`); both NULL for an extern fn and after a syntax error. */
typedef struct AstBackward {
  AstParamVec params; /* the cotangents */
  AstExpr *value;
  AstBlock *body;
  Span word, at;
} AstBackward;

struct AstFn {
  AstIdent name; /* not written: a lambda, or a module's call function */
  AstParamVec params;
  Span brackets;   /* of the parameters */
  AstType *result; /* or NULL */
  AstExpr *value;
  AstBlock *body;
  AstBackward *backward; /* or NULL */
  Span head;             /* `fn` up to the result type */
  const struct AstFile *in;
  Span at;
};

/* ---- statements ---- */

struct AstBlock {
  AstStmtVec stmts;
  Span at; /* from { to }; file 0 for the block that an `else if` stands for, which holds that one
              if-statement */
};

/* `#[allow(cut)]`: verb allow, words cut. A word may be hyphenated: owned-twice. */
typedef struct AstMark {
  AstIdent verb;
  AstIdentVec words;
  Span at;
} AstMark;
typedef VEC(AstMark) AstMarkVec;

/* `net.blocks[0].*.b` */
typedef struct AstPathPart {
  bool star; /* `*`; then name is 0 */
  AstIdent name;
  AstExprVec index; /* items of one bracket behind it: `blocks[0:6]`; usually empty */
  Span at;
} AstPathPart;
typedef struct AstPath {
  VEC(AstPathPart) parts;
  Span at;
} AstPath;
typedef VEC(AstPath) AstPathVec;

typedef enum {
  STMT_ERROR,     /* reported; names in AstFile.broken */
  STMT_IMPORT,    /* import nn   import b = "lib/b.dg"               import */
  STMT_CONST,     /* const n = 3                                     bind */
  STMT_LET,       /* let a, _: T = e   let z: T ~ f()   let n = M() ~ m   bind */
  STMT_VAR,       /* var x = e                                       bind */
  STMT_PARAM,     /* param w: T ~ f()                                bind */
  STMT_STATE,     /* state m: T = 0                                  bind */
  STMT_INPUT,     /* input x: T in 0:10                              bind */
  STMT_OUTPUT,    /* output y = e                                    bind */
  STMT_LOSS,      /* loss l = e                                      bind */
  STMT_METRIC,    /* metric m = e                                    bind */
  STMT_FN,        /* fn f(..) -> T = e ; without name: the module's call function   fn */
  STMT_EXTERN,    /* extern fn f(..) -> T                            fn */
  STMT_MODULE,    /* module M(..) { .. }                             unit */
  STMT_OPTIMIZER, /* optimizer o(w, g, ..) { .. }                    unit */
  STMT_DATASET,   /* dataset d { x = .. }                            unit, no params */
  STMT_TRAIN,     /* train fit { .. }                                unit, no params */
  STMT_AFTER, /* after fit { .. }                                unit, no params; name is the train step's */
  STMT_MINIMIZE, /* minimize e                                      value */
  STMT_UPDATE,   /* update p, q except r using opt(..)              update */
  STMT_SET,      /* x = e: a var, a setting, a data set's field     assign */
  STMT_ASSIGN,   /* m := e                                          assign */
  STMT_NEXT,     /* next c = e                                      assign */
  STMT_YIELD,    /* yield a, b                                      value, EXPR_TUPLE when several */
  STMT_RETURN,   /* return a, b                                     value, EXPR_TUPLE when several */
  STMT_IF,       /* if c { .. } else { .. }                         choice */
  STMT_FOR,      /* for a in xs { .. }                              loop */
  STMT_ASSERT,   /* assert e, "why"                                 check */
  STMT_COUNT
} AstStmtKind;

struct AstStmt {
  AstStmtKind kind;
  uint32_t depth;
  Span at;     /* marks and frozen included, doc comment not */
  Span word;   /* the keyword; the target for STMT_SET and STMT_ASSIGN */
  Span frozen; /* the word `frozen`, before let and param (elsewhere it is a syntax error) */
  Str doc;     /* text of the `///` lines above, joined by line ends; usually empty */
  Span doc_at;
  AstMarkVec marks;
  union {
    struct {
      AstIdent name;
      Str path;
      Span path_at;
    } import; /* path_at not written: std/<name>.dg */
    struct {
      AstIdentVec names; /* several only in let, var and const */
      AstType *type;     /* or NULL */
      AstExpr *value;    /* after `=`, or NULL */
      Span value_op;
      AstExpr *init; /* after `~`, or NULL; let and param alike may have both: `let n = M() ~ load("f")` */
      Span init_op;
      AstExpr *range; /* after `in`, or NULL: EXPR_RANGE, EXPR_LIST, any expression */
    } bind;
    AstFn *fn;
    struct {
      AstIdent name;
      bool has_params;
      AstParamVec params;
      Span brackets;
      AstBlock *body;
    } unit;
    AstExpr *value;
    struct {
      AstPathVec paths, except;
      AstExpr *with;
      Span with_at;
    } update; /* with: or NULL, the `using` expression;
with_at: the word `using` */
    struct {
      AstPath target;
      AstExpr *value;
      Span op;
    } assign; /* NEXT: a target of one name */
    struct {
      AstExpr *test;
      AstBlock *then, *otherwise;
    } choice; /* otherwise: or NULL */
    struct {
      AstFor walk;
      AstBlock *body;
    } loop;
    struct {
      AstExpr *test;
      bool has_why, contract; /* contract: of the caller, and only what is known when compiling */
      Str why;
      Span why_at;
    } check;
  };
};

typedef struct AstByName { /* `x` of grad(e, x) or grad(e, x[..]) */
  Sym name;
  uint32_t lo; /* of the call */
} AstByName;

typedef struct AstFile {
  uint32_t file;
  AstStmtVec stmts;
  Span at;
  bool errors;   /* a syntax error was reported: parts of the tree are missing */
  bool nameless; /* one stood where a declaration has its name: any name may be that one */
  /* Names whose declaration did not parse, as far as they could be made out: an unknown name in this list is
   * no error of its own, but poison. */
  VEC(Sym) broken;
  VEC(AstByName) by_name; /* sorted by name and place */
} AstFile;

/* Something from lo to hi differentiates by this name. */
bool ast_by_name(const AstFile *f, Sym name, uint32_t lo, uint32_t hi);

/* Greatest depth a tree may have: chains of operators count as well as brackets, but are cheap to write.
 * However high the limit on nesting is set, a recursion over the tree must fit into a thread's stack. */
static inline int64_t ast_depth_limit(const Limits *l) { return l->nesting < 250 ? 8 * l->nesting : 2000; }

const char *ast_binary_name(AstBinary op); /* "+" */
const char *ast_unary_name(AstUnary op);   /* "-" */
const char *ast_dtype_name(AstDtype d);    /* "f32" */
const char *
ast_stmt_word(AstStmtKind kind); /* "let"; "=" for STMT_SET, ":=" for STMT_ASSIGN, "" for STMT_ERROR */

/* `--emit=ast`: one node a line, two blanks a level; with spans each line ends in @lo-hi (bytes). */
void ast_print(const AstFile *f, const Names *names, bool spans, Sb *b);

#endif
