#!/bin/sh
# What a user can do wrong: each a located or named error with its exit status, and no output touched.
. "$(dirname "$0")/lib.sh"

model() { # FILE: a program that trains, then what stdin adds
  cat >"$1" <<'M'
input x: f32[N, 1]
input y: f32[N, 1]
param w: f32[1, 1] ~ normal(0, 1)
let  pred = x @ w
loss mse  = mean((pred - y)^2)
train fit {
  minimize mse
  update   w
  using    sgd(lr = 0.1)
}
M
}

echo 'input x f32[N]' >syntax.dg
gives "syntax error" 1 "$DGC" check syntax.dg
says "syntax.dg:1:"
silent out

printf 'input a: f32[N, 3]\ninput b: f32[4, M]\noutput c = a @ b\n' >shape.dg
gives "shape error" 1 "$DGC" check shape.dg
says "shape.dg:3:"
says "f32[N, 3]"
says "f32[4, M]"

printf 'input weight: f32[N]\noutput c = wieght\n' >name.dg
gives "unknown name" 1 "$DGC" check name.dg
says "name.dg:2:12"
says "weight"

printf 'import b = "b.dg"\nfn f(x: f32) -> f32 = x\n' >a.dg
printf 'import a = "a.dg"\nfn g(x: f32) -> f32 = x\n' >b.dg
gives "import cycle" 1 "$DGC" check a.dg
says "DG0005"
says "b.dg"

gives "missing file" 4 "$DGC" check missing.dg
says "missing.dg"
printf 'import m = "gone.dg"\ninput x: f32[N]\noutput y = x\n' >import.dg
gives "missing import" 1 "$DGC" check import.dg
says "import.dg:1:"
mkdir -p lib
printf 'import b = "near.dg"\nfn f(x: f32) -> f32 = b.g(x)\n' >lib/a.dg
printf 'fn g(x: f32) -> f32 = x\n' >lib/near.dg
printf 'import a = "./lib//a.dg"\nimport again = "lib/a.dg"\noutput y = a.f(1)\n' >neighbour.dg
gives "import of a neighbour" 1 "$DGC" check neighbour.dg
says "lib/a.dg:1:"
says 'import b = "lib/near.dg"'
sed -i 's|"near.dg"|"lib/near.dg"|' lib/a.dg
gives "import from the program's folder" 0 "$DGC" check neighbour.dg
printf 'import m = "../gone.dg"\ninput x: f32[N]\noutput y = x\n' >outside.dg
gives "import outside" 1 "$DGC" check outside.dg
says "'..'"
mkdir folder.dg
gives "a folder" 4 "$DGC" check folder.dg
mkfifo pipe.dg
gives "a pipe" 4 timeout 5 "$DGC" check pipe.dg
: >empty.dg
gives "an empty file" 1 "$DGC" check empty.dg
says "DG0003"
printf 'input x: f32[N] // \377\n' >utf8.dg
gives "no UTF-8" 1 "$DGC" check utf8.dg
says "DG0004"
printf 'input x: f32[N]\000\noutput y = x\n' >nul.dg
gives "a NUL" 1 "$DGC" check nul.dg

python3 -c "print('input x: f32[N]\noutput y = ' + '(' * 10**6 + 'x' + ')' * 10**6)" >deep.dg
gives "a million brackets" 5 "$DGC" check deep.dg
says "nesting"
says "deep.dg:2:"
python3 -c "print('input x: f32[N]\noutput y = ' + '-' * 10**6 + 'x')" >minus.dg
gives "a million signs" 5 "$DGC" check minus.dg
printf 'param w: f32[3037000500, 3037000500] = 0\nloss l = sum(w)\n' >huge.dg
gives "2^63 elements" 5 "$DGC" check huge.dg
says "huge.dg:1:"
says "tensor_bytes"
printf 'input x: f32[1,1,1,1,1,1,1,1,1]\noutput y = x\n' >rank.dg
gives "rank 9" 5 "$DGC" check rank.dg
says "rank"

# Large and wrong: the work for suggestions and lists of paths is bounded.
python3 - <<'P'
n = 8000
with open('unknown.dg', 'w') as f:
    for i in range(n): print(f'input aaaaaaaaaaaaaaaaaaaa{i}: f32\noutput y{i} = aaaaaaaaaaaaaaaaaaaax{i}', file=f)
