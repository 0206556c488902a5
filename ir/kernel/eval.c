/* The slow evaluator of kernels: element by element, without LLVM; what native code must equal bit for bit.
 */
#include "ir/kernel/internal.h"
#include "ir/scalar/literal.h"

typedef struct Eval {
  const Kernel *k;
  void *const *buf;
  Arena *arena;
  int64_t var[KERNEL_LOOPS];
  void *tile[KERNEL_TILES];  /* rows * cols elements, packed at their own width */
  void *operand[KERNEL_SRC]; /* room for one operand of the largest map */
} Eval;

static int64_t at(const Eval *e, const Place *p, int r, int c) {
  int64_t x = p->a.k + p->r * r + p->c * c;
  for (int i = 0; i < KERNEL_LOOPS; i++) x += p->a.v[i] * e->var[i];
  return x;
}

static void *nth(void *p, uint8_t type, int64_t i) { /* element i of an array */
  return (char *)p + i * (int64_t)dtype_bytes((DType)type);
}
static void set(void *to, const void *from, uint8_t type) { memcpy(to, from, dtype_bytes((DType)type)); }

static void *element(const Eval *e, int buffer, int64_t i) {
  const KernelBuffer *b = &e->k->buffer[buffer];
  if (i < 0 || i >= b->n)
    BUG(e->arena->mem, "kernel " STRF ": " STRF "[%lld] of %lld", STRA(e->k->name), STRA(b->name),
        (long long)i, (long long)b->n);
  return nth(e->buf[buffer], b->type, i);
}

/* The memory of element (r, c), or NULL where a guard or the index fails. */
static void *access_element(const Eval *e, const Access *x, int r, int c) {
  for (int g = 0; g < x->nguard; g++) {
    int64_t v = at(e, &x->guard[g].at, r, c);
    if (v < 0 || v >= x->guard[g].extent) return NULL;
  }
  int64_t o = at(e, &x->at, r, c);
  if (x->index >= 0) {
    int64_t i = *(const int32_t *)element(e, x->index, at(e, &x->index_at, r, c));
    if (i < 0 || i >= x->index_extent) return NULL;
    o += x->scale * i;
  }
  return element(e, x->buffer, o);
}

/* Element of an access, of compute type `type`; NULL: the pad. */
static void load(const Eval *e, const Access *x, const void *mem, void *to, uint8_t type) {
  DType t = (DType)e->k->buffer[x->buffer].type;
  if (mem && dtype_is_stored(t))
    literal_load(t, 1, mem, to);
  else
    set(to, mem ? mem : &x->pad, type);
}
static void store(const Eval *e, const Access *x, void *mem, const void *from, uint8_t type) {
  DType t = (DType)e->k->buffer[x->buffer].type;
  if (dtype_is_stored(t))
    literal_store(t, 1, from, mem);
  else
    set(mem, from, type);
}

static void eval_mem(const Eval *e, const KernelStmt *s) {
  const KernelTile *t = &e->k->tile[s->mem.tile];
  for (int r = 0; r < t->rows; r++)
    for (int c = 0; c < t->cols; c++) {
      void *reg = nth(e->tile[s->mem.tile], t->type, r * t->cols + c),
           *mem = access_element(e, &s->mem.access, r, c);
      if (s->kind == STMT_LOAD)
        load(e, &s->mem.access, mem, reg, t->type);
      else if (mem)
        store(e, &s->mem.access, mem, reg, t->type);
    }
}

/* A row's columns: 16 lane-strided chains, then lane i takes lane i + 8, + 4, + 2, + 1; by the scalar
 * instruction. */
