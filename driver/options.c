/* Reads the command line by the rows of options.def. */
#include "driver/options.h"

#include "base/diag.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const OptRow option_rows[OPT_COUNT] = {
#define OPT(key, long, short, arg, cmds, help) [OPT_##key] = {long, short, arg, cmds, help},
#include "driver/options.def"
#undef OPT
};

const CommandRow command_rows[CMD_COUNT] = {
    [CMD_CHECK] = {"check", 'c', "MODEL.dg", "read, check, and report what will not train (the default)"},
    [CMD_TRAIN] = {"train", 't', "MODEL.dg", "compile and train"},
    [CMD_EVAL] = {"eval", 'e', "MODEL.dg", "losses and metrics over a data set"},
    [CMD_PREDICT] = {"predict", 'p', "MODEL.dg", "outputs for given rows"},
    [CMD_BUILD] = {"build", 'b', "MODEL.dg", "an object and a header for C programs without dgc"},
    [CMD_EXPLAIN] = {"explain", 'x', "NAME", "what a function (softmax) or a diagnostic (DG0304) is"},
    [CMD_FIX] = {"fix", 'm', "MODEL.dg", "what the edits of its diagnostics make of it"},
    [CMD_FMT] = {"fmt", 'f', "MODEL.dg", "print the file in the standard layout"},
};

static bool belongs(const OptRow *r, Command c) {
  return strchr(r->commands, command_rows[c].letter) ||
         (strchr(r->commands, '*') && strchr("ctepbm", command_rows[c].letter));
}

/* The option that gives a command its files, where it has one. */
static const OptRow *feeding(Command c) {
  const OptRow *data = &option_rows[OPT_DATA], *input = &option_rows[OPT_INPUT];
  return belongs(data, c) ? data : belongs(input, c) ? input : NULL;
}

