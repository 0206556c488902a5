/* Kernel IR: evaluator against plain C, text round trip, what the verifier and the independence proof accept
 * and refuse. */
#include "base/mem.h"
#include "kernel_random.h"
#include "runtime/core/step.h"
#include "unit.h"

static Mem mem;
static Arena arena;
static void begin(void) {
  if (arena.mem) arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
}
static const char *text(Sb *b) {
  sb_char(b, 0);
  return b->p;
}
static void accepted(const Kernel *k) {
  Sb why;
  sb_init(&why, &arena);
  ck_assert_msg(kernel_verify(k, &why), "%s", text(&why));
}
static void refused(const char *t, const char *part) {
  Sb why;
  Kernel *k;
  sb_init(&why, &arena);
  ck_assert_msg(kernel_parse(&arena, str_z(t), &k, &why), "%s", text(&why));
  bool ok = kernel_verify(k, &why);
  ck_assert_msg(!ok, "accepted:\n%s", t);
  ck_assert_msg(strstr(text(&why), part) != NULL, "%s", why.p);
}
static const Scalar *program(const char *t, int n) {
  static const char *const name[] = {"x", "y", "z"};
  ScalarInput in[3];
  Sb why;
  sb_init(&why, &arena);
  for (int i = 0; i < n; i++) in[i] = (ScalarInput){name[i], DT_F32};
  return scalar_parse(&arena, str_z(t), in, (uint32_t)n, DT_F32, &why);
}

/* C[M, N] = A[M, K] B[K, N] + bias, rows in blocks of 3 and a rest, columns in panels of 32 and a masked
 * rest. */
static Kernel *gemm(int64_t M, int64_t N, int64_t K) {
  KernelBuilder b;
  Kernel *k = kernel_begin(&b, &arena, STR("gemm"));
  int A = kernel_buffer(&b, STR("A"), DT_F32, M * K, BUFFER_IN),
      B = kernel_buffer(&b, STR("B"), DT_F32, K * N, BUFFER_IN);
  int bias = kernel_buffer(&b, STR("bias"), DT_F32, N, BUFFER_IN),
      C = kernel_buffer(&b, STR("C"), DT_F32, M * N, BUFFER_OUT);
  for (int part = 0; part < 2; part++) {
    int64_t panels = part ? N % 32 != 0 : N / 32, col = part ? N / 32 * 32 : 0;
    if (!panels) continue;
    int p = kernel_loop(&b, LOOP_PAR, panels, 1);
    for (int rest = 0; rest < 2; rest++) {
      int64_t blocks = rest ? M % 3 != 0 : M / 3, row = rest ? M / 3 * 3 : 0;
      int rows = rest ? (int)(M % 3) : 3;
      if (!blocks) continue;
      int acc = kernel_tile(&b, STR("acc"), DT_F32, rows, 32), y = kernel_tile(&b, STR("y"), DT_F32, 1, 32);
      int i = kernel_loop(&b, LOOP_SEQ, blocks, 1);
      kernel_fill(&b, acc, 0);
      int d = kernel_loop(&b, LOOP_SEQ, K, 2);
      Access ya = access_at(B, affine_add(affine_add(affine(col), p, 32), d, N), 0, 1);
      Access ca = access_at(C, affine_add(affine_add(affine(row * N + col), p, 32), i, 3 * N), N, 1);
      Access ba = access_at(bias, affine_add(affine(col), p, 32), 0, 1);
      if (part) {
        ya = access_guard(ya, affine(col), 0, 1, N);
        ca = access_guard(ca, affine(col), 0, 1, N);
        ba = access_guard(ba, affine(col), 0, 1, N);
      }
      kernel_load(&b, y, ya);
      Access xa = access_at(A, affine_add(affine_add(affine(row * K), i, 3 * K), d, 1), K, 0);
      kernel_map1(
          &b, program("fma(x, y, z)", 3), acc, 3,
          (KernelOperand[]){operand_memory(&b, rows, 1, xa), operand_tile(&b, y), operand_tile(&b, acc)});
      kernel_end(&b);
      kernel_map1(&b, program("x + y", 2), acc, 2,
                  (KernelOperand[]){operand_tile(&b, acc), operand_memory(&b, 1, 32, ba)});
      kernel_store(&b, acc, ca);
      kernel_end(&b);
    }
    kernel_end(&b);
  }
  return k;
}

