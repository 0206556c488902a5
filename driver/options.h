/* The command line as data. */
#ifndef DG_DRIVER_OPTIONS_H
#define DG_DRIVER_OPTIONS_H

#include "base/arena.h"
#include "dg/dg.h"

#include <stdbool.h>
#include <stdio.h>

typedef enum {
  CMD_CHECK,
  CMD_TRAIN,
  CMD_EVAL,
  CMD_PREDICT,
  CMD_BUILD,
  CMD_EXPLAIN,
  CMD_FMT,
  CMD_FIX,
  CMD_COUNT
} Command;
typedef enum {
#define OPT(key, long, short, arg, cmds, help) OPT_##key,
#include "driver/options.def"
#undef OPT
  OPT_COUNT
} OptKey;

typedef struct OptRow { /* one of options.def */
  const char *name;
  int letter;
  const char *arg, *commands, *help;
} OptRow;
typedef struct CommandRow {
  const char *name;
  char letter; /* stands for it in OptRow.commands */
  const char *args, *help;
} CommandRow;
extern const OptRow option_rows[OPT_COUNT];
extern const CommandRow command_rows[CMD_COUNT];

typedef struct Given { /* one option as it stood on the command line */
  OptKey key;
  const char *text; /* argument, or NULL */
} Given;

typedef struct Options {
  Mem mem;
  Arena arena;
  Command command;
  const char *subject; /* the .dg file, or the code to explain */
  Given *given;        /* in order */
  int ngiven;
  const char *last[OPT_COUNT]; /* text of the last one given; "" for a switch */
  bool color;                  /* of diagnostics, after --color and the terminal */
} Options;

/* Fills o from argv. Returns -1 to go on, or the exit status (help and version were printed, or the usage was
 * wrong). */
int options_read(int argc, char **argv, Options *o);
void options_release(Options *o);
static inline bool given(const Options *o, OptKey k) { return o->last[k] != NULL; }
/* A whole number from least to most; false after saying what is wrong. */
bool option_number(const Options *o, OptKey k, int64_t least, int64_t most, int64_t *out);
void options_help(FILE *f);
void options_help_limits(FILE *f);
void options_help_warnings(FILE *f);
void options_man(FILE *f);

#endif
