/* A case is checked in a process of its own, so that what ends the process is a finding like any other. */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool checks(const Case *c, unsigned what, Arena *a, Fault *f) {
  Loaded *l = ARENA_NEW(a, Loaded);
  if (what & DO_WRONG) return check_wrong(c, f);
  return load_case(c, c->text, a, l, f) && (!(what & DO_PLAN) || check_plans(c, l, a, f)) &&
         (!(what & DO_DUALS) || check_gradients(c, l, a, f)) &&
         (!(what & DO_REST) || check_rest(c, l, a, f)) && (!(what & DO_FORMS) || check_forms(c, l, a, f)) &&
         (!(what & (DO_NATIVE | DO_MATRIX)) || !*dg_llvm_version() || check_run(c, l, what, f)) &&
         (!(what & DO_TRAIN) || !l->p.dataset.n || check_train(c, l, f));
}

bool case_check_here(const Case *c, unsigned what, Fault *f) {
  Mem m;
  Arena a;
  Rescue rescue;
  bool good;
  mem_init(&m, 0);
  arena_init(&a, &m);
  if (RESCUE(&m, &rescue)) {
    good = checks(c, what, &a, f);
    rescue_end(&m, &rescue);
  } else
    good = finding(f, "raised", "status %d: %s", (int)rescue.status, rescue.what);
  arena_release(&a);
  return good;
}

bool case_check(const Case *c, unsigned what, unsigned seconds, Fault *f) {
  Fault *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int status = 0;
  memset(f, 0, sizeof *f);
  if (shared == MAP_FAILED) return finding(f, "machine", "no memory to share");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit cpu = {seconds, seconds + 5};
    (void)setrlimit(RLIMIT_CPU, &cpu); /* time of its own: a busy machine is no finding */
    alarm(20 * seconds);
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0,
                0); /* most processes are short: small pages are sooner cleared */
    _exit(case_check_here(c, what, shared) ? 0 : 1);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) return finding(f, "machine", "no process");
  *f = *shared;
  munmap(shared, sizeof *shared);
  if (WIFSIGNALED(status))
    return finding(f, WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGXCPU ? "time" : "signal",
                   "ended by signal %d", WTERMSIG(status));
  if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && !f->stage[0]))
    return finding(f, "exit", "status %d", WEXITSTATUS(status));
  return !f->stage[0];
}
