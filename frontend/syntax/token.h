/* Raw tokens and comments of one file, and what the reader's parts share. Private to frontend/. */
#ifndef DG_FRONTEND_TOKEN_H
#define DG_FRONTEND_TOKEN_H

#include "base/diag.h"
#include "frontend/syntax/ast.h"

/* `kind` is a bison token number (parser.h). */
typedef struct Token {
  uint32_t lo, hi;
  uint16_t kind;
  bool newline; /* a line end stands between the token before and this one */
  bool bad;     /* a plausible stand-in for text that was reported: messages about it are muted */
} Token;

typedef struct Comment {
  uint32_t lo, hi; /* without the line end */
  bool doc;        /* `///` */
} Comment;

/* One file being read. Sources may grow while others are read, so the text is copied out of it as a Str. */
typedef struct Reader {
  uint32_t file;
  Str text;
  const Sources *sources;
  Names *names;
  Arena *arena;
  Diags *diags;
  const Limits *limits;
  VEC(Token) tokens; /* ends with one END token at the end of the text */
  VEC(Comment) comments;
  uint32_t reported; /* syntax errors of this file */
  /* while lexing: the end of the token at hand, whether a line end went before, whether the text has no
   * further star-slash */
  uint32_t at;
  bool newline, no_close;
  bool skipped; /* a character was reported and skipped: the next token is marked bad */
} Reader;

void reader_init(Reader *r, uint32_t file, const Sources *s, Names *n, Arena *a, Diags *d, const Limits *l);
/* Fills tokens and comments; lexical errors are reported and replaced by plausible tokens. */
void reader_lex(Reader *r);
/* True when one more syntax error may be shown (limits.errors); counts it. */
bool reader_may_report(Reader *r);

static inline Span reader_span(const Reader *r, size_t lo, size_t hi) {
  return (Span){r->file, (uint32_t)lo, (uint32_t)hi};
}
static inline Str reader_text(const Reader *r, uint32_t lo, uint32_t hi) {
  return (Str){r->text.p + lo, hi - lo};
}

/* Reserved words and the words that are keywords only before a name; 0 when `s` is neither. */
int word_kind(Str s);
int word_contextual_kind(Str s);
AstDtype word_dtype(Str s);
/* True for the kinds of reserved words, dtypes and `int` included. */
bool word_reserved(int kind);

/* Literals. `text` is one well-formed token. */
AstNumber *number_read(Arena *a, Str text);
/* The value of a string token, quotes included; wrong escapes are reported at their place, and no text comes
 * back (p is NULL). */
Str string_read(Reader *r, uint32_t lo, uint32_t hi);

#endif
