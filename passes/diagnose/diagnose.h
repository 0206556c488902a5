/* The diagnosis, between its files. Contract: docs/diagnostics.md. Everything here reads source graphs and
 * writes nothing that is executed. */
#ifndef DG_PASSES_DIAGNOSE_H
#define DG_PASSES_DIAGNOSE_H

#include "passes/diagnose/value.h"
#include "passes/graph/reach.h"
#include "passes/passes.h"

typedef enum {                   /* strongest first */
               FLOW_UNUSED,      /* nothing reads it */
               FLOW_UNREACHABLE, /* read, but not by this loss */
               FLOW_CUT,         /* this loss reads it, no path carries gradient */
               FLOW_ZERO,        /* paths exist, and the gradient is zero for every input */
               FLOW_STUCK,       /* zero at the initial values, which it keeps so */
               FLOW_SYMMETRIC,   /* equal along an axis, for it started so */
               FLOW_OPEN,        /* nothing shown against it */
} Flow;

typedef enum {
  RULE_NONE,   /* the step does not own it */
  RULE_MOVES,  /* nothing shown against it */
  RULE_IDLE,   /* the update gives back the parameter for every gradient and every state it can reach */
  RULE_BLIND,  /* the update reads no gradient; whether it changes the parameter is not shown */
  RULE_DRIFTS, /* the update reads no gradient, and changes it */
} Rule;

/* IDLE: as long as nothing from outside writes these. */
typedef struct Assumes {
  LeafId at[2];
  uint8_t n;
  bool more, states; /* others; states of optimizers */
} Assumes;

/* One parameter under one loss. */
typedef struct Verdict {
  Flow flow;
  Rule rule;
  NodeId
      at; /* the occurrence nearest to the loss (CUT, OPEN), or any (UNREACHABLE in this graph), or NO_NODE */
  uint32_t cause;              /* CUT: set of edges of this view's graph; ZERO: of Diagnose.cause */
  uint32_t rests;              /* STUCK: equal for all that keep each other at rest */
  uint32_t equal;              /* SYMMETRIC: along these axes, from the last */
  const struct SlabAxis *part; /* OPEN: elements that get no gradient, along part_axis; or NULL */
  uint32_t part_axis;
  bool decays;    /* STUCK: not shown that the rule gives it back when its gradient is 0 */
  bool late;      /* OPEN: zero at the first step, in real arithmetic; later ones are not shown */
  bool by_range;  /* ZERO: rests on what inputs are declared to lie in */
  NodeId why;     /* IDLE, DRIFTS: the literal that did it, or NO_NODE */
  uint32_t group; /* rule not NONE: index into the step's groups */
  bool always;    /* IDLE: it would be with any gradient, too */
  bool unread;    /* the rule as it is written reads no gradient */
  bool rounds;    /* IDLE: in real arithmetic; the update rounds */
  bool lost;      /* IDLE: what the rule gives is another value, which bf16 rounds to the old one */
  Assumes assumes;
} Verdict;

/* Why a gradient is zero: what made the first zero value of the chain. */
typedef enum {
  CAUSE_LITERAL, /* a written 0 */
  CAUSE_SHAPE,   /* a reduction or normalisation over an axis of extent 1 */
  CAUSE_EQUAL,   /* one over values that are equal along it */
  CAUSE_CHOICE,  /* a choice that always takes the same side */
  CAUSE_CANCEL,  /* terms that cancel */
  CAUSE_IGNORED, /* an operation that the change does not reach: a shift under softmax */
  CAUSE_INITIAL, /* an initial value that stays */
} CauseKind;
typedef struct Cause {
  CauseKind kind;
  uint32_t view;
  NodeId at;   /* in the view's `grad`; or NO_NODE */
  LeafId leaf; /* INITIAL: of this parameter or state */
} Cause;

/* A gradient as long as initial values keep what they keep. */
typedef struct AtRest {
  bool asked, zero;
  uint32_t cause; /* zero: in Diagnose.sets */
  bool late;      /* under the initial values as they are before the first step */
  uint32_t equal; /* else: axes along which parameter and gradient are equal, from the last */
} AtRest;

