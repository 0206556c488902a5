/* dgc: the first host of the library's own interface. */
#include "driver/commands.h"

int main(int argc, char **argv) {
  Options o;
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
      case CMD_EXPLAIN: status = command_explain(&o); break;
      case CMD_FMT: status = command_fmt(cx, &o); break;
      case CMD_COUNT: break;
      }
    }
    dg_context_free(cx);
  }
  options_release(&o);
  if (fflush(stdout) || ferror(stdout)) {
    if (status == DG_OK) status = DG_IO;
  }
  return status;
}
