#include "runtime/host/error.h"

#include <stdio.h>

bool host_fail(HostError *e, Status st, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(e->what, sizeof e->what, fmt, ap);
  va_end(ap);
  e->status = st;
  return false;
}

bool host_fail_file(HostError *e, const FileError *f, const char *limit) {
  if (f->status == ST_LIMIT) return host_fail(e, f->status, "%s (limit '%s')", f->what, limit);
  return host_fail(e, f->status, "%s", f->what);
}

HostShown host_show(Str s) {
  enum { MOST = 60 };
  HostShown out;
  size_t n = 0;
  for (size_t i = 0; i < s.n && i < MOST; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      out.z[n++] = (char)c;
    } else {
      snprintf(out.z + n, 5, "\\x%02x", c);
      n += 4;
    }
  }
  snprintf(out.z + n, 4, "%s", s.n > MOST ? "..." : "");
  return out;
}
