/* Contexts: settings, the error line, and the door through which every failure leaves the library. */
#include "api/api.h"
#include "base/file.h"

#include <stdio.h>
#include <xmmintrin.h>

static dg_context *context_new(HostDoor door) {
  Mem boot;
  mem_init(&boot, 0);
  boot.door = door;
  dg_context *cx = mem_try(&boot, sizeof *cx);
  if (!cx) return NULL;
  cx->mem = boot;
  cx->refs = 1;
  pthread_mutex_init(&cx->telling, NULL);
  limits_init(&cx->limits);
  arena_init(&cx->arena, &cx->mem);
  cx->mem.limit = (size_t)cx->limits.compiler_bytes;
  cx->stop = &cx->cancelled;
  return cx;
}

dg_context *dg_context_new(void) { return context_new((HostDoor){0}); }

dg_status dg_context_new_with(const dg_callbacks *callbacks, dg_context **out) {
  dg_callbacks c = {0};
  if (!out) return DG_USAGE;
  *out = NULL;
  if (!callbacks || !api_take(&c, sizeof c, callbacks) || !c.allocate != !c.release) return DG_USAGE;
  *out = context_new((HostDoor){c.allocate, c.release, c.open, c.user});
  return *out ? DG_OK : DG_NO_MEMORY;
}

void context_drop(dg_context *cx) {
  if (__atomic_sub_fetch(&cx->refs, 1, __ATOMIC_ACQ_REL)) return;
  pthread_mutex_destroy(&cx->telling);
  arena_release(&cx->arena);
  Mem boot = cx->mem; /* the door outlives what it gives back */
  mem_free(&boot, cx, sizeof *cx);
}

void context_beyond(dg_context *cx, int64_t by) {
  cx->beyond += by;
  cx->mem.limit =
      (size_t)(cx->limits.compiler_bytes > INT64_MAX - cx->beyond ? INT64_MAX
                                                                  : cx->limits.compiler_bytes + cx->beyond);
}

void context_of_session(dg_context *cx, dg_context *out) {
  memset(out, 0, sizeof *out);
  mem_init_within(&out->mem, &cx->mem);
  out->parent = cx;
  out->cpu = cx->cpu;
  out->stop = cx->stop;
  memcpy(&out->host, &cx->host, sizeof out->host); /* limits and roots are read where they are */
}

void dg_context_free(dg_context *cx) {
  if (cx) context_drop(cx);
}

void dg_cancel(dg_context *cx, int on) {
  if (cx) __atomic_store_n(&cx->cancelled, on != 0, __ATOMIC_RELAXED);
}

const char *dg_error(const dg_context *cx) { return cx ? cx->error : "no context"; }

