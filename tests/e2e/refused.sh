#!/bin/sh
# The system refuses: the n-th read, write, mapping, thread or allocation of `dgc train` fails, or its address space is
# small. Each run ends by itself with a status that says so, and the file it would replace is whole, old or new.
PRELOAD=$(realpath "$3")
. "$(dirname "$0")/lib.sh"
cp "$TOP/examples/linear.dg" "$TOP/examples/linear.csv" .
mkdir kept

run() { # the training
  echo precious >kept/w
  "$@" train linear.dg --epochs 1 --threads 3 --save kept/w >out 2>err
}
run "$DGC"
cp kept/w good

whole() { # NAME STATUS...: the last run ended with one of these, and left one whole file
  got=$?
  name=$1
  shift
  case " $* " in *" $got "*) bad=0 ;; *) bad=1 ;; esac
  [ "$(ls -A kept)" = w ] || bad=1
  [ "$(head -c 8 kept/w)" = precious ] || cmp -s kept/w good || bad=1
  [ "$got" = 0 ] || [ -s err ] || bad=1
  [ $bad = 0 ] || { result 1 "$name: status $got"; ls -lA kept | sed 's/^/# /'; }
}

sweep() { # KIND FIRST LAST STEP STATUS...: a run for each n, and one in which all fail from FIRST on
  kind=$1 n=$2 first=$2 last=$3 step=$4
  shift 4
  before=$failed
  while [ "$n" -le "$last" ]; do
    run env LD_PRELOAD="$PRELOAD" REFUSE="$kind" REFUSE_AT="$n" "$DGC"
    whole "$kind $n" "$@"
    [ "$failed" = "$before" ] || return
    n=$((n + step))
  done
  run env LD_PRELOAD="$PRELOAD" REFUSE="$kind" REFUSE_AT="$first" REFUSE_ON=1 "$DGC"
  whole "$kind, all from $first" "$@"
  [ "$failed" = "$before" ]
  result $? "$kind: $first to $last by $step"
}
sweep open 1 7 2 4
sweep read 1 5 2 4
sweep fstat 1 3 1 4
sweep write 1 6 5 4
sweep fsync 1 2 1 4
run env LD_PRELOAD="$PRELOAD" REFUSE=fsync REFUSE_AT=2 "$DGC" # of the folder: the new file stands there already
name="fsync of the folder"
says "cannot make sure that the disk has the name of the new, whole file 'kept/w'"
cmp -s kept/w good
result $? "$name: the new file"
sweep rename 1 1 1 4
sweep thread 1 3 1 0 4
sweep mmap 1 2 1 6
sweep mprotect 1 4 2 6
sweep malloc 1 4 3 6
# What LLVM does first in a process is left out: it cannot fail there (codegen/module.c, memory_enough).
sweep malloc 2500 22500 4000 0 6

# The address space ends somewhere: from what the command needs to start at all up to what suffices.
within() { sh -c 'ulimit -v "$0"; exec "$@"' "$@"; }
k=20000
until within $k "$DGC" --version >/dev/null 2>&1; do k=$((k + 1000)); done
before=$failed
for step in 1000 4000 8000 12000 16000 20000 24000 32000 48000; do
  run within $((k + step)) "$DGC"
  whole "address space of $((k + step)) kB" 0 4 6
done
[ "$failed" = "$before" ]
result $? "small address spaces"
finish
