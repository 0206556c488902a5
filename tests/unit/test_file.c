/* The file door: what it refuses, what it says, and that a failed write leaves the old file whole. */
#include "folder_kit.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static FileError err;

static int entries(void) {
  int n = 0;
  DIR *d = opendir(folder);
  while (readdir(d)) n++;
  closedir(d);
  return n - 2;
}

static void refused(Str path, int64_t max, Status st, const char *why) {
  Str out;
  ck_assert(!file_read(&arena, path, max, &out, &err));
  ck_assert_int_eq(err.status, st);
  ck_assert_msg(strstr(err.what, why) != NULL, "'%s' does not say '%s'", err.what, why);
}

START_TEST(read_whole) {
  begin();
  Str out;
  put("a", STR("hello"));
  put("empty", STR(""));
  ck_assert(file_read(&arena, in("a"), 5, &out, &err));
  ck_assert_strn(out, "hello");
  ck_assert_int_eq(out.p[5], 0);
  ck_assert(file_read(&arena, in("empty"), 5, &out, &err));
  ck_assert_uint_eq(out.n, 0);
  end();
}
END_TEST

START_TEST(read_limit_at_the_edge) {
  begin();
  Str out;
  put("a", STR("12345678"));
  ck_assert(file_read(&arena, in("a"), 9, &out, &err));
  ck_assert(file_read(&arena, in("a"), 8, &out, &err));
  refused(in("a"), 7, ST_LIMIT, "8 bytes, more than the limit of 7");
  end();
}
END_TEST

START_TEST(read_refuses_what_is_no_file) {
  begin();
  ck_assert_int_eq(mkfifo(in("pipe").p, 0600), 0);
  ck_assert_int_eq(symlink("loop", in("loop").p), 0);
  refused(in("missing"), 9, ST_IO, "missing': no such file");
  refused(STR("/"), 9, ST_IO, "it is a folder");
  refused(in("pipe"), 9, ST_IO, "it is a pipe");
  refused(STR("/dev/zero"), 9, ST_IO, "it is a device");
  refused(in("loop"), 9, ST_IO, "symbolic link");
  refused(STR(""), 9, ST_IO, "the name is empty");
  refused((Str){"a\0b", 3}, 9, ST_IO, "NUL");
  char *longer = memset(arena_alloc(&arena, 5000, 1), 'a', 5000);
  refused((Str){longer, 5000}, 9, ST_IO, "the name is too long");
  end();
}
END_TEST

START_TEST(messages_are_escaped_and_short) {
  begin();
  Str out;
  ck_assert(!file_read(&arena, STR("/nonexistent/\33[31mred\n"), 9, &out, &err));
  ck_assert_ptr_null(strchr(err.what, '\33'));
  ck_assert_ptr_null(strchr(err.what, '\n'));
  end();
}
END_TEST

START_TEST(read_is_freed_when_memory_fails) {
  begin();
  put("a", STR("hello"));
  Mem small;
  Arena a;
  int before = dup(0);
  close(before);
  mem_init(&small, 10);
  arena_init(&a, &small);
  Rescue r;
  Str out;
  if (RESCUE(&small, &r)) {
    (void)!file_read(&a, in("a"), 100, &out, &err);
    ck_abort_msg("no memory, and it read on");
  }
  int after = dup(0);
  close(after);
  ck_assert_int_eq(before, after); /* the descriptor did not leak */
  end();
}
END_TEST

START_TEST(replace_writes_and_keeps_mode) {
  begin();
  Str out, parts[] = {STR("one "), STR(""), STR("two")};
  struct stat st;
  ck_assert(file_replace(in("a"), parts, 3, &err));
  ck_assert(file_read(&arena, in("a"), 100, &out, &err));
  ck_assert_strn(out, "one two");
  ck_assert_int_eq(chmod(in("a").p, 0640), 0);
  ck_assert(file_replace(in("a"), parts, 1, &err));
  ck_assert_int_eq(stat(in("a").p, &st), 0);
  ck_assert_int_eq(st.st_mode & 0777, 0640);
  ck_assert(file_read(&arena, in("a"), 100, &out, &err));
  ck_assert_strn(out, "one ");
  ck_assert_int_eq(entries(), 1);
  end();
}
END_TEST

