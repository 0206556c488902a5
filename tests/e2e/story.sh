#!/bin/sh
# One story: the last "test" values that training prints are those of `dgc eval --load`, of the library, and of NumPy.
EVALUATE=$(realpath "$3")
. "$(dirname "$0")/lib.sh"
PY="python3 $TOP/tests/e2e/story.py"
"$DGC" --version | grep -q 'without native code' && how=--interpret || how=

# x.csv y.csv and tx.csv ty.csv of a line, another line ux uy and vx vy, classes cx ct and dx dt
python3 - <<'P'
import random
random.seed(3)
def put(name, rows):
    with open(name + ".csv", "w") as f:
        for r in rows: print(",".join(f"{v:.6g}" for v in r), file=f)
def line(x, y, n, a, b):
    xs = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(n)]
    put(x, xs)
    put(y, [(a * p - b * q + 0.5 + random.gauss(0, 0.1),) for p, q in xs])
line("x", "y", 37, 2, 1); line("tx", "ty", 23, 2, 1)
line("ux", "uy", 26, -1, 3); line("vx", "vy", 11, -1, 3)
for x, t, n in (("cx", "ct", 100), ("dx", "dt", 41)):
    xs = [[random.gauss(5, 3) for _ in range(4)] for _ in range(n)]
    put(x, xs); put(t, [((r[0] > 5) + (r[1] > 5),) for r in xs])
P

model() { # FILE SETTINGS: a line of two inputs
  cat >"$1" <<M
input x: f32[N, 2]
input y: f32[N, 1]
param w: f32[2, 1] ~ normal(0, 1)
param b: f32 = 0
let  error = x @ w + b - y
loss mse   = mean(error^2)
metric off = mean(abs(error))
dataset one  { x = csv("x.csv"); y = csv("y.csv") }
dataset two  { x = csv("ux.csv"); y = csv("uy.csv") }
dataset test { x = csv("tx.csv"); y = csv("ty.csv") }
dataset more { x = csv("vx.csv"); y = csv("vy.csv") }
$2
M
}

# The values of the last epoch's line: "ce 0.1770, test 0.1380  accuracy 0.9271, test 0.9900" gives "ce 0.1380" ...
tested() { grep '^epoch' | tail -n 1 | sed 's/  */ /g' | grep -o '[a-z.]* [-0-9.e+]*, test [-0-9.e+]*\|[a-z.]* test [-0-9.e+]*' |
  sed 's/\([a-z.]*\) .*test /\1 /'; }

# Equal but for how many digits are shown.
near() { # FILE FILE TOLERANCE
  paste "$1" "$2" | awk -v tol="$3" 'NF != 4 || $1 != $3 { bad = 1 } { d = $2 - $4; if (d < 0) d = -d; m = $2 < 0 ? -$2 : $2
    if (d > tol * (m > 1e-3 ? m : 1e-3)) bad = 1 } END { exit bad || NR == 0 }'
  got=$?
  [ $got = 0 ] || paste "$1" "$2" | sed 's/^/# /'
  result $got "$name: $4"
}

# story NAME MODEL "EVAL ARGUMENTS" "LIBRARY ARGUMENTS": `trained` holds what training printed, `numpy` what NumPy says
story() {
  tested <trained >said
  gives "$1" 0 "$DGC" eval "$2" --load w.safetensors $3 $how -q
  silent err
  cp out eval
  name=$1
  near said eval 2e-4 "training's last line is what eval says"
  near numpy eval 2e-5 "NumPy says the same"
  gives "$1, in C" 0 "$EVALUATE" "$2" w.safetensors $4
  same "$1: the library" out eval
}

# (a) states: running statistics of a normalisation
cat >norm.dg <<'M'
import nn
input x: f32[N, 4]
input t: i32[N] in 0:3
let fc     = nn.Linear(4, 16, bias = false)
let bn     = nn.BatchNorm1d(16)
let head   = nn.Linear(16, 3)
let logits = head(relu(bn(fc(x))))
loss   ce       = mean(cross_entropy(logits, t))
metric accuracy = mean(f32(argmax(logits, axis = -1) == t))
dataset fitting { x = csv("cx.csv"); t = csv("ct.csv") }
dataset test  { x = csv("dx.csv"); t = csv("dt.csv") }
train fit { minimize ce; update * using adam(lr = 0.01); data = fitting; validate = test; batch = 32; epochs = 20 }
M
gives "states, trained" 0 "$DGC" train norm.dg $how -o w.safetensors
cp out trained
$PY norm w.safetensors dx.csv dt.csv >numpy
story "states" norm.dg "" ""

