/* Between flex and bison: where lines end statements, which words are keywords here, and the tokens as the
 * grammar gets them. See filter.h and "Statements" in docs/language.md. */
#include "frontend/syntax/filter_internal.h"
#include "frontend/syntax/parser.h"

void filter_init(Filter *f, Reader *r, AstFile *file) {
  *f = (Filter){.r = r,
                .file = file,
                .start = true,
                .last = TOK_EOS,
                .closed = OPEN_BODY,
                .error_first = NONE,
                .suspect = NONE};
  f->last_at = reader_span(r, 0, 0);
  for (uint32_t i = 0; i < r->tokens.n; i++)
    f->surplus += (r->tokens.at[i].kind == TOK_RBRACE) - (r->tokens.at[i].kind == TOK_LBRACE);
}

/* ---- tables over token kinds ---- */

bool token_binary(int k) {
  return k == TOK_PLUS || k == TOK_MINUS || k == TOK_STAR || k == TOK_SLASH || k == TOK_AT ||
         k == TOK_CARET || (k >= TOK_EQ && k <= TOK_GE) || k == TOK_AND || k == TOK_OR;
}

bool token_ends_operand(int k) {
  return k == TOK_NAME || k == TOK_NUMBER || k == TOK_STRING || k == TOK_HOLE || k == TOK_TRUE ||
         k == TOK_FALSE || k == TOK_RPAR || k == TOK_RBRACKET || k == TOK_RBRACE || k == TOK_RCHOICE ||
         k == TOK_QUOTE;
}

/* A line that ends in one of these goes on. */
static bool needs_more(int k, bool wildcard) {
  if (k == TOK_STAR) return !wildcard;
  return token_binary(k) || k == TOK_NOT || k == TOK_COMMA || k == TOK_SET || k == TOK_ASSIGN ||
         k == TOK_TILDE || k == TOK_ARROW || k == TOK_COLON || k == TOK_DOT || k == TOK_IN ||
         k == TOK_USING || k == TOK_EXCEPT;
}

/* A line that begins with one of these belongs to the line before. */
static bool goes_on(int k) {
  return token_binary(k) || k == TOK_LPAR || k == TOK_LBRACKET || k == TOK_LBRACE || k == TOK_QUOTE ||
         k == TOK_DOT || k == TOK_COMMA || k == TOK_COLON || k == TOK_SET || k == TOK_ASSIGN ||
         k == TOK_TILDE || k == TOK_ARROW || k == TOK_ELSE || k == TOK_EXCEPT || k == TOK_USING ||
         k == TOK_BACKWARD || k == TOK_IN || k == TOK_WHILE;
}

/* A keyword before a name only: the kind it is promoted to, or 0. */
int filter_promoted(const Filter *f, uint32_t i) {
  if (kind_at(f, i) != TOK_NAME) return 0;
  int next = kind_at(f, i + 1);
  if (next == TOK_AND || next == TOK_OR || next == TOK_IN) return 0;
  if (next != TOK_NAME && next != TOK_HOLE && !word_reserved(next)) return 0;
  return word_contextual_kind(reader_text(f->r, raw(f, i)->lo, raw(f, i)->hi));
}

bool filter_statement_word(const Filter *f, uint32_t i) {
  int k = kind_at(f, i), next = kind_at(f, i + 1);
  switch (k) {
  case TOK_LET:
  case TOK_VAR:
  case TOK_CONST:
  case TOK_IMPORT:
  case TOK_EXTERN:
  case TOK_MODULE:
  case TOK_OPTIMIZER:
  case TOK_PARAM:
  case TOK_FROZEN:
  case TOK_TRAIN:
  case TOK_AFTER:
  case TOK_MINIMIZE:
  case TOK_UPDATE:
  case TOK_NEXT:
  case TOK_YIELD:
  case TOK_RETURN:
  case TOK_ASSERT: return next != TOK_SET && next != TOK_COMMA && next != TOK_RPAR;
  case TOK_FN: return next == TOK_NAME;
  case TOK_HASH: return next == TOK_LBRACKET;
  case TOK_NAME: return filter_promoted(f, i) && !raw(f, i + 1)->newline;
  default: return false;
  }
}

