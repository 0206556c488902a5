#!/bin/sh
# Training from outside: losses fall, and the weights are the same bits whatever computes them: interpreter, threads,
# optimisation level, instruction set, an interruption.
. "$(dirname "$0")/lib.sh"
seed=$TOP/examples/seed
data="--data x=$seed/x.npy --data y=$seed/y.npy"
clothes=/usr/share/datasets/fashion-mnist
"$DGC" --version | grep -q 'without native code' && native=0 || native=1

first() { grep -o 'mse [0-9.e+-]*' "$1" | head -n 1 | cut -d' ' -f2; }
last() { grep -o 'mse [0-9.e+-]*' "$1" | tail -n 1 | cut -d' ' -f2; }

for f in a-host-function-mended b-update-list-mended c-stop-gradient-mended; do
  gives "$f" 0 "$DGC" train "$seed/$f.dg" $data -o "$f.safetensors" --interpret
  awk -v a="$(first out)" -v b="$(last out)" 'BEGIN { exit !(b + 0 < a / 2) }' || awk -v a="$(first err)" -v b="$(last err)" 'BEGIN { exit !(b + 0 < a / 2) }'
  result $? "$f: the loss falls to a half"
  says " MB of memory"
  [ -s "$f.safetensors" ]
  result $? "$f: weights are saved"
done

# Stopped after 100 steps and resumed: as if never stopped.
b=$seed/b-update-list-mended
gives "100 steps" 0 "$DGC" train $b.dg $data --steps 100 -o half.safetensors --interpret -q
gives "resumed" 0 "$DGC" train $b.dg $data --resume half.safetensors -o whole.safetensors --interpret -q
same "resumed" whole.safetensors b-update-list-mended.safetensors
gives "another program's checkpoint" 9 "$DGC" train $seed/c-stop-gradient-mended.dg $data --resume half.safetensors --interpret
cat >group.dg <<'END'
input x: f32[N]
param w: f32 = 0
loss l = mean(x) * w
train fit { minimize l; update w using sgd(); batch = 1; epochs = 1; accumulate = 3 }
END
printf '1\n2\n3\n4\n5\n' >five.csv
gives "a group of three" 0 "$DGC" train group.dg -d x=five.csv -o two-in.safetensors --interpret -q
sed 's/accumulate = 3/accumulate = 2/' group.dg >pair.dg
gives "two are in, and a group has two" 9 "$DGC" train pair.dg -d x=five.csv --resume two-in.safetensors --interpret -q
says "2 batches of a group are in ('fit.gathered'), and a group has 2"
head -c 100 half.safetensors >cut.safetensors
gives "a truncated checkpoint" 3 "$DGC" train $b.dg $data --resume cut.safetensors --interpret
gives "seed 1" 0 "$DGC" train $b.dg $data --seed 1 -o one.safetensors --interpret -q
! cmp -s one.safetensors b-update-list-mended.safetensors
result $? "another seed gives other weights"

# What rests on initial values is not said of a program that loads others.
cat >stuck.dg <<'END'
input x: f32[N, 1]
param a: f32[1, 2] = 0
param b: f32[2, 1] = 0
loss l = mean((x + (x @ a) @ b)^2)
train fit { minimize l; update a, b using adam(); batch = 8 }
END
gives "stuck" 0 "$DGC" train stuck.dg --data x=$seed/x.npy --steps 1 -o stuck.safetensors --interpret -q
says DG0314
for how in --load --resume; do
  gives "check $how" 0 "$DGC" check stuck.dg $how stuck.safetensors
  silent err
  gives "train $how" 0 "$DGC" train stuck.dg $how stuck.safetensors --data x=$seed/x.npy --steps 1 --interpret -q
  silent err
done
gives "check --load of another program's file" 9 "$DGC" check $b.dg --load stuck.safetensors
gives "check --load of no file" 4 "$DGC" check $b.dg --load nonsense

# Data come after the initial values, and give these no dims.
cat >begins.dg <<'END'
input x: f32[N, D]
param w: f32 = D
loss l = mean(x) * w
train fit { minimize l; update w using sgd(lr = 0.1); batch = 8 }
END
gives "an initial value of a dim" 1 "$DGC" train begins.dg --data x=$seed/x.npy --interpret
says "dgc: begins.dg:2:16: this initial value depends on a dim without a value: bind it (-D NAME=VALUE)"
gives "an initial value of a dim that is bound" 0 "$DGC" train begins.dg --data x=$seed/x.npy --interpret -D D=1

