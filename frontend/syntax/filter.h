/* Between flex and bison: where statements end, which braces hold what, which words are keywords here, and
 * what is skipped after an error. Only filter.c knows the line-end rules of language.md. Private to
 * frontend/. */
#ifndef DG_FRONTEND_FILTER_H
#define DG_FRONTEND_FILTER_H

#include "frontend/syntax/token.h"

/* Brackets that are open, and heads (`train fit`, `if c`) whose brace is still to come. */
typedef enum {
  OPEN_PAREN,
  OPEN_BRACKET,
  OPEN_BODY,    /* { statements } */
  OPEN_CHOICE,  /* { expression } of an `if` or `cond` used as a value */
  HEAD_BODY,    /* a body has to come */
  HEAD_FN,      /* a body or `=` has to come */
  HEAD_CHOICE,  /* an expression in braces has to come */
  OPEN_MISSING, /* reported head without its {: the } that belongs to it will be swallowed */
} OpenKind;

typedef struct Open {
  OpenKind kind;
  uint32_t token;   /* index of the bracket or of the head's word */
  uint32_t strange; /* OPEN_BODY: token that begins a line at the brace line's indentation or left of it; 0 =
                       none */
  bool function;    /* OPEN_BODY: of a function */
} Open;

typedef struct Filter {
  Reader *r;
  uint32_t next; /* index of the raw token to look at */
  VEC(Open) open;
  uint32_t depth;      /* brackets among them */
  OpenKind closed;     /* kind of the brace closed last: what an `else` goes on with */
  int last;            /* kind of the token handed over last */
  uint32_t last_token; /* its index; for an end of statement the token before it */
  Span last_at;
  bool last_bad, last_wild; /* stand-in; a `*` that is a path component */
  bool start;               /* the next token begins a statement */
  bool mark;                /* between # and the end of its brackets */
  bool panic;               /* an error was reported: skip to the end of the statement */
  bool swallowed;           /* a } was swallowed for an OPEN_MISSING */
  bool stopped;             /* a limit was exceeded: only END from now on */
  /* the first block whose } begins a line further left than the block's head, and that }: should a block stay
   * open */
  uint32_t suspect, suspect_end;
  uint32_t head;        /* word of the head that the statement just ended left without its brace */
  uint32_t first;       /* token that begins the statement at hand */
  uint32_t error_first; /* ... that held the last error */
  uint32_t broken_at;   /* token before which a line end was handed over as BREAK: only once */
  int64_t surplus;      /* closing braces of the file beyond the opening ones */
  bool muted; /* the token at hand was reported by the filter: the grammar's message would repeat it */
  bool deep;  /* the depth limit was reported */
  AstFile *file;
} Filter;

void filter_init(Filter *f, Reader *r, AstFile *file);
/* The next token of the grammar; its place in *at. */
int filter_next(Filter *f, Span *at);
/* A syntax error was met at the token handed over last: skip to the end of its statement. */
void filter_error(Filter *f);
/* Takes the token handed over last back: the statement ends before it. Only before filter_error. */
void filter_take_back(Filter *f);
/* A word that only begins statements stands at token i, and not as somebody's name. */
bool filter_statement_word(const Filter *f, uint32_t i);
/* Token of the innermost bracket that is open inside the statement at hand, or UINT32_MAX. */
uint32_t filter_bracket(const Filter *f);
/* The statement at hand stands directly in the body of a function. */
bool filter_in_function(const Filter *f);
/* Notes the names that the statement of the last error was about to declare in AstFile.broken. */
void filter_broken_names(Filter *f);
/* Attaches the `///` lines that stand directly above s. */
void filter_doc(Filter *f, AstStmt *s);

/* The grammar's message for the token it cannot take, from what it could have taken: expected[kind]. */
void syntax_report(Filter *f, const bool *expected);
const char *token_name(int kind);
/* An operand may end with this token: what follows is a binary operator. */
bool token_ends_operand(int kind);
bool token_binary(int kind);

#endif
