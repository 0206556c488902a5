/* Reads program text from memory: for the tests of the reader. */
#ifndef DG_TESTS_PARSE_KIT_H
#define DG_TESTS_PARSE_KIT_H

#include "frontend/syntax/parse.h"
#include "unit.h"

/* The long experiments take every KIT_STRIDE-th case where each costs twenty times as much. */
#if defined(__SANITIZE_ADDRESS__)
#define KIT_STRIDE 16
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KIT_STRIDE 16
#endif
#endif
#ifndef KIT_STRIDE
#define KIT_STRIDE 1
#endif

typedef struct Kit {
  Mem mem;
  Arena arena;
  Sources sources;
  Names names;
  Limits limits;
  Diags diags;
  uint32_t file;
  AstFile *tree;
  bool ok;
} Kit;

static inline void kit_init(Kit *k, Str text) {
  mem_init(&k->mem, 0);
  arena_init(&k->arena, &k->mem);
  sources_init(&k->sources, &k->arena);
  names_init(&k->names, &k->arena);
  limits_init(&k->limits);
  diags_init(&k->diags, &k->arena, &k->sources, &k->limits);
  k->file = sources_add(&k->sources, STR("t.dg"), text, false);
  k->tree = NULL;
}

static inline void kit_parse(Kit *k) {
  k->ok = parse_file(k->file, &k->sources, &k->names, &k->arena, &k->diags, &k->limits, &k->tree);
  diags_finish(&k->diags);
}

static inline Kit *kit_of(Kit *k, Str text) {
  kit_init(k, text);
  kit_parse(k);
  return k;
}

static inline void kit_free(Kit *k) { arena_release(&k->arena); }

static inline Str kit_ast(Kit *k) {
  Sb b;
  sb_init(&b, &k->arena);
  ast_print(k->tree, &k->names, false, &b);
  return sb_str(&b);
}

static inline Str kit_messages(Kit *k) {
  Sb b;
  sb_init(&b, &k->arena);
  diag_render_all(&k->diags, (DiagStyle){.tab = 8}, &b);
  return sb_str(&b);
}

/* "3:7 DG0110" of each message, one a line: what most tests compare. */
static inline Str kit_codes(Kit *k) {
  Sb b;
  sb_init(&b, &k->arena);
  for (uint32_t i = 0; i < k->diags.all.n; i++) {
    const Diag *g = k->diags.all.at[i];
    LineCol at = sources_at(&k->sources, g->at.file, g->at.lo);
    sb_fmt(&b, "%s%u:%u DG%04u", i ? "\n" : "", at.line, at.col, diag_info[g->kind].code);
  }
  return sb_str(&b);
}

/* A whole file below the source root, which is the working folder of the tests. */
static inline char *kit_load(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "cannot read %s", path);
  char *p = malloc(1 << 20);
  *n = fread(p, 1, 1 << 20, f);
  fclose(f);
  return p;
}

#define KIT_SKETCHES                                                                                         \
  {"dqn",          "gpt2",     "llama_block", "maml", "moe", "neural_ode",                                   \
   "pinn_burgers", "resnet18", "seq2seq",     "unet", "vae", "wgan_gp"}

#endif