# Two steps in turn; one draws its rows at random and reads no input: as many as the batch has.
cat >gan.dg <<'END'
import nn
input x: f32[N, 1]
let g = nn.Linear(2, 1)
let d = nn.Linear(1, 1)
let z: f32[N, 2] ~ normal(0, 1)
let fake = g(z)
loss dl = mean(bce_with_logits(d(x), ones([N, 1]))) + mean(bce_with_logits(d(stop_gradient(fake)), zeros([N, 1])))
loss gl = mean(bce_with_logits(d(fake), ones([N, 1])))
train disc { minimize dl; update d using adam(lr = 0.01); batch = 8; epochs = 2 }
train gen { minimize gl; update g using adam(lr = 0.01); batch = 8; epochs = 2 }
END
gives "a step that reads no input" 0 "$DGC" train gan.dg --data x=$seed/x.npy --interpret
gives "a dim without a value" 1 "$DGC" train gan.dg --step gen --steps 1 --interpret
says "the dim 'N' has no value"

# Computed again instead of kept: the same weights.
cat >again.dg <<'END'
import nn
input x: f32[N, 1]
input y: f32[N, 1]
let a = nn.Linear(1, 64)
let b = nn.Linear(64, 64)
let c = nn.Linear(64, 1)
let drop = nn.Dropout(0.1)
fn block(h: f32[N, D], l: nn.Linear) = drop(tanh(l(h)))
let h = scan (h = block(x, a)) for t in 0:3 { next h = checkpoint(tanh(b(h)) * sigmoid(h)) }
loss mse = mean((c(checkpoint(block(h, b))) - y)^2)
train fit { minimize mse; update * using adam(lr = 0.01); batch = 20; epochs = 3 }
END
(cat again.dg && echo 'fn checkpoint(e) = e') >kept.dg
gives "computed again" 0 "$DGC" train again.dg $data -o again.safetensors -q
gives "kept" 0 "$DGC" train kept.dg $data -o kept.safetensors -q
same "computed again and kept" again.safetensors kept.safetensors
gives "computed again, interpreted" 0 "$DGC" train again.dg $data -o again.safetensors -q --interpret
same "computed again, interpreted" again.safetensors kept.safetensors

# Dropout of a bare leaf acts in training, and there alone: l says how many of 64 stay, for each of the two.
cat >drop.dg <<'END'
import nn
frozen param one: f32[64] = 1
param w: f32 = 1
let drop = nn.Dropout(0.5)
let layer = drop(one)
let direct = dropout(one, 0.5)
loss l = w * (sum(layer) + 100 * sum(direct)) / 2
train fit { minimize l; update w using sgd(lr = 1); steps = 1 }
END
gives "dropout of a leaf" 0 "$DGC" train drop.dg -o drop.safetensors --interpret
kept=$(grep -o ' l [0-9.]*' out err | head -n 1 | sed 's/.* //')
awk -v l="$kept" 'BEGIN { a = l % 100; b = int(l / 100); exit !(a == int(a) && a > 18 && a < 46 && a != 32 && b > 18 && b < 46 && b != 32) }'
result $? "dropout of a leaf: about half of each stays ($kept)"
gives "dropout of a leaf, evaluated" 0 "$DGC" eval drop.dg --load drop.safetensors --interpret
grep -o 'l [-0-9.e+]*' out | awk -v l="$kept" '{ found = 1; want = (1 - l) * 3232; bad = ($2 / want - 1)^2 > 1e-8 } END { exit !found || bad }'
result $? "dropout of a leaf: all stay in evaluation, and the gradient was that of the mask"
gives "dropout of a leaf, natively" 0 "$DGC" train drop.dg -o again.safetensors -q
same "dropout of a leaf, natively" again.safetensors drop.safetensors

