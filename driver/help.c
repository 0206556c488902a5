/* Prints help and the manual page, all from the tables. */
#include "base/diag.h"
#include "base/limits.h"
#include "driver/options.h"

#include <string.h>

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

static void help_row(FILE *f, const OptRow *r) {
  char left[80];
  int n =
      r->letter ? snprintf(left, sizeof left, "  -%c, ", r->letter) : snprintf(left, sizeof left, "      ");
  snprintf(left + n, sizeof left - (size_t)n, r->arg ? "--%s=%s" : "--%s", r->name, r->arg);
  help_columns(f, left, 31, r->help);
}

/* Options by the commands that take them: each set of options.def stands here. */
static const struct {
  const char *title, *set;
} part[] = {{"all commands", "*"},
            {"check", "c"},
            {"fix", "m"},
            {"check, train, eval and predict", "ctep"},
            {"train, eval, predict and build", "tepb"},
            {"train, eval and predict", "tep"},
            {"train and eval", "te"},
            {"check, train and build", "ctb"},
            {"train", "t"},
            {"predict", "p"},
            {"build", "b"}};

static bool in_part(int i, size_t p) {
  const char *set = option_rows[i].commands;
  return !strcmp(strcmp(set, "cx") ? set : "c", part[p].set);
}

void options_help(FILE *f) {
  fputs("usage: dgc [COMMAND] [OPTION]... MODEL.dg\n\n"
        "Proves which parameters of a model will not train, and trains it as native code.\n\ncommands:\n",
        f);
  for (int c = 0; c < CMD_COUNT; c++)
    fprintf(f, "  %-8s %-10s %s\n", command_rows[c].name, command_rows[c].args, command_rows[c].help);
  for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
    fprintf(f, "\noptions of %s:\n", part[p].title);
    for (int i = 0; i < OPT_COUNT; i++) {
      if (in_part(i, p)) help_row(f, &option_rows[i]);
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
    fprintf(f, ".TP\n.B %s %s\n%s\n", command_rows[c].name, command_rows[c].args, command_rows[c].help);
  fputs(".SH OPTIONS\n", f);
  for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
    fprintf(f, ".SS Of %s\n", part[p].title);
    for (int i = 0; i < OPT_COUNT; i++)
      if (in_part(i, p))
        man_row(f, option_rows[i].letter, option_rows[i].name, option_rows[i].arg, option_rows[i].help);
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
           "trains it on two files and saves it");
  man_item(f, "dgc train model.dg -d x=x.npy -d y=y.csv:price --epochs=20 --resume=w.safetensors",
           "goes on for ten epochs more");
  man_item(f, "dgc predict model.dg -i x=new.npy --load=w.safetensors",
           "prints the outputs, a line for each row");
}

void options_help_limits(FILE *f) {
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

void options_help_warnings(FILE *f) {
  fputs("warning groups (-WGROUP, -Wno-GROUP, -Werror=GROUP; -Werror: all but hints):\n", f);
  for (size_t i = 1; i < sizeof groups / sizeof *groups; i++) {
    char left[40];
    snprintf(left, sizeof left, "  %-24s", groups[i].name);
    help_columns(f, left, 27, groups[i].help);
  }
}
