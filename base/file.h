/* The one file door: every read and write of the project goes through here (tools/lint-files). */
#ifndef DG_BASE_FILE_H
#define DG_BASE_FILE_H

#include "base/str.h"

typedef struct FileError {
  Status status;  /* ST_IO, ST_LIMIT, ST_BAD_DATA; path_beneath: also ST_REJECTED */
  uint16_t why;   /* where in `what` the reason alone begins */
  bool missing;   /* there is no such file or folder */
  char what[256]; /* one line: what was tried, the system's words; the path is escaped */
} FileError;

/* A regular file that is read from front to back. */
typedef struct FileIn {
  Str path;
  int fd;      /* -1: closed */
  size_t size; /* when it was opened */
  size_t at;   /* bytes read */
} FileIn;
/* By the host's door where it has one. Refuses directories, devices, FIFOs and files above max_bytes. */
MUST_USE bool file_open(const Mem *m, Str path, int64_t max_bytes, FileIn *f, FileError *err);
/* The next n bytes; at most size - at. Fewer, because the file was cut short meanwhile, are an error. */
MUST_USE bool file_take(FileIn *f, char *to, size_t n, FileError *err);
/* Is the file as long as it was? Asked when all of it has been taken. */
MUST_USE bool file_ended(FileIn *f, FileError *err);
void file_close(FileIn *f);
/* Reads a regular file whole, with the same refusals. */
MUST_USE bool file_read(Arena *a, Str path, int64_t max_bytes, Str *out, FileError *err);
/* Writes by atomic replace: temporary beside it, fsync, rename, fsync of the folder. On failure the old file
 * stays whole; only where the last fsync fails, and the message says so, it is the new one. */
MUST_USE bool file_replace(Str path, const Str *parts, size_t nparts, FileError *err);
/* Could file_replace write there now? Asked before long work whose result goes there. Leaves no trace. */
MUST_USE bool file_may_replace(Str path, FileError *err);
/* Are these two names of one file that exists (links count)? */
bool file_same(Str a, Str b);
/* Would file_replace write both to one file, there or not? */
bool file_one_target(Str a, Str b);
/* Is there a folder that can be looked into? */
MUST_USE bool folder_usable(Str path, FileError *err);
/* Removes temporaries of file_replace for this path whose writer is no longer running; returns how many. */
uint32_t file_sweep(Str path);

/* Resolves a path written in a .dg file: relative, no "..", no symlink leaving the root, beneath `root`. The
 * result is root/rel, NUL-terminated. ST_REJECTED: a rule is broken, or there is no file. Where the host
 * opens files, what a name means is its business: the rules on names hold, links and folders are not looked
 * at. */
MUST_USE bool path_beneath(Arena *a, Str root, Str rel, Str *out, FileError *err);
Str path_folder(Str path); /* "a/b.dg" -> "a"; "b.dg" -> "." */

#endif
