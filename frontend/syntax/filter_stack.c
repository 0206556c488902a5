/* The filter's stack of open brackets and heads: which braces hold what. */
#include "frontend/syntax/filter_internal.h"
#include "frontend/syntax/parser.h"

void filter_push(Filter *f, OpenKind kind, uint32_t token) {
  VEC_PUSH(f->r->arena, &f->open, (Open){.kind = kind, .token = token});
  if (!is_head(kind)) f->depth++;
}

void filter_pop(Filter *f) {
  if (!is_head(top(f)->kind)) f->depth--;
  f->open.n--;
}

/* Height of the stack below which the statement at hand has nothing. */
uint32_t filter_floor(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && f->open.at[n - 1].kind != OPEN_BODY && f->open.at[n - 1].kind != OPEN_MISSING) n--;
  return n;
}

uint32_t filter_bracket(const Filter *f) {
  for (uint32_t n = f->open.n; n > filter_floor(f); n--)
    if (!is_head(f->open.at[n - 1].kind)) return f->open.at[n - 1].token;
  return NONE;
}

bool filter_in_function(const Filter *f) {
  uint32_t n = filter_floor(f);
  return n > 0 && f->open.at[n - 1].function;
}

bool filter_in_round(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && is_head(f->open.at[n - 1].kind)) n--;
  return n > 0 && (f->open.at[n - 1].kind == OPEN_PAREN || f->open.at[n - 1].kind == OPEN_BRACKET);
}

bool filter_in_choice(const Filter *f) {
  uint32_t n = f->open.n;
  while (n > 0 && is_head(f->open.at[n - 1].kind)) n--;
  return n > 0 && f->open.at[n - 1].kind == OPEN_CHOICE;
}

/* What a word opens: heads wait for their brace. */
void filter_note_head(Filter *f, uint32_t i, int kind) {
  int next = kind_at(f, i + 1);
  switch (kind) {
  case TOK_MODULE:
  case TOK_OPTIMIZER:
  case TOK_TRAIN:
  case TOK_AFTER:
  case TOK_DATASET:
    if (f->start) filter_push(f, HEAD_BODY, i);
    break;
  case TOK_FOR:
    if (f->start) filter_push(f, HEAD_BODY, i);
    break;
  case TOK_SCAN: filter_push(f, HEAD_BODY, i); break;
  case TOK_COND: filter_push(f, HEAD_CHOICE, i); break;
  case TOK_IF:
    if (f->last == TOK_ELSE)
      filter_push(f, f->closed == OPEN_CHOICE ? HEAD_CHOICE : HEAD_BODY, i);
    else
      filter_push(f, f->start ? HEAD_BODY : HEAD_CHOICE, i);
    break;
  case TOK_FN:
    if ((next == TOK_NAME || next == TOK_LPAR) && f->last != TOK_EXTERN) filter_push(f, HEAD_FN, i);
    break;
  case TOK_BACKWARD: filter_push(f, HEAD_FN, i); break;
  case TOK_ELSE:
    if (next != TOK_LBRACE && next != TOK_IF)
      filter_push(f, f->closed == OPEN_CHOICE ? HEAD_CHOICE : HEAD_BODY, i);
    break;
  case TOK_SET:
    if (f->open.n && top(f)->kind == HEAD_FN) filter_pop(f);
    break;
  default: break;
  }
}

/* Index + 1 of a head of the statement at hand that waits for a body below brackets that are open, or 0. */
uint32_t filter_head_below(const Filter *f) {
  for (uint32_t n = f->open.n; n > filter_floor(f); n--)
    if (f->open.at[n - 1].kind == HEAD_BODY || f->open.at[n - 1].kind == HEAD_FN) return n;
  return 0;
}

/* Index + 1 of the nearest entry that `}` (or else `)`, `]`) could close, or 0. */
uint32_t filter_matching(const Filter *f, int kind) {
  for (uint32_t n = f->open.n; n > 0; n--) {
    OpenKind k = f->open.at[n - 1].kind;
    if (kind == TOK_RBRACE ? (k == OPEN_BODY || k == OPEN_CHOICE || k == OPEN_MISSING)
                           : k == (kind == TOK_RPAR ? OPEN_PAREN : OPEN_BRACKET))
      return n;
    if (kind != TOK_RBRACE && (k == OPEN_BODY || k == OPEN_MISSING)) return 0;
  }
  return 0;
}

int filter_open_brace(Filter *f, uint32_t i) {
  OpenKind kind = OPEN_CHOICE; /* a brace that nothing announced */
  uint32_t head = top_is_head(f) || f->last == TOK_ELSE ? 0 : filter_head_below(f);
  if (head) { /* `module M(a: int {`: no expression goes on with a brace */
    filter_never_closed(f, filter_bracket(f), span_at(f, i), "before this");
    f->muted = true;
    while (f->open.n > head) filter_pop(f);
  }
  bool function = false;
  if (f->last == TOK_ELSE) {
    kind = f->closed;
  } else if (top_is_head(f)) {
    function = top(f)->kind == HEAD_FN;
    kind = top(f)->kind == HEAD_CHOICE ? OPEN_CHOICE : OPEN_BODY;
    filter_pop(f);
  }
  filter_push(f, kind, i);
  top(f)->function = function;
  return kind == OPEN_BODY ? TOK_LBRACE : TOK_LCHOICE;
}

/* A closing bracket: its kind for the grammar, or -1 when it is swallowed. */
int filter_close_bracket(Filter *f, uint32_t i, int kind) {
  uint32_t m = filter_matching(f, kind);
  if (m == 0) {
    if (kind == TOK_RBRACE && f->swallowed) return -1;
    if (!f->panic && reader_may_report(f->r)) {
      Span at = span_at(f, i);
      Diag *g = diag_closes_nothing(f->r->diags, at, reader_text(f->r, at.lo, at.hi));
      f->muted = true;
      /* `f(x]` at the end of its line: the wrong one of two keys */
      int next = kind_at(f, i + 1);
      if (kind != TOK_RBRACE && filter_in_round(f) &&
          (raw(f, i + 1)->newline || next == TOK_END || next == TOK_EOS || next == TOK_RBRACE)) {
        Span open = span_at(f, filter_bracket(f));
        diag_label(g, open, "'" STRF "' is open", STRA(reader_text(f->r, open.lo, open.hi)));
        while (is_head(top(f)->kind)) filter_pop(f);
        kind = top(f)->kind == OPEN_PAREN ? TOK_RPAR : TOK_RBRACKET;
        filter_pop(f);
        return kind;
      }
    }
    return -1;
  }
  for (uint32_t n = f->open.n; n > m; n--) {
    OpenKind k = f->open.at[n - 1].kind;
    if ((k == OPEN_PAREN || k == OPEN_BRACKET || k == OPEN_CHOICE) && !f->panic) {
      filter_never_closed(f, f->open.at[n - 1].token, span_at(f, i), "something else is closed here");
      f->muted = true;
      break;
    }
  }
  while (f->open.n > m) filter_pop(f);
  OpenKind k = top(f)->kind;
  if (k == OPEN_BODY) filter_note_suspect(f, i);
  filter_pop(f);
  if (k == OPEN_MISSING) {
    f->swallowed = true;
    return -1;
  }
  if (kind != TOK_RBRACE) return kind;
  f->closed = k;
  return k == OPEN_BODY ? TOK_RBRACE : TOK_RCHOICE;
}
