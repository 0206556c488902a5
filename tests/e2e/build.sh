#!/bin/sh
# Objects built ahead of time. A C program linked with the object and libdgc-core.a alone trains with a session's bits.
. "$(dirname "$0")/lib.sh"
build=$(dirname "$DGC")
jit=$build/tests/e2e/build_jit
core=$build/libdgc-core.a
seed=$TOP/examples/seed
line_dg=$seed/b-update-list-mended.dg
levels="avx2 avx512"
"$jit" "$line_dg" avx512 7 fit 0 mse N=32 x:f32:32,1:"$line_dg" y:f32:32,1:"$line_dg" >/dev/null 2>&1 || levels=avx2
if nm "$core" | grep -q ' U __\(asan\|tsan\|ubsan\)_'; then # programs would need the sanitizer, too
  echo "1..0 # SKIP built with a sanitizer"
  exit 0
fi

# Inputs as raw files: the line's points, pictures and labels, rows of noise.
python3 - <<'E'
import array, gzip, math, os
def put(name, code, values):
    array.array(code, values).tofile(open(name, "wb"))
put("x.f32", "f", [i / 32 for i in range(32)])
put("y.f32", "f", [3 * i / 32 - 1 for i in range(32)])
root = "/usr/share/datasets/fashion-mnist/"
if os.path.exists(root + "train-images-idx3-ubyte.gz"):
    pixel = gzip.open(root + "train-images-idx3-ubyte.gz").read(16 + 128 * 784)[16:]
    label = gzip.open(root + "train-labels-idx1-ubyte.gz").read(8 + 128)[8:]
else:
    pixel = [(i * i) % 251 for i in range(128 * 784)]
    label = [i % 10 for i in range(128)]
put("image.u8", "B", list(pixel))
put("label.i32", "i", list(label))
put("noise.f32", "f", [math.sin(i * i) for i in range(16 * 6)])
put("target.f32", "f", [math.cos(i) for i in range(16 * 3)])
put("class.i32", "i", [i % 3 for i in range(16)])
put("class.u8", "B", [i % 3 for i in range(16)])
put("bad.u8", "B", [i % 4 for i in range(16)])
put("scale.bf16", "H", [0x3f80 + 3 * i for i in range(39)] + [1])  # the last is subnormal
put("bad.i32", "i", [i % 4 for i in range(16)])
put("tiny.f32", "f", [math.sin(i * i) if i % 5 else 1e-41 for i in range(16 * 6)])
E

# host OUT PREFIX LOSSTYPE STEPCALL PREDICTCALL OUTPUTS OBJECT..: the program around an object.
# OBJECT stands instead of libdgc-core's.
host() {
  out=$1 prefix=$2 type=$3 step_call=$4 predict_call=$5 outputs=$6
  shift 6
  cc -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -include "$prefix.h" "-DNAME(x)=NAME_($prefix,x)" "-DNAME_(p,x)=NAME__(p,x)" \
    "-DNAME__(p,x)=p##_##x" "-DLOSS=$type" "-DSTEP=$step_call" ${predict_call:+"-DPREDICT=$predict_call"} "-DOUTPUTS=$outputs" -I. \
    "$TOP/tests/e2e/build_aot.c" "$prefix.o" "$@" "$core" -o "$out"
}

# agree NAME ISA PREFIX MODEL STEP STEPS LOSS LOSSTYPE "DEFINES" "STEPCALL" "PREDICTCALL" "OUTPUTS" INPUT..
# INPUT is NAME:DTYPE:EXTENTS:FILE.
agree() {
  what="$1, $2" isa=$2 prefix=$3 model=$4 step=$5 steps=$6 loss=$7 type=$8 defines=$9
  shift 9
  step_call=$1 predict_call=$2 outputs=$3
  shift 3
  options= files=
  for d in $defines; do options="$options -D $d"; done
  for i in "$@"; do files="$files ${i##*:}"; done
  gives "$what: build" 0 "$DGC" build "$model" $options --isa="$isa" --name="$prefix" -o "$prefix.o" --header "$prefix.h"
  says "kernels for $isa"
  set -- "$jit" "$model" "$isa" 7 "$step" "$steps" "$loss" $defines "$@"
  gives "$what: compile" 0 host "$prefix" "$prefix" "$type" "$step_call" "$predict_call" "$outputs"
  "$@" 2>err | sort >jit.txt
  ./"$prefix" 7 "$steps" $files 2>>err | sort >aot.txt
  diff jit.txt aot.txt >out && [ "$(grep -c ^loss jit.txt)" = "$steps" ]
  result $? "$what: the bits of a session, $(grep -c . jit.txt) values"
}

