/* Source to source: the author's words, comments and line breaks; our spacing, indentation and blank lines.
 * Works on tokens, so that nothing is lost, with the filter's knowledge of where statements begin and which
 * braces hold what. */
#include "frontend/syntax/filter.h"
#include "frontend/syntax/parse.h"
#include "frontend/syntax/parser.h"

#define STEP 2

/* A token or a comment, in text order. */
typedef struct Item {
  uint32_t lo, hi;
  int kind;       /* -1: a comment */
  uint32_t lines; /* line ends between the item before and this one */
  bool first;     /* begins a statement */
} Item;

typedef struct Level {
  int kind;           /* of the opening bracket */
  uint32_t indent;    /* of the line it stands on */
  uint32_t statement; /* indentation of the statement at hand inside a { */
  bool in;            /* `in` was seen in the statement at hand: a colon is a range */
} Level;

typedef struct Fmt {
  Reader *r;
  VEC(Item) items;
  VEC(Level) levels; /* [0] is the file */
  bool mark;         /* inside #[..] */
  Sb out;
} Fmt;

static uint32_t count_lines(Str text, uint32_t lo, uint32_t hi) {
  uint32_t n = 0;
  for (uint32_t i = lo; i < hi; i++) n += text.p[i] == '\n';
  return n;
}

/* Merges tokens and comments; drops a ';' that a line end or a '}' makes needless. */
static void collect(Fmt *f) {
  Reader *r = f->r;
  Arena *a = r->arena;
  int *kind = ARENA_ARRAY(a, int, r->tokens.n);
  bool *first = ARENA_ARRAY(a, bool, r->tokens.n);
  AstFile tree = {0};
  Filter filter;
  filter_init(&filter, r, &tree);
  for (;;) {
    Span at;
    int k = filter_next(&filter, &at);
    if (k == TOK_END) break;
    if (k == TOK_EOS) continue;
    kind[filter.last_token] = k;
    first[filter.last_token] = filter.first == filter.last_token;
  }
  uint32_t c = 0, end = 0;
  for (uint32_t i = 0; i < r->tokens.n; i++) {
    const Token *t = &r->tokens.at[i];
    for (; c < r->comments.n && r->comments.at[c].lo < t->lo; c++) {
      const Comment *m = &r->comments.at[c];
      VEC_PUSH(a, &f->items, (Item){m->lo, m->hi, -1, count_lines(r->text, end, m->lo), false});
      end = m->hi;
    }
    if (t->kind == TOK_END) break;
    if (t->kind == TOK_EOS) {
      const Token *n = &r->tokens.at[i + 1];
      bool needless =
          n->newline || n->kind == TOK_END || n->kind == TOK_RBRACE || n->kind == TOK_EOS || f->items.n == 0;
      for (uint32_t k = f->items.n; k > 0 && !needless; k--) {
        int before = f->items.at[k - 1].kind;
        if (before == -1) continue;
        needless = before == TOK_LBRACE || before == TOK_EOS || f->items.at[f->items.n - 1].kind == -1;
        break;
      }
      if (needless) continue; /* line ends around it stay with the next item */
    }
    VEC_PUSH(a, &f->items,
             (Item){t->lo, t->hi, t->kind == TOK_EOS ? TOK_EOS : kind[i], count_lines(r->text, end, t->lo),
                    first[i]});
    end = t->hi;
  }
}

static bool opens(int k) { return k == TOK_LPAR || k == TOK_LBRACKET || k == TOK_LBRACE || k == TOK_LCHOICE; }
static bool closes(int k) {
  return k == TOK_RPAR || k == TOK_RBRACKET || k == TOK_RBRACE || k == TOK_RCHOICE;
}
static bool arithmetic(int k) { return k == TOK_PLUS || k == TOK_MINUS || k == TOK_STAR || k == TOK_SLASH; }

static Level *level(Fmt *f) { return &f->levels.at[f->levels.n - 1]; }

static uint32_t line_indent(Fmt *f, uint32_t i) {
  const Level *l = level(f);
  const Item *it = &f->items.at[i];
  if (it->kind == -1) { /* a comment stands where the next token would */
    uint32_t k = i;
    while (k < f->items.n && f->items.at[k].kind == -1) k++;
    if (k < f->items.n && !closes(f->items.at[k].kind)) return line_indent(f, k);
    return f->levels.n == 1 ? 0 : l->indent + STEP;
  }
  if (closes(it->kind)) return l->indent;
  uint32_t inner = f->levels.n == 1 ? 0 : l->indent + STEP;
  if (l->kind != TOK_LBRACE) return inner;
  if (it->first || it->kind == TOK_EOS) return inner;
  if (it->kind == TOK_ELSE || it->kind == TOK_BACKWARD) return l->statement;
  return l->statement + STEP;
}

