/* Preloaded before the command: the REFUSE_AT-th call of the kind REFUSE fails (and all later ones with
 * REFUSE_ON). Counting begins when a file named *.dg is opened: what happens before main is not ours. */
#undef _FILE_OFFSET_BITS /* both names of a call are defined here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static atomic_bool begun;
static atomic_long count;

static bool fails(const char *kind) {
  if (!atomic_load(&begun) || !getenv("REFUSE") || strcmp(getenv("REFUSE"), kind) != 0) return false;
  long at = atol(getenv("REFUSE_AT")), n = atomic_fetch_add(&count, 1) + 1;
  return getenv("REFUSE_ON") ? n >= at : n == at;
}

#define DOOR(kind, error, type, bad, name, params, args)                                                     \
  type name params {                                                                                         \
    if (fails(kind)) {                                                                                       \
      errno = error;                                                                                         \
      return bad;                                                                                            \
    }                                                                                                        \
    type(*next) params = (type(*) params)dlsym(RTLD_NEXT, #name);                                            \
    return next args;                                                                                        \
  }

DOOR("mmap", ENOMEM, void *, MAP_FAILED, mmap, (void *a, size_t n, int p, int f, int fd, off_t o),
     (a, n, p, f, fd, o))
DOOR("mmap", ENOMEM, void *, MAP_FAILED, mmap64, (void *a, size_t n, int p, int f, int fd, off_t o),
     (a, n, p, f, fd, o))
DOOR("mprotect", ENOMEM, int, -1, mprotect, (void *a, size_t n, int p), (a, n, p))
DOOR("read", EIO, ssize_t, -1, read, (int fd, void *p, size_t n), (fd, p, n))
DOOR("fstat", EIO, int, -1, fstat, (int fd, struct stat *s), (fd, s))
DOOR("fstat", EIO, int, -1, fstat64, (int fd, struct stat64 *s), (fd, s))
DOOR("fsync", EIO, int, -1, fsync, (int fd), (fd))
DOOR("rename", EIO, int, -1, rename, (const char *a, const char *b), (a, b))
DOOR("thread", ENOMEM, int, EAGAIN, pthread_create,
     (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *x), (t, a, f, x))

ssize_t write(int fd, const void *p, size_t n) {
  if (fd > 2 && fails("write")) {
    errno = ENOSPC;
    return -1;
  }
  ssize_t (*next)(int, const void *, size_t) =
      (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  return next(fd, p, n);
}

static int open_door(const char *name, const char *path, int flags, mode_t mode) {
  size_t n = strlen(path);
  if (n > 3 && strcmp(path + n - 3, ".dg") == 0) atomic_store(&begun, true);
  if (fails("open")) {
    errno = EMFILE;
    return -1;
  }
  int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
  return next(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list v;
  va_start(v, flags);
  mode_t mode = flags & O_CREAT ? va_arg(v, mode_t) : 0;
  va_end(v);
  return open_door("open", path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list v;
  va_start(v, flags);
  mode_t mode = flags & O_CREAT ? va_arg(v, mode_t) : 0;
  va_end(v);
  return open_door("open64", path, flags, mode);
}

void *malloc(size_t n) {
  if (!fails("malloc")) return __libc_malloc(n);
  errno = ENOMEM;
  return NULL;
}
void *calloc(size_t n, size_t size) {
  if (!fails("malloc")) return __libc_calloc(n, size);
  errno = ENOMEM;
  return NULL;
}
void *realloc(void *p, size_t n) {
  if (!fails("malloc")) return __libc_realloc(p, n);
  errno = ENOMEM;
  return NULL;
}
