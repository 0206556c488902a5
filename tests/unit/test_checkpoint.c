/* Checkpoints: back bit for bit, every single-bit change and every prefix refused, differing programs listed,
 * nothing written on failure, disk errors leave the old file, stale temporaries go, out of memory at every
 * allocation. */
#include "folder_kit.h"
#include "runtime/core/safetensors.h"
#include "runtime/host/checkpoint.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static HostError err;

static Str get(const char *name) {
  Str out;
  FileError fe;
  ck_assert_msg(file_read(&arena, in(name), 1 << 20, &out, &fe), "%s", fe.what);
  return out;
}

static int entries(void) {
  int n = 0;
  DIR *d = opendir(folder);
  while (readdir(d)) n++;
  closedir(d);
  return n - 2;
}

/* One tensor of each type, an empty one, a scalar. */
typedef struct Net {
  float w[6], b[3];
  double m[2];
  int32_t i[2];
  int64_t count;
  uint32_t mask[5];
  uint16_t half[3];
  CkTensor t[8];
} Net;
enum { TENSORS = 8 };

static void net_init(Net *n) {
  *n = (Net){.w = {1, -2, 0x1p-126f, -0.0f, 3.25f, 1e30f},
             .b = {0, 1, 2},
             .m = {1e-300, -7},
             .i = {INT32_MIN, 5},
             .count = INT64_MAX,
             .mask = {0, 1, 1, 0, 1},
             .half = {0x3f80, 0x8000, 0x7f7f}};
  const CkTensor t[TENSORS] = {
      {STR("net.w"), DATA_F32, 2, {2, 3}, n->w},      {STR("net.b"), DATA_F32, 1, {3}, n->b},
      {STR("fit.m.net.w"), DATA_F64, 1, {2}, n->m},   {STR("ids"), DATA_I32, 1, {2}, n->i},
      {STR("fit.step"), DATA_I64, 0, {0}, &n->count}, {STR("mask"), DATA_BOOL, 1, {5}, n->mask},
      {STR("none"), DATA_F32, 2, {0, 4}, n->w},       {STR("half"), DATA_BF16, 1, {3}, n->half},
  };
  memcpy(n->t, t, sizeof t);
}

static void net_clear(Net *n) {
  net_init(n);
  memset(n->w, 0x11, sizeof n->w);
  memset(n->b, 0x11, sizeof n->b);
  memset(n->m, 0x11, sizeof n->m);
  memset(n->i, 0x11, sizeof n->i);
  memset(n->mask, 0x11, sizeof n->mask);
  memset(n->half, 0x11, sizeof n->half);
  n->count = 0x1111;
}

static bool same(const Net *a, const Net *b) { return memcmp(a, b, offsetof(Net, t)) == 0; }

static const CkMeta meta = {.program = 0x0123456789abcdef, .step = 4690, .epoch = 10, .seed = 4294967295u};
static const CkLoad strict = {.max_bytes = 1 << 20};

static bool save(const char *name, const Net *n) {
  return checkpoint_save(&arena, in(name), n->t, TENSORS, &meta, false, &err);
}
static bool load(const char *name, const Net *n, CkLoad how, CkMeta *m) {
  return checkpoint_load(&arena, in(name), n->t, TENSORS, how, m, &err);
}

START_TEST(round_trip) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert_msg(save("w.safetensors", &a), "%s", err.what);
  ck_assert_msg(load("w.safetensors", &b, strict, &m), "%s", err.what);
  ck_assert(same(&a, &b));
  ck_assert(m.ours && m.program == meta.program && m.step == meta.step && m.epoch == meta.epoch &&
            m.seed == meta.seed);
  Str one = get("w.safetensors");
  ck_assert(save("w.safetensors", &b)); /* equal state, equal bytes */
  ck_assert(str_eq(one, get("w.safetensors")));
  ck_assert_int_eq(entries(), 1);
  end();
}
END_TEST

