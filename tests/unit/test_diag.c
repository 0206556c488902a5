/* Diagnostics: flags, counting, sorting, suggestions, and the exact text of what a user sees. */
#include "base/diag.h"
#include "unit.h"

#include <time.h>

#if DG_JANSSON
#include <jansson.h>
#endif

static Mem mem;
static Arena arena;
static Sources sources;
static Limits limits;
static Diags diags;
static const DiagStyle plain = {.color = false, .tab = 8};

static uint32_t begin(const char *text) {
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  sources_init(&sources, &arena);
  limits_init(&limits);
  diags_init(&diags, &arena, &sources, &limits);
  return sources_add(&sources, STR("model.dg"), str_z(text), false);
}

static void end(void) { arena_release(&arena); }

/* The span of the n-th (from 0) occurrence of `word`. */
static Span find(uint32_t file, const char *word, int n) {
  Str t = sources.file.at[file].text, w = str_z(word);
  for (uint32_t i = 0; i + w.n <= t.n; i++)
    if (memcmp(t.p + i, w.p, w.n) == 0 && n-- == 0) return (Span){file, i, i + (uint32_t)w.n};
  ck_abort_msg("no '%s'", word);
}

static void shows(const Diag *g, const char *expected) {
  Sb b;
  sb_init(&b, &arena);
  diag_render_text(&diags, g, plain, &b);
  ck_assert_strn(sb_str(&b), expected);
}

START_TEST(the_form_of_the_contract) {
  uint32_t f =
      begin("input x: f32[N, 1]\ntarget y: f32[N, 1]\nparam w: f32[1, 1] = 0\nparam b: f32[1] = 0\n"
            "let pred = x @ w + b\nloss mse = mean((pred - y)^2)\n\n\n\ntrain fit {\n  update   w\n}\n");
  Diag *g = diag_cannot_read(&diags, find(f, "b: f32[1] =", 0), STR("b"), "stand-in text");
  g->at.hi = g->at.lo + 1;
  diag_under(g, "has a path to the loss: b -> + -> pred -> %s", "mse");
  Span w = find(f, "  w\n", 0);
  diag_label(g, (Span){f, w.lo + 2, w.lo + 3}, "step '%s' updates only 'w'", "fit");
  diag_help(g, "add it to the step, or declare it 'frozen'");
  diag_edit(g, (Span){f, w.lo + 3, w.lo + 3}, STR(", b"));
  shows(g, "model.dg:4:7: error: cannot read 'b': stand-in text [DG0001]\n"
           "  4 | param b: f32[1] = 0\n"
           "    |       ^ has a path to the loss: b -> + -> pred -> mse\n"
           " 11 |   update   w\n"
           "    |            - step 'fit' updates only 'w'\n"
           "help: add it to the step, or declare it 'frozen'\n"
           " 11 |   update   w, b\n");
  end();
}
END_TEST

START_TEST(label_before_primary_and_same_line) {
  uint32_t f = begin("let a = 1\nlet b = foo(a, a)\n");
  Diag *g = diag_import_cycle(&diags, find(f, "foo", 0), STR("x"));
  diag_under(g, "under");
  diag_label(g, find(f, "a", 2), "second");
  diag_label(g, find(f, "a", 1), "first");
  diag_label(g, find(f, "a = 1", 0), "declared here");
  shows(g, "model.dg:2:9: error: import cycle: x [DG0005]\n"
           "  1 | let a = 1\n"
           "    |     ----- declared here\n"
           "  2 | let b = foo(a, a)\n"
           "    |         ^~~ under\n"
           "    |             - first\n"
           "    |                - second\n");
  end();
}
END_TEST

