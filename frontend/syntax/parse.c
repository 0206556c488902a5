/* One file: text -> tokens -> tree. */
#include "frontend/syntax/parse.h"

#include "frontend/syntax/filter.h"
#include "frontend/syntax/parser.h"

#include <stdlib.h>

void reader_init(Reader *r, uint32_t file, const Sources *s, Names *n, Arena *a, Diags *d, const Limits *l) {
  *r = (Reader){.file = file,
                .text = s->file.at[file].text,
                .sources = s,
                .names = n,
                .arena = a,
                .diags = d,
                .limits = l};
}

bool reader_may_report(Reader *r) { return ++r->reported <= r->limits->errors; }

/* Reports the first byte that is not UTF-8; a file of another encoding would be one error a byte. */
static bool utf8_check(Reader *r) {
  const unsigned char *p = (const unsigned char *)r->text.p;
  for (size_t i = 0, n = r->text.n; i < n;) {
    size_t len = p[i] < 0x80                   ? 1
                 : p[i] >= 0xc2 && p[i] < 0xe0 ? 2
                 : p[i] >= 0xe0 && p[i] < 0xf0 ? 3
                 : p[i] >= 0xf0 && p[i] < 0xf5 ? 4
                                               : 0;
    bool ok = len > 0 && len <= n - i;
    for (size_t k = 1; ok && k < len; k++) ok = (p[i + k] & 0xc0) == 0x80;
    if (ok && len == 3) ok = !(p[i] == 0xe0 && p[i + 1] < 0xa0) && !(p[i] == 0xed && p[i + 1] >= 0xa0);
    if (ok && len == 4) ok = !(p[i] == 0xf0 && p[i + 1] < 0x90) && !(p[i] == 0xf4 && p[i + 1] >= 0x90);
    if (!ok) {
      bool wide = i == 0 && n > 1 && (p[0] ^ p[1]) == 1 && p[0] >= 0xfe;
      diag_help(diag_bad_utf8(r->diags, reader_span(r, i, i + 1), p[i]), "%s",
                wide ? "the file is UTF-16: save it as UTF-8" : "save the file as UTF-8");
      return false;
    }
    i += len;
  }
  return true;
}

/* Lines that end in a carriage return alone: the file is one line, and an error a line would follow. */
static bool lines_check(Reader *r) {
  const char *cr = memchr(r->text.p, '\r', r->text.n);
  if (!cr || memchr(r->text.p, '\n', r->text.n)) return true;
  size_t at = (size_t)(cr - r->text.p);
  diag_help(diag_bad_character(r->diags, reader_span(r, at, at + 1), (Str){cr, 1}, "a line ends in it alone"),
            "save the file with line feeds");
  return false;
}

static bool reader_open(Reader *r) {
  bool ours = r->diags->sources->file.at[r->file].library; /* the limit is on what users bring */
  if ((!ours && (uint64_t)r->text.n > (uint64_t)r->limits->source_bytes) || r->text.n > INT32_MAX - 64) {
    diag_status(diag_limit(r->diags, reader_span(r, 0, 0), "the source file is too long", "source_bytes",
                           r->limits->source_bytes),
                ST_LIMIT);
    return false;
  }
  if (!utf8_check(r) || !lines_check(r)) return false;
  reader_lex(r);
  return true;
}

static int by_name_and_place(const void *pa, const void *pb) {
  const AstByName *a = pa, *b = pb;
  if (!sym_eq(a->name, b->name)) return a->name.i < b->name.i ? -1 : 1;
  return (a->lo > b->lo) - (a->lo < b->lo);
}

bool parse_file(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l, AstFile **out) {
  AstFile *tree = ARENA_NEW(a, AstFile);
  *out = tree;
  tree->file = file;
  Reader r;
  reader_init(&r, file, s, n, a, d, l);
  tree->at = reader_span(&r, 0, r.text.n);
  if (!reader_open(&r)) {
    tree->errors = true;
    return false;
  }
  Filter f;
  filter_init(&f, &r, tree);
  if (dgp_parse(&f) != 0)
    tree->errors = true; /* reported: the stack's end, or no recovery at the end of the file */
  tree->errors |= r.reported > 0;
  if (tree->by_name.n) qsort(tree->by_name.at, tree->by_name.n, sizeof *tree->by_name.at, by_name_and_place);
  if (!tree->errors && tree->stmts.n == 0 && !s->file.at[file].library) {
    diag_empty_program(d, reader_span(&r, 0, 0));
    tree->errors = true;
  }
  return !tree->errors;
}

bool tokens_print(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l, Sb *b) {
  AstFile tree = {0};
  Reader r;
  reader_init(&r, file, s, n, a, d, l);
  if (!reader_open(&r)) return false;
  Filter f;
  filter_init(&f, &r, &tree);
  for (;;) {
    Span at;
    int kind = filter_next(&f, &at);
    Str text = reader_text(&r, at.lo, at.hi);
    sb_fmt(b, "%u-%u %s", at.lo, at.hi, token_name(kind));
    if (kind == TOK_NAME || kind == TOK_NUMBER || kind == TOK_STRING || kind == TOK_DTYPE)
      sb_fmt(b, " " STRF, STRA(text));
    sb_char(b, '\n');
    if (kind == TOK_END) break;
  }
  return r.reported == 0 && !tree.errors;
}
