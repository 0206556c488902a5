/* Reserved words, numbers and strings. */
#include "base/num.h"
#include "frontend/syntax/parser.h"

typedef struct Word {
  const char *text;
  int kind;
} Word;

/* Sorted by text. */
static const Word reserved[] = {
    {"after", TOK_AFTER},
    {"and", TOK_AND},
    {"assert", TOK_ASSERT},
    {"backward", TOK_BACKWARD},
    {"bf16", TOK_DTYPE},
    {"bool", TOK_DTYPE},
    {"cond", TOK_COND},
    {"const", TOK_CONST},
    {"else", TOK_ELSE},
    {"except", TOK_EXCEPT},
    {"extern", TOK_EXTERN},
    {"f32", TOK_DTYPE},
    {"f64", TOK_DTYPE},
    {"false", TOK_FALSE},
    {"fn", TOK_FN},
    {"for", TOK_FOR},
    {"frozen", TOK_FROZEN},
    {"i32", TOK_DTYPE},
    {"i64", TOK_DTYPE},
    {"if", TOK_IF},
    {"import", TOK_IMPORT},
    {"in", TOK_IN},
    {"int", TOK_INT},
    {"let", TOK_LET},
    {"minimize", TOK_MINIMIZE},
    {"module", TOK_MODULE},
    {"next", TOK_NEXT},
    {"not", TOK_NOT},
    {"optimizer", TOK_OPTIMIZER},
    {"or", TOK_OR},
    {"param", TOK_PARAM},
    {"requires", TOK_ASSERT},
    {"return", TOK_RETURN},
    {"scan", TOK_SCAN},
    {"train", TOK_TRAIN},
    {"true", TOK_TRUE},
    {"u8", TOK_DTYPE},
    {"update", TOK_UPDATE},
    {"using", TOK_USING},
    {"var", TOK_VAR},
    {"while", TOK_WHILE},
    {"yield", TOK_YIELD},
};

static const Word contextual[] = {
    {"dataset", TOK_DATASET}, {"input", TOK_INPUT},   {"loss", TOK_LOSS},
    {"metric", TOK_METRIC},   {"output", TOK_OUTPUT}, {"state", TOK_STATE},
};

static const char *const dtype_words[DTYPE_WORD_COUNT] = {"f32", "f64", "i32", "i64", "bool", "u8", "bf16"};

static int word_find(const Word *words, size_t n, Str s) {
  size_t lo = 0, hi = n;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    int c = str_cmp(s, str_z(words[mid].text));
    if (c == 0) return words[mid].kind;
    if (c < 0)
      hi = mid;
    else
      lo = mid + 1;
  }
  return 0;
}

int word_kind(Str s) { return word_find(reserved, sizeof reserved / sizeof reserved[0], s); }
int word_contextual_kind(Str s) { return word_find(contextual, sizeof contextual / sizeof contextual[0], s); }

AstDtype word_dtype(Str s) {
  AstDtype d = 0;
  while (d < DTYPE_WORD_COUNT && !str_eq(s, str_z(dtype_words[d]))) d++;
  return d < DTYPE_WORD_COUNT ? d : DTYPE_WORD_F32;
}

const char *ast_dtype_name(AstDtype d) { return dtype_words[d]; }

bool word_reserved(int kind) {
  for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
    if (reserved[i].kind == kind) return true;
  return false;
}

/* ---- numbers ---- */

#define EXP10_MAX 1000000000 /* beyond any double, and far from overflow when digits are added to it */

