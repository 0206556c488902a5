/* What `dgc eval` does, through the library: evaluate MODEL.dg FILE.safetensors [INPUT=FILE]... */
#include <dg/dg.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  dg_session *s = NULL;
  dg_status st = argc < 3 || !cx ? DG_USAGE : dg_check_file(cx, argv[1], &p);
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = !*dg_llvm_version();
  if (st == DG_OK) st = dg_session_new(p, &o, &s);
  if (st == DG_OK) st = dg_load(s, argv[2], DG_LOAD_TRAINED);
  for (int i = 3; st == DG_OK && i < argc; i++) {
    char *eq = strchr(argv[i], '=');
    if (!eq) return DG_USAGE;
    *eq = 0;
    st = dg_data(s, "test", argv[i], eq + 1, NULL);
  }
  if (st == DG_OK) st = dg_evaluate_set(s, NULL, 0);
  for (int i = 0; st == DG_OK && i < dg_evaluated_count(s); i++) {
    const dg_evaluated *v = dg_evaluated_at(s, i);
    for (int k = 0; k < v->values; k++) {
      double again = 0; /* the same by its name */
      if (dg_value(s, v->value_name[k], &again) != DG_OK || again != v->value[k]) st = DG_INTERNAL;
      printf("%s %.6g\n", v->value_name[k], v->value[k]);
    }
  }
  if (st != DG_OK) fprintf(stderr, "%s\n", dg_error(cx));
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
  return (int)st;
}
