#!/bin/sh
# The three seed examples: exactly the parameter, its cause and its line; mended: nothing.
. "$(dirname "$0")/lib.sh"
seed=$TOP/examples/seed

codes() { cat err out | grep -o '\[DG[0-9]*[^]]*\]' | sort -u | tr '\n' ' '; }
reports() { # FILE PARAMETER GROUP LINE-OF-THE-CUT TEXT
  gives "$1" 0 "$DGC" --warn-dead-params "$seed/$1.dg"
  n=$(grep -c 'warning:' err)
  [ "$n" = 1 ]
  result $? "$1: one warning (got $n)"
  says "'$2'"
  says "$3]"
  says "$5"
  grep -q "^ *$4 | " err
  result $? "$1: shows line $4"
  silent out
  gives "$1 -Werror" 1 "$DGC" --warn-dead-params -Werror "$seed/$1.dg"
}
reports a-host-function w cut 9 double_on_host
reports b-update-list b unowned 6 "never updated"
reports b-update-list b unowned 14 "w, b"
reports c-stop-gradient w cut 7 stop_gradient

for f in a-host-function-mended a-host-function-backward b-update-list-mended c-stop-gradient-mended; do
  gives "$f" 0 "$DGC" --warn-dead-params -Werror "$seed/$f.dg"
  silent err
  silent out
done
finish
