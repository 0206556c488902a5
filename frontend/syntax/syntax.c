/* Messages for what the grammar cannot take: ordered rules over (the token got, the exact set of expected
 * tokens, the bracket around). No rule knows a parser state. The first that applies speaks. */
#include "frontend/syntax/filter.h"
#include "frontend/syntax/parser.h"

typedef struct Report {
  Filter *f;
  const bool *expected;
  int got;
  Span at;
  Str text;             /* as shown: 'x', end of line */
  bool expression;      /* one may begin here */
  bool operator_;       /* an operand ends here */
  bool statement, type; /* ... may begin here */
  uint32_t bracket;     /* token of the innermost bracket of this statement, or UINT32_MAX */
} Report;

static Str token_text(const Reader *r, uint32_t i) {
  return reader_text(r, r->tokens.at[i].lo, r->tokens.at[i].hi);
}
static int raw_kind(const Filter *f, uint32_t i) {
  return i < f->r->tokens.n ? f->r->tokens.at[i].kind : TOK_END;
}

static bool begins_operand(int k) {
  switch (k) {
  case TOK_NAME:
  case TOK_NUMBER:
  case TOK_STRING:
  case TOK_HOLE:
  case TOK_TRUE:
  case TOK_FALSE:
  case TOK_IF:
  case TOK_COND:
  case TOK_SCAN:
  case TOK_DTYPE:
  case TOK_FN:
  case TOK_NOT:
  case TOK_INT: return true;
  default: return false;
  }
}

/* The word of the head whose brace is missing. */
static Str head_word(const Filter *f) {
  for (uint32_t n = f->open.n; n > 0; n--)
    if (f->open.at[n - 1].kind == HEAD_BODY || f->open.at[n - 1].kind == HEAD_FN ||
        f->open.at[n - 1].kind == HEAD_CHOICE)
      return token_text(f->r, f->open.at[n - 1].token);
  return token_text(f->r, f->head);
}

/* `if` or `cond` whose brace is the innermost one. */
static Str choice_word(const Filter *f, uint32_t brace) {
  for (uint32_t i = brace; i > f->first; i--)
    if (raw_kind(f, i) == TOK_COND) return STR("cond");
  return STR("if");
}

typedef struct List {
  const char *item[5];
  uint32_t n;
} List;

static void list_add(List *l, const char *what) {
  if (l->n < 5) l->item[l->n++] = what;
}

/* "a, b or c"; more than four end in "..". */
static void list_text(const List *l, Sb *b) {
  uint32_t n = l->n < 5 ? l->n : 4;
  for (uint32_t i = 0; i < n; i++)
    sb_fmt(b, "%s%s", i == 0 ? "" : i + 1 == n && l->n < 5 ? " or " : ", ", l->item[i]);
  if (l->n == 5) sb_add(b, STR(", .."));
}

/* The expected set folded into words: "an expression, ')' or ','". */
static Str expected_text(const Report *r) {
  bool left[TOK_DATASET + 1];
  memcpy(left, r->expected, sizeof left);
  static const uint8_t expression[] = {TOK_NUMBER, TOK_STRING, TOK_TRUE, TOK_FALSE,    TOK_NAME,
                                       TOK_HOLE,   TOK_DTYPE,  TOK_LPAR, TOK_LBRACKET, TOK_IF,
                                       TOK_COND,   TOK_SCAN,   TOK_FN,   TOK_NOT,      TOK_MINUS};
  static const uint8_t operators[] = {TOK_PLUS, TOK_MINUS, TOK_STAR, TOK_SLASH,    TOK_AT,  TOK_CARET,
                                      TOK_EQ,   TOK_NE,    TOK_LT,   TOK_LE,       TOK_GT,  TOK_GE,
                                      TOK_AND,  TOK_OR,    TOK_LPAR, TOK_LBRACKET, TOK_DOT, TOK_QUOTE};
  static const uint8_t types[] = {TOK_DTYPE, TOK_INT, TOK_FN, TOK_NAME, TOK_LBRACKET, TOK_LPAR};
  Sb b;
  sb_init(&b, r->f->r->arena);
  List list = {0};
  if (r->statement) {
    sb_fmt(&b, "a statement");
    if (left[TOK_RBRACE]) sb_fmt(&b, " or '}'");
    return sb_str(&b);
  }
  if (r->expression) {
    list_add(&list, "an expression");
    for (size_t i = 0; i < sizeof expression; i++) left[expression[i]] = false;
  }
  if (r->type) {
    list_add(&list, "a type");
    for (size_t i = 0; i < sizeof types; i++) left[types[i]] = false;
  }
  if (r->operator_) {
    list_add(&list, "an operator");
    for (size_t i = 0; i < sizeof operators; i++) left[operators[i]] = false;
  }
  if (left[TOK_NAME]) left[TOK_HOLE] = false;
  for (int k = 0; k <= TOK_DATASET; k++)
    if (left[k] && k != TOK_END) list_add(&list, token_name(k));
  if (list.n == 0) list_add(&list, "nothing more");
  list_text(&list, &b);
  return sb_str(&b);
}

