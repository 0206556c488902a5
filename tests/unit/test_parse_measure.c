/* Two experiments on the sketches. A line break put at any token boundary gives the same tree or an error,
 * never another tree. Any one token deleted gives a first message on the right line, and hardly ever a second
 * one: this measures the messages. */
#include "frontend/syntax/token.h"
#include "parse_kit.h"

static const char *const sketches[] = KIT_SKETCHES;
enum { SKETCHES = sizeof sketches / sizeof sketches[0] };

static char *load(int i, size_t *n) {
  char path[128];
  snprintf(path, sizeof path, "tests/sketches/%s.dg", sketches[i]);
  return kit_load(path, n);
}

typedef struct Cut {
  uint32_t lo, hi;
} Cut;

/* Places of all tokens. */
static Cut *tokens_of(Str text, uint32_t *n) {
  Kit k;
  kit_init(&k, text);
  Reader r;
  reader_init(&r, k.file, &k.sources, &k.names, &k.arena, &k.diags, &k.limits);
  reader_lex(&r);
  *n = r.tokens.n - 1;
  Cut *c = malloc(*n * sizeof *c);
  for (uint32_t i = 0; i < *n; i++) c[i] = (Cut){r.tokens.at[i].lo, r.tokens.at[i].hi};
  kit_free(&k);
  return c;
}

START_TEST(line_breaks) {
  size_t n;
  char *text = load(_i, &n);
  uint32_t count, same = 0;
  Cut *cut = tokens_of((Str){text, n}, &count);
  Kit whole;
  kit_of(&whole, (Str){text, n});
  ck_assert(whole.ok);
  Str tree = kit_ast(&whole);
  char *changed = malloc(n + 1);
  for (uint32_t i = 0; i < count; i += KIT_STRIDE) {
    memcpy(changed, text, cut[i].hi);
    changed[cut[i].hi] = '\n';
    memcpy(changed + cut[i].hi + 1, text + cut[i].hi, n - cut[i].hi);
    Kit k;
    kit_of(&k, (Str){changed, n + 1});
    ck_assert_msg(!k.ok || str_eq(kit_ast(&k), tree), "%s: another tree after a line break at byte %u",
                  sketches[_i], cut[i].hi);
    ck_assert(k.ok == (k.diags.errors == 0));
    same += k.ok;
    kit_free(&k);
  }
  ck_assert(same > count / KIT_STRIDE / 2); /* most places allow one */
  free(changed), free(cut), free(text);
  kit_free(&whole);
}
END_TEST

static uint32_t line_of(const char *text, uint32_t at) {
  uint32_t line = 1;
  for (uint32_t i = 0; i < at; i++) line += text[i] == '\n';
  return line;
}

START_TEST(deletions) {
  uint32_t errors = 0, right = 0, single = 0, extra = 0, accepted = 0;
  bool show = getenv("SHOW") != NULL;
  for (int s = 0; s < SKETCHES; s++) {
    size_t n;
    char *text = load(s, &n);
    uint32_t count;
    Cut *cut = tokens_of((Str){text, n}, &count);
    char *changed = malloc(n);
    for (uint32_t i = 0; i < count; i += KIT_STRIDE) {
      memcpy(changed, text, cut[i].lo);
      memcpy(changed + cut[i].lo, text + cut[i].hi, n - cut[i].hi);
      Kit k;
      kit_of(&k, (Str){changed, n - (cut[i].hi - cut[i].lo)});
      if (k.ok) {
        accepted++;
      } else {
        errors++;
        ck_assert_uint_gt(k.diags.all.n, 0);
        uint32_t line = line_of(text, cut[i].lo), before = i ? line_of(text, cut[i - 1].lo) : 1;
        const Diag *g = k.diags.all.at[0];
        uint32_t got = sources_at(&k.sources, g->at.file, g->at.lo).line;
        /* The end of the line before is as good a place when the line began with the token. A bracket that is
         * never closed is shown where it was opened; then the second place has to be near. */
        bool good = got == line || got == before;
        for (uint32_t l = 0; l < g->label.n && !good; l++) {
          uint32_t other = sources_at(&k.sources, g->label.at[l].at.file, g->label.at[l].at.lo).line;
          good = other == line || other == line + 1;
        }
        right += good;
        single += k.diags.all.n == 1;
        extra += k.diags.all.n - 1;
        if (show && (!good || k.diags.all.n > 1)) {
          Str m = kit_messages(&k);
          fprintf(stderr, "---- %s line %u without '%.*s'%s\n%.*s", sketches[s], line,
                  (int)(cut[i].hi - cut[i].lo), text + cut[i].lo, good ? "" : " WRONG LINE", (int)m.n, m.p);
        }
      }
      kit_free(&k);
    }
    free(changed), free(cut), free(text);
  }
  if (show)
    fprintf(stderr, "errors %u accepted %u right line %.1f%% single %.1f%% spurious %.1f%%\n", errors,
            accepted, 100.0 * right / errors, 100.0 * single / errors, 100.0 * extra / errors);
  ck_assert_uint_ge(100 * right, 95 * errors);
  ck_assert_uint_le(100 * extra, 10 * errors);
}
END_TEST

/* A second mistake further down is found in the same run, whatever token is missing above it. */
START_TEST(second_error) {
  static const char tail[] = "\nlet planted = f(1 2)\n";
  uint32_t errors = 0, found = 0;
  for (int s = 0; s < SKETCHES; s++) {
    size_t n;
    char *text = load(s, &n);
    uint32_t count;
    Cut *cut = tokens_of((Str){text, n}, &count);
    char *changed = malloc(n + sizeof tail);
    for (uint32_t i = 0; i < count; i += KIT_STRIDE) {
      memcpy(changed, text, cut[i].lo);
      memcpy(changed + cut[i].lo, text + cut[i].hi, n - cut[i].hi);
      size_t m = n - (cut[i].hi - cut[i].lo);
      memcpy(changed + m, tail, sizeof tail - 1);
      Kit k;
      kit_of(&k, (Str){changed, m + sizeof tail - 1});
      bool planted = false;
      for (uint32_t d = 0; d < k.diags.all.n; d++) planted |= k.diags.all.at[d]->at.lo == m + 19;
      errors += k.diags.all.n - planted > 0;
      found += planted && k.diags.all.n > 1;
      if (!planted && getenv("SHOW"))
        fprintf(stderr, "planted error lost: %s line %u\n", sketches[s], line_of(text, cut[i].lo));
      kit_free(&k);
    }
    free(changed), free(cut), free(text);
  }
  if (getenv("SHOW")) fprintf(stderr, "second error found %u of %u\n", found, errors);
  ck_assert_uint_ge(100 * found, 99 * errors);
}
END_TEST

int main(void) {
  Suite *s = suite_create("parse_measure");
  TCase *c = tcase_create("parse_measure");
  tcase_set_timeout(c, 60);
  tcase_add_loop_test(c, line_breaks, 0, SKETCHES);
  tcase_add_test(c, deletions);
  tcase_add_test(c, second_error);
  suite_add_tcase(s, c);
  SRunner *r = srunner_create(s);
  srunner_set_tap(r, "-");
  srunner_run_all(r, CK_SILENT);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