# Noise in a loop: the same numbers at any number of threads, and interpreted.
cat >noisy.dg <<'END'
input obs: f32[T]
param k: f32[300] = 1.0
let h = scan (h: f32[300] = 0.1) for o in obs {
  let n: f32[300] ~ normal(0, 0.1)
  let m = vmap(fn (a) = a * uniform(0, 1), h)
  next h = tanh(k * m + n) + 0.01 * o
  yield h
}
loss l = mean(h^2)
train fit { minimize l; update * using sgd(lr = 0.1); steps = 3 }
END
awk 'BEGIN { for (i = 0; i < 50; i++) print sin(i / 10) }' >obs.csv
gives "noise" 0 "$DGC" train noisy.dg -d obs=obs.csv -o noise.safetensors -q -j1
for how in -j2 -j3 --interpret; do
  gives "noise $how" 0 "$DGC" train noisy.dg -d obs=obs.csv -o again.safetensors -q $how
  same "noise $how" again.safetensors noise.safetensors
done

# A budget: what loops keep for their way back is computed again, and the weights are the same.
cat >loop.dg <<'END'
input obs: f32[T]
param k: f32[4] = 1.0
let traj = scan (p: f32[4] = 0.5, v: f32[4] = 0.1) for o in obs {
  let a = -k * sin(p) - 0.5 * v
  next p = p + 0.01 * v
  next v = v + 0.01 * a
  yield p - o
}
loss l = mean(traj^2)
train fit { minimize l; update * using sgd(lr = 0.001); steps = 2 }
END
for t in 1 2 3 997 100000; do
  awk -v t=$t 'BEGIN { for (i = 0; i < t; i++) print sin(i / 10) }' >obs.csv
  gives "$t steps kept" 0 "$DGC" train loop.dg -d obs=obs.csv -o kept.safetensors -q
  for m in $((t * 60 + 2000)) $((t * 40 + 16000)); do
    gives "$t steps in $m bytes" 0 "$DGC" train loop.dg -d obs=obs.csv -o again.safetensors -q --memory=$m
    same "$t steps in $m bytes" again.safetensors kept.safetensors
  done
done
# More loops than are decided on one by one: the others are tried, too, before a budget is refused.
awk 'BEGIN {
  print "param w: f32[64] = 0.5\nlet h0 = w * 1"
  for (i = 1; i <= 24; i++)
    printf "let h%d = scan (z = h%d) for i in 0:256 { next z = tanh(z * w) + 0.1 }\n", i, i - 1
  print "loss l = mean(h24^2)\ntrain fit { minimize l; update w using sgd(lr = 0.1); steps = 2 }" }' >many.dg
gives "24 loops kept" 0 "$DGC" train many.dg -o kept.safetensors -q
for m in 2800K 1500K 600K; do
  gives "24 loops in $m" 0 "$DGC" train many.dg -o again.safetensors -q --memory=$m
  same "24 loops in $m" again.safetensors kept.safetensors
done
if [ $native = 1 ]; then
  gives "a budget that cannot be held" 5 "$DGC" train loop.dg -d obs=obs.csv --memory=1k
  says "above the limit 'memory' of 1024, also where all is computed again that loops can"
  gives "what is decided" 0 "$DGC" check loop.dg -D T=100000 --emit=plan --memory=4100k
  grep -q 'memory of a step: .* asked for' out && grep -q 'loop.dg:3:12: 100000 steps, .*: computed again' out
  result $? "what is decided is printed"
fi
gives "no size" 2 "$DGC" train loop.dg -d obs=obs.csv --memory=64MB
# What holds for these data alone: batch statistics of one row.
cat >one-row.dg <<'END'
input x: f32[N, 1]
input y: f32[N, 1]
param w: f32[1, 1] ~ normal(0, 1)
param b: f32[1] = 0
let h = x @ w
loss l = mse(h - mean(h, axis = 0, keep = true) + b, y)
train fit { minimize l; update * using sgd(lr = 0.1); batch = 1; steps = 2 }
END
gives "a batch of one row" 0 "$DGC" train one-row.dg $data --interpret -q
says "because N = 1"
gives "a table of a batch of one row" 0 "$DGC" train one-row.dg $data --interpret
grep -q '^w  .* zero ' out
result $? "a table of a batch of one row: as the warning says"
# What holds for any batch is told once.
cat >log.dg <<'END'
input x: f32[N, 1]
param w: f32 = 1
loss l = mean(log(w + x))
train fit { minimize l; update * using sgd(lr = 0.1); batch = 1; steps = 1 }
END
gives "a logarithm of any number" 0 "$DGC" train log.dg --data x=$seed/x.npy --interpret -q
[ "$(grep -c DG0318 err)" -eq 1 ]
result $? "a logarithm of any number: told once"
# One document, which has what holds in any case and what these data add.
sed 's/^param b/param spare: f32 = 0\nparam b/' one-row.dg >spare.dg
for f in json sarif; do
  gives "$f of a batch of one row" 0 "$DGC" train spare.dg $data --interpret --diagnostics-format=$f
  document $f "DG0313 DG0301"
  says "because N = 1"
  gives "$f of a batch of one row, as an error" 1 "$DGC" train spare.dg $data --interpret --diagnostics-format=$f -Werror=zero
  document $f "DG0313 DG0301"
  gives "$f of two rows" 0 "$DGC" train spare.dg $data --interpret --batch 2 --diagnostics-format=$f
  document $f "DG0301"
  gives "$f of nothing" 0 "$DGC" train one-row.dg $data --interpret --batch 2 --diagnostics-format=$f
  document $f ""
  gives "$f without data" 4 "$DGC" train spare.dg -d x=nowhere.csv -d y=y.csv --interpret --diagnostics-format=$f
  document $f "DG0301"
  gives "$f of an error" 1 "$DGC" train spare.dg $data --interpret --diagnostics-format=$f -Werror=unused
  document $f "DG0301"
