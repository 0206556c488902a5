/* The features of the language that are counted (features.def). */
#ifndef DG_TESTS_FUZZ_MODELS_FEATURE_H
#define DG_TESTS_FUZZ_MODELS_FEATURE_H

typedef enum {
#define FEATURE(id, text) FEAT_##id,
#include "features.def"
#undef FEATURE
  FEATURES
} Feature;

void cover_feature(Feature f);      /* seen once more */
void cover_wrong(const char *code); /* a mistake that has it was made */

#endif
