#!/bin/sh
# Headers of built models, for programs whose names meet those of C, of C++ and of the header itself.
. "$(dirname "$0")/lib.sh"

# compiles NAME: NAME.h, alone, in every language that it promises.
warnings="-pedantic -Wall -Wextra -Wconversion -Werror -fsyntax-only"
compiles() {
  what=$1
  printf '#include "%s.h"\nint main(void) { return sizeof(%s_state) > 0 ? %s : 1; }\n' "$1" "$1" "${2:-0}" >header.c
  cp header.c header.cc
  for std in c99 c2x gnu17; do gives "$what as $std" 0 cc -std=$std $warnings -Wstrict-prototypes header.c; done
  for std in c++11 c++20 gnu++17; do gives "$what as $std" 0 c++ -std=$std $warnings header.cc; done
}

# Dims that are called as the header's own macros and enumerators, and parameters called as macros and as filling.
dims="H OK NO_CPU USAGE BAD_DATA IO LIMIT NO_MEMORY NON_FINITE CHECK MISMATCH TENSORS N"
{
  for d in $dims; do echo "input in_$d: f32[$d]"; done
  echo "param M_N: f32[70] = 1"
  echo "param M_H: f32[1] = 1"
  echo "param pad1: f32[1] = 1"
  echo "param wide: f32[70] = 1"
  printf 'loss e = sum(M_N^2) + sum(M_H^2) + sum(pad1^2) + sum(wide^2)'
  for d in $dims; do printf ' + sum(in_%s)' "$d"; done
  printf '\ntrain fit {\n  minimize e\n  update * using sgd(lr = 0.1)\n}\noutput y = M_N\n'
} >dims.dg
values=$(for d in $dims; do printf ' -D %s=3' "$d"; done)
for as in m M; do
  gives "dims called as what the header has, under $as" 0 "$DGC" build dims.dg $values --name=$as
  compiles $as "M_OK + M_H_2 - 3 + M_N - 3"
done

# Keywords of C23 and C++20, but for those of the language itself, and what else a header may not say: as parameters and
# as inputs.
words="alignas alignof and_eq asm auto bitand bitor break case catch char char16_t char32_t char8_t class co_await
co_return co_yield compl concept const_cast consteval constexpr constinit continue decltype default delete
do double dynamic_cast enum explicit export float friend goto inline long mutable namespace new noexcept
not_eq nullptr operator or_eq private protected public register reinterpret_cast restrict short signed
sizeof static static_assert static_cast struct switch template this thread_local throw try typedef typeid
typename typeof typeof_unqual union unsigned virtual void volatile wchar_t xor xor_eq NULL errno i386
int32_t int64_t linux offsetof size_t state uint16_t uint32_t uint8_t unix unreachable"
# What this compiler's stddef.h and stdint.h define, whichever it is.
words="$words $(printf '#include <stddef.h>\n#include <stdint.h>\n' | cc -std=c2x -dM -E - |
  sed -n 's/^#define \([A-Za-z][A-Za-z0-9_]*\).*/\1/p' | grep -vx 'linux\|unix\|NULL\|offsetof\|unreachable' | tr '\n' ' ')"
{
  for w in $words; do echo "param $w: f32[1] = 1"; done
  printf 'loss e = 0.0'
  for w in $words; do printf ' + sum(%s)' "$w"; done
  printf '\ntrain fit {\n  minimize e\n  update * using sgd(lr = 0.1)\n}\n'
} >params.dg
{
  for w in $words; do echo "input $w: f32[1]"; done
  printf 'input bytes: u8[1]\ninput half: bf16[1]\nparam p: f32[1] = 1\nloss e = sum(p)'
  for w in $words; do printf ' + sum(%s)' "$w"; done
  printf ' + sum(f32(bytes)) + sum(f32(half))'
  printf '\ntrain fit {\n  minimize e\n  update * using sgd(lr = 0.1)\n}\n'
} >inputs.dg
for as in params inputs; do
  gives "words of C and C++ as $as" 0 "$DGC" build $as.dg
  compiles $as
done
finish
