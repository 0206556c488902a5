/* Reads the command line and prints help and the man page, all from options.def. */
#include "driver/options.h"

#include "base/diag.h"
#include "base/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct Row {
  const char *name;
  int letter;
  const char *arg, *commands, *help;
} rows[OPT_COUNT] = {
#define OPT(key, long, short, arg, cmds, help) [OPT_##key] = {long, short, arg, cmds, help},
#include "driver/options.def"
#undef OPT
};

static const struct {
  const char *name;
  char letter;
  const char *args, *help;
} commands[CMD_COUNT] = {
    [CMD_CHECK] = {"check", 'c', "MODEL.dg", "read, check, and report what will not train (the default)"},
    [CMD_TRAIN] = {"train", 't', "MODEL.dg", "compile and train"},
    [CMD_EVAL] = {"eval", 'e', "MODEL.dg", "losses and metrics over a data set"},
    [CMD_PREDICT] = {"predict", 'p', "MODEL.dg", "outputs for given rows"},
    [CMD_EXPLAIN] = {"explain", 'x', "CODE", "the page of a diagnostic, e.g. DG0304"},
    [CMD_FMT] = {"fmt", 'f', "MODEL.dg", "print the file in the standard layout"},
};

static const struct {
  int status;
  const char *text;
} statuses[] = {
    {DG_OK, "fine, warnings included"},
    {DG_REJECTED, "the program is rejected, or what was asked does not fit it"},
    {DG_USAGE, "the command line is wrong"},
    {DG_BAD_DATA, "a data file or checkpoint is invalid"},
    {DG_IO, "the system refused to read or write"},
    {DG_LIMIT, "a named limit was exceeded"},
    {DG_NO_MEMORY, "no memory"},
    {DG_NON_FINITE, "training met a NaN or an infinity"},
    {DG_MISMATCH, "a checkpoint of another program"},
    {DG_INTERNAL, "a defect of dgc"},
    {130, "stopped by Ctrl-C, after saving (143: SIGTERM, 129: SIGHUP)"},
};

static const struct {
  const char *name, *help;
  int64_t value;
} limit_rows[] = {
#define X(name, dflt, help) {#name, help, dflt},
    LIMITS(X)
#undef X
};
enum { LIMIT_COUNT = sizeof limit_rows / sizeof *limit_rows };

/* 16 MiB, 2000000: what is a power of two above a million is shown in units. */
static const char *limit_text(int64_t v, char z[32]) {
  static const char *const unit[] = {"", " KiB", " MiB", " GiB", " TiB"};
  int k = 0;
  while (k < 4 && v >= 1 << 20 && v % 1024 == 0) v /= 1024, k++;
  while (k && k < 4 && v >= 1024 && v % 1024 == 0) v /= 1024, k++;
  snprintf(z, 32, "%lld%s", (long long)v, unit[k]);
  return z;
}

static bool belongs(const struct Row *r, Command c) {
  return strchr(r->commands, commands[c].letter) ||
         (strchr(r->commands, '*') && strchr("ctep", commands[c].letter));
}

/* `left`, then `right` from column `at` on, in lines of at most 79. */
static void help_columns(FILE *f, const char *left, int at, const char *right) {
  int room = 79 - at, used = (int)strlen(left);
  if (used >= at)
    fprintf(f, "%s\n%*s", left, at, "");
  else
    fprintf(f, "%-*s", at, left);
  while ((int)strlen(right) > room) {
    int n = room;
    while (n && right[n] != ' ') n--;
    if (!n) break;
    fprintf(f, "%.*s\n%*s", n, right, at, "");
    right += n + 1;
  }
  fprintf(f, "%s\n", right);
}

static void help_row(FILE *f, const struct Row *r) {
  char left[80];
  int n =
      r->letter ? snprintf(left, sizeof left, "  -%c, ", r->letter) : snprintf(left, sizeof left, "      ");
  snprintf(left + n, sizeof left - (size_t)n, r->arg ? "--%s=%s" : "--%s", r->name, r->arg);
  help_columns(f, left, 31, r->help);
}

/* Options by the commands that take them. */
static const struct {
  const char *title, *set;
} part[] = {{"all commands", "*"},    {"check", "c"}, {"train, eval and predict", "tep"},
            {"train and eval", "te"}, {"train", "t"}, {"predict", "p"}};

static bool in_part(int i, size_t p) {
  return !strcmp(rows[i].commands[0] == 'c' ? "c" : rows[i].commands,
                 part[p].set); /* cx: of check and explain */
}

