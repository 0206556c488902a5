/* Is a text one JSON value (RFC 8259)? Strict; depth bounded. */
#ifndef DG_TESTS_FUZZ_JSON_H
#define DG_TESTS_FUZZ_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Json {
  const char *p, *end;
  int depth;
} Json;

static inline void json_blank(Json *j) {
  while (j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p) j->p++;
}
static inline bool json_char(Json *j, char c) { return j->p < j->end && *j->p == c && j->p++; }
static inline bool json_digits(Json *j) {
  const char *from = j->p;
  while (j->p < j->end && *j->p >= '0' && *j->p <= '9') j->p++;
  return j->p > from;
}

static inline bool json_string(Json *j) {
  if (!json_char(j, '"')) return false;
  while (j->p < j->end && *j->p != '"') {
    if ((unsigned char)*j->p < 0x20) return false;
    if (*j->p++ != '\\') continue;
    if (j->p == j->end || !*j->p || !strchr("\"\\/bfnrtu", *j->p)) return false;
    if (*j->p++ != 'u') continue;
    for (int i = 0; i < 4; i++, j->p++)
      if (j->p == j->end || !*j->p || !strchr("0123456789abcdefABCDEF", *j->p)) return false;
  }
  return json_char(j, '"');
}

static inline bool json_number(Json *j) {
  (void)json_char(j, '-');
  if (!json_char(j, '0') && !json_digits(j)) return false;
  if (json_char(j, '.') && !json_digits(j)) return false;
  if (!json_char(j, 'e') && !json_char(j, 'E')) return true;
  if (!json_char(j, '+')) (void)json_char(j, '-');
  return json_digits(j);
}

static inline bool json_value(Json *j);
static inline bool json_items(Json *j, char close, bool named) {
  j->p++, json_blank(j);
  if (json_char(j, close)) return true;
  do {
    json_blank(j);
    if (named) {
      if (!json_string(j)) return false;
      json_blank(j);
      if (!json_char(j, ':')) return false;
    }
    if (!json_value(j)) return false;
  } while (json_char(j, ','));
  return json_char(j, close);
}

static inline bool json_value(Json *j) {
  static const char *const word[] = {"true", "false", "null"};
  bool ok = false;
  json_blank(j);
  if (j->p == j->end || ++j->depth > 100) return false;
  if (*j->p == '{')
    ok = json_items(j, '}', true);
  else if (*j->p == '[')
    ok = json_items(j, ']', false);
  else if (*j->p == '"')
    ok = json_string(j);
  else if (*j->p == '-' || (*j->p >= '0' && *j->p <= '9'))
    ok = json_number(j);
  for (int i = 0; i < 3 && !ok; i++)
    if ((size_t)(j->end - j->p) >= strlen(word[i]) && !memcmp(j->p, word[i], strlen(word[i])))
      ok = true, j->p += strlen(word[i]);
  j->depth--;
  json_blank(j);
  return ok;
}

static inline bool json_valid(const char *p, size_t n) {
  Json j = {p, p + n, 0};
  return json_value(&j) && j.p == j.end;
}

#endif
