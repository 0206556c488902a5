#!/bin/sh
# The C host of examples/host: compiled as strict C99 against libdgc, and run. (Under valgrind: host-valgrind.)
. "$(dirname "$0")/lib.sh"
fit=$(dirname "$DGC")/examples/host/fit

gives "fit" 0 "$fit"
says "DG0301"
says "spare"
finish
