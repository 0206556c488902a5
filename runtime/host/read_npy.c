/* NumPy's .npy, versions 1 to 3: magic, version, header length, a Python dictionary with exactly three
 * entries, data. Read strictly: little-endian C order of the types we have; everything else is refused by
 * name. */
#include "base/size.h"
#include "runtime/host/readers.h"

typedef struct Npy {
  Str name;
  const char *from, *at, *end; /* the header's dictionary */
  HostError *err;
  Str descr;
  DataSource *out;
} Npy;

static bool fail(Npy *p, const char *expected) {
  Str rest = {p->at, (size_t)(p->end - p->at)};
  if (rest.n > 12) rest.n = 12;
  HostShown found = host_show(rest);
  return host_fail(p->err, ST_BAD_DATA, "%s: npy header, byte %zu: %s expected, found '%s'",
                   host_show(p->name).z, (size_t)(p->at - p->from), expected, found.z);
}

static void skip_space(Npy *p) {
  while (p->at < p->end && *p->at == ' ') p->at++;
}

static bool take(Npy *p, char c) {
  skip_space(p);
  if (p->at == p->end || *p->at != c) return false;
  p->at++;
  return true;
}

static bool take_word(Npy *p, Str w) {
  skip_space(p);
  if (!str_starts((Str){p->at, (size_t)(p->end - p->at)}, w)) return false;
  p->at += w.n;
  return true;
}

/* 'text' or "text" without escapes. */
static bool text(Npy *p, Str *out) {
  skip_space(p);
  if (p->at == p->end || (*p->at != '\'' && *p->at != '"')) return fail(p, "a quoted text");
  const char *close = memchr(p->at + 1, *p->at, (size_t)(p->end - p->at - 1));
  if (!close) return fail(p, "a closed text");
  *out = (Str){p->at + 1, (size_t)(close - p->at - 1)};
  p->at = close + 1;
  return true;
}

/* (), (3,), (3, 4), (3, 4,) */
static bool shape(Npy *p) {
  DataSource *s = p->out;
  if (!take(p, '(')) return fail(p, "'('");
  for (bool comma = true; !take(p, ')'); comma = take(p, ',')) {
    if (!comma) return fail(p, "',' or ')'");
    if (s->rank == DATA_MAX_RANK) return fail(p, "at most 8 axes");
    skip_space(p);
    const char *digits = p->at;
    int64_t v = 0;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
      if (!i64_mul(v, 10, &v) || !i64_add(v, *p->at - '0', &v))
        return fail(p, "an extent of at most 63 bits");
    if (p->at == digits) return fail(p, "an extent");
    s->dim[s->rank++] = v;
    skip_space(p);
    if (s->rank == 1 && p->at < p->end && *p->at == ')')
      return fail(p, "','"); /* (3) is a number in Python */
  }
  return true;
}

static bool dictionary(Npy *p) {
  enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
  unsigned seen = 0;
  if (!take(p, '{')) return fail(p, "'{'");
  for (bool comma = true; !take(p, '}'); comma = take(p, ',')) {
    Str key;
    if (!comma) return fail(p, "',' or '}'");
    skip_space(p);
    const char *at = p->at;
    if (!text(p, &key)) return false;
    unsigned k = str_eq(key, STR("descr"))           ? DESCR
                 : str_eq(key, STR("fortran_order")) ? ORDER
                 : str_eq(key, STR("shape"))         ? SHAPE
                                                     : 0;
    if (!k || (seen & k)) {
      p->at = at;
      return fail(p, "one each of 'descr', 'fortran_order', 'shape'");
    }
    seen |= k;
    if (!take(p, ':')) return fail(p, "':'");
    if (k == DESCR && take(p, '['))
      return host_fail(p->err, ST_BAD_DATA, "%s: records (a structured dtype) are not supported",
                       host_show(p->name).z);
    if (k == DESCR && !text(p, &p->descr)) return false;
    if (k == ORDER && take_word(p, STR("True")))
      return host_fail(p->err, ST_BAD_DATA,
                       "%s: C order expected, found Fortran order: save numpy.ascontiguousarray(x)",
                       host_show(p->name).z);
    if (k == ORDER && !take_word(p, STR("False"))) return fail(p, "True or False");
    if (k == SHAPE && !shape(p)) return false;
  }
  if (seen != (DESCR | ORDER | SHAPE)) return fail(p, "'descr', 'fortran_order' and 'shape'");
  skip_space(p);
  if (p->end - p->at != 1 || *p->at != '\n') return fail(p, "spaces and a line end");
  return true;
}