static void eval_fold(const Eval *e, const KernelStmt *s) {
  const KernelTile *t = &e->k->tile[s->fold.src];
  ScalarOp op = s->fold.op == FOLD_SUM ? SC_ADD : s->fold.op == FOLD_MAX ? SC_MAX : SC_MIN;
  ScalarIns ins = {.op = (uint8_t)op, .type = t->type, .result = t->type, .arg = {{0, 1}, {1, 1}, {0, 1}}};
  ScalarLeaf leaf[2] = {{.type = t->type, .input = true, .index = 0},
                        {.type = t->type, .input = true, .index = 1}};
  ScalarRef out = {0, 0};
  uint8_t in[2] = {t->type, t->type};
  Scalar p = {2, 1, 1, 2, in, &out, &ins, leaf};
  for (int r = 0; r < t->rows; r++) {
    ScalarValue lane[KERNEL_LANES], v[2];
    for (int c = 0; c < t->cols; c++) {
      ScalarValue x = {.w = 0};
      set(&x, nth(e->tile[s->fold.src], t->type, r * t->cols + c), t->type);
      v[0] = lane[c % KERNEL_LANES], v[1] = x;
      if (c < KERNEL_LANES)
        lane[c] = x;
      else
        scalar_eval(&p, v, &lane[c % KERNEL_LANES]);
    }
    for (int h = KERNEL_LANES / 2; h; h /= 2)
      for (int i = 0; i < h; i++) {
        v[0] = lane[i], v[1] = lane[i + h];
        scalar_eval(&p, v, &lane[i]);
      }
    set(nth(e->tile[s->fold.dst], t->type, r), &lane[0], t->type);
  }
}

static void fill_operand(const Eval *e, const KernelOperand *o, const KernelTile *d, void *to) {
  for (int r = 0; r < d->rows; r++)
    for (int c = 0; c < d->cols; c++) {
      int rr = o->rows == 1 ? 0 : r, cc = o->cols == 1 ? 0 : c;
      void *el = nth(to, o->type, r * d->cols + c);
      switch ((OperandKind)o->kind) {
      case OPERAND_TILE: set(el, nth(e->tile[o->tile], o->type, rr * o->cols + cc), o->type); break;
      case OPERAND_COORD: *(int32_t *)el = (int32_t)at(e, &o->access.at, rr, cc); break;
      case OPERAND_MEMORY: load(e, &o->access, access_element(e, &o->access, rr, cc), el, o->type); break;
      }
    }
}

static void eval_map(const Eval *e, const KernelStmt *s) {
  const KernelTile *d = &e->k->tile[s->map.dst[0]];
  const void *in[KERNEL_SRC];
  void *out[KERNEL_DST];
  for (int i = 0; i < s->map.nsrc; i++) {
    fill_operand(e, &s->map.src[i], d, e->operand[i]);
    in[i] = e->operand[i];
  }
  for (int i = 0; i < s->map.ndst; i++) out[i] = e->tile[s->map.dst[i]];
  int n = d->rows * d->cols;
  scalar_eval_n(s->map.program, e->arena, (size_t)n, in, NULL, out);
}

static void eval_list(Eval *e, const KernelStmt *s) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP: {
      int64_t n = s->loop.extent, limit = at(e, &(Place){.a = s->loop.limit}, 0, 0);
      if (s->loop.clip && limit < n) n = limit;
      for (int64_t i = 0; i < n; i++) {
        e->var[s->loop.depth] = i;
        eval_list(e, s->loop.body);
      }
      e->var[s->loop.depth] = 0;
      break;
    }
    case STMT_LOAD:
    case STMT_STORE: eval_mem(e, s); break;
    case STMT_MAP: eval_map(e, s); break;
    case STMT_FOLD: eval_fold(e, s); break;
    }
}

/* Room for n elements of any type. */
static void *room(Arena *a, uint32_t n) { return ARENA_ARRAY(a, ScalarValue, n); }

void kernel_eval(const Kernel *k, void *const *buf, int64_t lo, int64_t hi, Arena *scratch) {
  ArenaMark mark = arena_mark(scratch);
  Eval e = {.k = k, .buf = buf, .arena = scratch};
  uint32_t most = 1;
  for (int i = 0; i < k->ntile; i++) {
    uint32_t n = (uint32_t)k->tile[i].rows * k->tile[i].cols;
    e.tile[i] = room(scratch, n);
    if (n > most) most = n;
  }
  for (int i = 0; i < KERNEL_SRC; i++) e.operand[i] = room(scratch, most);
  for (const KernelStmt *s = k->root; s; s = s->next) {
    for (int64_t i = lo < 0 ? 0 : lo; i < s->loop.extent && i < hi; i++) {
      e.var[0] = i;
      eval_list(&e, s->loop.body);
    }
    lo -= s->loop.extent;
    hi -= s->loop.extent;
  }
  arena_rewind(scratch, mark);
}
