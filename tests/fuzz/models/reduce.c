/* A failing case is made smaller while it fails at the same stage: lines and blocks go, extents and the other
 * whole numbers shrink, calls give way to their arguments and right-hand sides to one of their names. */
#include "case.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINES = 600 };

typedef struct Reduce {
  Case *best, *trial; /* trial: what is tried next */
  unsigned what, seconds;
  char stage[24], detail[16]; /* of a mistake what is wrong, too: any other error would do else */
  char mistake[256];          /* the line that holds it */
  time_t end;
  int tries;
} Reduce;

/* The mistake itself is left alone. */
static bool same_mistake(const Reduce *r) {
  size_t length = strlen(r->mistake);
  const char *at = r->trial->text;
  if (!length) return true;
  for (int line = 1; at && line < r->trial->line; line++) at = strchr(at, '\n'), at = at ? at + 1 : NULL;
  return at && strncmp(at, r->mistake, length) == 0;
}

/* Does the trial fail as the case did? Then it is the case. */
static bool holds(Reduce *r) {
  Fault f;
  if (time(NULL) >= r->end || strcmp(r->trial->text, r->best->text) == 0 || !case_read(r->trial) ||
      !same_mistake(r))
    return false;
  r->tries++;
  if (case_check(r->trial, r->what, r->seconds, &f) || strcmp(f.stage, r->stage) != 0) return false;
  if (strcmp(f.stage, "wrong") == 0 && strncmp(f.detail, r->detail, sizeof r->detail - 1) != 0) return false;
  *r->best = *r->trial;
  return true;
}

/* ---- lines ---- */

typedef struct Lines {
  int n;
  const char *at[LINES];
  size_t len[LINES]; /* with the newline */
} Lines;

static void split_lines(const char *text, Lines *l) {
  for (l->n = 0; *text && l->n < LINES; l->n++) {
    const char *end = strchr(text, '\n');
    l->at[l->n] = text;
    l->len[l->n] = end ? (size_t)(end - text) + 1 : strlen(text);
    text += l->len[l->n];
  }
}

/* The case without lines lo..hi-1; the line of an expected error moves with them. */
static bool without(Reduce *r, int lo, int hi) {
  Lines l;
  char *w = r->trial->text, number[16];
  *r->trial = *r->best;
  split_lines(r->best->text, &l);
  if (hi > l.n) hi = l.n;
  for (int i = lo; i < hi; i++)
    if (strncmp(l.at[i], "// ", 3) == 0) return false;
  if (r->best->expect[0] && r->best->line - 1 >= lo && r->best->line - 1 < hi) return false;
  for (int i = 0; i < l.n; i++) {
    if (i >= lo && i < hi) continue;
    bool moved = strncmp(l.at[i], "// expect: ", 11) == 0 && r->best->line > hi;
    if (moved) {
      snprintf(number, sizeof number, "%d\n", r->best->line - (hi - lo));
      w += sprintf(w, "// expect: %s at %s", r->best->expect, number);
    } else
      memcpy(w, l.at[i], l.len[i]), w += l.len[i];
  }
  *w = 0;
  return holds(r);
}

static int block_end(const Lines *l, int i) { /* of a line that opens braces */
  int depth = 0;
  for (; i < l->n; i++) {
    for (size_t k = 0; k < l->len[i]; k++) depth += (l->at[i][k] == '{') - (l->at[i][k] == '}');
    if (depth <= 0) return i + 1;
  }
  return l->n;
}

static bool fewer_lines(Reduce *r) {
  bool some = false;
  Lines l;
  for (int size = 32; size; size /= 2)
    for (int i = 0;;) {
      split_lines(r->best->text, &l);
      if (i >= l.n || time(NULL) >= r->end) break;
      int end = size == 1 ? block_end(&l, i) : i + size;
      if (without(r, i, end))
        some = true;
      else
        i += size;
    }
  return some;
}

/* ---- numbers ---- */

static bool head_numbers(Reduce *r, int N, int M) {
  *r->trial = *r->best;
  const char *rest = r->best->text;
  Case head = *r->best;
  head.N = N, head.M = M;
  int n = snprintf(r->trial->text, TEXT, "// case: N = %d, M = %d, rows = %d, data = %lu, specials = %d\n", N,
                   M, head.rows ? 2 * N + 1 : 0, head.data, head.specials);
  rest = strchr(rest, '\n');
  if (!rest || n < 0) return false;
  snprintf(r->trial->text + n, TEXT - (size_t)n, "%s", rest + 1);
  return holds(r);
}

