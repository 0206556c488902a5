#!/bin/sh
# Data files from outside: what is read, what is refused, in which order, how soon. Each refusal names the file and ends
# within half a second of CPU and 300 MB.
. "$(dirname "$0")/lib.sh"
quick="-q --interpret"

# bytes FORMAT...: as printf writes them (octal escapes), to a file.
bytes() { file=$1; shift; printf "$@" >"$file"; }

cat >one.dg <<'E1'
input x: f32[N, 1]
param w: f32[1, 1] = 0
loss l = mean((x @ w - 1)^2)
train fit { minimize l; update w using sgd(lr = 0.1); steps = 1 }
E1

# bounded STATUS TEXT FILE: refused so, within the bounds.
bounded() {
  name=$3
  (ulimit -t 1; exec "$DGC" train one.dg $quick -d "x=$3") >out 2>err </dev/null
  got=$?
  [ "$got" = "$1" ]
  result $? "$3: exit status $1 (got $got)"
  says "$2"
}
# The sanitizers' shadow is no memory of ours.
if ! nm "$DGC" | grep -q ' __\(asan\|tsan\|ubsan\)_'; then
  "$DGC" --version | grep -q 'without native code' && room=400000 || room=1200000 # of addresses, code too
  ulimit -v $room
fi

# ---- the first line of a CSV file ----
cat >two.dg <<'E1'
input x: f32[N, 2]
param w: f32[2] = 0
loss l = mean((x @ w - 1)^2)
train fit { minimize l; update w using sgd(lr = 0.01); data = d; steps = 3; batch = 1 }
dataset d { x = csv("t.csv") }
E1
printf '1.5,?\n3,4\n5,6\n' >t.csv
gives "a bad cell in the first row" 3 "$DGC" train two.dg $quick
says "t.csv:1: column 2: '?' is not a number (a first line is a header where"
says "or with header = true)"
printf 'a,0\n1.5,2\n3,4\n5,6\n' >t.csv
gives "a header with a number" 3 "$DGC" train two.dg $quick
says "t.csv:1: column 1: 'a' is not a number"
sed 's/"t.csv"/"t.csv", header = true/' two.dg >said.dg
gives "a header that is said to be one" 0 "$DGC" train said.dg --interpret
says "3 rows in 3 batches of 1"
sed 's/"t.csv"/"t.csv", header = 1/' two.dg >said.dg
gives "a header that is neither" 1 "$DGC" said.dg
says "'csv' takes a file's name as text, and column = \"..\", header = true or false"
printf 'a,b\n1.5,2\n3,4\n5,6\n' >t.csv
gives "a header" 0 "$DGC" train two.dg --interpret
says "3 rows in 3 batches of 1"

# ---- one tensor of a safetensors file ----
h='{"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}'
bytes d.safetensors '\160\0\0\0\0\0\0\0%s\0\0\200\77\0\0\200\77\0\0\0\100\0\0\0\100' "$h" # x: 1 1, y: 2 2
[ "${#h}" = 112 ]
result $? "the header is as long as it says"
cat >safe.dg <<'E1'
input x: f32[N, 1]
input z: f32[N, 1]
param w: f32[1, 1] = 0
loss mse = mean((x @ w - z)^2)
dataset a { x = safetensors("d.safetensors"); z = safetensors("d.safetensors", tensor = "y") }
train fit { minimize mse; update w using sgd(lr = 0.5); data = a; epochs = 2; batch = 2 }
E1
gives "a tensor by the input's name, one by its own" 0 "$DGC" train safe.dg --interpret
says "mse 4"   # (0 - 2)^2
says "mse 0"   # w = 0 + 0.5 * 2 * 2 = 2: at once
gives "the command names a tensor" 0 "$DGC" train safe.dg -d z=d.safetensors:x --interpret
says "mse 1"
gives "a tensor that is not there" 3 "$DGC" train safe.dg -d z=d.safetensors:xx --interpret
says "no tensor is named 'xx': it has x, y"
sed 's/tensor = "y"/column = "y"/' safe.dg >column.dg
gives "the wrong word for it" 1 "$DGC" column.dg
says "'safetensors' takes a file's name as text, and tensor = \"..\""