dg_status api_fail(dg_context *cx, Status st, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(cx->error, sizeof cx->error, fmt, ap);
  va_end(ap);
  for (char *p = cx->error; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?'; /* one line, whatever stood in the user's text */
  dg_context *up = cx->parent;
  if (up) {
    pthread_mutex_lock(&up->telling);
    memcpy(up->error, cx->error, sizeof up->error);
    pthread_mutex_unlock(&up->telling);
  }
  return (dg_status)st;
}

/* Numbers of a text are read, and constants folded, with rounding to nearest and without traps, whatever the
 * host has set. The flags that are raised on the way are not the host's business either. */
enum { MXCSR_PLAIN = 0x1f80 };

dg_status api_guard(dg_context *cx, ApiFn *fn, void *arg) {
  Rescue r;
  uint32_t outer = cx->host_mxcsr, mine = _mm_getcsr();
  dg_status st;
  cx->host_mxcsr = mine;
  _mm_setcsr(MXCSR_PLAIN);
  if (RESCUE(&cx->mem, &r)) {
    st = fn(arg);
    rescue_end(&cx->mem, &r);
  } else {
    st = api_fail(cx, r.status, "%s", r.what);
  }
  cx->mem.stop = NULL;
  _mm_setcsr(mine);
  cx->host_mxcsr = outer;
  return st;
}

uint32_t api_host_enter(const dg_context *cx) {
  uint32_t ours = _mm_getcsr();
  _mm_setcsr(cx->host_mxcsr);
  return ours;
}

void api_host_leave(uint32_t ours) { _mm_setcsr(ours); }

typedef struct NewCall {
  dg_context *cx;
  size_t n;
  void *p;
} NewCall;

static dg_status new_in(void *arg) {
  NewCall *c = arg;
  c->p = mem_get(&c->cx->mem, c->n);
  return DG_OK;
}

dg_status api_new(dg_context *cx, size_t n, void **out) {
  NewCall c = {.cx = cx, .n = n};
  dg_status st = api_guard(cx, new_in, &c);
  *out = c.p;
  return st;
}

enum { STRUCT_MOST = 4096 }; /* no struct of any version is larger: a size that nobody has set */

static bool size_set(size_t size) { return size >= sizeof(uint32_t) && size <= STRUCT_MOST; }

dg_status api_size(dg_context *cx, const char *name, uint32_t size) {
  return size_set(size)
             ? DG_OK
             : api_fail(cx, ST_USAGE, "%s: its size is %u: set it to sizeof(%s)", name, size, name);
}

bool api_take(void *to, size_t own, const void *from) {
  uint32_t size, now = (uint32_t)own;
  memcpy(&size, from, sizeof size);
  if (!size_set(size)) return false;
  for (size_t i = own; i < size; i++)
    if (((const char *)from)[i]) return false;
  memcpy(to, from, size < own ? size : own);
  memcpy(to, &now, sizeof now);
  return true;
}

dg_status api_sized(dg_context *cx, const char *name, void *to, size_t own, const void *from) {
  uint32_t size;
  memcpy(&size, from, sizeof size);
  dg_status st = api_size(cx, name, size);
  if (st != DG_OK || api_take(to, own, from)) return st;
  return api_fail(cx, ST_USAGE, "%s has %u bytes, and what this library does not know is not 0", name, size);
}

void api_fill(void *to, size_t size, const void *from, size_t own) {
  if (!size_set(size)) return;
  memset(to, 0, size);
  memcpy(to, from, size < own ? size : own);
  uint32_t kept = (uint32_t)size;
  memcpy(to, &kept, sizeof kept);
}

const char *api_z(Arena *a, Str s) { return str_copy(a, s).p; }

typedef struct ContextCall {
  dg_context *cx;
  const char *name, *value;
  dg_host_fn *fn;
  void *user;
} ContextCall;

static dg_status define_in(void *arg) {
  ContextCall *s = arg;
  Str name = str_z(s->name);
  for (uint32_t i = 0; i < s->cx->define.n; i++)
    if (str_eq(s->cx->define.at[i].name, name)) {
      s->cx->define.at[i].value = str_copy(&s->cx->arena, str_z(s->value));
      return DG_OK;
    }
  VEC_PUSH(&s->cx->arena, &s->cx->define,
           (Define){str_copy(&s->cx->arena, name), str_copy(&s->cx->arena, str_z(s->value))});
  return DG_OK;
}

dg_status dg_define(dg_context *cx, const char *name, const char *value) {
  if (!cx) return DG_USAGE;
  if (!name || !*name || !value || !*value)
    return api_fail(cx, ST_USAGE, "dg_define: a name and a value are needed");
  ContextCall s = {.cx = cx, .name = name, .value = value};
  return api_guard(cx, define_in, &s);
}

/* ": did you mean 'NAME'?" when one of the names is near, else nothing. */
typedef struct Hint {
  char z[100];
} Hint;
static Hint near_of(const char *got, const Str *names, size_t n) {
  Hint h = {""};
  Str near = diag_nearest(str_z(got), names, n);
  if (near.n) snprintf(h.z, sizeof h.z, ": did you mean '" STRF "'?", STRA(near));
  return h;
}

static dg_status no_group(dg_context *cx, const char *flag) {
  Str names[DGRP_COUNT];
  for (size_t i = 0; i < DGRP_COUNT; i++) names[i] = str_z(diag_groups[i].name);
  const char *name = flag;
  if (!strncmp(name, "no-", 3)) name += 3;
  if (!strncmp(name, "error=", 6)) name += 6;
  return api_fail(cx, ST_USAGE, "no warning group '-W%.60s'%s", flag, near_of(name, names, DGRP_COUNT).z);
}

static dg_status warn_in(void *arg) {
  ContextCall *s = arg;
  Sources none;
  sources_init(&none, &s->cx->arena);
  Diags probe;
  diags_init(&probe, &s->cx->arena, &none, &s->cx->limits);
  if (!diags_flag(&probe, str_z(s->name))) return no_group(s->cx, s->name);
  VEC_PUSH(&s->cx->arena, &s->cx->warn, str_copy(&s->cx->arena, str_z(s->name)));
  return DG_OK;
}

dg_status dg_warn(dg_context *cx, const char *flag) {
  if (!cx) return DG_USAGE;
  if (!flag) return api_fail(cx, ST_USAGE, "dg_warn: a flag is needed");
  ContextCall s = {.cx = cx, .name = flag};
  return api_guard(cx, warn_in, &s);
}

dg_status dg_limit(dg_context *cx, const char *name, int64_t value) {
  static const Str names[] = {
#define X(limit, dflt, help) STR(#limit),
      LIMITS(X)
#undef X
  };
  enum { COUNT = sizeof names / sizeof *names };
  if (!cx) return DG_USAGE;
  if (!name) return api_fail(cx, ST_USAGE, "dg_limit: a name is needed");
  size_t i = 0;
  while (i < COUNT && !str_eq(names[i], str_z(name))) i++;
  if (i == COUNT) return api_fail(cx, ST_USAGE, "no limit '%.60s'%s", name, near_of(name, names, COUNT).z);
  int64_t most = str_eq(names[i], STR("rank")) ? MAX_RANK : INT64_MAX;
  if (value > most || !limits_set(&cx->limits, names[i], value))
    return api_fail(cx, ST_USAGE, "the limit '%s' is a whole number from 1 to %lld, not %lld", name,
                    (long long)most, (long long)value);
  context_beyond(cx, 0);
  return DG_OK;
}

static dg_status root_in(void *arg) {
  ContextCall *s = arg;
  VEC_PUSH(&s->cx->arena, &s->cx->root, str_copy(&s->cx->arena, str_z(s->name)));
  return DG_OK;
}

dg_status dg_data_root(dg_context *cx, const char *folder) {
  if (!cx) return DG_USAGE;
  if (!folder || !*folder) return api_fail(cx, ST_USAGE, "dg_data_root: a folder is needed");
  FileError err;
  if (!cx->mem.door.open && !folder_usable(str_z(folder), &err))
    return api_fail(cx, err.status, "data root: %s", err.what);
  ContextCall s = {.cx = cx, .name = folder};
  return api_guard(cx, root_in, &s);
}

dg_status dg_will_load(dg_context *cx, dg_load_what what) {
  if (!cx) return DG_USAGE;
  if ((unsigned)what > DG_LOAD_TRAINED)
    return api_fail(cx, ST_USAGE, "dg_will_load: %d is no dg_load_what", (int)what);
  cx->will_load = true;
  cx->load_all = what == DG_LOAD_ALL;
  return DG_OK;
}

static dg_status register_in(void *arg) {
  ContextCall *s = arg;
  HostReg reg = {str_copy(&s->cx->arena, str_z(s->name)), s->fn, s->user};
  for (uint32_t i = 0; i < s->cx->host.n; i++)
    if (str_eq(s->cx->host.at[i].name, reg.name)) {
      s->cx->host.at[i] = reg;
      return DG_OK;
    }
  VEC_PUSH(&s->cx->arena, &s->cx->host, reg);
  return DG_OK;
}

dg_status dg_register(dg_context *cx, const char *name, dg_host_fn *fn, void *user) {
  if (!cx) return DG_USAGE;
  if (!name || !*name || !fn) return api_fail(cx, ST_USAGE, "dg_register: a name and a function are needed");
  ContextCall s = {.cx = cx, .name = name, .fn = fn, .user = user};
  return api_guard(cx, register_in, &s);
}
