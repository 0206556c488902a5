/* Messages about what a rule does: why an update is nothing, and where the number comes from that makes it
 * so. */
#include "base/num.h"
#include "passes/diagnose/say.h"

static bool library(const Program *p, Span at) { return at.file && p->sources->file.at[at.file].library; }

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Does the text at `at` mention the name? */
static bool mentions(const Program *p, Span at, Sym name) {
  Str text = p->sources->file.at[at.file].text, word = names_str(p->names, name);
  for (size_t i = at.lo; at.file && i + word.n <= at.hi && at.hi <= text.n; i++)
    if (memcmp(text.p + i, word.p, word.n) == 0 && (i == 0 || !word_char(text.p[i - 1])) &&
        (i + word.n == text.n || !word_char(text.p[i + word.n])))
      return true;
  return false;
}

/* A number that is not 0 as written, and 0 in f32. */
static bool rounds_away(double number) { return number != 0 && (float)number == 0; }

/* The setting that is 0 and that the vanishing part of the rule is written with. */
static const GroupSetting *zero_setting(const Say *s, const View *v, const Group *group, NodeId why) {
  if (!group || !node_ok(why) || node_op(v->source, why) != OP_CONST) return NULL;
  Span own = v->source->location.at[graph_node(v->source, why)->location.i].at;
  for (uint32_t i = 0; i < group->setting.n; i++) {
    const GroupSetting *r = &group->setting.at[i];
    if ((r->number == 0 || rounds_away(r->number)) && r->at.file && mentions(s->x->p, own, r->name)) return r;
  }
  return NULL;
}

/* Constants of the file that made `at` 0, and what -D made of them. */
static void say_constants(const Say *s, Diag *g, Span at) {
  const Program *p = s->x->p;
  for (uint32_t i = 0; i < p->constant.n; i++) {
    const Constant *c = &p->constant.at[i];
    if (!mentions(p, at, c->name) || (c->number != 0 && !c->defined)) continue;
    Str name = names_str(p->names, c->name);
    char digits[NUM_TEXT];
    if (c->defined)
      diag_note(g, c->at, "because " STRF " = " STRF ", set with -D", STRA(name),
                STRA(num_shortest(digits, false, c->number)));
    else
      diag_label(g, c->at, "'" STRF "' is 0", STRA(name));
  }
}

/* adam(lr = 0) -> adam(lr = 1e-3), what adam does by itself, where that is not 0 as well. */
static void edit_setting(const Say *s, Diag *g, const GroupSetting *r) {
  Str text = s->x->p->sources->file.at[r->at.file].text;
  if (!r->given || !r->standard.n || r->at.hi > text.n) return;
  bool literal = true, zero = true;
  for (size_t i = r->at.lo; i < r->at.hi; i++) literal &= text.p[i] == '0' || text.p[i] == '.';
  for (size_t i = 0; i < r->standard.n; i++) zero &= r->standard.p[i] == '0' || r->standard.p[i] == '.';
  if (literal && !zero) diag_edit(g, r->at, r->standard);
}

/* Says what is 0; returns its place. */
static Span say_what_is_zero(const Say *s, const View *v, Diag *g, const Group *group,
                             const GroupSetting *setting, NodeId why) {
  const Program *p = s->x->p;
  if (setting) {
    diag_label(g, setting->at,
               rounds_away(setting->number) ? "'" STRF "' rounds to 0 in f32" : "'" STRF "' is 0",
               STRA(names_str(p->names, setting->name)));
    say_constants(s, g, setting->at);
    return setting->at;
  }
  if (!node_ok(why)) return (Span){0};
  if (node_op(v->source, why) == OP_LEAF) {
    const Leaf *leaf = program_leaf_at(p, (LeafId){(uint32_t)graph_attr(v->source, why)[0]});
    if (!library(p, leaf->at)) diag_label(g, leaf->at, "this is 0 at first, and nothing changes it");
    return leaf->at;
  }
  Span at = graph_user_span(v->source, p->sources, why), using_at = group ? group->using_at : (Span){0};
  if (!at.file || library(p, at) || (at.lo == using_at.lo && at.hi == using_at.hi)) return (Span){0};
  diag_label(g, at,
             node_op(v->source, why) == OP_CONST ? "this makes every step zero"
                                                 : "this is 0 at every step, from step 1 on");
  say_constants(s, g, at);
  return at;
}

/* Is "never changes" more than is shown? Another step's rule or an assignment changes one of them, or the
 * update rounds. */
static bool may_change(const Say *s, const View *v) {
  const Diagnose *x = s->x;
  for (uint32_t i = 0; i < s->who.n; i++) {
    LeafId p = s->who.at[i];
    if (x->assigned[p.i].any || v->param[p.i].rounds) return true;
    for (uint32_t k = 0; k < x->view.n; k++)
      if (x->view.at[k].param[p.i].rule > RULE_IDLE || x->view.at[k].param[p.i].rule == RULE_MOVES)
        return true;
  }
  return false;
}

/* ", as long as nothing from outside writes 'rate'" */
static Str if_kept(const Say *s, const View *v) {
  const Program *p = s->x->p;
  Assumes need = v->param[s->first->param.i].assumes;
  if (!need.n && !need.more) return (Str){0};
  Sb b;
  sb_init(&b, s->x->arena);
  sb_fmt(&b, ", as long as nothing from outside writes ");
  for (uint8_t i = 0; i < need.n; i++)
    sb_fmt(&b, "%s'" STRF "'", i ? " or " : "",
           STRA(names_str(p->names, program_leaf_at(p, need.at[i])->path)));
  if (need.more) sb_fmt(&b, need.n ? " or other values" : "the values that the rule reads");
  return sb_str(&b);
}