line() {
  agree "the seed's line" "$1" line "$line_dg" fit 200 mse float "N=32" "step_fit(s, in[0], in[1], &loss)" \
    "predict(s, in[0], out[0])" '{"y_hat", 128},' x:f32:32,1:x.f32 y:f32:32,1:y.f32
}

cat >noisy.dg <<'E'
import nn
input x: f32[N, 6]
input class: i32[N] in 0:3
let fc1 = nn.Linear(6, 33)
let norm = nn.BatchNorm1d(33)
let drop = nn.Dropout(0.25)
let fc2 = nn.Linear(33, 3)
let logits = fc2(drop(relu(norm(fc1(x)))))
state seen: i32 = 0
state ema: f32[6, 33] = 0
state kept: f32[N, 6] = 0
loss ce = mean(cross_entropy(logits, class))
output prob = softmax(logits, axis = -1)
train fit {
  minimize ce
  update * using adam(lr = 0.01 / f32(step))
  kept := x
}
after fit {
  seen := seen + 1
  ema := 0.9*ema + 0.1*fc1.w
}
E
sed -e 's/  kept := x/&\n  accumulate = 4; clip_norm = 1/' noisy.dg >groups.dg
cat >branch.dg <<'E'
input x: f32[16, 6]
input target: f32[16, 3]
param w: f32[6, 3] ~ normal(0, 1)
let path = scan (h: f32[16, 3] = zeros([16, 3])) for t in 0:7 {
  let far = cond max(abs(h)) > 0.9 { h / 2 } else { tanh(h + x @ w) }
  next h = far
  yield far
}
loss e = mean((path[6] - target)^2)
output h = path
train fit {
  minimize e
  update w using sgd(lr = 0.1)
}
E
cat >stored.dg <<'E'
input image: u8[N, 40]
input class: u8[N]
input scale: bf16[40] in [0, 2]
param w: bf16[40, 3] ~ normal(0, 0.1)
param b: f32[3] = 0
state seen: bf16[40] = 0
let y = f32(image) / 255 * scale @ w + b
loss ce = mean(cross_entropy(y, i32(class)))
output prob = softmax(y)
output weights = w
train fit {
  minimize ce
  update w, b using adam(lr = 0.05)
  seen := 0.9*seen + 0.1*mean(f32(image), axis = 0)
}
E
for isa in $levels; do
  line "$isa"
  agree "bytes and halves of floats" "$isa" stored stored.dg fit 12 ce float "N=16" "step_fit(s, in[0], in[1], in[2], &loss)" \
    "predict(s, in[0], in[2], out[0], out[1])" '{"prob", 192}, {"weights", 480},' image:u8:16,40:image.u8 \
    class:u8:16:class.u8 scale:bf16:40:scale.bf16
  agree "the pendulum's loop" "$isa" pendulum "$TOP/examples/pendulum.dg" fit 5 error double "" "step_fit(s, &loss, NULL)" \
    "predict(s, out[0])" '{"angle", 8000},'
  agree "Fashion-MNIST" "$isa" mlp "$TOP/examples/fashion-mnist/mlp.dg" fit 20 ce float "N=128" "step_fit(s, in[0], in[1], &loss, NULL)" \
    "predict(s, in[0], out[0])" '{"prob", 5120},' image:u8:128,784:image.u8 label:i32:128:label.i32
  agree "noise and running statistics" "$isa" noisy noisy.dg fit 25 ce float "N=16" "step_fit(s, in[0], in[1], &loss)" \
    "predict(s, in[0], out[0])" '{"prob", 192},' x:f32:16,6:noise.f32 class:i32:16:class.i32
  agree "groups of batches, the last unfinished" "$isa" groups groups.dg fit 26 ce float "N=16" \
    "step_fit(s, in[0], in[1], &loss)" "predict(s, in[0], out[0])" '{"prob", 192},' x:f32:16,6:noise.f32 class:i32:16:class.i32
  agree "conditions within a loop" "$isa" branch branch.dg fit 9 e float "" "step_fit(s, in[0], in[1], &loss)" \
    "predict(s, in[0], out[0])" '{"h", 1344},' x:f32:16,6:noise.f32 target:f32:16,3:target.f32
  agree "subnormal inputs" "$isa" noisy noisy.dg fit 3 ce float "N=16" "step_fit(s, in[0], in[1], &loss)" \
    "predict(s, in[0], out[0])" '{"prob", 192},' x:f32:16,6:tiny.f32 class:i32:16:class.i32