START_TEST(gemm_equals_plain_c) {
  static const int64_t shape[][3] = {{1, 1, 1}, {3, 32, 4}, {7, 45, 9}, {2, 33, 17}, {10, 64, 5}};
  for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
    begin();
    int64_t M = shape[s][0], N = shape[s][1], K = shape[s][2];
    Kernel *k = gemm(M, N, K);
    Sb why;
    sb_init(&why, &arena);
    accepted(k);
    ck_assert_msg(kernel_independent(k, &why), "%s", text(&why));
    Rng g = {s};
    void *buf[4];
    for (int i = 0; i < 4; i++) {
      buf[i] = guarded_alloc(DT_F32, k->buffer[i].n);
      fill_random(&g, DT_F32, k->buffer[i].n, buf[i], true);
    }
    uint32_t env = fp_enter();
    kernel_eval(k, buf, 1, kernel_units(k), &arena);
    kernel_eval(k, buf, 0, 1, &arena);
    const float *A = buf[0], *B = buf[1], *bias = buf[2], *C = buf[3];
    for (int64_t i = 0; i < M; i++)
      for (int64_t j = 0; j < N; j++) {
        float acc = 0;
        for (int64_t d = 0; d < K; d++) acc = fmaf(A[i * K + d], B[d * N + j], acc);
        acc += bias[j];
        ck_assert(same_value(DT_F32, &acc, &C[i * N + j]));
      }
    fp_leave(env);
    for (int i = 0; i < 4; i++) guarded_free(buf[i], DT_F32, k->buffer[i].n);
  }
}
END_TEST

START_TEST(fold_index_clip_coord) {
  begin();
  Kernel *k;
  Sb why;
  sb_init(&why, &arena);
  bool ok = kernel_parse(&arena,
                         STR("kernel k\n"
                             "  in ix: i32[3]\n  in E: f32[40]\n  out S: f32[3]\n  out G: i32[48]\n"
                             "  tile e: f32[1x16]\n  tile s: f32[1x1]\n  tile g: i32[1x16]\n"
                             "  par i0 < 3 {\n"
                             "    e = map {| ret 0s}\n"
                             "    seq i1 < 4 clip i0+1 {\n"
                             "      e = map {x0:f32, x1:f32 | %0 = add x0 x1; ret %0} e, 1x16 E[c + "
                             "10*ix[i0]<4] if 0<=c<10 else 0.5s\n"
                             "    }\n"
                             "    s = fold.sum e\n"
                             "    store S[i0] = s\n"
                             "    g = map {x0:i32 | %0 = mul x0 x0; ret %0} coord 1x16 (100*i0+2*c-1)\n"
                             "    store G[16*i0+c] = g\n"
                             "  }\n"),
                         &k, &why);
  ck_assert_msg(ok, "%s", text(&why));
  accepted(k);
  ck_assert(kernel_independent(k, &why));
  float E[40], S[3];
  int32_t ix[3] = {3, 0, 7}, G[48]; /* 7 is out of range: everything is the pad */
  for (int i = 0; i < 40; i++) E[i] = (float)i;
  kernel_eval(k, (void *[]){ix, E, S, G}, 0, 3, &arena);
  ck_assert_float_eq(S[0], 345 + 3);
  ck_assert_float_eq(S[1], 2 * (45 + 3));
  ck_assert_float_eq(S[2], 3 * 8);
  ck_assert_int_eq(G[16 + 15], 129 * 129);
}
END_TEST