/* A change of any single bit of the file is found; a failed load writes nothing. */
START_TEST(flipped_bits) {
  begin();
  Net a, b, clear;
  CkMeta m;
  net_init(&a);
  net_clear(&clear);
  ck_assert(save("w.safetensors", &a));
  Str good = get("w.safetensors");
  char *p = ARENA_ARRAY(&arena, char, good.n);
  int accepted = 0, wrong = 0, written = 0;
  for (size_t i = 0; i < good.n; i++)
    for (int bit = 0; bit < 8; bit++) {
      ArenaMark mark = arena_mark(&arena);
      memcpy(p, good.p, good.n);
      p[i] ^= (char)(1 << bit);
      put("x", (Str){p, good.n});
      b = clear;
      memcpy(b.t, a.t, sizeof b.t);
      for (int k = 0; k < TENSORS; k++) b.t[k].data = (char *)&b + ((char *)a.t[k].data - (char *)&a);
      bool ok = load("x", &b, strict, &m);
      accepted += ok;
      wrong += !ok && err.status != ST_BAD_DATA;
      written += !same(&b, &clear);
      arena_rewind(&arena, mark);
    }
  ck_assert_int_eq(accepted, 0);
  ck_assert_int_eq(wrong, 0);
  ck_assert_int_eq(written, 0);
  end();
}
END_TEST

START_TEST(truncated) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert(save("w.safetensors", &a));
  Str good = get("w.safetensors");
  for (size_t n = 0; n < good.n; n++) {
    ArenaMark mark = arena_mark(&arena);
    put("x", (Str){good.p, n});
    if (load("x", &b, strict, &m) || err.status != ST_BAD_DATA) ck_abort_msg("%zu bytes: %s", n, err.what);
    arena_rewind(&arena, mark);
  }
  put("x", STR("\x89PNG\r\n\x1a\n"));
  ck_assert(!load("x", &b, strict, &m));
  ck_assert_int_eq(err.status, ST_BAD_DATA);
  ck_assert_ptr_nonnull(strstr(err.what, "at most 100000000 are accepted"));
  end();
}
END_TEST

/* Every way in which a file can belong to another program. */
START_TEST(mismatch) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert(save("w.safetensors", &a));
  b.t[0].dim[1] = 4;
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_int_eq(err.status, ST_MISMATCH);
  ck_assert_ptr_nonnull(strstr(err.what, "'net.w' is F32[2, 4] in the program and F32[2, 3] in the file"));
  net_clear(&b);
  b.t[1].type = DATA_I32;
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_ptr_nonnull(strstr(err.what, "'net.b' is I32[3] in the program and F32[3] in the file"));
  net_clear(&b);
  b.t[4].rank = 1, b.t[4].dim[0] = 1;
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_ptr_nonnull(strstr(err.what, "'fit.step' is I64[1] in the program and I64 in the file"));
  net_clear(&b);
  b.t[0].name = STR("net.weight");
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_ptr_nonnull(strstr(err.what, "'net.w' is not in the program; 'net.weight' is not in the file"));
  b.t[0].name = STR("net.\x1b[31m");
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_ptr_nonnull(strstr(err.what, "'net.\\x1b[31m' is not in the file"));
  Net clear;
  net_clear(&clear);
  ck_assert(same(&b, &clear));
  for (int i = 0; i < TENSORS; i++) b.t[i].name = str_fmt(&arena, "t%d", i);
  ck_assert(!load("w.safetensors", &b, strict, &m));
  ck_assert_ptr_nonnull(strstr(err.what, "; and 11 more"));
  /* Fewer tensors than the file has: only when asked. */
  net_clear(&b);
  ck_assert(!checkpoint_load(&arena, in("w.safetensors"), b.t, 2, strict, &m, &err));
  ck_assert_int_eq(err.status, ST_MISMATCH);
  ck_assert(checkpoint_load(&arena, in("w.safetensors"), b.t, 2,
                            (CkLoad){.max_bytes = 1 << 20, .allow_extra = true}, &m, &err));
  ck_assert_mem_eq(a.w, b.w, sizeof a.w);
  ck_assert_mem_eq(a.b, b.b, sizeof a.b);
  ck_assert_int_eq(b.count, 0x1111);
  end();
}
END_TEST