/* The line under the declaration: where its gradient comes from, or that there is none. */
static void say_flow(const Say *s, const View *v, Diag *g) {
  Str path = flow_path_text(s->x, v, s->first->param);
  if (v->param[s->first->param.i].flow == FLOW_OPEN)
    diag_under(g, "has a path to the loss: " STRF, STRA(path));
  else if (path.n)
    diag_under(g, "has no gradient: " STRF, STRA(path));
  else
    diag_under(g, "has no gradient: the loss does not read it");
}

void say_rule(const Say *s) {
  Diagnose *x = s->x;
  const View *v = &x->view.at[s->first->view];
  Str step = names_str(x->p->names, v->step->name), who = say_who(s);
  Span at = say_place(x->p, program_leaf_at(x->p, s->who.at[0]));
  const Group *group = say_group(v, s->first->param);
  bool idle = s->first->head == HEAD_IDLE, one = s->who.n == 1, lost = false;
  const char *it = one ? "it" : "them";
  const Verdict *verdict = &v->param[s->first->param.i];
  const char *changes = may_change(s, v) ? one ? "learns" : "learn" : one ? "changes" : "change";
  bool drifts = true, dead = verdict->flow != FLOW_OPEN;
  for (uint32_t i = 0; i < s->who.n; i++) {
    drifts &= v->param[s->who.at[i].i].rule == RULE_DRIFTS;
    lost |= idle && v->param[s->who.at[i].i].lost;
  }
  const char *moved = one ? "is changed without a gradient" : "are changed without a gradient",
             *blind = one ? "gets nothing from its gradient" : "get nothing from their gradients";
  Diag *g = idle ? diag_idle(x->d, at, who, changes, step, if_kept(s, v))
                 : diag_moves(x->d, at, who, drifts ? moved : blind, step,
                              dead ? "has none to read" : "does not read it");
  say_flow(s, v, g);
  NodeId why = v->param[s->first->param.i].why;
  Span using_at = group ? group->using_at : (Span){0};
  const GroupSetting *setting = zero_setting(s, v, group, why);
  Span zero = say_what_is_zero(s, v, g, group, setting, why);
  bool inside = zero.file == using_at.file && zero.lo >= using_at.lo && zero.hi <= using_at.hi;
  if (using_at.file && !inside)
    diag_label(g, using_at,
               lost     ? "bf16 rounds what this rule gives to the old value"
               : idle   ? "this rule changes nothing"
               : drifts ? "this rule changes %s by itself"
                        : "this rule reads no gradient",
               it);
  const char *freeze = one ? "declare the parameter 'frozen'" : "declare the parameters 'frozen'";
  if (!idle)
    diag_help(g, "%s, or let the rule use the gradient", freeze);
  else if (lost)
    diag_help(g, "keep it as f32, let the steps be larger, or %s", freeze);
  else if (setting)
    diag_help(g, "give '" STRF "' a value that %s, or %s", STRA(names_str(x->p->names, setting->name)),
              rounds_away(setting->number) ? "does not round to 0" : "is not 0", freeze);
  else if (zero.file && node_op(v->source, why) == OP_LEAF)
    diag_help(g, "give it a value that is not 0, or %s", freeze);
  else if (zero.file && !inside)
    diag_help(g, "let what is marked differ from 0, or %s", freeze);
  else if (node_ok(why))
    diag_help(g, "give the step a rate that is not zero, or %s", freeze);
  else
    diag_help(g, "let the rule assign what it makes of the gradient, or %s", freeze);
  if (idle && setting) edit_setting(s, g, setting);
  say_others(s, g);
  say_assigned(s, g);
  if (group && verdict->assumes.states)
    diag_note(g, (Span){0}, "as long as nothing from outside writes the states of '" STRF "'",
              STRA(names_str(x->p->names, group->optimizer)));
}

/* ---- assignments */

/* An `after` that makes the new value of the old one and constants: a clip, decay. Said where something is
 * wrong all the same. */
void say_assigned(const Say *s, Diag *g) {
  uint64_t said[4];
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->who.n && n < 4; i++) {
    const Assigned *a = &s->x->assigned[s->who.at[i].i];
    uint64_t place = (uint64_t)a->at.file << 32 | a->at.lo;
    bool again = !a->any || a->taught;
    for (uint32_t k = 0; k < n; k++) again |= said[k] == place;
    if (again) continue;
    said[n++] = place;
    diag_label(g, a->at,
               a->follows ? "this makes it of its own old value: no training"
                          : "this makes it of nothing that learns");
  }
}

/* What a step learns and its `after` block throws away. */
void say_overwritten(const Say *s) {
  Diagnose *x = s->x;
  bool one = s->who.n == 1;
  const char *it = one ? "it" : "them";
  const View *v = &x->view.at[s->first->view];
  Diag *g = diag_overwritten(x->d, say_place(x->p, program_leaf_at(x->p, s->who.at[0])), say_who(s),
                             names_str(x->p->names, v->step->name), it);
  diag_label(g, x->assigned[s->first->param.i].at, "assigned here after every step, whatever was learned");
  diag_help(g, "let the assignment read what the step made of %s, or take %s out of the step", it, it);
  say_others(s, g);
}
