/* Parses the command line (glibc's argp) and prints help and the man page, all from options.def. */
#include "driver/options.h"

#include "base/limits.h"

#include <argp.h>
#include <errno.h>
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
    {130, "interrupted by Ctrl-C, after saving (143: by SIGTERM)"},
};

static const char *const limit_help[] = {
#define X(name, dflt, help) #name, help, #dflt,
    LIMITS(X)
#undef X
        NULL};

static bool belongs(const struct Row *r, Command c) {
  return strchr(r->commands, commands[c].letter) ||
         (strchr(r->commands, '*') && strchr("ctep", commands[c].letter));
}

static void help_row(FILE *f, const struct Row *r) {
  char left[80];
  int n =
      r->letter ? snprintf(left, sizeof left, "  -%c, ", r->letter) : snprintf(left, sizeof left, "      ");
  snprintf(left + n, sizeof left - (size_t)n, r->arg ? "--%s=%s" : "--%s", r->name, r->arg);
  if (strlen(left) > 30)
    fprintf(f, "%s\n%-32s%s\n", left, "", r->help);
  else
    fprintf(f, "%-32s%s\n", left, r->help);
}

void options_help(FILE *f) {
  fputs("usage: dgc [COMMAND] [OPTION]... MODEL.dg\n\n"
        "Proves which parameters of a model will not train, and trains it as native code.\n\ncommands:\n",
        f);
  for (int c = 0; c < CMD_COUNT; c++)
    fprintf(f, "  %-8s %-10s %s\n", commands[c].name, commands[c].args, commands[c].help);
  static const struct {
    const char *title, *set;
  } part[] = {{"all commands", "*"}, {"check", "c"}, {"train, eval, predict", "tep"}};
  for (int p = 0; p < 3; p++) {
    fprintf(f, "\noptions of %s:\n", part[p].title);
    for (int i = 0; i < OPT_COUNT; i++) {
      bool all = strchr(rows[i].commands, '*') != NULL, check = strchr(rows[i].commands, 'c') != NULL;
      if (p == 0 ? all : p == 1 ? check && !all : !check && !all) help_row(f, &rows[i]);
    }
  }
  fputs("\n      --help[=limits|warnings]  this text; the named limits; the groups of -W\n"
        "      --version                 the versions of dgc and of its code generator\n"
        "      --man                     the manual page, for man(1)\n\n"
        "exit status:\n",
        f);
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    fprintf(f, "  %3d  %s\n", statuses[i].status, statuses[i].text);
}

static void man_text(FILE *f, const char *s) {
  for (; *s; s++) {
    if (*s == '-' || *s == '\\') fputc('\\', f);
    fputc(*s, f);
  }
}

void options_man(FILE *f) {
  fprintf(f,
          ".TH DGC 1 \"\" \"dgc %s\"\n.SH NAME\ndgc \\- static compiler for differentiable programs\n.SH "
          "SYNOPSIS\n"
          ".B dgc\n[COMMAND] [OPTION]... MODEL.dg\n.SH DESCRIPTION\n"
          "Proves which trainable parameters of a model will not learn, says why and where, and trains it as "
          "native code.\n"
          ".SH COMMANDS\n",
          dg_version());
  for (int c = 0; c < CMD_COUNT; c++)
    fprintf(f, ".TP\n.B %s %s\n%s\n", commands[c].name, commands[c].args, commands[c].help);
  fputs(".SH OPTIONS\n", f);
  for (int i = 0; i < OPT_COUNT; i++) {
    fputs(".TP\n.B ", f);
    if (rows[i].letter) fprintf(f, "\\-%c, ", rows[i].letter);
    fputs("\\-\\-", f);
    man_text(f, rows[i].name);
    if (rows[i].arg) fprintf(f, "=%s", rows[i].arg);
    fputc('\n', f);
    man_text(f, rows[i].help);
    fputc('\n', f);
  }
  fputs(".SH EXIT STATUS\n", f);
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    fprintf(f, ".TP\n.B %d\n%s\n", statuses[i].status, statuses[i].text);
  fputs(".SH LIMITS\n", f);
  for (int i = 0; limit_help[i]; i += 3)
    fprintf(f, ".TP\n.B %s\n%s (%s)\n", limit_help[i], limit_help[i + 1], limit_help[i + 2]);
}

static void help_limits(FILE *f) {
  fputs("limits (--limit NAME=VALUE):\n", f);
  for (int i = 0; limit_help[i]; i += 3)
    fprintf(f, "  %-16s %s (%s)\n", limit_help[i], limit_help[i + 1], limit_help[i + 2]);
}

static void help_warnings(FILE *f) {
  static const struct {
    const char *name, *help;
  } group[] = {
#define GROUP(id, name, parent, sev, help) {name, help},
#define DIAG(code, fn, group, params, args, fmt)
#include "base/diag.def"
#undef GROUP
#undef DIAG
  };
  fputs("warning groups (-WGROUP, -Wno-GROUP, -Werror=GROUP; -Werror for all but hints):\n", f);
  for (size_t i = 1; i < sizeof group / sizeof *group; i++)
    fprintf(f, "  %-24s %s\n", group[i].name, group[i].help);
}

enum { KEY_HELP = 1000, KEY_VERSION, KEY_MAN, KEY_FIRST };
typedef struct Reading {
  Options *o;
  bool command;
  int status; /* -1: go on */
} Reading;

