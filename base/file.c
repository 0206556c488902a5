#include "base/file.h"

#include "base/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* "cannot VERB 'PATH': WHY" with the path cut to what fits and control bytes shown as '?'. */
static bool fail(FileError *err, Status st, const char *verb, Str path, const char *why) {
  char shown[129];
  size_t n = path.n < 120 ? path.n : 120;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)path.p[i];
    shown[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
  }
  while (n < path.n && n > 0 && ((unsigned char)shown[n - 1] & 0xc0) == 0x80)
    n--; /* no half of a character */
  shown[n] = 0;
  err->status = st;
  err->missing = false;
  int at = snprintf(err->what, sizeof err->what, "cannot %s '%s%s': ", verb, shown, n < path.n ? "..." : "");
  err->why = (uint16_t)at;
  snprintf(err->what + at, sizeof err->what - (size_t)at, "%s", why);
  return false;
}

static bool fail_errno(FileError *err, const char *verb, Str path) {
  int e = errno;
  fail(err, ST_IO, verb, path,
       e == ENOENT  ? "no such file or folder"
       : e == EFBIG ? "it would be larger than a file may be here (ulimit -f, or the file system's limit)"
                    : strerror(e));
  err->missing = e == ENOENT || e == ENOTDIR;
  return false;
}

/* System calls want a NUL-terminated name. */
static bool name_z(char z[PATH_MAX], Str path, const char *verb, FileError *err) {
  if (path.n == 0) return fail(err, ST_IO, verb, path, "the name is empty");
  if (path.n >= PATH_MAX) return fail(err, ST_IO, verb, path, "the name is too long");
  if (memchr(path.p, 0, path.n)) return fail(err, ST_IO, verb, path, "the name contains a NUL byte");
  memcpy(z, path.p, path.n);
  z[path.n] = 0;
  return true;
}

static const char *kind_refused(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a folder, not a file";
  if (S_ISFIFO(mode)) return "it is a pipe, not a regular file";
  return S_ISREG(mode) ? NULL : "it is a device or socket, not a regular file";
}

/* Opens a regular file of at most max_bytes; -1 is reported. O_NONBLOCK: a FIFO without writer must not hang
 * us. */
static int open_regular(const HostDoor *door, Str path, int64_t max_bytes, size_t *size, FileError *err) {
  char z[PATH_MAX], why[120];
  struct stat st;
  if (!name_z(z, path, "read", err)) return -1;
  int fd = door->open ? door->open(door->user, z) : open(z, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (door->open && fd < 0) errno = -fd;
  if (fd < 0) return fail_errno(err, "read", path), -1;
  bool ok = fstat(fd, &st) == 0;
  if (!ok) {
    fail_errno(err, "read", path);
  } else if (kind_refused(st.st_mode)) {
    ok = fail(err, ST_IO, "read", path, kind_refused(st.st_mode));
  } else if (st.st_size > max_bytes || (uint64_t)st.st_size >= SIZE_MAX) {
    snprintf(why, sizeof why, "%lld bytes, more than the limit of %lld", (long long)st.st_size,
             (long long)max_bytes);
    ok = fail(err, ST_LIMIT, "read", path, why);
  }
  if (!ok) {
    close(fd);
    return -1;
  }
  *size = (size_t)st.st_size;
  return fd;
}

bool file_open(const Mem *m, Str path, int64_t max_bytes, FileIn *f, FileError *err) {
  *f = (FileIn){.path = path, .fd = -1};
  f->fd = open_regular(mem_door(m), path, max_bytes, &f->size, err);
  return f->fd >= 0;
}

void file_close(FileIn *f) {
  if (f->fd >= 0) close(f->fd);
  f->fd = -1;
}

/* At most n bytes; *got is fewer at the end of the file. */
static bool read_some(FileIn *f, char *to, size_t n, size_t *got, FileError *err) {
  *got = 0;
  while (*got < n) {
    size_t most = n - *got < SSIZE_MAX ? n - *got : SSIZE_MAX;
    ssize_t r = read(f->fd, to + *got, most);
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) return fail_errno(err, "read", f->path);
    if (r == 0) break;
    *got += (size_t)r;
  }
  f->at += *got;
  return true;
}