START_TEST(notes_and_other_files) {
  uint32_t f = begin("y = lin(x)\n");
  uint32_t lib = sources_add(&sources, STR("std/nn.dg"), STR("module Linear {\n  out = x @ w\n}\n"), true);
  Diag *g = diag_import_cycle(&diags, find(f, "lin(x)", 0), STR("x"));
  diag_label(g, find(lib, "x @ w", 0), "here");
  diag_note(g, find(lib, "out", 0), "in '%s'", "Linear");
  diag_note(g, (Span){0, 0, 0}, "no place");
  diag_edit(g, find(lib, "out", 0), STR("never shown: library files are not edited"));
  ck_assert_uint_eq(g->edit.n, 0);
  shows(g, "model.dg:1:5: error: import cycle: x [DG0005]\n"
           "  1 | y = lin(x)\n"
           "    |     ^~~~~~\n"
           "std/nn.dg:2:9:\n"
           "  2 |   out = x @ w\n"
           "    |         ----- here\n"
           "std/nn.dg:2:3: note: in 'Linear'\n"
           "note: no place\n");
  end();
}
END_TEST

START_TEST(no_place) {
  begin("");
  shows(diag_cannot_read(&diags, (Span){0, 0, 0}, STR("m.dg"), "no such file"),
        "error: cannot read 'm.dg': no such file [DG0001]\n");
  end();
}
END_TEST

START_TEST(places_at_the_ends) {
  uint32_t f = begin("ab\ncd");
  shows(diag_import_cycle(&diags, (Span){f, 2, 2}, STR("eol")),
        "model.dg:1:3: error: import cycle: eol [DG0005]\n  1 | ab\n    |   ^\n");
  shows(diag_import_cycle(&diags, (Span){f, 5, 5}, STR("eof")),
        "model.dg:2:3: error: import cycle: eof [DG0005]\n  2 | cd\n    |   ^\n");
  shows(diag_import_cycle(&diags, (Span){f, 1, 4}, STR("two lines")), /* underlined to the end of the first */
        "model.dg:1:2: error: import cycle: two lines [DG0005]\n  1 | ab\n    |  ^\n");
  f = sources_add(&sources, STR("model.dg"), STR(""), false);
  shows(diag_empty_program(&diags, (Span){f, 0, 0}),
        "model.dg:1:1: error: the program is empty [DG0003]\n  1 | \n    | ^\n");
  end();
}
END_TEST

START_TEST(tabs_and_wide_characters) {
  uint32_t f = begin("\tx\ty = 1\n\xe4\xb8\xad\xc3\xa9 z e\xcc\x81w\n");
  shows(diag_import_cycle(&diags, find(f, "y", 0), STR("t")),
        "model.dg:1:4: error: import cycle: t [DG0005]\n"
        "  1 |         x       y = 1\n"
        "    |                 ^\n");
  shows(diag_import_cycle(&diags, find(f, "z", 0), STR("t")),
        "model.dg:2:4: error: import cycle: t [DG0005]\n"
        "  2 | \xe4\xb8\xad\xc3\xa9 z e\xcc\x81w\n"
        "    |     ^\n");
  shows(diag_import_cycle(&diags, find(f, "w", 0), STR("t")),
        "model.dg:2:8: error: import cycle: t [DG0005]\n"
        "  2 | \xe4\xb8\xad\xc3\xa9 z e\xcc\x81w\n"
        "    |        ^\n");
  end();
}
END_TEST

START_TEST(nothing_a_terminal_obeys) {
  uint32_t f = begin("a\33[31m \xe2\x80\xae\xff\xc0\x80 b\n");
  Diag *g =
      diag_import_cycle(&diags, find(f, "b", 0), STR("\33]0;title\7\r\n\xe2\x81\xa6 \xed\xa0\x80\xc2\x9b"));
  diag_under(g, "\33[2J");
  diag_label(g, find(f, "a", 0), "\xef\xbb\xbf\x7f");
  diag_note(g, (Span){0, 0, 0}, "\xe2\x80\x8f");
  diag_help(g, "\b");
  shows(g, "model.dg:1:12: error: import cycle: \\x1b]0;title\\x07\\x0d\\x0a<U+2066> \\xed\\xa0\\x80<U+009B> "
           "[DG0005]\n"
           "  1 | a\\x1b[31m <U+202E>\\xff\\xc0\\x80 b\n"
           "    | - <U+FEFF>\\x7f\n"
           "    |                                ^ \\x1b[2J\n"
           "note: <U+200F>\n"
           "help: \\x08\n");
  end();
}
END_TEST