static int wrong(Reading *r, const char *fmt, const char *what) {
  fprintf(stderr, "dgc: ");
  fprintf(stderr, fmt, what);
  fprintf(stderr, "\ntry 'dgc --help'\n");
  r->status = DG_USAGE;
  return EINVAL;
}

static error_t read_one(int key, char *arg, struct argp_state *state) {
  Reading *r = state->input;
  Options *o = r->o;
  if ((key >= KEY_FIRST && key < KEY_FIRST + OPT_COUNT) || (key > ' ' && key < 128)) {
    int i = key - KEY_FIRST;
    if (key < 128)
      for (i = 0; i < OPT_COUNT && rows[i].letter != key; i++) {}
    o->given[o->ngiven++] = (Given){(OptKey)i, arg};
    o->last[i] = arg ? arg : "";
    return 0;
  }
  switch (key) {
  case KEY_HELP:
    if (!arg)
      options_help(stdout);
    else if (!strcmp(arg, "limits"))
      help_limits(stdout);
    else if (!strcmp(arg, "warnings"))
      help_warnings(stdout);
    else
      return wrong(r, "no help about '%s': limits or warnings", arg);
    r->status = DG_OK;
    return EINVAL;
  case KEY_VERSION:
    printf("dgc %s%s%s\n", dg_version(), *dg_llvm_version() ? ", LLVM " : ", without native code",
           dg_llvm_version());
    r->status = DG_OK;
    return EINVAL;
  case KEY_MAN:
    options_man(stdout);
    r->status = DG_OK;
    return EINVAL;
  case ARGP_KEY_ARG:
    if (!r->command && !o->subject)
      for (int c = 0; c < CMD_COUNT; c++)
        if (!strcmp(arg, commands[c].name)) {
          o->command = (Command)c;
          r->command = true;
          return 0;
        }
    if (o->subject) return wrong(r, "one file at a time, and '%s' is a second", arg);
    o->subject = arg;
    return 0;
  default: return ARGP_ERR_UNKNOWN;
  }
}

/* getopt's messages name the program by argv[0]; ours are enough, but an unknown option is told by argp
 * itself. */
int options_read(int argc, char **argv, Options *o) {
  *o = (Options){.command = CMD_CHECK};
  mem_init(&o->mem, 0);
  arena_init(&o->arena, &o->mem);
  Rescue rescue;
  if (!RESCUE(&o->mem, &rescue)) return DG_NO_MEMORY;
  o->given = ARENA_ARRAY(&o->arena, Given, (size_t)argc + 1);
  rescue_end(&o->mem, &rescue);
  struct argp_option table[OPT_COUNT + 4] = {0};
  for (int i = 0; i < OPT_COUNT; i++)
    table[i] = (struct argp_option){
        .name = rows[i].name, .key = rows[i].letter ? rows[i].letter : KEY_FIRST + i, .arg = rows[i].arg};
  table[OPT_COUNT] =
      (struct argp_option){.name = "help", .key = KEY_HELP, .arg = "TOPIC", .flags = OPTION_ARG_OPTIONAL};
  table[OPT_COUNT + 1] = (struct argp_option){.name = "version", .key = KEY_VERSION};
  table[OPT_COUNT + 2] = (struct argp_option){.name = "man", .key = KEY_MAN, .flags = OPTION_HIDDEN};
  const struct argp parser = {.options = table, .parser = read_one};
  Reading r = {.o = o, .status = -1};
  error_t bad = argp_parse(&parser, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &r);
  if (r.status >= 0) return r.status;
  if (bad) return DG_USAGE;
  if (given(o, OPT_EXPLAIN)) o->command = CMD_EXPLAIN, o->subject = o->last[OPT_EXPLAIN];
  for (int i = 0; i < o->ngiven; i++)
    if (!belongs(&rows[o->given[i].key], o->command)) {
      fprintf(stderr, "dgc: --%s is no option of 'dgc %s'\ntry 'dgc --help'\n", rows[o->given[i].key].name,
              commands[o->command].name);
      return DG_USAGE;
    }
  if (!o->subject) {
    wrong(&r, o->command == CMD_EXPLAIN ? "which diagnostic? %s" : "which file? %s",
          o->command == CMD_EXPLAIN ? "for example: dgc explain DG0304" : "for example: dgc model.dg");
    return DG_USAGE;
  }
  const char *when = o->last[OPT_COLOR];
  if (when && strcmp(when, "auto") && strcmp(when, "always") && strcmp(when, "never")) {
    wrong(&r, "--color=%s: auto, always or never", when);
    return DG_USAGE;
  }
  o->color =
      when && strcmp(when, "auto") ? !strcmp(when, "always") : isatty(STDERR_FILENO) && !getenv("NO_COLOR");
  return -1;
}

void options_release(Options *o) { arena_release(&o->arena); }

bool option_number(const Options *o, OptKey k, int64_t least, int64_t *out) {
  if (!o->last[k]) return true;
  char *end;
  errno = 0;
  long long v = strtoll(o->last[k], &end, 10);
  if (errno || *end || end == o->last[k] || v < least) {
    fprintf(stderr, "dgc: --%s=%s: a whole number of at least %lld is needed\n", rows[k].name, o->last[k],
            (long long)least);
    return false;
  }
  *out = v;
  return true;
}
