/* Tokens of a text: 16-bit numbers, little-endian, nothing else. Rows are windows of them. The last token of
 * a window is the first of the next one, so that each but the very first is predicted once; what fills no
 * window is left out. */
#include "base/size.h"
#include "runtime/host/readers.h"

enum { TOKEN = 2 };

/* The number of tokens of a window: as it is asked for, else what a row of the input has; 0 after a refusal.
 */
static int64_t window_of(const DataOpen *how, HostShown file, HostError *err) {
  int64_t n = how->want && !how->want->whole ? 1 : 0;
  for (uint32_t i = 0; n && !how->parts && i < how->want->rank; i++)
    n = how->want->dim[i] < 1 || !i64_mul(n, how->want->dim[i], &n) ? 0 : n;
  if (how->parts == 1) {
    Str t = how->part[0];
    n = 0;
    for (size_t i = 0; i < t.n && n <= WINDOW_MOST; i++)
      n = t.p[i] < '0' || t.p[i] > '9' ? INT64_MAX : 10 * n + (t.p[i] - '0');
  }
  if (n < 2 || n > WINDOW_MOST || how->parts > 1) {
    (void)host_fail(err, ST_USAGE,
                    "%s: how many tokens a row has, 2 to %d: window = 1025 in the program, or FILE:1025",
                    file.z, WINDOW_MOST);
    return 0;
  }
  return n;
}

bool read_tokens(Arena *a, Str bytes, const DataOpen *how, DataSource *out, HostError *err) {
  HostShown file = host_show(out->name);
  int64_t window = window_of(how, file, err), tokens = (int64_t)(bytes.n / TOKEN), all;
  size_t room;
  if (!window) return false;
  if (bytes.n % TOKEN)
    return host_fail(err, ST_BAD_DATA, "%s: 16-bit tokens expected, found %zu bytes: an odd number", file.z,
                     bytes.n);
  if (tokens < window)
    return host_fail(err, ST_BAD_DATA, "%s: a window of %lld tokens expected, found %lld", file.z,
                     (long long)window, (long long)tokens);
  int64_t rows = (tokens - 1) / (window - 1);
  if (!i64_mul(rows, window, &all) || !size_mul((size_t)all, sizeof(int32_t), &room))
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  int32_t *to = arena_alloc(a, room, 64);
  for (int64_t r = 0, k = 0; r < rows; r++)
    for (int64_t i = 0; i < window; i++) {
      const unsigned char *p =
          (const unsigned char *)bytes.p + TOKEN * (r * (window - 1) + i); /* size-ok: a token is there */
      to[k++] = p[0] | p[1] << 8;
    }
  out->type = DATA_I32;
  out->rank = 2;
  out->dim[0] = rows, out->dim[1] = window;
  out->rows = (const char *)to;
  return source_finish(out, err);
}
