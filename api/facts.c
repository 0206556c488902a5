/* Facts about a compiled entry. */
#include "api/exec.h"
#include "api/session.h"

typedef struct FactsCall {
  dg_session *s;
  const char *entry;
  dg_facts *out;
} FactsCall;

Variant *session_latest(dg_session *s, const Entry *e) {
  Variant *v = NULL;
  for (uint32_t i = 0; i < s->nvariant; i++)
    if (s->variant[i].entry == e && (!v || s->variant[i].used > v->used)) v = &s->variant[i];
  return v;
}

static dg_status facts_in(void *arg) {
  FactsCall *c = arg;
  dg_session *s = c->s;
  const Program *p = &s->prog;
  const Entry *e = c->entry     ? program_entry(s->p, str_z(c->entry))
                   : p->train.n ? &p->entry.at[p->train.at[0].entry]
                                : NULL;
  if (!e) return api_fail(s->cx, ST_USAGE, "no entry point '%.60s'", c->entry ? c->entry : "");
  Variant *v;
  dg_status st = session_variant(s, e, &v);
  if (st != DG_OK && !(v = session_latest(s, e))) return st;
  const CodeFacts *f = &v->runner->code->facts;
  int64_t held = v->runner->exec ? (int64_t)exec_facts(v->runner->exec)->arena_bytes : 0;
  *c->out = (dg_facts){.size = sizeof *c->out,
                       .arena_bytes = held,
                       .kernels = f->kernels,
                       .flops = f->flops,
                       .compile_ms = f->compile_ms,
                       .isa = f->isa,
                       .threads = s->opt.interpret ? 1 : s->opt.threads};
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].kind == LEAF_PARAM && !p->leaf.at[i].frozen)
      c->out->parameters += (int64_t)s->leaf_tensor[i].count;
  return DG_OK;
}

dg_status dg_session_facts(dg_session *s, const char *entry, dg_facts *out) {
  if (!s) return DG_USAGE;
  if (!out) return api_fail(s->cx, ST_USAGE, "dg_session_facts: a place for the facts is needed");
  dg_status st = api_size(s->cx, "dg_facts", out->size);
  if (st != DG_OK) return st;
  dg_facts own = {.size = sizeof own, .isa = ""};
  FactsCall c = {s, entry, &own};
  st = session_guard(s, facts_in, &c);
  api_fill(out, out->size, &own, sizeof own);
  return st;
}
