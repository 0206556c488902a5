/* Through the library's interface, as a host does it: what the interpreter and native code make of initial
 * values, rounds of all train steps, evaluation and prediction is the same to the bit. */
#include "check.h"
#include "runtime/core/cpu.h"

#include <stdlib.h>

bool host_open(const Case *c, const Loaded *l, const char *path, Host *h, Finding *f) {
  static dg_host_fn *const fn[2] = {host_half, host_mix};
  memset(h, 0, sizeof *h);
  h->cx = dg_context_new();
  for (int i = 0; i < 2; i++)
    if (dg_register(h->cx, host_name[i], fn[i], NULL) != DG_OK)
      return finding(f, "register", "%s", dg_error(h->cx));
  dg_status st = path ? dg_check_file(h->cx, path, &h->p)
                      : dg_check_source(h->cx, "model.dg", c->text, strlen(c->text), &h->p);
  if (st != DG_OK) return finding(f, "rejected", "%s", h->p ? dg_diagnostics_text(h->p, 0) : dg_error(h->cx));
  for (int i = 0; i < dg_name_count(h->p, DG_INPUT) && h->inputs < 32; i++) {
    const char *name = dg_name_at(h->p, DG_INPUT, i);
    LeafId id;
    if (!program_find_leaf(&l->p, str_z(name), &id)) return finding(f, "bind", "no input '%s'", name);
    const Leaf *leaf = program_leaf_at(&l->p, id);
    Type t = load_type(l, &leaf->type);
    dg_array *a = &h->array[h->inputs];
    a->dtype = (dg_dtype)t.dtype, a->rank = t.rank;
    for (int k = 0; k < t.rank; k++)
      if (!dim_is_const(l->p.dims, t.dim[k], &a->extent[k]))
        return finding(f, "bind", "a dim without a value");
    h->name[h->inputs] = name;
    a->data = calloc(array_count(a) + 1, 8);
    value_fill(c, leaf, &l->names, (DType)t.dtype, array_count(a), false, a->data);
    h->inputs++;
  }
  return true;
}

void host_close(Host *h) {
  dg_program_free(h->p);
  dg_context_free(h->cx);
  for (int i = 0; i < h->inputs; i++) free(h->array[i].data);
}

dg_session *host_session(const Case *c, const Host *h, const Config *k, Finding *f) {
  dg_session_options o;
  dg_session_options_init(&o);
  o.seed = (uint32_t)c->data, o.interpret = k->interpret, o.threads = k->threads, o.level = k->level,
  o.isa = k->isa, o.check_finite = 0;
  dg_session *s;
  if (dg_session_new(h->p, &o, &s) != DG_OK) return finding(f, "session", "%s", dg_error(h->cx)), NULL;
  for (int i = 0; i < h->inputs; i++)
    if (dg_bind(s, h->name[i], &h->array[i]) != DG_OK) {
      finding(f, "bind", "%s", dg_error(h->cx));
      dg_session_free(s);
      return NULL;
    }
  return s;
}

/* All names of a kind. */
bool host_same(const Host *h, dg_session *a, dg_session *b, dg_kind kind, const char *when, Finding *f) {
  for (int i = 0; i < dg_name_count(h->p, kind); i++) {
    const char *name = dg_name_at(h->p, kind, i);
    double v, w;
    dg_array x = {DG_F64, 0, {0}, &v}, y = {DG_F64, 0, {0}, &w};
    if (kind == DG_LOSS || kind == DG_METRIC) {
      if (dg_value(a, name, &v) != DG_OK || dg_value(b, name, &w) != DG_OK) continue; /* not of this entry */
    } else if (dg_read(a, name, &x) != DG_OK || dg_read(b, name, &y) != DG_OK)
      return finding(f, "read", "'%s' %s: %s", name, when, dg_error(h->cx));
    if (!same_bits(&x, &y)) return finding(f, "native", "'%s' %s differs", name, when);
  }
  return true;
}

static bool kept_same(const Host *h, dg_session *a, dg_session *b, const char *when, Finding *f) {
  return host_same(h, a, b, DG_PARAM, when, f) && host_same(h, a, b, DG_STATE, when, f);
}

