/* train: the summary, the progress of a run, stopping by signal. */
#include "driver/commands.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
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

typedef struct Show {
  bool quiet, terminal, drawn;
  double shown;           /* seconds of the epoch when last drawn */
  char pending[1024];     /* the line of an epoch that was not worth one, in case it is the last */
  int64_t epochs, rounds; /* finished in this run */
  dg_progress last;
} Show;

enum { EPOCH_LINES = 100 }; /* with more epochs than that, not each has a line */

static bool worth_a_line(const Show *w, const dg_progress *g) {
  switch (g->at) {
  case DG_AT_START:
  case DG_AT_PART:
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

/* What the whole process held at most. */
static void say_memory(void) {
  struct rusage u;
  if (getrusage(RUSAGE_SELF, &u) == 0 && u.ru_maxrss > 0)
    printf("; at most %.1f MB of memory", (double)u.ru_maxrss * 1024 / 1e6);
}

/* On a terminal the bar of an epoch is drawn over, until the epoch's line takes its place. */
static int show(void *user, const dg_progress *g) {
  Show *w = user;
  char line[1024];
  if (g->at != DG_AT_END) w->last = *g;
  w->rounds += g->at == DG_AT_STEP;
  w->epochs += g->at == DG_AT_EPOCH;
  if (g->at == DG_AT_EPOCH || g->at == DG_AT_PART) *w->pending = 0;
  if (!w->quiet && g->at == DG_AT_EPOCH && !worth_a_line(w, g))
    (void)dg_progress_line(g, columns_out(), w->pending, sizeof w->pending);
  if (!w->quiet && worth_a_line(w, g)) {
    if (w->drawn) fputs("\r\033[K", stdout);
    w->drawn = g->at == DG_AT_STEP;
    w->shown = g->at == DG_AT_STEP ? g->seconds : 0;
    if (g->at == DG_AT_START && *g->instead) puts(g->instead);
    if (g->at == DG_AT_END && *w->pending) puts(w->pending);
    if (dg_progress_line(g, columns_out(), line, sizeof line)) {
      fputs(line, stdout);
      if (g->at == DG_AT_END) say_memory();
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

static void summary(dg_session *s, const char *step, int columns) {
  dg_facts f = {.size = sizeof f};
  char line[256];
  const char *table;
  if (dg_session_facts(s, step, &f) != DG_OK || dg_session_report(s, step, &table) != DG_OK) return;
  print_report(table, f.parameters, columns);
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
  if (strstr(error, "the state"))
    return "gradients are too large for what the optimizer keeps of them: 'clip_norm = 1', or a smaller "
           "factor "
           "before the loss";
  if (no_number)
    return "if the loss grew before, a smaller learning rate or 'clip_norm = 1' may help; if not, look for a "
           "division, a logarithm, a root or a power at the edge of its domain";
  return "a smaller learning rate or 'clip_norm = 1' may keep the numbers finite";
}

/* What the numbers alone do not say: that it was stopped and how it goes on, or that there was nothing to do.
 */
static void ending(const dg_context *cx, const Show *w, dg_status st, const char *save) {
  const dg_progress *g = &w->last;
  if (st != DG_OK && save && g->saved_epoch >= 0 && g->saved_batch)
    fprintf(stderr, "dgc: %s holds the state behind batch %lld of epoch %lld\n", save,
            (long long)g->saved_batch, (long long)g->saved_epoch + 1);
  else if (st != DG_OK && save && g->saved_epoch > 0)
    fprintf(stderr, "dgc: %s holds the end of epoch %lld\n", save, (long long)g->saved_epoch);
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
  dg_train_options_init(&to, sizeof to);
  if (!option_number(o, OPT_EPOCHS, 1, INT64_MAX, &to.epochs) ||
      !option_number(o, OPT_BATCH, 1, INT64_MAX, &to.batch) ||
      !option_number(o, OPT_STEPS, 1, INT64_MAX, &to.steps))
    return DG_USAGE;
  dg_status st = check_subject(cx, o, &p);
  bool waits = st == DG_OK && one_document(o);
  if (st == DG_OK) st = session_open(cx, o, p, true, &s);
  if (st == DG_OK) {
    catch_signals();
    Show w = {.quiet = given(o, OPT_QUIET), .terminal = isatty(STDOUT_FILENO)};
    to.step = o->last[OPT_STEP], to.save = o->last[OPT_SAVE], to.progress = show, to.user = &w;
    st = say(cx, dg_train_prepare(s, &to));
    if (st == DG_OK) waits = false, st = say_bound(cx, o, p, s);
    if (st == DG_OK && !w.quiet) summary(s, to.step, columns_out());
    fflush(stdout);
    if (st == DG_OK) st = say(cx, dg_train(s, &to, NULL));
    if (w.drawn) fputc('\n', stdout);
    if (st == DG_OK && to.save && !w.quiet) printf("saved %s\n", to.save);
    ending(cx, &w, st, to.save);
  }
  if (waits) say_diagnostics(o, p); /* no data came */
  dg_session_free(s);
  dg_program_free(p);
  return st == DG_OK && interrupted ? 128 + interrupted : (int)st;
}
