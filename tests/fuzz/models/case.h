/* A program to be checked and what it is given. The first lines of its text say it, so that a file alone can
 * be checked again:
 *
 *     // case: N = 5, M = 3, rows = 0, data = 77, specials = 0
 *     // expect: DG0206 at 17        (only of a program with a mistake)
 *     // no duals                    (only where dual numbers are not the gradient) */
#ifndef DG_TESTS_FUZZ_MODELS_CASE_H
#define DG_TESTS_FUZZ_MODELS_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT = 1 << 16 };

typedef struct Case {
  char text[TEXT];
  int N, M;           /* values of the dim symbols */
  int rows;           /* of the data files; 0: none */
  unsigned long data; /* seed of the inputs' values */
  bool specials;      /* infinities, NaN, signed zeros, subnormals among them */
  bool no_duals;
  char expect[8]; /* code of the only error, "" for a good program */
  int line;       /* of it */
} Case;

/* Reads the head lines of c->text into the fields; false: there are none. */
bool case_read(Case *c);
/* Writes the fields into the head lines of `to`, then the program. */
void case_write(const Case *c, const char *program, char *to, size_t n);
/* The text behind the head lines. */
const char *case_program(const Case *c);

/* What is done with a case: bits. */
enum {
  DO_PLAN = 1,    /* every entry: kernels by plan_eval against the interpreter */
  DO_DUALS = 2,   /* gradients against duals, verdicts against gradients */
  DO_NATIVE = 4,  /* native code of one configuration against the interpreter, through the library */
  DO_MATRIX = 8,  /* of every level, instruction set and some numbers of threads */
  DO_TRAIN = 16,  /* data sets: training, saving, resuming */
  DO_WRONG = 32,  /* the expected error and no other */
  DO_REST = 64,   /* verdicts about steps against steps from the initial values */
  DO_FORMS = 128, /* verdicts of the same program in other words */
};

/* Verdicts about steps. */
typedef enum { SEEN_ZERO, SEEN_STUCK, SEEN_SYMMETRIC, SEEN_PARTIAL, SEEN_LATE, SEEN_IDLE, SEEN_KINDS } Seen;

enum { BODY_PLANTS = 14 }; /* what plant.c puts into bodies */

typedef struct Fault { /* shared with the process that checks */
  char stage[24];      /* of the check; "" when all is well */
  char detail[400];
  double worst;   /* error of a gradient */
  int gradients;  /* compared with duals */
  int dead, zero; /* parameters that a verdict calls dead, held against the gradient; those of algebra */
  int seen[SEEN_KINDS], planted[SEEN_KINDS]; /* verdicts held against steps; those of what plant.c planted */
  int body_planted[BODY_PLANTS], body_seen[BODY_PLANTS]; /* those with the verdict that belongs to them */
  int steps;
  int forms; /* other words for it */
} Fault;

/* Checks c in a process of its own, at most `seconds`. False: a finding. */
bool case_check(const Case *c, unsigned what, unsigned seconds, Fault *f);
/* The same in this process: crashes are the caller's. */
bool case_check_here(const Case *c, unsigned what, Fault *f);
/* A smaller case with a finding at the same stage. */
void case_reduce(Case *c, unsigned what, const Fault *f, unsigned seconds);

__attribute__((format(printf, 3, 4))) bool finding(Fault *f, const char *stage, const char *why, ...);

#endif
