/* fix: what edits make of a file, as a difference or written back. */
#include "base/file.h"
#include "driver/commands.h"

#include <string.h>

enum { CONTEXT = 3, FAR = 200 };

typedef struct Lines {
  const char **at; /* one more: the end */
  int n;
} Lines;

static Lines lines_of(Arena *a, const char *text, size_t length) {
  Lines l = {NULL, 0};
  for (size_t i = 0; i < length; i++) l.n += text[i] == '\n' || i + 1 == length;
  l.at = ARENA_ARRAY(a, const char *, (size_t)l.n + 1);
  const char *p = text;
  for (int i = 0; i <= l.n; i++) {
    l.at[i] = p;
    const char *end = i < l.n ? memchr(p, '\n', (size_t)(text + length - p)) : NULL;
    p = end ? end + 1 : text + length;
  }
  return l;
}

static bool same_line(const Lines *a, int i, const Lines *b, int k) {
  size_t n = (size_t)(a->at[i + 1] - a->at[i]);
  return n == (size_t)(b->at[k + 1] - b->at[k]) && memcmp(a->at[i], b->at[k], n) == 0;
}

static void put_lines(char mark, const Lines *l, int from, int to) {
  for (int i = from; i < to; i++) {
    size_t n = (size_t)(l->at[i + 1] - l->at[i]);
    bool whole = n && l->at[i][n - 1] == '\n';
    printf("%c%.*s%s", mark, (int)n, l->at[i], whole ? "" : "\n\\ No newline at end of file\n");
  }
}

/* The next lines that are equal again, near and in order. */
static void meet(const Lines *a, const Lines *b, int *i, int *k) {
  for (int sum = 1; sum < FAR; sum++)
    for (int x = 0; x <= sum; x++) {
      int p = *i + x, q = *k + sum - x;
      if (p < a->n && q < b->n && same_line(a, p, b, q)) {
        *i = p, *k = q;
        return;
      }
    }
  *i = a->n, *k = b->n;
}

typedef struct Change { /* lines from..to of the old text became lines of the new one */
  int from, to, by, until;
} Change;

static void put_difference(Arena *arena, const dg_fixed *f) {
  Lines a = lines_of(arena, f->before, f->before_length), b = lines_of(arena, f->after, f->after_length);
  Change *change = ARENA_ARRAY(arena, Change, (size_t)a.n + (size_t)b.n + 1);
  int n = 0;
  for (int i = 0, k = 0; i < a.n || k < b.n;) {
    if (i < a.n && k < b.n && same_line(&a, i, &b, k)) {
      i++, k++;
      continue;
    }
    Change c = {i, i, k, k};
    meet(&a, &b, &i, &k);
    c.to = i, c.until = k;
    change[n++] = c;
  }
  printf("--- %s\n+++ %s\n", f->file, f->file);
  for (int first = 0, last; first < n; first = last) { /* changes that share their context */
    for (last = first + 1; last < n && change[last].from - change[last - 1].to <= 2 * CONTEXT;) last++;
    int lead = change[first].from < CONTEXT ? change[first].from : CONTEXT,
        tail = a.n - change[last - 1].to < CONTEXT ? a.n - change[last - 1].to : CONTEXT;
    int from = change[first].from - lead, to = change[last - 1].to + tail, by = change[first].by - lead,
        until = change[last - 1].until + tail;
    printf("@@ -%d,%d +%d,%d @@\n", from + (to > from), to - from, by + (until > by), until - by);
    for (int i = first, at = from; i < last; i++) {
      put_lines(' ', &a, at, change[i].from);
      put_lines('-', &a, change[i].from, change[i].to);
      put_lines('+', &b, change[i].by, change[i].until);
      at = change[i].to;
      if (i + 1 == last) put_lines(' ', &a, at, to);
    }
  }
}

typedef struct Fixing {
  dg_program *p;
  const Options *o;
  int maybe, own, others; /* edits of the file named, and of files that it imports */
} Fixing;

