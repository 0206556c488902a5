/* Kernels as text. Every field shows, so that the text reads back; names are made unique and plain where they
 * are not. */
#include "ir/kernel/internal.h"
#include "ir/scalar/internal.h"

#include <ctype.h>

enum { NAME = 40 };
typedef struct Printer {
  const Kernel *k;
  Sb *b;
} Printer;

/* ---- names: the n buffers come first, then the tiles ---- */

static Str raw_name(const Kernel *k, int i) {
  return i < k->nbuffer ? k->buffer[i].name : k->tile[i - k->nbuffer].name;
}
static bool reserved(Str s) { /* words and names of variables */
  static const char *const word[] = {"r",  "c",   "store",   "par",  "seq",   "unroll",
                                     "in", "out", "scratch", "tile", "coord", "x"};
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    if (str_eq(s, str_z(word[i]))) return true;
  return s.n == 2 && s.p[0] == 'i' && isdigit((unsigned char)s.p[1]);
}
static bool plain(Str s) {
  if (s.n == 0 || s.n > NAME - 8 || !(isalpha((unsigned char)s.p[0]) || s.p[0] == '_')) return false;
  for (size_t i = 0; i < s.n; i++)
    if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_') return false;
  return !reserved(s);
}
/* The name itself when it is plain and nothing before has it; else its letters with the number behind two
 * underscores. */
static void print_name(const Printer *p, int i) {
  const Kernel *k = p->k;
  Str s = raw_name(k, i);
  bool own = plain(s);
  for (int j = 0; own && j < i; j++) own = !str_eq(s, raw_name(k, j));
  for (size_t j = 0; own && j + 1 < s.n; j++) own = !(s.p[j] == '_' && s.p[j + 1] == '_');
  if (own) {
    sb_add(p->b, s);
    return;
  }
  if (s.n == 0 || isdigit((unsigned char)s.p[0])) sb_char(p->b, 'v');
  for (size_t j = 0; j < s.n && j < NAME - 8; j++) {
    char c = s.p[j];
    if (c == '_' && j + 1 < s.n && s.p[j + 1] == '_') break; /* a name made here before */
    sb_char(p->b, isalnum((unsigned char)c) ? c : '_');
  }
  sb_fmt(p->b, "__%d", i);
}

/* ---- parts ---- */

static void print_term(Sb *b, bool *first, int64_t c, const char *name) {
  if (!c) return;
  sb_fmt(b, "%s", c < 0 ? "-" : *first ? "" : "+");
  if (c != 1 && c != -1) sb_fmt(b, "%llu*", c < 0 ? 0 - (unsigned long long)c : (unsigned long long)c);
  sb_fmt(b, "%s", name);
  *first = false;
}
static void print_place(Sb *b, const Place *p) {
  bool first = true;
  for (int i = 0; i < KERNEL_LOOPS; i++) print_term(b, &first, p->a.v[i], (char[3]){'i', (char)('0' + i), 0});
  print_term(b, &first, p->r, "r");
  print_term(b, &first, p->c, "c");
  if (p->a.k || first) sb_fmt(b, first ? "%lld" : "%+lld", (long long)p->a.k);
}

static void print_access(const Printer *p, const Access *x) {
  Sb *b = p->b;
  if (x->buffer < 0 || x->buffer >= p->k->nbuffer || x->index >= p->k->nbuffer) {
    sb_fmt(b, "?[]"); /* only in messages of the verifier */
    return;
  }
  print_name(p, x->buffer);
  sb_char(b, '[');
  print_place(b, &x->at);
  if (x->index >= 0) {
    sb_fmt(b, " + %lld*", (long long)x->scale);
    print_name(p, x->index);
    sb_char(b, '[');
    print_place(b, &x->index_at);
    sb_fmt(b, "]<%lld", (long long)x->index_extent);
  }
  sb_char(b, ']');
  for (int i = 0; i < x->nguard && i < KERNEL_GUARDS; i++) {
    sb_fmt(b, i ? " and 0<=" : " if 0<=");
    print_place(b, &x->guard[i].at);
    sb_fmt(b, "<%lld", (long long)x->guard[i].extent);
  }
  if (x->pad.w) {
    sb_fmt(b, " else ");
    scalar_constant_print(dtype_compute((DType)p->k->buffer[x->buffer].type), x->pad, b);
  }
  if (x->stream) sb_fmt(b, " stream");
}