static bool element_type(Npy *p) {
  static const struct {
    const char *descr;
    DataType type;
  } known[] = {{"<f4", DATA_F32}, {"<f8", DATA_F64}, {"<i4", DATA_I32}, {"<i8", DATA_I64},
               {"|u1", DATA_U8},  {"|i1", DATA_I8},  {"|b1", DATA_BOOL}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (str_eq(p->descr, str_z(known[i].descr))) {
      p->out->type = known[i].type;
      return true;
    }
  return host_fail(p->err, ST_BAD_DATA,
                   "%s: dtype f4, f8, i4, i8, u1, i1 or b1 in little-endian order expected, found '%s'",
                   host_show(p->name).z, host_show(p->descr).z);
}

bool npy_head(Str name, Str bytes, DataSource *out, FileHead *h, HostError *err) {
  const unsigned char *b = (const unsigned char *)bytes.p;
  HostShown file = host_show(name);
  Str magic = {bytes.p, bytes.n < 6 ? bytes.n : 6};
  if (!str_eq(magic, STR("\x93NUMPY")))
    return host_fail(err, ST_BAD_DATA, "%s: not an npy file: magic '\\x93NUMPY' expected, found '%s'", file.z,
                     host_show(magic).z);
  if (bytes.n < 10)
    return host_fail(err, ST_BAD_DATA, "%s: truncated: at least 10 bytes expected, found %zu", file.z,
                     bytes.n);
  if (b[6] < 1 || b[6] > 3 || b[7] != 0)
    return host_fail(err, ST_BAD_DATA, "%s: npy version 1.0, 2.0 or 3.0 expected, found %d.%d", file.z, b[6],
                     b[7]);
  size_t head = b[6] == 1 ? 10 : 12, length = b[8] | (size_t)b[9] << 8, data, need;
  if (bytes.n < head)
    return host_fail(err, ST_BAD_DATA, "%s: truncated: at least %zu bytes expected, found %zu", file.z, head,
                     bytes.n);
  if (b[6] > 1) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  if (!size_add(head, length, &data))
    return host_fail(err, ST_BAD_DATA, "%s: the npy header's length overflows", file.z);
  if (bytes.n < data && bytes.n >= HEAD_BYTES)
    return host_fail(err, ST_BAD_DATA, "%s: npy header of %zu bytes: at most %d expected", file.z, data,
                     HEAD_BYTES);
  if (bytes.n < data)
    return host_fail(err, ST_BAD_DATA, "%s: truncated: npy header of %zu bytes expected, found %zu", file.z,
                     data, bytes.n);
  Npy p = {name, bytes.p + head, bytes.p + head, bytes.p + data, err, {"", 0}, out};
  if (!dictionary(&p) || !element_type(&p)) return false;
  if (out->rank == 0)
    return host_fail(err, ST_BAD_DATA, "%s: an array with at least one axis expected, found a single number",
                     file.z);
  if (!size_product(out->dim, out->rank, &need) || !size_mul(need, data_type_bytes(out->type), &need) ||
      !size_add(need, data, &need))
    return host_fail(err, ST_BAD_DATA, "%s: the shape in the npy header overflows", file.z);
  *h = (FileHead){data, need};
  return source_sizes(out, err);
}
