/* Opening a data file: which format it has, whether it can be what is wanted, and its rows. */
#include "base/size.h"
#include "runtime/host/stream.h"

#include <stdio.h>

bool fail_length(Str name, FileHead h, size_t found, HostError *err) {
  HostShown file = host_show(name);
  if (found == SIZE_MAX)
    return host_fail(err, ST_BAD_DATA,
                     "%s: bytes behind the data: %zu bytes expected by its header, found more", file.z,
                     h.all);
  return host_fail(err, ST_BAD_DATA, "%s: %s: %zu bytes expected by its header, found %zu", file.z,
                   found < h.all ? "truncated" : "bytes behind the data", h.all, found);
}

bool rows_behind(Str bytes, FileHead h, DataSource *out, HostError *err) {
  if (bytes.n != h.all) return fail_length(out->name, h, bytes.n, err);
  out->rows = bytes.p + h.data;
  return source_finish(out, err);
}

static const struct Reader {
  const char *name, *endings, *part;
  Str magic;
} reader[] = {
#define READER(id, name, endings, magic, part, counts, header)                                               \
  [DATA_##id] = {#name, endings, part, {magic, sizeof(magic) - 1}},
#include "base/readers.def"
#undef READER
};
enum { READERS = sizeof reader / sizeof reader[0] };

DataFormat data_format_named(Str name) {
  for (int i = DATA_BY_NAME + 1; i < READERS; i++)
    if (str_eq(name, str_z(reader[i].name))) return (DataFormat)i;
  return DATA_BY_NAME;
}

/* Does the name end in one of the words of `endings`? */
static bool ends_so(Str name, const char *endings) {
  for (const char *at = endings; *at;) {
    size_t n = strcspn(at, " ");
    if (str_ends(name, (Str){at, n})) return true;
    at += n + (at[n] == ' ');
  }
  return false;
}

static DataFormat format_of(Str name, Str head) {
  if (str_ends(name, STR(".gz"))) name.n -= 3;
  for (int i = DATA_BY_NAME + 1; i < READERS; i++)
    if (ends_so(name, reader[i].endings)) return (DataFormat)i;
  for (int i = DATA_BY_NAME + 1; i < READERS; i++)
    if (reader[i].magic.n && str_starts(head, reader[i].magic)) return (DataFormat)i;
  return DATA_BY_NAME;
}

static bool fail_format(Str path, HostError *err) {
  char known[200];
  size_t n = 0;
  for (int i = DATA_BY_NAME + 1; i < READERS && n < sizeof known; i++)
    n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? " " : "", reader[i].endings);
  return host_fail(err, ST_BAD_DATA, "%s: neither its name (%s) nor its content says what format it has",
                   host_show(path).z, known);
}

/* Is what the head promises of use? Asked as soon as the shape is known, with those extents that are. */
static bool wanted(const DataSource *s, const DataWant *w, HostError *err) {
  for (uint32_t i = 0; w && i < w->rank; i++)
    if (w->dim[i] < 0) return true;
  if (!w || s->dim[0] == 0) return true;
  return w->whole ? data_fits_whole(s, w->input, w->dim, w->rank, err)
                  : data_fits(s, w->input, w->dim, w->rank, err);
}

typedef bool HeadOf(Str name, Str head, DataSource *out, FileHead *h, HostError *err);

static bool open_headed(Arena *a, DataStream *s, HeadOf *head_of, const DataWant *w, DataSource *out) {
  Str bytes;
  FileHead h;
  bool cut;
  return stream_head(s, HEAD_BYTES, &bytes, &cut) && head_of(out->name, bytes, out, &h, s->err) &&
         wanted(out, w, s->err) && stream_exactly(s, a, h, &bytes) && rows_behind(bytes, h, out, s->err);
}

