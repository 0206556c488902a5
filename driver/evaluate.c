/* eval and predict: what was read, then losses and metrics, or the outputs of each row. */
#include "driver/commands.h"

#include <string.h>

/* An evaluation of values that nothing has trained is rarely meant. */
static void say_untrained(const Options *o, const dg_program *p) {
  if (!given(o, OPT_LOAD) && !given(o, OPT_RESUME) && dg_name_count(p, DG_PARAM))
    fputs("dgc: no --load: nothing is trained, the parameters have their first values\n", stderr);
}

/* What was read: "test data 'digits': 10000 rows (image = t10k.gz, label = l.gz)". */
static void print_set(FILE *f, const dg_evaluated *v) {
  if (!v->rows) return;
  fprintf(f, "%s%s", v->set, *v->set ? " data" : "data");
  if (*v->dataset) fprintf(f, " '%s'", v->dataset);
  if (*v->step) fprintf(f, " of step '%s'", v->step);
  fprintf(f, ": %lld row%s (%s)\n", (long long)v->rows, v->rows == 1 ? "" : "s", v->files);
}

static dg_status evaluate(dg_context *cx, const Options *o, dg_session *s, const char *set, int64_t batch) {
  dg_status st = say(cx, dg_evaluate_set(s, set, batch));
  for (int i = 0; st == DG_OK && i < dg_evaluated_count(s); i++) {
    const dg_evaluated *v = dg_evaluated_at(s, i);
    if (!given(o, OPT_QUIET)) print_set(stdout, v);
    for (int k = 0; k < v->values; k++) printf("%s %.6g\n", v->value_name[k], v->value[k]);
  }
  return st;
}

int command_eval(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_session *s = NULL;
  int64_t batch = 0;
  bool train = false, test = false; /* files are given for it */
  if (!option_number(o, OPT_BATCH, 1, INT64_MAX, &batch)) return DG_USAGE;
  for (int i = 0; i < o->ngiven; i++) {
    bool other = o->given[i].key == OPT_DATA && !strncmp(o->given[i].text, "train:", 6);
    train |= other;
    test |= o->given[i].key == OPT_DATA && !other;
  }
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = session_open(cx, o, p, false, &s);
  if (st == DG_OK) say_untrained(o, p);
  if (st == DG_OK && train) st = evaluate(cx, o, s, "train", batch);
  if (st == DG_OK && (test || !train)) st = evaluate(cx, o, s, test ? "test" : NULL, batch);
  dg_session_free(s);
  dg_program_free(p);
  return (int)st;
}

/* One line a row for outputs of rank 1 or 2, else the shape and the first numbers. */
static void print_output(const char *name, const dg_array *a) {
  int64_t rows = a->rank ? a->extent[0] : 1, row = 1;
  for (int i = 1; i < a->rank; i++) row *= a->extent[i]; /* fits: the session holds that many elements */
  printf("%s:\n", name);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < row; c++) {
      int64_t i = r * row + c;
      if (c) putchar(' ');
      switch (a->dtype) {
      case DG_F32: printf("%.6g", (double)((float *)a->data)[i]); break;
      case DG_F64: printf("%.12g", ((double *)a->data)[i]); break;
      case DG_I32:
      case DG_BOOL: printf("%d", ((int32_t *)a->data)[i]); break;
      case DG_I64: printf("%lld", (long long)((int64_t *)a->data)[i]); break;
      case DG_U8:
      case DG_BF16: break; /* nothing is computed in them */
      }
    }
    putchar('\n');
  }
}

int command_predict(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_session *s = NULL;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = session_open(cx, o, p, false, &s);
  for (int i = 0; i < o->ngiven && st == DG_OK; i++)
    if (o->given[i].key == OPT_INPUT) st = session_feed(cx, s, o->given[i].text, "test");
  if (st == DG_OK) say_untrained(o, p);
  if (st == DG_OK) st = say(cx, dg_predict_set(s, NULL));
  for (int i = 0; st == DG_OK && !given(o, OPT_QUIET) && i < dg_evaluated_count(s); i++)
    print_set(stderr, dg_evaluated_at(s, i)); /* outputs are for other programs */
  for (int i = 0; st == DG_OK && i < dg_name_count(p, DG_OUTPUT); i++) {
    dg_array a;
    st = say(cx, dg_read(s, dg_name_at(p, DG_OUTPUT, i), &a));
    if (st == DG_OK) print_output(dg_name_at(p, DG_OUTPUT, i), &a);
  }
  dg_session_free(s);
  dg_program_free(p);
  return (int)st;
}