done

# Checkpoints: what a session saved goes on here with the same bits, and what is saved here a session reads.
noisy="noisy.dg $isa 7 fit"
inputs="x:f32:16,6:noise.f32 class:i32:16:class.i32"
gives "a session, 4 steps and saved" 0 env SAVE=four.safetensors "$jit" $noisy 4 ce N=16 $inputs
env SAVE=want.safetensors "$jit" $noisy 9 ce N=16 $inputs | grep -v loss | sort >jit.txt
gives "a program goes on from there" 0 env LOAD=four.safetensors SAVE=nine.safetensors ./noisy 0 5 noise.f32 class.i32
grep -v loss out | sort >aot.txt
diff jit.txt aot.txt >out
result $? "4 steps of a session and 5 of a program are 9 of a session"
cmp want.safetensors nine.safetensors >out 2>&1
result $? "the program saves the bytes that a session saves: counters, seed, checksum"
env RESUME=nine.safetensors "$jit" noisy.dg $isa 0 fit 3 ce N=16 $inputs | grep -v loss | sort >resumed.txt
"$jit" $noisy 12 ce N=16 $inputs | grep -v loss | sort | diff - resumed.txt >out
result $? "a session resumes it under another seed: 3 steps more are 12 of a session"
gives "a session reads what the program saved" 0 env LOAD=nine.safetensors "$jit" $noisy 0 ce N=16 $inputs
grep "output\|fc1\|norm" out | sort >read.txt
grep "output\|fc1\|norm" jit.txt | grep -v fit | sort >want.txt
grep -v fit read.txt | diff want.txt - >out
result $? "the same parameters, running statistics and outputs"
head -c 3000 four.safetensors >cut.safetensors
gives "a file that was cut" 3 env LOAD=cut.safetensors ./noisy 0 1 noise.f32 class.i32
python3 -c 'b = bytearray(open("four.safetensors", "rb").read()); b[-5] ^= 1; open("flipped.safetensors", "wb").write(b)'
gives "a flipped bit" 3 env LOAD=flipped.safetensors ./noisy 0 1 noise.f32 class.i32
gives "a file of another model" 9 env LOAD=four.safetensors ./branch 0 1 noise.f32 target.f32
gives "no file of that kind" 3 env LOAD=noisy.dg ./noisy 0 1 noise.f32 class.i32

# The same of halves of floats.
halves="image:u8:16,40:image.u8 class:u8:16:class.u8 scale:bf16:40:scale.bf16"
gives "a session saves bf16" 0 env SAVE=halves.safetensors "$jit" stored.dg $isa 7 fit 4 ce N=16 $halves
"$jit" stored.dg $isa 7 fit 9 ce N=16 $halves | grep -v loss | sort >jit.txt
gives "a program goes on from there" 0 env LOAD=halves.safetensors ./stored 0 5 image.u8 class.u8 scale.bf16
grep -v loss out | sort >aot.txt
diff jit.txt aot.txt >out
result $? "4 steps and 5 are 9"

