/* Which statement lists are the same but for their numbers. Each list is written anew with its numbers
 * replaced by arguments and everything numbered by first use; equal ids are then one function. A number stays
 * as it is where code depends on it: extents of tiles, steps between neighbours, loops of one trip. */
#include "codegen/tile.h"

#include "base/hash.h"
#include "codegen/emit.h"

typedef struct Site { /* a list in its kernel */
  const Kernel *kernel;
  const KernelStmt *body, *end;
  int around,
      depth; /* the variable of the loop it is the body of, -1: part of a body; its own loops' number */
} Site;

typedef struct Member {
  Site site;
  int64_t extent[KERNEL_LOOPS]; /* of the loops around */
  uint32_t next;                /* of the same class, + 1 */
} Member;

typedef struct Class {
  KernelId id;
  uint32_t members, first; /* + 1 */
} Class;

typedef struct Finder {
  Arena *arena;
  uint32_t least;
  Map known; /* by id: into class */
  VEC(Class) class;
  VEC(Member) member;
  Arena *scratch; /* of one list */
} Finder;

typedef struct Rewrite {
  Arena *arena;
  const Site *site;
  int64_t extent[KERNEL_LOOPS];
  Kernel *to;
  bool ok;
  uint64_t rest;              /* what loops leave to do: part of the identity */
  int16_t tile[KERNEL_TILES]; /* its number in the function, -1: none yet */
  uint16_t nparam, npointer, noffset;
  int64_t param[TILE_PARAMS];
  TilePointer pointer[TILE_POINTERS];
  Affine offset[TILE_OFFSETS];
  uint16_t nplace;
  struct {
    int16_t buffer;
    int64_t r, c, v[KERNEL_LOOPS];
    Place place;
  } place[TILE_POINTERS];
} Rewrite;

static int64_t param(Rewrite *w, int64_t value) {
  w->ok &= w->nparam < TILE_PARAMS && value > -TILE_RANGE && value < TILE_RANGE;
  if (!w->ok) return 0;
  w->param[w->nparam] = value;
  return TILE_PARAM + w->nparam++;
}

/* The part of a place that the loops around decide, and the rest with the loops numbered anew. */
static Affine outer(const Rewrite *w, const Affine *a) {
  Affine o = affine(a->k);
  for (int i = 0; i < w->site->depth; i++)
    if (i != w->site->around) o.v[i] = a->v[i];
  return o;
}
static int64_t around(const Rewrite *w, const Affine *a) {
  return w->site->around < 0 ? 0 : a->v[w->site->around];
}
static int inner_depth(const Rewrite *w, int depth) {
  return depth == w->site->around ? 0 : depth - w->site->depth + 1;
}

static int64_t offset(Rewrite *w, const Affine *a) {
  Affine o = outer(w, a);
  for (uint16_t i = 0; i < w->noffset; i++)
    if (affine_eq(&w->offset[i], &o)) return TILE_OFFSET + i;
  w->ok &= w->noffset < TILE_OFFSETS;
  if (!w->ok) return 0;
  w->offset[w->noffset] = o;
  return TILE_OFFSET + w->noffset++;
}

/* Values of a place stay so small that lanes compare them as 32 bits. */
static void in_range(Rewrite *w, const Place *p) {
  int64_t most = (p->a.k < 0 ? -p->a.k : p->a.k);
  for (int i = 0; i < KERNEL_LOOPS && w->ok; i++) {
    int64_t v = p->a.v[i] < 0 ? -p->a.v[i] : p->a.v[i];
    if (!v) continue;
    w->ok &= v < TILE_RANGE && w->extent[i] < TILE_RANGE;
    if (w->ok) most += v * w->extent[i];
  }
  int64_t r = p->r < 0 ? -p->r : p->r, c = p->c < 0 ? -p->c : p->c;
  w->ok &= most < TILE_RANGE && r < TILE_RANGE / KERNEL_ROWS && c < TILE_RANGE / KERNEL_COLS;
}

/* A guard's or coordinate's place: only what the loop around adds is an argument, beside the offset. */
static Place guard_place(Rewrite *w, const Place *p) {
  Place to = {.r = p->r, .c = p->c};
  in_range(w, p);
  to.a.k = offset(w, &p->a);
  to.a.v[0] = param(w, around(w, &p->a));
  for (int i = w->site->depth; i < KERNEL_LOOPS; i++)
    if (p->a.v[i]) to.a.v[inner_depth(w, i)] = p->a.v[i];
  return to;
}

/* ---- accesses ---- */

