/* A good program with one mistake in it: a line too many, or a name misspelt. Exactly one error is expected,
 * of the code and on the line that are known; what follows from a mistake is not told again. */
#include "gen.h"

#include <stdlib.h>

/* Of a code of the diagnosis (DG03..) a finding about the parameter `bad` is expected, and no error.
 * $v is a real value of at least one axis, $r its type, $o the other real type, $p a parameter. The mistake
 * stands in the last line of the text. */
typedef struct Mistake {
  const char *code, *text;
} Mistake;

/* clang-format off */
static const Mistake mistakes[] = {
  {"DG0201", "let bad = tanh(nosuchname)"}, {"DG0201", "output bad = nosuch($v)"}, {"DG0201", "let bad = $v + 2 * $vx"},
  {"DG0202", "let x = 3"}, {"DG0203", "let bad = bad + 1"}, {"DG0204", "let bad = tanh + 1"}, {"DG0204", "let bad = $v(2)"},
  {"DG0205", "let bad = $v + $o($v)"}, {"DG0205", "let bad = $v * label[0]"}, {"DG0205", "let bad = where($v > 0, $v, i32($v))"},
  {"DG0206", "let bad = ones([2, 3]) + ones([2, 4])"}, {"DG0206", "let bad = $r(ones([2, 3])) * $r(ones([2, 4]))"},
  {"DG0207", "let bad = range(3)[:, _][:, 0:1] - range(4)"}, {"DG0208", "let bad: f32[7, 77] = $v"}, {"DG0204", "let bad: bool = 1.5"},
  {"DG0209", "let bad = not $v"}, {"DG0209", "let bad = softmax(label)"}, {"DG0209", "let bad = $v and $v"},
  {"DG0210", "let bad = tanh()"}, {"DG0210", "let bad = softmax($v, axes = 0)"}, {"DG0210", "let bad = twice($v, 2, 3)"},
  {"DG0211", "param bad: f32[lower] = 0"}, {"DG0208", "let bad = scaled(ones([2]), ones([3]))"}, {"DG0213", "minimize 1.0"},
  {"DG0214", "const bad = [1, 2, 3][0:3:2]"}, {"DG0206", "let bad = sort(ones([2])) + ones([3])"},
  {"DG0215", "let bad = rec(1.0)\nfn rec(a: f32) -> f32 = rec(a) + 1"}, {"DG0216", "let bad = ones([3])[5]"}, {"DG0216", "let bad = ones([3])[1:9]"},
  {"DG0217", "let bad = zeros([max(label)])"}, {"DG0218", "const bad = 7 / 2"}, {"DG0218", "let bad = 9223372036854775807 + 1"},
  {"DG0219", "assert 1 > 2, \"no\""}, {"DG0219", "assert rank($v) == 7"}, {"DG0220", "let bad = nn.Nothing(3)"}, {"DG0221", "import nosuchlib"},
  {"DG0222", "output bad = nn.Linear(2, 3)(ones([1, 2]))"}, {"DG0223", "param bad: i32[3] = 0"},
  {"DG0227", "let bad = mix($v, $v, share = 2)"}, {"DG0227", "let bad = nn.Dropout(1.5)"},
  {"DG0301", "param bad: f32[3] = 1"}, {"DG0302", "param bad: f32 = 1\noutput read = bad * 2"}, {"DG0308", "frozen param bad: f32[2] = 1"},
  {"DG0303", "param bad: f32[2] = 1\nloss cut = mean(stop_gradient(bad)^2)\ntrain alone { minimize cut; update bad using sgd() }"},
  {"DG0501", "train bad { update $p using sgd() }"}, {"DG0502", "train bad { minimize l; update nosuch using sgd() }"},
  {"DG0503", "frozen param cold: f32 = 1\ntrain bad { minimize l; update cold using sgd() }"},
  {"DG0504", "train bad { minimize l; update $p, $p using sgd() }"}, {"DG0505", "train bad { minimize l; update x using sgd() }"},
  {"DG0506", "train bad { minimize l; update $p using sgd(); batsch = 3 }"}, {"DG0507", "loss bad = $v[_, ..]"}, {"DG0507", "loss bad = 3 > 2"},
  {"DG0508", "train bad { minimize l; update $p using 3 }"}, {"DG0509", "dataset bad { nosuch = npy(\"a.npy\") }"},
  {"DG0510", "after fit { x := x }"}, {"DG0510", "after fit { label := label }"},
  {"DG0101", "let bad = 007"}, {"DG0102", "assert 2 > 1, \"open"}, {"DG0105", "let bad = true && false"}, {"DG0106", "/* a comment */"},
  {"DG0107", "let _bad = 3"}, {"DG0108", "let bad = (1 + 2"}, {"DG0109", "let bad = 1)"}, {"DG0110", "let bad = [1 2]"},
  {"DG0111", "let train = 3"}, {"DG0112", "assert 2 > 1, 'why'"}, {"DG0113", "input bad"}, {"DG0115", "tanh($v)"},
  {"DG0116", "fnord bad"}, {"DG0119", "let bad = 1 < 2 < 3"}, {"DG0123", "frozen output bad = 3"},
};
/* clang-format on */
enum { MISTAKES = sizeof mistakes / sizeof *mistakes };

