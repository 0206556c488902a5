#include "base/diag.h"

#include <stdlib.h>

const DiagInfo diag_info[DIAG_COUNT] = {
#define GROUP(id, name, parent, sev, help)
/* 1##code - 10000: the codes are written with leading zeros, which C would read as octal. */
#define DIAG(code, fn, group, params, args, fmt) [DIAG_##fn] = {1##code - 10000, #fn, fmt, DGRP_##group},
#include "base/diag.def"
#undef GROUP
#undef DIAG
};

const DiagGroupInfo diag_groups[DGRP_COUNT] = {
#define GROUP(id, name, parent, sev, help) [DGRP_##id] = {name, help, DGRP_##parent, sev},
#define DIAG(code, fn, group, params, args, fmt)
#include "base/diag.def"
#undef GROUP
#undef DIAG
};

void diags_init(Diags *d, Arena *a, const Sources *s, const Limits *l) {
  *d = (Diags){.arena = a, .sources = s, .limits = l};
  for (int i = 0; i < DGRP_COUNT; i++) d->flags.level[i] = diag_groups[i].severity;
}

static bool set_group(Diags *d, Str name, Severity level) {
  if (name.n == 0) return false;
  for (int i = 0; i < DGRP_COUNT; i++) {
    if (!str_eq(str_z(diag_groups[i].name), name)) continue;
    d->flags.level[i] = level;
    for (int k = 0; k < DGRP_COUNT; k++)
      if (k != i && (int)diag_groups[k].parent == i) d->flags.level[k] = level;
    return true;
  }
  return false;
}

bool diags_flag(Diags *d, Str w) {
  Str no = STR("no-"), error = STR("error=");
  if (str_eq(w, STR("error")) || str_eq(w, STR("no-error"))) {
    d->flags.warnings_are_errors = str_eq(w, STR("error"));
    return true;
  }
  if (str_starts(w, error)) return set_group(d, (Str){w.p + error.n, w.n - error.n}, SEV_ERROR);
  if (str_starts(w, no)) return set_group(d, (Str){w.p + no.n, w.n - no.n}, SEV_IGNORED);
  return set_group(d, w, SEV_WARNING);
}

Severity diag_severity(const Diags *d, const Diag *g) {
  DiagGroup group = diag_info[g->kind].group;
  Severity s = d->flags.level[group];
  bool hint = group == DGRP_hints || diag_groups[group].parent == DGRP_hints;
  return s == SEV_WARNING && d->flags.warnings_are_errors && !hint ? SEV_ERROR : s;
}

const char *severity_word(Severity s) {
  switch (s) {
  case SEV_IGNORED: return "ignored";
  case SEV_NOTE: return "note";
  case SEV_WARNING: return "warning";
  case SEV_ERROR: return "error";
  }
  return "";
}

enum { REPEATS = 8 };

void diags_take(Diags *d, Diag *g) {
  g->owner = d;
  g->seq = d->all.n + d->unkept;
  Severity s = diag_severity(d, g);
  d->errors += s == SEV_ERROR;
  d->warnings += s == SEV_WARNING;
  if (s == SEV_ERROR && d->status == ST_OK) d->status = ST_REJECTED;
  /* repeats are dropped at the end, so more are kept than will be shown */
  if ((int64_t)(d->all.n / REPEATS) < d->limits->errors)
    VEC_PUSH(d->arena, &d->all, g);
  else
    d->unkept += s != SEV_IGNORED;
}

static PRINTF_LIKE(4, 5) Diag *report(Diags *d, DiagKind kind, Span at, const char *fmt, ...) {
  Sb b;
  va_list ap;
  Diag *g = ARENA_NEW(d->arena, Diag);
  sb_init(&b, d->arena);
  va_start(ap, fmt);
  sb_vfmt(&b, fmt, ap);
  va_end(ap);
  *g = (Diag){.kind = kind, .at = at, .text = sb_str(&b), .under = {"", 0}, .help = {"", 0}};
  diags_take(d, g);
  return g;
}