START_TEST(non_finite) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert(save("w.safetensors", &a));
  Str old = get("w.safetensors");
  a.w[4] = NAN;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_int_eq(err.status, ST_NON_FINITE);
  ck_assert_ptr_nonnull(strstr(err.what, "element 4 of 'net.w' is not finite"));
  ck_assert(str_eq(old, get("w.safetensors")));
  ck_assert(checkpoint_save(&arena, in("n.safetensors"), a.t, TENSORS, &meta, true, &err));
  ck_assert(!load("n.safetensors", &b, strict, &m));
  ck_assert_int_eq(err.status, ST_BAD_DATA);
  ck_assert(load("n.safetensors", &b, (CkLoad){.max_bytes = 1 << 20, .allow_non_finite = true}, &m));
  ck_assert(isnan(b.w[4]));
  net_init(&a);
  a.m[1] = -INFINITY;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_ptr_nonnull(strstr(err.what, "element 1 of 'fit.m.net.w'"));
  net_init(&a);
  a.half[2] = 0xff80;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_ptr_nonnull(strstr(err.what, "element 2 of 'half' is not finite"));
  end();
}
END_TEST

/* The limit on bytes at -1, 0, +1. */
START_TEST(limit) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert(save("w.safetensors", &a));
  int64_t size = (int64_t)get("w.safetensors").n;
  ck_assert(!load("w.safetensors", &b, (CkLoad){.max_bytes = size - 1}, &m));
  ck_assert_int_eq(err.status, ST_LIMIT);
  ck_assert_ptr_nonnull(strstr(err.what, "data_bytes"));
  ck_assert(load("w.safetensors", &b, (CkLoad){.max_bytes = size}, &m));
  ck_assert(load("w.safetensors", &b, (CkLoad){.max_bytes = size + 1}, &m));
  end();
}
END_TEST

START_TEST(disk_errors) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  net_clear(&b);
  ck_assert(!checkpoint_save(&arena, STR("/dev/full"), a.t, TENSORS, &meta, false, &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!checkpoint_save(&arena, str_z(folder), a.t, TENSORS, &meta, false, &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!save("none/w.safetensors", &a));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!load("none.safetensors", &b, strict, &m));
  ck_assert_int_eq(err.status, ST_IO);
  /* A file that may not grow: the system refuses in the middle of the data. The old file stays. */
  ck_assert(save("w.safetensors", &a));
  Str old = get("w.safetensors");
  struct rlimit was, small = {256, 256};
  getrlimit(RLIMIT_FSIZE, &was);
  small.rlim_max = was.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  a.w[0] = 99;
  bool saved = save("w.safetensors", &a);
  setrlimit(RLIMIT_FSIZE, &was);
  ck_assert(!saved);
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(str_eq(old, get("w.safetensors")));
  ck_assert_int_eq(entries(), 1);
  ck_assert(load("w.safetensors", &b, strict, &m));
  end();
}
END_TEST

/* A process number that is not in use: a child that has ended and was waited for. */
static long dead_process(void) {
  pid_t p = fork();
  if (p == 0) _exit(0);
  ck_assert_int_gt(p, 0);
  ck_assert_int_eq(waitpid(p, NULL, 0), p);
  return p;
}

START_TEST(stale_temporaries) {
  begin();
  Net a;
  net_init(&a);
  long dead = dead_process();
  put(str_fmt(&arena, "w.safetensors.dgc-%ld-0", dead).p, STR("half"));
  put(str_fmt(&arena, "w.safetensors.dgc-%ld-17", dead).p, STR("half"));
  put(str_fmt(&arena, "w.safetensors.dgc-%ld-0", (long)getppid()).p, STR("its writer lives"));
  put(str_fmt(&arena, "w.safetensors.dgc-%ld-x", dead).p, STR("not ours"));
  put(str_fmt(&arena, "v.safetensors.dgc-%ld-0", dead).p, STR("of another file"));
  ck_assert_int_eq(entries(), 5);
  ck_assert(save("w.safetensors", &a));
  ck_assert_int_eq(entries(), 4);
  ck_assert_int_eq(access(in(str_fmt(&arena, "w.safetensors.dgc-%ld-0", dead).p).p, F_OK), -1);
  ck_assert_uint_eq(file_sweep(in("v.safetensors")), 1);
  end();
}
END_TEST

