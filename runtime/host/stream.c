#include "runtime/host/stream.h"

#include "base/size.h"

static bool fail_file(DataStream *s, const FileError *fe) { return host_fail_file(s->err, fe, "data_bytes"); }

/* Reads on until `n` bytes of an unpacked file, or all of fewer, are at hand. */
static bool look(DataStream *s, size_t n) {
  FileError fe;
  if (n > s->file.size) n = s->file.size;
  if (n <= s->bytes.n) return true;
  char *p = ARENA_ARRAY(s->scratch, char, n);
  memcpy(p, s->bytes.p, s->bytes.n);
  if (!file_take(&s->file, p + s->bytes.n, n - s->bytes.n, &fe)) return fail_file(s, &fe);
  s->bytes = (Str){p, n};
  return true;
}

/* All of the file as it is. */
static bool read_all(DataStream *s, Arena *a, Str *out) {
  FileError fe;
  size_t room;
  if (!size_add(s->file.size, 1, &room))
    return host_fail(s->err, ST_LIMIT, "%s: sizes overflow", host_show(s->name).z);
  char *p = ARENA_ARRAY(a, char, room);
  memcpy(p, s->bytes.p, s->bytes.n);
  if (!file_take(&s->file, p + s->bytes.n, s->file.size - s->bytes.n, &fe) || !file_ended(&s->file, &fe))
    return fail_file(s, &fe);
  *out = (Str){p, s->file.size};
  return true;
}

/* Whether the bytes are a gzip stream decides their magic; a name ending in .gz demands it. */
bool stream_open(DataStream *s) {
  enum { MAGIC = 2 };
  FileError fe;
  bool named = str_ends(s->name, STR(".gz"));
  s->bytes = STR("");
  if (!file_open(s->scratch->mem, s->name, s->limit->data_bytes, &s->file, &fe)) return fail_file(s, &fe);
  if (!look(s, MAGIC)) return false;
  s->packed = str_starts(s->bytes, STR("\x1f\x8b"));
  if (named && !s->packed)
    return host_fail(s->err, ST_BAD_DATA, "%s: not a gzip file: magic 1f 8b expected, found '%s'",
                     host_show(s->name).z, host_show(s->bytes).z);
  Str all;
  if (!s->packed) return true;
  if (!read_all(s, s->scratch, &all)) return false;
  s->bytes = all;
  return true;
}

bool stream_head(DataStream *s, size_t n, Str *out, bool *cut) {
  if (s->packed) {
    if (!gunzip_head(s->scratch, s->name, s->bytes, n, out, s->err)) return false;
    *cut = out->n == n;
    return true;
  }
  if (!look(s, n)) return false;
  *out = (Str){s->bytes.p, n < s->bytes.n ? n : s->bytes.n};
  *cut = s->file.size > out->n;
  return true;
}

bool stream_exactly(DataStream *s, Arena *a, FileHead h, Str *out) {
  if (!s->packed) {
    if (s->file.size != h.all) return fail_length(s->name, h, s->file.size, s->err);
    return read_all(s, a, out);
  }
  if (h.all > unpack_most(s->bytes.n, s->limit)) return fail_unpacked(s->name, s->bytes.n, s->limit, s->err);
  return gunzip_exactly(a, s->name, s->bytes, h, out, s->err);
}

bool stream_all(DataStream *s, Arena *a, Str *out) {
  return s->packed ? gunzip_all(a, s->name, s->bytes, s->limit, out, s->err) : read_all(s, a, out);
}

void stream_close(DataStream *s) { file_close(&s->file); }
