/* What the filter's files share: raw tokens, the stack, and what is said of brackets. Private to them. */
#ifndef DG_FRONTEND_FILTER_INTERNAL_H
#define DG_FRONTEND_FILTER_INTERNAL_H

#include "frontend/syntax/filter.h"

#define NONE UINT32_MAX

static inline const Token *raw(const Filter *f, uint32_t i) {
  return &f->r->tokens.at[i < f->r->tokens.n ? i : f->r->tokens.n - 1];
}
static inline int kind_at(const Filter *f, uint32_t i) { return raw(f, i)->kind; }
static inline Span span_at(const Filter *f, uint32_t i) {
  return reader_span(f->r, raw(f, i)->lo, raw(f, i)->hi);
}

static inline Open *top(const Filter *f) { return f->open.n ? &f->open.at[f->open.n - 1] : NULL; }
static inline bool is_head(OpenKind k) { return k == HEAD_BODY || k == HEAD_FN || k == HEAD_CHOICE; }
static inline bool top_is_head(const Filter *f) { return f->open.n && is_head(top(f)->kind); }

/* ---- filter.c ---- */
/* A keyword before a name only: the kind it is promoted to, or 0. */
int filter_promoted(const Filter *f, uint32_t i);
/* The statement ends before token i, which begins a line. */
bool filter_line_ends(Filter *f, uint32_t i);
void filter_too_deep(Filter *f, uint32_t i);

/* ---- filter_stack.c ---- */
void filter_push(Filter *f, OpenKind kind, uint32_t token);
void filter_pop(Filter *f);
uint32_t filter_floor(const Filter *f);
bool filter_in_round(const Filter *f);
bool filter_in_choice(const Filter *f);
uint32_t filter_head_below(const Filter *f);
uint32_t filter_matching(const Filter *f, int kind);
void filter_note_head(Filter *f, uint32_t i, int kind);
int filter_open_brace(Filter *f, uint32_t i);
int filter_close_bracket(Filter *f, uint32_t i, int kind);

/* ---- filter_recover.c ---- */
void filter_never_closed(Filter *f, uint32_t token, Span seen, const char *what);
bool filter_insert_brace(Filter *f, Span *at);
void filter_note_suspect(Filter *f, uint32_t i);
void filter_note_strange(Filter *f, uint32_t i);
void filter_blocks_left_open(Filter *f);
void filter_drop_statement(Filter *f);
void filter_keep_top(Filter *f);
bool filter_skip(Filter *f);

#endif