/* A word, number or closing bracket: `(` and `[` behind it are a call, an index, dims. */
static bool hugs(int k) { return token_ends_operand(k) || k == TOK_DTYPE; }

static bool binary_at(const Fmt *f, uint32_t i) {
  return i > 0 && token_ends_operand(f->items.at[i - 1].kind);
}

static bool blank_before(const Fmt *f, uint32_t i) {
  return i > 0 && f->items.at[i - 1].hi < f->items.at[i].lo;
}

/* Around `+ - * /` the author's blanks say how tightly they bind: one on each side, or none. */
static bool spaced(const Fmt *f, uint32_t op) {
  return (blank_before(f, op) || f->items.at[op].lines) &&
         (op + 1 < f->items.n && (blank_before(f, op + 1) || f->items.at[op + 1].lines));
}

static bool range_colon(Fmt *f) {
  const Level *l = level(f);
  return l->kind == TOK_LBRACKET || (l->kind != TOK_LPAR && l->in);
}

/* One blank or none between item i - 1 and item i on one line; `l` is the level after i - 1. */
static bool space_before(Fmt *f, uint32_t i) {
  int a = f->items.at[i - 1].kind, b = f->items.at[i].kind;
  if (f->mark) return a == TOK_COMMA;
  if (a == TOK_LBRACE || a == TOK_LCHOICE) return !closes(b);
  if (b == TOK_RBRACE || b == TOK_RCHOICE) return true;
  if (a == TOK_LPAR || a == TOK_LBRACKET || a == TOK_DOT || a == TOK_HASH) return false;
  if (b == TOK_RPAR || b == TOK_RBRACKET || b == TOK_COMMA || b == TOK_EOS || b == TOK_DOT || b == TOK_QUOTE)
    return false;
  if (a == TOK_COMMA || a == TOK_EOS) return true;
  if (a == TOK_COLON || b == TOK_COLON) return a == TOK_COLON && !range_colon(f);
  if (a == TOK_CARET || b == TOK_CARET) return false;
  if (arithmetic(a)) return binary_at(f, i - 1) ? spaced(f, i - 1) : a == TOK_STAR;
  if (arithmetic(b) && binary_at(f, i)) return spaced(f, i);
  if (b == TOK_LPAR || b == TOK_LBRACKET) return !hugs(a) || a == TOK_RCHOICE || a == TOK_RBRACE;
  return true;
}

static void line_begin(Fmt *f, uint32_t i, uint32_t indent) {
  const Item *it = &f->items.at[i];
  if (i > 0) {
    sb_char(&f->out, '\n');
    bool after_open = f->items.at[i - 1].kind == TOK_LBRACE || f->items.at[i - 1].kind == TOK_LCHOICE;
    if (it->lines > 1 && !after_open && !closes(it->kind)) sb_char(&f->out, '\n');
  }
  for (uint32_t k = 0; k < indent; k++) sb_char(&f->out, ' ');
}

static void write_items(Fmt *f) {
  Reader *r = f->r;
  uint32_t indent = 0;
  VEC_PUSH(r->arena, &f->levels, (Level){.kind = TOK_LBRACE});
  for (uint32_t i = 0; i < f->items.n; i++) {
    const Item it = f->items.at[i];
    if (i == 0 || it.lines > 0) {
      indent = line_indent(f, i);
      line_begin(f, i, indent);
    } else if (it.kind == -1) {
      sb_add(&f->out, STR("  "));
    } else if (space_before(f, i)) {
      sb_char(&f->out, ' ');
    }
    sb_add(&f->out, reader_text(r, it.lo, it.hi));
    if (it.first) {
      level(f)->statement = indent;
      level(f)->in = false;
      if (it.kind == TOK_HASH) f->mark = true;
    }
    if (it.kind == TOK_IN) level(f)->in = true;
    if (it.kind == TOK_WHILE) level(f)->in = false;
    if (opens(it.kind))
      VEC_PUSH(r->arena, &f->levels, (Level){.kind = it.kind, .indent = indent, .statement = indent + STEP});
    if (closes(it.kind) && f->levels.n > 1) f->levels.n--;
    if (it.kind == TOK_RBRACKET && f->levels.n >= 1 && f->mark && level(f)->kind == TOK_LBRACE)
      f->mark = false;
  }
  if (f->items.n) sb_char(&f->out, '\n');
}

bool fmt_file(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l, Sb *b) {
  AstFile *tree;
  if (!parse_file(file, s, n, a, d, l, &tree)) return false;
  Reader r;
  reader_init(&r, file, s, n, a, d, l);
  reader_lex(&r);
  Fmt f = {.r = &r};
  sb_init(&f.out, a);
  collect(&f);
  write_items(&f);
  sb_add(b, sb_str(&f.out));
  return true;
}