/* `name =` or `name :=`: a statement, where no argument can stand. */
static bool assigns(const Filter *f, uint32_t i) {
  return kind_at(f, i) == TOK_NAME && (kind_at(f, i + 1) == TOK_SET || kind_at(f, i + 1) == TOK_ASSIGN);
}

/* ---- handing over ---- */

static int hand_over(Filter *f, uint32_t i, int kind, Span *at) {
  f->last_wild = kind == TOK_STAR && !token_ends_operand(f->last);
  f->last = kind;
  f->last_token = i;
  f->last_bad = raw(f, i)->bad;
  f->last_at = *at = span_at(f, i);
  f->start = kind == TOK_LBRACE;
  return kind;
}

/* The end of a statement stands at the end of the token before: there the line ends. */
static int hand_over_end(Filter *f, Span *at) {
  f->start = true;
  f->last = TOK_EOS;
  f->last_bad = f->last_wild = false;
  at->file = f->r->file;
  at->lo = at->hi = f->last_at.hi;
  f->last_at = *at;
  return TOK_EOS;
}

static int stop(Filter *f, Span *at) {
  at->file = f->r->file;
  at->lo = at->hi = f->last_at.hi;
  return f->last = TOK_END;
}

bool filter_line_ends(Filter *f, uint32_t i) {
  int kind = kind_at(f, i);
  if (kind == TOK_END) return true;
  bool more = needs_more(f->last, f->last_wild);
  if (more && filter_statement_word(f, i)) return true;
  /* `let x =` above `y = 3`: no operand is followed by `=`. Names and types may be. */
  if (more && assigns(f, i) &&
      (token_binary(f->last) || f->last == TOK_NOT || f->last == TOK_SET || f->last == TOK_ASSIGN))
    return true;
  return !more && !goes_on(kind);
}

void filter_too_deep(Filter *f, uint32_t i) {
  Diag *g = diag_limit(f->r->diags, span_at(f, i), "brackets are nested too deeply", "nesting",
                       f->r->limits->nesting);
  diag_status(g, ST_LIMIT);
  f->file->errors = true;
  f->stopped = true;
}

/* What the line end before token i means: a token, or -1 for nothing. */
static int line_end(Filter *f, uint32_t i, Span *at) {
  int kind = kind_at(f, i);
  if (kind == TOK_RBRACE) {
    if (filter_bracket(f) != NONE || !needs_more(f->last, f->last_wild)) return -1;
    filter_drop_statement(f); /* the mistake is on the line before */
    return hand_over_end(f, at);
  }
  if (filter_in_round(f)) {
    if (!filter_statement_word(f, i)) return -1;
    filter_never_closed(f, filter_bracket(f), span_at(f, i), "this begins a statement");
    f->muted = true;
    filter_drop_statement(f);
    return hand_over_end(f, at);
  }
  if (filter_in_choice(f)) {
    if (!filter_line_ends(f, i) || f->last == TOK_LCHOICE || kind == TOK_END || f->broken_at == i) return -1;
    f->broken_at = i;
    f->last = TOK_BREAK; /* not at i: the line end itself cannot stand here */
    f->last_token = i;
    f->last_bad = false;
    at->file = f->r->file, at->lo = at->hi = f->last_at.hi;
    return TOK_BREAK;
  }
  if (f->mark || !filter_line_ends(f, i)) return -1;
  if (!f->muted && filter_insert_brace(f, at)) return TOK_LBRACE;
  filter_drop_statement(f);
  return hand_over_end(f, at);
}

/* Token i is the end of the file: the statement ends, then what is open, one at a time. */
static int file_end(Filter *f, uint32_t i, Span *at) {
  if (!f->start) {
    if (filter_bracket(f) != NONE) {
      filter_never_closed(f, filter_bracket(f), (Span){0}, "");
      f->muted = true;
    }
    filter_drop_statement(f);
    return hand_over_end(f, at);
  }
  if (top(f)) filter_blocks_left_open(f), f->swallowed = true;
  while (f->open.n) {
    OpenKind k = top(f)->kind;
    filter_pop(f);
    if (k != OPEN_BODY) continue;
    f->last = TOK_RBRACE;
    f->start = false;
    *at = span_at(f, i);
    return TOK_RBRACE;
  }
  return hand_over(f, i, TOK_END, at);
}