void options_help(FILE *f) {
  fputs("usage: dgc [COMMAND] [OPTION]... MODEL.dg\n\n"
        "Proves which parameters of a model will not train, and trains it as native code.\n\ncommands:\n",
        f);
  for (int c = 0; c < CMD_COUNT; c++)
    fprintf(f, "  %-8s %-10s %s\n", commands[c].name, commands[c].args, commands[c].help);
  for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
    fprintf(f, "\noptions of %s:\n", part[p].title);
    for (int i = 0; i < OPT_COUNT; i++) {
      if (in_part(i, p)) help_row(f, &rows[i]);
    }
  }
  fputc('\n', f);
  help_columns(f, "  -h, --help[=TOPIC]", 31,
               "this text; TOPIC limits: the named limits; warnings: the groups of -W");
  help_columns(f, "      --version", 31, "the versions of dgc and of its code generator");
  help_columns(f, "      --man", 31, "the manual page: dgc --man | man -l -");
  fputs("\nexit status:\n", f);
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    fprintf(f, "  %3d  %s\n", statuses[i].status, statuses[i].text);
}

static void man_text(FILE *f, const char *s) {
  for (; *s; s++) {
    if (*s == '-' || *s == '\\') fputc('\\', f);
    fputc(*s, f);
  }
}

static void man_item(FILE *f, const char *name, const char *help) {
  fputs(".TP\n.B ", f);
  man_text(f, name);
  fputc('\n', f);
  man_text(f, help);
  fputc('\n', f);
}

static void man_row(FILE *f, int letter, const char *name, const char *arg, const char *help) {
  char left[80];
  int n = letter ? snprintf(left, sizeof left, "-%c, ", letter) : 0;
  snprintf(left + n, sizeof left - (size_t)n, arg ? "--%s=%s" : "--%s", name, arg);
  man_item(f, left, help);
}

static const struct {
  const char *name, *help;
} groups[] = {
#define GROUP(id, name, parent, sev, help) {name, help},
#define DIAG(code, fn, group, params, args, fmt)
#include "base/diag.def"
#undef GROUP
#undef DIAG
};

void options_man(FILE *f) {
  fprintf(f,
          ".TH DGC 1 \"\" \"dgc %s\"\n.nh\n.ad l\n.SH NAME\ndgc \\- static compiler for differentiable "
          "programs\n.SH "
          "SYNOPSIS\n"
          ".B dgc\n[COMMAND] [OPTION]... MODEL.dg\n.SH DESCRIPTION\n"
          "Proves which trainable parameters of a model will not learn, says why and where, and trains it as "
          "native code.\n"
          ".SH COMMANDS\n",
          dg_version());
  for (int c = 0; c < CMD_COUNT; c++)
    fprintf(f, ".TP\n.B %s %s\n%s\n", commands[c].name, commands[c].args, commands[c].help);
  fputs(".SH OPTIONS\n", f);
  for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
    fprintf(f, ".SS Of %s\n", part[p].title);
    for (int i = 0; i < OPT_COUNT; i++)
      if (in_part(i, p)) man_row(f, rows[i].letter, rows[i].name, rows[i].arg, rows[i].help);
  }
  fputs(".SS About dgc\n", f);
  man_row(f, 'h', "help[=limits|warnings]", NULL, "a summary; the named limits; the groups of -W");
  man_row(f, 0, "version", NULL, "the versions of dgc and of its code generator");
  man_row(f, 0, "man", NULL, "this page, for man(1)");
  fputs(".SH WARNINGS\nGroups for -W, -Wno- and -Werror=. Plain -Werror takes all but hints.\n", f);
  for (size_t i = 1; i < sizeof groups / sizeof *groups; i++) man_item(f, groups[i].name, groups[i].help);
  fputs(".SH EXIT STATUS\n", f);
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    fprintf(f, ".TP\n.B %d\n%s\n", statuses[i].status, statuses[i].text);
  fputs(".SH LIMITS\n", f);
  for (int i = 0; i < LIMIT_COUNT; i++)
    fprintf(f, ".TP\n.B %s\n%s (%s)\n", limit_rows[i].name, limit_rows[i].help,
            limit_text(limit_rows[i].value, (char[32]){0}));
  fputs(".SH EXAMPLES\n", f);
  man_item(f, "dgc model.dg", "says which parameters of the model will not train, and why");
  man_item(f, "dgc train model.dg -d x=x.npy -d y=y.csv:price --epochs=10 -o w.safetensors",
           "trains it on two files and saves it after each epoch");
  man_item(f, "dgc train model.dg -d x=x.npy -d y=y.csv:price --epochs=20 --resume=w.safetensors",
           "goes on for ten epochs more");
  man_item(f, "dgc predict model.dg -i x=new.npy --load=w.safetensors",
           "prints the outputs, a line for each row");
}