static int16_t pointer(Rewrite *w, int16_t buffer, const Affine *at) {
  Affine o = outer(w, at);
  int alias = w->npointer;
  for (uint16_t i = 0; i < w->npointer; i++) {
    if (w->pointer[i].buffer != buffer) continue;
    if (affine_eq(&w->pointer[i].at, &o)) return (int16_t)i;
    if (i < alias) alias = i;
  }
  w->ok &= w->npointer < TILE_POINTERS;
  if (!w->ok) return 0;
  w->pointer[w->npointer] = (TilePointer){buffer, o};
  /* n: the first pointer into the same buffer, which may meet this one */
  w->to->buffer[w->npointer] =
      (KernelBuffer){.type = w->site->kernel->buffer[buffer].type, .kind = BUFFER_OUT, .n = alias};
  return (int16_t)w->npointer++;
}

/* Equal places of one pointer are one, so that what is read and stored there is known to be the same element.
 */
static Place place(Rewrite *w, int16_t pointer, const Access *x, int rows, int cols) {
  const Place *p = &x->at;
  int64_t v[KERNEL_LOOPS] = {0};
  v[0] = around(w, &p->a);
  for (int i = w->site->depth; i < KERNEL_LOOPS; i++)
    if (p->a.v[i]) v[inner_depth(w, i)] = p->a.v[i];
  for (uint16_t i = 0; i < w->nplace; i++)
    if (w->place[i].buffer == pointer && w->place[i].r == p->r && w->place[i].c == p->c &&
        memcmp(w->place[i].v, v, sizeof v) == 0)
      return w->place[i].place;
  w->ok &= w->nplace < TILE_POINTERS;
  if (!w->ok) return (Place){0};
  Place to = {.r = rows > 1 && p->r >= emit_columns(x, cols) && p->r > 1 ? param(w, p->r) : p->r,
              .c = cols > 1 && p->c >= rows && p->c > EMIT_STEPS ? param(w, p->c) : p->c};
  to.a.v[0] = param(w, v[0]);
  for (int i = 1; i < KERNEL_LOOPS; i++) to.a.v[i] = v[i] == 0 || v[i] == 1 ? v[i] : param(w, v[i]);
  w->place[w->nplace].buffer = pointer;
  w->place[w->nplace].r = p->r;
  w->place[w->nplace].c = p->c;
  memcpy(w->place[w->nplace].v, v, sizeof v);
  return w->place[w->nplace++].place = to;
}

static Access access(Rewrite *w, const Access *x, int rows, int cols) {
  Access to = *x;
  w->ok &= x->index < 0 && !(cols > 1 && x->at.c == 0 && x->nguard);
  if (!w->ok) return to;
  to.buffer = pointer(w, x->buffer, &x->at.a);
  to.at = place(w, to.buffer, x, rows, cols);
  for (int i = 0; i < x->nguard && w->ok; i++) {
    to.guard[i].at = guard_place(w, &x->guard[i].at);
    to.guard[i].extent = param(w, x->guard[i].extent);
  }
  return to;
}

/* ---- statements ---- */

static uint16_t tile(Rewrite *w, uint16_t t) {
  if (w->tile[t] < 0) {
    w->tile[t] = (int16_t)w->to->ntile;
    w->to->tile[w->to->ntile] = w->site->kernel->tile[t];
    w->to->tile[w->to->ntile++].name = (Str){0};
  }
  return (uint16_t)w->tile[t];
}

static KernelStmt *list(Rewrite *w, const KernelStmt *s, const KernelStmt *end);

static void loop(Rewrite *w, const KernelStmt *s, KernelStmt *to) {
  int64_t n = s->loop.extent, step = s->loop.kind == LOOP_UNROLL ? n : s->loop.unroll;
  w->ok &= !s->loop.clip && s->loop.kind != LOOP_PAR && s->loop.kind != LOOP_SWEEP && n < TILE_RANGE;
  to->loop.depth = (uint8_t)inner_depth(w, s->loop.depth);
  w->extent[s->loop.depth] = n;
  if (w->ok && n / step > 1) {
    to->loop.extent = param(w, n);
    to->loop.limit = affine(n % step); /* what remains is code: emit_loop */
    w->rest = hash_mix(w->rest + (uint64_t)(n % step) + 1);
  }
  to->loop.body = list(w, s->loop.body, NULL);
}

static void map(Rewrite *w, const KernelStmt *s, KernelStmt *to) {
  to->map.src = ARENA_ARRAY(w->arena, KernelOperand, s->map.nsrc);
  for (int i = 0; i < s->map.nsrc && w->ok; i++) {
    KernelOperand *o = &to->map.src[i];
    *o = s->map.src[i];
    switch ((OperandKind)o->kind) {
    case OPERAND_TILE: o->tile = tile(w, o->tile); break;
    case OPERAND_MEMORY: o->access = access(w, &o->access, o->rows, o->cols); break;
    case OPERAND_COORD: o->access.at = guard_place(w, &o->access.at); break;
    }
  }
  for (int i = 0; i < s->map.ndst; i++) to->map.dst[i] = tile(w, s->map.dst[i]);
}

