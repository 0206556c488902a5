#!/bin/sh
# The C host of examples/host: compiled as strict C99 against libdgc, run, and clean under valgrind.
. "$(dirname "$0")/lib.sh"
fit=$(dirname "$DGC")/examples/host/fit

gives "fit" 0 "$fit"
says "DG0301"
says "spare"
if command -v valgrind >/dev/null && ! ldd "$fit" | grep -q 'libasan'; then
  # valgrind's CPU is an AVX2 one; what it finds in the system's loader is not ours
  gives "fit under valgrind" 0 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible "$fit"
  silent err
fi
finish
