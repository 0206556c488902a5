/* Between flex and bison. See filter.h and "Statements" in docs/language.md. */
#include "frontend/syntax/filter.h"

#include "frontend/syntax/parser.h"

#define NONE UINT32_MAX

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

static const Token *raw(const Filter *f, uint32_t i) {
  return &f->r->tokens.at[i < f->r->tokens.n ? i : f->r->tokens.n - 1];
}
static int kind_at(const Filter *f, uint32_t i) { return raw(f, i)->kind; }
static Span span_at(const Filter *f, uint32_t i) { return reader_span(f->r, raw(f, i)->lo, raw(f, i)->hi); }

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
static int promoted(const Filter *f, uint32_t i) {
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
  case TOK_NAME: return promoted(f, i) && !raw(f, i + 1)->newline;
  default: return false;
  }
}

/* `name =` or `name :=`: a statement, where no argument can stand. */
static bool assigns(const Filter *f, uint32_t i) {
  return kind_at(f, i) == TOK_NAME && (kind_at(f, i + 1) == TOK_SET || kind_at(f, i + 1) == TOK_ASSIGN);
}

/* ---- the stack of brackets and heads ---- */

static Open *top(const Filter *f) { return f->open.n ? &f->open.at[f->open.n - 1] : NULL; }
static bool is_head(OpenKind k) { return k == HEAD_BODY || k == HEAD_FN || k == HEAD_CHOICE; }
static bool top_is_head(const Filter *f) { return f->open.n && is_head(top(f)->kind); }

static void push(Filter *f, OpenKind kind, uint32_t token) {
  VEC_PUSH(f->r->arena, &f->open, (Open){.kind = kind, .token = token});
  if (!is_head(kind)) f->depth++;
}

static void pop(Filter *f) {
  if (!is_head(top(f)->kind)) f->depth--;
  f->open.n--;
}

/* Height of the stack below which the statement at hand has nothing. */
static uint32_t floor_of(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && f->open.at[n - 1].kind != OPEN_BODY && f->open.at[n - 1].kind != OPEN_MISSING) n--;
  return n;
}

uint32_t filter_bracket(const Filter *f) {
  for (uint32_t n = f->open.n; n > floor_of(f); n--)
    if (!is_head(f->open.at[n - 1].kind)) return f->open.at[n - 1].token;
  return NONE;
}

bool filter_in_function(const Filter *f) {
  uint32_t n = floor_of(f);
  return n > 0 && f->open.at[n - 1].function;
}

static bool in_round(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && is_head(f->open.at[n - 1].kind)) n--;
  return n > 0 && (f->open.at[n - 1].kind == OPEN_PAREN || f->open.at[n - 1].kind == OPEN_BRACKET);
}

static bool in_choice(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && is_head(f->open.at[n - 1].kind)) n--;
  return n > 0 && f->open.at[n - 1].kind == OPEN_CHOICE;
}

/* The statement ends: heads without a body are forgotten, but the } that will come for one is remembered. */
static void drop_statement(Filter *f) {
  bool head = false;
  while (f->open.n > floor_of(f)) {
    /* What was skipped held the value of a function whose `=` is the mistake, rather than a body. */
    if (is_head(top(f)->kind) && !(f->panic && top(f)->kind == HEAD_FN)) {
      if (!head) f->head = top(f)->token;
      head = true;
    }
    pop(f);
  }
  if (head) push(f, OPEN_MISSING, f->next);
  f->mark = false;
}

static void never_closed(Filter *f, uint32_t token, Span seen, const char *what) {
  for (uint32_t i = token + 1; i < f->r->tokens.n && !raw(f, i)->newline; i++)
    if (kind_at(f, i) == TOK_STRING && raw(f, i)->bad) return; /* an open string swallowed what closes it */
  if (!reader_may_report(f->r)) return;
  Span at = span_at(f, token);
  Diag *g = diag_never_closed(f->r->diags, at, reader_text(f->r, at.lo, at.hi));
  if (seen.file) diag_label(g, seen, "%s", what);
}

/* At the end of a head that waits for a body, where the text has more `}` than `{`: the brace that is
 * missing, so that the statements below belong to this head. */