START_TEST(replace_follows_a_link_to_its_file) {
  begin();
  Str out, part = STR("new");
  struct stat st;
  put("real", STR("old"));
  ck_assert_int_eq(symlink("real", in("link").p), 0);
  ck_assert(file_replace(in("link"), &part, 1, &err));
  ck_assert_int_eq(lstat(in("link").p, &st), 0);
  ck_assert(S_ISLNK(st.st_mode));
  ck_assert(file_read(&arena, in("real"), 100, &out, &err));
  ck_assert_strn(out, "new");
  end();
}
END_TEST

START_TEST(replace_refuses) {
  begin();
  Str part = STR("x");
  ck_assert_int_eq(mkfifo(in("pipe").p, 0600), 0);
  ck_assert_int_eq(symlink("nowhere", in("dangling").p), 0);
  ck_assert(!file_replace(str_z(folder), &part, 1, &err));
  ck_assert_ptr_nonnull(strstr(err.what, "it is a folder"));
  ck_assert(!file_replace(in("pipe"), &part, 1, &err));
  ck_assert_ptr_nonnull(strstr(err.what, "it is a pipe"));
  ck_assert(!file_replace(STR("/dev/null"), &part, 1, &err));
  ck_assert(!file_replace(in("dangling"), &part, 1, &err));
  ck_assert(!file_replace(in("no/such/folder"), &part, 1, &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!file_replace(STR(""), &part, 1, &err));
  ck_assert_int_eq(entries(), 2);
  end();
}
END_TEST

/* Asked before long work: the same answer as file_replace would give, and nothing is left behind. */
START_TEST(replace_is_asked_before) {
  begin();
  ck_assert(file_may_replace(in("new"), &err));
  ck_assert_int_ne(access(in("new").p, F_OK), 0);
  put("old", STR("precious"));
  int before = entries();
  ck_assert(file_may_replace(in("old"), &err));
  ck_assert_int_eq(entries(), before);
  ck_assert(!file_may_replace(STR("/nonexistent/x"), &err));
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert(!file_may_replace(str_z(folder), &err));
  ck_assert_ptr_nonnull(strstr(err.what, "folder"));
  end();
}
END_TEST

START_TEST(replace_leaves_the_old_file_on_failure) {
  begin();
  Str out, part = {NULL, 1 << 20};
  part.p = arena_alloc(&arena, part.n, 1);
  put("a", STR("the old text"));
  signal(SIGXFSZ, SIG_DFL); /* the signal would end the process; it is held back */
  struct rlimit was, now;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
  now = was;
  now.rlim_cur = 4096; /* a disk that is full after one page */
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &now), 0);
  bool ok = file_replace(in("a"), &part, 1, &err);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
  ck_assert(!ok);
  ck_assert_int_eq(err.status, ST_IO);
  ck_assert_msg(strstr(err.what, "larger than a file may be here (ulimit -f") != NULL, "%s", err.what);
  sigset_t set;
  ck_assert_int_eq(sigpending(&set), 0); /* nor does it come later */
  ck_assert(!sigismember(&set, SIGXFSZ));
  ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
  ck_assert(!sigismember(&set, SIGXFSZ));
  ck_assert(file_read(&arena, in("a"), 100, &out, &err));
  ck_assert_strn(out, "the old text");
  ck_assert_int_eq(entries(), 1); /* the temporary is gone */
  end();
}
END_TEST

START_TEST(folder_of_a_path) {
  ck_assert_strn(path_folder(STR("a/b.dg")), "a");
  ck_assert_strn(path_folder(STR("a/b/c")), "a/b");
  ck_assert_strn(path_folder(STR("b.dg")), ".");
  ck_assert_strn(path_folder(STR("/b.dg")), "/");
  ck_assert_strn(path_folder(STR("a//b")), "a");
  ck_assert_strn(path_folder(STR("")), ".");
}
END_TEST

