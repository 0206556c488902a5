/* A checked program: leaves shared by all entry points, one graph per entry point, and what the train blocks
 * say. */
#ifndef DG_IR_PROGRAM_H
#define DG_IR_PROGRAM_H

#include "base/diag.h"
#include "ir/graph/graph.h"

typedef enum {
  LEAF_INPUT, /* bound by the host or a data set */
  LEAF_PARAM, /* trainable unless frozen; path net.fc1.w */
  LEAF_STATE, /* written by := only: user state, running statistics, optimizer state (path fit.m.net.fc1.w) */
  LEAF_STEP,  /* i32 scalar, from 1 */
  LEAF_EPOCH, /* i32 scalar, from 1 */
  LEAF_SEED,  /* i32 scalar */
  LEAF_TOTAL, /* what a metric's total(..) has summed of a pass; 0 where the pass begins; belongs to one entry
               */
} LeafKind;

typedef struct Range { /* `in 0:10` (integers, hi left out) or `in [0, 1]` (closed) */
  bool has, closed;
  double lo, hi;
} Range;

typedef struct Leaf {
  LeafKind kind;
  Sym path;
  Type type;
  Span at;         /* the name in its declaration */
  LocationId made; /* unused at file level; else see made_at */
  Span made_at;    /* the let that made the instance it belongs to (file 0: declared at file level) */
  bool frozen;     /* PARAM: not trainable by declaration */
  bool loaded;     /* PARAM, STATE: begins with what a file holds, and its initial value counts for nothing */
  uint32_t file;  /* PARAM, STATE: begins with what that one of Program.initial_file holds, from 1; 0: none */
  LeafId of;      /* STATE made by an optimizer: the parameter; else .i == UINT32_MAX */
  Range range;    /* INPUT */
  uint32_t allow; /* bit per DiagGroup named in #[allow(..)] */
  uint32_t expect; /* bit per DiagGroup named in #[expect(..)] */
} Leaf;

/* One parameter in one `update` group of one step. */
typedef struct Owned {
  LeafId param;
  Span item;      /* the path in the update list that took it */
  bool wildcard;  /* taken by a path above it or by `*`, not by its own name */
  uint32_t group; /* index into TrainStep.group */
  NodeId grad;    /* the GRAD node as the optimizer sees it (before clipping) */
  NodeId update;  /* the value assigned */
} Owned;

/* A parameter that a path of an `except` list took out of a group. */
typedef struct LeftOut {
  LeafId param;
  Span item;  /* that path */
  bool alone; /* the only path behind `except` */
  uint32_t group;
} LeftOut;

/* A setting of an optimizer, given in the call or left to its default. */
typedef struct GroupSetting {
  Sym name;
  Span at; /* the expression: in the call, or the default in the optimizer */
  bool given;
  double number; /* NAN: not known when compiling */
  Str standard;  /* the default as written; empty: it has none */
} GroupSetting;

typedef struct Group {
  Span at;       /* `update ... using ...` */
  Span list;     /* the list of paths */
  Span using_at; /* the optimizer call */
  Sym optimizer;
  VEC(GroupSetting) setting;
} Group;

/* The initial value of `by` is made of that of `of`. */
typedef struct InitialRead {
  LeafId of, by;
} InitialRead;

/* `~ load("f")`: where parameters and states begin. Names in it are their paths, or what is behind `own`. */
typedef struct InitialFile {
  Str path, own; /* own: the instance's path; empty: of single parameters */
  Span at;
} InitialFile;

/* A `const` of the main file that is a number: for messages that say where a value came from. */
typedef struct Constant {
  Sym name;
  Span at;
  double number;
  bool defined; /* by -D */
} Constant;

typedef struct Setting { /* batch = 128; text values as written */
  Sym name;
  Span at;
  double number; /* NAN for text */
  Str text;
} Setting;

typedef struct TrainStep {
  Sym name;
  Span at;          /* the name */
  Span minimize_at; /* the expression */
  Sym loss_name;    /* name of the loss if it is one, else "loss" */
  NodeId loss;
  uint32_t entry; /* index into Program.entry */
  /* accumulate = k above 1: k - 1 batches run the entry `gather`, which adds their gradients to states of the
   * step; the next one runs `entry`, which updates by the mean of all k. `gathered`: how many are in, i32, a
   * state as well. */
  int64_t accumulate;
  uint32_t gather;
  LeafId gathered;
  VEC(Group) group;
  VEC(Owned) owned;
  VEC(LeftOut) left_out;
  VEC(Setting) setting;
} TrainStep;
/* Whether several batches make an update: only then is there an entry `gather`. */
static inline bool train_gathers(const TrainStep *t) { return t->accumulate > 1 && t->owned.n; }