static void insert(Diag *g, Span before, const char *text) {
  diag_edit(g, (Span){before.file, before.lo, before.lo}, str_z(text));
}

/* Does a statement end in front of token i? */
static bool ended(const Filter *f, uint32_t i) {
  const int kind = i < f->r->tokens.n ? raw_kind(f, i) : TOK_END;
  return kind == TOK_END || kind == TOK_EOS || f->r->tokens.at[i].newline;
}

/* import "lib.dg" as lib: the name stands in front. No edit where more follows: what it is for is not known.
 */
static void name_import(const Report *r, Diag *g, Str file) {
  const Filter *f = r->f;
  uint32_t i = f->last_token, last = i;
  Str name = STR("lib");
  if (!ended(f, i + 1) && raw_kind(f, i + 1) == TOK_NAME && str_eq(token_text(f->r, i + 1), STR("as"))) {
    last = i + 1;
    if (!ended(f, i + 2) && raw_kind(f, i + 2) == TOK_NAME) name = token_text(f->r, last = i + 2);
  }
  diag_help(g, "an import has a name: import " STRF " = " STRF, STRA(name), STRA(file));
  if (!ended(f, last + 1)) return;
  diag_edit(g, (Span){r->at.file, r->at.lo, r->at.lo}, str_fmt(f->r->arena, STRF " = ", STRA(name)));
  if (last > i) diag_edit(g, reader_span(f->r, f->r->tokens.at[i].hi, f->r->tokens.at[last].hi), STR(""));
}