START_TEST(random_round_trip) {
  for (int i = 0; i < 150; i++) {
    begin();
    Rng g = {(uint64_t)i * 77 + 5};
    Kernel *k = random_kernel(&g, &arena, i & 1), *again;
    Sb a, b, why;
    sb_init(&a, &arena), sb_init(&b, &arena), sb_init(&why, &arena);
    accepted(k);
    ck_assert_msg(kernel_independent(k, &why), "%d: %s", i, text(&why));
    kernel_print(k, &a);
    ck_assert_msg(kernel_parse(&arena, sb_str(&a), &again, &why), "%s\n%s", text(&why), text(&a));
    kernel_print(again, &b);
    ck_assert(str_eq(sb_str(&a), sb_str(&b)));
    accepted(again);
    ck_assert(kernel_id_eq(kernel_id(k), kernel_id(again)));
    Kernel *copy = kernel_copy(&arena, k);
    Sb c;
    sb_init(&c, &arena);
    kernel_print(copy, &c);
    ck_assert(str_eq(sb_str(&a), sb_str(&c)) && kernel_id_eq(kernel_id(k), kernel_id(copy)));
  }
}
END_TEST

static KernelStmt *first_of(KernelStmt *s, StmtKind kind) {
  for (; s; s = s->next) {
    if (s->kind == kind) return s;
    KernelStmt *in = s->kind == STMT_LOOP ? first_of(s->loop.body, kind) : NULL;
    if (in) return in;
  }
  return NULL;
}

