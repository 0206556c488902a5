/* The renderers on any text with any places in it: nothing a terminal obeys comes out, the JSON is JSON and
 * UTF-8. */
#include "base/diag.h"
#include "tests/fuzz/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Takes a place from the last bytes of the input. */
static Span place(uint32_t file, const uint8_t *data, size_t n, size_t k) {
  uint32_t lo = n > 8 ? data[n - 1 - k] : 0, hi = n > 8 ? data[n - 2 - k] : 0;
  if (lo > n) lo = (uint32_t)n;
  if (hi > n) hi = (uint32_t)n;
  return (Span){file, lo < hi ? lo : hi, lo < hi ? hi : lo};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  Mem m;
  Arena a;
  Sources s;
  Limits l;
  Diags d;
  Sb b;
  uint32_t c;
  Str text = {(const char *)data, n};
  mem_init(&m, 0);
  arena_init(&a, &m);
  sources_init(&s, &a);
  limits_init(&l);
  diags_init(&d, &a, &s, &l);
  uint32_t f = sources_add(&s, (Str){text.p, n < 20 ? n : 20}, text, false);
  Diag *g = diag_import_cycle(&d, place(f, data, n, 0), text);
  diag_under(g, STRF, STRA(text));
  diag_label(g, place(f, data, n, 1), STRF, STRA(text));
  diag_label(g, place(f, data, n, 2), "x");
  diag_note(g, place(f, data, n, 3), STRF, STRA(text));
  diag_edit(g, place(f, data, n, 4), (Str){text.p, n / 2});
  diag_edit(g, place(f, data, n, 5), STR("edit"));
  diags_finish(&d);
  sb_init(&b, &a);
  diag_render_all(&d, (DiagStyle){.tab = 8}, &b);
  for (size_t i = 0; i < b.n; i++)
    if (((unsigned char)b.p[i] < 0x20 && b.p[i] != '\n') || b.p[i] == 0x7f) abort();
  sb_init(&b, &a);
  diag_render_json(&d, &b);
  for (size_t i = 0, k; i < b.n; i += k)
    if ((k = str_utf8(sb_str(&b), i, &c)) == 0) abort();
  if (!json_valid(b.p, b.n)) abort();
  arena_release(&a);
  return 0;
}
