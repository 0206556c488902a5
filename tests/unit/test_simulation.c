/* The gradient of a long simulation, as native code computes it: bench/loop/leapfrog.dg, six bodies, 10,000
 * steps, against differences of what the same code says of where they end. (Against dual numbers,
 * over fewer steps: test_region_grad, graph bodies.) */
#include "api_kit.h"
#include "isa_kit.h"

enum { BODIES = 6, NUMBERS = 3 * BODIES };
static uint64_t dice_state;
static double dice(double lo, double hi) {
  dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * (double)(dice_state >> 11) / 0x1p53;
}

typedef struct Flight {
  dg_context *cx;
  dg_session *s;
  double mass[BODIES], place[NUMBERS], speed[NUMBERS];
} Flight;

static dg_array array(double *data, int rank) {
  return (dg_array){.dtype = DG_F64, .rank = rank, .extent = {BODIES, 3}, .data = data};
}

/* Where they end, as one number, after the leaf moved by h along `way`. */
static double spread_at(Flight *f, double *leaf, const double *way, int n, double h) {
  dg_context *cx = f->cx;
  double was[NUMBERS], v;
  dg_array place = array(f->place, 2), speed = array(f->speed, 2);
  memcpy(was, leaf, (size_t)n * sizeof *was);
  for (int i = 0; i < n; i++) leaf[i] += h * way[i];
  ok(dg_write(f->s, "place", &place));
  ok(dg_write(f->s, "speed", &speed));
  ok(dg_evaluate(f->s));
  ok(dg_value(f->s, "spread", &v));
  memcpy(leaf, was, (size_t)n * sizeof *was);
  return v;
}

START_TEST(slopes_of_ten_thousand_steps) {
  size_t n;
  char *text = slurp("bench/loop/leapfrog.dg", &n);
  ck_assert_ptr_nonnull(strstr(text, "0:10000"));
  strcat(text, "output mass_slope = grad(spread, mass)\noutput place_slope = grad(spread, place)\n"
               "output speed_slope = grad(spread, speed)\n");
  Flight f = {.cx = context()};
  dg_context *cx = f.cx;
  dg_program *p = program(cx, text);
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.isa = isa_name();
  ok(dg_session_new(p, &o, &f.s));
  dice_state = 5;
  for (int i = 0; i < BODIES; i++) f.mass[i] = dice(0.5, 1.5);
  for (int i = 0; i < NUMBERS; i++) f.place[i] = dice(-1, 1), f.speed[i] = dice(-0.5, 0.5);
  dg_array mass = array(f.mass, 1);
  ok(dg_bind(f.s, "mass", &mass));
  const struct {
    const char *slope;
    double *leaf;
    int n;
  } row[] = {
      {"mass_slope", f.mass, BODIES}, {"place_slope", f.place, NUMBERS}, {"speed_slope", f.speed, NUMBERS}};
  for (size_t r = 0; r < sizeof row / sizeof *row; r++)
    for (int turn = 0; turn < 3; turn++) {
      double way[NUMBERS] = {0}, slope = 0, h = 1e-5;
      dg_array got;
      (void)spread_at(&f, row[r].leaf, way, 0, 0);
      ok(dg_predict(f.s));
      ok(dg_read(f.s, row[r].slope, &got));
      for (int i = 0; i < row[r].n; i++) way[i] = dice(-1, 1), slope += way[i] * ((double *)got.data)[i];
      double side[4]; /* at -2h, -h, h, 2h: a difference whose error falls with h^4 */
      for (int i = 0; i < 4; i++)
        side[i] = spread_at(&f, row[r].leaf, way, row[r].n, (i < 2 ? i - 2 : i - 1) * h);
      double want = (8 * (side[2] - side[1]) - (side[3] - side[0])) / (12 * h);
      ck_assert_msg(fabs(slope - want) <= 1e-7 * (1 + fabs(want)), "%s, turn %d: %.15g, differences %.15g",
                    row[r].slope, turn, slope, want);
      ck_assert_double_gt(fabs(want), 1e-3);
    }
  free(text);
  dg_session_free(f.s);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

ISA_MAIN(UNIT("simulation", slopes_of_ten_thousand_steps))
