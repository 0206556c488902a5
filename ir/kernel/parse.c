/* Reads a kernel back from the text kernel_print writes. */
#include "base/size.h"
#include "ir/kernel/internal.h"
#include "ir/scalar/internal.h"

#include <ctype.h>

typedef struct Reader {
  Arena *arena;
  const char *start, *p; /* NUL-terminated copy */
  KernelBuilder b;
  Sb *why;
  bool failed;
} Reader;

static bool fail(Reader *r, const char *what) {
  if (!r->failed) {
    int line = 1;
    for (const char *q = r->start; q < r->p; q++) line += *q == '\n';
    sb_fmt(r->why, "kernel text, line %d: %s at \"%.24s\"", line, what, r->p);
  }
  r->failed = true;
  return false;
}

static void blank(Reader *r) {
  while (*r->p == ' ') r->p++;
}
static void lines(Reader *r) {
  while (isspace((unsigned char)*r->p)) r->p++;
}
static bool take(Reader *r, const char *what) {
  blank(r);
  size_t n = strlen(what);
  if (strncmp(r->p, what, n) != 0) return false;
  if (isalpha((unsigned char)what[n - 1]) && (isalnum((unsigned char)r->p[n]) || r->p[n] == '_'))
    return false;
  r->p += n;
  return true;
}
static bool need(Reader *r, const char *what) { return take(r, what) || fail(r, what); }
static void times(Reader *r) { /* the x of 4x16 */
  if (*r->p == 'x')
    r->p++;
  else
    fail(r, "ROWSxCOLUMNS is expected");
}
static Str word(Reader *r) {
  blank(r);
  size_t n = 0;
  while (isalnum((unsigned char)r->p[n]) || r->p[n] == '_') n++;
  Str s = {r->p, n};
  r->p += n;
  return s;
}
static int64_t whole(Reader *r) {
  ScalarNumber n;
  blank(r);
  const char *at = r->p;
  if (scalar_number_text(&r->p, &n) && n.integer) return n.i;
  r->p = at;
  fail(r, "a whole number is expected");
  return 1;
}
static DType type(Reader *r) {
  DType t = DT_F32;
  if (!dtype_parse(word(r), &t)) fail(r, "a type is expected");
  return t;
}
static int find(Reader *r, bool tile) {
  Str s = word(r);
  const Kernel *k = r->b.kernel;
  for (int i = 0; i < (tile ? k->ntile : k->nbuffer); i++)
    if (str_eq(s, tile ? k->tile[i].name : k->buffer[i].name)) return i;
  fail(r, tile ? "no such tile" : "no such buffer");
  return -1;
}

/* ---- places ---- */

static bool add_term(Place *p, const char *name, int64_t c) {
  int64_t *to = *name == 'r' ? &p->r : *name == 'c' ? &p->c : &p->a.v[name[1] - '0'];
  return i64_add(*to, c, to);
}
static bool variable(const char *s) {
  if (*s == 'i') return isdigit((unsigned char)s[1]) && !isalnum((unsigned char)s[2]);
  return (*s == 'r' || *s == 'c') && !isalnum((unsigned char)s[1]);
}
static Place place(Reader *r) {
  Place p = {0};
  for (bool first = true; !r->failed; first = false) {
    blank(r);
    bool minus = *r->p == '-';
    if (!minus && *r->p != '+' && !first) break;
    if (*r->p == '+' && r->p[1] == ' ') break; /* the index operand follows */
    if (minus || *r->p == '+') r->p++;
    int64_t c = 1;
    bool number = isdigit((unsigned char)*r->p);
    if (number) c = whole(r);
    if (minus) c = (int64_t)(0 - (uint64_t)c);
    bool fits = true;
    if (number && *r->p != '*') {
      fits = i64_add(p.a.k, c, &p.a.k);
    } else {
      if (number) r->p++;
      if (!variable(r->p)) {
        fail(r, "a place is expected");
        break;
      }
      fits = add_term(&p, r->p, c);
      r->p += *r->p == 'i' ? 2 : 1;
    }
    if (!fits) fail(r, "the place overflows");
  }
  return p;
}

static Access access(Reader *r) {
  Access x = {.index = -1, .buffer = (int16_t)find(r, false)};
  if (r->failed || !need(r, "[")) return x;
  x.at = place(r);
  if (take(r, "+")) {
    x.scale = whole(r);
    need(r, "*");
    x.index = (int16_t)find(r, false);
    need(r, "[");
    x.index_at = place(r);
    need(r, "]<");
    x.index_extent = whole(r);
  }
  need(r, "]");
  for (bool more = take(r, "if"); more && !r->failed; more = take(r, "and")) {
    if (x.nguard == KERNEL_GUARDS) {
      fail(r, "too many guards");
      break;
    }
    need(r, "0<=");
    Guard *g = &x.guard[x.nguard++];
    g->at = place(r);
    need(r, "<");
    g->extent = whole(r);
  }
  DType t;
  if (take(r, "else")) {
    blank(r);
    if (!scalar_constant_read(&r->p, &t, &x.pad) ||
        t != dtype_compute((DType)r->b.kernel->buffer[x.buffer].type))
      fail(r, "a pad of the buffer's type is expected");
  }
  x.stream = take(r, "stream");
  return x;
}

