/* Verdicts that hold with the extents that inputs have now. */
#include "api/session.h"
#include "passes/passes.h"

typedef struct BoundCall {
  dg_session *s;
  const char *step, *text;
  dg_text_form form;
  bool errors;
} BoundCall;

/* The step with the extents that its inputs have now. */
static dg_status bound_step(const BoundCall *c, Variant **v) {
  dg_session *s = c->s;
  const Entry *e = c->step           ? program_entry(s->p, str_z(c->step))
                   : s->prog.train.n ? &s->prog.entry.at[s->prog.train.at[0].entry]
                                     : NULL;
  if (!e) return api_fail(s->cx, ST_USAGE, "no entry point '%.60s'", c->step ? c->step : "");
  dg_status st = session_variant(s, e, v);
  return st != DG_OK && (*v = session_latest(s, e)) ? DG_OK : st;
}

static dg_status warnings_in(void *arg) {
  BoundCall *c = arg;
  dg_session *s = c->s;
  Variant *v;
  dg_status st = bound_step(c, &v);
  if (st != DG_OK) return st;
  Program own = s->prog; /* what is made for it lives in the session */
  own.arena = &s->arena;
  Diags d;
  Sb b;
  diags_init(&d, &s->arena, own.sources, own.limits);
  d.flags = s->p->diags.flags;
  diagnose_bound(&own, v->bind, v->nbind, &s->p->diags, &d);
  diags_finish(&d);
  sb_init(&b, &s->arena);
  if (c->form == DG_TEXT_JSON && d.all.n)
    diag_render_json(&d, &b);
  else if (d.all.n)
    diag_render_all(&d, (DiagStyle){.color = c->form == DG_TEXT_COLOR, .tab = 8}, &b);
  c->text = api_z(&s->arena, sb_str(&b));
  c->errors = d.errors > 0;
  return DG_OK;
}

dg_status dg_session_warnings(dg_session *s, const char *step, dg_text_form form, const char **text) {
  if (!s) return DG_USAGE;
  if (!text) return api_fail(s->cx, ST_USAGE, "dg_session_warnings: a place for the text is needed");
  *text = "";
  BoundCall c = {.s = s, .step = step, .text = "", .form = form};
  dg_status st = session_guard(s, warnings_in, &c);
  if (st != DG_OK) return st;
  *text = c.text;
  if (c.errors) return api_fail(s->cx, ST_REJECTED, "a warning that is an error holds with these extents");
  return DG_OK;
}

static dg_status report_in(void *arg) {
  BoundCall *c = arg;
  dg_session *s = c->s;
  Variant *v;
  dg_status st = bound_step(c, &v);
  if (st != DG_OK) return st;
  Program own = s->prog;
  Sb b;
  own.arena = &s->arena;
  sb_init(&b, &s->arena);
  diagnose_table(&own, v->bind, v->nbind, &b);
  c->text = api_z(&s->arena, sb_str(&b));
  return DG_OK;
}

dg_status dg_session_report(dg_session *s, const char *step, const char **text) {
  if (!s) return DG_USAGE;
  if (!text) return api_fail(s->cx, ST_USAGE, "dg_session_report: a place for the text is needed");
  *text = "";
  BoundCall c = {.s = s, .step = step, .text = ""};
  dg_status st = session_guard(s, report_in, &c);
  if (st == DG_OK) *text = c.text;
  return st;
}
