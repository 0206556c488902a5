/* Reading safetensors. The header is read twice by one parser of exactly this schema: first to count, then to
 * fill tables of known size. Its depth is fixed, so hostile nesting is just a wrong character. */
#include "runtime/core/checked.h"
#include "runtime/core/safetensors_parser.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool text_is(SafeText a, const char *z) { return safe_text_eq(a, (SafeText){z, strlen(z)}); }

static bool parse_metadata(SafeParser *p) {
  if (!safe_expect(p, '{')) return false;
  if (safe_closes(p, '}')) return true;
  for (bool go_on = true; go_on;) {
    SafeMeta m;
    safe_skip_space(p);
    const unsigned char *at = p->at;
    if (!safe_parse_text(p, p->out != NULL, &m.key) || !safe_expect(p, ':') ||
        !safe_parse_text(p, p->out != NULL, &m.value))
      return false;
    if (p->out) {
      for (size_t i = 0; i < p->metas && p->metas < 64; i++)
        if (safe_text_eq(p->out->meta[i].key, m.key))
          return safe_fail_at(p, at, "metadata '%s' stands twice", safe_show(m.key).z);
      p->out->meta[p->metas] = m;
    }
    if (++p->metas > 64) return safe_fail_at(p, at, "more than 64 metadata entries");
    if (!safe_more(p, '}', &go_on)) return false;
  }
  return true;
}

static bool parse_shape(SafeParser *p, SafeTensor *t) {
  if (!safe_expect(p, '[')) return false;
  if (safe_closes(p, ']')) return true;
  for (bool go_on = true; go_on;) {
    safe_skip_space(p);
    if (t->rank == SAFE_MAX_RANK)
      return safe_fail_at(p, p->at, "tensor '%s' has more than %d axes", safe_show(t->name).z, SAFE_MAX_RANK);
    if (!safe_parse_number(p, &t->dim[t->rank])) return false;
    t->rank++;
    if (!safe_more(p, ']', &go_on)) return false;
  }
  return true;
}

static bool parse_dtype(SafeParser *p, SafeTensor *t) {
  SafeText name;
  safe_skip_space(p);
  const unsigned char *at = p->at;
  if (!safe_parse_text(p, true, &name)) return false;
  for (int i = 0; i < SAFE_DTYPE_COUNT; i++)
    if (text_is(name, safe_dtype_name((SafeDtype)i))) return t->dtype = (SafeDtype)i, true;
  return safe_fail_at(p, at, "tensor '%s' has unknown type '%s'", safe_show(t->name).z, safe_show(name).z);
}

static bool parse_tensor(SafeParser *p, SafeTensor *t, uint64_t data_bytes, uint64_t data_at) {
  enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
  unsigned seen = 0;
  const unsigned char *from = p->at;
  if (!safe_expect(p, '{')) return false;
  if (!safe_closes(p, '}')) {
    for (bool go_on = true; go_on;) {
      SafeText key;
      safe_skip_space(p);
      const unsigned char *at = p->at;
      if (!safe_parse_text(p, true, &key) || !safe_expect(p, ':')) return false;
      unsigned k = text_is(key, "dtype")          ? DTYPE
                   : text_is(key, "shape")        ? SHAPE
                   : text_is(key, "data_offsets") ? OFFSETS
                                                  : 0;
      if (!k)
        return safe_fail_at(p, at, "tensor '%s' has an unknown entry '%s'", safe_show(t->name).z,
                            safe_show(key).z);
      if (seen & k)
        return safe_fail_at(p, at, "tensor '%s' has two entries '%s'", safe_show(t->name).z,
                            safe_show(key).z);
      seen |= k;
      if (k == DTYPE && !parse_dtype(p, t)) return false;
      if (k == SHAPE && !parse_shape(p, t)) return false;
      if (k == OFFSETS && !(safe_expect(p, '[') && safe_parse_number(p, &t->lo) && safe_expect(p, ',') &&
                            safe_parse_number(p, &t->hi) && safe_expect(p, ']')))
        return false;
      if (!safe_more(p, '}', &go_on)) return false;
    }
  }
  SafeShown name = safe_show(t->name);
  if (!(seen & DTYPE)) return safe_fail_at(p, from, "tensor '%s' has no entry 'dtype'", name.z);
  if (!(seen & SHAPE)) return safe_fail_at(p, from, "tensor '%s' has no entry 'shape'", name.z);
  if (!(seen & OFFSETS)) return safe_fail_at(p, from, "tensor '%s' has no entry 'data_offsets'", name.z);
  uint64_t need, place;
  if (!safe_tensor_bytes(t, &need))
    return safe_fail_at(p, from, "size of tensor '%s' does not fit 64 bits", name.z);
  if (t->lo > t->hi) return safe_fail_at(p, from, "tensor '%s' ends before it begins", name.z);
  if (t->hi > data_bytes)
    return safe_fail_at(p, from,
                        "tensor '%s' ends at byte %" PRIu64 ", the file has %" PRIu64 " bytes of data",
                        name.z, t->hi, data_bytes);
  if (t->hi - t->lo != need)
    return safe_fail_at(p, from, "tensor '%s' has %" PRIu64 " bytes, its type and shape need %" PRIu64,
                        name.z, t->hi - t->lo, need);
  if (!checked_add(data_at, t->lo, &place) || place % safe_dtype_bytes(t->dtype))
    return safe_fail_at(p, from, "tensor '%s' is not aligned to its element size", name.z);
  return true;
}