/* What is most likely meant, where one token says it. */
static Diag *with_hint(const Report *r, Diag *g) {
  const Filter *f = r->f;
  const int before = f->last_token > 0 ? raw_kind(f, f->last_token - 1) : TOK_END;
  Str word = f->last_token < f->r->tokens.n ? token_text(f->r, f->last_token) : STR("");
  bool end = r->got == TOK_EOS || r->got == TOK_END;
  if (end && r->expected[TOK_SET] && r->expected[TOK_TILDE] && !r->expected[TOK_COMMA]) {
    diag_help(g, "'= 0' or '~ normal(0, 0.1)' gives it a value");
  } else if (end) {
  } else if (r->expected[TOK_COLON] && !r->expected[TOK_SET] && (r->got == TOK_DTYPE || r->got == TOK_INT)) {
    diag_help(g, "a type stands behind ':'");
    insert(g, reader_span(f->r, f->r->tokens.at[f->last_token - 1].hi, r->at.hi), ":");
    diag_fix(g, DIAG_MACHINE, "insert ':'");
  } else if (r->expected[TOK_SET] && before == TOK_NAME && r->bracket == UINT32_MAX &&
             begins_operand(r->got)) {
    diag_help(g, "a value stands behind '='");
    insert(g, r->at, "= ");
    diag_fix(g, DIAG_MACHINE, "insert '='");
  } else if (r->got == TOK_LPAR && before == TOK_DTYPE && r->expected[TOK_LBRACKET]) {
    diag_help(g, "dims stand in brackets: f32[N, 3]");
  } else if (r->got == TOK_COLON && (r->expected[TOK_LBRACE] || r->expected[TOK_LCHOICE])) {
    diag_help(g, "a body stands in braces: { .. }");
  } else if (r->got == TOK_NAME && r->expected[TOK_ELSE] &&
             (str_eq(word, STR("elif")) || str_eq(word, STR("elseif")) || str_eq(word, STR("elsif")))) {
    diag_help(g, "write 'else if'");
    diag_edit(g, r->at, STR("else if"));
    diag_fix(g, DIAG_MACHINE, "write 'else if'");
  } else if (r->got == TOK_REST && r->expected[TOK_COLON]) {
    diag_help(g, "a range is written 0:10");
    diag_edit(g, r->at, STR(":"));
    diag_fix(g, DIAG_MACHINE, "write ':'");
  } else if (r->got == TOK_STRING && before == TOK_IMPORT) {
    name_import(r, g, word);
  } else if (r->got == TOK_IF && r->operator_) {
    diag_help(g, "a choice is written 'if c { a } else { b }'");
  } else if ((r->got == TOK_USING || r->got == TOK_EXCEPT) && r->operator_) {
    diag_help(g, "it stands behind what is updated; '*' is every parameter that is not frozen");
    const Token *t = &f->r->tokens.at[f->last_token];
    if (raw_kind(f, f->first) == TOK_MINIMIZE)
      diag_edit(g, reader_span(f->r, t->newline ? r->at.lo : t[-1].hi, r->at.lo),
                t->newline ? STR("update * ") : STR("; update * "));
  } else if (r->got == TOK_WHILE) {
    diag_help(g,
              "there is no loop that counts while it runs: 'for i in 0:n { .. }' is decided when compiling");
  } else if (r->operator_ && before == TOK_NAME &&
             str_eq(token_text(f->r, f->last_token - 1), STR("lambda"))) {
    diag_help(g, "a function as a value is written 'fn (x) = e'");
  } else if (r->got == TOK_SET && raw_kind(f, f->first) == TOK_EXTERN) {
    diag_help(g, "a host function has no body: the host gives it");
  }
  return g;
}

static Diag *generic(const Report *r) {
  Diags *d = r->f->r->diags;
  if (r->got == TOK_EOS || r->got == TOK_END) {
    if (!r->expected[TOK_EOS] && !r->operator_)
      return with_hint(r, diag_line_ends(d, r->at, expected_text(r)));
  }
  return with_hint(r, diag_unexpected(d, r->at, r->text, expected_text(r)));
}

static void no_statement(const Report *r, Span at) {
  Diag *g = diag_no_statement(r->f->r->diags, at);
  if (filter_in_function(r->f)) {
    diag_help(g, "if it is the function's result: 'return ..'");
    insert(g, reader_span(r->f->r, r->f->r->tokens.at[r->f->first].lo, r->f->r->tokens.at[r->f->first].hi),
           "return ");
  } else
    diag_help(g, "name it: 'let a = ..', or 'output a = ..' to see it");
}

/* A name was read at the begin of a statement, and what comes is neither `=` nor `:=`. */
static void statement_rule(const Report *r) {
  Filter *f = r->f;
  Diags *d = f->r->diags;
  static const char *const words[] = {
      "let",    "var",    "const", "import",   "fn",     "extern", "module", "optimizer", "param",
      "frozen", "train",  "after", "minimize", "update", "if",     "for",    "next",      "yield",
      "return", "assert", "input", "output",   "loss",   "metric", "state",  "dataset"};
  static const char *const other[][2] = {
      {"def", "fn"},         {"func", "fn"},      {"function", "fn"},  {"class", "module"},
      {"struct", "module"},  {"model", "module"}, {"layer", "module"}, {"parameter", "param"},
      {"weight", "param"},   {"variable", "var"}, {"print", "output"}, {"use", "import"},
      {"include", "import"}, {"buffer", "state"}, {"elif", "else if"},
  };
  Span first = reader_span(f->r, f->r->tokens.at[f->first].lo, f->r->tokens.at[f->first].hi);
  Str word = token_text(f->r, f->first);
  bool second = f->last_token == f->first + 1 && r->got != TOK_EOS && r->got != TOK_END;
  if (second && word_contextual_kind(word) && word_reserved(r->got)) { /* `input in: ..` */
    diag_reserved_word(d, r->at, r->text);
    return;
  }
  if (second && (r->got == TOK_COLON || r->got == TOK_COMMA)) {
    diag_missing_word(d, first, word);
    return;
  }
  if (second && (begins_operand(r->got) || word_reserved(r->got))) {
    Str names[sizeof words / sizeof words[0]];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) names[i] = str_z(words[i]);
    Str near = diag_nearest(word, names, sizeof words / sizeof words[0]);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
      if (str_eq(word, str_z(other[i][0]))) near = str_z(other[i][1]);
    Diag *g = diag_unknown_statement(d, first, word);
    if (str_eq(word, STR("from"))) {
      diag_help(g, "an import is written 'import nn', and what is in it nn.Linear");
    } else if (near.n) {
      diag_help(g, "did you mean '" STRF "'?", STRA(near));
      diag_edit(g, first, near);
    }
    return;
  }
  no_statement(r, span_join(first, r->at));
}