static bool of_subject(const Options *o, const char *file) {
  return !strcmp(file, o->subject) || file_same(str_z(file), str_z(o->subject));
}

/* The difference of all files, or the file named written back: an import may be another program's, too. */
static dg_status make_edits(Fixing *x) {
  Arena arena;
  Mem mem;
  dg_status st = DG_OK;
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  bool write = given(x->o, OPT_WRITE);
  for (int i = 0; st == DG_OK && i < dg_fixed_count(x->p); i++) {
    const dg_fixed *f = dg_fixed_at(x->p, i);
    *(of_subject(x->o, f->file) ? &x->own : &x->others) += f->edits;
    if (!write)
      put_difference(&arena, f);
    else if (of_subject(x->o, f->file))
      st = write_file(str_z(f->file), f->after, f->after_length);
  }
  arena_release(&arena);
  return st;
}

static dg_status say_nothing(const Fixing *x, dg_context *cx) {
  int more = 0;
  dg_status st = x->maybe ? DG_OK : say(cx, dg_fix(x->p, 1));
  if (st != DG_OK) return st;
  for (int i = 0; !x->maybe && i < dg_fixed_count(x->p); i++) more += dg_fixed_at(x->p, i)->edits;
  if (more)
    fprintf(stderr,
            "dgc: nothing to mend that can be meant in one way only: see --maybe, which has %d edit%s\n",
            more, more > 1 ? "s" : "");
  else
    fputs("dgc: nothing to mend\n", stderr);
  return DG_OK;
}

/* Findings that have no edit at all: nothing here mends them. */
static void say_without_edit(const Fixing *x) {
  int n = 0;
  for (int i = 0; i < dg_diagnostic_count(x->p); i++) {
    const dg_diagnostic *g = dg_diagnostic_at(x->p, i);
    n += g && !g->edits;
  }
  if (n)
    fprintf(stderr, "dgc: %d finding%s no edit: dgc check says what %s\n", n, n > 1 ? "s have" : " has",
            n > 1 ? "they are" : "it is");
}

static void say_edits(const Fixing *x) {
  bool write = given(x->o, OPT_WRITE);
  if (x->own)
    fprintf(stderr, "dgc: %d edit%s %s '%s'%s\n", x->own, x->own > 1 ? "s" : "", write ? "written to" : "in",
            x->o->subject,
            write        ? ""
            : x->own > 1 ? "; --write makes them"
                         : "; --write makes it");
  for (int i = 0; x->others && i < dg_fixed_count(x->p); i++) {
    const dg_fixed *f = dg_fixed_at(x->p, i);
    if (!of_subject(x->o, f->file))
      fprintf(stderr, "dgc: %d edit%s in '%s', which %s\n", f->edits, f->edits > 1 ? "s lie" : " lies",
              f->file, write ? "is left alone" : "--write leaves alone");
  }
  int left = dg_fixed_left(x->p);
  if (left)
    fprintf(stderr, "dgc: %d finding%s left for another turn: edits meet in one place\n", left,
            left > 1 ? "s are" : " is");
}

int command_fix(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_status st = dg_check_file(cx, o->subject, &p);
  if (!p) return (int)say(cx, st);
  if (st == DG_IO || st == DG_LIMIT) { /* it was not read, or not to its end */
    say_diagnostics(o, p);
    if (!strstr(dg_error(cx), "[DG")) (void)say(cx, st);
    dg_program_free(p);
    return (int)st;
  }
  if (one_document(o)) say_diagnostics(o, p); /* of the text as it was read */
  Fixing x = {.p = p, .o = o, .maybe = given(o, OPT_MAYBE)};
  st = say(cx, dg_fix(p, x.maybe));
  if (st == DG_OK) st = make_edits(&x);
  if (st == DG_OK && !x.own && !x.others)
    st = say_nothing(&x, cx);
  else if (st == DG_OK)
    say_edits(&x);
  if (st == DG_OK) say_without_edit(&x);
  dg_program_free(p);
  return (int)st;
}