START_TEST(a_hostile_file_name) {
  begin("");
  uint32_t f = sources_add(&sources, STR("a\nb\33.dg"), STR("x\n"), false);
  shows(diag_import_cycle(&diags, (Span){f, 0, 1}, STR("t")),
        "a\\x0ab\\x1b.dg:1:1: error: import cycle: t [DG0005]\n  1 | x\n    | ^\n");
  end();
}
END_TEST

START_TEST(long_lines_show_a_window) {
  char text[1000];
  memset(text, 'x', sizeof text);
  memcpy(text + 500, "MARK", 4);
  text[999] = 0;
  uint32_t f = begin(text);
  Diag *g = diag_import_cycle(&diags, find(f, "MARK", 0), STR("t"));
  Sb b;
  sb_init(&b, &arena);
  sb_add(&b, STR("model.dg:1:501: error: import cycle: t [DG0005]\n  1 | ..."));
  for (int i = 0; i < 60; i++) sb_char(&b, 'x');
  sb_add(&b, STR("MARK"));
  for (int i = 0; i < 56; i++) sb_char(&b, 'x');
  sb_add(&b, STR("...\n    | "));
  for (int i = 0; i < 63; i++) sb_char(&b, ' ');
  sb_add(&b, STR("^~~~\n"));
  shows(g, sb_str(&b).p);
  end();
}
END_TEST

START_TEST(edits_are_seen_in_long_lines) {
  char text[1000];
  memset(text, 'x', sizeof text);
  memcpy(text + 500, "MARK", 4);
  text[999] = 0;
  uint32_t f = begin(text);
  Diag *g = diag_import_cycle(&diags, (Span){f, 0, 1}, STR("t"));
  diag_edit(g, find(f, "MARK", 0), STR("EDIT"));
  Sb b;
  sb_init(&b, &arena);
  diag_render_text(&diags, g, plain, &b);
  sb_char(&b, 0);
  ck_assert_ptr_nonnull(strstr(b.p, "...xxx"));
  ck_assert_ptr_nonnull(strstr(b.p, "xxxEDITxxx"));
  end();
}
END_TEST

/* A hundred messages on a line of 8 MB, each with a label and an edit. What is looked at is what is near
 * them: before, this took minutes. */
START_TEST(a_huge_line_is_not_walked) {
  enum { BYTES = 8 << 20, MESSAGES = 100, APART = BYTES / MESSAGES / 2 * 2 };
  char *text = malloc(BYTES + 1);
  for (size_t i = 0; i < BYTES; i += 2) memcpy(text + i, "\xc3\xb6", 2);
  for (size_t i = 0; i < MESSAGES; i++) memcpy(text + i * APART + 1000, "MARK", 4);
  text[BYTES] = 0;
  uint32_t f = begin(text);
  clock_t start = clock();
  for (uint32_t i = 0; i < MESSAGES; i++) {
    Span at = {f, i * APART + 1000, i * APART + 1004};
    Diag *g = diag_import_cycle(&diags, at, STR("t"));
    diag_label(g, (Span){f, at.lo + 2, at.hi}, "label");
    diag_edit(g, at, STR("EDIT"));
    Sb b;
    size_t before = mem.used;
    sb_init(&b, &arena);
    diag_render_text(&diags, g, plain, &b);
    sb_char(&b, 0);
    Str head = str_fmt(&arena, "model.dg:1:%u: error", (i * APART + 1000) / 2 + 2 * i + 1);
    /* at most one new block of the arena, of whichever message it is */
    ck_assert_msg(mem.used - before <= 1 << 20, "%zu bytes", mem.used - before);
    ck_assert(b.n < 2000);
    ck_assert_ptr_nonnull(strstr(b.p, "\xc3\xb6MARK\xc3\xb6"));
    ck_assert_ptr_nonnull(strstr(b.p, "\xc3\xb6"
                                      "EDIT\xc3\xb6"));
    ck_assert_ptr_nonnull(strstr(b.p, " ^~~~\n"));
    ck_assert_ptr_nonnull(strstr(b.p, " -- label\n"));
    ck_assert_msg(str_starts(sb_str(&b), head), "%.60s", b.p);
  }
  ck_assert((clock() - start) / CLOCKS_PER_SEC < 5);
  free(text);
  end();
}
END_TEST

