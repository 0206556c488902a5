/* Recorded models (frontend/import): what is read, what is refused and where, and verdicts against witnesses.
 */
#include "frontend/import/import.h"
#include "passes/passes.h"
#include "unit.h"

static Mem mem;
static Arena arena;

typedef struct Run {
  Names names;
  Sources sources;
  Limits limits;
  Program p;
  Diags d;
  Import made;
  bool ok;
} Run;

/* What the run before left is gone. */
static Run *run(Str text) {
  arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  Run *r = ARENA_NEW(&arena, Run);
  memset(r, 0, sizeof *r);
  names_init(&r->names, &arena);
  sources_init(&r->sources, &arena);
  limits_init(&r->limits);
  program_init(&r->p, &arena, &r->names, &r->sources, &r->limits);
  diags_init(&r->d, &arena, &r->sources, &r->limits);
  uint32_t file = sources_add(&r->sources, STR("step.dgg"), text, false);
  r->ok = import_program(file, STR("."), &r->d, &r->p, &r->made);
  if (r->ok) {
    diagnose(&r->p, NULL, 0, &r->d);
    import_judge(&r->made, &r->p, &r->d);
  }
  diags_finish(&r->d);
  return r;
}

/* A step with two parameters: `w` through OP, `b` added behind it; NAME is what `{name=..}` needs, or
 * nothing. */
static Str step(const char *op, const char *seen_w, const char *more) {
  static char text[4096];
  snprintf(text, sizeof text,
           "dgg 1 test\nfile 1 nowhere.py\nplace 1 1 3 4 3 10 0 made\nplace 2 1 7 8 7 20 1 called\n"
           "graph opt\nparam w: f32[3] @1\nparam b: f32[3] @1\ninput x: f32[3]\n"
           "%%0: f32[3] = leaf w\n%%1: f32[3] = leaf x\n%%2: f32[3] = %s @2\n%%3: f32[3] = leaf b\n"
           "%%4: f32[3] = add %%2 %%3\n%%5: f32[1] = sum %%4 {axes=[0] order=0}\n%%6: f32 = reshape %%5\n"
           "train opt loss=%%6\ngroup SGD lr=0.5 @1\n%%7: f32[3] = grad %%6 %%0\n%%8: f32[3] = sub %%0 %%7\n"
           "own w grad=%%7 update=%%8\n%%9: f32[3] = grad %%6 %%3\n%%10: f32[3] = sub %%3 %%9\n"
           "own b grad=%%9 update=%%10\nseen b live live live\nseen w %s\n%send nodes=11 graphs=1\n",
           op, seen_w, more);
  return str_z(text);
}

static const Diag *only(const Run *r, DiagKind kind, const char *subject) {
  ck_assert_uint_eq(r->d.all.n, 1);
  ck_assert_int_eq(r->d.all.at[0]->kind, kind);
  ck_assert_uint_eq(r->d.all.at[0]->subject.n, 1);
  ck_assert_strn(r->d.all.at[0]->subject.at[0], subject);
  return r->d.all.at[0];
}

START_TEST(a_cut_is_told_at_its_place) {
  const Run *r = run(step("stop_gradient %0", "none none none", ""));
  ck_assert(r->ok);
  const Diag *g = only(r, DIAG_cut, "w");
  LineCol at = sources_at(&r->sources, g->at.file, g->at.lo);
  ck_assert_uint_eq(at.line, 3);
  ck_assert_uint_eq(at.col, 5);
  ck_assert_uint_eq(g->edit.n, 0);
  ck_assert_uint_eq(sources_at(&r->sources, g->label.at[0].at.file, g->label.at[0].at.lo).line, 7);
  ck_assert_strn(g->label.at[0].text, "the gradient ends here");
}
END_TEST