static bool word_byte(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Every whole number `from` of the program becomes `to`. */
static bool number_for(Reduce *r, long from, long to) {
  char *w = r->trial->text;
  const char *p = strchr(r->best->text, '\n'), *body = p;
  *r->trial = *r->best;
  if (!p) return false;
  w += p - r->best->text;
  for (; *p;) {
    char *end;
    bool head = p > body && p[-1] == '\n' && strncmp(p, "// ", 3) == 0;
    if (head) {
      while (*p && *p != '\n') *w++ = *p++;
    } else if (isdigit((unsigned char)*p) && !word_byte(p[-1]) && strtol(p, &end, 10) == from &&
               !word_byte(*end)) {
      w += sprintf(w, "%ld", to), p = end;
    } else
      *w++ = *p++;
    if (w - r->trial->text > TEXT - 64) return false;
  }
  *w = 0;
  return holds(r);
}

static bool smaller_numbers(Reduce *r) {
  bool some = false;
  const int small[] = {1, 2, 3};
  for (int i = 0; i < 3; i++) {
    if (r->best->N > small[i] && head_numbers(r, small[i], r->best->M)) some = true;
    if (r->best->M > small[i] && head_numbers(r, r->best->N, small[i])) some = true;
  }
  while (r->best->N > 3 &&
         head_numbers(r, r->best->N / 2 + 1 < r->best->N ? r->best->N / 2 + 1 : 3, r->best->M))
    some = true;
  for (const char *p = r->best->text; *p; p++) {
    char *end;
    if (!isdigit((unsigned char)*p) || word_byte(p[-1])) continue;
    long v = strtol(p, &end, 10);
    size_t at = (size_t)(p - r->best->text);
    if (v > 1 && !word_byte(*end))
      if (number_for(r, v, 1) || (v > 2 && number_for(r, v, 2)) || (v > 3 && number_for(r, v, 3)) ||
          (v > 8 && number_for(r, v, v / 2)))
        some = true, p = r->best->text + at;
    while (word_byte(p[1])) p++;
    if (time(NULL) >= r->end) break;
  }
  return some;
}

/* ---- expressions ---- */

static const char *closing(const char *p) { /* of the bracket at p, in its line; NULL: none */
  int depth = 0;
  for (; *p && *p != '\n'; p++) {
    depth += (*p == '(' || *p == '[' || *p == '{') - (*p == ')' || *p == ']' || *p == '}');
    if (depth == 0) return p;
  }
  return NULL;
}

static bool replace(Reduce *r, const char *lo, const char *hi, const char *with, size_t n) {
  size_t at = (size_t)(lo - r->best->text), end = (size_t)(hi - r->best->text), len = strlen(r->best->text);
  if (n >= end - at) return false;
  *r->trial = *r->best;
  memcpy(r->trial->text + at, with, n);
  memcpy(r->trial->text + at + n, r->best->text + end, len - end + 1);
  return holds(r);
}

/* f(a, b) becomes a or b. */
static bool call_for_argument(Reduce *r, const char *open) {
  const char *lo = open, *end = closing(open), *from = open + 1;
  if (!end) return false;
  while (lo > r->best->text && (word_byte(lo[-1]))) lo--;
  for (const char *p = from; p <= end; p++) {
    if (*p == '(' || *p == '[' || *p == '{') p = closing(p) ? closing(p) : p;
    if (p != end && *p != ',') continue;
    if (p > from && replace(r, lo, end + 1, from, (size_t)(p - from))) return true;
    from = p + 1 + (p[1] == ' ');
  }
  return false;
}

/* The right-hand side becomes a name of it, or one side of an operator. */
static bool side_for_whole(Reduce *r, const char *rhs) {
  const char *end = strchr(rhs, '\n');
  for (const char *p = rhs; end && p < end; p++) {
    if (*p == '(' || *p == '[') p = closing(p) ? closing(p) : p;
    if (p[0] == ' ' && p[1] && strchr("+-*/@<>=", p[1]) && (p[2] == ' ' || p[3] == ' ')) {
      const char *right = p + 3;
      if (replace(r, rhs, end, rhs, (size_t)(p - rhs)) || replace(r, rhs, end, right, (size_t)(end - right)))
        return true;
    }
  }
  for (const char *p = rhs; end && p < end; p++) {
    const char *q = p;
    while (q < end && word_byte(*q) && *q != '.') q++;
    if (q > p && isalpha((unsigned char)*p) && *q != '(' && replace(r, rhs, end, p, (size_t)(q - p)))
      return true;
    p = q > p ? q - 1 : p;
  }
  return false;
}

static bool simpler_expressions(Reduce *r) {
  bool some = false;
  for (size_t at = 0; r->best->text[at] && time(NULL) < r->end; at++) {
    const char *p = r->best->text + at;
    bool changed = false;
    if (p[0] == '(') changed = call_for_argument(r, p);
    if (!changed && at > 3 && strncmp(p - 3, " = ", 3) == 0) changed = side_for_whole(r, p);
    if (changed) some = true, at = at > 64 ? at - 64 : 0;
  }
  return some;
}

void case_reduce(Case *c, unsigned what, const Fault *f, unsigned seconds) {
  Reduce r = {.best = c,
              .trial = malloc(sizeof *c),
              .what = what,
              .seconds = 20,
              .end = time(NULL) + (time_t)seconds};
  snprintf(r.stage, sizeof r.stage, "%s", f->stage);
  snprintf(r.detail, sizeof r.detail, "%.15s", f->detail);
  if (!r.trial) return;
  const char *at = c->expect[0] ? c->text : NULL;
  for (int line = 1; at && line < c->line; line++) at = strchr(at, '\n'), at = at ? at + 1 : NULL;
  if (at) snprintf(r.mistake, sizeof r.mistake, "%.*s", (int)strcspn(at, "\n"), at);
  *r.trial = *c;
  for (bool more = true; more && time(NULL) < r.end;) {
    more = fewer_lines(&r);
    more = smaller_numbers(&r) || more;
    more = simpler_expressions(&r) || more;
  }
  printf("# reduced to %zu bytes in %d tries\n", strlen(c->text), r.tries);
  free(r.trial);
}
