/* Random programs: a text that is always accepted, from a seed. Values of known type and shape are kept in a
 * pool; each statement makes one from earlier ones. Numbers are squashed often, so that most programs stay
 * finite. What a table offers is walked by the number of the program first and drawn at random then, so a
 * run of consecutive programs reaches every row. */
#ifndef DG_TESTS_FUZZ_MODELS_GEN_H
#define DG_TESTS_FUZZ_MODELS_GEN_H

#include "case.h"
#include "feature.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { AXES = 5, POOL = 96, PARAMS = 64, NAME = 32, SMALL = 3000 };

typedef enum { F32, F64, I32, I64, BOOLEAN, SAME } ValType; /* SAME: in tables, as the operand */
extern const char *const gval_type[];                       /* "f32" .. */

typedef struct Dim { /* one + n*N + m*M + nm*N*M */
  int one, n, m, nm;
} Dim;
typedef struct Val {
  char name[NAME];
  ValType type;
  int rank;
  Dim dim[AXES];
} Val;

typedef enum { /* of what is walked: see gen_turn */
               TABLE_ELEMENT,
               TABLE_REDUCE,
               TABLE_ROW,
               TABLE_MOVE,
               TABLE_PRODUCT,
               TABLE_IMAGE,
               TABLE_WINDOW,
               TABLE_LAYER,
               TABLE_DECL,
               TABLE_LOOP,
               TABLE_LOSS,
               TABLE_OPTIMIZER,
               TABLE_START,
               TABLE_SETTING,
               TABLES
} FormTable;

typedef struct Gen {
  uint64_t seed;
  long turn; /* number of the program */
  char text[TEXT];
  size_t len;
  Val pool[POOL];
  int n, made;
  int N, M;      /* values of the symbols; M is 0 where there is none */
  int size[3];   /* extents that come again and again */
  int konst[2];  /* extents that have a name: K0, K1; 0: none */
  ValType dt;    /* of most real values */
  bool opening;  /* tables are walked */
  bool no_duals; /* holds what duals do not know: stop_gradient, a host's function, a rule of its own */
  bool large;
  long most; /* elements of a value */
  int used[TABLES];
  Val param[PARAMS]; /* those that train, at file level */
  int params;
  char instance[PARAMS][NAME]; /* lets that made parameters that train */
  int instances;
  bool trains[2]; /* parameters of f32, of f64 */
  int classes;
  bool has_data; /* the inputs over N come from files */
  uint64_t seen[(FEATURES + 63) / 64];
} Gen;

/* ---- gen.c ---- */
uint32_t gen_next(Gen *g, uint32_t n); /* below n */
static inline bool gen_one_in(Gen *g, uint32_t n) { return gen_next(g, n) == 0; }
#define GEN_ONE(g, list) ((list)[gen_next((g), (uint32_t)(sizeof(list) / sizeof *(list)))])
int gen_turn(Gen *g, FormTable t, int n); /* a row of a table of n */
void gen_feature(Gen *g, Feature f);
__attribute__((format(printf, 2, 3))) void say(Gen *g, const char *f, ...);
/* `let vK = ...` of that type and shape. */
__attribute__((format(printf, 3, 4))) Val gen_let(Gen *g, Val s, const char *f, ...);
Val gen_keep(Gen *g, Val v, const char *name);
/* ---- shapes.c ---- */
static inline Dim ext_of(int k) { return (Dim){.one = k}; }
static inline bool ext_fixed(Dim d) { return !d.n && !d.m && !d.nm; }
long ext_value(const Gen *g, Dim d);
bool ext_equal(Dim a, Dim b);
Dim ext_add(Dim a, Dim b);
bool ext_mul(Dim a, Dim b, Dim *out); /* false: no product of this form */
const char *ext_text(const Gen *g, Dim d, char *to);
const char *dims_text(const Gen *g, const Val *v, char *to);  /* "[N, 3]", "" for a scalar */
const char *shape_text(const Gen *g, const Val *v, char *to); /* the same, "[]" for a scalar */
long gval_count(const Gen *g, const Val *v);
bool same_shape(const Val *a, const Val *b);
static inline bool is_real(ValType t) { return t <= F64; }
static inline bool is_int(ValType t) { return t == I32 || t == I64; }
Val gval_shape(ValType t, int rank, Dim a, Dim b, Dim c, Dim d);
Val gval_row(ValType t, int a);           /* [a] */
Val gval_matrix(ValType t, Dim a, Dim b); /* [a, b] */
Val gval_without(Val v, int axis);
Val gval_typed(Val v, ValType t);
int gen_size(Gen *g);
/* A value of that class (0 real, 1 integer, 2 bool, -1 any, 3 real f32) and rank (any: -1, at least one axis:
 * -2); made where there is none. */
typedef enum { ANY = -1, REAL, INTEGER, TRUTH, SINGLE } Class;
bool gval_in(const Val *v, Class c);
Val gen_pick(Gen *g, Class c, int rank);
Val gen_like(Gen *g, const Val *v); /* of its type and shape, perhaps itself */
Val gen_param(Gen *g, Val s);       /* a fresh parameter */
/* A scalar of g->dt made of v, between -1 and 1, as text. */
const char *gen_scalar(Gen *g, const Val *v, char *to, size_t n);

/* ---- statements, each from its table ---- */
void gen_element(Gen *g);
void gen_stretch(Gen *g);
void gen_reduce(Gen *g);
void gen_row(Gen *g);
void gen_product(Gen *g);
void gen_move(Gen *g);
void gen_image(Gen *g);
void gen_window(Gen *g);
void gen_instance(Gen *g, const char *name, ValType t); /* a let that made parameters */
void gen_layer(Gen *g);
void gen_decl(Gen *g);
void gen_loop(Gen *g);
void gen_loop_library(Gen *g);
void gen_library(Gen *g); /* functions and modules that statements use */
void gen_large(Gen *g);
void gen_steps(Gen *g); /* losses, metrics, outputs, train steps */

/* The whole program of that number, with its header. */
void gen_program(Gen *g, long turn);
void gen_model(Gen *g, long turn, Case *c);
/* Puts parameters that do not learn into it. */
void gen_plant(const Gen *g, long turn, Case *c);
bool gen_planted(const char *name, size_t n); /* is it one of them? */
/* Those in bodies: what is planted, and of a parameter what must be said of it (NULL: it is none). */
const char *gen_body_plant(int k);
const char *gen_body_verdict(const char *name, size_t n, int *k);
/* The same with one mistake in it. */
void gen_wrong(Gen *g, long turn, Case *c);

#endif