static void no_path(Str root, Str rel, Status st, const char *why) {
  Str out;
  ck_assert_msg(!path_beneath(&arena, root, rel, &out, &err), "'%.*s' was let through", (int)rel.n, rel.p);
  ck_assert_int_eq(err.status, st);
  ck_assert_msg(strstr(err.what, why) != NULL, "'%s' does not say '%s'", err.what, why);
}

START_TEST(beneath_the_root) {
  begin();
  Str out, root = str_z(folder);
  ck_assert_int_eq(mkdir(in("sub").p, 0700), 0);
  ck_assert_int_eq(mkdir(in("sub2").p, 0700), 0);
  put("a.dg", STR("x"));
  put("sub/b.dg", STR("x"));
  put("sub/..c", STR("x"));
  put("sub2/d.dg", STR("x"));
  ck_assert_int_eq(symlink("../a.dg", in("sub/inside").p), 0);
  ck_assert_int_eq(symlink("/etc/passwd", in("escape").p), 0);
  ck_assert_int_eq(symlink("/", in("sub/rootlink").p), 0);
  ck_assert_int_eq(symlink("../sub2/d.dg", in("sub/twin").p), 0);

  ck_assert(path_beneath(&arena, root, STR("a.dg"), &out, &err));
  ck_assert(str_eq(out, in("a.dg")));
  ck_assert_int_eq(out.p[out.n], 0);
  ck_assert(path_beneath(&arena, root, STR("sub/b.dg"), &out, &err));
  ck_assert(path_beneath(&arena, root, STR("./sub/b.dg"), &out, &err));
  ck_assert(path_beneath(&arena, root, STR("sub/..c"), &out, &err)); /* only a whole ".." is a step up */
  ck_assert(path_beneath(&arena, root, STR("sub/inside"), &out, &err));

  no_path(root, STR("../x"), ST_REJECTED, "'..'");
  no_path(root, STR("sub/../a.dg"), ST_REJECTED, "'..'");
  no_path(root, STR("sub/.."), ST_REJECTED, "'..'");
  no_path(root, STR("/etc/passwd"), ST_REJECTED, "relative");
  no_path(root, STR(""), ST_REJECTED, "empty");
  no_path(root, (Str){"a.dg\0x", 6}, ST_REJECTED, "NUL");
  no_path(root, STR("escape"), ST_REJECTED, "symbolic link");
  no_path(root, STR("sub/rootlink/etc/passwd"), ST_REJECTED, "symbolic link");
  no_path(root, STR("gone.dg"), ST_REJECTED, "no such file");
  no_path(root, STR("a.dg/x"), ST_REJECTED, "Not a directory");
  /* a folder whose name merely begins like the root's is outside of it */
  no_path(in("sub"), STR("twin"), ST_REJECTED, "symbolic link");
  no_path(in("nowhere"), STR("a.dg"), ST_IO, "no such file");
  end();
}
END_TEST

START_TEST(beneath_the_working_folder) {
  begin();
  Str out;
  put("a.dg", STR("x"));
  ck_assert_int_eq(chdir(folder), 0);
  ck_assert(path_beneath(&arena, STR("."), STR("a.dg"), &out, &err));
  ck_assert_strn(out, "a.dg");
  ck_assert_int_eq(chdir("/"), 0);
  end();
}
END_TEST

UNIT_MAIN(UNIT("read", read_whole, read_limit_at_the_edge, read_refuses_what_is_no_file,
               messages_are_escaped_and_short, read_is_freed_when_memory_fails),
          UNIT("replace", replace_writes_and_keeps_mode, replace_follows_a_link_to_its_file, replace_refuses,
               replace_is_asked_before, replace_leaves_the_old_file_on_failure),
          UNIT("path", folder_of_a_path, beneath_the_root, beneath_the_working_folder))
