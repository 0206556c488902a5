/* Structs that cross the border in sizes of other versions of the header: tests/abi does it with a whole
 * host. */
#include "api/api.h"
#include "api_kit.h"

typedef struct Now {
  uint32_t size;
  int a, b, c;
} Now;
static const Now defaults = {sizeof(Now), 1, 2, 3};

/* Set as a host does whose struct has so many members, or words more. */
static dg_status taken(dg_context *cx, Now *to, uint32_t size, int rest) {
  uint32_t host[8] = {size, 10, 20, 30, 0, 0, 0, 0};
  host[5] = (uint32_t)rest;
  *to = defaults;
  return api_sized(cx, "dg_now", to, sizeof *to, host);
}

START_TEST(what_a_host_gives) {
  dg_context *cx = context();
  Now n;
  ok(taken(cx, &n, sizeof n, 0));
  ck_assert(n.size == sizeof n && n.a == 10 && n.b == 20 && n.c == 30);
  ok(taken(cx, &n, offsetof(Now, c), 7));
  ck_assert(n.size == sizeof n && n.b == 20 && n.c == 3);
  ok(taken(cx, &n, 4, 7));
  ck_assert(n.size == sizeof n && n.a == 1 && n.c == 3);
  ok(taken(cx, &n, sizeof n + 16, 0));
  ck_assert(n.size == sizeof n && n.c == 30);
  ok(taken(cx, &n, sizeof n + 4, 7)); /* behind its end */
  fails(DG_USAGE, "does not know is not 0", taken(cx, &n, sizeof n + 8, 7));
  fails(DG_USAGE, "its size is 0", taken(cx, &n, 0, 0));
  fails(DG_USAGE, "its size is 3", taken(cx, &n, 3, 0));
  fails(DG_USAGE, "sizeof(dg_now)", taken(cx, &n, UINT32_MAX, 0));
  dg_context_free(cx);
}
END_TEST

START_TEST(what_a_host_gets) {
  for (uint32_t size = 0; size <= 32; size += 4) {
    uint32_t host[10];
    memset(host, 0x55, sizeof host);
    api_fill(host, size, &defaults, sizeof defaults);
    for (uint32_t i = 0; i < 10; i++) {
      const uint32_t has[] = {size, 1, 2, 3};
      ck_assert_uint_eq(host[i], 4 * i >= size ? 0x55555555u : i < 4 ? has[i] : 0);
    }
  }
}
END_TEST

UNIT_MAIN(UNIT("sizes", what_a_host_gives, what_a_host_gets))
