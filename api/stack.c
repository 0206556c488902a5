/* A thread with a small stack gets a refusal, not a signal. */
#include "api/api.h"

#include <pthread.h>

/* Bytes between here and the end of the calling thread's stack; SIZE_MAX where the system does not tell. */
static size_t stack_left(void) {
  pthread_attr_t attr;
  void *low;
  size_t size, left = SIZE_MAX;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return left;
  const char *here = __builtin_frame_address(0);
  if (pthread_attr_getstack(&attr, &low, &size) == 0 && here > (const char *)low)
    left = (size_t)(here - (const char *)low);
  pthread_attr_destroy(&attr);
  return left;
}

void api_stack(Mem *m, size_t need) {
  size_t left = stack_left();
  if (left < need)
    mem_raise(m, ST_LIMIT, "this thread has %zu KiB of stack left, and %zu KiB are needed", left / 1024,
              need / 1024);
}
