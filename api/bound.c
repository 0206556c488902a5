/* Verdicts that hold with the extents that inputs have now. */
#include "api/session.h"
#include "base/embed.h"
#include "passes/passes.h"

typedef struct BoundCall {
  dg_session *s;
  const char *step, *text;
  dg_text_form form;
  bool all; /* with what holds for all extents */
  bool errors;
} BoundCall;

/* The step with the extents that its inputs have now, and the program; what is made of it lives in the
 * session. */
static dg_status bound_step(const BoundCall *c, Variant **v, Program *own) {
  dg_session *s = c->s;
  const Entry *e = c->step           ? program_entry(s->p, str_z(c->step))
                   : s->prog.train.n ? &s->prog.entry.at[s->prog.train.at[0].entry]
                                     : NULL;
  *own = s->prog;
  own->arena = &s->arena;
  if (!e) return api_fail(s->cx, ST_USAGE, "no entry point '%.60s'", c->step ? c->step : "");
  dg_status st = session_variant(s, e, v);
  return st != DG_OK && (*v = session_latest(s, e)) ? DG_OK : st;
}

/* Empty where nothing is new and nothing else is asked for: else a whole document. */
static const char *rendered(dg_session *s, const Diags *d, const BoundCall *c) {
  Sb b;
  sb_init(&b, &s->arena);
  if (!d->all.n && !c->all) return "";
  switch (c->form) {
  case DG_TEXT_PLAIN:
  case DG_TEXT_COLOR: diag_render_all(d, (DiagStyle){.color = c->form == DG_TEXT_COLOR, .tab = 8}, &b); break;
  case DG_TEXT_JSON: diag_render_json(d, &b); break;
  case DG_TEXT_SARIF: diag_render_sarif(d, STR(DG_VERSION), embedded_pages, &b); break;
  }
  return api_z(&s->arena, sb_str(&b));
}

static dg_status warnings_in(void *arg) {
  BoundCall *c = arg;
  dg_session *s = c->s;
  Variant *v;
  Program own;
  Diags d;
  dg_status st = bound_step(c, &v, &own);
  if (st != DG_OK) return st;
  diags_init(&d, &s->arena, own.sources, own.limits);
  d.flags = s->p->diags.flags;
  diagnose_bound(&own, v->bind, v->nbind, &s->p->diags, &d);
  c->errors = d.errors > 0;
  for (uint32_t i = 0; c->all && i < s->p->diags.all.n; i++) {
    Diag *own_copy = ARENA_NEW(&s->arena, Diag);
    *own_copy = *s->p->diags.all.at[i];
    diags_take(&d, own_copy);
  }
  if (c->all) d.unkept += s->p->diags.unkept;
  diags_finish(&d);
  c->text = rendered(s, &d, c);
  return DG_OK;
}

static dg_status bound_text(dg_session *s, dg_status (*fn)(void *), BoundCall c, const char **text) {
  if (!s) return DG_USAGE;
  if (!text) return api_fail(s->cx, ST_USAGE, "a place for the text is needed");
  *text = c.text = "";
  if ((unsigned)c.form > DG_TEXT_SARIF)
    return api_fail(s->cx, ST_USAGE, "%d is no dg_text_form", (int)c.form);
  dg_status st = session_guard(s, fn, &c);
  if (st != DG_OK) return st;
  *text = c.text;
  if (c.errors) return api_fail(s->cx, ST_REJECTED, "a warning that is an error holds with these extents");
  return DG_OK;
}

dg_status dg_session_warnings(dg_session *s, const char *step, dg_text_form form, const char **text) {
  return bound_text(s, warnings_in, (BoundCall){.s = s, .step = step, .form = form}, text);
}

dg_status dg_session_diagnostics(dg_session *s, const char *step, dg_text_form form, const char **text) {
  return bound_text(s, warnings_in, (BoundCall){.s = s, .step = step, .form = form, .all = true}, text);
}

static dg_status report_in(void *arg) {
  BoundCall *c = arg;
  dg_session *s = c->s;
  Variant *v;
  Program own;
  Sb b;
  dg_status st = bound_step(c, &v, &own);
  if (st != DG_OK) return st;
  sb_init(&b, &s->arena);
  diagnose_table(&own, v->bind, v->nbind, &b);
  c->text = api_z(&s->arena, sb_str(&b));
  return DG_OK;
}

dg_status dg_session_report(dg_session *s, const char *step, const char **text) {
  return bound_text(s, report_in, (BoundCall){.s = s, .step = step}, text);
}
