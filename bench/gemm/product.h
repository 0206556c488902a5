/* One matrix product as dgc compiles it: a graph of one contraction, run as any program is. */
#ifndef DG_BENCH_PRODUCT_H
#define DG_BENCH_PRODUCT_H

#include "bench/gemm/shape.h"
#include "runtime/core/pool.h"

typedef struct Product Product;
/* isa: "avx512", "avx2" or NULL for the best; pool may be NULL. The operands must outlive it. NULL and a line
 * on stderr when it cannot be compiled. */
Product *product_new(const Shape *s, const Operands *o, const char *isa, Pool *pool)
    __attribute__((warn_unused_result));
void product_free(Product *p);
void product_run(Product *p);
const float *product_result(const Product *p);
double product_compile_ms(const Product *p);
Pool *product_pool(int threads); /* NULL for one thread; lives until the process ends */
#endif
