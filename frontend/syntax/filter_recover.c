/* What is wrong with brackets and statements: what was never closed or lacks its brace, and what is given up
 * after an error, so that the text behind it is read as if it had not been there. */
#include "frontend/syntax/filter_internal.h"
#include "frontend/syntax/parser.h"

/* ---- what is missing ---- */

void filter_never_closed(Filter *f, uint32_t token, Span seen, const char *what) {
  for (uint32_t i = token + 1; i < f->r->tokens.n && !raw(f, i)->newline; i++)
    if (kind_at(f, i) == TOK_STRING && raw(f, i)->bad) return; /* an open string swallowed what closes it */
  if (!reader_may_report(f->r)) return;
  Span at = span_at(f, token);
  Diag *g = diag_never_closed(f->r->diags, at, reader_text(f->r, at.lo, at.hi));
  if (seen.file) diag_label(g, seen, "%s", what);
}

/* At the end of a head that waits for a body, where the text has more `}` than `{`: the brace that is
 * missing, so that the statements below belong to this head. */
bool filter_insert_brace(Filter *f, Span *at) {
  if (f->surplus <= 0 || !top_is_head(f) || top(f)->kind == HEAD_CHOICE || filter_floor(f) + 1 != f->open.n)
    return false;
  uint32_t word = top(f)->token;
  f->surplus--;
  if (reader_may_report(f->r)) {
    Span end = reader_span(f->r, f->last_at.hi, f->last_at.hi);
    diag_missing_brace(f->r->diags, end, reader_text(f->r, raw(f, word)->lo, raw(f, word)->hi));
  }
  f->file->errors = true;
  filter_pop(f);
  filter_push(f, OPEN_BODY, word);
  f->start = true;
  f->last = TOK_LBRACE;
  f->last_bad = f->last_wild = false;
  *at = reader_span(f->r, f->last_at.hi, f->last_at.hi);
  return true;
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

/* The block on top is closed by token i. When that begins a line further left than the line that opened the
 * block, it is the first to be suspected, should a block stay open. */
void filter_note_suspect(Filter *f, uint32_t i) {
  if (raw(f, i)->newline && f->suspect == NONE &&
      indent_of(f, raw(f, i)->lo) < indent_of(f, raw(f, top(f)->token)->lo)) {
    f->suspect = top(f)->token;
    f->suspect_end = i;
  }
}

/* A statement begins a line at or left of the line that opened its block: remember it, should the block stay
 * open. */
void filter_note_strange(Filter *f, uint32_t i) {
  if (!f->open.n || top(f)->kind != OPEN_BODY || top(f)->strange) return;
  if (indent_of(f, raw(f, i)->lo) <= indent_of(f, raw(f, top(f)->token)->lo)) top(f)->strange = i;
}

/* At the end of the text: the block that was most likely left open, by what is indented no deeper than its
 * head. */
void filter_blocks_left_open(Filter *f) {
  if (f->swallowed) return;
  if (f->suspect != NONE) {
    filter_never_closed(f, f->suspect, span_at(f, f->suspect_end),
                        "this '}' closes it, but stands further left");
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
    filter_never_closed(f, o->token, span_at(f, o->strange), "a '}' is probably missing before this");
  else
    filter_never_closed(f, o->token, (Span){0}, "");
}

/* ---- what is given up ---- */

/* The statement ends: heads without a body are forgotten, but the } that will come for one is remembered. */
void filter_drop_statement(Filter *f) {
  bool head = false;
  while (f->open.n > filter_floor(f)) {
    /* What was skipped held the value of a function whose `=` is the mistake, rather than a body. */
    if (is_head(top(f)->kind) && !(f->panic && top(f)->kind == HEAD_FN)) {
      if (!head) f->head = top(f)->token;
      head = true;
    }
    filter_pop(f);
  }
  if (head) filter_push(f, OPEN_MISSING, f->next);
  f->mark = false;
}

/* The statement at hand is given up, but for the body whose brace or head is on top of the stack. */
void filter_keep_top(Filter *f) {
  Open o = *top(f);
  filter_pop(f);
  while (f->open.n > filter_floor(f)) filter_pop(f);
  filter_push(f, o.kind, o.token);
}

/* After an error: skips to the end of the statement, balanced. True when the end was consumed, so that an end
 * of statement is due; false when f->next stands at something to hand over: a } of the enclosing block, a
 * body, the end. */
bool filter_skip(Filter *f) {
  uint32_t base = filter_floor(f);
  for (;; f->next++) {
    uint32_t i = f->next;
    int kind = kind_at(f, i);
    if (kind == TOK_END) return true;
    uint32_t bracket = filter_bracket(f);
    if (raw(f, i)->newline) {
      if (kind == TOK_RBRACE && filter_matching(f, kind) <= base) return true;
      if (bracket == NONE ? kind != TOK_RBRACE && filter_line_ends(f, i)
                          : filter_in_round(f) && filter_statement_word(f, i))
        return true;
    }
    switch (kind) {
    case TOK_EOS:
      if (bracket == NONE) {
        f->next++;
        return true;
      }
      break;
    case TOK_LPAR: filter_push(f, OPEN_PAREN, i); break;
    case TOK_LBRACKET: filter_push(f, OPEN_BRACKET, i); break;
    case TOK_LBRACE:
      if (f->last != TOK_ELSE && !top_is_head(f) && filter_head_below(f))
        while (f->open.n > filter_head_below(f)) filter_pop(f);
      if (filter_bracket(f) == NONE && top_is_head(f) && top(f)->kind != HEAD_CHOICE) {
        filter_keep_top(f);
        return false;
      }
      if (top_is_head(f)) filter_pop(f);
      filter_push(f, OPEN_CHOICE, i);
      break;
    case TOK_RBRACE: {
      uint32_t m = filter_matching(f, kind);
      if (m > base) {
        while (f->open.n >= m) filter_pop(f);
      } else {
        while (f->open.n > base && !is_head(top(f)->kind)) filter_pop(f);
        if (f->open.n == base) return false;
        filter_pop(f); /* the head's brace was what is missing */
      }
      break;
    }
    case TOK_RPAR:
    case TOK_RBRACKET: {
      uint32_t m = filter_matching(f, kind);
      while (m > base && f->open.n >= m) filter_pop(f);
      break;
    }
    default: filter_note_head(f, i, kind); break;
    }
    if (f->depth > f->r->limits->nesting) {
      filter_too_deep(f, i);
      return true;
    }
    f->last = kind;
    f->last_wild = false;
    f->last_at = span_at(f, i);
  }
}

void filter_error(Filter *f) {
  if (f->r->reported > f->r->limits->errors) f->stopped = true; /* nobody would see more of them */
  f->file->errors = true;
  f->error_first = f->first;
  f->mark = false;
  if (f->last == TOK_LBRACE) filter_keep_top(f);
  f->panic = f->last != TOK_EOS && f->last != TOK_RBRACE && f->last != TOK_LBRACE && f->last != TOK_END;
}

void filter_take_back(Filter *f) {
  f->next = f->last_token;
  f->last = TOK_NAME; /* an operand: nothing makes its line go on */
  while (f->open.n > filter_floor(f)) filter_pop(f);
}

void filter_broken_names(Filter *f) {
  uint32_t i = f->error_first;
  if (i == NONE) return;
  while (kind_at(f, i) == TOK_FROZEN || kind_at(f, i) == TOK_EXTERN) i++;
  if (kind_at(f, i) == TOK_NAME && kind_at(f, i + 1) != TOK_NAME && kind_at(f, i + 1) != TOK_HOLE &&
      word_contextual_kind(reader_text(f->r, raw(f, i)->lo, raw(f, i)->hi)))
    f->file->nameless = true; /* `input : f32[N]`, `dataset { .. }` */
  switch (filter_promoted(f, i) ? filter_promoted(f, i) : kind_at(f, i)) {
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