# ---- bounds: 128 MiB of zeros and a sparse gigabyte stand in for any number ----
head -c 134217728 /dev/zero | gzip -1 >z.csv.gz
cp z.csv.gz z.npy.gz
cp z.csv.gz z.idx.gz
cp z.csv.gz z.safetensors.gz
(printf '\0\0\10\2\0\0\0\2\0\0\0\1ab'; head -c 134217728 /dev/zero) | gzip -6 >tail.idx.gz
(printf '\0\0\10\2\20\0\0\0\0\0\0\1'; head -c 134217728 /dev/zero) | gzip -6 >big.idx.gz
yes 1 | head -c 134217728 | gzip -6 >ones.csv.gz
gzip -6 <t.csv | cat ones.csv.gz - >members.csv.gz
head -c 100000000 /dev/zero | tr '\0' 1 >line.csv
head -c 100000000 /dev/zero | tr '\0' , >fields.csv
(echo 1; cat line.csv) >second.csv
(printf '"'; cat line.csv) >quote.csv
for f in sparse.csv sparse.npy sparse.idx sparse.safetensors; do truncate -s 20G $f; done
bounded 5 "z.csv.gz:1: a record of more than the 8388608 bytes" z.csv.gz
bounded 3 "z.npy.gz: not an npy file" z.npy.gz
bounded 3 "z.idx.gz: not an IDX file" z.idx.gz
bounded 3 "z.safetensors.gz: not a safetensors file" z.safetensors.gz
bounded 3 "tail.idx.gz: bytes behind the data: 14 bytes expected by its header, found more" tail.idx.gz
bounded 5 "big.idx.gz: more than" big.idx.gz
bounded 5 "the limit 'unpack_ratio' allows 100 for each packed one" ones.csv.gz
bounded 5 "the limit 'unpack_ratio' allows 100 for each packed one" members.csv.gz
bounded 5 "line.csv:1: a record of more than the 8388608 bytes" line.csv
bounded 5 "fields.csv:1: a record of more than the 8388608 bytes" fields.csv
bounded 5 "second.csv:2: a record of more than the 8388608 bytes" second.csv
bounded 5 "quote.csv:1: a record of more than the 8388608 bytes" quote.csv
bounded 5 "sparse.csv:1: a record of more than the 8388608 bytes" sparse.csv
bounded 3 "sparse.npy: not an npy file" sparse.npy
bounded 3 "sparse.idx: not an IDX file" sparse.idx
bounded 3 "sparse.safetensors: not a safetensors file" sparse.safetensors
rm -f ./*.gz line.csv fields.csv second.csv quote.csv sparse.*

# ---- values are looked at in the order of the file, before the first step ----
cat >label.dg <<'E1'
input x: f32[N, 1]
input t: i32[N] in 0:3
param w: f32[1, 3] = 0
loss l = mean(cross_entropy(x @ w, t))
train fit { minimize l; update w using sgd(lr = 0.1); batch = 1; epochs = 1 }
output p = x @ w
E1
(echo x,t; for i in $(seq 200); do echo "1,$((i % 3))"; done) >good.csv
sed -e '150s/.*/1,7/' -e '60s/.*/nan,1/' -e '100s/.*/1,-1/' good.csv >bad.csv
gives "labels in the order of the file" 3 "$DGC" train label.dg -d x=good.csv:x -d t=bad.csv:t --interpret
says "bad.csv:100: column 2 't': -1 is outside the declared range 0:3"
lacks "epoch"
gives "numbers in the order of the file" 3 "$DGC" train label.dg -d x=bad.csv:x -d t=good.csv:t --interpret
says "bad.csv:60: column 1 'x': 'nan' is not finite"

# ---- an input that is no row is fed whole: to each batch, with the rows of each set, in train, eval and predict ----
cat >whole.dg <<'E1'
input x: f32[N, 1]
input c: f32[2]
param w: f32[1, 2] = 0
loss l = mean(((x @ w) - 1)^2 @ c)
train fit { minimize l; update w using sgd(lr = 0.125); data = d; validate = v; batch = 2; epochs = 1 }
dataset d { x = csv("x.csv"); c = csv("c.csv") }
dataset v { x = csv("v.csv") }
output p = (x @ w) * c
E1
printf '1\n1\n1\n1\n' >x.csv
printf '1\n1\n1\n' >v.csv
printf '1\n3\n' >c.csv
# d/dw_k = 2 c_k (w_k - 1): w1 = 1 - (1 - 0.25)^k, w2 = 1 - (1 - 0.75)^k; after two steps 0.4375 and 0.9375
gives "class weights" 0 "$DGC" train whole.dg --interpret -o whole.safetensors
says "l 2.375"  # (1 + 3) and 0.5625 + 3*0.0625 = 0.75: their mean
says "test 0.3281" # 0.5625^2 + 3*0.0625^2
gives "class weights, eval" 0 "$DGC" eval whole.dg --interpret --load whole.safetensors
says "l 0.328125"
gives "class weights, predict" 0 "$DGC" predict whole.dg -i x=v.csv --interpret --load whole.safetensors
says "0.4375 2.8125"
printf '1,3\n' >c.csv # in any shape of as many numbers
gives "class weights in a line" 0 "$DGC" train whole.dg --interpret
says "test 0.3281"
printf '1\n2\n3\n' >c.csv
gives "too many class weights" 3 "$DGC" train whole.dg $quick
says "c.csv: 2 numbers [2] expected by input 'c', which is read whole, found 3 [3, 1]"
finish
