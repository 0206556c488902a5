#include "bench/gemm/provider.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef void Cblas(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
typedef int OneDnn(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                   int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
struct Provider {
  Cblas *cblas;
  OneDnn *onednn;
  char about[200];
};
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static void *open_first(const char *const *names) {
  for (; *names; names++) {
    void *h = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (h) return h;
  }
  return NULL;
}
/* A function pointer out of a library; ISO C has no cast for that. */
static void find(void *h, const char *name, void *fn) {
  void *p = dlsym(h, name);
  memcpy(fn, &p, sizeof p);
}

static bool open_openblas(Provider *p, int threads) {
  static const char *const names[] = {"openblas-pthread/libopenblas.so.0", "libopenblas.so.0",
                                      "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0", NULL};
  void *h = open_first(names);
  if (!h) return false;
  void (*set)(int);
  const char *(*config)(void), *(*core)(void);
  find(h, "cblas_sgemm", &p->cblas);
  find(h, "openblas_set_num_threads", &set);
  find(h, "openblas_get_config", &config);
  find(h, "openblas_get_corename", &core);
  if (!p->cblas || !set) return false;
  set(threads);
  snprintf(p->about, sizeof p->about, "%s, kernels %s", config ? config() : "OpenBLAS", core ? core() : "?");
  return true;
}
static bool open_blis(Provider *p, int threads) {
  static const char *const names[] = {"libblis.so.4", "/usr/lib/x86_64-linux-gnu/blis-openmp/libblis.so.4",
                                      NULL};
  void *h = open_first(names);
  if (!h) return false;
  void (*set)(int64_t);
  const char *(*version)(void);
  int (*arch)(void);
  const char *(*arch_name)(int);
  find(h, "cblas_sgemm", &p->cblas);
  find(h, "bli_thread_set_num_threads", &set);
  find(h, "bli_info_get_version_str", &version);
  find(h, "bli_arch_query_id", &arch);
  find(h, "bli_arch_string", &arch_name);
  if (!p->cblas || !set) return false;
  set(threads);
  snprintf(p->about, sizeof p->about, "BLIS %s, kernels %s", version ? version() : "?",
           arch && arch_name ? arch_name(arch()) : "?");
  return true;
}
static bool open_onednn(Provider *p, int threads) {
  static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", NULL};
  char number[16];
  snprintf(number, sizeof number, "%d", threads);
  setenv("OMP_NUM_THREADS", number, 1); /* read when its OpenMP library starts */
  void *h = open_first(names);
  if (!h) return false;
  struct Version {
    int major, minor, patch;
  };
  const struct Version *(*version)(void);
  find(h, "dnnl_sgemm", &p->onednn);
  find(h, "dnnl_version", &version);
  if (!p->onednn || !version) return false;
  snprintf(p->about, sizeof p->about, "oneDNN %d.%d.%d", version()->major, version()->minor,
           version()->patch);
  return true;
}

Provider *provider_open(const char *name, int threads, const char **why) {
  Provider *p = calloc(1, sizeof *p);
  bool found = p && (strcmp(name, "openblas") == 0 ? open_openblas(p, threads)
                     : strcmp(name, "blis") == 0   ? open_blis(p, threads)
                                                   : open_onednn(p, threads));
  if (found) return p;
  free(p);
  *why = "not installed (bench/gemm/README.md names the packages)";
  return NULL;
}
void provider_run(const Provider *p, const Shape *s, const Operands *o) {
  int64_t lda = s->ta ? s->m : s->k, ldb = s->tb ? s->k : s->n;
  if (p->cblas)
    p->cblas(ROW_MAJOR, s->ta ? TRANSPOSE : NO_TRANSPOSE, s->tb ? TRANSPOSE : NO_TRANSPOSE, (int)s->m,
             (int)s->n, (int)s->k, 1, o->a, (int)lda, o->b, (int)ldb, 0, o->c, (int)s->n);
  else if (p->onednn(s->ta ? 'T' : 'N', s->tb ? 'T' : 'N', s->m, s->n, s->k, 1, o->a, lda, o->b, ldb, 0, o->c,
                     s->n) != 0)
    abort();
}
const char *provider_about(const Provider *p) { return p->about; }

void provider_set_kernels(bool avx512) {
  if (!avx512) {
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  }
  setenv("BLIS_ARCH_TYPE", avx512 ? "0" : "3", 1); /* numbers of BLIS 0.9: skx, haswell */
}