with open('paths.dg', 'w') as f:
    for i in range(n): print(f'param p{i}: f32 = 0', file=f)
    print('loss l = p0\ntrain t {\n  minimize l\n  update', ', '.join(f'p{i}.a' for i in range(n)), 'using sgd(lr = 0.1)\n}', file=f)
P
gives "8000 unknown names" 1 timeout 30 "$DGC" check unknown.dg
says "7900 more not shown"
gives "8000 unknown paths" 1 timeout 30 "$DGC" check paths.dg

gives "no such flag" 2 "$DGC" check --no-such-flag empty.dg
gives "no file" 2 "$DGC" check
gives "no such group" 2 "$DGC" check -Wnonsense empty.dg

model good.dg
echo precious >w.safetensors
cp "$TOP/examples/seed/x.npy" "$TOP/examples/seed/y.npy" .
gzip -c x.npy | head -c 100 >cut.npy.gz
gives "truncated .gz" 3 "$DGC" train good.dg --data x=cut.npy.gz --data y=y.npy --save w.safetensors
says "cut.npy.gz"
[ "$(cat w.safetensors)" = precious ]
result $? "truncated .gz: no output touched"
head -c 200 x.npy >short.npy
gives "truncated .npy" 3 "$DGC" train good.dg --data x=short.npy --data y=y.npy --save w.safetensors
says "short.npy"
gives "missing data" 4 "$DGC" train good.dg --data x=gone.npy --data y=y.npy --save w.safetensors
[ "$(cat w.safetensors)" = precious ]
result $? "missing data: no output touched"

# what is read is never written, by whatever name
cp good.dg keep.dg
ln -s y.npy soft.npy
for own in good.dg ./x.npy y.npy soft.npy; do
  gives "saved over $own" 2 "$DGC" train good.dg --data x=x.npy --data y=y.npy --save "$own"
  says "is not overwritten"
done
cmp -s good.dg keep.dg && cmp -s x.npy "$TOP/examples/seed/x.npy" && cmp -s y.npy "$TOP/examples/seed/y.npy"
result $? "saved over: all files as they were"

# columns
printf 'a,b,a\n1,2,3\n' >twice.csv
printf '1,2\n3,4\n' >nameless.csv
gives "a column of no name" 3 "$DGC" train good.dg --interpret -d x=twice.csv:zzz -d y=y.npy
says "no column is named 'zzz': it has a, b, a"
gives "a column of two" 3 "$DGC" train good.dg --interpret -d x=twice.csv:a -d y=y.npy
says "both named 'a'"
gives "a name without names" 3 "$DGC" train good.dg --interpret -d x=nameless.csv:a -d y=y.npy
says "columns are 0, 1"
gives "columns of what has none" 2 "$DGC" train good.dg --interpret -d x=x.npy:a -d y=y.npy
says "a part can be chosen of csv, safetensors and tokens files alone, this is npy"
cp x.npy x:1.npy
gives "a colon in a name" 0 "$DGC" train good.dg -q --interpret -d x=x:1.npy -d y=y.npy

