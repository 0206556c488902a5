/* Unpacking .gz. libdeflate does the usual case at once (one member whose trailer tells its size). Everything
 * else (several members, 4 GiB and more, any fault) goes through zlib's stream: once to measure without
 * keeping anything, so that the limit holds before memory is taken and each fault gets its name, and once
 * more into memory of that size. */
#include "base/size.h"
#include "runtime/host/data.h"

#include <libdeflate.h>
#include <zlib.h>

/* Deflate cannot pack better than about 1032 to 1; a trailer that says more lies, and shall not make us
 * allocate. */
enum { MOST_RATIO = 1032 };

static bool fast(Arena *a, Str packed, int64_t max_bytes, Str *out) {
  const unsigned char *tail = (const unsigned char *)packed.p + packed.n - 4;
  size_t size = tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24, most, used,
         made;
  if (!size_mul(packed.n, MOST_RATIO, &most) || size > most || (uint64_t)size > (uint64_t)max_bytes)
    return false;
  ArenaMark mark = arena_mark(a);
  char *p = ARENA_ARRAY(a, char, size);
  struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
  bool ok =
      d &&
      libdeflate_gzip_decompress_ex(d, packed.p, packed.n, p, size, &used, &made) == LIBDEFLATE_SUCCESS &&
      used == packed.n && made == size;
  libdeflate_free_decompressor(d);
  *out = (Str){p, size};
  if (!ok) arena_rewind(a, mark);
  return ok;
}

/* zlib's memory is the arena's; raising leaves through zlib, which holds nothing else. */
static voidpf zlib_get(voidpf arena, uInt n, uInt size) { return arena_array(arena, n, size, 16); }
static void zlib_put(voidpf arena, voidpf p) { (void)arena, (void)p; }

typedef struct Stream {
  z_stream z;
  Str name, packed;
  size_t fed;    /* packed bytes handed to zlib */
  uint64_t made; /* bytes unpacked */
  HostError *err;
} Stream;

/* Hands zlib its next piece: it counts in 32 bits. */
static void feed(Stream *s) {
  size_t left = s->packed.n - s->fed;
  s->z.next_in = (z_const Bytef *)(uintptr_t)(s->packed.p + s->fed);
  s->z.avail_in = left < 1 << 30 ? (uInt)left : 1 << 30;
  s->fed += s->z.avail_in;
}

/* Unpacks everything: into `to` (whose size is known to fit), or into a window that is overwritten when `to`
 * is NULL. */
static bool run(Stream *s, Arena *a, char *to, int64_t max_bytes) {
  enum { WINDOW = 1 << 16 };
  HostShown file = host_show(s->name);
  char *window = ARENA_ARRAY(a, char, WINDOW);
  s->z = (z_stream){.zalloc = zlib_get, .zfree = zlib_put, .opaque = a};
  s->fed = 0;
  s->made = 0;
  if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
    return host_fail(s->err, ST_INTERNAL, "%s: zlib does not start", file.z);
  feed(s);
  for (;;) {
    s->z.next_out = (Bytef *)(to ? to + s->made : window);
    s->z.avail_out = WINDOW;
    if (to && max_bytes - (int64_t)s->made < WINDOW) s->z.avail_out = (uInt)(max_bytes - (int64_t)s->made);
    uInt room = s->z.avail_out;
    int r = inflate(&s->z, Z_NO_FLUSH);
    s->made += room - s->z.avail_out;
    size_t at = s->fed - s->z.avail_in;
    if (!to && s->made > (uint64_t)max_bytes)
      return host_fail(s->err, ST_LIMIT, "%s: unpacks to more than the limit 'data_bytes' of %lld allows",
                       file.z, (long long)max_bytes);
    if (r == Z_STREAM_END) {
      if (s->z.avail_in == 0) feed(s);
      if (s->z.avail_in == 0) return true;
      if (s->z.next_in[0] != 0x1f)
        return host_fail(s->err, ST_BAD_DATA, "%s: %zu bytes behind the end of the packed data at byte %zu",
                         file.z, s->packed.n - at, at);
      if (inflateReset(&s->z) != Z_OK)
        return host_fail(s->err, ST_INTERNAL, "%s: zlib does not go on", file.z);
      continue;
    }
    if (r == Z_OK && s->z.avail_in == 0) feed(s);
    if (r == Z_OK) continue;
    if (r == Z_BUF_ERROR && s->z.avail_in == 0) {
      feed(s);
      if (s->z.avail_in) continue;
      return host_fail(s->err, ST_BAD_DATA,
                       "%s: truncated: packed data ends after %zu bytes, %llu unpacked, without its trailer",
                       file.z, s->packed.n, (unsigned long long)s->made);
    }
    return host_fail(s->err, ST_BAD_DATA, "%s: packed data is damaged near byte %zu: %s", file.z, at,
                     s->z.msg ? s->z.msg : "not a gzip stream");
  }
}

bool data_gunzip(Arena *a, Str name, Str packed, int64_t max_bytes, Str *out, HostError *err) {
  const unsigned char *b = (const unsigned char *)packed.p;
  HostShown file = host_show(name);
  if (packed.n < 2 || b[0] != 0x1f || b[1] != 0x8b)
    return host_fail(err, ST_BAD_DATA, "%s: not a gzip file: magic 1f 8b expected, found '%s'", file.z,
                     host_show((Str){packed.p, packed.n < 2 ? packed.n : 2}).z);
  if (packed.n >= 18 && fast(a, packed, max_bytes, out))
    return true; /* 18: header and trailer of an empty member */
  Stream s = {.name = name, .packed = packed, .err = err};
  ArenaMark mark = arena_mark(a);
  bool ok = run(&s, a, NULL, max_bytes);
  arena_rewind(a, mark);
  if (!ok) return false;
  size_t size = (size_t)s.made, room;
  if (!size_add(size, 1, &room)) return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  char *p = ARENA_ARRAY(a, char, room); /* one byte more, so that zlib never stands before a full buffer */
  *out = (Str){p, size};
  return run(&s, a, p, (int64_t)room);
}