# (b) two steps with different data, their own batches, order and ends
model two.dg 'train first {
  minimize mse; update w using sgd(lr = 0.1)
  data = one; validate = test; batch = 8; epochs = 4
}
train second {
  minimize mse; update b using adam(lr = 0.02)
  data = two; validate = more; batch = 5; steps = 30; shuffle = false; last = "pad"
}'
gives "two steps, trained" 0 "$DGC" train two.dg $how -o w.safetensors
says "first: 37 rows in 4 batches of 8; the last 5 of an epoch's order are left out"
says "second: 26 rows in 6 batches of 5"
says "epoch 5/8  second.mse" # and no longer the first step's
tested <out | sort >said
{ $PY line w.safetensors tx.csv ty.csv first.; $PY line w.safetensors vx.csv vy.csv second.; } | sort >numpy
gives "two steps" 0 "$DGC" eval two.dg --load w.safetensors $how
says "test data 'test' of step 'first': 23 rows (x = tx.csv, y = ty.csv)"
says "test data 'more' of step 'second': 11 rows (x = vx.csv, y = vy.csv)"
grep -v ' rows ' out >values
sort values >eval
near said eval 2e-4 "training's last line is what eval says"
near numpy eval 2e-5 "NumPy says the same"
gives "two steps, in C" 0 "$EVALUATE" two.dg w.safetensors
same "two steps: the library" out values

# (c) after --resume, inside an epoch
model line.dg 'train fit { minimize mse; update * using adam(lr = 0.05); data = one; validate = test; batch = 8; epochs = 6 }'
gives "whole" 0 "$DGC" train line.dg $how -o whole.safetensors
tested <out >whole
gives "a part" 0 "$DGC" train line.dg $how --steps 10 -o part.safetensors
says "epoch 3/3, batches 1 to 2 of 4"
gives "resumed" 0 "$DGC" train line.dg $how --resume part.safetensors -o w.safetensors
says "epoch 3/6, batches 3 to 4 of 4"
cp out trained
same "resumed: the weights of the whole run" w.safetensors whole.safetensors
$PY line w.safetensors tx.csv ty.csv >numpy
story "resumed" line.dg "" ""
same "resumed: the last line of the whole run" said whole

# (d) files of the command line, where the program names others
gives "other files, trained" 0 "$DGC" train line.dg $how -d x=ux.csv -d y=uy.csv -d test:x=vx.csv -d test:y=vy.csv -o w.safetensors
cp out trained
$PY line w.safetensors vx.csv vy.csv >numpy
story "other files" line.dg "-d x=vx.csv -d y=vy.csv" "x=vx.csv y=vy.csv"
gives "other files, named" 0 "$DGC" eval line.dg --load w.safetensors $how -d x=vx.csv -d y=vy.csv
says "test data: 11 rows (x = vx.csv, y = vy.csv)"
gives "training files, named" 0 "$DGC" eval line.dg --load w.safetensors $how -d train:x=ux.csv -d train:y=uy.csv
says "train data: 26 rows (x = ux.csv, y = uy.csv)"
gives "nothing trained" 0 "$DGC" eval line.dg $how
says "no --load: nothing is trained"
says "test data 'test': 23 rows (x = tx.csv, y = ty.csv)"

# (e) the last rows of an epoch fill a batch
model pad.dg 'train fit { minimize mse; update * using adam(lr = 0.05); data = one; validate = test; batch = 8; epochs = 5; last = "pad" }'
gives "pad, trained" 0 "$DGC" train pad.dg $how -o w.safetensors
says "37 rows in 5 batches of 8"
cp out trained
$PY line w.safetensors tx.csv ty.csv >numpy
story "pad" pad.dg "" ""
finish
