/* Inside the checker: a case that has been read, and the values it is given. */
#ifndef DG_TESTS_FUZZ_MODELS_CHECK_H
#define DG_TESTS_FUZZ_MODELS_CHECK_H

#include "base/mem.h"
#include "case.h"
#include "cover.h"
#include "dg/dg.h"
#include "frontend/frontend.h"
#include "ir/graph/program.h"
#include "ir/interpret/interp.h"

#include <stdio.h>
#include <string.h>

typedef struct Loaded {
  Arena *arena;
  Names names;
  Sources sources;
  Limits limits;
  Diags diags;
  Program p;
  DimBinding bind[2];
  size_t nbind;
} Loaded;

/* Reads and elaborates; false: a finding. */
bool load_case(const Case *c, const char *text, Arena *a, Loaded *l, Fault *f);
/* All dims bound. */
Type load_type(const Loaded *l, const Type *t);

/* The same numbers for the same case, name and count, whoever asks. `rows` > 0: of a file with so many rows.
 */
void value_fill(const Case *c, const Leaf *leaf, const Names *names, DType t, size_t count, bool wide,
                void *to);
/* The functions of the host that programs call. */
extern const char *const host_name[2];
int host_half(void *user, const dg_array *in, int n, dg_array *out);
int host_mix(void *user, const dg_array *in, int n, dg_array *out);
const HostEntry *host_entries(const Loaded *l, Arena *a);

dg_dtype host_dtype(DType t);
bool same_bits(const dg_array *a, const dg_array *b);
size_t array_count(const dg_array *a);

/* The checks; each returns false with a finding. */
bool check_plans(const Case *c, Loaded *l, Arena *a, Fault *f);
bool check_gradients(const Case *c, Loaded *l, Arena *a, Fault *f);
bool check_rest(const Case *c, Loaded *l, Arena *a, Fault *f);
bool check_forms(const Case *c, Loaded *l, Arena *a, Fault *f);
bool check_run(const Case *c, const Loaded *l, unsigned what, Fault *f);
bool check_train(const Case *c, const Loaded *l, Fault *f);
bool check_wrong(const Case *c, Fault *f);

/* A session of the library on the case's program. */
typedef struct Config {
  int interpret, threads, level;
  const char *isa;
} Config;
typedef struct Host { /* a program and the buffers of its inputs, for any number of sessions */
  dg_context *cx;
  dg_program *p;
  int inputs;
  const char *name[32];
  dg_array array[32];
} Host;
bool host_open(const Case *c, const Loaded *l, const char *path, Host *h, Fault *f);
void host_close(Host *h);
dg_session *host_session(const Case *c, const Host *h, const Config *k, Fault *f);
bool host_same(const Host *h, dg_session *a, dg_session *b, dg_kind kind, const char *when, Fault *f);

#endif