START_TEST(edits_on_several_lines) {
  uint32_t f = begin("one two\nthree\nfour\nfive\n");
  Diag *g = diag_import_cycle(&diags, find(f, "one", 0), STR("t"));
  diag_edit(g, find(f, "four", 0), STR("4\nand a half"));
  diag_edit(g, find(f, "two", 0), STR("2"));
  diag_edit(g, find(f, "one", 0), STR("1"));
  shows(g, "model.dg:1:1: error: import cycle: t [DG0005]\n"
           "  1 | one two\n"
           "    | ^~~\n"
           "help: change it like this\n"
           "  1 | 1 2\n"
           "  3 | 4\n"
           "  4 | and a half\n");
  Diag *join = diag_import_cycle(&diags, find(f, "one", 0), STR("t"));
  diag_edit(join, (Span){f, 7, 8}, STR(" "));
  diag_help(join, "join the lines");
  shows(join, "model.dg:1:1: error: import cycle: t [DG0005]\n"
              "  1 | one two\n"
              "    | ^~~\n"
              "help: join the lines\n"
              "  1 | one two three\n");
  end();
}
END_TEST

START_TEST(wide_gutter) {
  char text[1200];
  memset(text, '\n', sizeof text);
  text[1198] = 'x';
  text[1199] = 0;
  uint32_t f = begin(text);
  shows(diag_import_cycle(&diags, find(f, "x", 0), STR("t")),
        "model.dg:1199:1: error: import cycle: t [DG0005]\n 1199 | x\n      | ^\n");
  end();
}
END_TEST

START_TEST(colors_as_compilers_do) {
  uint32_t f = begin("x y\n");
  Diag *g = diag_import_cycle(&diags, find(f, "x", 0), STR("t"));
  diag_label(g, find(f, "y", 0), "l");
  diag_help(g, "h");
  diag_edit(g, find(f, "y", 0), STR("z"));
  Sb b;
  sb_init(&b, &arena);
  diag_render_text(&diags, g, (DiagStyle){.color = true, .tab = 8}, &b);
  ck_assert_strn(sb_str(&b), "\33[1mmodel.dg:1:1: \33[1;31merror:\33[m\33[1m import cycle: t\33[m [DG0005]\n"
                             "  1 | x y\n"
                             "    | \33[1;31m^\33[m\n"
                             "    |   \33[34m- l\33[m\n"
                             "\33[1;32mhelp:\33[m h\n"
                             "  1 | \33[32mx z\33[m\n");
  end();
}
END_TEST

START_TEST(sorted_and_without_repeats) {
  uint32_t f = begin("a b c\n");
  diag_import_cycle(&diags, find(f, "c", 0), STR("late"));
  diag_import_cycle(&diags, find(f, "a", 0), STR("z"));
  diag_import_cycle(&diags, find(f, "b", 0), STR("same"));
  diag_import_cycle(&diags, find(f, "a", 0), STR("y"));
  diag_import_cycle(&diags, find(f, "b", 0), STR("same"));
  diag_cannot_read(&diags, (Span){0, 0, 0}, STR("m"), "no place comes first");
  ck_assert_uint_eq(diags.errors, 6);
  diags_finish(&diags);
  ck_assert_uint_eq(diags.errors, 5);
  ck_assert_uint_eq(diags.all.n, 5);
  const char *order[] = {"cannot read 'm': no place comes first", "import cycle: y", "import cycle: z",
                         "import cycle: same", "import cycle: late"};
  for (int i = 0; i < 5; i++) ck_assert_strn(diags.all.at[i]->text, order[i]);
  diags_finish(&diags);
  ck_assert_uint_eq(diags.all.n, 5);
  end();
}
END_TEST

