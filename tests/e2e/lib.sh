# Sourced by the scripts here: `. tests/e2e/lib.sh`. Each check is one TAP case; call `finish` at the end.
# $DGC is the command, $TOP the project's folder; the script runs in a fresh folder of its own.
set -u
DGC=$(realpath "$1")
TOP=$(realpath "$2")
HERE=$(mktemp -d)
trap 'rm -rf "$HERE"' EXIT
cd "$HERE"
cases=0
failed=0

result() { # STATUS NAME: 0 is ok
  cases=$((cases + 1))
  if [ "$1" = 0 ]; then
    echo "ok $cases - $2"
  else
    failed=$((failed + 1))
    echo "not ok $cases - $2"
    [ ! -s out ] || sed 's/^/# stdout: /' out | head -n 40
    [ ! -s err ] || sed 's/^/# stderr: /' err | head -n 40
  fi
}

# gives NAME STATUS COMMAND...: runs it, its output in the files out and err; one case for the exit status.
gives() {
  name=$1
  expected=$2
  shift 2
  "$@" >out 2>err </dev/null
  got=$?
  [ "$got" = "$expected" ]
  result $? "$name: exit status $expected (got $got)"
}

# says TEXT, silent FILE, lacks TEXT: about what the last command wrote to stderr and stdout.
says() { cat err out | grep -qF -e "$1"; result $? "$name: says '$1'"; }
lacks() { ! cat err out | grep -qF -e "$1"; result $? "$name: does not say '$1'"; }
same() { cmp -s "$2" "$3"; result $? "$1: the same bytes"; } # NAME FILE FILE
silent() { ! [ -s "$1" ]; result $? "$name: nothing on $1"; }

# document FORMAT CODES: the last command wrote to stderr one document, json or sarif, of these diagnostics. Lines of
# the command itself begin with "dgc: " and are none of it.
document() {
  python3 - "$1" "$2" <<'P'
import json, sys
kind, codes = sys.argv[1], sys.argv[2].split()
doc = json.loads("".join(l for l in open("err") if not l.startswith("dgc: ")))
all = [d["code"] for d in doc["diagnostics"]] if kind == "json" else [r["ruleId"] for r in doc["runs"][0]["results"]]
sys.exit(all != codes)
P
  result $? "$name: one document with '$2'"
}

finish() {
  echo "1..$cases"
  [ "$failed" = 0 ]
}