static void help_limits(FILE *f) {
  fputs("limits (--limit NAME=VALUE):\n", f);
  for (int i = 0; i < LIMIT_COUNT; i++) {
    char left[64];
    snprintf(left, sizeof left, "  %-16s", limit_rows[i].name);
    char right[160];
    snprintf(right, sizeof right, "%s (%s)", limit_rows[i].help,
             limit_text(limit_rows[i].value, (char[32]){0}));
    help_columns(f, left, 19, right);
  }
}

static void help_warnings(FILE *f) {
  fputs("warning groups (-WGROUP, -Wno-GROUP, -Werror=GROUP; -Werror: all but hints):\n", f);
  for (size_t i = 1; i < sizeof groups / sizeof *groups; i++) {
    char left[40];
    snprintf(left, sizeof left, "  %-24s", groups[i].name);
    help_columns(f, left, 27, groups[i].help);
  }
}

/* ---- reading ---- */

typedef struct Reading {
  Options *o;
  char **argv;
  int argc, next; /* argv[next] is read next */
  bool command;
  int status; /* -1: go on */
} Reading;

/* Always false, for `return wrong(...)`. */
static bool PRINTF_LIKE(2, 3) wrong(Reading *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fputs("dgc: ", stderr);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputs("\ntry 'dgc --help'\n", stderr);
  r->status = DG_USAGE;
  return false;
}

/* The text behind an option: what stood at the '=' or right behind the letter, else the next word. */
static bool take(Reading *r, int i, const char *text, const char *shown) {
  Options *o = r->o;
  if (rows[i].arg && !text) {
    if (r->next >= r->argc) return wrong(r, "%s needs a value: %s", shown, rows[i].arg);
    text = r->argv[r->next++];
  }
  if (!rows[i].arg && text) return wrong(r, "%s takes no value", shown);
  o->given[o->ngiven++] = (Given){(OptKey)i, text};
  o->last[i] = text ? text : "";
  return true;
}

static bool help_about(Reading *r, const char *topic) {
  if (!topic)
    options_help(stdout);
  else if (!strcmp(topic, "limits"))
    help_limits(stdout);
  else if (!strcmp(topic, "warnings"))
    help_warnings(stdout);
  else
    return wrong(r, "no help about '%s': limits or warnings", topic);
  r->status = DG_OK;
  return false;
}

enum { OPT_HELP = OPT_COUNT, OPT_VERSION, OPT_MAN, NAME_COUNT };
static const char *long_name(int i) {
  return i < OPT_COUNT ? rows[i].name : i == OPT_HELP ? "help" : i == OPT_VERSION ? "version" : "man";
}

static bool read_long(Reading *r, const char *word) {
  size_t n = strcspn(word + 2, "=");
  const char *name = word + 2, *text = name[n] ? name + n + 1 : NULL;
  char shown[80];
  int found = -1, more = -1;
  snprintf(shown, sizeof shown, "%.*s", (int)(n + 2 < 70 ? n + 2 : 70), word);
  for (int i = 0; i < NAME_COUNT && n; i++) { /* whole, or as much of it as tells it from the others */
    if (strncmp(long_name(i), name, n)) continue;
    if (!long_name(i)[n]) {
      found = i, more = -1;
      break;
    }
    if (found >= 0) more = i;
    if (found < 0) found = i;
  }
  if (more >= 0) return wrong(r, "'%s' is short for --%s and --%s", shown, long_name(found), long_name(more));
  if (found < 0) {
    Str all[NAME_COUNT], near;
    for (int i = 0; i < NAME_COUNT; i++) all[i] = str_z(long_name(i));
    near = diag_nearest((Str){name, n}, all, NAME_COUNT);
    return near.n ? wrong(r, "no option '%s': did you mean '--" STRF "'?", shown, STRA(near))
                  : wrong(r, "no option '%s'", shown);
  }
  snprintf(shown, sizeof shown, "--%s", long_name(found));
  if (found == OPT_HELP) return help_about(r, text);
  if (found < OPT_COUNT) return take(r, found, text, shown);
  if (text) return wrong(r, "%s takes no value", shown);
  if (found == OPT_MAN)
    options_man(stdout);
  else
    printf("dgc %s%s%s\n", dg_version(), *dg_llvm_version() ? ", LLVM " : ", without native code",
           dg_llvm_version());
  r->status = DG_OK;
  return false;
}

