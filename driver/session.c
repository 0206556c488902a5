/* A session as the command line asks for it: options, weights, data. */
#include "driver/commands.h"

#include <string.h>
#include <unistd.h>

dg_status session_feed(dg_context *cx, dg_session *s, const char *text, const char *otherwise) {
  char set[32], input[256], path[4096];
  const char *at = text, *colon = strchr(text, ':'), *eq = strchr(text, '=');
  snprintf(set, sizeof set, "%s", otherwise);
  if (colon && eq && colon < eq) {
    snprintf(set, sizeof set, "%.*s", (int)(colon - text < 30 ? colon - text : 30), text);
    at = colon + 1;
  }
  if (!eq || eq == at || (size_t)(eq - at) >= sizeof input || strlen(eq + 1) >= sizeof path) {
    fprintf(stderr, "dgc: --data=%s: write [SET:]INPUT=FILE[:PART]\n", text);
    return DG_USAGE;
  }
  snprintf(input, sizeof input, "%.*s", (int)(eq - at), at);
  snprintf(path, sizeof path, "%s", eq + 1);
  char *columns = access(path, F_OK) ? strrchr(path, ':') : NULL; /* a name may have a colon of its own */
  if (columns) *columns++ = 0;
  return say(cx, dg_data(s, set, input, path, columns));
}

enum { MISSING_SHOWN = 5 };

/* Parameters and states of a file; eval and predict also draw as the run that saved it did. */
static dg_status load(dg_context *cx, const Options *o, dg_session *s, bool training) {
  const char *file = o->last[OPT_RESUME];
  if (file) return say(cx, dg_load(s, file, DG_LOAD_ALL));
  file = o->last[OPT_LOAD];
  if (!file) return DG_OK;
  dg_status st = say(cx, dg_load(s, file, training || given(o, OPT_SEED) ? DG_LOAD_MODEL : DG_LOAD_TRAINED));
  int missing = st == DG_OK ? dg_missing_count(s) : 0;
  if (!missing) return st;
  fprintf(stderr, "dgc: %s does not hold the state%s ", file, missing > 1 ? "s" : "");
  for (int i = 0; i < missing && i < MISSING_SHOWN; i++)
    fprintf(stderr, "%s'%s'", i ? ", " : "", dg_missing_at(s, i));
  if (missing > MISSING_SHOWN) fprintf(stderr, " and %d more", missing - MISSING_SHOWN);
  fprintf(stderr, ": %s first value%s\n", missing > 1 ? "they keep their" : "it keeps its",
          missing > 1 ? "s" : "");
  return st;
}

dg_status session_fits(dg_context *cx, const Options *o, dg_program *p) {
  dg_session *s;
  dg_session_options so;
  dg_session_options_init(&so, sizeof so);
  so.interpret = 1;
  if (!given(o, OPT_LOAD) && !given(o, OPT_RESUME)) return DG_OK;
  dg_status st = say(cx, dg_session_new(p, &so, &s));
  if (st == DG_OK) st = load(cx, o, s, true);
  dg_session_free(s);
  return st;
}

dg_status session_open(dg_context *cx, const Options *o, dg_program *p, bool training, dg_session **out) {
  dg_session_options so;
  dg_session_options_init(&so, sizeof so);
  int64_t threads = 0, seed = 0, level = -1;
  if (!option_number(o, OPT_THREADS, 1, 256, &threads) || !option_number(o, OPT_SEED, 0, INT32_MAX, &seed) ||
      !option_number(o, OPT_LEVEL, 0, 3, &level))
    return DG_USAGE;
  so.threads = (int)threads, so.seed = (uint32_t)seed, so.level = (int)level;
  so.interpret = given(o, OPT_INTERPRET), so.isa = o->last[OPT_ISA];
  dg_status st = say(cx, dg_session_new(p, &so, out));
  for (int i = 0; st == DG_OK && i < dg_session_note_count(*out); i++)
    fprintf(stderr, "dgc: %s\n", dg_session_note_at(*out, i));
  if (st == DG_OK) st = load(cx, o, *out, training);
  for (int i = 0; i < o->ngiven && st == DG_OK; i++)
    if (o->given[i].key == OPT_DATA)
      st = session_feed(cx, *out, o->given[i].text, training ? "train" : "test");
  return st;
}
