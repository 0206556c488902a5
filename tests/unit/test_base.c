#include "base/arena.h"
#include "base/size.h"
#include "unit.h"

START_TEST(mul_overflow) {
  size_t n = 0;
  ck_assert(size_mul(3, 4, &n));
  ck_assert_uint_eq(n, 12);
  ck_assert(!size_mul(SIZE_MAX / 2, 3, &n));
}
END_TEST

UNIT_MAIN(UNIT("size", mul_overflow))