# What the objects hold and what the programs need.
gives "what an object needs" 0 nm -u noisy.o
[ "$(sed 's/.* //' out | sort | tr '\n' ' ')" = "dgc_model_init dgc_model_load dgc_model_run dgc_model_save " ]
result $? "four functions of libdgc-core, and nothing else"
gives "what a program needs" 0 ldd ./mlp
! grep -v -e 'libc\.so' -e 'ld-linux' -e 'linux-vdso' out
result $? "libc and nothing else"
gives "its symbols" 0 nm mlp
lacks LLVM
lacks dg_session
lacks plan_image
gives "again" 0 "$DGC" build noisy.dg -D N=16 --isa=$isa --name=noisy -o again.o --header again.h
says "again.o"
cmp -s noisy.o again.o && cmp -s noisy.h again.h
result $? "the same text gives the same bytes"
echo '#include "noisy.h"
int main(void) { return NOISY_N + sizeof(noisy_state) > NOISY_TENSORS ? NOISY_OK : NOISY_CHECK; }' >header.c
cp header.c header.cc
warnings="-pedantic -Wall -Wextra -Wconversion -Werror -fsyntax-only"
for std in c99 c17; do gives "the header as $std" 0 cc -std=$std $warnings -Wstrict-prototypes header.c; done
for std in c++11 c++17; do gives "the header as $std" 0 c++ -std=$std $warnings header.cc; done

# README's own lines, as they stand there.
mkdir bin readme
ln -s "$DGC" bin/dgc
ln -s "$TOP/examples" readme/examples
sed -n '/^dgc build examples/p; /^cc -I. examples.host.aot/p' "$TOP/README.md" >readme/lines
[ "$(grep -c . readme/lines)" = 2 ]
result $? "README has two lines about it"
gives "README's lines" 0 env -C readme PATH="$HERE/bin:$PATH" LIBRARY_PATH="$build" sh -e lines
says "line(0) = -1.00, line(2) = 5.00"

# What is refused while it runs.
gives "a class outside its range" 3 ./noisy 7 1 noise.f32 bad.i32
gives "the same in bytes" 3 ./stored 7 1 image.u8 bad.u8 scale.bf16
gives "an input that is missing" 2 ./noisy 7 1 noise.f32
if [ "$levels" != avx2 ]; then
  gives "a lesser CPU" 0 cc -std=gnu11 -DDG_ISA_MOST=CPU_AVX2 -I"$TOP" -c "$TOP/runtime/core/cpu.c" -o cpu.o
  gives "a program for it" 0 host lesser line float "step_fit(s, in[0], in[1], &loss)" "" "" cpu.o
  gives "code for AVX-512 without AVX-512" 1 ./lesser 7 1 x.f32 y.f32
fi
gives "another version of the tables" 0 sh -c "mkdir -p old/runtime && cp -r '$TOP/runtime/core' old/runtime/ &&
  sed -i 's/MODEL_VERSION = [0-9]*/MODEL_VERSION = 0/' old/runtime/core/model.h && cc -std=gnu11 -Iold -c old/runtime/core/model.c -o model.o"
gives "a program with it" 0 host older line float "step_fit(s, in[0], in[1], &loss)" "" "" model.o
gives "an object of another version" 9 ./older 7 1 x.f32 y.f32

# Valgrind has no AVX-512 and says so by CPUID.
if command -v valgrind >valgrind.path; then
  gives "code for valgrind" 0 "$DGC" build noisy.dg -D N=16 --isa=avx2 --name=noisy
  gives "a program for valgrind" 0 host noisy noisy float "step_fit(s, in[0], in[1], &loss)" "predict(s, in[0], out[0])" '{"prob", 192},'
  gives "under valgrind" 0 env LOAD=four.safetensors SAVE=valgrind.safetensors valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite ./noisy 7 3 tiny.f32 class.i32
fi