bool file_take(FileIn *f, char *to, size_t n, FileError *err) {
  size_t got;
  char why[96];
  if (!read_some(f, to, n, &got, err)) return false;
  if (got == n) return true;
  snprintf(why, sizeof why, "it changed while it was read: %zu bytes expected, %zu found", f->size, f->at);
  return fail(err, ST_BAD_DATA, "read", f->path, why);
}

bool file_ended(FileIn *f, FileError *err) {
  size_t got;
  char one, why[96];
  if (!read_some(f, &one, 1, &got, err)) return false;
  if (!got) return true;
  snprintf(why, sizeof why, "it grew while it was read (%zu bytes at first)", f->size);
  return fail(err, ST_BAD_DATA, "read", f->path, why);
}

/* The allocation may unwind past us: the descriptor is closed on the way. */
static char *text_room(Arena *a, size_t n, int fd) {
  Rescue r;
  if (RESCUE(a->mem, &r)) {
    char *p = ARENA_ARRAY(a, char, n);
    rescue_end(a->mem, &r);
    return p;
  }
  close(fd);
  mem_raise(a->mem, r.status, "%s", r.what);
}

bool file_read(Arena *a, Str path, int64_t max_bytes, Str *out, FileError *err) {
  FileIn f;
  if (!file_open(a->mem, path, max_bytes, &f, err)) return false;
  size_t room = f.size + 1; /* open_regular keeps size below SIZE_MAX */
  char *p = text_room(a, room, f.fd);
  *out = (Str){p, f.size};
  bool ok = file_take(&f, p, f.size, err) && file_ended(&f, err);
  file_close(&f);
  return ok;
}

static bool write_all(int fd, Str s) {
  while (s.n) {
    ssize_t put = write(fd, s.p, s.n < SSIZE_MAX ? s.n : SSIZE_MAX);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    s.p += put;
    s.n -= (size_t)put;
  }
  return true;
}

/* A write above the process's limit on sizes raises SIGXFSZ, which would end the host. It is held back in
 * this thread, and EFBIG is the answer. */
static bool write_parts(int fd, const Str *parts, size_t nparts) {
  static const struct timespec at_once = {0, 0};
  sigset_t ours, before;
  bool ok = true;
  sigemptyset(&ours);
  sigaddset(&ours, SIGXFSZ);
  if (pthread_sigmask(SIG_BLOCK, &ours, &before) != 0) return false;
  for (size_t i = 0; ok && i < nparts; i++) ok = write_all(fd, parts[i]);
  int e = errno;
  if (!ok && e == EFBIG && !sigismember(&before, SIGXFSZ)) (void)sigtimedwait(&ours, NULL, &at_once);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = e;
  return ok;
}