START_TEST(limit_of_errors_at_the_edge) {
  for (int n = 9; n <= 11; n++) {
    uint32_t f = begin("x\n");
    ck_assert(limits_set(&limits, STR("errors"), 10));
    for (int i = 0; i < n; i++) {
      Diag *g = diag_import_cycle(&diags, (Span){f, 0, 1}, str_fmt(&arena, "%d", i));
      diag_label(g, (Span){f, 0, 1}, "a diagnostic that is not kept can still be filled in");
    }
    diags_finish(&diags);
    Sb b;
    sb_init(&b, &arena);
    diag_render_all(&diags, plain, &b);
    ck_assert_uint_eq(diags.all.n, n < 10 ? n : 10);
    ck_assert_uint_eq(diags.errors, n);
    ck_assert_int_eq(str_ends(sb_str(&b), STR("note: 1 more not shown (limit 'errors' is 10)\n")), n == 11);
    end();
  }
}
END_TEST

START_TEST(status_of_the_first_error) {
  begin("");
  Span no = {0, 0, 0};
  ck_assert_int_eq(diags.status, ST_OK);
  Diag *first = diag_limit(&diags, no, "a tensor of rank 9", "rank", 8);
  ck_assert_strn(first->text, "a tensor of rank 9: more than the limit 'rank' of 8 allows");
  diag_status(first, ST_LIMIT);
  ck_assert_int_eq(diags.status, ST_LIMIT);
  diag_status(diag_cannot_read(&diags, no, STR("x"), "y"), ST_IO);
  ck_assert_int_eq(diags.status, ST_LIMIT);
  diags.errors = 0;
  end();
}
END_TEST

static Severity level(const char *group) {
  for (int i = 0; i < DGRP_COUNT; i++)
    if (str_eq(str_z(diag_groups[i].name), str_z(group))) return diags.flags.level[i];
  ck_abort_msg("no group '%s'", group);
}

START_TEST(flags) {
  begin("");
  ck_assert_int_eq(level("cut"), SEV_WARNING);
  ck_assert(diags_flag(&diags, STR("no-dead-params")));
  ck_assert_int_eq(level("cut"), SEV_IGNORED);
  ck_assert_int_eq(level("unowned"), SEV_IGNORED);
  ck_assert_int_eq(level("hints"), SEV_WARNING);
  ck_assert(diags_flag(&diags, STR("unowned")));
  ck_assert_int_eq(level("unowned"), SEV_WARNING);
  ck_assert_int_eq(level("cut"), SEV_IGNORED);
  ck_assert(diags_flag(&diags, STR("error=idle")));
  ck_assert_int_eq(level("idle"), SEV_ERROR);
  ck_assert(!diags.flags.warnings_are_errors);
  ck_assert(diags_flag(&diags, STR("error")));
  ck_assert(diags.flags.warnings_are_errors);
  Diag *hint = diag_softmax_twice(&diags, (Span){0});
  Diag *proof = diag_unowned(&diags, (Span){0}, STR("parameter 'w'"), "is", "never updated", "it");
  ck_assert_int_eq(diag_severity(&diags, hint), SEV_WARNING); /* a hint is no proof */
  ck_assert_int_eq(diag_severity(&diags, proof), SEV_ERROR);
  ck_assert(diags_flag(&diags, STR("error=hints")));
  ck_assert_int_eq(diag_severity(&diags, hint), SEV_ERROR);
  ck_assert(diags_flag(&diags, STR("no-error")));
  ck_assert(!diags.flags.warnings_are_errors);
  ck_assert_int_eq(diag_severity(&diags, proof), SEV_WARNING);
  const char *wrong[] = {"", "nonsense", "no-", "no-nonsense", "error=", "error=nonsense", "Cut"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) ck_assert(!diags_flag(&diags, str_z(wrong[i])));
  end();
}
END_TEST

START_TEST(table_is_sound) {
  for (int i = 0; i < DIAG_COUNT; i++) {
    ck_assert_uint_gt(diag_info[i].code, 0);
    ck_assert_int_lt(diag_info[i].group, DGRP_COUNT);
    for (int k = 0; k < i; k++) ck_assert_uint_ne(diag_info[i].code, diag_info[k].code);
    size_t n = strlen(diag_info[i].format);
    bool stop = n > 0 && diag_info[i].format[n - 1] == '.' && (n == 1 || diag_info[i].format[n - 2] != '.');
    ck_assert_msg(n > 0 && !stop, "DG%04u ends with a full stop", diag_info[i].code);
  }
  for (int i = 0; i < DGRP_COUNT; i++) ck_assert_int_eq(diag_groups[diag_groups[i].parent].parent, DGRP_none);
}
END_TEST