/* One loss: that of a train step, or, where a file has no train block, one of the file's. */
typedef struct View {
  const TrainStep *step; /* NULL: no train block */
  const Graph *source;   /* of the entry point */
  const Graph
      *g;   /* what `reach` is about: source, or a copy in which the grads of the loss are derivatives */
  Str loss; /* its name for messages */
  Reach reach;
  Verdict *param;    /* by LeafId */
  const Graph *grad; /* what the loss reads, with its derivatives by leaves; NULL: not asked for */
  NodeId grad_loss;  /* the loss there; what follows are derivatives */
  NodeId *grad_of;   /* by LeafId: in `grad`, or NO_NODE */
  ValueId *value;    /* by node of `grad` */
  AtRest *rest;      /* by LeafId; NULL: not asked */
} View;

typedef enum {
  HEAD_HEALTHY,
  HEAD_SILENT, /* frozen, assigned */
  HEAD_OWNED_TWICE,
  HEAD_UNUSED,
  HEAD_UNREACHABLE,
  HEAD_CUT,
  HEAD_SHAPE, /* cut: nothing but its shape is used */
  HEAD_ZERO,
  HEAD_STUCK,
  HEAD_SYMMETRIC,
  HEAD_IDLE,
  HEAD_DRIFTS,
  HEAD_OVERWRITTEN,
  HEAD_UNOWNED,
  HEAD_PARTIAL,
  HEAD_FROZEN_UNUSED,
} Headline;

typedef struct Finding { /* one thing found about one parameter */
  LeafId param;
  Headline head;
  bool covered; /* a lesser fact, which the message of a stronger finding of this parameter holds as a note */
  uint32_t view; /* the view the message speaks of */
  uint64_t key;  /* equal keys: one root cause */
} Finding;

/* What `after` blocks assign to a parameter. */
typedef struct Assigned {
  bool any;
  bool taught;  /* one of them reads something that learns or is measured: a copy, an average */
  bool follows; /* one of them reads the old value */
  bool handed;  /* another assignment of an `after` reads the parameter: what was learned goes there */
  Span at;      /* the first of them that teaches nothing: reads the old value and constants, or less */
} Assigned;

/* Where values end up: a name inside a function, an assignment of a state, a question about a shape. */
typedef struct SinkPlace {
  Span at;
  Str name, in; /* a name and its function; the state, or what several states have in common */
  LocalKind kind;
  bool several;
  Str first; /* of several */
} SinkPlace;

typedef struct Diagnose {
  Arena *arena;
  const Program *p;
  Diags *d;
  Sets sets;
  int64_t visits;  /* nodes of all losses so far */
  int64_t revived; /* nodes of mended losses so far */
  VEC(View) view;
  Assigned *assigned; /* by LeafId */
  bool *constant;     /* by LeafId: a parameter or state that nothing in the file changes */
  const struct LeafFact *first_fact, *fact; /* by LeafId (fixpoint.h); NULL: no train step */
  Values values;                            /* of all graphs */
  VEC(Cause) cause;
  Map cause_index;
  VEC(SinkPlace) place; /* places in the text, as sinks name them */
  Map place_index;
  LeafId *starts; /* by LeafId: a parameter or state whose initial value reads this one's; UINT32_MAX */
  Map shared_cut; /* by place of a cut, made when first asked for: values that learn flow into it */
  bool shared_known, homes_known;
  Map home;        /* by hash of a step and an instance: the group that lists something of it */
  uint32_t *sinks; /* by LeafId: where its value ends up, made when first asked for */
  VEC(Finding)
  found; /* every parameter in order of declaration, each with all that was found, strongest first */
  const Map *known; /* by known_key: said already; NULL: nothing was */
} Diagnose;
static inline uint64_t known_key(DiagGroup g, Sym path) { return (uint64_t)g << 32 | path.i; }

/* diagnose.c: verdicts per loss. */
bool diagnose_run(Diagnose *x); /* false: a limit was passed, and nothing can be said */
void diagnose_one(const Program *p, const Map *known, Diags *d);
/* bound.c: the program with dims that have values; ids stay. */
const Program *diagnose_bound_program(const Program *p, const DimBinding *bind, size_t nbind, Arena *a);
/* zero.c: the differentiated copies of losses with open parameters; gradients that are zero for every input.
 */
