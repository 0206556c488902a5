/* Texts, numbers and punctuation of a safetensors header, which is JSON in strict UTF-8, and the messages
 * about them. */
#include "runtime/core/checked.h"
#include "runtime/core/safetensors_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool safe_fail_at(SafeParser *p, const unsigned char *at, const char *fmt, ...) {
  if (p->result != SAFE_OK) return false;
  p->result = SAFE_BAD;
  p->err->at = (uint64_t)(at - p->file);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(p->err->what, sizeof p->err->what, fmt, ap);
  va_end(ap);
  return false;
}

SafeShown safe_show(SafeText t) {
  SafeShown s;
  size_t n = 0;
  for (size_t i = 0; i < t.n && i < 40; i++) {
    unsigned char c = (unsigned char)t.p[i];
    if (c >= 0x20 && c < 0x7f && c != '\\')
      s.z[n++] = (char)c;
    else
      n += (size_t)snprintf(s.z + n, 5, "\\x%02x", c);
  }
  snprintf(s.z + n, 4, "%s", t.n > 40 ? "..." : "");
  return s;
}

void safe_skip_space(SafeParser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) p->at++;
}

bool safe_expect(SafeParser *p, char c) {
  safe_skip_space(p);
  if (p->at < p->end && *p->at == c) return p->at++, true;
  if (p->at == p->end) return safe_fail_at(p, p->at, "header ends where '%c' is expected", c);
  return safe_fail_at(p, p->at, "'%c' expected in the header, found byte 0x%02x", c, *p->at);
}

bool safe_more(SafeParser *p, char close, bool *go_on) {
  safe_skip_space(p);
  if (p->at < p->end && *p->at == ',') return p->at++, *go_on = true;
  *go_on = false;
  return safe_expect(p, close);
}

bool safe_closes(SafeParser *p, char close) {
  safe_skip_space(p);
  if (p->at == p->end || *p->at != close) return false;
  return p->at++, true;
}

bool safe_parse_number(SafeParser *p, uint64_t *out) {
  safe_skip_space(p);
  const unsigned char *from = p->at;
  uint64_t v = 0;
  for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
    if (!checked_mul(v, 10, &v) || !checked_add(v, (uint64_t)(*p->at - '0'), &v))
      return safe_fail_at(p, from, "number does not fit 64 bits");
  if (p->at == from) return safe_fail_at(p, from, "a whole number is expected");
  if (*from == '0' && p->at - from > 1) return safe_fail_at(p, from, "number with a leading zero");
  *out = v;
  return true;
}

/* Length of the well-formed UTF-8 sequence at s (Unicode table 3-7), 0 if there is none. */
static size_t utf8_length(const unsigned char *s, const unsigned char *end) {
  size_t n = *s < 0x80                 ? 1
             : *s >= 0xc2 && *s < 0xe0 ? 2
             : *s >= 0xe0 && *s < 0xf0 ? 3
             : *s >= 0xf0 && *s < 0xf5 ? 4
                                       : 0;
  if (n == 0 || (size_t)(end - s) < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
      (*s == 0xf4 && s[1] > 0x8f))
    return 0;
  return n;
}

static size_t utf8_put(char *to, uint32_t c) {
  if (c < 0x80) return to[0] = (char)c, 1;
  if (c < 0x800) return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
  if (c < 0x10000)
    return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
           to[2] = (char)(0x80 | (c & 63)), 3;
  to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63));
  to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63));
  return 4;
}

/* The four hex digits of \uXXXX. */
static bool parse_hex4(SafeParser *p, uint32_t *out) {
  uint32_t v = 0;
  if (p->end - p->at < 4) return safe_fail_at(p, p->at, "header ends inside an escape");
  for (int i = 0; i < 4; i++, p->at++) {
    unsigned char c = *p->at;
    uint32_t d = c >= '0' && c <= '9'                 ? (uint32_t)c - '0'
                 : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)(c | 32) - 'a' + 10
                                                      : 16;
    if (d == 16) return safe_fail_at(p, p->at, "byte 0x%02x is no hexadecimal digit of an escape", c);
    v = v << 4 | d;
  }
  *out = v;
  return true;
}

/* One escape after the backslash, as a code point. */
static bool parse_escape(SafeParser *p, uint32_t *out) {
  const unsigned char *from = p->at;
  if (p->at == p->end) return safe_fail_at(p, from, "header ends inside an escape");
  static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
  const char *hit = *p->at ? strchr(plain, *p->at) : NULL;
  if (hit) return p->at++, *out = (uint32_t)means[hit - plain], true;
  if (*p->at++ != 'u') return safe_fail_at(p, from, "unknown escape with byte 0x%02x", *from);
  uint32_t c = 0, low = 0;
  if (!parse_hex4(p, &c)) return false;
  if (c == 0) return safe_fail_at(p, from, "a name or text holds the character NUL");
  if (c >= 0xdc00 && c < 0xe000) return safe_fail_at(p, from, "half of a surrogate pair");
  if (c >= 0xd800 && c < 0xdc00) {
    if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
      return safe_fail_at(p, from, "half of a surrogate pair");
    p->at += 2;
    if (!parse_hex4(p, &low)) return false;
    if (low < 0xdc00 || low >= 0xe000) return safe_fail_at(p, from, "half of a surrogate pair");
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  *out = c;
  return true;
}

bool safe_parse_text(SafeParser *p, bool build, SafeText *out) {
  if (!safe_expect(p, '"')) return false;
  const unsigned char *from = p->at;
  bool escaped = false;
  while (p->at < p->end && *p->at != '"') {
    if (*p->at == '\\') {
      uint32_t c;
      escaped = true;
      p->at++;
      if (!parse_escape(p, &c)) return false;
      continue;
    }
    size_t n = utf8_length(p->at, p->end);
    if (*p->at < 0x20 || n == 0)
      return safe_fail_at(p, p->at, "byte 0x%02x inside a text of the header", *p->at);
    p->at += n;
  }
  if (p->at == p->end) return safe_fail_at(p, from, "text without closing quote");
  const unsigned char *to = p->at++;
  *out = (SafeText){(const char *)from, (size_t)(to - from)};
  if (!escaped || !build) return true;
  char *text =
      p->memory.get(p->memory.context, out->n); /* an escape is never shorter than what it stands for */
  if (!text) return p->result = SAFE_NO_MEMORY, false;
  SafeParser again = *p;
  size_t n = 0;
  for (again.at = from, again.end = to; again.at < to;) {
    uint32_t c;
    if (*again.at != '\\') {
      text[n++] = (char)*again.at++;
      continue;
    }
    again.at++;
    if (!parse_escape(&again, &c)) return false;
    n += utf8_put(text + n, c);
  }
  *out = (SafeText){text, n};
  return true;
}