START_TEST(nearest_names) {
  Str names[] = {STR("relu"), STR("sigmoid"), STR("softmax"), STR("w"), STR("log_softmax")};
  ck_assert_strn(diag_nearest(STR("rleu"), names, 5), "relu");
  ck_assert_strn(diag_nearest(STR("sofmax"), names, 5), "softmax");
  ck_assert_strn(diag_nearest(STR("sigmiod"), names, 5), "sigmoid");
  ck_assert_strn(diag_nearest(STR("v"), names, 5), "");
  ck_assert_strn(diag_nearest(STR("tanh"), names, 5), "");
  ck_assert_strn(diag_nearest(STR(""), names, 5), "");
  ck_assert_strn(diag_nearest(STR("relu"), names, 5), "");
  ck_assert_strn(diag_nearest(STR("relu2"), names, 0), "");
  Str other[] = {STR("sgd"), STR("conv2d"), STR("h1"), STR("fc12")};
  ck_assert_strn(diag_nearest(STR("std"), other, 4), "");    /* one letter of three is another name */
  ck_assert_strn(diag_nearest(STR("sdg"), other, 4), "sgd"); /* two letters changed places */
  ck_assert_strn(diag_nearest(STR("conv1d"), other, 4), ""); /* other digits are another name */
  ck_assert_strn(diag_nearest(STR("h2"), other, 4), "");
  ck_assert_strn(diag_nearest(STR("fc1"), other, 4), "");
  ck_assert_strn(diag_nearest(STR("convd"), other, 4), "conv2d");
}
END_TEST

START_TEST(edits_of_very_near_names_only) {
  ck_assert(diag_very_near(STR("rleu"), STR("relu")));
  ck_assert(diag_very_near(STR("Relu"), STR("relu")));
  ck_assert(diag_very_near(STR("log_softmaks"), STR("log_softmax")));
  ck_assert(!diag_very_near(STR("lrr"), STR("lr")));
  ck_assert(!diag_very_near(STR("moment"), STR("momentum")));
  uint32_t f = begin("rleu moment\n");
  Diag *g = diag_empty_program(&diags, find(f, "rleu", 0));
  diag_meant(g, find(f, "rleu", 0), STR("rleu"), STR("relu"));
  ck_assert_uint_eq(g->edit.n, 1);
  ck_assert_strn(g->help, "did you mean 'relu'?");
  g = diag_empty_program(&diags, find(f, "moment", 0));
  diag_meant(g, find(f, "moment", 0), STR("moment"), STR("momentum"));
  ck_assert_uint_eq(g->edit.n, 0);
  ck_assert_strn(g->help, "did you mean 'momentum'?");
  end();
}
END_TEST

START_TEST(numbers_in_texts_are_ordered_as_numbers) {
  uint32_t f = begin("one\n");
  static const char *const path[] = {"b[10]", "b[9].w", "a", "b[1]", "b[2]"}, *const order[] = {
                                                                                  "a", "b[1]", "b[2]",
                                                                                  "b[9].w", "b[10]"};
  for (int i = 0; i < 5; i++) (void)diag_unknown_name(&diags, find(f, "one", 0), str_z(path[i]));
  diags_finish(&diags);
  ck_assert_uint_eq(diags.all.n, 5);
  for (int i = 0; i < 5; i++)
    ck_assert_msg(strstr(diags.all.at[i]->text.p, order[i]) != NULL, "%d: %s", i, diags.all.at[i]->text.p);
  end();
}
END_TEST

START_TEST(subjects_are_kept) {
  begin("");
  Diag *g = diag_empty_program(&diags, (Span){0, 0, 0});
  diag_subject(g, STR("net.l1.w"));
  diag_subject(g, STR("net.l1.b"));
  ck_assert_uint_eq(g->subject.n, 2);
  ck_assert_strn(g->subject.at[1], "net.l1.b");
  end();
}
END_TEST

