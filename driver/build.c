/* build: an object and its header, for C programs without dgc. */
#include "base/clock.h"
#include "base/file.h"
#include "driver/commands.h"

#include <string.h>

/* The place asked for, or the model's name with another ending, in the current folder. */
static Str place(Options *o, OptKey k, const char *name, const char *ending) {
  return given(o, k) ? str_z(o->last[k]) : str_fmt(&o->arena, "%s%s", name, ending);
}

static void print_size(uint64_t bytes) {
  if (bytes < 10 << 10)
    printf("%llu bytes", (unsigned long long)bytes);
  else if (bytes < 10 << 20)
    printf("%llu KiB", (unsigned long long)(bytes >> 10));
  else
    printf("%llu MiB", (unsigned long long)(bytes >> 20));
}

/* What dg_build had to say that the check had not. */
static void print_from(const dg_program *p, int from) {
  for (int i = from; i < dg_diagnostic_count(p); i++) fputs(dg_diagnostic_at(p, i)->rendered, stderr);
}

static dg_status write_both(dg_context *cx, dg_program *p, Options *o, const dg_built *b, double began) {
  Str object = place(o, OPT_SAVE, b->name, ".o"), header = place(o, OPT_HEADER, b->name, ".h");
  if (file_one_target(object, header)) {
    fprintf(stderr, "dgc: object and header cannot be one file: '%s'\n", object.p);
    return DG_USAGE;
  }
  dg_status st = say(cx, dg_may_write(p, object.p));
  if (st == DG_OK) st = say(cx, dg_may_write(p, header.p));
  if (st == DG_OK) st = write_file(object, b->object, b->object_bytes);
  if (st == DG_OK) st = write_file(header, b->header, b->header_bytes);
  if (st != DG_OK || given(o, OPT_QUIET)) return st;
  printf(STRF ": ", STRA(object));
  print_size(b->object_bytes);
  printf(", %lld kernels for %s; %s_state in " STRF ": ", (long long)b->kernels, b->isa, b->name,
         STRA(header));
  print_size(b->state_bytes);
  printf("; built in %.0f ms\n", clock_ms() - began);
  return DG_OK;
}

int command_build(dg_context *cx, const Options *given_options) {
  Options *o = (Options *)(uintptr_t)given_options; /* its arena */
  double began = clock_ms();
  int64_t level = -1;
  dg_program *p;
  if (given(o, OPT_LEVEL) && !option_number(o, OPT_LEVEL, 0, 3, &level)) return DG_USAGE;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) {
    dg_build_options how = {
        .size = sizeof how, .name = o->last[OPT_NAME], .isa = o->last[OPT_ISA], .level = (int)level};
    dg_built built = {.size = sizeof built};
    int told = dg_diagnostic_count(p);
    st = dg_build(p, &how, &built);
    bool more = dg_diagnostic_count(p) > told;
    if (one_document(o))
      say_diagnostics(o, p);
    else if (more)
      print_from(p, told);
    if (!more) (void)say(cx, st);
    if (st == DG_OK) st = write_both(cx, p, o, &built, began);
  }
  dg_program_free(p);
  return (int)st;
}