typedef struct Reading {
  Options *o;
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

static bool help_about(Reading *r, const char *topic) {
  if (!topic)
    options_help(stdout);
  else if (!strcmp(topic, "limits"))
    options_help_limits(stdout);
  else if (!strcmp(topic, "warnings"))
    options_help_warnings(stdout);
  else
    return wrong(r, "no help about '%s': limits or warnings", topic);
  r->status = DG_OK;
  return false;
}

enum {
  OPT_HELP = OPT_COUNT,
  OPT_VERSION,
  OPT_MAN,
  NAME_COUNT,
  VALUE = 256 /* of row i: VALUE + i, no letter */
};
static const char *long_name(int i) {
  return i < OPT_COUNT ? option_rows[i].name : i == OPT_HELP ? "help" : i == OPT_VERSION ? "version" : "man";
}

/* What getopt_long takes: the rows, and those three. It sees what stands in `letters` after ':' as ours to
 * complain about. */
static void tables(struct option names[NAME_COUNT + 1], char letters[2 * OPT_COUNT + 3]) {
  char *z = letters;
  *z++ = ':';
  for (int i = 0; i < NAME_COUNT; i++) {
    int takes = i == OPT_HELP                         ? optional_argument
                : i < OPT_COUNT && option_rows[i].arg ? required_argument
                                                      : no_argument;
    names[i] = (struct option){long_name(i), takes, NULL, VALUE + i};
    if (i >= OPT_COUNT || !option_rows[i].letter) continue;
    *z++ = (char)option_rows[i].letter;
    if (option_rows[i].arg) *z++ = ':';
  }
  names[NAME_COUNT] = (struct option){0};
  strcpy(z, "h");
}

static int row_of(int value) {
  if (value >= VALUE) return value - VALUE;
  if (value == 'h') return OPT_HELP;
  int i = 0;
  while (option_rows[i].letter != value) i++;
  return i;
}

/* A long name that fits no option, or several. */
static bool no_option(Reading *r, const char *word) {
  int n = (int)strcspn(word + 2, "="), shown = n < 70 ? n : 70;
  const char *fits[NAME_COUNT];
  int nfits = 0;
  Str all[NAME_COUNT];
  for (int i = 0; i < NAME_COUNT; i++) {
    all[i] = str_z(long_name(i));
    if (n && !strncmp(long_name(i), word + 2, (size_t)n)) fits[nfits++] = long_name(i);
  }
  if (nfits > 1) return wrong(r, "'--%.*s' is short for --%s and --%s", shown, word + 2, fits[0], fits[1]);
  Str near = diag_nearest((Str){word + 2, (size_t)n}, all, NAME_COUNT);
  return near.n ? wrong(r, "no option '--%.*s': did you mean '--" STRF "'?", shown, word + 2, STRA(near))
                : wrong(r, "no option '--%.*s'", shown, word + 2);
}

static bool read_option(Reading *r, int i, const char *text) {
  Options *o = r->o;
  if (i < OPT_COUNT) {
    if (text && !*text) return wrong(r, "--%s needs a value: %s", long_name(i), option_rows[i].arg);
    o->given[o->ngiven++] = (Given){(OptKey)i, text};
    o->last[i] = text ? text : "";
    return true;
  }
  if (i == OPT_HELP) return help_about(r, text);
  if (i == OPT_MAN)
    options_man(stdout);
  else
    printf("dgc %s%s%s\n", dg_version(), *dg_llvm_version() ? ", LLVM " : ", without native code",
           dg_llvm_version());
  r->status = DG_OK;
  return false;
}

static Str near_command(const char *word) {
  Str all[CMD_COUNT];
  for (int c = 0; c < CMD_COUNT; c++) all[c] = str_z(command_rows[c].name);
  return diag_nearest(str_z(word), all, CMD_COUNT);
}

static bool read_word(Reading *r, const char *word) {
  Options *o = r->o;
  if (!r->command && !o->subject)
    for (int c = 0; c < CMD_COUNT; c++)
      if (!strcmp(word, command_rows[c].name)) {
        o->command = (Command)c;
        return r->command = true;
      }
  if (o->subject) {
    Str near = near_command(o->subject);
    if (!r->command && near.n)
      return wrong(r, "no command '%s': did you mean '" STRF "'?", o->subject, STRA(near));
    const OptRow *feeds = strchr(word, '=') ? feeding(o->command) : NULL;
    if (feeds) return wrong(r, "'%s' is no model: did you mean --%s=%s?", word, feeds->name, word);
    return wrong(r, "one %s at a time, and '%s' is a second", o->command == CMD_EXPLAIN ? "code" : "file",
                 word);
  }
  o->subject = word;
  return true;
}

static bool read_all(Reading *r, int argc, char **argv) {
  struct option names[NAME_COUNT + 1];
  char letters[2 * OPT_COUNT + 3];
  tables(names, letters);
  optind = 0; /* glibc: from the beginning */
  for (int c; (c = getopt_long(argc, argv, letters, names, NULL)) != -1;) {
    bool named = optopt >= VALUE;
    if (c == '?' && !optopt) return no_option(r, argv[optind - 1]);
    if (c == '?' && named) return wrong(r, "--%s takes no value", long_name(row_of(optopt)));
    if (c == '?') return wrong(r, "no option '-%c'", optopt);
    if (c == ':' && named)
      return wrong(r, "--%s needs a value: %s", long_name(row_of(optopt)), option_rows[row_of(optopt)].arg);
    if (c == ':') return wrong(r, "-%c needs a value: %s", optopt, option_rows[row_of(optopt)].arg);
    if (!read_option(r, row_of(c), optarg)) return false;
  }
  while (optind < argc)
    if (!read_word(r, argv[optind++])) return false;
  return true;
}

/* What goes to stdout beside a report: a document, and an object's bytes, stand alone on a stream. */
static bool streams(Reading *r) {
  const Options *o = r->o;
  static const OptKey stage[] = {OPT_EMIT, OPT_PRINT_AFTER, OPT_STOP_AFTER, OPT_TIME_PASSES};
  const char *report = o->last[OPT_REPORT], *emit = o->last[OPT_EMIT];
  if (o->command != CMD_CHECK) return true;
  OptKey k = OPT_COUNT;
  for (size_t i = 0; i < sizeof stage / sizeof *stage && k == OPT_COUNT; i++)
    if (given(o, stage[i])) k = stage[i];
  if (given(o, OPT_SAVE) && k == OPT_COUNT)
    return wrong(r, "--save is for the text of a stage: give --emit, too");
  if (given(o, OPT_SAVE) || !report || k == OPT_COUNT) return true;
  if (strcmp(report, "sarif") && (!emit || strcmp(emit, "obj"))) return true;
  return wrong(r, "--report=%s and --%s cannot both go to stdout: send the stage to a file with --save=FILE",
               report, option_rows[k].name);
}

/* What only the whole line tells. */
static bool consistent(Reading *r) {
  Options *o = r->o;
  if (given(o, OPT_EXPLAIN)) o->command = CMD_EXPLAIN, o->subject = o->last[OPT_EXPLAIN];
  for (int i = 0; i < o->ngiven; i++)
    if (!belongs(&option_rows[o->given[i].key], o->command)) {
      const OptRow *row = &option_rows[o->given[i].key], *feeds = feeding(o->command);
      bool meant = feeds && (row == &option_rows[OPT_DATA] || row == &option_rows[OPT_INPUT]);
      return wrong(r, "--%s is no option of 'dgc %s'%s%s%s", row->name, command_rows[o->command].name,
                   meant ? ": did you mean --" : "", meant ? feeds->name : "", meant ? "?" : "");
    }
  if ((!o->subject || !*o->subject) && o->command == CMD_EXPLAIN)
    return wrong(r, "what? for example: dgc explain softmax, dgc explain DG0304");
  if (!o->subject)
    return wrong(r, "which file? for example: dgc %s%smodel.dg",
                 r->command ? command_rows[o->command].name : "", r->command ? " " : "");
  Str near = near_command(o->subject);
  if (!r->command && near.n && access(o->subject, F_OK))
    return wrong(r, "no command and no file '%s': did you mean '" STRF "'?", o->subject, STRA(near));
  if (given(o, OPT_LOAD) && given(o, OPT_RESUME))
    return wrong(r, "--load and --resume are two ways to begin: give one");
  if (given(o, OPT_SEED) && given(o, OPT_RESUME))
    return wrong(r, "--resume goes on with the checkpoint's seed: --seed has no place beside it");
  if (!streams(r)) return false;
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
  Reading r = {.o = o, .status = -1};
  if (read_all(&r, argc, argv)) (void)consistent(&r);
  return r.status;
}

void options_release(Options *o) { arena_release(&o->arena); }

bool option_number(const Options *o, OptKey k, int64_t least, int64_t most, int64_t *out) {
  if (!o->last[k]) return true;
  char *end;
  errno = 0;
  long long v = strtoll(o->last[k], &end, 10);
  if (errno || *end || end == o->last[k] || v < least || v > most) {
    fprintf(stderr, "dgc: --%s=%s: a whole number from %lld to %lld is needed\n", option_rows[k].name,
            o->last[k], (long long)least, (long long)most);
    return false;
  }
  *out = v;
  return true;
}