static bool comparison(int k) { return k >= TOK_EQ && k <= TOK_GE; }

/* What was found, in words. */
static Str found_text(const Filter *f, int got) {
  const Reader *rd = f->r;
  if (got == TOK_EOS) return STR("end of line");
  if (got == TOK_END) return STR("end of file");
  if (got == TOK_BREAK) return raw_kind(f, f->last_token) == TOK_EOS ? STR("';'") : STR("end of line");
  Str t = token_text(rd, f->last_token);
  return t.n > 60 ? str_fmt(rd->arena, "%s", token_name(got)) : str_fmt(rd->arena, "'" STRF "'", STRA(t));
}

/* A bracket left open shows only where the next line makes no sense inside it. */
static bool left_open(Report *r, bool end) {
  Filter *f = r->f;
  const Reader *rd = f->r;
  const int got = r->got, follows = raw_kind(f, f->last_token + 1);
  if (r->bracket == UINT32_MAX || raw_kind(f, r->bracket) == TOK_LBRACE || !r->operator_ || end ||
      !rd->tokens.at[f->last_token].newline ||
      (got != TOK_FN && got != TOK_IF && got != TOK_FOR &&
       (got != TOK_NAME || (follows != TOK_SET && follows != TOK_ASSIGN))))
    return false;
  if (reader_may_report(f->r)) {
    Str open = token_text(rd, r->bracket);
    Diag *g = diag_never_closed(
        rd->diags, reader_span(rd, rd->tokens.at[r->bracket].lo, rd->tokens.at[r->bracket].hi), open);
    diag_label(g, r->at, "this begins a statement");
  }
  filter_take_back(f);
  return true;
}

/* What is wrong within an expression, after all that has a name of its own. */
static void in_expression(Report *r, bool reserved) {
  const bool *expected = r->expected;
  Filter *f = r->f;
  Diags *d = f->r->diags;
  const int got = r->got;
  if (r->operator_ && (begins_operand(got) || reserved) && !expected[TOK_LBRACE] && !expected[TOK_LCHOICE]) {
    if (r->bracket == UINT32_MAX)
      with_hint(r, diag_missing_end(d, r->at, r->text));
    else if (expected[TOK_COMMA])
      with_hint(r, diag_missing_comma(d, r->at, r->text));
    else
      generic(r);
  } else if (r->bracket != UINT32_MAX && expected[TOK_COMMA] && !r->operator_ &&
             (got == TOK_NAME || got == TOK_HOLE)) {
    diag_missing_comma(d, r->at, r->text);
  } else if (got == TOK_COMMA && r->operator_ && r->bracket == UINT32_MAX) {
    Diag *g = diag_bare_tuple(d, r->at);
    if (raw_kind(f, f->first) == TOK_MINIMIZE) diag_help(g, "a step has one loss: minimize the sum");
  } else {
    generic(r);
  }
}