static size_t expand(Gen *g, const char *form, char *to, size_t size) {
  size_t n = 0;
  Val v = gen_pick(g, REAL, -2);
  for (const char *p = form; *p && n + NAME < size; p++) {
    if (*p != '$') {
      to[n++] = *p;
      continue;
    }
    const char *with = *++p == 'v' ? v.name
                       : *p == 'r' ? gval_type[v.type]
                       : *p == 'o' ? gval_type[!v.type]
                                   : g->param[0].name;
    n += (size_t)snprintf(to + n, size - n, "%s", with);
  }
  to[n] = 0;
  return n;
}

static int line_of(const char *text, size_t at) {
  int line = 1;
  for (size_t i = 0; i < at; i++) line += text[i] == '\n';
  return line;
}

/* The start of some line of file level; nothing goes between an attribute and what it is about. */
static size_t some_line(Gen *g) {
  size_t start[512], n = 0;
  bool bound = false;
  for (const char *p = g->text; p && *p && n < 512; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
    bool after = bound;
    bound = strncmp(p, "#[", 2) == 0;
    if (after) continue;
    if (strncmp(p, "let ", 4) == 0 || strncmp(p, "param ", 6) == 0 || strncmp(p, "loss ", 5) == 0 ||
        strncmp(p, "train ", 6) == 0)
      start[n++] = (size_t)(p - g->text);
  }
  return n ? start[gen_next(g, (uint32_t)n)] : 0;
}

static void insert(Gen *g, size_t at, const char *line, size_t n) {
  if (g->len + n + 2 >= TEXT) return;
  memmove(g->text + at + n + 1, g->text + at, g->len - at + 1);
  memcpy(g->text + at, line, n);
  g->text[at + n] = '\n';
  g->len += n + 1;
}

/* A name in some `let` is misspelt. */
static bool misspell(Gen *g, Case *c) {
  size_t at = 0;
  for (int i = 0; i < 50 && !at; i++) {
    size_t line = some_line(g);
    const char *end = strchr(g->text + line, '\n'), *p = strstr(g->text + line, " = ");
    if (!p || !end || p > end || strncmp(g->text + line, "let v", 5) != 0) continue;
    for (p += 3; p < end && !at; p++)
      if ((p[-1] == ' ' || p[-1] == '(') && (*p == 'v' || *p == 'p') && p[1] >= '0' && p[1] <= '9')
        at = (size_t)(p - g->text) + 1;
  }
  if (!at || g->len + 2 >= TEXT) return false;
  memmove(g->text + at + 1, g->text + at, g->len - at + 1);
  g->text[at] = 'Q';
  g->len++;
  strcpy(c->expect, "DG0201");
  c->line = line_of(g->text, at);
  return true;
}

void gen_wrong(Gen *g, long turn, Case *c) {
  char line[512];
  Case head;
  gen_program(g, turn);
  memset(&head, 0, sizeof head);
  head.N = g->N, head.M = g->M, head.data = (unsigned long)turn;
  long which = turn % (MISTAKES + 8);
  if (which >= MISTAKES && misspell(g, &head))
    cover_wrong("DG0201");
  else {
    const Mistake *m = &mistakes[which % MISTAKES];
    size_t at = some_line(g), n = expand(g, m->text, line, sizeof line);
    insert(g, at, line, n);
    strcpy(head.expect, m->code);
    const char *last = strchr(line, '\n');
    head.line = line_of(g->text, at) + (last ? 1 : 0);
    cover_wrong(m->code);
  }
  head.line += 3; /* the head lines and the import */
  memset(c, 0, sizeof *c);
  case_write(&head, g->text, c->text, sizeof c->text);
  (void)case_read(c);
}