/* A place has the name of an operation, or none; it has no function's name. */
START_TEST(an_end_is_told_by_the_name_it_has) {
  static const char *const name[] = {" called", ""};
  static const char *const says[] = {"ends in 'called', which nothing reads",
                                     "ends in a value without a name, which nothing reads"};
  for (int i = 0; i < 2; i++) {
    char file[2048];
    snprintf(
        file, sizeof file,
        "dgg 1 test\nfile 1 nowhere.py\nplace 1 1 3 4 3 10 0 made\nplace 2 1 7 8 7 20 1%s\n"
        "graph opt\nparam w: f32[3] @1\nparam b: f32[3] @1\n%%0: f32[3] = leaf w\n%%1: f32[3] = tanh %%0 @2\n"
        "%%2: f32[3] = leaf b\n%%3: f32[1] = sum %%2 {axes=[0] order=0}\n%%4: f32 = reshape %%3\n"
        "train opt loss=%%4\ngroup SGD lr=0.5 @1\n%%5: f32[3] = grad %%4 %%0\n%%6: f32[3] = sub %%0 %%5\n"
        "own w grad=%%5 update=%%6\n%%7: f32[3] = grad %%4 %%2\n%%8: f32[3] = sub %%2 %%7\n"
        "own b grad=%%7 update=%%8\nseen b live live live\nseen w none none none\nend nodes=9 graphs=1\n",
        name[i]);
    const Run *r = run(str_z(file));
    Sb b;
    ck_assert(r->ok);
    sb_init(&b, &arena);
    diag_render_all(&r->d, (DiagStyle){.tab = 8}, &b);
    Str text = sb_str(&b);
    sb_char(&b, 0);
    ck_assert_msg(strstr(text.p, "DG0302") && !strstr(text.p, "''"), "%s", text.p);
    ck_assert_msg(strstr(text.p, says[i]), "%s", text.p);
  }
}
END_TEST

/* DG0701 */
START_TEST(a_live_gradient_makes_it_a_fault) {
  only(run(step("stop_gradient %0", "none live none", "")), DIAG_contradicted, "w");
  only(run(step("stop_gradient %0", "noise noise zero", "")), DIAG_cut, "w");
}
END_TEST

START_TEST(host_values_cut_and_unknown_ones_do_not) {
  only(run(step("host %0 {name=item}", "none none none", "")), DIAG_cut, "w");
  ck_assert_uint_eq(run(step("unknown %0 %1 {name=new}", "live live live", ""))->d.all.n, 0);
  const char *many = "unknown %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 %0 %1 {name=new}";
  ck_assert_uint_eq(run(step(many, "live live live", ""))->d.all.n, 0);
}
END_TEST

/* DG0702, DG0703 */
START_TEST(what_was_seen_is_told_from_the_second_step_on) {
  only(run(step("tanh %0", "none none none", "")), DIAG_seen_dead, "w");
  only(run(step("tanh %0", "nonfinite live live", "")), DIAG_seen_nonfinite, "w");
  ck_assert_uint_eq(run(step("tanh %0", "zero live live", ""))->d.all.n, 0);
  ck_assert_uint_eq(run(step("tanh %0", "live zero zero", ""))->d.all.n, 0);
  ck_assert_uint_eq(run(step("tanh %0", "zero zero", ""))->d.all.n, 0);
}
END_TEST

/* DG0700 */
static void refused(const char *op, const char *seen, const char *more, uint32_t line, const char *why) {
  const Run *r = run(step(op, seen, more));
  ck_assert(!r->ok && r->d.all.n == 1 && r->d.all.at[0]->kind == DIAG_bad_import);
  const Diag *g = r->d.all.at[0];
  char text[512];
  snprintf(text, sizeof text, "%.*s", (int)g->text.n, g->text.p);
  ck_assert_msg(strstr(text, why), "%s: expected %s", text, why);
  ck_assert_msg(!strstr(text, "at \"\""), "%s", text);
  if (line) ck_assert_uint_eq(sources_at(&r->sources, g->at.file, g->at.lo).line, line);
}

START_TEST(what_is_wrong_is_refused_at_its_line) {
  refused("tanh %1", "live lively", "", 25, "unexpected text");
  refused("tanh %9", "live", "", 11, "no such node");
  refused("tanh %0 @3", "live", "", 11, "");
  refused("unknown %0", "live", "", 11, "'{name=NAME}' expected");
  refused("tanh %0", "live", "own w grad=%7 update=%8\n", 0, "for the second time");
  refused("tanh %0", "live", "seen w live\n", 26, "a second 'seen'");
  refused("tanh %0", "live", "note w @1\n", 26, "'@PLACE TEXT' expected");
  refused("tanh %0", "live", "start x 0\n", 26, "a real parameter or state expected");
  refused("tanh %0", "live", "train opt loss=%6\n", 26, "an entry point already");
  refused("tanh %0", "live", "end nodes=10 graphs=1\n", 26, "lines are missing");
  refused("tanh %0", "live", "graph two\n", 0, "neither a 'step' nor an 'after'");
  refused("tanh %0", "live", "place 3 1 1 1 1 1 0 late\n", 26, "in front of the graphs");
}
END_TEST