void syntax_report(Filter *f, const bool *expected) {
  if (f->muted || f->last_bad || f->deep || f->stopped) return;
  const int got = f->last;
  Report rep = {
      .f = f,
      .expected = expected,
      .got = got,
      .at = f->last_at,
      .expression = expected[TOK_NUMBER] && expected[TOK_LPAR],
      .operator_ = expected[TOK_PLUS],
      .statement = expected[TOK_LET] && expected[TOK_TRAIN],
      .type = expected[TOK_INT],
      .bracket = filter_bracket(f),
  };
  Report *r = &rep;
  const Reader *rd = f->r;
  Diags *d = rd->diags;
  bool end = got == TOK_EOS || got == TOK_END;
  r->text = found_text(f, got);
  const bool reserved = word_reserved(got) || (got >= TOK_INPUT && got <= TOK_DATASET);
  const int before = f->last_token > 0 ? raw_kind(f, end ? f->last_token : f->last_token - 1) : TOK_END;

  if (left_open(r, end) || !reader_may_report(f->r)) return;

  if (got == TOK_QUOTE && expected[TOK_STRING]) {
    diag_single_quotes(d, r->at);
  } else if (got == TOK_FN && r->expression && !expected[TOK_FN]) {
    diag_lambda_operand(d, r->at);
  } else if (comparison(got) && r->operator_) {
    diag_chained_comparison(d, r->at);
  } else if (expected[TOK_SET] && expected[TOK_ASSIGN]) {
    statement_rule(r);
  } else if (before == TOK_FROZEN && expected[TOK_LET]) {
    diag_frozen_place(
        d, reader_span(rd, rd->tokens.at[f->last_token - !end].lo, rd->tokens.at[f->last_token - !end].hi));
  } else if (r->statement &&
             (begins_operand(got) || got == TOK_LPAR || got == TOK_LBRACKET || got == TOK_MINUS)) {
    if (got == TOK_DTYPE || got == TOK_INT)
      diag_unknown_statement(d, r->at, token_text(rd, f->last_token));
    else
      no_statement(r, r->at);
  } else if (got == TOK_BREAK && raw_kind(f, f->last_token) != TOK_EOS) {
    diag_statement_in_choice(
        d, reader_span(rd, rd->tokens.at[f->last_token].lo, rd->tokens.at[f->last_token].hi),
        choice_word(f, r->bracket));
  } else if (r->bracket != UINT32_MAX && raw_kind(f, r->bracket) == TOK_LBRACE && !end &&
             (filter_statement_word(f, f->last_token) || (got == TOK_SET && r->operator_))) {
    diag_statement_in_choice(d, r->at, choice_word(f, r->bracket));
  } else if (reserved && !end && expected[TOK_NAME] && !r->statement &&
             (!r->expression || raw_kind(f, f->last_token + 1) == TOK_SET ||
              raw_kind(f, f->last_token + 1) == TOK_COMMA || raw_kind(f, f->last_token + 1) == TOK_RPAR)) {
    diag_reserved_word(d, r->at, r->text);
  } else if (expected[TOK_COLON] && !expected[TOK_SET] && !r->operator_ && !r->expression &&
             (end || got == TOK_SET || got == TOK_TILDE || got == TOK_IN || got == TOK_ASSIGN)) {
    diag_missing_type(d, r->at, token_text(rd, f->last_token - !end));
  } else if (got == TOK_ASSIGN && expected[TOK_SET]) {
    diag_wrong_assignment(d, r->at, "':=' assigns at the end of a step; a declaration takes '='");
  } else if (got == TOK_SET && r->operator_) {
    diag_wrong_assignment(d, r->at, "'=' gives a name to a value; '==' compares");
  } else if (got == TOK_ASSIGN && r->operator_) {
    diag_wrong_assignment(d, r->at, "':=' assigns to one state, parameter or instance, by its path");
  } else if (expected[TOK_ELSE] && !expected[TOK_EOS]) {
    diag_missing_else(d, r->at, choice_word(f, f->last_token));
  } else if ((expected[TOK_LBRACE] || expected[TOK_LCHOICE]) && !expected[TOK_SET] &&
             (end || got == TOK_BREAK)) {
    diag_missing_brace(d, r->at, head_word(f));
  } else if (expected[TOK_LBRACE] && expected[TOK_SET] && !r->operator_ && end) {
    diag_missing_body(d, r->at);
  } else {
    in_expression(r, reserved);
  }
}
