#!/bin/sh
# The library's face as others have compiled against it: symbols, the layout of structs, and a host.
# The host's object file was made with the header of ABI 0.2, with structs of that header's size, smaller and larger.
. "$(dirname "$0")/../e2e/lib.sh"
lib=$(dirname "$DGC")/libdgc.so
abi=$TOP/tests/abi
[ "$(uname -m)" = x86_64 ] || { echo "1..0 # SKIP the object is for x86-64"; exit 0; }

# What the header declares, the map lists and the library exports is one list; what ABI 0.2 had is in it.
sed -n 's/^DG_API[^(]*[ *]\(dg_[a-z_]*\)(.*/\1/p' "$TOP/include/dg/dg.h" | sort >declared
sed -n 's/^ *\(dg_[a-z_]*\);.*/\1/p' "$TOP/api/libdgc.map" | sort >listed
nm -D --defined-only "$lib" | sed -n 's/.* T \(dg_[a-z_]*\)\(@.*\)*$/\1/p' | sort >exported
: >err
name="header and map"
diff declared listed >out
silent out
name="map and library"
diff listed exported >out
silent out
name="symbols of ABI 0.2 that are gone"
comm -23 "$abi/symbols-0.2.txt" exported >out
silent out

# Members stay where they are; new ones come behind.
gives "layout compiles" 0 cc -std=c99 -I"$TOP/include" -o layout "$abi/layout.c"
gives "layout" 0 ./layout
sort out >now
sort "$abi/layout-0.2.txt" | comm -23 - now >out
name="what ABI 0.2 has elsewhere"
silent out
name="enumerators and structs that layout.c leaves out"
{
  sed -n '/^typedef enum/,/^} \|;$/p' "$TOP/include/dg/dg.h" | sed 's|/\*.*||' | grep -o '\<DG_[A-Z0-9_]*' |
    grep -vx 'DG_API\|DG_MUST_USE'
  sed -n 's/^typedef struct \(dg_[a-z_]*\) {.*/\1/p' "$TOP/include/dg/dg.h"
} | while read -r one; do grep -q "^$one[. ]" now || echo "$one"; done >out
silent out

# Sanitizers' libraries want hosts of their own kind.
if ! nm -D "$lib" | grep -q ' U __\(asan\|tsan\|ubsan\)_'; then
  base64 -d "$abi/host-0.2.o.txt" >host-0.2.o
  gives "the kept object links" 0 cc -o host-0.2 host-0.2.o -L"$(dirname "$lib")" -ldgc -lm
  gives "the kept object runs" 0 env LD_LIBRARY_PATH="$(dirname "$lib")" ./host-0.2 "$HERE/w.safetensors"
  says "all held"
  gives "its source compiles today" 0 cc -std=c99 -pedantic -Wall -Wextra -Werror -I"$TOP/include" -o host "$abi/host.c" -L"$(dirname "$lib")" -ldgc -lm
  gives "and runs" 0 env LD_LIBRARY_PATH="$(dirname "$lib")" ./host "$HERE/w.safetensors"
fi
finish
