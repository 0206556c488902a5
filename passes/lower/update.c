/* Updates: elementwise nodes that nothing but assigned values needs. Behind a product they would touch each
 * of their arrays a few rows of a tile at a time, and wait for memory; a pass of its own reads and writes
 * them in the order of memory, for one more array. So an update of several arrays that the caches do not hold
 * stays apart from its product, and where updates come last all of them do. */
#include "passes/lower/internal.h"

enum { ARRAYS = 3 }; /* assigned at once, as adam does */

typedef struct Updates {
  LowerCx *lo;
  NodeId user;
  bool *own, *read, *needed,
      *assigned;         /* by node: an update's; read by one; read by something else; a root */
  uint32_t *up, *arrays; /* nodes of one update, united; what they assign */
} Updates;

static void see_user(void *cx, NodeId base, bool direct) {
  Updates *u = cx;
  (void)direct;
  *(u->own[u->user.i] ? &u->read[base.i] : &u->needed[base.i]) = true;
}

static uint32_t find(Updates *u, uint32_t i) {
  while (u->up[i] != i) i = u->up[i] = u->up[u->up[i]];
  return i;
}

static void see_operand(void *cx, NodeId base, bool direct) {
  Updates *u = cx;
  if (!direct || !u->own[base.i] || u->lo->count[base.i] != u->lo->count[u->user.i]) return;
  uint32_t a = find(u, base.i), b = find(u, u->user.i);
  if (a == b) return;
  u->up[b] = a;
  u->arrays[a] += u->arrays[b];
}

static void roots(Updates *u) {
  const Graph *g = u->lo->g;
  for (uint32_t i = 0; i < g->root.n; i++) {
    NodeId v = lower_strip(u->lo, g->root.at[i].node);
    *(g->root.at[i].kind == ROOT_ASSIGN ? &u->assigned[v.i] : &u->needed[v.i]) = true;
  }
}

bool *lower_updates(LowerCx *lo) {
  uint32_t n = lo->g->node.n;
  Updates u = {.lo = lo};
  bool **flags[] = {&u.own, &u.read, &u.needed, &u.assigned}, *apart = ARENA_ARRAY(lo->arena, bool, n + 1);
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) *flags[i] = ARENA_ARRAY(lo->arena, bool, n + 1);
  u.up = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  u.arrays = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  roots(&u);
  for (uint32_t i = n; i-- > 0;) {
    if (lo->role[i] < ROLE_ELEM) continue;
    u.user.i = i;
    u.own[i] = lo->role[i] == ROLE_ELEM && !u.needed[i] && (u.assigned[i] || u.read[i]);
    lower_reads(lo, u.user, see_user, &u);
  }
  for (uint32_t i = 0; i < n; i++) {
    u.up[i] = i;
    u.arrays[i] = u.own[i] && u.assigned[i];
    u.user.i = i;
    if (u.own[i]) lower_reads(lo, u.user, see_operand, &u);
  }
  for (uint32_t i = 0; i < n; i++) {
    if (!u.own[i]) continue; /* it may have no type of elements */
    int64_t arrays = u.arrays[find(&u, i)],
            most = lo->opt.cache_l2 / 2 / (int64_t)dtype_bytes((DType)lo->g->node.at[i].type.dtype);
    apart[i] = lo->opt.updates_last || (arrays >= ARRAYS && lo->count[i] > most / (arrays + 1));
  }
  return apart;
}
