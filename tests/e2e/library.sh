#!/bin/sh
# What is linked and what is exported: libc and libm only below the command (static LLVM), dg_* only out of the library.
. "$(dirname "$0")/lib.sh"
folder=$(dirname "$DGC")

gives "version" 0 "$DGC" --version
silent err
if ldd "$DGC" | grep -q libLLVM || nm "$DGC" | grep -q ' __\(asan\|tsan\|ubsan\)_'; then
  echo "# shared LLVM or sanitizers: the list of libraries is not looked at"
else
  ldd "$DGC" | sed 's/ *(0x.*//' | grep -v 'linux-vdso\|ld-linux\|libc\.so\.6\|libm\.so\.6' >out
  : >err
  name="libraries beside libc and libm"
  silent out
fi
if [ -e "$folder/libdgc.so" ]; then
  nm -D --defined-only "$folder/libdgc.so" | awk '$2 != "A" && $3 !~ /^dg_/ { print $3 }' >out
  : >err
  name="symbols of libdgc.so beside dg_*"
  silent out
fi
for f in "$DGC" "$folder/libdgc.so"; do
  [ -e "$f" ] || continue
  gives "unwinding through $(basename "$f")" 0 "$TOP/tools/unwind-check" "$f"
done
finish