static bool insert_brace(Filter *f, Span *at) {
  if (f->surplus <= 0 || !top_is_head(f) || top(f)->kind == HEAD_CHOICE || floor_of(f) + 1 != f->open.n)
    return false;
  uint32_t word = top(f)->token;
  f->surplus--;
  if (reader_may_report(f->r)) {
    Span end = reader_span(f->r, f->last_at.hi, f->last_at.hi);
    diag_missing_brace(f->r->diags, end, reader_text(f->r, raw(f, word)->lo, raw(f, word)->hi));
  }
  f->file->errors = true;
  pop(f);
  push(f, OPEN_BODY, word);
  f->start = true;
  f->last = TOK_LBRACE;
  f->last_bad = f->last_wild = false;
  *at = reader_span(f->r, f->last_at.hi, f->last_at.hi);
  return true;
}

/* What a word opens: heads wait for their brace. */
static void note_head(Filter *f, uint32_t i, int kind) {
  int next = kind_at(f, i + 1);
  switch (kind) {
  case TOK_MODULE:
  case TOK_OPTIMIZER:
  case TOK_TRAIN:
  case TOK_AFTER:
  case TOK_DATASET:
    if (f->start) push(f, HEAD_BODY, i);
    break;
  case TOK_FOR:
    if (f->start) push(f, HEAD_BODY, i);
    break;
  case TOK_SCAN: push(f, HEAD_BODY, i); break;
  case TOK_COND: push(f, HEAD_CHOICE, i); break;
  case TOK_IF:
    if (f->last == TOK_ELSE)
      push(f, f->closed == OPEN_CHOICE ? HEAD_CHOICE : HEAD_BODY, i);
    else
      push(f, f->start ? HEAD_BODY : HEAD_CHOICE, i);
    break;
  case TOK_FN:
    if ((next == TOK_NAME || next == TOK_LPAR) && f->last != TOK_EXTERN) push(f, HEAD_FN, i);
    break;
  case TOK_BACKWARD: push(f, HEAD_FN, i); break;
  case TOK_ELSE:
    if (next != TOK_LBRACE && next != TOK_IF) push(f, f->closed == OPEN_CHOICE ? HEAD_CHOICE : HEAD_BODY, i);
    break;
  case TOK_SET:
    if (f->open.n && top(f)->kind == HEAD_FN) pop(f);
    break;
  default: break;
  }
}

/* The statement at hand is given up, but for the body whose brace or head is on top of the stack. */
static void keep_top(Filter *f) {
  Open o = *top(f);
  pop(f);
  while (f->open.n > floor_of(f)) pop(f);
  push(f, o.kind, o.token);
}

/* Index + 1 of a head of the statement at hand that waits for a body below brackets that are open, or 0. */
static uint32_t head_below(const Filter *f) {
  for (uint32_t n = f->open.n; n > floor_of(f); n--)
    if (f->open.at[n - 1].kind == HEAD_BODY || f->open.at[n - 1].kind == HEAD_FN) return n;
  return 0;
}

static int open_brace(Filter *f, uint32_t i) {
  OpenKind kind = OPEN_CHOICE; /* a brace that nothing announced */
  uint32_t head = top_is_head(f) || f->last == TOK_ELSE ? 0 : head_below(f);
  if (head) { /* `module M(a: int {`: no expression goes on with a brace */
    never_closed(f, filter_bracket(f), span_at(f, i), "before this");
    f->muted = true;
    while (f->open.n > head) pop(f);
  }
  bool function = false;
  if (f->last == TOK_ELSE) {
    kind = f->closed;
  } else if (top_is_head(f)) {
    function = top(f)->kind == HEAD_FN;
    kind = top(f)->kind == HEAD_CHOICE ? OPEN_CHOICE : OPEN_BODY;
    pop(f);
  }
  push(f, kind, i);
  top(f)->function = function;
  return kind == OPEN_BODY ? TOK_LBRACE : TOK_LCHOICE;
}

/* Index + 1 of the nearest entry that `}` (or else `)`, `]`) could close, or 0. */
static uint32_t matching(const Filter *f, int kind) {
  for (uint32_t n = f->open.n; n > 0; n--) {
    OpenKind k = f->open.at[n - 1].kind;
    if (kind == TOK_RBRACE ? (k == OPEN_BODY || k == OPEN_CHOICE || k == OPEN_MISSING)
                           : k == (kind == TOK_RPAR ? OPEN_PAREN : OPEN_BRACKET))
      return n;
    if (kind != TOK_RBRACE && (k == OPEN_BODY || k == OPEN_MISSING)) return 0;
  }
  return 0;
}

/* Column of the first token on the line of byte `at`. */
static uint32_t indent_of(const Filter *f, uint32_t at) {
  Str t = f->r->text;
  uint32_t lo = at;
  while (lo > 0 && t.p[lo - 1] != '\n') lo--;
  uint32_t i = lo;
  while (i < t.n && (t.p[i] == ' ' || t.p[i] == '\t')) i++;
  return i - lo;
}

