#include "ir/plan/plan.h"

#include "base/size.h"

size_t plan_scratch(const Kernel *k, size_t *offset) {
  size_t total = 0;
  for (int i = 0; i < k->nbuffer; i++) {
    size_t bytes = (size_t)kernel_scratch_bytes(k, i);
    if (offset) offset[i] = total;
    if (!size_add(total, bytes, &total) || !size_align(total, PLAN_ALIGN, &total)) return SIZE_MAX;
  }
  return total;
}

static bool arg_fits(const Plan *p, const PlanArg *a, int64_t steps, Sb *why) {
  size_t need;
  bool ok = a->buffer < p->buffer.n && size_mul(a->step ? (size_t)steps : 1, a->bytes, &need) &&
            (!a->step || a->step == a->bytes) && need <= p->buffer.at[a->buffer].bytes;
  if (!ok) sb_fmt(why, "what a body is given or gives does not fit its buffer");
  return ok;
}

static bool body_verify(const Plan *p, const PlanLaunch *l, Sb *why) {
  if (l->kernel >= p->body.n) {
    sb_fmt(why, "there is no body %u", l->kernel);
    return false;
  }
  const PlanBody *b = &p->body.at[l->kernel];
  bool ok = b->carry <= b->param.n && b->carry <= b->result.n && b->trip >= 1 && b->arena < p->buffer.n;
  for (uint32_t k = 0; k < b->param.n && ok; k++) ok = arg_fits(p, &b->param.at[k], b->trip, why);
  for (uint32_t k = 0; k < b->result.n && ok; k++) {
    const PlanArg *r = &b->result.at[k];
    ok = arg_fits(p, r, b->trip, why) && r->spare < p->buffer.n && r->bytes <= p->buffer.at[r->spare].bytes;
  }
  for (int i = 0; i < 2 && ok; i++) {
    const Plan *own = b->plan[i];
    if (!own) continue;
    ok = own->root.n == b->result.n && b->table + own->arena_bytes <= p->buffer.at[b->arena].bytes &&
         plan_verify(own, why);
    for (uint32_t k = 0; k < own->buffer.n && ok; k++) {
      const PlanBuffer *f = &own->buffer.at[k];
      if (f->place == PLACE_PARAM) ok = f->index < b->param.n && f->bytes <= b->param.at[f->index].bytes;
      if (f->place == PLACE_YIELD) ok = f->index < b->result.n && f->bytes <= b->result.at[f->index].bytes;
      if (f->place == PLACE_LEAF) ok = false;
    }
  }
  if (!ok && !why->n) sb_fmt(why, "a body does not fit its owner");
  return ok;
}

static bool launch_verify(const Plan *p, const PlanLaunch *l, Sb *why) {
  if (l->bind > p->bind.n || l->nbind > p->bind.n - l->bind) {
    sb_fmt(why, "bindings are outside the table");
    return false;
  }
  if (l->kind == LAUNCH_HOST) return l->nbind >= 1;
  if (l->kind != LAUNCH_KERNEL) return body_verify(p, l, why);
  if (l->kernel >= p->kernel.n) {
    sb_fmt(why, "there is no kernel %u", l->kernel);
    return false;
  }
  const Kernel *k = p->kernel.at[l->kernel];
  if (k->nbuffer != l->nbind) {
    sb_fmt(why, "kernel has %d buffers, the launch %u", k->nbuffer, l->nbind);
    return false;
  }
  for (uint32_t i = 0; i < l->nbind; i++) {
    const KernelBuffer *kb = &k->buffer[i];
    uint32_t at = p->bind.at[l->bind + i];
    if (kb->kind == BUFFER_SCRATCH) continue;
    if (at >= p->buffer.n) {
      sb_fmt(why, "buffer %u is bound to nothing", i);
      return false;
    }
    const PlanBuffer *b = &p->buffer.at[at];
    if (b->dtype != kb->type || b->n < kb->n || (b->place == PLACE_DATA && kb->kind == BUFFER_OUT)) {
      sb_fmt(why, "buffer %u does not fit what it is bound to", i);
      return false;
    }
    for (uint32_t j = 0; j < i;
         j++) /* two pointers to one place would let the emitter's assumptions be false */
      if (p->bind.at[l->bind + j] == at && k->buffer[j].kind != BUFFER_SCRATCH) {
        sb_fmt(why, "one buffer is bound twice");
        return false;
      }
  }
  return true;
}

/* Two buffers that live at the same time must not share bytes. */
static bool arena_verify(const Plan *p, Sb *why) {
  for (uint32_t i = 0; i < p->buffer.n; i++) {
    const PlanBuffer *b = &p->buffer.at[i];
    if (b->place != PLACE_ARENA) continue;
    if (b->offset % PLAN_ALIGN || b->offset > p->arena_bytes || b->bytes > p->arena_bytes - b->offset) {
      sb_fmt(why, "buffer %u lies outside the arena", i);
      return false;
    }
    for (uint32_t j = 0; j < i; j++) {
      const PlanBuffer *c = &p->buffer.at[j];
      if (c->place != PLACE_ARENA || c->last < b->first || b->last < c->first) continue;
      if (b->offset < c->offset + c->bytes && c->offset < b->offset + b->bytes) {
        sb_fmt(why, "buffers %u and %u live together and overlap", j, i);
        return false;
      }
    }
  }
  return true;
}

bool plan_verify(const Plan *p, Sb *why) {
  for (uint32_t i = 0; i < p->kernel.n; i++)
    if (!kernel_verify(p->kernel.at[i], why)) return false;
  for (uint32_t i = 0; i < p->launch.n; i++)
    if (!launch_verify(p, &p->launch.at[i], why)) {
      sb_fmt(why, " (launch %u)", i);
      return false;
    }
  return arena_verify(p, why);
}