#define UNPAREN(...) __VA_ARGS__
#define GROUP(id, name, parent, sev, help)
#define DIAG(code, fn, group, params, args, fmt)                                                             \
  Diag *diag_##fn params { return report(d, DIAG_##fn, at, fmt, UNPAREN args); }
#include "base/diag.def"
#undef GROUP
#undef DIAG

#define FORMAT(arena, fmt, out)                                                                              \
  do {                                                                                                       \
    Sb b_;                                                                                                   \
    va_list ap_;                                                                                             \
    sb_init(&b_, (arena));                                                                                   \
    va_start(ap_, fmt);                                                                                      \
    sb_vfmt(&b_, fmt, ap_);                                                                                  \
    va_end(ap_);                                                                                             \
    (out) = sb_str(&b_);                                                                                     \
  } while (0)

void diag_under(Diag *g, const char *fmt, ...) { FORMAT(g->owner->arena, fmt, g->under); }

void diag_help(Diag *g, const char *fmt, ...) { FORMAT(g->owner->arena, fmt, g->help); }

void diag_label(Diag *g, Span at, const char *fmt, ...) {
  DiagLabel l = {.at = at};
  FORMAT(g->owner->arena, fmt, l.text);
  VEC_PUSH(g->owner->arena, &g->label, l);
}

void diag_note(Diag *g, Span at, const char *fmt, ...) {
  DiagNote n = {.at = at};
  FORMAT(g->owner->arena, fmt, n.text);
  VEC_PUSH(g->owner->arena, &g->note, n);
}

void diag_edit(Diag *g, Span at, Str text) {
  if (!at.file || g->owner->sources->file.at[at.file].library) return;
  DiagEdit e = {at, str_copy(g->owner->arena, text)};
  VEC_PUSH(g->owner->arena, &g->edit, e);
}

void diag_fix(Diag *g, DiagApply apply, const char *fmt, ...) {
  g->apply = apply;
  FORMAT(g->owner->arena, fmt, g->fix);
}

void diag_subject(Diag *g, Str param_path) {
  Str copy = str_copy(g->owner->arena, param_path);
  VEC_PUSH(g->owner->arena, &g->subject, copy);
}

void diag_status(Diag *g, Status st) {
  Diags *d = g->owner;
  for (uint32_t i = 0; i < d->all.n; i++) {
    if (diag_severity(d, d->all.at[i]) != SEV_ERROR) continue;
    if (d->all.at[i] == g) d->status = st;
    return;
  }
}

/* Texts as a reader orders them: b[2] before b[10]. */
static int by_number(Str a, Str b) {
  size_t i = 0, k = 0;
  while (i < a.n && k < b.n) {
    size_t m = i, n = k;
    while (m < a.n && a.p[m] >= '0' && a.p[m] <= '9') m++;
    while (n < b.n && b.p[n] >= '0' && b.p[n] <= '9') n++;
    if (m - i != n - k && m > i && n > k) return m - i < n - k ? -1 : 1;
    if (a.p[i] != b.p[k]) return (unsigned char)a.p[i] < (unsigned char)b.p[k] ? -1 : 1;
    i++, k++;
  }
  return (i < a.n) - (k < b.n);
}