/* A leaf that is stored as bf16 or u8 is read in the type it is computed in, and its own converts to nothing
 * else. */
START_TEST(stored_types_are_read) {
  static const char *const text =
      "dgg 1 test\nfile 1 nowhere.py\nplace 1 1 3 4 3 10 0 made\ngraph opt\nparam w: bf16[3] @1\n"
      "input x: u8[3]\n%%0: f32[3] = leaf w\n%%1: %s[3] = leaf x\n%%2: f32[3] = cast %%1\n"
      "%%3: f32[3] = mul %%0 %%2\n%%4: f32[1] = sum %%3 {axes=[0] order=0}\n%%5: f32 = reshape %%4\n"
      "train opt loss=%%5\ngroup SGD lr=1\n%%6: f32[3] = grad %%5 %%0\n%%7: f32[3] = sub %%0 %%6\n"
      "%%8: f32[3] = round_bf16 %%7\nown w grad=%%6 update=%%8\nstart w 0.3\nend nodes=9 graphs=1\n";
  char made[1024];
  snprintf(made, sizeof made, text, "i32");
  const Run *r = run(str_z(made));
  ck_assert(r->ok);
  ck_assert_uint_eq(r->d.all.n, 0);
  snprintf(made, sizeof made, text, "u8");
  r = run(str_z(made));
  ck_assert(!r->ok);
  ck_assert_ptr_nonnull(memmem(r->d.all.at[0]->text.p, r->d.all.at[0]->text.n,
                               "cast: is not defined between u8[3] and f32[3]", 45));
}
END_TEST

/* DG0704 */
START_TEST(a_column_that_learns_meets_a_row_of_data) {
  static const char *const text =
      "dgg 1 test\nfile 1 nowhere.py\nplace 1 1 3 4 3 10 0 sub\nplace 2 1 2 4 2 10 0 expand\n"
      "graph opt\nparam w: f32[4, 1]\ninput y: f32[4]\n%%0: f32[4, 1] = leaf w\n%%1: f32[4] = leaf y\n"
      "%%2: f32[4, 4] = broadcast %%0 @%d\n%%3: f32[4, 4] = broadcast %%1 @1\n%%4: f32[4, 4] = sub %%2 %%3 "
      "@1\n"
      "%%5: f32[1, 1] = mean %%4 {axes=[0, 1] order=0}\n%%6: f32 = reshape %%5\ntrain opt loss=%%6\n"
      "group SGD lr=1\n%%7: f32[4, 1] = grad %%6 %%0\n%%8: f32[4, 1] = sub %%0 %%7\n"
      "own w grad=%%7 update=%%8\nend nodes=9 graphs=1\n";
  char made[1024];
  for (int place = 1; place < 3; place++) { /* at place 2 the program stretches it itself */
    snprintf(made, sizeof made, text, place);
    const Run *r = run(str_z(made));
    ck_assert(r->ok);
    ck_assert_uint_eq(r->d.all.n, place == 1);
    if (place == 1) ck_assert_int_eq(r->d.all.at[0]->kind, DIAG_both_stretched);
  }
}
END_TEST

START_TEST(a_file_without_its_end_is_refused) {
  Str whole = step("tanh %0", "live live live", "");
  const char *end = strstr(whole.p, "end nodes");
  ck_assert_ptr_nonnull(end);
  const Run *r = run((Str){whole.p, (size_t)(end - whole.p)});
  ck_assert(!r->ok);
  ck_assert_int_eq(r->d.all.at[0]->kind, DIAG_bad_import);
}
END_TEST

UNIT_MAIN(UNIT("import", a_cut_is_told_at_its_place, an_end_is_told_by_the_name_it_has,
               a_live_gradient_makes_it_a_fault, host_values_cut_and_unknown_ones_do_not,
               what_was_seen_is_told_from_the_second_step_on, what_is_wrong_is_refused_at_its_line,
               stored_types_are_read, a_column_that_learns_meets_a_row_of_data,
               a_file_without_its_end_is_refused))