static bool sync_folder(const char *target) {
  char z[PATH_MAX];
  Str folder = path_folder(str_z(target));
  memcpy(z, folder.p, folder.n);
  z[folder.n] = 0;
  int fd = open(z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno == EACCES; /* a folder may be writable but not readable: nothing more can be done */
  bool ok = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
  int e = errno;
  close(fd);
  errno = e;
  return ok;
}

/* Creates a temporary beside the target with a name nobody uses. */
static int temp_open(char temp[PATH_MAX], const char *target, mode_t mode) {
  for (int k = 0; k < 100; k++) {
    int n = snprintf(temp, PATH_MAX, "%s.dgc-%ld-%d", target, (long)getpid(), k);
    if (n < 0 || n >= PATH_MAX) {
      errno = ENAMETOOLONG;
      return -1;
    }
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

/* The file to be replaced, an open temporary beside it, and the old file's mode (0: there is none). */
static bool replace_begin(Str path, char target[PATH_MAX], char temp[PATH_MAX], int *fd, mode_t *mode,
                          FileError *err) {
  char given[PATH_MAX];
  struct stat st;
  if (!name_z(given, path, "write", err)) return false;
  bool exists = lstat(given, &st) == 0;
  memcpy(target, given, path.n + 1);
  if (exists && S_ISLNK(st.st_mode)) { /* the file behind a link is replaced, the link stays */
    if (!realpath(given, target) || lstat(target, &st) != 0) return fail_errno(err, "write", path);
  }
  if (exists && kind_refused(st.st_mode)) return fail(err, ST_IO, "write", path, kind_refused(st.st_mode));
  if (!exists && errno != ENOENT) return fail_errno(err, "write", path);
  *fd = temp_open(temp, target, exists ? 0600 : 0666);
  *mode = exists ? st.st_mode : 0;
  return *fd >= 0 || fail_errno(err, "write", path);
}

bool file_same(Str a, Str b) {
  char z[PATH_MAX];
  struct stat one, two;
  FileError ignored;
  if (!name_z(z, a, "read", &ignored) || stat(z, &one) != 0) return false;
  if (!name_z(z, b, "read", &ignored) || stat(z, &two) != 0) return false;
  return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Where file_replace writes: the folder, and the name in it. False: nowhere. */
static bool target_of(Str path, char target[PATH_MAX], struct stat *folder, Str *name) {
  FileError ignored;
  char given[PATH_MAX];
  struct stat st;
  if (!name_z(given, path, "write", &ignored)) return false;
  memcpy(target, given, path.n + 1);
  if (lstat(given, &st) == 0 && S_ISLNK(st.st_mode) && !realpath(given, target)) return false;
  char *slash = strrchr(target, '/');
  *name = str_z(slash ? slash + 1 : target);
  if (!slash) return stat(".", folder) == 0;
  char first = slash[1];
  slash[1] = 0; /* "/" stays */
  bool is = stat(target, folder) == 0;
  slash[1] = first;
  return is;
}

bool file_one_target(Str a, Str b) {
  char one[PATH_MAX], two[PATH_MAX];
  struct stat folder[2];
  Str name[2];
  if (str_eq(a, b) || file_same(a, b)) return true;
  return target_of(a, one, &folder[0], &name[0]) && target_of(b, two, &folder[1], &name[1]) &&
         folder[0].st_dev == folder[1].st_dev && folder[0].st_ino == folder[1].st_ino &&
         str_eq(name[0], name[1]);
}

bool folder_usable(Str path, FileError *err) {
  char z[PATH_MAX];
  struct stat st;
  if (!name_z(z, path, "use", err)) return false;
  if (stat(z, &st) != 0 || (S_ISDIR(st.st_mode) && access(z, X_OK) != 0)) return fail_errno(err, "use", path);
  return S_ISDIR(st.st_mode) || fail(err, ST_IO, "use", path, "it is no folder");
}

bool file_may_replace(Str path, FileError *err) {
  char target[PATH_MAX], temp[PATH_MAX];
  int fd;
  mode_t mode;
  if (!replace_begin(path, target, temp, &fd, &mode, err)) return false;
  close(fd);
  unlink(temp);
  return true;
}

bool file_replace(Str path, const Str *parts, size_t nparts, FileError *err) {
  char target[PATH_MAX], temp[PATH_MAX];
  int fd;
  mode_t mode;
  if (!replace_begin(path, target, temp, &fd, &mode, err)) return false;
  bool ok = !mode || fchmod(fd, mode & 07777) == 0;
  ok = ok && write_parts(fd, parts, nparts);
  ok = ok && fsync(fd) == 0;
  int e = errno;
  if (close(fd) != 0 && ok) {
    ok = false;
    e = errno;
  }
  errno = e;
  if (ok) ok = rename(temp, target) == 0;
  if (!ok) {
    e = errno;
    unlink(temp);
    errno = e;
    return fail_errno(err, "write", path);
  }
  if (sync_folder(target)) return true;
  return fail_errno(err, "make sure that the disk has the name of the new, whole file", path);
}

/* The process number in "NAME.dgc-PID-K", or 0 when `entry` is no temporary of `name`. */
static long temp_writer(const char *entry, Str name) {
  if (!str_starts(str_z(entry), name) || strncmp(entry + name.n, ".dgc-", 5) != 0) return 0;
  char *end;
  long pid = strtol(entry + name.n + 5, &end, 10);
  if (pid <= 0 || *end != '-' || end[1] == 0 || end[1 + strspn(end + 1, "0123456789")] != 0) return 0;
  return pid;
}

uint32_t file_sweep(Str path) {
  char given[PATH_MAX], target[PATH_MAX];
  FileError ignored;
  uint32_t n = 0;
  if (!name_z(given, path, "write", &ignored)) return 0;
  if (!realpath(given, target))
    memcpy(target, given, path.n + 1); /* as file_replace: beside the file, not the link */
  Str whole = str_z(target), folder = path_folder(whole);
  const char *slash = strrchr(target, '/');
  Str name = slash ? str_z(slash + 1) : whole;
  memcpy(given, folder.p, folder.n);
  given[folder.n] = 0;
  DIR *d = opendir(given);
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d));) {
    long pid = temp_writer(e->d_name, name);
    if (pid && pid <= INT_MAX && getsid((pid_t)pid) < 0 && errno == ESRCH)
      n += unlinkat(dirfd(d), e->d_name, 0) == 0;
  }
  closedir(d);
  return n;
}

Str path_folder(Str path) {
  size_t n = path.n;
  while (n && path.p[n - 1] != '/') n--;
  if (n == 0) return STR(".");
  while (n > 1 && path.p[n - 1] == '/') n--;
  return (Str){path.p, n};
}

static bool has_parent_step(Str rel) {
  for (size_t i = 0; i < rel.n;) {
    size_t end = i;
    while (end < rel.n && rel.p[end] != '/') end++;
    if (str_eq((Str){rel.p + i, end - i}, STR(".."))) return true;
    i = end + 1;
  }
  return false;
}

/* A name in a program that means nothing breaks a rule; that a file cannot be read is another matter. */
static bool unreadable(FileError *err, Str rel) {
  (void)fail_errno(err, "read", rel);
  if (err->missing) err->status = ST_REJECTED;
  return false;
}

/* Is there such a file? It does not lead out of the root. */
static bool lies_beneath(const char *root_z, Str root, const char *z, Str rel, FileError *err) {
  char real_root[PATH_MAX], real[PATH_MAX];
  if (!realpath(root_z, real_root)) return fail_errno(err, "use", root);
  if (!realpath(z, real)) return unreadable(err, rel);
  Str in = str_z(real), under = str_z(real_root);
  if (str_eq(in, under)) return fail(err, ST_IO, "use", rel, "it is a folder, not a file");
  bool beneath = str_starts(in, under) && (under.n == 1 || in.p[under.n] == '/');
  return beneath || fail(err, ST_REJECTED, "use", rel, "a symbolic link leads out of its folder");
}

static bool host_has(const HostDoor *door, const char *z, Str rel, FileError *err) {
  int fd = door->open(door->user, z);
  if (fd >= 0) return close(fd), true;
  errno = -fd;
  return unreadable(err, rel);
}

bool path_beneath(Arena *a, Str root, Str rel, Str *out, FileError *err) {
  char root_z[PATH_MAX], z[PATH_MAX];
  const HostDoor *door = mem_door(a->mem);
  if (rel.n && rel.p[0] == '/') return fail(err, ST_REJECTED, "use", rel, "a path in a program is relative");
  if (has_parent_step(rel)) return fail(err, ST_REJECTED, "use", rel, "'..' is not allowed in a path");
  if (!name_z(z, rel, "use", err)) {
    err->status = ST_REJECTED;
    return false;
  }
  if (!name_z(root_z, root, "use", err)) return false;
  Str joined = str_eq(root, STR(".")) ? str_copy(a, rel) : str_fmt(a, "%s/%.*s", root_z, (int)rel.n, rel.p);
  if (!name_z(z, joined, "use", err)) return false;
  if (!(door->open ? host_has(door, z, rel, err) : lies_beneath(root_z, root, z, rel, err))) return false;
  *out = joined;
  return true;
}