static KernelStmt *list(Rewrite *w, const KernelStmt *s, const KernelStmt *end) {
  KernelStmt *first = NULL, **at = &first;
  const Kernel *k = w->site->kernel;
  for (; s != end && w->ok; s = s->next, at = &(*at)->next) {
    KernelStmt *to = *at = ARENA_NEW(w->arena, KernelStmt);
    *to = *s;
    to->next = NULL;
    switch (s->kind) {
    case STMT_LOOP: loop(w, s, to); break;
    case STMT_LOAD:
    case STMT_STORE:
      to->mem.access = access(w, &s->mem.access, k->tile[s->mem.tile].rows, k->tile[s->mem.tile].cols);
      to->mem.tile = tile(w, s->mem.tile);
      break;
    case STMT_MAP: map(w, s, to); break;
    case STMT_FOLD:
      to->fold.src = tile(w, s->fold.src);
      to->fold.dst = tile(w, s->fold.dst);
      break;
    }
  }
  return first;
}

static Rewrite *rewrite(Arena *a, const Member *m) {
  Rewrite *w = ARENA_NEW(a, Rewrite);
  w->arena = a;
  w->site = &m->site;
  memcpy(w->extent, m->extent, sizeof w->extent);
  w->ok = true;
  w->to = ARENA_NEW(a, Kernel);
  for (int i = 0; i < KERNEL_TILES; i++) w->tile[i] = -1;
  KernelStmt *root = w->to->root = ARENA_NEW(a, KernelStmt);
  root->kind = STMT_LOOP;
  root->loop.kind = LOOP_SEQ;
  root->loop.unroll = 1;
  root->loop.extent = TILE_RANGE;
  root->loop.body = list(w, m->site.body, m->site.end);
  w->to->nbuffer = w->npointer;
  return w;
}

static uint32_t class_of(Finder *f, const Rewrite *w) {
  KernelId id = kernel_id(w->to);
  uint64_t h = id.w[0] ^= hash_mix(w->rest);
  uint32_t at;
  while (map_get(&f->known, h, &at) && !kernel_id_eq(f->class.at[at].id, id)) h++;
  if (map_get(&f->known, h, &at)) return at;
  map_put(&f->known, h, f->class.n);
  VEC_PUSH(f->arena, &f->class, (Class){.id = id});
  return f->class.n - 1;
}

enum { SMALL = 40 }; /* instructions, roughly: a call is dearer to run than so few are to compile */

static void take(Finder *f, Site site, const int64_t *extent) {
  if (f->least > 1 && tiles_cost(NULL, site.kernel, site.body, site.end) < SMALL) return;
  ArenaMark mark = arena_mark(f->scratch);
  Member m = {.site = site};
  memcpy(m.extent, extent, sizeof m.extent);
  Rewrite *w = rewrite(f->scratch, &m);
  if (w->ok) {
    uint32_t c = class_of(f, w);
    m.next = f->class.at[c].first;
    VEC_PUSH(f->arena, &f->member, m);
    f->class.at[c].first = f->member.n;
    f->class.at[c].members++;
  }
  arena_rewind(f->scratch, mark);
}

/* ---- what is shared ---- */

static void *kept(Arena *a, const void *from, size_t n, size_t size) {
  void *to = arena_array(a, n, size, _Alignof(int64_t));
  if (n) memcpy(to, from, n * size); /* size-ok: arena_array has multiplied them */
  return to;
}

/* Function number t->nfn, and the calls that stand for its members. */
static void share(Tiles *t, TileFn *fn, const Finder *f, const Class *c, Arena *a) {
  for (uint32_t i = c->first; i; i = f->member.at[i - 1].next) {
    ArenaMark mark = arena_mark(f->scratch);
    const Member *m = &f->member.at[i - 1];
    Rewrite *w = rewrite(f->scratch, m);
    if (i == c->first) *fn = (TileFn){kernel_copy(a, w->to), w->nparam, w->npointer, w->noffset};
    TileCall call = {.fn = t->nfn, .whole = m->site.around >= 0, .end = m->site.end};
    call.param = kept(a, w->param, w->nparam, sizeof *w->param);
    call.pointer = kept(a, w->pointer, w->npointer, sizeof *w->pointer);
    call.offset = kept(a, w->offset, w->noffset, sizeof *w->offset);
    map_put(&t->call_of, (uint64_t)(uintptr_t)m->site.body, t->call.n);
    VEC_PUSH(a, &t->call, call);
    arena_rewind(f->scratch, mark);
  }
  t->nfn++;
}

/* ---- finding ---- */

