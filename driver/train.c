/* train, eval, predict: the summary, the progress of a run, stopping by signal. */
#include "driver/commands.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t
    interrupted; /* the signal's number; the one global the language leaves no way around */

static void on_signal(int sig) {
  if (interrupted) _exit(128 + sig); /* the second one does not wait */
  interrupted = sig;
}

/* A hang-up that nohup has set to be ignored stays so. SIGINT is caught even where it is ignored, as it is
 * for a script's background jobs: who sends it to one wants it stopped. */
static void catch_signals(void) {
  struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGINT, &ours, NULL);
  sigaction(SIGTERM, &ours, NULL);
  if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(SIGHUP, &ours, NULL);
}

/* [SET:]INPUT=FILE[:PART] */
static dg_status feed(dg_context *cx, dg_session *s, const char *text) {
  char set[32] = "train", input[256], path[4096];
  const char *at = text, *colon = strchr(text, ':'), *eq = strchr(text, '=');
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

/* A session as the options ask for it, with weights and data. */
static dg_status open_session(dg_context *cx, const Options *o, dg_program *p, bool training,
                              dg_session **out) {
  dg_session_options so;
  dg_session_options_init(&so);
  int64_t threads = 0, seed = 0, level = -1;
  if (!option_number(o, OPT_THREADS, 1, 256, &threads) || !option_number(o, OPT_SEED, 0, INT32_MAX, &seed) ||
      !option_number(o, OPT_LEVEL, 0, 3, &level))
    return DG_USAGE;
  so.threads = (int)threads, so.seed = (uint32_t)seed, so.level = (int)level;
  so.interpret = given(o, OPT_INTERPRET), so.isa = o->last[OPT_ISA];
  dg_status st = say(cx, dg_session_new(p, &so, out));
  if (st == DG_OK) st = load(cx, o, *out, training);
  for (int i = 0; i < o->ngiven && st == DG_OK; i++)
    if (o->given[i].key == OPT_DATA) st = feed(cx, *out, o->given[i].text);
  return st;
}

typedef struct Show {
  bool quiet, terminal, drawn;
  double shown;           /* seconds of the epoch when last drawn */
  int64_t epochs, rounds; /* finished in this run */
  dg_progress last;
} Show;

enum { EPOCH_LINES = 100 }; /* with more epochs than that, not each has a line */

static bool worth_a_line(const Show *w, const dg_progress *g) {
  switch (g->at) {
  case DG_AT_START:
  case DG_AT_END: return true;
  case DG_AT_STEP: return w->terminal && (g->seconds - w->shown > 0.1 || g->batch == g->batches);
  case DG_AT_EPOCH: {
    int64_t nth = g->epochs / EPOCH_LINES + (g->epochs % EPOCH_LINES != 0);
    return g->epoch == 1 || g->epoch == g->epochs || g->epoch % nth == 0;
  }
  }
  return false;
}

/* Of the terminal, which may change; on a pipe a width at which reasons are whole but for the longest. */
static int columns_out(void) {
  struct winsize size;
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20
             ? size.ws_col - 1
             : 139;
}

/* On a terminal the bar of an epoch is drawn over, until the epoch's line takes its place. */
static int show(void *user, const dg_progress *g) {
  Show *w = user;
  char line[1024];
  if (g->at != DG_AT_END) w->last = *g;
  w->rounds += g->at == DG_AT_STEP;
  w->epochs += g->at == DG_AT_EPOCH;
  if (!w->quiet && worth_a_line(w, g)) {
    if (w->drawn) fputs("\r\033[K", stdout);
    w->drawn = g->at == DG_AT_STEP;
    w->shown = g->at == DG_AT_STEP ? g->seconds : 0;
    if (dg_progress_line(g, columns_out(), line, sizeof line)) {
      fputs(line, stdout);
      if (!w->drawn) fputc('\n', stdout);
    }
    fflush(stdout);
  }
  return interrupted != 0 || ferror(stdout);
}

enum { SUMMARY_ROWS = 40, REASON_COLUMNS = 30 };

static void print_cut(const char *line, int n, int most) {
  bool cut = n > most;
  if (cut) n = most > 4 ? most - 4 : 0;
  while (n && line[n - 1] == ' ') n--;
  printf("%.*s%s\n", n, line, cut && most > 4 ? " ..." : "");
}

/* The table of parameters and their total. The last column, the reason, is cut, or left out where there is
 * little room; of very many parameters the first are shown. */
static void print_report(const char *text, int64_t total, int columns) {
  const char *reason = strstr(text, "reason"), *count = strstr(text, "count");
  if (!reason || !count) return;
  int at = (int)(reason - text), end = (int)(count - text) + 5, rows = 0, more = 0;
  bool reasons = columns - at >= REASON_COLUMNS;
  while (*text) {
    int n = (int)strcspn(text, "\n");
    if (rows++ > SUMMARY_ROWS)
      more++;
    else
      print_cut(text, reasons || n < at ? n : at, columns);
    text += n + (text[n] == '\n');
  }
  if (more) printf("... and %d more: dgc check --report=table shows all\n", more);
  if (rows > 2) printf("%-*s%*lld  numbers to train\n", end - 20, "total", 20, (long long)total);
}

static void summary(dg_program *p, dg_session *s, const char *step, int columns) {
  dg_facts f;
  char line[256];
  if (dg_session_facts(s, step, &f) != DG_OK) return;
  print_report(dg_report(p), f.parameters, columns);
  if (!dg_facts_line(&f, line, sizeof line)) return;
  char *half = (int)strlen(line) > columns ? strstr(line, "; ") : NULL;
  if (half) *half = 0, half += 2;
  puts(line);
  if (half) puts(half);
}

/* What may help when a step was not finite. Rates and clipping work on what steps make of the parameters: not
 * on the first loss, and hardly on what is no number without having been large. */
static const char *advice(const char *error) {
  long long step = 0;
  bool first = sscanf(error, "step %lld of", &step) == 1 && step == 1;
  bool no_number = strstr(error, "not a number") != NULL;
  if (first && (no_number || strstr(error, "the loss")))
    return "no step came before it, so no learning rate and no clipping changes that: look for a division, "
           "a logarithm, a root or a power at the edge of its domain, and at the data";
  if (no_number)
    return "if the loss grew before, a smaller learning rate or 'clip_norm = 1' may help; if not, look for a "
           "division, a logarithm, a root or a power at the edge of its domain";
  return "a smaller learning rate or 'clip_norm = 1' may keep the numbers finite";
}

/* What the numbers alone do not say: that it was stopped and how it goes on, or that there was nothing to do.
 */
static void ending(const dg_context *cx, const Show *w, dg_status st, const char *save) {
  const dg_progress *g = &w->last;
  if (st == DG_NON_FINITE && save && w->epochs)
    fprintf(stderr, "dgc: %s holds the end of epoch %lld\n", save,
            (long long)(g->at == DG_AT_EPOCH ? g->epoch : g->epoch - 1));
  if (st == DG_NON_FINITE) fprintf(stderr, "dgc: %s\n", advice(dg_error(cx)));
  if (st != DG_OK) return;
  if (interrupted && g->epochs && !w->quiet)
    printf("stopped in epoch %lld of %lld; %s%s\n", (long long)(g->epoch ? g->epoch : 1),
           (long long)g->epochs, save ? "go on with --resume " : "nothing is saved without --save",
           save ? save : "");
  else if (!w->rounds && !w->quiet)
    printf("nothing was left to train: --epochs and --steps of the train block count what the checkpoint has "
           "done\n");
}

int command_train(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_session *s = NULL;
  dg_train_options to;
  dg_train_options_init(&to);
  if (!option_number(o, OPT_EPOCHS, 1, INT64_MAX, &to.epochs) ||
      !option_number(o, OPT_BATCH, 1, INT64_MAX, &to.batch) ||
      !option_number(o, OPT_STEPS, 1, INT64_MAX, &to.steps))
    return DG_USAGE;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = open_session(cx, o, p, true, &s);
  if (st == DG_OK) {
    catch_signals();
    Show w = {.quiet = given(o, OPT_QUIET), .terminal = isatty(STDOUT_FILENO)};
    to.step = o->last[OPT_STEP], to.save = o->last[OPT_SAVE], to.progress = show, to.user = &w;
    st = say(cx, dg_train_prepare(s, &to));
    if (st == DG_OK && !w.quiet) summary(p, s, to.step, columns_out());
    fflush(stdout);
    if (st == DG_OK) st = say(cx, dg_train(s, &to, NULL));
    if (w.drawn) fputc('\n', stdout);
    if (st == DG_OK && to.save && !w.quiet) printf("saved %s\n", to.save);
    ending(cx, &w, st, to.save);
  }
  dg_session_free(s);
  dg_program_free(p);
  return st == DG_OK && interrupted ? 128 + interrupted : (int)st;
}

int command_eval(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_session *s = NULL;
  int64_t batch = 0;
  if (!option_number(o, OPT_BATCH, 1, INT64_MAX, &batch)) return DG_USAGE;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = open_session(cx, o, p, false, &s);
  if (st == DG_OK) st = say(cx, dg_evaluate_set(s, NULL, batch));
  for (int kind = DG_LOSS; st == DG_OK && kind <= DG_METRIC; kind++)
    for (int i = 0; i < dg_name_count(p, (dg_kind)kind); i++) {
      double v;
      if (dg_value(s, dg_name_at(p, (dg_kind)kind, i), &v) == DG_OK)
        printf("%s %.6g\n", dg_name_at(p, (dg_kind)kind, i), v);
    }
  dg_session_free(s);
  dg_program_free(p);
  return (int)st;
}

/* One line a row for outputs of rank 1 or 2, else the shape and the first numbers. */
static void print_output(const char *name, const dg_array *a) {
  int64_t rows = a->rank ? a->extent[0] : 1, row = 1;
  for (int i = 1; i < a->rank; i++) row *= a->extent[i]; /* fits: the session holds that many elements */
  printf("%s:\n", name);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < row; c++) {
      int64_t i = r * row + c;
      if (c) putchar(' ');
      switch (a->dtype) {
      case DG_F32: printf("%.6g", (double)((float *)a->data)[i]); break;
      case DG_F64: printf("%.12g", ((double *)a->data)[i]); break;
      case DG_I32:
      case DG_BOOL: printf("%d", ((int32_t *)a->data)[i]); break;
      case DG_I64: printf("%lld", (long long)((int64_t *)a->data)[i]); break;
      }
    }
    putchar('\n');
  }
}

int command_predict(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_session *s = NULL;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = open_session(cx, o, p, false, &s);
  for (int i = 0; i < o->ngiven && st == DG_OK; i++)
    if (o->given[i].key == OPT_INPUT) st = feed(cx, s, o->given[i].text);
  if (st == DG_OK) st = say(cx, dg_predict_set(s, "train"));
  for (int i = 0; st == DG_OK && i < dg_name_count(p, DG_OUTPUT); i++) {
    dg_array a;
    st = say(cx, dg_read(s, dg_name_at(p, DG_OUTPUT, i), &a));
    if (st == DG_OK) print_output(dg_name_at(p, DG_OUTPUT, i), &a);
  }
  dg_session_free(s);
  dg_program_free(p);
  return (int)st;
}
