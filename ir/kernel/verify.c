/* The verifier of kernels. Bounds are proved by interval analysis: guards on one variable narrow its range,
 * guards on several stand in for their own linear form inside the place (place = f * guard + rest, 0 <= guard
 * < extent). */
#include "base/size.h"
#include "ir/kernel/internal.h"

#include <math.h>

/* ---- linear forms and ranges ---- */

Linear linear_of(const Place *p) {
  Linear l = {.k = p->a.k};
  for (int i = 0; i < KERNEL_LOOPS; i++) l.v[i] = p->a.v[i];
  l.v[VAR_ROW] = p->r;
  l.v[VAR_COL] = p->c;
  return l;
}

bool linear_bounds(const Linear *l, const Ranges *r, Range *out) {
  *out = (Range){l->k, l->k};
  for (int i = 0; i < VARS; i++) {
    if (!l->v[i]) continue;
    int64_t x, y;
    if (!i64_mul(l->v[i], r->v[i].lo, &x) || !i64_mul(l->v[i], r->v[i].hi, &y)) return false;
    if (!i64_add(out->lo, x < y ? x : y, &out->lo) || !i64_add(out->hi, x < y ? y : x, &out->hi))
      return false;
  }
  return true;
}

static int64_t floor_div(int64_t a, int64_t b) { /* b > 0 */ return a / b - (a % b < 0); }

/* Narrows the only variable of 0 <= c*v + k < extent. */
static void narrow(Range *v, int64_t c, int64_t k, int64_t extent) {
  int64_t lo, hi; /* -k <= c*v <= extent - 1 - k */
  if (k == INT64_MIN || !i64_sub(extent - 1, k, &hi)) return;
  lo = -k;
  if (c < 0) {
    int64_t t = lo;
    lo = -hi;
    hi = -t;
    c = -c;
  }
  lo = -floor_div(-lo, c);
  hi = floor_div(hi, c);
  if (lo > v->lo) v->lo = lo;
  if (hi < v->hi) v->hi = hi;
}

bool access_ranges(const Access *x, const int64_t *extent, int depth, int rows, int cols, Ranges *out) {
  memset(out, 0, sizeof *out);
  for (int i = 0; i < depth; i++) out->v[i].hi = extent[i] - 1;
  out->v[VAR_ROW].hi = rows - 1;
  out->v[VAR_COL].hi = cols - 1;
  if (x->index >= 0) out->v[VAR_INDEX].hi = x->index_extent - 1;
  for (int g = 0; g < x->nguard; g++) {
    Linear l = linear_of(&x->guard[g].at);
    int vars = 0, only = 0;
    for (int i = 0; i < VARS; i++)
      if (l.v[i]) vars++, only = i;
    if (vars == 0 && (l.k < 0 || l.k >= x->guard[g].extent)) return false;
    if (vars == 1) narrow(&out->v[only], l.v[only], l.k, x->guard[g].extent);
  }
  for (int i = 0; i < VARS; i++)
    if (out->v[i].lo > out->v[i].hi) return false;
  return true;
}

static bool linear_minus(const Linear *l, int64_t f, const Linear *g, Linear *out) {
  int64_t t;
  if (!i64_mul(f, g->k, &t) || !i64_sub(l->k, t, &out->k)) return false;
  for (int i = 0; i < VARS; i++)
    if (!i64_mul(f, g->v[i], &t) || !i64_sub(l->v[i], t, &out->v[i])) return false;
  return true;
}

/* The tightest bounds of l + [base], trying each guard from number g on, as it is or taken out with a factor.
 */
static bool guarded_bounds(const Linear *l, const Access *x, int g, Range base, const Ranges *r,
                           Range *best) {
  Range own;
  if (!linear_bounds(l, r, &own) || !i64_add(own.lo, base.lo, &own.lo) || !i64_add(own.hi, base.hi, &own.hi))
    return false;
  if (own.lo > best->lo) best->lo = own.lo;
  if (own.hi < best->hi) best->hi = own.hi;
  for (; g < x->nguard; g++) {
    Linear q = linear_of(&x->guard[g].at), rest;
    int64_t tried = 0;
    for (int i = 0; i < VARS; i++) {
      if (!q.v[i] || !l->v[i] || l->v[i] % q.v[i]) continue;
      int64_t f = l->v[i] / q.v[i], top;
      if (f == tried) continue;
      tried = f;
      Range sum = base, gr;
      if (!linear_bounds(&q, r, &gr) || !linear_minus(l, f, &q, &rest)) return false;
      if (gr.lo < 0) gr.lo = 0;
      if (gr.hi > x->guard[g].extent - 1) gr.hi = x->guard[g].extent - 1;
      int64_t a = f < 0 ? gr.hi : gr.lo, b = f < 0 ? gr.lo : gr.hi;
      if (!i64_mul(f, a, &top) || !i64_add(sum.lo, top, &sum.lo)) return false;
      if (!i64_mul(f, b, &top) || !i64_add(sum.hi, top, &sum.hi)) return false;
      if (!guarded_bounds(&rest, x, g + 1, sum, r, best)) return false;
    }
  }
  return true;
}