void diagnose_gradients(Diagnose *x);
void diagnose_zero(Diagnose *x);
const char *zero_proof(const Diagnose *x, const Verdict *v); /* its class, in the contract's words */
/* stuck.c: what initial values keep: asked before diagnose_zero, so that two tables of values never live at a
 * time; told for what is open after it. */
void diagnose_at_rest(Diagnose *x);
void diagnose_stuck(Diagnose *x);
/* invariant.c: losses that do not change with a parameter. */
void diagnose_invariant(Diagnose *x, uint32_t view);
uint32_t zero_cause(Diagnose *x, Cause c); /* in Diagnose.cause; equal places are one */
/* assign.c: what `after` blocks make of parameters. */
void diagnose_assigned(Diagnose *x);
/* The `after` entries of every step whose rule moves it assign it a value that reads nothing. */
bool assigned_overwrites(const Diagnose *x, LeafId param);
/* A state of the user's that the loss of a step reads and nothing assigns. */
bool state_unassigned(const Diagnose *x, LeafId state);
/* find.c: what is found about each parameter. */
void diagnose_find(Diagnose *x);
/* Does a step's rule change the parameter? */
static inline bool rule_changes(Rule r) { return r == RULE_MOVES || r == RULE_DRIFTS; }
/* rule.c: what the steps' updates do to their parameters. */
void diagnose_rules(Diagnose *x);
/* say.c: one root cause, one message. */
void diagnose_say(Diagnose *x);
/* hygiene.c: numbers that break. */
void diagnose_hygiene(Diagnose *x, const View *v);
/* loss.c: dead terms, hints. */
void diagnose_live(Diagnose *x);
void diagnose_losses(Diagnose *x);
/* edit.c: what can be put into the text by a machine. */
typedef VEC(LeafId) LeafIds;
bool edit_shared(Diagnose *x, const View *v, Edge cut); /* values that learn elsewhere flow into that cut */
bool edit_squashed(const Diagnose *x, const View *v, NodeId comparison); /* of a probability or a draw */
/* revive.c: which of them would get a gradient once the stop_gradient of that cut is gone? */
typedef enum { REVIVES_ALL, REVIVES_SOME, REVIVES_UNKNOWN } Revives;
Revives edit_revives(Diagnose *x, const View *v, Edge cut, const LeafIds *who);
void edit_stop(const Diagnose *x, Diag *g, Span at);         /* stop_gradient(e) -> e */
void edit_step(const Diagnose *x, Diag *g, Span at, Str op); /* round(e) -> its straight-through form */
void edit_comparison(const Diagnose *x, const View *v, Diag *g, NodeId comparison, Str op); /* -> sigmoid */
/* list.c: the step that lists a parameter's siblings, or excepts it, and of whose loss it has a
 * path. */
typedef struct Home {
  uint32_t view, group; /* view UINT32_MAX: none */
  bool sure;            /* nothing else speaks for another step or list */
} Home;
Home list_home(Diagnose *x, LeafId param);
bool edit_list(Diagnose *x, const View *v, Diag *g, const LeafIds *); /* into their lists in that step */
bool edit_frozen(const Diagnose *x, Diag *g, const LeafIds *);        /* `frozen` before declarations */
/* path.c */
uint64_t flow_cut_place(const View *v, Edge e); /* equal: one cut to the user */
/* Does the step train others through the parameter, as a generator's step through its critic? */
bool flow_judges(const Diagnose *x, const View *v, LeafId param);
Str flow_path_text(const Diagnose *x, const View *v,
                   LeafId param); /* w -> @ -> pred -> mse; -/-> where it is blocked */
Str flow_op_text(const Program *p, const Graph *g, NodeId n); /* how a user writes the op: + @ relu f */
/* sink.c */
/* Named places where a parameter's value ends up, its own update and state left out; 0: nobody uses it. */
uint32_t flow_sinks(Diagnose *x, LeafId param);
Str flow_sinks_text(Diagnose *x, uint32_t set);
void flow_sinks_label(const Diagnose *x, uint32_t set, Diag *g);   /* the names that nothing reads */
bool flow_only_shape(const Diagnose *x, uint32_t set);             /* nothing but the shape is used */
Span flow_shape_place(const Diagnose *x, uint32_t set, uint8_t i); /* then: where; file 0 behind the last */
Str flow_sinks_loss(const Diagnose *x, uint32_t set);              /* a loss among them, or empty */

#endif