# checkpoints of others, and numbers that leave the range
"$DGC" train good.dg -q --interpret --data x=x.npy --data y=y.npy --save mine.st
python3 - <<'P'
import json, struct
b = open("mine.st", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
w = json.loads(b[8:8 + n])["w"]
lo, hi = w["data_offsets"]
h = json.dumps({"w": {"dtype": "F32", "shape": w["shape"], "data_offsets": [0, hi - lo]}}).encode()
h += b" " * (-len(h) % 8)
open("other.st", "wb").write(struct.pack("<Q", len(h)) + h + b[8 + n + lo:8 + n + hi])
P
gives "another's weights" 0 "$DGC" eval good.dg --interpret --data x=x.npy --data y=y.npy --load other.st
gives "another's weights resumed" 9 "$DGC" train good.dg --interpret --data x=x.npy --data y=y.npy --resume other.st
says "--load"
sed 's/0\.1/1e20/; s/^}/  epochs = 9\n}/' good.dg >wild.dg
gives "numbers out of range" 7 "$DGC" train wild.dg --interpret --data x=x.npy --data y=y.npy --save wild.st
says "the loss 'mse' is"
says "wild.st holds the end of epoch 1"
says "clip_norm"
gives "the last good checkpoint" 0 "$DGC" eval good.dg --interpret --data x=x.npy --data y=y.npy --load wild.st

# labels outside the classes, declared or not
cat >classes.dg <<'M'
input x: f32[N, 1]
input label: i32[N]
param w: f32[1, 3] ~ normal(0, 1)
loss ce = mean(cross_entropy(x @ w, label))
train fit { minimize ce; update w using sgd(lr = 0.1) }
M
for last in 2 3 -1; do
  printf 'label\n0\n1\n2\n%s\n' $last >label.csv
  printf 'x\n1\n2\n3\n4\n' >four.csv
  wanted=3
  [ $last = 2 ] && wanted=0
  for command in train eval; do
    gives "$command with label $last of 3" $wanted "$DGC" $command classes.dg --interpret -d x=four.csv -d label=label.csv
    [ $last = 2 ] || says "label.csv:5: column 1 'label': $last is outside 0..2, the classes of cross_entropy"
  done
done

# an index outside of its axis
cat >places.dg <<'M'
import nn
input word: i32[N, 1]
let table = nn.Embedding(3, 2)
loss l = mean((table(word) - 1)^2)
train fit { minimize l; update table using sgd(lr = 0.1) }
M
for last in 2 3 -1; do
  printf 'word\n0\n1\n2\n%s\n' $last >word.csv
  wanted=3
  [ $last = 2 ] && wanted=0
  gives "train with place $last of 3" $wanted "$DGC" train places.dg --interpret -d word=word.csv
  [ $last = 2 ] || says "word.csv:5: column 1 'word': $last is outside 0..2, the places on the axis it is an index of"
done

# data the program names: nowhere, or outside of what it may read
mkdir -p root elsewhere
cp x.npy elsewhere/
ln -s ../elsewhere root/away
dataset() { printf 'input x: f32[N, 1]\nparam w: f32[1, 1] = 1\nloss l = mean((x @ w)^2)\ndataset d { x = npy("%s") }\ntrain fit { minimize l; update w using sgd(lr = 0.1); data = d }\n' "$1" >named.dg; }
dataset rows.npy
gives "named data that is nowhere" 4 "$DGC" train named.dg --interpret
says "'rows.npy'"
says "--data-root"
gives "named data that is in no root" 4 "$DGC" train named.dg --interpret --data-root root
says "beneath '.', 'root'"
dataset away/x.npy
gives "a link out of the data root" 1 "$DGC" train named.dg --interpret --data-root root
says "symbolic link"
dataset ../x.npy
gives "named data above" 1 "$DGC" train named.dg --interpret --data-root root
says "'..'"
dataset x.npy
gives "named data in a root" 0 "$DGC" train named.dg --interpret --data-root elsewhere
gives "no data root" 4 "$DGC" train named.dg --interpret --data-root gone
says "gone"

# an extent that the rows decide is none
printf 'input x: f32[N, 1]\nparam w: f32[1] = 1\noutput y = x[1:N-1]\nloss l = mean((x[1:N] - w * x[0:N-1])^2)\n' >empty.dg
echo 'train t { minimize l; update w using sgd(lr = 0.1) }' >>empty.dg
echo 1 >one.csv
printf '1\n2\n' >two.csv
gives "an empty slice in predict" 1 "$DGC" predict --input=x=two.csv empty.dg
says "empty.dg:3:14: the dim 'N - 2' is 0, and an extent is at least 1: N = 2"
gives "an empty slice in eval" 1 "$DGC" eval --data=x=one.csv empty.dg
says "empty.dg:4:18: the dim 'N - 1' is 0"
for stage in step opt kernels; do
  gives "an empty slice in --emit=$stage" 1 "$DGC" "--emit=$stage" -D N=1 empty.dg
  says "empty.dg:4:18: error: the dim 'N - 1' is 0"
done
gives "an empty slice in train" 1 "$DGC" train -D N=1 --data=x=one.csv --steps 1 empty.dg
says "DG0218"
# what is read lies before the first row
printf 'input x: f32[N, 1]\nparam w: f32[1] = 1\noutput y = x[N-3] * w\n' >before.dg
gives "an index before the first row" 1 "$DGC" predict --input=x=two.csv before.dg
says "before.dg:3:14: slice: starts at -1: N = 2"
finish