int filter_next(Filter *f, Span *at) {
  f->muted = false;
  if (f->stopped) return stop(f, at);
  if (f->panic) {
    bool end = filter_skip(f);
    if (end || kind_at(f, f->next) == TOK_RBRACE) filter_drop_statement(f);
    f->panic = false;
    if (f->stopped) return stop(f, at);
    if (end) return hand_over_end(f, at);
  }
  for (;;) {
    uint32_t i = f->next;
    const Token *t = raw(f, i);
    int kind = t->kind;

    if (t->newline && !f->start) {
      int ends = line_end(f, i, at);
      if (ends >= 0) return ends;
    }
    if (kind == TOK_END) return file_end(f, i, at);
    f->next++;
    if (f->start && kind != TOK_EOS && kind != TOK_RBRACE) {
      f->first = i;
      if (t->newline) filter_note_strange(f, i);
      int p = filter_promoted(f, i);
      if (p) kind = p;
    }
    switch (kind) {
    case TOK_EOS:
      if (filter_bracket(f) != NONE) return hand_over(f, i, TOK_BREAK, at);
      if (f->start) continue;
      filter_drop_statement(f);
      return hand_over_end(f, at);
    case TOK_HASH: f->mark = f->start; break;
    case TOK_LPAR: filter_push(f, OPEN_PAREN, i); break;
    case TOK_LBRACKET: filter_push(f, OPEN_BRACKET, i); break;
    case TOK_LBRACE: kind = filter_open_brace(f, i); break;
    case TOK_RPAR:
    case TOK_RBRACKET:
    case TOK_RBRACE:
      kind = filter_close_bracket(f, i, kind);
      if (kind < 0) continue;
      break;
    default: filter_note_head(f, i, kind); break;
    }
    if (f->depth > f->r->limits->nesting) {
      filter_too_deep(f, i);
      return stop(f, at);
    }
    bool mark_ends = f->mark && kind == TOK_RBRACKET;
    hand_over(f, i, kind, at);
    if (mark_ends) f->mark = false, f->start = true;
    return kind;
  }
}

/* ---- doc comments ---- */

/* Only blanks and one line end between two places. */
static bool adjacent(Str text, uint32_t lo, uint32_t hi) {
  uint32_t lines = 0;
  for (uint32_t i = lo; i < hi; i++) {
    if (text.p[i] == '\n')
      lines++;
    else if (text.p[i] != ' ' && text.p[i] != '\t' && text.p[i] != '\r')
      return false;
  }
  return lines == 1;
}

static bool begins_line(Str text, uint32_t at) {
  while (at > 0 && (text.p[at - 1] == ' ' || text.p[at - 1] == '\t')) at--;
  return at == 0 || text.p[at - 1] == '\n';
}

void filter_doc(Filter *f, AstStmt *s) {
  const Reader *r = f->r;
  uint32_t lo = 0, hi = r->comments.n;
  while (lo < hi) { /* first comment at or behind the statement */
    uint32_t mid = lo + (hi - lo) / 2;
    if (r->comments.at[mid].lo < s->at.lo)
      lo = mid + 1;
    else
      hi = mid;
  }
  uint32_t end = lo, first = lo, below = s->at.lo;
  while (first > 0) {
    const Comment *c = &r->comments.at[first - 1];
    if (!c->doc || !adjacent(r->text, c->hi, below) || !begins_line(r->text, c->lo)) break;
    below = c->lo;
    first--;
  }
  if (first == end) return;
  Sb b;
  sb_init(&b, r->arena);
  for (uint32_t i = first; i < end; i++) {
    Str line = reader_text(r, r->comments.at[i].lo + 3, r->comments.at[i].hi);
    if (line.n && line.p[0] == ' ') line.p++, line.n--;
    if (i > first) sb_char(&b, '\n');
    sb_add(&b, line);
  }
  s->doc = sb_str(&b);
  s->doc_at = reader_span(r, r->comments.at[first].lo, r->comments.at[end - 1].hi);
}
