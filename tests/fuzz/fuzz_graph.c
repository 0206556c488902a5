/* The graph's text form on any bytes: it ends, what it refuses it explains, what it accepts is verified and
 * prints to a text that reads back to itself; and scalar text, which the same lines are tried as. */
#include "ir/graph/program.h"
#include "ir/scalar/op_program.h"
#include "tests/fuzz/guarded.h"

typedef struct Run {
  Names names;
  Sources sources;
  Limits limits;
  Program program;
  Graph *graph;
} Run;

static bool read_text(Run *r, Arena *a, Str text) {
  Sb why;
  names_init(&r->names, a);
  sources_init(&r->sources, a);
  limits_init(&r->limits);
  program_init(&r->program, a, &r->names, &r->sources, &r->limits);
  sb_init(&why, a);
  bool ok = graph_parse(&r->program, text, &r->graph, &why);
  if (!ok && !why.n) abort();
  return ok;
}

static void check(Arena *a, Str text) {
  Run one, two;
  Sb b, c, why;
  ScalarInput in[] = {{"x", DT_F32}, {"y", DT_F32}, {"z", DT_F32}};
  sb_init(&why, a);
  const Scalar *p = text.n < 200 ? scalar_parse(a, text, in, 3, DT_F32, &why) : NULL;
  if (p && !scalar_verify(p, &why)) abort();
  if (!read_text(&one, a, text)) return;
  sb_init(&b, a);
  graph_print(one.graph, &b);
  if (!read_text(&two, a, sb_str(&b))) abort();
  sb_init(&c, a);
  graph_print(two.graph, &c);
  if (!str_eq(sb_str(&b), sb_str(&c))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) { return guarded(check, data, n, ST_LIMIT); }
