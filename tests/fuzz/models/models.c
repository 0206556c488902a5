/* Random whole programs (gen.h). Of each, every entry point as lowered, run by the kernel evaluator, has the
 * bits of the interpreter on the reference graph, and its gradients are those of dual numbers. Of each fifth,
 * native code of some level, instruction set and number of threads against the interpreter, through the
 * library; of the large ones and a few others, of all of them. Programs with data sets are trained, saved and
 * resumed. Every second turn makes a program with a mistake, too, which gets the expected error and no other.
 *
 * usage: models [COUNT [FIRST [EVERY]]]   programs FIRST .. FIRST+COUNT-1, native code of each EVERYth
 *        models --complete [COUNT]        the same, and nothing may be left uncovered
 *        models --verdicts COUNT [FIRST]  verdicts about parameters against gradients, and nothing else
 *        models --seed N                  everything of one program
 *        models -p N | -w N               prints a program, or one with a mistake
 *        models FILE                      checks a case from a file again
 *
 * What fails is made smaller and written to models-N.dg (in the folder MODELS_OUT); MODELS_SHOW=1 prints it.
 */
#include "cover.h"
#include "gen.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Campaign {
  long first, count, every, bad, gradients, dead, zero, wrong, natives, trained;
  long seen[SEEN_KINDS], planted[SEEN_KINDS], steps;
  long body_planted[BODY_PLANTS], body_seen[BODY_PLANTS], forms;
  double worst;
  bool complete, verdicts;
} Campaign;

enum { LARGE_FIRST = 39, LARGE_STEP = 40, LARGE_KINDS = 5 };

static unsigned work_of(const Campaign *k, long turn, const Case *c) {
  unsigned what = DO_PLAN | DO_DUALS;
  if (k->complete && turn % 40 == 39) return DO_PLAN; /* a short run is to stay short */
  if (!k->complete && (turn % (40 * k->every) == 39 || turn % (20 * k->every) == 50))
    return what | DO_MATRIX | (c->rows ? DO_TRAIN : 0);
  if (turn % k->every == 0) what |= DO_NATIVE;
  if (c->rows && (k->every <= 5 || turn % k->every == 4)) what |= DO_TRAIN;
  return what;
}

static void report(const Case *c, unsigned what, long turn, const Fault *f, bool wrong) {
  const char *again = what & DO_REST ? "--verdicts 1" : "--seed";
  static Case small;
  char path[256];
  const char *folder = getenv("MODELS_OUT");
  printf("# program %ld: %s: %s\n# again: models %s %ld\n", turn, f->stage, f->detail, again, turn);
  small = *c;
  if (strcmp(f->stage, "machine") != 0 && strcmp(f->stage, "rejected") != 0 && !getenv("MODELS_KEEP"))
    case_reduce(&small, what, f, getenv("MODELS_SECONDS") ? (unsigned)atoi(getenv("MODELS_SECONDS")) : 60);
  snprintf(path, sizeof path, "%s/models-%s%ld.dg", folder ? folder : ".", wrong ? "w" : "", turn);
  FILE *to = fopen(path, "w");
  if (to && fputs(small.text, to) >= 0 && fclose(to) == 0) printf("# written: %s\n", path);
  if (getenv("MODELS_SHOW")) printf("%s\n", small.text);
}

static bool one(Campaign *k, const Case *c, unsigned what, long turn, bool wrong) {
  Fault f;
  bool good = case_check(c, what, what & DO_MATRIX ? 240 : 120, &f);
  if (f.worst > k->worst) k->worst = f.worst;
  k->gradients += f.gradients, k->dead += f.dead, k->zero += f.zero,
      k->natives += (what & (DO_NATIVE | DO_MATRIX)) != 0;
  k->trained += (what & DO_TRAIN) != 0;
  for (int i = 0; i < SEEN_KINDS; i++) k->seen[i] += f.seen[i], k->planted[i] += f.planted[i];
  for (int i = 0; i < BODY_PLANTS; i++)
    k->body_planted[i] += f.body_planted[i], k->body_seen[i] += f.body_seen[i];
  k->steps += f.steps;
  k->forms += f.forms;
  if (!good) report(c, what, turn, &f, wrong);
  k->bad += !good;
  return good;
}

static void campaign(Campaign *k) {
  static Gen g;
  static Case c;
  for (long turn = k->first; turn < k->first + k->count; turn++) {
    if (turn > k->first && (turn - k->first) % 500 == 0)
      printf("# %ld programs, %ld findings\n", turn - k->first, k->bad);
    gen_model(&g, turn, &c);
    cover_text(c.text);
    if (k->verdicts && turn % 2) gen_plant(&g, turn / 2, &c);
    one(k, &c, k->verdicts ? DO_DUALS | DO_REST | DO_FORMS : work_of(k, turn, &c), turn, false);
    if (turn % 2 || k->verdicts) continue;
    gen_wrong(&g, turn / 2, &c);
    k->wrong++;
    one(k, &c, DO_WRONG, turn / 2, true);
  }
}

