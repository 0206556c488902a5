/* The floating-point environment of every number dgc computes: round to nearest, subnormals flushed on the
 * way in (DAZ) and out (FTZ), all exceptions masked. Without flushing, Adam's dying moments cost 15x for
 * ever. Callers bracket their work with fpenv_enter / fpenv_leave, because the host's own environment is the
 * host's. */
#ifndef DG_RUNTIME_CORE_FPENV_H
#define DG_RUNTIME_CORE_FPENV_H

#include <stdint.h>
#include <xmmintrin.h>

#define FPENV_MXCSR 0x9fc0u /* FTZ | masks | DAZ; rounding bits 00 = nearest */
#define FPENV_FLAGS 0x003fu /* sticky exception flags: not part of the mode */

typedef struct FpEnv {
  uint32_t mxcsr;
} FpEnv;

static inline FpEnv fpenv_enter(void) {
  FpEnv old = {_mm_getcsr()};
  if ((old.mxcsr & ~FPENV_FLAGS) != FPENV_MXCSR) _mm_setcsr(FPENV_MXCSR);
  return old;
}

/* Gives the caller's environment back, flags included: what our arithmetic raised is not the host's business.
 */
static inline void fpenv_leave(FpEnv old) { _mm_setcsr(old.mxcsr); }

#endif
