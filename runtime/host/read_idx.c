/* IDX, the format of MNIST and its relatives (LeCun): bytes 0 0 TYPE RANK, then one big-endian 32-bit extent
 * an axis, then the elements. Only unsigned bytes are in use (TYPE 8). */
#include "base/size.h"
#include "runtime/host/readers.h"

static const char *idx_type_name(unsigned char t) {
  switch (t) {
  case 0x08: return "unsigned byte";
  case 0x09: return "signed byte";
  case 0x0b: return "16-bit integer";
  case 0x0c: return "32-bit integer";
  case 0x0d: return "32-bit float";
  case 0x0e: return "64-bit float";
  }
  return NULL;
}

bool idx_head(Str name, Str bytes, DataSource *out, FileHead *h, HostError *err) {
  const unsigned char *p = (const unsigned char *)bytes.p;
  HostShown file = host_show(name);
  if (bytes.n < 4)
    return host_fail(err, ST_BAD_DATA, "%s: not an IDX file: at least 4 bytes expected, found %zu", file.z,
                     bytes.n);
  if (p[0] || p[1] || !idx_type_name(p[2]))
    return host_fail(err, ST_BAD_DATA, "%s: not an IDX file: magic 00 00 08 expected, found %02x %02x %02x",
                     file.z, p[0], p[1], p[2]);
  if (p[2] != 8)
    return host_fail(err, ST_BAD_DATA,
                     "%s: IDX elements of type unsigned byte (08) expected, found %s (%02x)", file.z,
                     idx_type_name(p[2]), p[2]);
  if (p[3] < 1 || p[3] > DATA_MAX_RANK)
    return host_fail(err, ST_BAD_DATA, "%s: 1 to %d axes expected, found %d", file.z, DATA_MAX_RANK, p[3]);
  size_t head, need;
  if (!size_mul(p[3], 4, &head) || !size_add(head, 4, &head))
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  if (bytes.n < head)
    return host_fail(err, ST_BAD_DATA, "%s: IDX header of %zu bytes expected, found %zu", file.z, head,
                     bytes.n);
  out->type = DATA_U8;
  out->rank = p[3];
  for (uint32_t i = 0; i < out->rank; i++) {
    const unsigned char *d = p + 4 + 4 * i; /* i is below 8 */
    out->dim[i] = (int64_t)d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
  }
  if (!size_product(out->dim, out->rank, &need) || !size_add(need, head, &need))
    return host_fail(err, ST_BAD_DATA, "%s: the shape in the IDX header overflows", file.z);
  *h = (FileHead){head, need};
  return source_sizes(out, err);
}
