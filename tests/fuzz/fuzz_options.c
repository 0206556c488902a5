/* The command line: any words, one a line. Reading them ends with an answer or a status, whatever they are,
 * and what is answered are the words given. */
#include "driver/options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok) {
  if (!ok) abort();
}

static bool among(char *const *argv, int argc, const char *s) {
  for (int i = 1; i < argc; i++)
    if (s >= argv[i] && s <= argv[i] + strlen(argv[i])) return true;
  return false;
}

static void read_words(int argc, char **argv) {
  Options o;
  int64_t v = 1;
  int st = options_read(argc, argv, &o);
  must(st == -1 || st == DG_OK || st == DG_USAGE);
  if (st == -1) {
    must(o.subject && among(argv, argc, o.subject));
    for (int i = 0; i < o.ngiven; i++) must(!o.given[i].text || among(argv, argc, o.given[i].text));
    for (int k = 0; k < OPT_COUNT; k++) must(!option_number(&o, (OptKey)k, 1, 99, &v) || (v >= 1 && v <= 99));
  }
  options_release(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  enum { WORDS = 20 };
  char *text = calloc(1, n + 1), *argv[WORDS + 2] = {(char *)"dgc"}; /* size-ok: n is small */
  int argc = 1;
  if (n) memcpy(text, data, n);
  for (char *p = text; argc <= WORDS && p < text + n;) {
    argv[argc++] = p;
    char *end = memchr(p, '\n', (size_t)(text + n - p));
    if (!end) break;
    *end = 0;
    p = end + 1;
  }
  fflush(NULL);
  int out = dup(1), err = dup(2), none = open("/dev/null", O_WRONLY); /* it says what is wrong */
  must(out >= 0 && err >= 0 && none >= 0 && dup2(none, 1) == 1 && dup2(none, 2) == 2);
  read_words(argc, argv);
  fflush(NULL);
  must(dup2(out, 1) == 1 && dup2(err, 2) == 2);
  close(out), close(err), close(none);
  free(text);
  return 0;
}
