/* One tensor of a safetensors file as data: the one that is asked for by name; without a name the only one,
 * or the one named as the input is. */
#include "base/diag.h"
#include "base/size.h"
#include "runtime/host/readers.h"

#include <stdio.h>

/* The tables of a header take a few times its size; weights of no network come near. */
enum { MOST_HEADER = 8 << 20, LENGTH = 8 };

bool safetensors_head(Str name, Str head, HostError *err) {
  const unsigned char *b = (const unsigned char *)head.p;
  HostShown file = host_show(name);
  uint64_t n = 0;
  if (head.n <= LENGTH)
    return host_fail(err, ST_BAD_DATA, "%s: not a safetensors file: more than %d bytes expected, found %zu",
                     file.z, LENGTH, head.n);
  for (int i = LENGTH - 1; i >= 0; i--) n = n << 8 | b[i];
  if (b[LENGTH] != '{')
    return host_fail(err, ST_BAD_DATA, "%s: not a safetensors file: '{' expected at byte %d, found '%s'",
                     file.z, LENGTH, host_show((Str){head.p + LENGTH, 1}).z);
  if (n > MOST_HEADER)
    return host_fail(err, ST_BAD_DATA, "%s: safetensors header of %llu bytes: at most %d expected in data",
                     file.z, (unsigned long long)n, MOST_HEADER);
  return true;
}

static void *get(void *arena, size_t n) { return arena_alloc(arena, n, 16); }
static Str text_str(SafeText t) { return (Str){t.p, t.n}; }

bool safetensors_type(SafeDtype t, DataType *out) {
  switch (t) {
  case SAFE_BOOL: return *out = DATA_BOOL, true;
  case SAFE_U8: return *out = DATA_U8, true;
  case SAFE_I8: return *out = DATA_I8, true;
  case SAFE_I32: return *out = DATA_I32, true;
  case SAFE_I64: return *out = DATA_I64, true;
  case SAFE_F32: return *out = DATA_F32, true;
  case SAFE_F64: return *out = DATA_F64, true;
  case SAFE_BF16: return *out = DATA_BF16, true;
  case SAFE_F8_E5M2:
  case SAFE_F8_E4M3:
  case SAFE_I16:
  case SAFE_U16:
  case SAFE_F16:
  case SAFE_U32:
  case SAFE_U64:
  case SAFE_DTYPE_COUNT: break;
  }
  return false;
}

/* "it has a, b, c" */
static HostShown names_text(const SafeFile *f) {
  HostShown s = {"it has none"};
  size_t n = 0;
  for (size_t i = 0; i < f->tensors && n + 64 < sizeof s.z; i++)
    n += (size_t)snprintf(s.z + n, sizeof s.z - n, "%s%.40s", i ? ", " : "it has ",
                          host_show(text_str(f->tensor[i].name)).z);
  return s;
}

static const SafeTensor *choose(Arena *scratch, const SafeFile *f, const DataOpen *how, Str file,
                                HostError *err) {
  HostShown shown = host_show(file);
  if (how->parts > 1) {
    (void)host_fail(err, ST_USAGE, "%s: one tensor feeds an input, not %zu", shown.z, how->parts);
    return NULL;
  }
  if (!how->parts && f->tensors == 1) return &f->tensor[0];
  for (size_t i = 0; !how->parts && how->want && i < f->tensors; i++)
    if (str_eq(text_str(f->tensor[i].name), how->want->input)) return &f->tensor[i];
  if (!how->parts) {
    (void)host_fail(err, ST_BAD_DATA, "%s: %zu tensors: name the one that is meant (tensor = \"..\"): %s",
                    shown.z, f->tensors, names_text(f).z);
    return NULL;
  }
  VEC(Str) names = {0};
  for (size_t i = 0; i < f->tensors; i++) {
    if (str_eq(text_str(f->tensor[i].name), how->part[0])) return &f->tensor[i];
    VEC_PUSH(scratch, &names, text_str(f->tensor[i].name));
  }
  Str near = diag_nearest(how->part[0], names.at, names.n);
  (void)host_fail(err, ST_BAD_DATA, "%s: no tensor is named '%s'%s%s%s", shown.z, host_show(how->part[0]).z,
                  near.n ? "; did you mean '" : ": ", near.n ? host_show(near).z : names_text(f).z,
                  near.n ? "'?" : "");
  return NULL;
}

bool read_safetensors(Arena *a, Arena *scratch, Str bytes, const DataOpen *how, DataSource *out,
                      HostError *err) {
  SafeFile f;
  SafeError se;
  HostShown file = host_show(out->name);
  SafeResult r = safe_parse(bytes.p, bytes.n, (SafeMemory){get, scratch}, &f, &se);
  if (r == SAFE_NO_MEMORY) mem_raise(a->mem, ST_NO_MEMORY, "no memory for reading a safetensors header");
  if (r == SAFE_BAD)
    return host_fail(err, ST_BAD_DATA, "%s: byte %llu: %s", file.z, (unsigned long long)se.at, se.what);
  const SafeTensor *t = choose(scratch, &f, how, out->name, err);
  if (!t) return false;
  HostShown name = host_show(text_str(t->name));
  if (!safetensors_type(t->dtype, &out->type))
    return host_fail(err, ST_BAD_DATA,
                     "%s: tensor '%s': F32, F64, I32, I64, U8, I8 or BOOL expected, found %s", file.z, name.z,
                     safe_dtype_name(t->dtype));
  if (t->rank == 0)
    return host_fail(err, ST_BAD_DATA, "%s: tensor '%s': at least one axis expected, found a single number",
                     file.z, name.z);
  out->rank = t->rank;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->dim[i] > INT64_MAX) return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
    out->dim[i] = (int64_t)t->dim[i];
  }
  size_t size = (size_t)(t->hi - t->lo); /* within the file: safe_parse has looked */
  char *p = ARENA_ARRAY(a, char, size);
  memcpy(p, f.data + t->lo, size);
  out->rows = p;
  return source_finish(out, err);
}
