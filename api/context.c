/* Contexts: settings, the error line, and the door through which every failure leaves the library. */
#include "api/api.h"

#include <stdio.h>

dg_context *dg_context_new(void) {
  Mem boot;
  mem_init(&boot, 0);
  dg_context *cx = mem_try(&boot, sizeof *cx);
  if (!cx) return NULL;
  cx->mem = boot;
  cx->refs = 1;
  limits_init(&cx->limits);
  arena_init(&cx->arena, &cx->mem);
  cx->mem.limit = (size_t)cx->limits.compiler_bytes;
  return cx;
}

void context_drop(dg_context *cx) {
  if (--cx->refs) return;
  arena_release(&cx->arena);
  Mem boot = cx->mem; /* the door outlives what it gives back */
  mem_free(&boot, cx, sizeof *cx);
}

void dg_context_free(dg_context *cx) {
  if (cx) context_drop(cx);
}

const char *dg_error(const dg_context *cx) { return cx ? cx->error : "no context"; }

dg_status api_fail(dg_context *cx, Status st, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(cx->error, sizeof cx->error, fmt, ap);
  va_end(ap);
  for (char *p = cx->error; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?'; /* one line, whatever stood in the user's text */
  return (dg_status)st;
}

dg_status api_guard(dg_context *cx, ApiFn *fn, void *arg) {
  Rescue r;
  if (RESCUE(&cx->mem, &r)) {
    dg_status st = fn(arg);
    rescue_end(&cx->mem, &r);
    return st;
  }
  return api_fail(cx, r.status, "%s", r.what);
}

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

static dg_status warn_in(void *arg) {
  ContextCall *s = arg;
  Sources none;
  sources_init(&none, &s->cx->arena);
  Diags probe;
  diags_init(&probe, &s->cx->arena, &none, &s->cx->limits);
  if (!diags_flag(&probe, str_z(s->name)))
    return api_fail(s->cx, ST_USAGE, "no warning group '-W%.60s'", s->name);
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
  if (!cx) return DG_USAGE;
  if (!name || !limits_set(&cx->limits, str_z(name), value))
    return api_fail(cx, ST_USAGE, "no limit '%.60s', or a value below 1", name ? name : "");
  cx->mem.limit = (size_t)cx->limits.compiler_bytes;
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
  ContextCall s = {.cx = cx, .name = folder};
  return api_guard(cx, root_in, &s);
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