static int by_place(const void *a, const void *b) {
  const Diag *x = *(Diag *const *)a, *y = *(Diag *const *)b;
  if (x->at.file != y->at.file) return x->at.file < y->at.file ? -1 : 1;
  if (x->at.lo != y->at.lo) return x->at.lo < y->at.lo ? -1 : 1;
  if (x->at.hi != y->at.hi) return x->at.hi < y->at.hi ? -1 : 1;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  int c = by_number(x->text, y->text);
  return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static bool same(const Diag *x, const Diag *y) {
  return x->kind == y->kind && x->at.file == y->at.file && x->at.lo == y->at.lo && x->at.hi == y->at.hi &&
         str_eq(x->text, y->text);
}

void diags_finish(Diags *d) {
  uint32_t kept = 0;
  if (d->all.n == 0) return;
  qsort(d->all.at, d->all.n, sizeof *d->all.at, by_place);
  for (uint32_t i = 0; i < d->all.n; i++) {
    Diag *g = d->all.at[i];
    if (kept && same(d->all.at[kept - 1], g)) {
      Severity s = diag_severity(d, g);
      d->errors -= s == SEV_ERROR;
      d->warnings -= s == SEV_WARNING;
    } else {
      d->all.at[kept++] = g;
    }
  }
  d->all.n = kept;
  kept = 0;
  int64_t shown = 0;
  for (uint32_t i = 0; i < d->all.n; i++) {
    bool counts = diag_severity(d, d->all.at[i]) != SEV_IGNORED;
    if (counts && shown >= d->limits->errors)
      d->unkept++;
    else
      d->all.at[kept++] = d->all.at[i], shown += counts;
  }
  d->all.n = kept;
}

static bool same_but_case(Str a, Str b) {
  bool same = a.n == b.n;
  for (size_t i = 0; i < a.n && same; i++) {
    char c = a.p[i], d = b.p[i];
    same = c == d || ((c ^ d) == 32 && (c | 32) >= 'a' && (c | 32) <= 'z');
  }
  return same;
}

/* Names that differ in their digits are two names, no slip: conv1d and conv2d, h1 and h2. A digit that was
 * left out may be one. */
static bool same_digits(Str got, Str name) {
  size_t i = 0, k = 0, seen = 0;
  for (;; i++, k++, seen++) {
    while (i < got.n && (got.p[i] < '0' || got.p[i] > '9')) i++;
    while (k < name.n && (name.p[k] < '0' || name.p[k] > '9')) k++;
    if (i == got.n) return k == name.n || !seen;
    if (k == name.n || got.p[i] != name.p[k]) return false;
  }
}

/* Of three letters one that is another makes another name: std and sgd. */
static bool short_and_other(Str got, Str name) {
  return got.n == name.n && got.n < 4 && str_distance(got, name, 1) == 1 &&
         (got.p[0] == name.p[0]) + (got.p[1] == name.p[1]) + (got.n == 3 && got.p[2] == name.p[2]) ==
             (int)got.n - 1;
}

/* All letters of `part` in their order: letters were left out. */
static bool keeps_letters(Str part, Str whole) {
  size_t k = 0;
  for (size_t i = 0; i < whole.n && k < part.n; i++) k += whole.p[i] == part.p[k];
  return k == part.n;
}

Str diag_nearest(Str got, const Str *names, size_t n) {
  Str best = {"", 0};
  size_t cap = got.n < 5 ? 1 : got.n < 8 ? 2 : 3, best_at = 2 * cap + 2;
  if (got.n == 0) return best;
  for (size_t i = 0; i < n; i++) {
    size_t at = str_distance(got, names[i], cap);
    /* A name of which every letter would change is no suggestion: 'b' for 'w'. Neither is the
     * name itself: it stands where it means nothing. */
    if (at == 0) continue;
    if (same_but_case(got, names[i]))
      at = 0;
    else if (at > cap || at >= got.n || at >= names[i].n || !same_digits(got, names[i]) ||
             short_and_other(got, names[i]))
      continue;
    else /* of two as near, the one that keeps what was typed */
      at = 2 * at + !keeps_letters(got, names[i]);
    if (at >= best_at) continue;
    best = names[i];
    best_at = at;
  }
  return best;
}

bool diag_very_near(Str got, Str name) {
  size_t least = got.n < name.n ? got.n : name.n;
  return same_but_case(got, name) || (least >= 3 && str_distance(got, name, 1) == 1) ||
         (least >= 8 && str_distance(got, name, 2) <= 2);
}

void diag_meant(Diag *g, Span at, Str got, Str name) {
  diag_help(g, "did you mean '" STRF "'?", STRA(name));
  if (diag_very_near(got, name)) diag_edit(g, at, name);
}