START_TEST(json_fields) {
  uint32_t f = begin("one\ntwo \xc3\xa9 three\n");
  Diag *g = diag_import_cycle(&diags, find(f, "three", 0), STR("a\"\\\n\t\1\xff\xc3\xa9"));
  diag_under(g, "u");
  diag_label(g, find(f, "one", 0), "l");
  diag_note(g, (Span){0, 0, 0}, "n");
  diag_help(g, "h");
  diag_edit(g, find(f, "two", 0), STR("2"));
  diag_subject(g, STR("net.w"));
  diag_subject(g, STR("net.b"));
  Sb b;
  sb_init(&b, &arena);
  diag_render_json(&diags, &b);
  ck_assert_strn(
      sb_str(&b),
      "{\"version\":1,\"diagnostics\":[\n{\"code\":\"DG0005\",\"name\":\"import_"
      "cycle\",\"group\":\"\",\"severity\":"
      "\"error\",\"message\":\"import cycle: "
      "a\\\"\\\\\\n\\t\\u0001\xef\xbf\xbd\xc3\xa9\",\"span\":{\"file\":\"model.dg\","
      "\"lo\":11,\"hi\":16,\"line\":2,\"column\":7,\"end_line\":2,\"end_column\":12},"
      "\"under\":\"u\",\"labels\":["
      "{\"span\":{\"file\":\"model.dg\",\"lo\":0,\"hi\":3,\"line\":1,\"column\":1,"
      "\"end_line\":1,\"end_column\":4},\"text\":"
      "\"l\"}],\"notes\":[{\"span\":null,\"text\":\"n\"}],\"help\":\"h\",\"edits\":[{"
      "\"span\":{\"file\":\"model.dg\",\"lo\":4,"
      "\"hi\":7,\"line\":2,\"column\":1,\"end_line\":2,\"end_column\":4},\"text\":"
      "\"2\"}],\"fix\":\"write '2'\",\"applicability\":\"maybe\",\"subjects\":[\"net.w\",\"net.b\"]}"
      "],\n\"errors\":1,\"warnings\":0,\"not_shown\":0}\n");
  end();
}
END_TEST

#if DG_JANSSON
START_TEST(json_is_read_by_others) {
  char text[256];
  for (int i = 0; i < 255; i++) text[i] = (char)(i + 1); /* every byte but NUL */
  text[255] = 0;
  uint32_t f = begin(text);
  Span nul = {f, 0, 255};
  for (int i = 0; i < 3; i++)
    diag_edit(diag_import_cycle(&diags, nul, (Str){text, 255}), nul, (Str){"a\0b", 3});
  Sb b;
  sb_init(&b, &arena);
  diag_render_json(&diags, &b);
  json_error_t e;
  json_t *j = json_loadb(sb_str(&b).p, sb_str(&b).n, JSON_ALLOW_NUL, &e);
  ck_assert_msg(j != NULL, "%s", e.text);
  ck_assert_uint_eq(json_array_size(json_object_get(j, "diagnostics")), 3);
  json_decref(j);
  end();
}
END_TEST
#endif

UNIT_MAIN(UNIT("render", the_form_of_the_contract, label_before_primary_and_same_line, notes_and_other_files,
               no_place, places_at_the_ends, tabs_and_wide_characters, nothing_a_terminal_obeys,
               a_hostile_file_name, long_lines_show_a_window, edits_are_seen_in_long_lines,
               a_huge_line_is_not_walked, edits_on_several_lines, wide_gutter, colors_as_compilers_do),
          UNIT("collect", sorted_and_without_repeats, limit_of_errors_at_the_edge, status_of_the_first_error,
               flags, table_is_sound, nearest_names, edits_of_very_near_names_only,
               numbers_in_texts_are_ordered_as_numbers, subjects_are_kept),
          UNIT("json",
#if DG_JANSSON
               json_is_read_by_others,
#endif
               json_fields))