static bool open_csv(Arena *a, DataStream *s, const DataOpen *how, DataSource *out) {
  Str text;
  size_t most;
  bool cut, enough = false;
  enum { BOM_AND_ONE = 4 }; /* so much that a record within the limit ends, or does not */
  if (!size_add((size_t)how->limit.line_bytes, BOM_AND_ONE, &most))
    return host_fail(s->err, ST_LIMIT, "%s: sizes overflow", host_show(s->name).z);
  if (!stream_head(s, HEAD_BYTES, &text, &cut) || !csv_head(out->name, text, cut, how, &enough, s->err))
    return false;
  if (!enough &&
      (!stream_head(s, most, &text, &cut) || !csv_head(out->name, text, cut, how, &enough, s->err)))
    return false;
  return stream_all(s, s->scratch, &text) && read_csv(a, s->scratch, text, how, out, s->err) &&
         wanted(out, how->want, s->err);
}

static bool open_safetensors(Arena *a, DataStream *s, const DataOpen *how, DataSource *out) {
  Str bytes;
  bool cut;
  return stream_head(s, SAFETENSORS_LENGTH, &bytes, &cut) && safetensors_head(out->name, bytes, s->err) &&
         stream_all(s, s->scratch, &bytes) && read_safetensors(a, s->scratch, bytes, how, out, s->err) &&
         wanted(out, how->want, s->err);
}

static bool open_tokens(Arena *a, DataStream *s, const DataOpen *how, DataSource *out) {
  Str bytes;
  return stream_all(s, s->scratch, &bytes) && read_tokens(a, bytes, how, out, s->err) &&
         wanted(out, how->want, s->err);
}

/* "csv, safetensors and tokens": of which a part can be chosen. */
static Str with_parts(Arena *a) {
  int last = READERS - 1;
  Sb b;
  sb_init(&b, a);
  while (!*reader[last].part) last--;
  for (int i = DATA_BY_NAME + 1; i <= last; i++)
    if (*reader[i].part) sb_fmt(&b, "%s%s", !b.n ? "" : i == last ? " and " : ", ", reader[i].name);
  return sb_str(&b);
}

static bool open_with(Arena *a, DataStream *s, const DataOpen *how, DataSource *out) {
  Str head;
  bool cut;
  enum { MAGIC = 8 };
  if (!stream_open(s)) return false;
  *out = (DataSource){.name = str_copy(a, s->name), .allow_non_finite = how->allow_non_finite};
  DataFormat format = how->format;
  if (format == DATA_BY_NAME) {
    if (!stream_head(s, MAGIC, &head, &cut)) return false;
    format = format_of(s->name, head);
  }
  if (format == DATA_BY_NAME) return fail_format(s->name, s->err);
  if (how->parts && !*reader[format].part)
    return host_fail(s->err, ST_USAGE, "%s: a part can be chosen of " STRF " files alone, this is %s",
                     host_show(s->name).z, STRA(with_parts(s->scratch)), reader[format].name);
  switch (format) {
  case DATA_IDX: return open_headed(a, s, idx_head, how->want, out);
  case DATA_NPY: return open_headed(a, s, npy_head, how->want, out);
  case DATA_CSV: return open_csv(a, s, how, out);
  case DATA_SAFETENSORS: return open_safetensors(a, s, how, out);
  case DATA_TOKENS: return open_tokens(a, s, how, out);
  case DATA_BY_NAME: break;
  }
  return fail_format(s->name, s->err);
}

bool data_open(Arena *a, Str path, const DataOpen *how, DataSource *out, HostError *err) {
  Arena scratch; /* the packed file goes away again */
  Rescue r;
  arena_init(&scratch, a->mem);
  DataStream *s = ARENA_NEW(&scratch, DataStream);
  *s = (DataStream){.name = path, .scratch = &scratch, .limit = &how->limit, .err = err, .file = {.fd = -1}};
  if (RESCUE(a->mem, &r)) {
    bool ok = open_with(a, s, how, out);
    rescue_end(a->mem, &r);
    stream_close(s);
    arena_release(&scratch);
    return ok;
  }
  stream_close(s);
  arena_release(&scratch);
  mem_raise(a->mem, r.status, "%s", r.what);
}