/* A closing bracket: its kind for the grammar, or -1 when it is swallowed. */
static int close_bracket(Filter *f, uint32_t i, int kind) {
  uint32_t m = matching(f, kind);
  if (m == 0) {
    if (kind == TOK_RBRACE && f->swallowed) return -1;
    if (!f->panic && reader_may_report(f->r)) {
      Span at = span_at(f, i);
      Diag *g = diag_closes_nothing(f->r->diags, at, reader_text(f->r, at.lo, at.hi));
      f->muted = true;
      /* `f(x]` at the end of its line: the wrong one of two keys */
      int next = kind_at(f, i + 1);
      if (kind != TOK_RBRACE && in_round(f) &&
          (raw(f, i + 1)->newline || next == TOK_END || next == TOK_EOS || next == TOK_RBRACE)) {
        Span open = span_at(f, filter_bracket(f));
        diag_label(g, open, "'" STRF "' is open", STRA(reader_text(f->r, open.lo, open.hi)));
        while (is_head(top(f)->kind)) pop(f);
        kind = top(f)->kind == OPEN_PAREN ? TOK_RPAR : TOK_RBRACKET;
        pop(f);
        return kind;
      }
    }
    return -1;
  }
  for (uint32_t n = f->open.n; n > m; n--) {
    OpenKind k = f->open.at[n - 1].kind;
    if ((k == OPEN_PAREN || k == OPEN_BRACKET || k == OPEN_CHOICE) && !f->panic) {
      never_closed(f, f->open.at[n - 1].token, span_at(f, i), "something else is closed here");
      f->muted = true;
      break;
    }
  }
  while (f->open.n > m) pop(f);
  OpenKind k = top(f)->kind;
  if (k == OPEN_BODY && raw(f, i)->newline && f->suspect == NONE &&
      indent_of(f, raw(f, i)->lo) < indent_of(f, raw(f, top(f)->token)->lo)) {
    f->suspect = top(f)->token;
    f->suspect_end = i;
  }
  pop(f);
  if (k == OPEN_MISSING) {
    f->swallowed = true;
    return -1;
  }
  if (kind != TOK_RBRACE) return kind;
  f->closed = k;
  return k == OPEN_BODY ? TOK_RBRACE : TOK_RCHOICE;
}

/* At the end of the text: the block that was most likely left open, by what is indented no deeper than its
 * head. */
static void blocks_left_open(Filter *f) {
  if (f->swallowed) return;
  if (f->suspect != NONE) {
    never_closed(f, f->suspect, span_at(f, f->suspect_end), "this '}' closes it, but stands further left");
    return;
  }
  uint32_t best = NONE;
  for (uint32_t n = f->open.n; n > 0; n--) {
    const Open *o = &f->open.at[n - 1];
    if (o->kind != OPEN_BODY) continue;
    if (best == NONE || o->strange) best = n - 1;
    if (o->strange) break;
  }
  if (best == NONE) return;
  const Open *o = &f->open.at[best];
  if (o->strange)
    never_closed(f, o->token, span_at(f, o->strange), "a '}' is probably missing before this");
  else
    never_closed(f, o->token, (Span){0}, "");
}

/* A statement begins a line at or left of the line that opened its block: remember it, should the block stay
 * open. */