/* Whether what follows reads only tiles that it has written itself. */
static bool closed(const KernelStmt *s) {
  TileSet in = {{0}}, sure = {{0}}, def = {{0}};
  emit_flow(s, &in, &sure, &def);
  for (size_t i = 0; i < sizeof in.w / sizeof *in.w; i++)
    if (in.w[i]) return false;
  return true;
}

/* The first statement behind the list that begins with s: loops stand alone where no tile goes in or out. */
static const KernelStmt *list_end(const KernelStmt *s) {
  for (bool before = s->kind == STMT_LOOP; (s = s->next); before = s->kind == STMT_LOOP)
    if ((before || s->kind == STMT_LOOP) && closed(s)) return s;
  return NULL;
}

static void visit(Finder *f, const Kernel *k, const KernelStmt *loop, int64_t *extent);

static void visit_lists(Finder *f, const Kernel *k, const KernelStmt *first, int depth, int64_t *extent) {
  for (const KernelStmt *s = first, *end; s; s = end) {
    end = list_end(s);
    Site site = {k, s, end, -1, depth};
    if (s->kind == STMT_LOOP && s->next == end)
      visit(f, k, s, extent);
    else
      take(f, site, extent);
  }
}

/* The lists of a loop. A sweep goes round its units: theirs is the loop around. */
static void visit(Finder *f, const Kernel *k, const KernelStmt *loop, int64_t *extent) {
  int depth = loop->loop.depth;
  const KernelStmt *body = loop->loop.body;
  extent[depth] = loop->loop.extent;
  if (loop->loop.kind == LOOP_UNROLL || loop->loop.clip || !closed(body)) return;
  if (list_end(body) || (body->kind == STMT_LOOP && !body->next)) {
    visit_lists(f, k, body, depth + 1, extent);
    return;
  }
  Site site = {k, body, NULL, loop->loop.kind == LOOP_SWEEP ? 0 : depth, depth + 1};
  take(f, site, extent);
}

Tiles *tiles_find(Arena *a, const Kernel *const *kernel, uint32_t n, uint32_t least, const char *prefix) {
  ArenaScope finding, list;
  Arena *own = arena_open(&finding, a->mem);
  Finder f = {.least = least, .arena = own, .scratch = arena_open(&list, a->mem)};
  Tiles *t = ARENA_NEW(a, Tiles);
  map_init(&f.known, own);
  map_init(&t->call_of, a);
  for (uint32_t i = 0; i < n; i++) {
    int64_t extent[KERNEL_LOOPS] = {0};
    for (const KernelStmt *s = kernel[i]->root; s; s = s->next) visit(&f, kernel[i], s, extent);
  }
  uint32_t most = 0;
  for (uint32_t i = 0; i < f.class.n; i++) most += f.class.at[i].members >= least;
  TileFn *fn = ARENA_ARRAY(a, TileFn, most);
  t->symbol = ARENA_ARRAY(a, const char *, most);
  t->fn = fn;
  for (uint32_t i = 0; i < f.class.n; i++) {
    if (f.class.at[i].members < least) continue;
    t->symbol[t->nfn] = str_fmt(a, "%st%u", prefix, t->nfn).p;
    share(t, &fn[t->nfn], &f, &f.class.at[i], a);
  }
  arena_close(&list);
  arena_close(&finding);
  return t;
}

const TileCall *tiles_call(const Tiles *t, const KernelStmt *first) {
  uint32_t at;
  return t && map_get(&t->call_of, (uint64_t)(uintptr_t)first, &at) ? &t->call.at[at] : NULL;
}

double tiles_cost(const Tiles *called, const Kernel *k, const KernelStmt *s, const KernelStmt *end) {
  double sum = 0;
  while (s != end) {
    const TileCall *call = tiles_call(called, s);
    if (call) {
      sum += 40;
      s = call->end;
      continue;
    }
    switch (s->kind) {
    case STMT_LOOP: {
      int64_t n = s->loop.extent, step = s->loop.kind == LOOP_UNROLL ? n : s->loop.unroll;
      sum += 8 + tiles_cost(called, k, s->loop.body, NULL) * (double)(n <= step ? n : step + n % step);
      break;
    }
    case STMT_LOAD:
    case STMT_STORE: {
      const KernelTile *t = &k->tile[s->mem.tile];
      sum += t->rows * (1 + t->cols / 16) * (s->mem.access.at.c == 1 ? 1 : 6);
      break;
    }
    case STMT_MAP: {
      const KernelTile *t = &k->tile[s->map.dst[0]];
      sum += t->rows * (1 + t->cols / 16) * (1 + s->map.program->nins);
      break;
    }
    case STMT_FOLD: sum += k->tile[s->fold.src].rows * 12; break;
    }
    s = s->next;
  }
  return sum;
}
