/* How the functions of this folder report: false and one line of text with its class. Nothing here prints or
 * exits; running out of memory raises (base/mem.h). */
#ifndef DG_RUNTIME_HOST_ERROR_H
#define DG_RUNTIME_HOST_ERROR_H

#include "base/file.h"

typedef struct HostError {
  Status status;
  char what[768]; /* NUL-terminated, without line end; quoted text of files is cut and escaped */
} HostError;

/* Always false, for `return host_fail(...)`. */
bool host_fail(HostError *e, Status st, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same from an error of the file door; `limit` names the limit that was given as max_bytes. */
bool host_fail_file(HostError *e, const FileError *f, const char *limit);

/* Text of a file or a path for a message: at most 60 bytes; control bytes, '\' and all above ASCII as \xNN.
 */
typedef struct HostShown {
  char z[4 * 60 + 4];
} HostShown;
HostShown host_show(Str s);

#endif