static void buffer_print(const Plan *p, uint32_t i, Sb *b) {
  const PlanBuffer *f = &p->buffer.at[i];
  sb_fmt(b, "b%u %s[%lld]", i, dtype_name((DType)f->dtype), (long long)f->n);
  switch ((PlanPlace)f->place) {
  case PLACE_LEAF:
    sb_fmt(b, " leaf " STRF,
           STRA(names_str(p->graph->program->names, program_leaf_at(p->graph->program, f->leaf)->path)));
    break;
  case PLACE_ARENA:
    sb_fmt(b, " arena +%zu", f->offset);
    if (f->last >= p->launch.n)
      sb_fmt(b, ", launches %u to the end", f->first);
    else
      sb_fmt(b, ", launches %u to %u", f->first, f->last);
    break;
  case PLACE_DATA: sb_add(b, STR(" data")); break;
  case PLACE_PARAM: sb_fmt(b, " param %u", f->index); break;
  case PLACE_YIELD: sb_fmt(b, " yield %u", f->index); break;
  }
  if (node_ok(f->node)) sb_fmt(b, "  # %%%u %s", f->node.i, op_info[node_op(p->graph, f->node)].name);
  sb_char(b, '\n');
}

static const char *const root_word[] = {[ROOT_OUTPUT] = "output",
                                        [ROOT_LOSS] = "loss",
                                        [ROOT_METRIC] = "metric",
                                        [ROOT_ASSIGN] = "assign",
                                        [ROOT_CHECK] = "check"};

static void indent(Sb *b, int depth) {
  for (int i = 0; i < depth; i++) sb_add(b, STR("  "));
}

static void args_print(const char *what, const PlanArg *a, uint32_t n, Sb *b) {
  for (uint32_t k = 0; k < n; k++) {
    sb_fmt(b, "%s%sb%u", k ? " " : what, what[0] == '=' && k ? "=" : "", a[k].buffer);
    if (a[k].spare != PLAN_NONE && a[k].spare != a[k].buffer) sb_fmt(b, "/b%u", a[k].spare);
    if (a[k].step) sb_add(b, STR("[]"));
  }
}

static void print(const Plan *p, int depth, Sb *b);

static void body_print(const Plan *p, const PlanLaunch *l, int depth, Sb *b) {
  const PlanBody *y = &p->body.at[l->kernel];
  if (l->kind == LAUNCH_COND)
    sb_fmt(b, "cond b%u", y->pred);
  else if (y->ends)
    sb_fmt(b, "loop, %lld steps at most", (long long)y->trip);
  else
    sb_fmt(b, "loop, %lld steps%s", (long long)y->trip, y->reverse ? ", the last first" : "");
  args_print(" of ", y->param.at, y->param.n, b);
  args_print(" =", y->result.at, y->result.n, b);
  sb_fmt(b, " in b%u\n", y->arena);
  for (int i = 0; i < 2 && y->plan[i]; i++) print(y->plan[i], depth + 1, b);
}

static void launch_print(const Plan *p, const PlanLaunch *l, Sb *b) {
  const Program *pr = p->graph->program;
  bool host = l->kind == LAUNCH_HOST;
  if (host)
    sb_fmt(b, "host " STRF, STRA(names_str(pr->names, pr->externs.at[l->kernel].name)));
  else
    sb_fmt(b, "k%u " STRF ", %lld units, %lld ns", l->kernel, STRA(p->kernel.at[l->kernel]->name),
           (long long)l->units, (long long)l->estimate_ns);
  for (uint32_t j = 0; j < l->nbind; j++) {
    uint32_t at = p->bind.at[l->bind + j];
    bool out = host ? j + 1 == l->nbind : p->kernel.at[l->kernel]->buffer[j].kind == BUFFER_OUT;
    if (at == PLAN_NONE)
      sb_add(b, STR(" scratch"));
    else
      sb_fmt(b, " %sb%u", out ? "=" : "", at);
  }
  sb_char(b, '\n');
}

/* A plan, or a body within one. */
static void print(const Plan *p, int depth, Sb *b) {
  const Program *pr = p->graph->program;
  for (uint32_t i = 0; i < p->buffer.n; i++) {
    indent(b, depth);
    buffer_print(p, i, b);
  }
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    if (i == p->commit && !depth) sb_add(b, STR("commit\n"));
    indent(b, depth);
    sb_fmt(b, "%u: ", i);
    if (l->kind == LAUNCH_LOOP || l->kind == LAUNCH_COND)
      body_print(p, l, depth, b);
    else
      launch_print(p, l, b);
  }
  for (uint32_t i = 0; i < p->root.n; i++) {
    const PlanRoot *r = &p->root.at[i];
    Str name = r->kind == ROOT_ASSIGN ? names_str(pr->names, program_leaf_at(pr, r->leaf)->path)
                                      : names_str(pr->names, r->name);
    indent(b, depth);
    if (depth)
      sb_fmt(b, "yield b%u\n", r->buffer);
    else
      sb_fmt(b, "%s " STRF " b%u\n", root_word[r->kind], STRA(name), r->buffer);
  }
}

void plan_print(const Plan *p, Sb *b) {
  sb_fmt(b, "plan " STRF ": arena %zu bytes, scratch %zu bytes a thread, %u kernels, %u launches\n",
         STRA(names_str(p->graph->program->names, p->graph->name)), p->arena_bytes, p->scratch_bytes,
         p->kernel.n, p->launch.n);
  print(p, 0, b);
}

void plan_print_kernels(const Plan *p, Sb *b) {
  for (uint32_t i = 0; i < p->kernel.n; i++) {
    sb_fmt(b, "# k%u\n", i);
    kernel_print(p->kernel.at[i], b);
  }
}
