/* What a session does with a model, as hashes of bits: tests/e2e/build.sh compares it with an object built
 * ahead of time. usage: build_jit MODEL.dg ISA SEED STEP STEPS LOSS NAME=VALUE.. INPUT:DTYPE:E,E..:FILE..
 * LOAD, RESUME and SAVE in the environment name checkpoints. */
#include "build_hash.h"

#include <dg/dg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dg_context *cx;
static void must(dg_status st, const char *what) {
  if (st == DG_OK) return;
  fprintf(stderr, "%s: %s (%d)\n", what, dg_error(cx), (int)st);
  exit((int)st);
}

static void *read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) exit(DG_IO);
  enum { MOST = 1 << 22 };
  void *p = malloc(MOST);
  if (!p || !fread(p, 1, MOST, f)) exit(DG_IO);
  fclose(f);
  return p;
}

static void bind(dg_session *s, char *text) {
  static const char *const type[] = {"f32", "f64", "i32", "i64", "bool", "u8", "bf16"};
  char *name = strtok(text, ":"), *dtype = strtok(NULL, ":"), *extents = strtok(NULL, ":"),
       *file = strtok(NULL, ":");
  dg_array a = {.rank = 0};
  for (int i = 0; i < 7; i++)
    if (!strcmp(type[i], dtype)) a.dtype = (dg_dtype)i;
  for (char *e = strtok(extents, ","); e; e = strtok(NULL, ",")) a.extent[a.rank++] = atoll(e);
  a.data = read_file(file);
  must(dg_bind(s, name, &a), "bind");
}

static void print_array(dg_session *s, const char *what, const char *name) {
  static const size_t bytes[] = {
      [DG_F32] = 4, [DG_F64] = 8, [DG_I32] = 4, [DG_I64] = 8, [DG_BOOL] = 4, [DG_U8] = 1, [DG_BF16] = 2};
  dg_array a;
  must(dg_read(s, name, &a), name);
  size_t n = bytes[a.dtype];
  for (int i = 0; i < a.rank; i++) n *= (size_t)a.extent[i];
  printf("%s %s %016llx\n", what, name, (unsigned long long)hash(a.data, n));
}

int main(int argc, char **argv) {
  dg_program *p;
  dg_session *s;
  if (argc < 7 || !(cx = dg_context_new())) return DG_USAGE;
  for (int i = 7; i < argc; i++) {
    char *eq = strchr(argv[i], '=');
    if (!eq) continue;
    *eq = 0;
    must(dg_define(cx, argv[i], eq + 1), "define");
    argv[i] = NULL;
  }
  must(dg_check_file(cx, argv[1], &p), "check");
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.isa = argv[2];
  o.seed = (uint32_t)strtoul(argv[3], NULL, 10);
  o.threads = 2;
  must(dg_session_new(p, &o, &s), "session");
  for (int i = 7; i < argc; i++)
    if (argv[i]) bind(s, argv[i]);
  if (getenv("LOAD")) must(dg_load(s, getenv("LOAD"), DG_LOAD_MODEL), "load");
  if (getenv("RESUME")) must(dg_load(s, getenv("RESUME"), DG_LOAD_ALL), "resume");
  for (int i = 0; i < atoi(argv[5]); i++) {
    double loss;
    must(dg_step(s, argv[4]), "step");
    must(dg_value(s, argv[6], &loss), "loss");
    printf("loss %d %a\n", i, loss);
  }
  if (getenv("SAVE")) must(dg_save(s, getenv("SAVE")), "save");
  for (int i = 0; i < dg_name_count(p, DG_PARAM); i++) print_array(s, "tensor", dg_name_at(p, DG_PARAM, i));
  for (int i = 0; i < dg_name_count(p, DG_STATE); i++) print_array(s, "tensor", dg_name_at(p, DG_STATE, i));
  if (dg_name_count(p, DG_OUTPUT)) must(dg_predict(s), "predict");
  for (int i = 0; i < dg_name_count(p, DG_OUTPUT); i++) print_array(s, "output", dg_name_at(p, DG_OUTPUT, i));
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
  return 0;
}