/* ---- the walk ---- */

typedef struct Verifier {
  const Kernel *k;
  Sb *why;
  const KernelStmt *stmt;
  int64_t extent[KERNEL_LOOPS];
  TileSet set;
  bool bad;
} Verifier;

static void no(Verifier *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void no(Verifier *v, const char *fmt, ...) {
  if (v->bad) return;
  v->bad = true;
  va_list ap;
  sb_fmt(v->why, "kernel " STRF ": ", STRA(v->k->name));
  va_start(ap, fmt);
  sb_vfmt(v->why, fmt, ap);
  va_end(ap);
  if (!v->stmt) return;
  sb_fmt(v->why, " in `");
  kernel_print_stmt(v->k, v->stmt, v->why);
  sb_fmt(v->why, "`");
}

static bool tile_ok(Verifier *v, uint32_t t) {
  if (t < v->k->ntile) return true;
  no(v, "no tile %u", t);
  return false;
}
static void read_tile(Verifier *v, uint32_t t) {
  if (tile_ok(v, t) && !tileset_has(&v->set, t))
    no(v, "tile " STRF " is read before it is set", STRA(v->k->tile[t].name));
}

static bool affine_open(const Affine *a, int depth) {
  for (int i = depth; i < KERNEL_LOOPS; i++)
    if (a->v[i]) return false;
  return true;
}

static void check_bounds(Verifier *v, const Access *x, const Place *p, int buffer, const Ranges *r,
                         int64_t scale) {
  Linear l = linear_of(p);
  Range b = {INT64_MIN, INT64_MAX};
  l.v[VAR_INDEX] = scale;
  if (!guarded_bounds(&l, x, 0, (Range){0, 0}, r, &b)) {
    no(v, "a place overflows");
    return;
  }
  if (b.lo < 0 || b.hi >= v->k->buffer[buffer].n)
    no(v, STRF "[%lld..%lld] is outside its %lld elements", STRA(v->k->buffer[buffer].name), (long long)b.lo,
       (long long)b.hi, (long long)v->k->buffer[buffer].n);
}

static void check_stream(Verifier *v, const Access *x, int cols) {
  int64_t step = 64 / (int64_t)dtype_bytes((DType)v->k->buffer[x->buffer].type);
  bool ok = x->nguard == 0 && x->index < 0 && x->at.c == 1 && cols > 1 && x->at.a.k % step == 0 &&
            x->at.r % step == 0;
  for (int i = 0; i < KERNEL_LOOPS; i++) ok &= x->at.a.v[i] % step == 0;
  if (!ok) no(v, "a streaming store is not aligned");
}

/* Numbers beyond this are no place in any memory; below it, checked arithmetic decides. */
#define FAR (INT64_C(1) << 40)
static bool near(int64_t x) { return x >= -FAR && x <= FAR; }
static bool place_near(const Place *p) {
  bool ok = near(p->a.k) && near(p->r) && near(p->c);
  for (int i = 0; i < KERNEL_LOOPS; i++) ok &= near(p->a.v[i]);
  return ok;
}
static bool access_near(const Access *x) {
  bool ok = place_near(&x->at) && near(x->scale) && near(x->index_extent) &&
            (x->index < 0 || place_near(&x->index_at));
  for (int g = 0; g < x->nguard; g++) ok &= place_near(&x->guard[g].at) && near(x->guard[g].extent);
  return ok;
}
/* Whether a form can be computed at all for the open loops and the tile. */
static bool computable(const Verifier *v, const Place *p, int depth, int rows, int cols) {
  Ranges r;
  Range b;
  Linear l = linear_of(p);
  return place_near(p) && access_ranges(&(Access){.index = -1}, v->extent, depth, rows, cols, &r) &&
         linear_bounds(&l, &r, &b);
}

static void check_access(Verifier *v, const Access *x, int depth, int rows, int cols) {
  const Kernel *k = v->k;
  if (x->buffer < 0 || x->buffer >= k->nbuffer || x->index >= k->nbuffer) {
    no(v, "no such buffer");
    return;
  }
  if (x->nguard > KERNEL_GUARDS) {
    no(v, "more than %d guards", KERNEL_GUARDS);
    return;
  }
  if (!access_near(x)) {
    no(v, "a place overflows");
    return;
  }
  bool open = affine_open(&x->at.a, depth) && (x->index < 0 || affine_open(&x->index_at.a, depth));
  for (int g = 0; g < x->nguard; g++) {
    open &= affine_open(&x->guard[g].at.a, depth);
    if (x->guard[g].extent < 1) no(v, "a guard's extent is below 1");
    if (!computable(v, &x->guard[g].at, depth, rows, cols)) no(v, "a guard overflows");
  }
  if (!open) {
    no(v, "a place uses a loop variable that is not open");
    return;
  }
  if (x->index >= 0 && (k->buffer[x->index].type != DT_I32 || x->index_extent < 1))
    no(v, "an index operand is i32 with an extent");
  Ranges r;
  if (v->bad || !access_ranges(x, v->extent, depth, rows, cols, &r))
    return; /* never happens: nothing to prove */
  check_bounds(v, x, &x->at, x->buffer, &r, x->index >= 0 ? x->scale : 0);
  if (x->index >= 0) check_bounds(v, x, &x->index_at, x->index, &r, 0);
  if (x->stream) check_stream(v, x, cols);
}

static DType computed(const Kernel *k, int buffer) { return dtype_compute((DType)k->buffer[buffer].type); }

static void check_map(Verifier *v, const KernelStmt *s, int depth) {
  const Kernel *k = v->k;
  const Scalar *p = s->map.program;
  for (int i = 0; i < s->map.ndst; i++)
    if (!tile_ok(v, s->map.dst[i])) return;
  const KernelTile *d = &k->tile[s->map.dst[0]];
  if (p->nin > s->map.nsrc || p->nout != s->map.ndst) {
    no(v, "the program takes %u operands and gives %u results", p->nin, p->nout);
    return;
  }
  for (int i = 0; i < s->map.nsrc && !v->bad; i++) {
    const KernelOperand *o = &s->map.src[i];
    if (i < p->nin && o->type != p->in_type[i])
      no(v, "operand %d is %s, the program takes %s", i, dtype_name((DType)o->type),
         dtype_name((DType)p->in_type[i]));
    if ((o->rows != 1 && o->rows != d->rows) || (o->cols != 1 && o->cols != d->cols))
      no(v, "operand %d does not broadcast", i);
    switch ((OperandKind)o->kind) {
    case OPERAND_TILE:
      read_tile(v, o->tile);
      if (!v->bad && (k->tile[o->tile].rows != o->rows || k->tile[o->tile].cols != o->cols ||
                      k->tile[o->tile].type != o->type))
        no(v, "operand %d misdescribes its tile", i);
      break;
    case OPERAND_MEMORY:
      check_access(v, &o->access, depth, o->rows, o->cols);
      if (!v->bad && computed(k, o->access.buffer) != (DType)o->type)
        no(v, "operand %d has not its buffer's type", i);
      break;
    case OPERAND_COORD: {
      Ranges r;
      Range b;
      Linear l = linear_of(&o->access.at);
      if (!affine_open(&o->access.at.a, depth))
        no(v, "a place uses a loop variable that is not open");
      else if (o->type != DT_I32 ||
               !access_ranges(&(Access){.index = -1}, v->extent, depth, o->rows, o->cols, &r) ||
               !linear_bounds(&l, &r, &b) || b.lo < INT32_MIN || b.hi > INT32_MAX)
        no(v, "a coordinate is not an i32");
    }
    }
  }
  for (int i = 0; i < s->map.ndst && !v->bad; i++) {
    const KernelTile *e = &k->tile[s->map.dst[i]];
    if (e->rows != d->rows || e->cols != d->cols || e->type != scalar_type(p, p->out[i]))
      no(v, "result %d has another shape or type", i);
    for (int j = 0; j < i; j++)
      if (s->map.dst[i] == s->map.dst[j]) no(v, "a tile is set twice");
    tileset_add(&v->set, s->map.dst[i]);
  }
  if (!v->bad && !scalar_verify(p, v->why)) v->bad = true;
}

static void check_fold(Verifier *v, const KernelStmt *s) {
  if (!tile_ok(v, s->fold.src) || !tile_ok(v, s->fold.dst)) return;
  const KernelTile *f = &v->k->tile[s->fold.src], *d = &v->k->tile[s->fold.dst];
  read_tile(v, s->fold.src);
  if (f->cols == 1 || d->cols != 1 || d->rows != f->rows || d->type != f->type || f->type == DT_BOOL)
    no(v, "fold takes at least 16 columns of numbers to one column");
  tileset_add(&v->set, s->fold.dst);
}

static void check_list(Verifier *v, const KernelStmt *s, int depth) {
  const Kernel *k = v->k;
  bool alone = s && !s->next;
  for (; s && !v->bad; s = s->next) {
    v->stmt = s;
    switch (s->kind) {
    case STMT_LOOP: {
      if (depth >= KERNEL_LOOPS || s->loop.depth != depth || s->loop.extent < 1 || s->loop.extent > FAR ||
          s->loop.unroll < 1) {
        no(v, "loop extent, unrolling or depth");
        return;
      }
      if ((s->loop.kind == LOOP_PAR) != (depth == 0)) no(v, "par loops are the top loops and no others");
      if (s->loop.kind == LOOP_SWEEP && (depth != 1 || !alone || s->loop.unroll > 1))
        no(v, "a sweep is all of a unit");
      if (s->loop.clip && (s->loop.kind != LOOP_SEQ || !affine_open(&s->loop.limit, depth)))
        no(v, "only a seq loop is clipped, by open variables");
      if (s->loop.clip && !computable(v, &(Place){.a = s->loop.limit}, depth, 1, 1))
        no(v, "a limit overflows");
      TileSet before = v->set;
      v->extent[depth] = s->loop.extent;
      check_list(v, s->loop.body, depth + 1);
      if (depth == 0 || s->loop.clip) v->set = before; /* nothing leaves a unit; a clipped loop may not run */
      break;
    }
    case STMT_LOAD:
    case STMT_STORE: {
      const Access *x = &s->mem.access;
      if (!tile_ok(v, s->mem.tile)) return;
      const KernelTile *t = &k->tile[s->mem.tile];
      if (s->kind == STMT_STORE) read_tile(v, s->mem.tile);
      check_access(v, x, depth, t->rows, t->cols);
      if (v->bad) return;
      if (computed(k, x->buffer) != (DType)t->type) no(v, "tile and buffer differ in type");
      if (s->kind == STMT_STORE && k->buffer[x->buffer].type == DT_U8) no(v, "a store to bytes");
      if (s->kind == STMT_STORE && k->buffer[x->buffer].kind == BUFFER_IN) no(v, "a store to an input");
      if (s->kind == STMT_LOAD && x->stream) no(v, "only stores stream");
      if (s->kind == STMT_LOAD) tileset_add(&v->set, s->mem.tile);
      break;
    }
    case STMT_MAP: check_map(v, s, depth); break;
    case STMT_FOLD: check_fold(v, s); break;
    }
  }
}

bool kernel_verify(const Kernel *k, Sb *why) {
  Verifier v = {.k = k, .why = why};
  for (int i = 0; i < k->nbuffer; i++)
    if (k->buffer[i].type >= DT_ALL || k->buffer[i].type == DT_NONE || k->buffer[i].n < 0 ||
        k->buffer[i].n > FAR)
      no(&v, "buffer " STRF, STRA(k->buffer[i].name));
  for (int i = 0; i < k->ntile; i++) {
    const KernelTile *t = &k->tile[i];
    bool shape = t->rows >= 1 && t->rows <= KERNEL_ROWS && t->cols >= 1 && t->cols <= KERNEL_COLS &&
                 (t->cols == 1 || t->cols % KERNEL_LANES == 0);
    if (!shape || t->type >= DT_COUNT) no(&v, "tile " STRF " is %u x %u", STRA(t->name), t->rows, t->cols);
  }
  if (!k->root) no(&v, "no unit");
  check_list(&v, k->root, 0);
  return !v.bad;
}
