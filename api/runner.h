/* One entry point ready to run in one session: shared code, and memory of its own. */
#ifndef DG_API_RUNNER_H
#define DG_API_RUNNER_H

#include "api/code.h"
#include "runtime/core/pool.h"

typedef struct Runner {
  Arena arena; /* values, and what the session keeps with them */
  dg_program *p;
  const Code *code;
  struct Exec *exec; /* NULL: interpreted */
  Tensor *value;     /* by root: where its value stands after a run (not for ASSIGN) */
  ArenaMark values;  /* interpreted: what a run allocates starts here */
} Runner;

/* Memory comes from the context's Mem, which is a session's own. pool: native, whose threads; NULL: the
 * caller alone. ST_REJECTED: *why says what does not fit. */
MUST_USE Status runner_new(dg_program *p, dg_context *cx, const CodeKey *key, Pool *pool, Runner **out,
                           Sb *why);
void runner_free(Runner *r);
/* Runs once. data[leaf] is the buffer of each leaf read or assigned; assignments are written there at the
 * end. */
MUST_USE Status runner_run(Runner *r, void *const *data, const HostEntry *host, const uint32_t *stop,
                           Sb *why);

#endif
