#!/bin/sh
# The library as another project meets it: installed, found by pkg-config, its header in C and C++, the example compiled
# against it and run, and clean under valgrind.
. "$(dirname "$0")/lib.sh"
build=$(dirname "$DGC")
fit=$build/examples/host/fit

gives "fit" 0 "$fit"
says "DG0301"
says "spare"

cat >header.c <<'E'
#include <dg/dg.h>
static int at_end(void *user, const dg_progress *g) {
  (void)user;
  return g->at == DG_AT_END; /* the names are the same in both languages */
}
int main(void) {
  dg_train_options o;
  dg_array a = {DG_F32, 2, {3, 4}, 0, {0}, {0}};
  dg_train_options_init(&o, sizeof o);
  o.progress = at_end;
  return o.size == sizeof o && a.extent[1] == 4 ? 0 : 1;
}
E
cp header.c header.cc
warnings="-pedantic -Wall -Wextra -Wconversion -Werror -fsyntax-only -I$TOP/include"
for std in c99 c11 c17; do gives "the header as $std" 0 cc -std=$std $warnings -Wstrict-prototypes header.c; done
for std in c++11 c++17; do gives "the header as $std" 0 c++ -std=$std $warnings header.cc; done

gives "installing" 0 env DESTDIR="$HERE/root" meson install -C "$build" --no-rebuild --quiet
pc=$(dirname "$(find root -name dgc.pc)")
export PKG_CONFIG_PATH="$HERE/$pc" PKG_CONFIG_SYSROOT_DIR="$HERE/root" PKG_CONFIG_LIBDIR="$HERE/$pc"
gives "pkg-config" 0 pkg-config --cflags --libs dgc
# A sanitizer's library wants hosts of its own kind, and valgrind wants none.
plain=1
! nm -D "$build/libdgc.so" | grep -q ' U __\(asan\|tsan\|ubsan\)_' || plain=
if [ "$plain" ]; then
  # README's own line, as it stands there.
  ln -s "$TOP/examples" examples
  line=$(sed -n 's/^cc \(examples.*\) -o fit && .\/fit$/\1/p' "$TOP/README.md")
  gives "README's line compiles" 0 sh -c "cc $line -o readme"
  gives "README's host runs" 0 env LD_LIBRARY_PATH="$HERE/$pc/.." ./readme
  gives "pkg-config, again" 0 pkg-config --cflags --libs dgc
  gives "a host of the installed library" 0 cc -std=c99 -pedantic -Wall -Wextra -Werror -o fit "$TOP/examples/host/fit.c" $(cat out) -lm
  gives "the host runs" 0 env LD_LIBRARY_PATH="$HERE/$pc/.." ./fit
  says "line(0) = -1.00, line(2) = 5.00"
  gives "an object for the installed archive" 0 "$DGC" build "$TOP/examples/seed/b-update-list-mended.dg" -D N=32 --name=line
  gives "a program of it" 0 cc -std=c99 -pedantic -Wall -Wextra -Werror -I. -o aot "$TOP/examples/host/aot.c" line.o -L"$pc/.." -ldgc-core
  gives "the program runs" 0 ./aot
  says "line(0) = -1.00, line(2) = 5.00"
fi
# ./demo builds what is installed and nothing else.
gives "the target 'installed'" 0 ninja -C "$build" -t query installed
for f in dgc dgc.1 libdgc.so libdgc-core.a; do says "$f"; done
[ -x "$(find root -name dgc -type f)" ] && [ -n "$(find root -name dgc.1)" ]
result $? "the command and its page are installed"

# Valgrind knows no AVX-512 and says so by CPUID, so the AVX2 code runs. tools/setup test installs it.
if [ "$plain" ] && command -v valgrind >valgrind.path; then
  gives "fit under valgrind" 0 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible "$fit"
  silent err
fi
finish