static bool parse_header(SafeParser *p, uint64_t data_bytes, uint64_t data_at) {
  if (p->at == p->end || *p->at != '{') return safe_fail_at(p, p->at, "header does not begin with '{'");
  p->at++;
  bool has_meta = false;
  if (!safe_closes(p, '}')) {
    for (bool go_on = true; go_on;) {
      SafeTensor t = {0};
      safe_skip_space(p);
      const unsigned char *at = p->at;
      if (!safe_parse_text(p, true, &t.name) || !safe_expect(p, ':')) return false;
      if (text_is(t.name, SAFE_META_KEY)) {
        if (has_meta) return safe_fail_at(p, at, "two entries '" SAFE_META_KEY "'");
        has_meta = true;
        if (!parse_metadata(p)) return false;
      } else {
        safe_skip_space(p);
        if (!parse_tensor(p, &t, data_bytes, data_at)) return false;
        if (p->out) p->out->tensor[p->tensors] = t;
        p->tensors++;
      }
      if (!safe_more(p, '}', &go_on)) return false;
    }
  }
  for (; p->at < p->end; p->at++)
    if (*p->at != ' ') return safe_fail_at(p, p->at, "byte 0x%02x after the header's end", *p->at);
  return true;
}

static int by_place(const void *a, const void *b) {
  const SafeTensor *x = a, *y = b;
  if (x->lo != y->lo) return x->lo < y->lo ? -1 : 1;
  if (x->hi != y->hi) return x->hi < y->hi ? -1 : 1;
  return safe_text_cmp(x->name, y->name);
}

/* Unique names; in order of place, each tensor begins where the one before ends and the last ends with the
 * file. */
static bool check_tiling(SafeParser *p, SafeFile *f) {
  const unsigned char *data = f->data;
  if (f->tensors > 1) qsort(f->tensor, f->tensors, sizeof f->tensor[0], safe_by_name);
  for (size_t i = 1; i < f->tensors; i++)
    if (safe_text_eq(f->tensor[i - 1].name, f->tensor[i].name))
      return safe_fail_at(p, p->file + 8, "two tensors are named '%s'", safe_show(f->tensor[i].name).z);
  if (f->tensors > 1) qsort(f->tensor, f->tensors, sizeof f->tensor[0], by_place);
  uint64_t end = 0;
  for (size_t i = 0; i < f->tensors; i++) {
    const SafeTensor *t = &f->tensor[i];
    if (t->lo < end)
      return safe_fail_at(p, data + t->lo, "tensor '%s' overlaps the one before it", safe_show(t->name).z);
    if (t->lo > end)
      return safe_fail_at(p, data + end, "%" PRIu64 " bytes before tensor '%s' belong to none", t->lo - end,
                          safe_show(t->name).z);
    end = t->hi;
  }
  if (end != f->data_bytes)
    return safe_fail_at(p, data + end, "%" PRIu64 " bytes after the last tensor", f->data_bytes - end);
  return true;
}

SafeResult safe_parse(const void *bytes, size_t n, SafeMemory memory, SafeFile *out, SafeError *err) {
  const unsigned char *file = bytes;
  SafeParser start = {.file = file, .at = file, .end = file + n, .memory = memory, .err = err};
  *out = (SafeFile){0};
  *err = (SafeError){0};
  if (n < 8)
    return safe_fail_at(&start, file, "%zu bytes, a safetensors file has at least 8", n), start.result;
  uint64_t header = 0;
  for (int i = 7; i >= 0; i--) header = header << 8 | file[i];
  if (header > SAFE_MAX_HEADER)
    return safe_fail_at(&start, file,
                        "no safetensors file: header of %" PRIu64 " bytes, at most %u are accepted", header,
                        SAFE_MAX_HEADER),
           start.result;
  if (header > n - 8)
    return safe_fail_at(&start, file, "header of %" PRIu64 " bytes, the file has %zu after its length",
                        header, n - 8),
           start.result;
  start.at = file + 8;
  start.end = start.at + header;
  SafeFile f = {.data = start.end, .data_bytes = n - 8 - header};
  SafeParser p = start;
  if (!parse_header(&p, f.data_bytes, 8 + header)) return p.result;
  uint64_t tensor_table, meta_table;
  if (!checked_mul(p.tensors, sizeof(SafeTensor), &tensor_table) ||
      !checked_mul(p.metas, sizeof(SafeMeta), &meta_table))
    return SAFE_NO_MEMORY;
  f.tensors = p.tensors;
  f.metas = p.metas;
  if (f.tensors && !(f.tensor = memory.get(memory.context, tensor_table))) return SAFE_NO_MEMORY;
  if (f.metas && !(f.meta = memory.get(memory.context, meta_table))) return SAFE_NO_MEMORY;
  p = start;
  p.out = &f;
  if (!parse_header(&p, f.data_bytes, 8 + header) || !check_tiling(&p, &f)) return p.result;
  *out = f;
  return SAFE_OK;
}
