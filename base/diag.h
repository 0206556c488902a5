/* Diagnostics as data. One row of diag.def = one code = one typed function diag_<name>(), which returns the
 * new Diag so that labels, notes, help and edits can be added. Nothing is printed here but by diag_render_*,
 * into a string. */
#ifndef DG_BASE_DIAG_H
#define DG_BASE_DIAG_H

#include "base/limits.h"
#include "base/source.h"

/* Groups: names of -W flags. `parent` is the umbrella (dead-params) or none. The severity a group starts
 * with. */
typedef enum { SEV_IGNORED, SEV_NOTE, SEV_WARNING, SEV_ERROR } Severity;
typedef enum {
#define GROUP(id, name, parent, sev, help) DGRP_##id,
#define DIAG(code, fn, group, params, args, fmt)
#include "base/diag.def"
#undef GROUP
#undef DIAG
  DGRP_COUNT
} DiagGroup;
typedef enum {
#define GROUP(id, name, parent, sev, help)
#define DIAG(code, fn, group, params, args, fmt) DIAG_##fn,
#include "base/diag.def"
#undef GROUP
#undef DIAG
  DIAG_COUNT
} DiagKind;

typedef struct DiagInfo {
  uint16_t code; /* shown as DG0304 */
  const char *name, *format;
  DiagGroup group;
} DiagInfo;
typedef struct DiagGroupInfo {
  const char *name, *help;
  DiagGroup parent;
  Severity severity;
} DiagGroupInfo;
extern const DiagInfo diag_info[DIAG_COUNT];
extern const DiagGroupInfo diag_groups[DGRP_COUNT];

typedef struct DiagLabel {
  Span at;
  Str text;
} DiagLabel;
typedef struct DiagEdit {
  Span at; /* replaced by text; lo == hi inserts */
  Str text;
} DiagEdit;
/* May a program apply the edits without asking? MACHINE: nothing else can be meant. MAYBE: one way out of
 * several. */
typedef enum { DIAG_MAYBE, DIAG_MACHINE } DiagApply;
typedef struct DiagNote {
  Span at; /* file 0: text only */
  Str text;
} DiagNote;

typedef struct Diag {
  struct Diags *owner;
  uint32_t seq; /* order of reporting */
  DiagKind kind;
  Span at;
  Str text;  /* the headline, without code */
  Str under; /* text under the caret of the primary span; may be empty */
  VEC(DiagLabel) label;
  VEC(DiagNote) note;
  Str help;           /* "add it to the step, or declare it 'frozen'"; empty when none */
  VEC(DiagEdit) edit; /* shown as the line after the edit */
  DiagApply apply;    /* of all its edits */
  Str fix;            /* what they do, as a title: "remove 'stop_gradient'"; empty: the edit says it itself */
  VEC(Str) subject;   /* parameters the finding is about, by path: machine-readable */
} Diag;

typedef struct DiagFlags {
  Severity level[DGRP_COUNT]; /* after -W, -Wno-, -Werror */
  bool warnings_are_errors;   /* -Werror: all but hints */
} DiagFlags;

typedef struct Diags {
  Arena *arena;
  const Sources *sources;
  const Limits *limits;
  DiagFlags flags;
  /* as reported; diags_finish sorts by place, drops exact repeats and what is above limits.errors */
  VEC(Diag *) all;
  uint32_t errors, warnings; /* counted after flags, those above limits.errors included */
  uint32_t unkept;           /* reported above limits.errors: counted, not in `all` */
  Status status;             /* ST_OK, else the first error's class (ST_REJECTED, ST_LIMIT, ST_IO ...) */
} Diags;

void diags_init(Diags *d, Arena *a, const Sources *s, const Limits *l);
/* `-Wcut`, `-Wno-cut`, `-Werror`, `-Werror=cut`: text after "-W". False: no such group. */
MUST_USE bool diags_flag(Diags *d, Str w);
void diags_take(Diags *d, Diag *g); /* a message of another list, of the same arena */
void diags_finish(Diags *d);
Severity diag_severity(const Diags *d, const Diag *g);
const char *severity_word(Severity s); /* "warning" */

#define GROUP(id, name, parent, sev, help)
#define DIAG(code, fn, group, params, args, fmt) Diag *diag_##fn params;
#include "base/diag.def"
#undef GROUP
#undef DIAG

void diag_under(Diag *g, const char *fmt, ...) PRINTF_LIKE(2, 3);
void diag_label(Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_note(Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4); /* at.file 0: no place */
void diag_help(Diag *g, const char *fmt, ...) PRINTF_LIKE(2, 3);
void diag_edit(Diag *g, Span at, Str text); /* dropped in silence when `at` lies in a library file */
void diag_fix(Diag *g, DiagApply apply, const char *fmt, ...) PRINTF_LIKE(3, 4); /* title of the edits */
void diag_subject(Diag *g, Str param_path);
void diag_status(Diag *g, Status st); /* class of an error other than ST_REJECTED */

/* Nearest of n names to `got` for "did you mean"; empty when none is near enough. */
Str diag_nearest(Str got, const Str *names, size_t n);
/* Nothing else can be meant: a letter too few, too many, wrong or out of place. */
bool diag_very_near(Str got, Str name);
/* "did you mean 'name'?"; with the edit where it is very near to what was written. */
void diag_meant(Diag *g, Span at, Str got, Str name);

/* Renderers append to b. Control bytes and bidi marks in user text are shown escaped. */
typedef struct DiagStyle {
  bool color;
  uint32_t tab; /* columns of a tab stop */
} DiagStyle;
void diag_render_text(const Diags *d, const Diag *g, DiagStyle style, Sb *b);
void diag_render_all(const Diags *d, DiagStyle style, Sb *b);
/* The same as one JSON object, version 1: docs/errors/README.md lists the fields. Always valid UTF-8. */
void diag_render_json(const Diags *d, Sb *b);
/* The same as SARIF 2.1.0; `pages` name the rules. */
struct EmbeddedFile;
void diag_render_sarif(const Diags *d, Str version, const struct EmbeddedFile *pages, Sb *b);
void diag_json_string(Sb *b, Str s); /* with its quotes */
/* What the edits of g do, for a menu: as the message says it, or read off the first. */
Str diag_fix_title(const Diags *d, const Diag *g);

#endif