static bool differs(const Kernel *k, KernelId from) { return !kernel_id_eq(kernel_id(k), from); }
#define CHANGES(field)                                                                                       \
  do {                                                                                                       \
    __typeof__(field) was = (field);                                                                         \
    (field) = (__typeof__(field))(was + 1);                                                                  \
    ck_assert_msg(differs(k, id), "%d: " #field, i);                                                         \
    (field) = was;                                                                                           \
  } while (0)

static void access_changes(const Kernel *k, Access *x, KernelId id, int i) {
  CHANGES(x->buffer);
  CHANGES(x->stream);
  CHANGES(x->at.a.k);
  CHANGES(x->at.a.v[0]);
  CHANGES(x->at.a.v[KERNEL_LOOPS - 1]);
  CHANGES(x->at.r);
  CHANGES(x->at.c);
  CHANGES(x->pad.w);
  if (x->nguard) CHANGES(x->guard[0].extent);
  if (x->nguard) CHANGES(x->guard[0].at.a.k);
  if (x->index >= 0) {
    CHANGES(x->scale);
    CHANGES(x->index_extent);
    CHANGES(x->index_at.a.k);
  }
}

/* Whatever native code is made from is part of the id; names are not. */
START_TEST(id_holds_everything) {
  begin();
  for (int i = 0; i < 60; i++) {
    Rng g = {(uint64_t)i * 31 + 9};
    Kernel *k = random_kernel(&g, &arena, i & 1);
    KernelId id = kernel_id(k);
    k->name = STR("other"), k->buffer[0].name = STR("b"), k->tile[0].name = STR("t");
    ck_assert(!differs(k, id));
    CHANGES(k->buffer[0].n);
    CHANGES(k->buffer[0].type);
    CHANGES(k->buffer[0].kind);
    if (k->ntile) {
      CHANGES(k->tile[0].type);
      CHANGES(k->tile[0].rows);
      CHANGES(k->tile[0].cols);
    }
    CHANGES(k->root->loop.extent);
    CHANGES(k->root->loop.kind);
    CHANGES(k->root->loop.unroll);
    KernelStmt *s = first_of(k->root, STMT_LOAD);
    if (s) access_changes(k, &s->mem.access, id, i);
    if (s) CHANGES(s->mem.tile);
    if ((s = first_of(k->root, STMT_STORE))) access_changes(k, &s->mem.access, id, i);
    if ((s = first_of(k->root, STMT_FOLD))) {
      CHANGES(s->fold.op);
      CHANGES(s->fold.dst);
      CHANGES(s->fold.src);
    }
    if ((s = first_of(k->root, STMT_MAP))) {
      CHANGES(s->map.dst[0]);
      if (s->map.nsrc) CHANGES(s->map.src[0].kind);
      Scalar *p = (Scalar *)(uintptr_t)s->map.program;
      if (p->nins) {
        ScalarIns *n = (ScalarIns *)(uintptr_t)p->ins;
        CHANGES(n->op);
        CHANGES(n->type);
        uint16_t arg = n->arg[2].i;
        n->arg[2].i = arg + 1;
        ck_assert(differs(k, id));
        n->arg[2].i = arg;
      }
      if (p->nleaf && !p->leaf[0].input) {
        ScalarLeaf *l = (ScalarLeaf *)(uintptr_t)p->leaf;
        CHANGES(l->value.w);
      }
    }
    ck_assert(!differs(k, id));
  }
}
END_TEST

START_TEST(verifier_refuses) {
  begin();
#define HEAD                                                                                                 \
  "kernel k\n  in X: f32[32]\n  in ix: i32[4]\n  out Y: f32[64]\n  tile t: f32[2x16]\n  tile u: f32[2x1]\n " \
  " tile w: i32[2x16]\n  par i0 < 2 {\n"
  refused(HEAD "t = load X[16*i0+16*r+c]\n}\n", "X[0..47] is outside");
  refused(HEAD "t = load X[r+c-1]\n}\n", "X[-1..15] is outside");
  refused(HEAD "t = load X[i1+c]\n}\n", "not open");
  refused(HEAD "store Y[c] = t\n}\n", "read before it is set");
  refused(HEAD "t = load X[16*r+c]\nstore X[c] = t\n}\n", "store to an input");
  refused("kernel k\n  out Y: u8[32]\n  tile w: i32[2x16]\n  par i0 < 1 {\nw = map {| ret 1i}\n"
          "store Y[16*r+c] = w\n}\n",
          "a store to bytes");
  refused("kernel k\n  in X: bf16[32]\n  out Y: f32[32]\n  tile w: i32[2x16]\n  par i0 < 1 {\n"
          "w = load X[16*r+c]\n}\n",
          "tile and buffer differ in type");
  refused(HEAD "t = load ix[0]\n}\n", "differ in type");
  refused(HEAD "u = load X[r]\nt = fold.sum u\n}\n", "fold");
  refused(HEAD "t = map {x0:f32 | ret x0} 3x16 X[0]\n}\n", "broadcast");
  refused(HEAD "t = map {x0:i32 | %0 = cast.f32 x0; ret %0} 2x16 X[c]\n}\n", "the program takes i32");
  refused(HEAD "w = map {x0:f32 | ret x0} 2x16 X[c]\n}\n", "another shape or type");
  refused(HEAD "t, t = map {x0:f32 | ret x0 x0} 2x16 X[c]\n}\n", "set twice");
  refused(HEAD "seq i1 < 3 clip i0 {\nt = load X[16*r+c]\n}\nstore Y[c] = t\n}\n", "read before it is set");
  refused(HEAD "t = load X[c + 16*ix[0]<4]\n}\n", "X[0..63] is outside");
  refused(HEAD "t = load X[c + 4*X[0]<4]\n}\n", "index operand is i32");
  refused(HEAD "t = load X[c]\nstore Y[c+3] = t\n}\npar i0 < 1 {\nstore Y[c] = t\n}\n",
          "read before it is set");
  refused(HEAD "seq i1 < 0 {\n}\n}\n", "loop extent");
  refused("kernel k\n  out Y: f32[64]\n  seq i0 < 2 {\n  }\n", "par loops");
  refused(HEAD "t = load X[c]\nsweep i1 < 2 {\nstore Y[c] = t\n}\n}\n", "a sweep is all of a unit");
  refused(HEAD "seq i1 < 2 {\nsweep i2 < 2 {\nt = load X[c]\n}\n}\n}\n", "a sweep is all of a unit");
  refused(HEAD "t = load X[4611686018427387904*i0+4611686018427387904*r]\n}\n", "overflows");
  refused(HEAD "t = load X[c]\nstore Y[i0+16*r+c] stream = t\n}\n", "not aligned");
}
END_TEST

START_TEST(guards_prove_bounds) {
  begin();
  Kernel *k;
  Sb why;
  sb_init(&why, &arena);
  /* a 3x3 window with padding 1 over 5 x 28, and a tail */
  bool ok = kernel_parse(&arena,
                         STR("kernel k\n  in X: f32[140]\n  out Y: f32[12]\n  tile t: f32[1x32]\n"
                             "  par i0 < 5 {\n    seq i1 < 3 {\n      seq i2 < 3 {\n"
                             "        t = load X[28*i0+28*i1+i2+c-29] if 0<=i0+i1-1<5 and 0<=i2+c-1<28\n"
                             "      }\n    }\n    t = load X[5*c] if 0<=-c+9<10\n  }\n"),
                         &k, &why);
  ck_assert_msg(ok, "%s", text(&why));
  accepted(k);
}
END_TEST

START_TEST(independence_is_proved_or_not) {
  begin();
  static const struct {
    const char *body;
    bool ok;
  } row[] = {
      {"par i0 < 4 {\nt = load X[c]\nstore Y[16*i0+c] = t\n}\n", true},
      {"par i0 < 4 {\nt = load X[c]\nstore Y[15*i0+c] = t\n}\n", false},
      {"par i0 < 4 {\nt = load X[c]\nseq i1 < 3 {\nstore Y[16*i0+64*i1+c] = t\n}\n}\n",
       true}, /* columns of a matrix */
      {"par i0 < 4 {\nt = load X[c]\nstore Y[c] = t\n}\n", false},
      {"par i0 < 1 {\nt = load X[c]\nstore Y[c] = t\n}\n", true},
      {"par i0 < 2 {\nt = load X[c]\nstore Y[64*i0+c] = t\n}\npar i0 < 2 {\nt = load X[c]\nstore "
       "Y[64*i0+c+16] = t\n}\n",
       true},
      {"par i0 < 2 {\nt = load X[c]\nstore Y[64*i0+c] = t\n}\npar i0 < 2 {\nt = load X[c]\nstore "
       "Y[64*i0+c+15] = t\n}\n",
       false},
      {"par i0 < 2 {\nt = load Y[c]\nstore Y[16*i0+c] = t\n}\n", false}, /* reads what another writes */
      {"par i0 < 2 {\nt = load Y[16*i0+c]\nstore Y[16*i0+c] = t\n}\n", true},
      {"par i0 < 4 {\nt = load X[c]\nstore Y[20*i0+c] = t\nstore Y[20*i0+c+4] = t\n}\n", true},
      {"par i0 < 4 {\nt = load X[c]\nstore Y[10*i0+c] if 0<=c<10 = t\n}\n", true},
      {"par i0 < 2 {\nt = load X[c]\nstore Y[16*i0+c + 32*ix[0]<4] = t\n}\n", true},
      {"par i0 < 2 {\nt = load X[c]\nstore Y[32*i0+c + 16*ix[0]<4] = t\n}\n", false},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    Kernel *k;
    Sb why;
    sb_init(&why, &arena);
    Str t = str_fmt(&arena,
                    "kernel k\n  in X: f32[16]\n  in ix: i32[1]\n  out Y: f32[1000]\n  tile t: f32[1x16]\n%s",
                    row[i].body);
    ck_assert_msg(kernel_parse(&arena, t, &k, &why), "%s", text(&why));
    accepted(k);
    ck_assert_msg(kernel_independent(k, &why) == row[i].ok, "%s", row[i].body);
  }
}
END_TEST

/* Pieces have each unit once, their part of every top loop, and are about equal. */
START_TEST(pieces_of_units) {
  static const int64_t trips[][4] = {{1, 0}, {7, 1, 1, 1}, {64, 64, 3, 0}, {1000003, 5, 0}, {1, 1, 1, 1}};
  for (size_t s = 0; s < sizeof trips / sizeof *trips; s++) {
    begin();
    KernelBuilder b;
    Kernel *k = kernel_begin(&b, &arena, STR("k"));
    for (int i = 0; i < 4 && trips[s][i]; i++) {
      kernel_loop(&b, LOOP_PAR, trips[s][i], 1);
      kernel_end(&b);
    }
    KernelCut cut = kernel_cut(&arena, k);
    ck_assert_int_eq(cut.start[cut.n], kernel_units(k));
    for (int64_t pieces = 1; pieces <= 64; pieces++)
      for (uint32_t i = 0; i < cut.n; i++) {
        int64_t n = trips[s][i], least = n / pieces;
        ck_assert_int_eq(step_cut(cut.start, i, 0, pieces), cut.start[i]);
        ck_assert_int_eq(step_cut(cut.start, i, pieces, pieces), cut.start[i + 1]);
        for (int64_t c = 0; c < pieces; c++) {
          int64_t has = step_cut(cut.start, i, c + 1, pieces) - step_cut(cut.start, i, c, pieces);
          ck_assert(has == least || has == least + 1);
        }
      }
  }
}
END_TEST

START_TEST(parser_refuses) {
  begin();
  static const char *const bad[] = {
      "",
      "kernel k\n  in X: f99[3]\n",
      "kernel k\n  par i0 < 3 {\n",
      "kernel k\n  par i1 < 3 {\n  }\n",
      "kernel k\n  }\n",
      "kernel k\n  in X: f32[9]\n  tile t: f32[1x16]\n  par i0 < 1 {\n t = load Z[0]\n }\n",
      "kernel k\n  in X: f32[9]\n  tile t: f32[1x16]\n  par i0 < 1 {\n t = load X[q]\n }\n",
      "kernel k\n  tile t: f32[1x16]\n  par i0 < 1 {\n t = map {| ret 1}\n }\n",
      "kernel k\n  tile t: f32[999x16]\n",
      "kernel k\n  tile t: f32[1x16]\n  par i0 < 1 {\n t = fold.avg t\n }\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    Kernel *k;
    Sb why;
    sb_init(&why, &arena);
    ck_assert_msg(!kernel_parse(&arena, str_z(bad[i]), &k, &why), "%s", bad[i]);
    ck_assert(why.n > 0);
  }
}
END_TEST

START_TEST(names_become_plain) {
  begin();
  KernelBuilder b;
  Kernel *k = kernel_begin(&b, &arena, STR("odd names"));
  int x = kernel_buffer(&b, STR("fc1.weight"), DT_F32, 16, BUFFER_IN),
      y = kernel_buffer(&b, STR("fc1.weight"), DT_F32, 16, BUFFER_OUT);
  int t = kernel_tile(&b, STR("store"), DT_F32, 1, 16);
  kernel_loop(&b, LOOP_PAR, 1, 1);
  kernel_load(&b, t, access_at(x, affine(0), 0, 1));
  kernel_store(&b, t, access_at(y, affine(0), 0, 1));
  kernel_end(&b);
  Sb s, s2, why;
  sb_init(&s, &arena), sb_init(&s2, &arena), sb_init(&why, &arena);
  kernel_print(k, &s);
  ck_assert_msg(kernel_parse(&arena, sb_str(&s), &k, &why), "%s", text(&why));
  kernel_print(k, &s2);
  ck_assert_strn(sb_str(&s2), text(&s));
}
END_TEST

UNIT_MAIN(UNIT("evaluator", pieces_of_units, gemm_equals_plain_c, fold_index_clip_coord),
          UNIT("text", random_round_trip, id_holds_everything, parser_refuses, names_become_plain),
          UNIT("verifier", verifier_refuses, guards_prove_bounds, independence_is_proved_or_not))
