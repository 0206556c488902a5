/* A kernel's identity, and a copy of it elsewhere: kernels are built in memory that is used again for the
 * next one, and only the first of equal ones is kept. */
#include "base/hash.h"
#include "ir/kernel/internal.h"

/* Two streams of 64 bits over the same words: each step is a bijection of the state, so words that differ
 * keep states apart. */
typedef struct Hasher {
  uint64_t a, b;
} Hasher;

static inline void word(Hasher *h, uint64_t w) {
  h->a = hash_mix(h->a ^ w) + UINT64_C(0x9e3779b97f4a7c15);
  h->b = hash_mix((h->b + w) * UINT64_C(0xd6e8feb86659fd93)) ^ w;
}
/* Small numbers side by side. */
static inline uint64_t packed(uint32_t x, uint32_t y, uint32_t z, uint32_t t) {
  return (uint64_t)(x & 0xffff) << 48 | (uint64_t)(y & 0xffff) << 32 | (uint64_t)(z & 0xffff) << 16 |
         (t & 0xffff);
}

static void affine_hash(Hasher *h, const Affine *a) {
  uint64_t used = 0;
  for (int i = 0; i < KERNEL_LOOPS; i++) used |= (uint64_t)(a->v[i] != 0) << i;
  word(h, used);
  word(h, (uint64_t)a->k);
  for (int i = 0; i < KERNEL_LOOPS; i++)
    if (a->v[i]) word(h, (uint64_t)a->v[i]);
}
static void place_hash(Hasher *h, const Place *p) {
  affine_hash(h, &p->a);
  word(h, (uint64_t)p->r);
  word(h, (uint64_t)p->c);
}
static void access_hash(Hasher *h, const Access *x) {
  word(h, packed((uint32_t)x->buffer, (uint32_t)x->index, x->nguard, x->stream));
  place_hash(h, &x->at);
  if (x->index >= 0) {
    word(h, (uint64_t)x->scale);
    word(h, (uint64_t)x->index_extent);
    place_hash(h, &x->index_at);
  }
  for (int i = 0; i < x->nguard && i < KERNEL_GUARDS; i++) {
    place_hash(h, &x->guard[i].at);
    word(h, (uint64_t)x->guard[i].extent);
  }
  word(h, x->pad.w);
}

static uint32_t ref_bits(ScalarRef r) { return (uint32_t)r.i << 1 | r.leaf; }
static void scalar_hash(Hasher *h, const Scalar *p) {
  word(h, packed(p->nin, p->nout, p->nins, p->nleaf));
  for (uint32_t i = 0; i < p->nin; i++) word(h, p->in_type[i]);
  for (uint32_t i = 0; i < p->nout; i++) word(h, ref_bits(p->out[i]));
  for (uint32_t i = 0; i < p->nleaf; i++) {
    const ScalarLeaf *l = &p->leaf[i];
    word(h, packed(l->type, l->input, l->input ? l->index : 0, 0));
    if (!l->input) word(h, l->value.w);
  }
  for (uint32_t i = 0; i < p->nins; i++) {
    const ScalarIns *n = &p->ins[i];
    word(h, packed(n->op, n->type, n->result, ref_bits(n->arg[0])));
    word(h, packed(ref_bits(n->arg[1]), ref_bits(n->arg[2]), 0, 0));
  }
}

static void map_hash(Hasher *h, const KernelStmt *s) {
  scalar_hash(h, s->map.program);
  word(h, packed(s->map.ndst, s->map.nsrc, 0, 0));
  for (int i = 0; i < s->map.ndst; i++) word(h, s->map.dst[i]);
  for (int i = 0; i < s->map.nsrc; i++) {
    const KernelOperand *o = &s->map.src[i];
    word(h, packed(o->kind, o->type, o->rows, o->cols));
    switch ((OperandKind)o->kind) {
    case OPERAND_TILE: word(h, o->tile); break;
    case OPERAND_MEMORY: access_hash(h, &o->access); break;
    case OPERAND_COORD: place_hash(h, &o->access.at); break;
    }
  }
}

