/* Bodies of loops and conditions. Each grows in a graph of its own (ir/graph/body.h), so what is declared
 * around it and first asked for inside is made where it belongs. A value belongs to the graph of the scope
 * that holds it; whoever asks from further in sees it through captures. */
#include "frontend/elaborate/elab.h"

Body *body_switch(Elab *x, Body *to) {
  Body *here = x->body;
  x->body = to ? to : &x->top;
  x->g = x->body->g;
  return here;
}

Value value_seen(Elab *x, Body *own, Value v) {
  if (!own) own = &x->top;
  if (own == x->body) return v;
  if (v.kind == VAL_TENSOR) {
    v.node = body_see(x->body, own, v.node);
  } else if (v.kind == VAL_LIST || v.kind == VAL_TUPLE) {
    v = val_list(x, v.kind, v.list.at, v.list.n);
    for (uint32_t i = 0; i < v.list.n; i++) v.list.at[i] = value_seen(x, own, v.list.at[i]);
  } else if (v.kind == VAL_TREE) {
    Tree *t = ARENA_NEW(x->a, Tree);
    *t = *v.tree;
    t->value = ARENA_ARRAY(x->a, Value, t->n ? t->n : 1);
    for (uint32_t i = 0; i < t->n; i++) t->value[i] = value_seen(x, own, v.tree->value[i]);
    v.tree = t;
  }
  return v;
}

/* A chain of calls as the locations of another graph. */
static LocationId location_into(Graph *to, const Graph *from, LocationId id) {
  if (!id.i) return id;
  Location s = from->location.at[id.i];
  return graph_location(to, s.at, location_into(to, from, s.caller), s.what);
}

void inside_begin(Elab *x, Inside *in, Scope *outer, uint64_t key) {
  in->around = x->body;
  in->body = body_begin(x->body);
  in->frame = *x->frame;
  in->frame.saved = x->frame;
  in->frame.making = false;
  in->frame.key = key;
  in->frame.count.at = NULL;
  in->frame.count.n = in->frame.count.cap = 0;
  in->frame.caller = location_into(in->body.g, x->g, x->frame->caller);
  x->frame = &in->frame;
  (void)body_switch(x, &in->body);
  in->scope = scope_new(x, SCOPE_BODY, outer);
  in->scope->scan = NULL;
}

void inside_end(Elab *x, Inside *in) {
  x->frame = in->frame.saved;
  (void)body_switch(x, in->around);
}
