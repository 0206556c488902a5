/* LLVM ends the process when memory runs out or an internal check fails. Calls made through the guard come
 * back instead. What the unwound frames held is lost (about 1 MB): treat its contexts and JITs as dead. */
#ifndef DG_CODEGEN_GUARD_H
#define DG_CODEGEN_GUARD_H

#ifdef __cplusplus
extern "C" {
#endif
typedef enum { GUARD_OK, GUARD_NO_MEMORY, GUARD_FATAL, GUARD_OTHER } GuardResult;
/* Runs fn(arg). Anything but GUARD_OK: msg (cap bytes) says why. fn must not longjmp out. */
GuardResult guard_call(void (*fn)(void *), void *arg, char *msg, unsigned cap);
typedef enum { START_LATER, START_DONE, START_FAILED } StartResult;
/* Runs fn, one thread at a time, until it gives something other than START_LATER; that is what all later
 * calls in this process give. */
StartResult guard_start(StartResult (*fn)(void *), void *arg);
#ifdef __cplusplus
}
#endif

#endif