static void print_operand(const Printer *p, const KernelOperand *o) {
  switch ((OperandKind)o->kind) {
  case OPERAND_TILE: print_name(p, p->k->nbuffer + o->tile); break;
  case OPERAND_MEMORY:
    sb_fmt(p->b, "%ux%u ", o->rows, o->cols);
    print_access(p, &o->access);
    break;
  case OPERAND_COORD:
    sb_fmt(p->b, "coord %ux%u (", o->rows, o->cols);
    print_place(p->b, &o->access.at);
    sb_char(p->b, ')');
    break;
  }
}

static void print_stmt(const Printer *p, const KernelStmt *s) {
  static const char *const loop[] = {"par", "seq", "unroll", "sweep"}, *const fold[] = {"sum", "max", "min"};
  Sb *b = p->b;
  int tiles = p->k->nbuffer;
  switch (s->kind) {
  case STMT_LOOP:
    sb_fmt(b, "%s i%u < %lld", loop[s->loop.kind], s->loop.depth, (long long)s->loop.extent);
    if (s->loop.clip) {
      sb_fmt(b, " clip ");
      print_place(b, &(Place){.a = s->loop.limit});
    }
    if (s->loop.unroll > 1) sb_fmt(b, " by %u", s->loop.unroll);
    break;
  case STMT_LOAD:
    print_name(p, tiles + s->mem.tile);
    sb_fmt(b, " = load ");
    print_access(p, &s->mem.access);
    break;
  case STMT_STORE:
    sb_fmt(b, "store ");
    print_access(p, &s->mem.access);
    sb_fmt(b, " = ");
    print_name(p, tiles + s->mem.tile);
    break;
  case STMT_MAP:
    for (int i = 0; i < s->map.ndst; i++) {
      if (i) sb_fmt(b, ", ");
      print_name(p, tiles + s->map.dst[i]);
    }
    sb_fmt(b, " = map ");
    scalar_write(s->map.program, b);
    for (int i = 0; i < s->map.nsrc; i++) {
      sb_fmt(b, i ? ", " : " ");
      print_operand(p, &s->map.src[i]);
    }
    break;
  case STMT_FOLD:
    print_name(p, tiles + s->fold.dst);
    sb_fmt(b, " = fold.%s ", fold[s->fold.op]);
    print_name(p, tiles + s->fold.src);
    break;
  }
}

static void print_list(const Printer *p, const KernelStmt *s, int depth) {
  for (; s; s = s->next) {
    sb_fmt(p->b, "%*s", 2 * depth + 2, "");
    print_stmt(p, s);
    sb_fmt(p->b, s->kind == STMT_LOOP ? " {\n" : "\n");
    if (s->kind != STMT_LOOP) continue;
    print_list(p, s->loop.body, depth + 1);
    sb_fmt(p->b, "%*s}\n", 2 * depth + 2, "");
  }
}

static void print_kernel(const Printer *p) {
  static const char *const kind[] = {"in", "out", "scratch"};
  const Kernel *k = p->k;
  for (int i = 0; i < k->nbuffer; i++) {
    sb_fmt(p->b, "  %s ", kind[k->buffer[i].kind]);
    print_name(p, i);
    sb_fmt(p->b, ": %s[%lld]\n", dtype_name((DType)k->buffer[i].type), (long long)k->buffer[i].n);
  }
  for (int i = 0; i < k->ntile; i++) {
    sb_fmt(p->b, "  tile ");
    print_name(p, k->nbuffer + i);
    sb_fmt(p->b, ": %s[%ux%u]\n", dtype_name((DType)k->tile[i].type), k->tile[i].rows, k->tile[i].cols);
  }
  print_list(p, k->root, 0);
}

void kernel_print_stmt(const Kernel *k, const KernelStmt *s, Sb *b) { print_stmt(&(Printer){k, b}, s); }

void kernel_print(const Kernel *k, Sb *b) {
  sb_fmt(b, "kernel ");
  for (size_t i = 0; i < k->name.n; i++) sb_char(b, k->name.p[i] == '\n' ? ' ' : k->name.p[i]);
  sb_char(b, '\n');
  print_kernel(&(Printer){k, b});
}