static void note_strange(Filter *f, uint32_t i) {
  if (!f->open.n || top(f)->kind != OPEN_BODY || top(f)->strange) return;
  if (indent_of(f, raw(f, i)->lo) <= indent_of(f, raw(f, top(f)->token)->lo)) top(f)->strange = i;
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

static bool line_ends(Filter *f, uint32_t i) {
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

static void too_deep(Filter *f, uint32_t i) {
  Diag *g = diag_limit(f->r->diags, span_at(f, i), "brackets are nested too deeply", "nesting",
                       f->r->limits->nesting);
  diag_status(g, ST_LIMIT);
  f->file->errors = true;
  f->stopped = true;
}

/* After an error: skips to the end of the statement, balanced. True when the end was consumed, so that an end
 * of statement is due; false when f->next stands at something to hand over: a } of the enclosing block, a
 * body, the end. */
static bool skip(Filter *f) {
  uint32_t base = floor_of(f);
  for (;; f->next++) {
    uint32_t i = f->next;
    int kind = kind_at(f, i);
    if (kind == TOK_END) return true;
    uint32_t bracket = filter_bracket(f);
    if (raw(f, i)->newline) {
      if (kind == TOK_RBRACE && matching(f, kind) <= base) return true;
      if (bracket == NONE ? kind != TOK_RBRACE && line_ends(f, i)
                          : in_round(f) && filter_statement_word(f, i))
        return true;
    }
    switch (kind) {
    case TOK_EOS:
      if (bracket == NONE) {
        f->next++;
        return true;
      }
      break;
    case TOK_LPAR: push(f, OPEN_PAREN, i); break;
    case TOK_LBRACKET: push(f, OPEN_BRACKET, i); break;
    case TOK_LBRACE:
      if (f->last != TOK_ELSE && !top_is_head(f) && head_below(f))
        while (f->open.n > head_below(f)) pop(f);
      if (filter_bracket(f) == NONE && top_is_head(f) && top(f)->kind != HEAD_CHOICE) {
        keep_top(f);
        return false;
      }
      if (top_is_head(f)) pop(f);
      push(f, OPEN_CHOICE, i);
      break;
    case TOK_RBRACE: {
      uint32_t m = matching(f, kind);
      if (m > base) {
        while (f->open.n >= m) pop(f);
      } else {
        while (f->open.n > base && !is_head(top(f)->kind)) pop(f);
        if (f->open.n == base) return false;
        pop(f); /* the head's brace was what is missing */
      }
      break;
    }
    case TOK_RPAR:
    case TOK_RBRACKET: {
      uint32_t m = matching(f, kind);
      while (m > base && f->open.n >= m) pop(f);
      break;
    }
    default: note_head(f, i, kind); break;
    }
    if (f->depth > f->r->limits->nesting) {
      too_deep(f, i);
      return true;
    }
    f->last = kind;
    f->last_wild = false;
    f->last_at = span_at(f, i);
  }
}

int filter_next(Filter *f, Span *at) {
  f->muted = false;
  if (f->stopped) return stop(f, at);
  if (f->panic) {
    bool end = skip(f);
    if (end || kind_at(f, f->next) == TOK_RBRACE) drop_statement(f);
    f->panic = false;
    if (f->stopped) return stop(f, at);
    if (end) return hand_over_end(f, at);
  }
  for (;;) {
    uint32_t i = f->next;
    const Token *t = raw(f, i);
    int kind = t->kind;

    if (t->newline && !f->start && kind == TOK_RBRACE && filter_bracket(f) == NONE &&
        needs_more(f->last, f->last_wild)) {
      drop_statement(f); /* the mistake is on the line before */
      return hand_over_end(f, at);
    }
    if (t->newline && !f->start && kind != TOK_RBRACE) {
      if (in_round(f)) {
        if (filter_statement_word(f, i)) {
          never_closed(f, filter_bracket(f), span_at(f, i), "this begins a statement");
          f->muted = true;
          drop_statement(f);
          return hand_over_end(f, at);
        }
      } else if (in_choice(f)) {
        if (line_ends(f, i) && f->last != TOK_LCHOICE && kind != TOK_END && f->broken_at != i) {
          f->broken_at = i;
          f->last = TOK_BREAK; /* not at i: the line end itself cannot stand here */
          f->last_token = i;
          f->last_bad = false;
          at->file = f->r->file, at->lo = at->hi = f->last_at.hi;
          return TOK_BREAK;
        }
      } else if (!f->mark && line_ends(f, i)) {
        if (!f->muted && insert_brace(f, at)) return TOK_LBRACE;
        drop_statement(f);
        return hand_over_end(f, at);
      }
    }

    if (kind == TOK_END) {
      if (!f->start) {
        if (filter_bracket(f) != NONE) {
          never_closed(f, filter_bracket(f), (Span){0}, "");
          f->muted = true;
        }
        drop_statement(f);
        return hand_over_end(f, at);
      }
      if (top(f)) blocks_left_open(f), f->swallowed = true;
      while (f->open.n) {
        OpenKind k = top(f)->kind;
        pop(f);
        if (k == OPEN_BODY) {
          f->last = TOK_RBRACE;
          f->start = false;
          *at = span_at(f, i);
          if (f->open.n == 0 || top(f)->kind == OPEN_BODY) return TOK_RBRACE;
          return TOK_RBRACE;
        }
      }
      return hand_over(f, i, TOK_END, at);
    }

    f->next++;
    if (f->start && kind != TOK_EOS && kind != TOK_RBRACE) {
      f->first = i;
      if (t->newline) note_strange(f, i);
      int p = promoted(f, i);
      if (p) kind = p;
    }
    switch (kind) {
    case TOK_EOS:
      if (filter_bracket(f) != NONE) return hand_over(f, i, TOK_BREAK, at);
      if (f->start) continue;
      drop_statement(f);
      return hand_over_end(f, at);
    case TOK_HASH: f->mark = f->start; break;
    case TOK_LPAR: push(f, OPEN_PAREN, i); break;
    case TOK_LBRACKET: push(f, OPEN_BRACKET, i); break;
    case TOK_LBRACE: kind = open_brace(f, i); break;
    case TOK_RPAR:
    case TOK_RBRACKET:
    case TOK_RBRACE:
      kind = close_bracket(f, i, kind);
      if (kind < 0) continue;
      break;
    default: note_head(f, i, kind); break;
    }
    if (f->depth > f->r->limits->nesting) {
      too_deep(f, i);
      return stop(f, at);
    }
    bool mark_ends = f->mark && kind == TOK_RBRACKET;
    hand_over(f, i, kind, at);
    if (mark_ends) f->mark = false, f->start = true;
    return kind;
  }
}

/* ---- errors ---- */

void filter_error(Filter *f) {
  if (f->r->reported > f->r->limits->errors) f->stopped = true; /* nobody would see more of them */
  f->file->errors = true;
  f->error_first = f->first;
  f->mark = false;
  if (f->last == TOK_LBRACE) keep_top(f);
  f->panic = f->last != TOK_EOS && f->last != TOK_RBRACE && f->last != TOK_LBRACE && f->last != TOK_END;
}

void filter_take_back(Filter *f) {
  f->next = f->last_token;
  f->last = TOK_NAME; /* an operand: nothing makes its line go on */
  while (f->open.n > floor_of(f)) pop(f);
}

void filter_broken_names(Filter *f) {
  uint32_t i = f->error_first;
  if (i == NONE) return;
  while (kind_at(f, i) == TOK_FROZEN || kind_at(f, i) == TOK_EXTERN) i++;
  if (kind_at(f, i) == TOK_NAME && kind_at(f, i + 1) != TOK_NAME && kind_at(f, i + 1) != TOK_HOLE &&
      word_contextual_kind(reader_text(f->r, raw(f, i)->lo, raw(f, i)->hi)))
    f->file->nameless = true; /* `input : f32[N]`, `dataset { .. }` */
  switch (promoted(f, i) ? promoted(f, i) : kind_at(f, i)) {
  case TOK_LET:
  case TOK_VAR:
  case TOK_CONST:
  case TOK_PARAM:
  case TOK_STATE:
  case TOK_INPUT:
  case TOK_OUTPUT:
  case TOK_LOSS:
  case TOK_METRIC:
  case TOK_FN:
  case TOK_MODULE:
  case TOK_OPTIMIZER:
  case TOK_DATASET:
  case TOK_TRAIN:
  case TOK_IMPORT: break;
  case TOK_NAME:
    /* a keyword that is misspelt or was forgotten: `parm w: ..`, `w: ..` */
    if (kind_at(f, i + 1) == TOK_COLON || kind_at(f, i + 1) == TOK_SET || kind_at(f, i + 1) == TOK_COMMA)
      i--;
    else if (kind_at(f, i + 1) != TOK_NAME)
      return;
    break;
  default: return;
  }
  int behind = kind_at(f, i + 1);
  if (raw(f, i + 1)->newline ||
      (behind != TOK_NAME && behind != TOK_HOLE && !word_reserved(behind) && kind_at(f, i) != TOK_FN))
    f->file->nameless = true;
  for (i++; kind_at(f, i) == TOK_NAME || kind_at(f, i) == TOK_COMMA || kind_at(f, i) == TOK_HOLE; i++) {
    if (kind_at(f, i) != TOK_NAME) continue;
    Sym s = names_add(f->r->names, reader_text(f->r, raw(f, i)->lo, raw(f, i)->hi));
    VEC_PUSH(f->r->arena, &f->file->broken, s);
    if (kind_at(f, i + 1) != TOK_COMMA) break;
  }
  /* what the skipped rest of the line may have declared: `let a = 1 let b = 2` */
  for (uint32_t k = i + 1; k + 1 < f->next; k++) {
    if (kind_at(f, k) != TOK_NAME || (kind_at(f, k + 1) != TOK_SET && kind_at(f, k + 1) != TOK_COLON))
      continue;
    Sym s = names_add(f->r->names, reader_text(f->r, raw(f, k)->lo, raw(f, k)->hi));
    VEC_PUSH(f->r->arena, &f->file->broken, s);
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
