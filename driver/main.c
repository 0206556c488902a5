/* dgc: the first host of the library's own interface. */
#include "driver/commands.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* What could not be written to stdout: a reader that has gone needs no message, a full disk does. */
static int finish(int status) {
  errno = 0;
  bool bad = ferror(stdout) != 0;
  if (fflush(stdout)) bad = true;
  if (!bad) return status;
  if (errno && errno != EPIPE) fprintf(stderr, "dgc: cannot write to stdout: %s\n", strerror(errno));
  return status == DG_OK ? DG_IO : status;
}

int main(int argc, char **argv) {
  Options o;
  signal(SIGPIPE, SIG_IGN); /* writing to a closed pipe is an error like others, */
  signal(SIGXFSZ, SIG_IGN); /* and writing more than a file may hold */
  int status = options_read(argc, argv, &o);
  if (status < 0) {
    dg_context *cx = dg_context_new();
    if (!cx) {
      fputs("dgc: out of memory\n", stderr);
      status = DG_NO_MEMORY;
    } else if ((status = (int)apply_settings(cx, &o)) == DG_OK) {
      switch (o.command) {
      case CMD_CHECK: status = command_check(cx, &o); break;
      case CMD_TRAIN: status = command_train(cx, &o); break;
      case CMD_EVAL: status = command_eval(cx, &o); break;
      case CMD_PREDICT: status = command_predict(cx, &o); break;
      case CMD_BUILD: status = command_build(cx, &o); break;
      case CMD_EXPLAIN: status = command_explain(&o); break;
      case CMD_FIX: status = command_fix(cx, &o); break;
      case CMD_FMT: status = command_fmt(cx, &o); break;
      case CMD_COUNT: break;
      }
    }
    dg_context_free(cx);
  }
  options_release(&o);
  return finish(status);
}