/* A save that is killed at any moment leaves the old state or the new one. */
START_TEST(killed_while_saving) {
  begin();
  Net a, b;
  CkMeta m;
  net_init(&a);
  a.w[0] = 0;
  ck_assert(save("w.safetensors", &a));
  for (int k = 0; k < 60; k++) {
    pid_t p = fork();
    if (p == 0)
      for (int i = 1;; i++) {
        a.w[0] = (float)i;
        if (!save("w.safetensors", &a)) _exit(1);
      }
    ck_assert_int_gt(p, 0);
    usleep((useconds_t)(k * 50));
    kill(p, SIGKILL);
    waitpid(p, NULL, 0);
    net_clear(&b);
    if (!load("w.safetensors", &b, strict, &m)) ck_abort_msg("round %d: %s", k, err.what);
    a.w[0] = b.w[0];
    ck_assert(same(&a, &b));
  }
  ck_assert(save("w.safetensors", &a));
  ck_assert_int_eq(entries(), 1);
  end();
}
END_TEST

/* 1 done, 0 refused, -1 raised. Apart, because of setjmp. */
static int __attribute__((noinline)) save_short(Mem *m, Arena *a, Str path, const Net *n) {
  Rescue r;
  if (RESCUE(m, &r)) {
    bool ok = checkpoint_save(a, path, n->t, TENSORS, &meta, false, &err);
    rescue_end(m, &r);
    return ok;
  }
  return r.status == ST_NO_MEMORY ? -1 : -2;
}
static int __attribute__((noinline)) load_short(Mem *m, Arena *a, Str path, const Net *n) {
  Rescue r;
  CkMeta back;
  if (RESCUE(m, &r)) {
    bool ok = checkpoint_load(a, path, n->t, TENSORS, strict, &back, &err);
    rescue_end(m, &r);
    return ok;
  }
  return r.status == ST_NO_MEMORY ? -1 : -2;
}

START_TEST(out_of_memory) {
  begin();
  Net a, b, clear;
  net_init(&a);
  ck_assert(save("w.safetensors", &a));
  for (int loading = 0; loading < 2; loading++) {
    int got = -1;
    for (uint64_t fail_at = 1; got == -1; fail_at++) {
      Mem m;
      Arena scratch;
      mem_init(&m, 0);
      arena_init(&scratch, &m);
      m.fail_at = fail_at;
      net_clear(&b);
      net_clear(&clear);
      got = loading ? load_short(&m, &scratch, in("w.safetensors"), &b)
                    : save_short(&m, &scratch, in("w.safetensors"), &a);
      ck_assert(got == 1 || same(&b, &clear));
      arena_release(&scratch);
      ck_assert_uint_eq(m.used, 0);
      ck_assert_int_eq(entries(), 1);
    }
    ck_assert_int_eq(got, 1);
  }
  ck_assert(same(&a, &b));
  end();
}
END_TEST

START_TEST(refused_tensors) {
  begin();
  Net a;
  net_init(&a);
  a.t[1].name = a.t[0].name;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_int_eq(err.status, ST_USAGE);
  net_init(&a);
  a.t[0].type = DATA_U8;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_int_eq(err.status, ST_USAGE);
  net_init(&a);
  a.t[0].dim[0] = a.t[0].dim[1] = INT64_C(1) << 62;
  ck_assert(!save("w.safetensors", &a));
  ck_assert_int_eq(err.status, ST_LIMIT);
  ck_assert_int_eq(entries(), 0);
  ck_assert(checkpoint_save(&arena, in("empty"), NULL, 0, &meta, false, &err));
  CkMeta m;
  ck_assert(checkpoint_load(&arena, in("empty"), NULL, 0, strict, &m, &err));
  ck_assert(m.ours);
  end();
}
END_TEST

UNIT_MAIN(UNIT("checkpoint", round_trip, flipped_bits, truncated, mismatch, non_finite, limit, disk_errors,
               stale_temporaries, killed_while_saving, out_of_memory, refused_tensors))