AstNumber *number_read(Arena *a, Str text) {
  AstNumber *n = ARENA_NEW(a, AstNumber);
  n->text = text;
  n->integer = true;
  char *digit = ARENA_ARRAY(a, char, text.n + 16); /* the digits, then room for "e-1000000000" */
  size_t nd = 0, i = 0;
  int64_t exp10 = 0, written = 0;
  bool fraction = false, negative = false;
  for (; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
    char c = text.p[i];
    if (c == '.') fraction = true;
    if (c == '_' || c == '.') continue;
    if (fraction) exp10--;
    if (nd > 0 || c != '0') digit[nd++] = c;
  }
  if (i < text.n) {
    n->integer = false;
    i++;
    if (text.p[i] == '+' || text.p[i] == '-') negative = text.p[i++] == '-';
    for (; i < text.n; i++)
      if (written <= EXP10_MAX) written = 10 * written + (text.p[i] - '0');
    if (written > EXP10_MAX) written = EXP10_MAX;
  }
  if (fraction) n->integer = false;
  exp10 += negative ? -written : written;
  if (nd == 0) digit[nd++] = '0', exp10 = 0;
  if (exp10 > EXP10_MAX) exp10 = EXP10_MAX;
  if (exp10 < -EXP10_MAX) exp10 = -EXP10_MAX;
  n->exp10 = exp10;
  num_nearest(digit, nd, exp10, &n->f64, &n->f32);
  n->digits = (Str){digit, nd};
  if (n->integer) {
    n->fits = true;
    for (size_t k = 0; k < nd && n->fits; k++)
      n->fits = !__builtin_mul_overflow(n->u64, UINT64_C(10), &n->u64) &&
                !__builtin_add_overflow(n->u64, (uint64_t)(digit[k] - '0'), &n->u64);
    if (!n->fits) n->u64 = 0;
  }
  return n;
}

/* ---- strings ---- */

static void utf8_add(Sb *b, uint32_t c) {
  if (c < 0x80) {
    sb_char(b, (char)c);
  } else if (c < 0x800) {
    sb_char(b, (char)(0xc0 | c >> 6));
    sb_char(b, (char)(0x80 | (c & 63)));
  } else if (c < 0x10000) {
    sb_char(b, (char)(0xe0 | c >> 12));
    sb_char(b, (char)(0x80 | (c >> 6 & 63)));
    sb_char(b, (char)(0x80 | (c & 63)));
  } else {
    sb_char(b, (char)(0xf0 | c >> 18));
    sb_char(b, (char)(0x80 | (c >> 12 & 63)));
    sb_char(b, (char)(0x80 | (c >> 6 & 63)));
    sb_char(b, (char)(0x80 | (c & 63)));
  }
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* `\u{..}` at text[*i] == 'u': its character; false when it is malformed or no character. */
static bool escape_unicode(Str text, size_t *i, uint32_t *out) {
  size_t k = *i + 1;
  if (k >= text.n || text.p[k] != '{') return false;
  uint32_t c = 0, n = 0;
  for (k++; k < text.n && hex_digit(text.p[k]) >= 0 && n < 7; k++, n++)
    c = 16 * c + (uint32_t)hex_digit(text.p[k]);
  if (k >= text.n || text.p[k] != '}' || n == 0 || n > 6) return false;
  *i = k;
  *out = c;
  return c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

Str string_read(Reader *r, uint32_t lo, uint32_t hi) {
  Str in = reader_text(r, lo + 1, hi - 1);
  if (!memchr(in.p, '\\', in.n)) {
    for (size_t i = 0; i < in.n; i++)
      if ((unsigned char)in.p[i] < 0x20 && in.p[i] != '\t' && reader_may_report(r))
        diag_bad_character(r->diags, reader_span(r, lo + 1 + i, lo + 2 + i), (Str){in.p + i, 1},
                           "a control byte");
    return in;
  }
  Sb b;
  bool wrong = false;
  sb_init(&b, r->arena);
  for (size_t i = 0; i < in.n; i++) {
    if (in.p[i] != '\\') {
      sb_char(&b, in.p[i]);
      continue;
    }
    size_t at = i++; /* the lexer's rule leaves no backslash at the end */
    uint32_t c;
    switch (in.p[i]) {
    case '\\': sb_char(&b, '\\'); continue;
    case '"': sb_char(&b, '"'); continue;
    case 'n': sb_char(&b, '\n'); continue;
    case 't': sb_char(&b, '\t'); continue;
    case 'u':
      if (escape_unicode(in, &i, &c)) {
        utf8_add(&b, c);
        continue;
      }
      break;
    default: break;
    }
    wrong = true;
    while (i + 1 < in.n && ((unsigned char)in.p[i + 1] & 0xc0) == 0x80) i++; /* to the end of the character */
    if (reader_may_report(r))
      diag_bad_escape(r->diags, reader_span(r, lo + 1 + at, lo + 2 + i), (Str){in.p + at, i + 1 - at});
  }
  return wrong ? (Str){0} : sb_str(&b);
}