# What cannot be built.
gives "no dims" 1 "$DGC" build noisy.dg
says "DG0521"
says "-D N=32"
gives "a host function" 1 "$DGC" build "$seed/a-host-function-backward.dg" -D N=32
says "DG0520"
says "double_on_host"
printf 'input x: f32[N]\nparam w: f32 = 1\nparam spare: f32 = 1\nloss e = sum((x - w)^2)\ntrain fit {\n  minimize e\n  update w, spare using sgd(lr = 0.1)\n}\n' >spare.dg
for f in json sarif; do
  gives "$f of no dims" 1 "$DGC" build spare.dg --diagnostics-format=$f
  document $f "DG0301 DG0521"
  gives "$f of an object" 0 "$DGC" build spare.dg -D N=4 --diagnostics-format=$f
  document $f DG0301
  gives "$f of a wrong level" 2 "$DGC" build spare.dg -D N=4 --isa=sse2 --diagnostics-format=$f
  document $f DG0301
  says "sse2"
  gives "$f of an error" 1 "$DGC" build spare.dg -D N=4 -Werror=unused --diagnostics-format=$f
  document $f DG0301
done
printf 'param w: f32[2] ~ load("w.safetensors")\noutput y = w\n' >begins.dg
gives "initial values from a file" 1 "$DGC" build begins.dg
says DG0560
gives "a wrong level" 2 "$DGC" build noisy.dg -D N=16 --isa=sse2
gives "a wrong name" 2 "$DGC" build noisy.dg -D N=16 --name=9lives
says "9lives"
gives "over the text" 2 "$DGC" build noisy.dg -D N=16 -o noisy.dg
says "not overwritten"
mkdir own
printf 'fn twice(a: f32[..]) -> f32[..] = a + a\n' >own/lib.dg
cat >own/main.dg <<'P'
import lib = "lib.dg"
input x: f32[2, 1]
param w: f32[1, 1] = 1
loss l = mean(lib.twice(x @ w))
train fit { minimize l; update w using sgd(lr = 0.1) }
P
cp own/lib.dg lib.dg
for to in "-o own/lib.dg" "--header own/lib.dg"; do
  gives "over an import: $to" 2 "$DGC" build own/main.dg $to
  says "'own/lib.dg' is not overwritten"
  same "$name: it is kept" lib.dg own/lib.dg
done
ln -s "$HERE" loop
: >there.o
ln there.o linked.h
ln -s there.o link.h
for both in "one one" "one ./one" "$HERE/one loop/one" "loop/../$(basename "$HERE")/one one" "there.o link.h" "there.o linked.h"; do
  gives "one file for both: $both" 2 "$DGC" build noisy.dg -D N=16 -o ${both% *} --header ${both#* }
  says "cannot be one file"
  [ ! -e one ] && [ ! -s there.o ]
  result $? "nothing is written"
done
gives "a folder that is not there" 4 "$DGC" build noisy.dg -D N=16 -o nowhere/noisy.o
gives "in less memory" 0 "$DGC" build "$TOP/examples/pendulum.dg" --memory=33000 --isa=avx2 --name=pendulum
gives "a program in less memory" 0 host less pendulum double "step_fit(s, &loss, NULL)" "predict(s, out[0])" '{"angle", 8000},'
gives "its bits" 0 ./less 7 5
sort out >aot.txt
"$jit" "$TOP/examples/pendulum.dg" avx2 7 fit 5 error | sort >jit.txt
diff jit.txt aot.txt >out
result $? "less memory, the same bits"
gives "in too little memory" 5 "$DGC" build "$TOP/examples/pendulum.dg" --memory=1000
says "limit 'memory'"
gives "an extent that no memory has" 5 "$DGC" build noisy.dg -D N=100000000000
says "limit 'tensor_bytes'"
gives "a recorded model" 1 "$DGC" build "$TOP/python/tests/torch/accumulation.dgg"
says "not run"
gives "above the limit" 5 "$DGC" build noisy.dg -D N=16 --limit=arena_bytes=100
says "arena_bytes"
finish
