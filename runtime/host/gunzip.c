/* Unpacking .gz. libdeflate does the usual case at once (one member whose trailer tells its size). Everything
 * else (several members, 4 GiB and more, any fault) goes through zlib's stream: once to measure without
 * keeping anything, so that the bound holds before memory is taken and each fault gets its name, and once
 * more into memory of that size. */
#include "base/size.h"
#include "runtime/host/readers.h"

#include <libdeflate.h>
#include <zlib.h>

/* Deflate cannot pack better than about 1032 to 1; a trailer that says more lies, and shall not make us
 * allocate. */
enum { MOST_RATIO = 1032 };

static size_t trailer_size(Str packed) {
  const unsigned char *tail = (const unsigned char *)packed.p + packed.n - 4;
  return tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
}

/* One member of exactly `size` bytes. */
static bool fast(Arena *a, Str packed, size_t size, Str *out) {
  size_t most, used, made;
  if (!size_mul(packed.n, MOST_RATIO, &most) || size > most) return false;
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

/* Where the bytes go, and how many there may be. */
typedef struct Goal {
  char *to;      /* NULL: into a window that is overwritten, to measure */
  uint64_t room; /* of `to`, and the most that may come */
  bool part;     /* stop at `room`: what follows is not asked for */
} Goal;

static bool fail_rest(Stream *s, size_t at) {
  return host_fail(s->err, ST_BAD_DATA, "%s: %zu bytes behind the end of the packed data at byte %zu",
                   host_show(s->name).z, s->packed.n - at, at);
}

/* Behind a member: the next one begins, or *end. */
static bool next_member(Stream *s, bool *end) {
  size_t at = s->fed - s->z.avail_in;
  if (s->z.avail_in == 0) feed(s);
  *end = s->z.avail_in == 0;
  if (*end) return true;
  if (s->z.next_in[0] != 0x1f) return fail_rest(s, at);
  if (inflateReset(&s->z) == Z_OK) return true;
  return host_fail(s->err, ST_INTERNAL, "%s: zlib does not go on", host_show(s->name).z);
}

/* *beyond: more than g.room bytes come. */
static bool run(Stream *s, Arena *a, Goal g, bool *beyond) {
  enum { WINDOW = 1 << 16 };
  HostShown file = host_show(s->name);
  char *window = ARENA_ARRAY(a, char, WINDOW);
  s->z = (z_stream){.zalloc = zlib_get, .zfree = zlib_put, .opaque = a};
  s->fed = 0;
  s->made = 0;
  *beyond = false;
  if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
    return host_fail(s->err, ST_INTERNAL, "%s: zlib does not start", file.z);
  feed(s);
  for (;;) {
    if (g.part && s->made == g.room) return true;
    s->z.next_out = (Bytef *)(g.to ? g.to + s->made : window);
    s->z.avail_out = g.to && g.room - s->made < WINDOW ? (uInt)(g.room - s->made) : WINDOW;
    uInt room = s->z.avail_out;
    int r = inflate(&s->z, Z_NO_FLUSH);
    s->made += room - s->z.avail_out;
    size_t at = s->fed - s->z.avail_in;
    if (s->made > g.room) return *beyond = true;
    if (r == Z_STREAM_END) {
      bool end;
      if (!next_member(s, &end)) return false;
      if (end) return true;
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

static bool has_magic(Str name, Str packed, HostError *err) {
  const unsigned char *b = (const unsigned char *)packed.p;
  if (packed.n >= 2 && b[0] == 0x1f && b[1] == 0x8b) return true;
  return host_fail(err, ST_BAD_DATA, "%s: not a gzip file: magic 1f 8b expected, found '%s'",
                   host_show(name).z, host_show((Str){packed.p, packed.n < 2 ? packed.n : 2}).z);
}

enum { EMPTY_MEMBER = 18 }; /* bytes of header and trailer */

/* What is measured to be `s->made` bytes. */
static bool fill(Stream *s, Arena *a, Str *out) {
  size_t size = (size_t)s->made, room;
  bool beyond;
  if (!size_add(size, 1, &room))
    return host_fail(s->err, ST_LIMIT, "%s: sizes overflow", host_show(s->name).z);
  char *p = ARENA_ARRAY(a, char, room); /* one byte more, so that zlib never stands before a full buffer */
  *out = (Str){p, size};
  return run(s, a, (Goal){p, room, false}, &beyond);
}

static bool measure(Stream *s, Arena *a, uint64_t most, bool *beyond) {
  ArenaMark mark = arena_mark(a);
  bool ok = run(s, a, (Goal){NULL, most, false}, beyond);
  arena_rewind(a, mark);
  return ok;
}

uint64_t unpack_most(size_t packed, const DataLimits *l) {
  size_t by_ratio;
  if (!size_mul(packed, (size_t)l->unpack_ratio, &by_ratio) || by_ratio > (uint64_t)l->data_bytes)
    return (uint64_t)l->data_bytes;
  uint64_t most = by_ratio < DATA_UNPACK_FREE ? DATA_UNPACK_FREE : by_ratio;
  return most < (uint64_t)l->data_bytes ? most : (uint64_t)l->data_bytes;
}

bool fail_unpacked(Str name, size_t packed, const DataLimits *l, HostError *err) {
  HostShown file = host_show(name);
  if (unpack_most(packed, l) == (uint64_t)l->data_bytes)
    return host_fail(err, ST_LIMIT, "%s: unpacks to more than the limit 'data_bytes' of %lld allows", file.z,
                     (long long)l->data_bytes);
  return host_fail(
      err, ST_LIMIT,
      "%s: more than %llu bytes to unpack from %zu: beyond 64 MiB the limit 'unpack_ratio' allows "
      "%lld for each packed one",
      file.z, (unsigned long long)unpack_most(packed, l), packed, (long long)l->unpack_ratio);
}

bool gunzip_all(Arena *a, Str name, Str packed, const DataLimits *l, Str *out, HostError *err) {
  bool beyond;
  uint64_t most = unpack_most(packed.n, l);
  if (!has_magic(name, packed, err)) return false;
  size_t size = packed.n >= EMPTY_MEMBER ? trailer_size(packed) : SIZE_MAX;
  if (size <= most && fast(a, packed, size, out)) return true;
  Stream s = {.name = name, .packed = packed, .err = err};
  if (!measure(&s, a, most, &beyond)) return false;
  return beyond ? fail_unpacked(name, packed.n, l, err) : fill(&s, a, out);
}

bool data_gunzip(Arena *a, Str name, Str packed, int64_t max_bytes, Str *out, HostError *err) {
  return gunzip_all(a, name, packed, &(DataLimits){max_bytes, INT64_MAX, INT64_MAX}, out, err);
}

bool gunzip_head(Arena *a, Str name, Str packed, size_t n, Str *out, HostError *err) {
  bool beyond;
  if (!has_magic(name, packed, err)) return false;
  Stream s = {.name = name, .packed = packed, .err = err};
  char *p = ARENA_ARRAY(a, char, n);
  bool ok = run(&s, a, (Goal){p, n, true}, &beyond);
  *out = (Str){p, (size_t)s.made};
  return ok;
}

bool gunzip_exactly(Arena *a, Str name, Str packed, FileHead h, Str *out, HostError *err) {
  bool beyond;
  if (packed.n >= EMPTY_MEMBER && fast(a, packed, h.all, out)) return true;
  Stream s = {.name = name, .packed = packed, .err = err};
  if (!measure(&s, a, h.all, &beyond)) return false;
  if (beyond || s.made != h.all) return fail_length(name, h, beyond ? SIZE_MAX : (size_t)s.made, err);
  return fill(&s, a, out);
}