typedef enum { ENTRY_INIT, ENTRY_TRAIN, ENTRY_GATHER, ENTRY_AFTER, ENTRY_EVAL, ENTRY_PREDICT } EntryKind;
typedef struct Entry {
  EntryKind kind;
  Sym name;
  Graph *graph;
  uint32_t train; /* TRAIN, GATHER, AFTER: index into Program.train */
  int64_t every;  /* AFTER: runs each `every` steps */
} Entry;

typedef struct Extern {
  Sym name;
  Span at;
  uint32_t nin;
  Type in[8], out; /* dims may hold symbols of the call */
} Extern;

typedef enum { FIELD_HEADER_AUTO, FIELD_HEADER_YES, FIELD_HEADER_NO } FieldHeader;
typedef struct DataField {
  Sym input;  /* the input it feeds */
  Sym reader; /* a name of base/readers.def */
  Str path;
  Span at;
  Str part;           /* which part of the file, where the reader takes one; else empty */
  FieldHeader header; /* whether the first line is one, where the reader takes that */
} DataField;
typedef struct Dataset {
  Sym name;
  Span at;
  VEC(DataField) field;
} Dataset;

/* `assert N >= 2`: what a binding of the dims must satisfy. */
typedef enum { DIM_EQ, DIM_NE, DIM_LT, DIM_LE } DimCompare;
typedef struct DimAssert {
  DimId left, right;
  DimCompare op;
  Span at;
  Str text, why; /* as written; why may be empty */
} DimAssert;

/* `#[expect(cut)]` before a step or a let: one of its parameters at least, where before a parameter it is
 * that one. */
typedef struct Expected {
  Span at;         /* the mark */
  uint32_t groups; /* bit per DiagGroup */
  VEC(LeafId) of;
} Expected;

/* `assert live(net, ce)`: that no parameter of these is shown to get no gradient from the loss. */
typedef struct LiveClaim {
  Span at; /* the call */
  Sym loss;
  VEC(LeafId) param;
} LiveClaim;

typedef struct Program {
  Arena *arena;
  Names *names;
  DimTable *dims;
  Sources *sources;
  const Limits *limits;
  VEC(Leaf) leaf;
  VEC(Entry) entry;
  VEC(TrainStep) train;
  VEC(Extern) externs;
  VEC(Dataset) dataset;
  VEC(DimAssert) asserts;
  VEC(LiveClaim) live;
  VEC(Expected) expected;
  VEC(Constant) constant;
  VEC(InitialFile) initial_file;
  VEC(InitialRead) initial_read;
  VEC(Sym) of_pass; /* metrics made of total(..): their value after a batch is that of the pass so far */
  VEC(Sym) symbol;  /* free dim symbols of the file, in order of appearance */
} Program;

void program_init(Program *p, Arena *a, Names *names, Sources *sources, const Limits *limits);
LeafId program_leaf(Program *p, Leaf leaf);
MUST_USE bool program_find_leaf(const Program *p, Str path, LeafId *out);
MUST_USE bool program_of_pass(const Program *p, Sym metric);
/* The first assertion that the binding decides and breaks is described in `why` and its index given;
 * SIZE_MAX: none. */
size_t program_dims_broken(const Program *p, const DimBinding *b, size_t n, Sb *why);

/* An extent of a node under a binding: has a value of at least 1; has none yet; has none at all. *why says
 * it. */
typedef enum { EXTENT_FITS, EXTENT_OPEN, EXTENT_NONE } ExtentFault;
ExtentFault graph_extent(const Graph *g, NodeId id, const DimBinding *b, size_t n, Sb *why);
/* False where the binding decides an extent that is none, at node *at. */
MUST_USE bool graph_extents_fit(const Graph *g, const DimBinding *b, size_t n, NodeId *at, Sb *why);
/* The same of a graph that was bound so, and its operands: slices lie inside, filters and windows fit. */
MUST_USE bool graph_operands_fit(const Graph *g, const DimBinding *b, size_t n, NodeId *at, Sb *why);
/* FILE:LINE:COLUMN of a node for the user, and ": "; nothing where it has no place. */
void graph_place(const Graph *g, NodeId id, Sb *b);
static inline const Leaf *program_leaf_at(const Program *p, LeafId id) { return &p->leaf.at[id.i]; }
/* name ignored for INIT, EVAL, PREDICT; NULL when absent */
Graph *program_graph(const Program *p, EntryKind kind, Sym name);

#endif
