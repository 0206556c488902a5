/* Runs a fuzz target without libFuzzer, in every build: each corpus file as it is, then MUTATIONS seeded
 * changes of it (bytes, cuts, repeats, splices with the next file). Deterministic, so a failure can be
 * repeated. One TAP case a file. usage: NAME FILE...        MUTATIONS from the environment, 200 without */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROOM = 1 << 20 };
static uint8_t text[2][ROOM], work[ROOM];

static uint64_t next(uint64_t *s) { /* splitmix64 */
  uint64_t x = *s += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static size_t load(const char *path, uint8_t *to) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    fprintf(stderr, "cannot read %s\n", path);
    exit(2);
  }
  size_t n = fread(to, 1, ROOM / 4, f);
  fclose(f);
  return n;
}

static size_t mutate(uint64_t *s, size_t n, const uint8_t *other, size_t on) {
  static const char *const bits[] = {
      "(",  ")",  "[", "]", "{",     "}",   "\n", "\"", "\xff", "\xe2\x80\xae", "9223372036854775808",
      "-1", "..", "*", "'", "1e999", "nan", "\\", "//", "#["};
  for (uint64_t k = next(s) % 4 + 1; k; k--) {
    size_t at = n ? next(s) % n : 0, len = n - at ? next(s) % (n - at < 64 ? n - at : 64) : 0;
    switch (next(s) % 6) {
    case 0:
      if (n) work[at] ^= (uint8_t)(1u << next(s) % 8);
      break;
    case 1:
      if (n) work[at] = (uint8_t)next(s);
      break;
    case 2: /* cut out */
      memmove(work + at, work + at + len, n - at - len);
      n -= len;
      break;
    case 3: /* repeat */
      if (n + len > ROOM / 2) break;
      memmove(work + at + len, work + at, n - at);
      n += len;
      break;
    case 4: { /* insert something with meaning */
      const char *b = bits[next(s) % (sizeof bits / sizeof *bits)];
      size_t bn = strlen(b);
      memmove(work + at + bn, work + at, n - at);
      memcpy(work + at, b, bn);
      n += bn;
      break;
    }
    case 5: { /* splice */
      size_t from = on ? next(s) % on : 0, take = on - from;
      if (at + take > ROOM / 2) break;
      memcpy(work + at, other + from, take);
      n = at + take;
      break;
    }
    }
  }
  return n;
}

static volatile long last;

/* Says which change was running: ONLY=that prints it. */
static void died(int sig) {
  char line[64];
  int n = snprintf(line, sizeof line, "# change %ld ended by signal %d\n", last, sig);
  if (write(1, line, (size_t)n) != n) _exit(3);
  _exit(2);
}

int main(int argc, char **argv) {
  const char *m = getenv("MUTATIONS");
  long rounds = m ? atol(m) : 200;
  signal(SIGALRM, died);
  signal(SIGABRT, died);
  signal(SIGSEGV, died);
  const char *only = getenv("ONLY");
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!only) printf("1..%d\n", argc - 1);
  for (int i = 1; i < argc; i++) {
    size_t n = load(argv[i], text[0]), on = load(argv[i + 1 < argc ? i + 1 : 1], text[1]);
    LLVMFuzzerTestOneInput(text[0], n);
    for (long k = 0; k < rounds; k++) {
      last = k;
      uint64_t s = (uint64_t)i * 1000003u + (uint64_t)k;
      memcpy(work, text[0], n);
      size_t wn = mutate(&s, n, text[1], on);
      uint8_t *exact = malloc(wn ? wn : 1); /* so that a read past the end is seen by the sanitizers */
      memcpy(exact, work, wn);
      if (only &&
          atol(only) == k) { /* ONLY=17: writes the 17th change to stdout instead of running anything */
        fwrite(exact, 1, wn, stdout);
        return 0;
      }
      alarm(only ? 0 : 20); /* an endless loop ends the program; the last "# change" line says where */
      if (!only) LLVMFuzzerTestOneInput(exact, wn);
      free(exact);
    }
    const char *name = strrchr(argv[i], '/');
    printf("ok %d - %s and %ld changes of it\n", i, name ? name + 1 : argv[i], rounds);
  }
  return 0;
}
