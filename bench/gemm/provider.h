/* The libraries that dgc's products are compared with, found at run time: none is needed to build. */
#ifndef DG_BENCH_PROVIDER_H
#define DG_BENCH_PROVIDER_H

#include "bench/gemm/shape.h"

typedef struct Provider Provider;
/* name: "openblas", "blis" or "onednn". NULL when it is not installed; *why says so (static text). */
Provider *provider_open(const char *name, int threads, const char **why) __attribute__((warn_unused_result));
void provider_run(const Provider *p, const Shape *s, const Operands *o);
/* What it says of itself: version, kernels. Static text. */
const char *provider_about(const Provider *p);
/* Sets what makes the libraries take AVX2 kernels, or AVX-512 ones (BLIS goes by the CPU's name, and virtual
 * machines have none that it knows); before any is opened, in a process of its own. What they took is in
 * provider_about. */
void provider_set_kernels(bool avx512);
#endif