/* The programs beyond each threshold that a short run does not reach, without machine code. */
static void large_ones(Campaign *k) {
  static Gen g;
  static Case c;
  for (int i = 0; i < LARGE_KINDS; i++) {
    long turn = LARGE_FIRST + LARGE_STEP * i;
    if (turn >= k->first && turn < k->first + k->count) continue;
    gen_model(&g, turn, &c);
    cover_text(c.text);
    one(k, &c, DO_PLAN, turn, false);
    k->count++;
  }
}

static int print_one(const char *how, long turn) {
  static Gen g;
  static Case c;
  (strcmp(how, "-w") == 0 ? gen_wrong : gen_model)(&g, turn, &c);
  fputs(c.text, stdout);
  return 0;
}

static bool check_file(const char *path) {
  static Case c;
  Fault f;
  FILE *in = fopen(path, "r");
  size_t n = in ? fread(c.text, 1, sizeof c.text - 1, in) : 0;
  if (!in || fclose(in) != 0 || !n || !case_read(&c)) {
    printf("# %s is no case\n", path);
    return false;
  }
  bool good = case_check(&c, c.expect[0] ? DO_WRONG : DO_PLAN | DO_DUALS | DO_MATRIX | DO_TRAIN, 600, &f);
  if (!good) printf("# %s: %s\n", f.stage, f.detail);
  printf("%s 1 - %s\n", good ? "ok" : "not ok", path);
  return good;
}

static bool one_seed(long turn) {
  static Gen g;
  static Case c;
  Campaign k = {.every = 1};
  gen_model(&g, turn, &c);
  bool good = one(&k, &c, DO_PLAN | DO_DUALS | DO_NATIVE | DO_TRAIN, turn, false);
  good = good && one(&k, &c, DO_MATRIX, turn, false);
  gen_wrong(&g, turn, &c);
  good = one(&k, &c, DO_WRONG, turn, true) && good;
  printf("%s 1 - program %ld\n", good ? "ok" : "not ok", turn);
  return good;
}

/* What is planted was found and held against steps: a run that met none of a kind proves nothing of it. In
 * bodies all of it must be found. */
static bool planted(const Campaign *k) {
  enum { ENOUGH = 60 }; /* programs; fewer are a look at one again */
  static const char *const name[SEEN_KINDS] = {"zero", "stuck", "symmetric", "partial", "late", "idle"};
  bool all = k->steps > 0 && k->forms > 0;
  printf("# in %ld steps:", k->steps);
  for (int i = 0; i < SEEN_KINDS; i++) {
    printf(" %ld %s (%ld planted)%s", k->seen[i], name[i], k->planted[i], i + 1 < SEEN_KINDS ? "," : "\n");
    all &= k->planted[i] > 0;
  }
  printf("# %ld times the same program in other words\n", k->forms);
  for (int i = 0; i < BODY_PLANTS; i++) {
    printf("# in bodies, %s: %ld of %ld\n", gen_body_plant(i), k->body_seen[i], k->body_planted[i]);
    all &= k->body_seen[i] > 0 && k->body_seen[i] == k->body_planted[i];
  }
  if (!all && k->count >= ENOUGH)
    puts("# of some kind nothing was planted or not all was seen, or no step was run");
  return all || k->count < ENOUGH;
}

int main(int argc, char **argv) {
  Campaign k = {.count = 60, .every = 5};
  Cover *cover = mmap(NULL, sizeof *cover, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (cover == MAP_FAILED) return 2;
  if (argc == 3 && (strcmp(argv[1], "-p") == 0 || strcmp(argv[1], "-w") == 0))
    return print_one(argv[1], atol(argv[2]));
  puts("1..1");
  if (argc == 3 && strcmp(argv[1], "--seed") == 0) return !one_seed(atol(argv[2]));
  if (argc == 2 && strchr(argv[1], '.')) return !check_file(argv[1]);
  int at = 1;
  if (argc > 1 && strcmp(argv[1], "--complete") == 0) k.complete = true, at++;
  if (argc > 1 && strcmp(argv[1], "--verdicts") == 0) k.verdicts = true, at++;
  if (argc > at) k.count = atol(argv[at]);
  if (argc > at + 1) k.first = atol(argv[at + 1]);
  if (argc > at + 2 && atol(argv[at + 2]) > 0) k.every = atol(argv[at + 2]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  cover_begin(cover);
  campaign(&k);
  if (k.complete) large_ones(&k);
  printf(
      "# %ld programs: %ld steps with gradients by duals (worst %.2g of the sum of absolute terms), %ld "
      "natively, "
      "%ld trained from files, %ld dead parameters held against the gradient; %ld programs with a mistake\n",
      k.count, k.gradients, k.worst, k.natives, k.trained, k.dead, k.wrong);
  printf("# %ld of the dead parameters by algebra, shape or range\n", k.zero);
  bool covered = k.verdicts ? planted(&k) : cover_print(cover, k.complete);
  bool good = !k.bad && covered;
  printf("%s 1 - %ld of %ld random programs\n", good ? "ok" : "not ok", k.count + k.wrong - k.bad,
         k.count + k.wrong);
  return !good;
}
