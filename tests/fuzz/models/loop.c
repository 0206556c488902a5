/* Loops, choices and derivatives along the way: statements with bodies. */
#include "gen.h"

enum {
  ROWS,
  LAST,
  RANGE,
  NESTED,
  WHILE,
  CHOICE,
  MAPPED,
  AGAIN,
  AGAIN_STEPS,
  NOISE,
  PULLED,
  PUSHED,
  HOST_STEPS,
  GRAD_INSIDE,
  LOOPS
};

/* The functions that statements use. */
void gen_loop_library(Gen *g) {
  say(g, "fn cell(h: F[..], r: F[..]) -> F[..] {\n  let z = tanh(r + 0.5 * h)\n  return z * sigmoid(r) + "
         "0.25 * h\n}\n"
         "fn pulled(a: F[..], u: F[..]) -> F[..] = vjp(sin(a) * a, a, u)\n"
         "fn pushed(a: F[..], v: F[..]) -> F[..] = jvp(sin(a) * a, a, v)\n"
         "fn sharp(v: F[..]) -> F[..] {\n  let q = 0.5 * v\n  return grad(sum(tanh(q)^2), q)\n}\n");
}

static Val stepped(Gen *g, int kind, const Val *v) {
  char type[100], row[100], d[80];
  const char *name = v->name;
  Val r = v->rank ? gval_without(*v, 0) : *v;
  snprintf(type, sizeof type, "%s%s", gval_type[v->type], dims_text(g, v, d));
  snprintf(row, sizeof row, "%s%s", gval_type[v->type], dims_text(g, &r, d));
  int steps = 1 + (int)gen_next(g, 5);
  switch (kind) {
  case ROWS:
    gen_feature(g, FEAT_scan_rows);
    return gen_let(g, *v, "scan (h: %s = 0.1) for r in %s {\n  next h = cell(h, r)\n  yield h * r\n}", row,
                   name);
  case LAST:
    gen_feature(g, FEAT_scan_last);
    return gen_let(
        g, r,
        "scan (h: %s = 0.1, k = 0) for r, i in %s, 0:%s {\n  next h = cell(r, h)\n  next k = k + i\n}[0]",
        row, name, ext_text(g, v->dim[0], d));
  case RANGE:
    gen_feature(g, FEAT_scan_range);
    return gen_let(g, *v, "scan (s = %s) for i in 1:%d:2 { next s = tanh(s + 0.1 * %s(i)) }", name, steps + 1,
                   gval_type[v->type]);
  case NESTED:
    gen_feature(g, FEAT_scan_nested);
    return gen_let(g, *v,
                   "scan (s = %s) for i in 0:2 {\n  next s = scan (u = s) for j in 0:%d { next u = sin(u) + "
                   "0.1 * s }\n}",
                   name, steps);
  case WHILE:
    gen_feature(g, FEAT_scan_while);
    return gen_let(g, *v,
                   "scan (s = %s, n = 0) for i in 0:5 while n < %d {\n  next s = 0.5 * sin(s) + %s\n  next n "
                   "= n + 1\n}[0]",
                   name, steps, name);
  case CHOICE:
    gen_feature(g, FEAT_cond);
    return gen_let(g, *v, "cond mean(tanh(%s)) > 0.05 { tanh(%s) } else { 0.5 * %s + %s }", name, name, name,
                   gen_like(g, v).name);
  case AGAIN:
    gen_feature(g, FEAT_checkpoint);
    return gen_let(g, *v, "checkpoint(cell(%s, checkpoint(sin(%s) * %s)))", name, name, gen_like(g, v).name);
  case AGAIN_STEPS:
    gen_feature(g, FEAT_checkpoint_steps);
    return gen_let(g, *v, "scan (h: %s = 0.1) for r in %s {\n  next h = checkpoint(cell(h, r))\n  yield h\n}",
                   row, name);
  case NOISE:
    gen_feature(g, FEAT_draw_steps);
    return gen_let(g, *v,
                   "scan (s = %s) for i in 0:%d {\n  let e: %s ~ normal(0, 0.1)\n  next s = tanh(s + e)\n}",
                   name, steps, type);
  case PULLED: return gen_let(g, *v, "tanh(pulled(%s, %s))", name, gen_like(g, v).name);
  case PUSHED: return gen_let(g, *v, "tanh(pushed(%s, %s))", name, gen_like(g, v).name);
  case HOST_STEPS:
    g->no_duals = true;
    gen_feature(g, FEAT_host_steps);
    return gen_let(g, *v,
                   "scan (h: %s = 0.1) for r in %s {\n  let m = reshape(host_mix(reshape(r, [1]), reshape(h, "
                   "[1])), [])\n"
                   "  next h = tanh(m)\n  yield m + r\n}",
                   row, name);
  case GRAD_INSIDE:
    gen_feature(g, FEAT_grad_steps);
    return gen_let(g, *v, "scan (s = %s) for i in 0:%d { next s = s - 0.1 * sharp(s) }", name, steps);
  default: return gen_let(g, *v, "vmap(fn (r) = tanh(r) * mean(r) + mean(tanh(%s)), %s)", name, name);
  }
}

void gen_loop(Gen *g) {
  int kind = gen_turn(g, TABLE_LOOP, LOOPS);
  bool rows = kind == ROWS || kind == LAST || kind == MAPPED || kind == AGAIN_STEPS || kind == HOST_STEPS;
  Val v = gen_pick(g, REAL, kind == HOST_STEPS ? 1 : rows ? -2 : -1);
  if (kind == HOST_STEPS && v.type != g->dt) v = gen_param(g, gval_row(g->dt, gen_size(g)));
  stepped(g, kind, &v);
}