/* -q, -j4, -j 4, -qj4 */
static bool read_letters(Reading *r, const char *letters) {
  for (; *letters; letters++) {
    char shown[3] = {'-', *letters, 0};
    if (*letters == 'h') return help_about(r, NULL);
    int i = 0;
    while (i < OPT_COUNT && rows[i].letter != *letters) i++;
    if (i == OPT_COUNT) return wrong(r, "no option '%s'", shown);
    if (rows[i].arg) return take(r, i, letters[1] ? letters + 1 : NULL, shown);
    if (!take(r, i, NULL, shown)) return false;
  }
  return true;
}

static Str near_command(const char *word) {
  Str all[CMD_COUNT];
  for (int c = 0; c < CMD_COUNT; c++) all[c] = str_z(commands[c].name);
  return diag_nearest(str_z(word), all, CMD_COUNT);
}

static bool read_word(Reading *r, const char *word) {
  Options *o = r->o;
  if (!r->command && !o->subject)
    for (int c = 0; c < CMD_COUNT; c++)
      if (!strcmp(word, commands[c].name)) {
        o->command = (Command)c;
        return r->command = true;
      }
  if (o->subject) {
    Str near = near_command(o->subject);
    if (!r->command && near.n)
      return wrong(r, "no command '%s': did you mean '" STRF "'?", o->subject, STRA(near));
    return wrong(r, "one file at a time, and '%s' is a second", word);
  }
  o->subject = word;
  return true;
}

static bool read_all(Reading *r) {
  bool plain = false; /* behind "--" nothing is an option */
  while (r->next < r->argc) {
    const char *word = r->argv[r->next++];
    bool good = true;
    if (plain || word[0] != '-' || !word[1])
      good = read_word(r, word);
    else if (!strcmp(word, "--"))
      plain = true;
    else
      good = word[1] == '-' ? read_long(r, word) : read_letters(r, word + 1);
    if (!good) return false;
  }
  return true;
}

/* What only the whole line tells. */
static bool consistent(Reading *r) {
  Options *o = r->o;
  if (given(o, OPT_EXPLAIN)) o->command = CMD_EXPLAIN, o->subject = o->last[OPT_EXPLAIN];
  for (int i = 0; i < o->ngiven; i++)
    if (!belongs(&rows[o->given[i].key], o->command))
      return wrong(r, "--%s is no option of 'dgc %s'", rows[o->given[i].key].name, commands[o->command].name);
  if (!o->subject && o->command == CMD_EXPLAIN)
    return wrong(r, "which diagnostic? for example: dgc explain DG0304");
  if (!o->subject)
    return wrong(r, "which file? for example: dgc %s%smodel.dg", r->command ? commands[o->command].name : "",
                 r->command ? " " : "");
  Str near = near_command(o->subject);
  if (!r->command && near.n && access(o->subject, F_OK))
    return wrong(r, "no command and no file '%s': did you mean '" STRF "'?", o->subject, STRA(near));
  if (given(o, OPT_LOAD) && given(o, OPT_RESUME))
    return wrong(r, "--load and --resume are two ways to begin: give one");
  const char *when = o->last[OPT_COLOR];
  if (when && strcmp(when, "auto") && strcmp(when, "always") && strcmp(when, "never"))
    return wrong(r, "--color=%s: auto, always or never", when);
  o->color =
      when && strcmp(when, "auto") ? !strcmp(when, "always") : isatty(STDERR_FILENO) && !getenv("NO_COLOR");
  return true;
}

int options_read(int argc, char **argv, Options *o) {
  *o = (Options){.command = CMD_CHECK};
  mem_init(&o->mem, 0);
  arena_init(&o->arena, &o->mem);
  Rescue rescue;
  if (!RESCUE(&o->mem, &rescue)) return DG_NO_MEMORY;
  size_t most = 1; /* `-qq` is two options: each byte may be one */
  for (int i = 1; i < argc; i++) most += strlen(argv[i]);
  o->given = ARENA_ARRAY(&o->arena, Given, most);
  rescue_end(&o->mem, &rescue);
  Reading r = {.o = o, .argv = argv, .argc = argc, .next = 1, .status = -1};
  if (read_all(&r)) (void)consistent(&r);
  return r.status;
}

void options_release(Options *o) { arena_release(&o->arena); }

bool option_number(const Options *o, OptKey k, int64_t least, int64_t most, int64_t *out) {
  if (!o->last[k]) return true;
  char *end;
  errno = 0;
  long long v = strtoll(o->last[k], &end, 10);
  if (errno || *end || end == o->last[k] || v < least || v > most) {
    fprintf(stderr, "dgc: --%s=%s: a whole number from %lld to %lld is needed\n", rows[k].name, o->last[k],
            (long long)least, (long long)most);
    return false;
  }
  *out = v;
  return true;
}