done
gives "a batch of one row, as an error" 1 "$DGC" train one-row.dg $data --interpret -q -Werror
gives "a batch of two rows" 0 "$DGC" train one-row.dg $data --interpret --batch 2
! grep -q warning err && grep -q '^w  .* open ' out
result $? "a batch of two rows: nothing to warn of"

# What is not finite, and advice that fits: none on rates where no step came before.
printf '0\n1\n2\n' >three.csv
echo 'input x: f32[N]
param w: f32 = 1
loss l = mean(log(x) * w)
train fit { minimize l; update w using sgd(lr = 0.1) }' >first.dg
gives "infinite at first" 7 "$DGC" train first.dg -d x=three.csv --interpret
says "step 1 of 'fit': the loss 'l' is infinite"
says "no learning rate and no clipping changes that"
lacks "keep the numbers finite"
echo 'input x: f32[N]
param w: f32 = 1
loss l = mean((x * w)^4)
train fit { minimize l; update w using sgd(lr = 10) }' >grows.dg
gives "infinite later" 7 "$DGC" train grows.dg -d x=three.csv --interpret --epochs 20
says "a smaller learning rate or 'clip_norm = 1' may keep the numbers finite"
echo 'input x: f32[N]
param w: f32 = 1
param e: f32 = 0.5
loss l = mean((x * w)^e)
train fit { minimize l; update w, e using sgd(lr = 0.01) }' >power.dg
gives "not a number later" 7 "$DGC" train power.dg -d x=three.csv --interpret --epochs 20
says "look for a division, a logarithm, a root or a power at the edge of its domain"

# Ctrl-C: finishes the step, saves, says so.
"$DGC" train $b.dg $data --epochs 100000000 --steps 2000000000 -o stopped.safetensors --interpret >out 2>err &
pid=$!
sleep 1
kill -INT $pid
wait $pid
got=$?
[ $got = 130 ]
result $? "Ctrl-C: exit status 130 (got $got)"
[ -s stopped.safetensors ]
result $? "Ctrl-C: weights are saved"

if [ $native = 1 ]; then
  # Saved after each: fsync takes its time.
  gives "30 steps" 0 "$DGC" train $b.dg $data --steps 30 -o thirty.safetensors --interpret -q
  for how in "" "-O0" "-O1" "-O3" "--isa=avx2" "-j1" "-j2" "-j3" "-j5"; do
    gives "native $how" 0 "$DGC" train $b.dg $data --steps 30 $how -o n.safetensors -q
    same "native $how" n.safetensors thirty.safetensors
  done
  if [ -d $clothes ]; then
    for how in "-j1" "-j2" "-j3" "-j5" "-j2 --isa=avx2" "-j2 -O0"; do
      gives "mlp, 60 steps $how" 0 "$DGC" train "$TOP/examples/fashion-mnist/mlp.dg" --data-root $clothes --steps 60 --epochs 1 $how -o m.safetensors -q
      [ -e first.safetensors ] || cp m.safetensors first.safetensors
      same "mlp $how" m.safetensors first.safetensors
    done
  fi
fi
finish
