/* What a run of programs has seen: ops of the graphs, words of the text, features of the language. */
#ifndef DG_TESTS_FUZZ_MODELS_COVER_H
#define DG_TESTS_FUZZ_MODELS_COVER_H

#include "feature.h"
#include "ir/graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

extern const char *const feature_text[FEATURES];

enum { COVER_WORDS = 512, COVER_TYPES = 8 };
typedef struct Cover {
  long op[OP_COUNT], op_type[OP_COUNT][COVER_TYPES], word[COVER_WORDS], feature[FEATURES];
  long wrong[1000]; /* by code: mistakes that got it */
} Cover;

/* The one that is counted in, in memory that processes share; NULL: nothing is counted. */
void cover_begin(Cover *shared);
void cover_graph(const Graph *g);  /* as elaborated: with GRAD, STOP, CUSTOM */
void cover_orders(const Graph *g); /* as it runs, all extents known: the ways to add */
void cover_text(const char *text); /* built-in functions, the standard library's names */
/* Prints what was seen; false: something was not that ought to have been. */
bool cover_print(const Cover *c, bool complete);

#endif