/* Both calls succeed, or fail with the same status. */
static bool both(const Host *h, dg_status x, dg_status y, const char *what, Finding *f) {
  if (x == DG_OK && y == DG_OK) return true;
  return finding(f, "run", "%s: status %d and %d: %s", what, x, y, dg_error(h->cx));
}

static bool compare(const Host *h, dg_session *a, dg_session *b, Finding *f) {
  char when[64];
  if (!kept_same(h, a, b, "at first", f)) return false;
  for (int round = 1; round <= 3; round++)
    for (int i = 0; i < dg_name_count(h->p, DG_STEP); i++) {
      const char *name = dg_name_at(h->p, DG_STEP, i);
      snprintf(when, sizeof when, "after step %s, round %d", name, round);
      if (!both(h, dg_step(a, name), dg_step(b, name), when, f) || !host_same(h, a, b, DG_LOSS, when, f) ||
          !kept_same(h, a, b, when, f))
        return false;
    }
  return both(h, dg_evaluate(a), dg_evaluate(b), "evaluate", f) &&
         host_same(h, a, b, DG_LOSS, "of eval", f) && host_same(h, a, b, DG_METRIC, "of eval", f) &&
         both(h, dg_predict(a), dg_predict(b), "predict", f) &&
         host_same(h, a, b, DG_OUTPUT, "of predict", f);
}

/* A parameter that the diagnosis calls idle is what it was. */
static bool idle_stays(const Host *h, dg_session *first, dg_session *trained, Finding *f) {
  for (int i = 0; i < dg_diagnostic_count(h->p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(h->p, i);
    if (strcmp(d->code, "DG0305") != 0) continue;
    for (int k = 0; k < d->subjects; k++) {
      dg_array x, y;
      if (dg_read(first, d->subject[k], &x) != DG_OK || dg_read(trained, d->subject[k], &y) != DG_OK)
        continue;
      if (!same_bits(&x, &y))
        return finding(f, "verdict", "'%s' is called idle and has changed", d->subject[k]);
    }
  }
  return true;
}

static bool against(const Case *c, const Host *h, const Config *reference, const Config *k, Finding *f) {
  dg_session *a = host_session(c, h, reference, f), *b = a ? host_session(c, h, k, f) : NULL,
             *first = b ? host_session(c, h, reference, f) : NULL;
  bool good = first && compare(h, a, b, f) && (c->specials || idle_stays(h, first, a, f));
  if (!good && a && b) {
    size_t n = strlen(f->detail);
    snprintf(f->detail + n, sizeof f->detail - n, " (%d threads, level %d, %s)", k->threads, k->level,
             k->isa ? k->isa : "best");
  }
  dg_session_free(a), dg_session_free(b), dg_session_free(first);
  return good;
}

bool check_run(const Case *c, const Loaded *l, unsigned what, Finding *f) {
  static const int threads[] = {1, 2, 3, 5, 8};
  static const char *const isa[] = {"avx2", "avx512"};
  static const Config interpreter = {1, 1, -1, NULL}, best = {0, 2, -1, NULL};
  int isas = cpu_level(CPU_ASK) < CPU_AVX512 ? 1 : 2;
  Host h;
  bool good = host_open(c, l, NULL, &h, f);
  uint64_t pick = c->data * UINT64_C(0x9e3779b97f4a7c15) >> 20;
  if (good && !(what & DO_MATRIX)) {
    Config k = {0, threads[pick % 5], (int)(pick / 5 % 4), isa[pick / 20 % 2 % (unsigned)isas]};
    good = against(c, &h, &interpreter, &k, f);
  } else if (good) {
    good = against(c, &h, &interpreter, &best, f);
    for (int i = 0; good && i < 4 * isas; i++)
      good = against(c, &h, &best, &(Config){0, threads[(pick + (unsigned)i) % 5], i % 4, isa[i / 4]}, f);
    for (int i = 0; good && i < 5; i++) good = against(c, &h, &best, &(Config){0, threads[i], -1, NULL}, f);
  }
  host_close(&h);
  return good;
}