static void list_hash(Hasher *h, const KernelStmt *s) {
  for (; s; s = s->next) {
    word(h, (uint64_t)s->kind + 1);
    switch (s->kind) {
    case STMT_LOOP:
      word(h, packed(s->loop.kind, s->loop.depth, s->loop.unroll, s->loop.clip));
      word(h, (uint64_t)s->loop.extent);
      if (s->loop.clip) affine_hash(h, &s->loop.limit);
      list_hash(h, s->loop.body);
      break;
    case STMT_LOAD:
    case STMT_STORE:
      word(h, s->mem.tile);
      access_hash(h, &s->mem.access);
      break;
    case STMT_MAP: map_hash(h, s); break;
    case STMT_FOLD: word(h, packed(s->fold.op, s->fold.dst, s->fold.src, 0)); break;
    }
  }
  word(h, 0); /* the end of a list is part of the tree */
}

KernelId kernel_id(const Kernel *k) {
  Hasher h = {UINT64_C(0x6b65726e656c2d61), UINT64_C(0x6b65726e656c2d62)};
  word(&h, packed(k->nbuffer, k->ntile, 0, 0));
  for (int i = 0; i < k->nbuffer; i++) {
    word(&h, packed(k->buffer[i].type, k->buffer[i].kind, 0, 0));
    word(&h, (uint64_t)k->buffer[i].n);
  }
  for (int i = 0; i < k->ntile; i++) word(&h, packed(k->tile[i].type, k->tile[i].rows, k->tile[i].cols, 0));
  list_hash(&h, k->root);
  return (KernelId){{hash_mix(h.a), hash_mix(h.b)}};
}

/* ---- copies ---- */

static const void *items(Arena *a, const void *from, size_t n, size_t size, size_t align) {
  void *to = arena_array(a, n, size, align);
  if (n) memcpy(to, from, n * size); /* size-ok: arena_array has multiplied them */
  return to;
}
#define ITEMS(a, from, n) items((a), (from), (n), sizeof *(from), _Alignof(__typeof__(*(from))))

static const Scalar *program_copy(Arena *a, const Scalar *p) {
  Scalar *to = ARENA_NEW(a, Scalar);
  *to = *p;
  to->in_type = ITEMS(a, p->in_type, p->nin);
  to->out = ITEMS(a, p->out, p->nout);
  to->ins = ITEMS(a, p->ins, p->nins);
  to->leaf = ITEMS(a, p->leaf, p->nleaf);
  return to;
}

static KernelStmt *list_copy(Arena *a, const KernelStmt *s) {
  KernelStmt *first = NULL, **at = &first;
  for (; s; s = s->next, at = &(*at)->next) {
    KernelStmt *to = *at = ARENA_NEW(a, KernelStmt);
    *to = *s;
    to->next = NULL;
    if (s->kind == STMT_LOOP) to->loop.body = list_copy(a, s->loop.body);
    if (s->kind != STMT_MAP) continue;
    to->map.program = program_copy(a, s->map.program);
    to->map.src = ARENA_ARRAY(a, KernelOperand, s->map.nsrc);
    for (int i = 0; i < s->map.nsrc; i++) to->map.src[i] = s->map.src[i];
  }
  return first;
}

Kernel *kernel_copy(Arena *a, const Kernel *k) {
  Kernel *to = ARENA_NEW(a, Kernel);
  *to = *k;
  to->name = str_copy(a, k->name);
  for (int i = 0; i < k->nbuffer; i++) to->buffer[i].name = str_copy(a, k->buffer[i].name);
  for (int i = 0; i < k->ntile; i++) to->tile[i].name = str_copy(a, k->tile[i].name);
  to->root = list_copy(a, k->root);
  return to;
}