static KernelOperand operand(Reader *r) {
  blank(r);
  bool coord = take(r, "coord");
  blank(r);
  if (!coord && !isdigit((unsigned char)*r->p)) {
    int t = find(r, true);
    return r->failed ? (KernelOperand){0} : operand_tile(&r->b, t);
  }
  int64_t rows = whole(r), cols;
  times(r);
  cols = whole(r);
  if (rows < 1 || rows > KERNEL_ROWS || cols < 1 || cols > KERNEL_COLS) fail(r, "the shape is out of range");
  if (coord) {
    need(r, "(");
    Place p = place(r);
    need(r, ")");
    return operand_coord((int)rows, (int)cols, p.a, p.r, p.c);
  }
  Access x = access(r);
  return r->failed ? (KernelOperand){0} : operand_memory(&r->b, (int)rows, (int)cols, x);
}

/* ---- statements ---- */

static void map(Reader *r, int ndst, const int *dst) {
  KernelOperand src[KERNEL_SRC];
  int nsrc = 0;
  blank(r);
  Str text = {r->p, strlen(r->p)};
  const Scalar *p = scalar_read(r->arena, &text, r->why);
  if (!p) {
    r->failed = true;
    return;
  }
  r->p = text.p;
  blank(r);
  if (*r->p != '\n') do {
      if (nsrc == KERNEL_SRC) {
        fail(r, "too many operands");
        return;
      }
      src[nsrc++] = operand(r);
    } while (!r->failed && take(r, ","));
  if (!r->failed) kernel_map(&r->b, p, ndst, dst, nsrc, src);
}

static void assignment(Reader *r) {
  int dst[KERNEL_DST], ndst = 0;
  do {
    if (ndst == KERNEL_DST) {
      fail(r, "too many results");
      return;
    }
    dst[ndst++] = find(r, true);
  } while (!r->failed && take(r, ","));
  if (!need(r, "=")) return;
  if (take(r, "map"))
    map(r, ndst, dst);
  else if (take(r, "load")) {
    Access x = access(r);
    if (!r->failed) kernel_load(&r->b, dst[0], x);
  } else if (take(r, "fold.")) {
    Str s = word(r);
    FoldOp op = str_eq(s, STR("max")) ? FOLD_MAX : str_eq(s, STR("min")) ? FOLD_MIN : FOLD_SUM;
    if (op == FOLD_SUM && !str_eq(s, STR("sum"))) fail(r, "fold.sum, fold.max or fold.min is expected");
    int t = find(r, true);
    if (!r->failed) kernel_fold(&r->b, op, dst[0], t);
  } else
    fail(r, "map, load or fold is expected");
}

static bool loop(Reader *r) {
  static const char *const name[] = {"par", "seq", "unroll", "sweep"};
  int kind = 0;
  while (kind < 4 && !take(r, name[kind])) kind++;
  if (kind == 4) return false;
  blank(r);
  if (r->p[0] != 'i' || r->p[1] != (char)('0' + r->b.depth))
    return fail(r, "the loop variable of this depth is expected");
  r->p += 2;
  need(r, "<");
  int64_t extent = whole(r), by = 1;
  bool clip = take(r, "clip");
  Affine limit = {0};
  if (clip) limit = place(r).a;
  if (take(r, "by")) by = whole(r);
  need(r, "{");
  if (by < 1 || by > UINT16_MAX) fail(r, "unrolling is out of range");
  if (r->failed) return true;
  if (clip)
    kernel_loop_clip(&r->b, extent, limit);
  else
    kernel_loop(&r->b, (LoopKind)kind, extent, (int)by);
  return true;
}

static void statements(Reader *r) {
  for (lines(r); *r->p && !r->failed; lines(r)) {
    if (take(r, "}")) {
      if (r->b.depth == 0)
        fail(r, "no open loop");
      else
        kernel_end(&r->b);
    } else if (r->b.depth < KERNEL_LOOPS && loop(r))
      continue;
    else if (take(r, "store")) {
      Access x = access(r);
      need(r, "=");
      int t = find(r, true);
      if (!r->failed) kernel_store(&r->b, t, x);
    } else if (!r->failed)
      assignment(r);
  }
  if (!r->failed && r->b.depth) fail(r, "a loop is not closed");
}

static void declarations(Reader *r) {
  static const char *const name[] = {"in", "out", "scratch", "tile"};
  for (lines(r); !r->failed; lines(r)) {
    int kind = 0;
    while (kind < 4 && !take(r, name[kind])) kind++;
    if (kind == 4) return;
    Str s = word(r);
    need(r, ":");
    DType t = type(r);
    need(r, "[");
    int64_t n = whole(r), cols = 1;
    if (kind == 3) {
      times(r);
      cols = whole(r);
    }
    need(r, "]");
    if (r->failed) return;
    if (kind < 3)
      kernel_buffer(&r->b, s, t, n, (BufferKind)kind);
    else if (n < 1 || n > KERNEL_ROWS || cols < 1 || cols > KERNEL_COLS)
      fail(r, "the tile is out of range");
    else
      kernel_tile(&r->b, s, t, (int)n, (int)cols);
  }
}

bool kernel_parse(Arena *a, Str text, Kernel **out, Sb *why) {
  Str z = str_copy(a, text);
  Reader r = {.arena = a, .start = z.p, .p = z.p, .why = why};
  lines(&r);
  kernel_begin(&r.b, a, STR(""));
  if (!need(&r, "kernel")) return false;
  blank(&r);
  size_t n = strcspn(r.p, "\n");
  r.b.kernel->name = (Str){r.p, n};
  r.p += n;
  declarations(&r);
  statements(&r);
  *out = r.b.kernel;
  return !r.failed;
}
