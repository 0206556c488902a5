#!/bin/sh
# The command's options do what its help says; signals and closed pipes end as documented.
. "$(dirname "$0")/lib.sh"
seed=$TOP/examples/seed
linear=$TOP/examples/linear.dg
good=$seed/b-update-list-mended.dg
bad=$seed/b-update-list.dg
fed="-d x=$seed/x.npy -d y=$seed/y.npy"
"$DGC" --version | grep -q LLVM && stages="llvm asm" || { stages=; fed="$fed --interpret"; }
lines() { n=$(grep -c "$1" "$2"); [ "$n" "$3" "$4" ]; result $? "$name: $n lines with '$1' $3 $4"; }

gives "--help" 0 "$DGC" --help
silent err
says "usage: dgc"
missing=
for option in $(sed -n 's/^OPT([A-Z_]*, *"\([a-z-]*\)".*/--\1/p' "$TOP/driver/options.def"); do
  grep -q -e " $option\(=\| \|$\)" out || missing="$missing $option"
done
[ -z "$missing" ]
result $? "--help lists every option:$missing"
gives "--help=limits" 0 "$DGC" --help=limits
says "tensor_bytes"
gives "--help=warnings" 0 "$DGC" --help=warnings
says "unowned"
gives "--help=nonsense" 2 "$DGC" --help=nonsense
gives "--man" 0 "$DGC" --man
says ".TH DGC 1"
gives "explain" 0 "$DGC" explain DG0304
says "DG0304"
silent err
gives "--explain" 0 "$DGC" --explain DG0304
gives "explain in small letters" 0 "$DGC" explain dg0304
says "DG0304"
gives "explain by the name of the flag" 0 "$DGC" explain unowned
says "DG0304"
gives "explain nothing" 2 "$DGC" explain DG9999
silent out
gives "explain an empty word" 2 "$DGC" explain ''
says "what? for example: dgc explain softmax"
silent out
gives "explain a function" 0 "$DGC" explain softmax
says "softmax(x: F[..], | axis: int = -1)"
gives "explain a layer" 0 "$DGC" explain nn.Linear
says "module Linear(n_in: int, n_out: int"
gives "explain what is misspelt" 2 "$DGC" explain sofmax
says "no diagnostic and no function 'sofmax': did you mean 'softmax'?"
silent out
gives "explain a flag that is misspelt" 2 "$DGC" explain unowend
says "did you mean 'unowned'?"
gives "explain two" 2 "$DGC" explain DG0304 DG0303
says "one code at a time, and 'DG0303' is a second"
gives "a file without its option" 2 "$DGC" predict "$TOP/examples/linear.dg" x=x.npy
says "'x=x.npy' is no model: did you mean --input=x=x.npy?"
gives "one for training" 2 "$DGC" train "$TOP/examples/linear.dg" x=x.npy
says "'x=x.npy' is no model: did you mean --data=x=x.npy?"
gives "another command's option" 2 "$DGC" predict "$TOP/examples/linear.dg" -d x=x.npy
says "--data is no option of 'dgc predict': did you mean --input?"
gives "explain a group" 0 "$DGC" explain hints
says "hints: likely mistakes that are not proved"
says "DG0401: relu before"
lines "^DG[0-9]*: " out -eq 7
gives "explain an umbrella" 0 "$DGC" explain dead-params
says "DG0304: a parameter that no step updates"
says "DG0320: "
gives "explain a group of one code" 0 "$DGC" explain style
says "DG0309"
gives "an option of another command" 2 "$DGC" check --epochs 3 "$good"
says "--epochs"
gives "two files" 2 "$DGC" check "$good" "$bad"
"$DGC" --help >out
awk 'length > 80' out >err
name="--help at 80 columns"
silent err

# slips of the keyboard
suggests() { # NAME TEXT ARGUMENT...: wrong use, with that text
  name=$1 text=$2
  shift 2
  gives "$name" 2 "$DGC" "$@"
  says "$text"
  silent out
}
suggests "a command" "no command 'trian': did you mean 'train'?" trian "$good"
suggests "a command alone" "did you mean 'train'?" tran
suggests "an option" "no option '--epoks': did you mean '--epochs'?" train "$good" --epoks 3
suggests "a short option" "no option '-x'" train -x "$good"
suggests "an option cut too short" "'--st' is short for --stop-after and --ste" --st=3 "$good"
suggests "an option without its value" "--epochs needs a value: N" train "$good" --epochs
suggests "an option with an empty value" "--load needs a value: FILE" check "$good" --load=
suggests "a letter with an empty value" "--define needs a value: NAME=N" check "$good" -D ''
suggests "a switch with a value" "--quiet takes no value" train "$good" --quiet=yes
suggests "a group" "did you mean 'unowned'?" -Wunownd "$good"
suggests "a limit" "did you mean 'nodes'?" --limit node=3 "$good"
suggests "a limit of nothing" "from 1 to" --limit nodes=0 "$good"
suggests "a number too large" "from 1 to 256" train "$good" -j 257
suggests "no number" "--epochs=x: a whole number from 1 to" train "$good" --epochs x
suggests "two beginnings" "give one" train "$good" --load a --resume b
suggests "a seed for what is resumed" "--seed has no place" train "$good" --resume b --seed 3
suggests "a step" "'fitt': it has fit" train "$good" $fed --step fitt
suggests "an input" "'z': it has x, y" train "$good" -d z="$seed/x.npy"
suggests "a set" "no data set 'training'" train "$good" -d training:x="$seed/x.npy"
gives "an option cut short" 0 "$DGC" --rep=table "$good"
gives "letters together" 0 "$DGC" train "$linear" --interpret -qj2 --epochs 1
gives "behind --" 0 "$DGC" check -- "$good"
gives "no file of that name" 4 "$DGC" nonsense.dg
says "error: cannot read 'nonsense.dg': no such file"
suggests "a limit of memory without a unit that is known" "such as 500000, 40K, 64M or 2G" --memory=40X "$good"
gives "--memory in K" 0 "$DGC" --memory=40K "$good"
gives "--memory in k" 0 "$DGC" --memory=40k "$good"
suggests "a name that is a keyword" "'int' is taken, by C, C++ or the header itself: write 'int_'" build --name=int -D N=4 "$good"
suggests "a name that is none" "'a-b' is no name that C takes" build --name=a-b -D N=4 "$good"
gives "a file too large" 5 "$DGC" --limit source_bytes=10 "$good"
lines "cannot read" err -eq 1
gives "fix of a file too large" 5 "$DGC" fix --limit source_bytes=10 "$good"
lines "cannot read" err -eq 1

# warnings
gives "a warning" 0 "$DGC" "$bad"
says "DG0304"
silent out
gives "-Werror" 1 "$DGC" -Werror "$bad"
gives "-Werror=unowned" 1 "$DGC" -Werror=unowned "$bad"
gives "-Werror=cut" 0 "$DGC" -Werror=cut "$bad"
gives "-Wno-unowned" 0 "$DGC" -Wno-unowned "$bad"
silent err
gives "train -Werror" 1 "$DGC" train -Werror "$bad" $fed --save w.safetensors
silent out
! [ -e w.safetensors ]
result $? "train -Werror: nothing saved"
gives "--color=always" 0 "$DGC" --color=always "$bad"
says "$(printf '\033[')"
gives "--color=auto on a pipe" 0 "$DGC" --color=auto "$bad"
lacks "$(printf '\033[')"
gives "--color=nonsense" 2 "$DGC" --color=nonsense "$bad"
gives "json" 0 "$DGC" --diagnostics-format=json "$bad"
silent out
python3 - err <<'P'
import json, sys
d = json.load(open(sys.argv[1]))["diagnostics"]
sys.exit(not (len(d) == 1 and d[0]["code"] == "DG0304" and d[0]["subjects"] == ["b"] and d[0]["edits"]))
P
result $? "json: one diagnostic about b, with an edit"
gives "json of nonsense" 2 "$DGC" --diagnostics-format=xml "$bad"
# A report and a stage have one stream: a document stands alone on it, and the stage goes to a file.
gives "sarif beside a stage" 2 "$DGC" --report=sarif --emit=graph "$bad"
says "--report=sarif and --emit cannot both go to stdout: send the stage to a file with --save=FILE"
silent out
gives "sarif beside graphs" 2 "$DGC" --report=sarif --print-after=all -D N=4 "$bad"
says "--report=sarif and --print-after"
gives "a table beside bytes" 2 "$DGC" --report=table --emit=obj "$bad"
gives "a table beside a stage" 0 "$DGC" --report=table --emit=graph "$bad"
gives "the graph" 0 "$DGC" --emit=graph "$bad"
mv out graph
gives "sarif, and a stage to a file" 0 "$DGC" --report=sarif --emit=graph -o stage "$bad"
python3 -c 'import json, sys; sys.exit(len(json.load(open("out"))["runs"][0]["results"]) != 1)'
result $? "$name: one document"
same "$name: the stage" stage graph
printf 'param' >broken.dg
rm stage
gives "sarif of an error, and a stage to a file" 1 "$DGC" --report=sarif --emit=graph -o stage broken.dg
python3 -c 'import json, sys; sys.exit(not json.load(open("out"))["runs"][0]["results"])'
result $? "$name: one document"
[ ! -e stage ]
result $? "$name: no stage"
gives "a stage to no folder" 4 "$DGC" --emit=graph -o gone/stage "$bad"
cp "$bad" kept.dg
gives "a stage over its program" 2 "$DGC" --emit=graph -o ./kept.dg kept.dg
same "$name: it is kept" "$bad" kept.dg
mkdir own
printf 'fn twice(a: f32[..]) -> f32[..] = a + a\n' >own/lib.dg
printf 'x\n1\n2\n' >own/rows.csv
cat >own/main.dg <<'P'
import lib = "lib.dg"
input x: f32[N, 1]
param w: f32[1, 1] = 1
loss l = mean(lib.twice(x @ w))
dataset d { x = csv("rows.csv") }
train fit { minimize l; update w using sgd(lr = 0.1); data = d }
P
cp -r own as-it-was
ln -s lib.dg own/soft
for kept in lib.dg ./main.dg rows.csv soft; do
  gives "a stage over what its program reads: $kept" 2 env -C own "$DGC" --emit=graph -o $kept main.dg
  says "'$kept' is not overwritten"
done
rm own/soft
for kept in own/lib.dg own/main.dg own/rows.csv; do # from another folder
  gives "a stage over what its program reads: $kept" 2 "$DGC" --emit=graph -o $kept own/main.dg
  says "'$kept' is not overwritten"
  gives "a checkpoint over what its program reads: $kept" 2 "$DGC" train -o $kept own/main.dg
  says "'$kept' is not overwritten"
done
mkdir root
mv own/rows.csv root
gives "a stage over rows beneath a data root" 2 "$DGC" --emit=graph --data-root=root -o root/rows.csv own/main.dg
mv root/rows.csv own
diff -r own as-it-was >out
name="what programs read is as it was"
silent out
gives "a file for no stage" 2 "$DGC" --report=sarif -o stage "$bad"
says "--save is for the text of a stage"

# stages
for stage in tokens ast index graph facts grad step opt kernels plan $stages; do
  gives "--emit=$stage" 0 "$DGC" --emit="$stage" -D N=4 "$good"
  silent err
  [ -s out ]
  result $? "--emit=$stage: a text"
done
gives "--emit=nonsense" 2 "$DGC" --emit=nonsense "$good"
silent out
gives "--emit of a plan without N" 1 "$DGC" --emit=plan "$good"
says "the dim 'N' has no value: bind it (-D NAME=VALUE"
gives "--entry" 0 "$DGC" --emit=graph --entry=predict "$good"
gives "--entry=nothing" 2 "$DGC" --emit=graph --entry=nothing "$good"
gives "--time-passes" 0 "$DGC" --time-passes -D N=4 "$good"
says "autodiff"
says "lower: kernels"
case $stages in *asm*) says "code: generate" ;; esac
# What the rows leave out is little; a turn in which other work took the core between two rows does not count.
for turn in 1 2 3 4 5 6 7 8; do
  "$DGC" --time-passes -D N=4 "$good" >out 2>err
  awk '/^total/ { left = 100 - $4; exit left > 5 }' out && break
done
awk '/^total/ { left = 100 - $4; exit left > 5 }' out
result $? "--time-passes: the rows cover 95 % of the time"
gives "--time-passes without values for dims" 0 "$DGC" --time-passes "$good"
says "lowering needs more: the dim 'N' has no value"
gives "--print-after" 0 "$DGC" --print-after=all -D N=4 "$good"
[ -s out ]
result $? "--print-after: a text"
gives "--stop-after" 0 "$DGC" --stop-after=autodiff --print-after=all -D N=4 "$good"
gives "--stop-after and a later stage" 0 "$DGC" --stop-after=autodiff --emit=plan -D N=4 "$good"
silent err
gives "--stop-after=nonsense" 2 "$DGC" --stop-after=nonsense -D N=4 "$good"
says "autodiff"
gives "--print-after=nonsense" 2 "$DGC" --print-after=nonsense -D N=4 "$good"
says "no pass 'nonsense': bind outline autodiff"
gives "--print-after=nonsense beside another stage" 2 "$DGC" --print-after=nonsense --emit=graph "$good"
gives "--isa=nonsense" 2 "$DGC" train --isa=nonsense $fed "$good"
says "there is no instruction set 'nonsense': avx2, avx512"
gives "--report" 0 "$DGC" --report=table "$good"
lines "^[wb] .*open" out -eq 2
gives "--report=nonsense" 2 "$DGC" --report=nonsense "$good"
silent out
gives "--limit" 5 "$DGC" --limit nodes=3 "$good"
says "nodes"
gives "--limit=nonsense" 2 "$DGC" --limit nonsense=3 "$good"
gives "-D" 0 "$DGC" train "$linear" -q --interpret --epochs 1
gives "-D of nothing" 1 "$DGC" -D nothing=3 "$good"
says "nothing"
gives "-D without value" 2 "$DGC" -D nothing "$good"

# fmt gives what fmt leaves alone
gives "fmt" 0 "$DGC" fmt "$good"
cp out formatted.dg
gives "fmt again" 0 "$DGC" fmt formatted.dg
same "fmt again" out formatted.dg
gives "fmt of an error" 1 "$DGC" fmt "$TOP/check"
silent out
gives "fmt of no file" 4 "$DGC" fmt missing.dg
says "missing.dg"
silent out
recorded=$TOP/python/tests/torch/scaler.dgg
gives "fmt of a recorded model" 1 "$DGC" fmt "$recorded"
says "dgc: a recorded model has no text to format"
silent out
head -n 3 "$recorded" >cut.dgg
gives "fmt of a recorded model that is cut off" 1 "$DGC" fmt cut.dgg
says "dgc: a recorded model has no text to format"

# fix shows what the edits make of a file, and writes it
cp "$TOP/examples/seed/b-update-list.dg" mend.dg
gives "fix: one way out of several" 0 "$DGC" fix mend.dg
says "see --maybe, which has 1 edit"
gives "fix as a difference" 0 "$DGC" fix --maybe mend.dg
grep -q '^+  update   w, b$' out && grep -q '^-  update   w$' out && grep -q '^@@ -11,7 +11,7 @@$' out
result $? "fix: the difference"
same "fix: the file is as it was" "$TOP/examples/seed/b-update-list.dg" mend.dg
gives "fix that cannot write" 0 sh -c 'ulimit -f 0; "$1" fix --maybe --write mend.dg 2>&1 | grep -q "^dgc: cannot write .mend.dg.: "' sh "$DGC"
gives "fix writes" 0 "$DGC" fix --maybe --write mend.dg
gives "fix wrote" 0 "$DGC" check -Werror mend.dg
printf 'input x f32[4]\nparam w: f32 = 1\nloss l = mean(w * x)\ntrain fit { minimize l; update w using sgd(lr = 0.1) }' >colon.dg
gives "fix of an error" 0 "$DGC" fix -w colon.dg
gives "fix mended the error" 0 "$DGC" check -Werror colon.dg
gives "fix of nothing" 0 "$DGC" fix --maybe "$good"
says "nothing to mend"
cat >noedit.dg <<'M'
input x: f32[4]
loss err = mean(x + undeclared_thing)
M
cat >own.dg <<'M'
import l = "lib.dg"
input x: f32[4]
param w: f32 = 1
param b: f32 = 1
param c: f32 = 1
loss err = mean(l.cut(w) * x + b + c)
train fit {
  minimize err
  update w, c using sgd(lr = 0.1)
}
M
echo 'fn cut(v: f32) = stop_gradient(v)' >lib.dg
cp lib.dg lib-before.dg
gives "fix shows what it does to imports" 0 "$DGC" fix --maybe own.dg
says "1 edit in 'own.dg'; --write makes it"
says "1 edit lies in 'lib.dg', which --write leaves alone"
says "+++ lib.dg"
gives "fix writes the file named only" 0 "$DGC" fix --maybe --write ./own.dg
says "1 edit written to './own.dg'"
says "1 edit lies in 'lib.dg', which is left alone"
grep -q 'update w, c, b using' own.dg && cmp -s lib.dg lib-before.dg
result $? "fix: own.dg is mended, lib.dg is as it was"
gives "fix of what has no edit" 0 "$DGC" fix noedit.dg
says "dgc: nothing to mend"
says "1 finding has no edit"
lacks "--maybe"
gives "fix of no file" 4 "$DGC" fix missing.dg
gives "fix of no file, as JSON" 4 "$DGC" fix --diagnostics-format=json missing.dg
python3 -c 'import json; assert json.load(open("err"))["diagnostics"][0]["code"] == "DG0001"'
result $? "$name: one document"
for f in json sarif; do
  gives "fix, as $f" 0 "$DGC" fix --diagnostics-format=$f noedit.dg
  says "dgc: nothing to mend"
  python3 - $f <<'P'
import json, sys
d = json.loads("".join(line for line in open("err") if not line.startswith("dgc: ")))
found = d["diagnostics"] if sys.argv[1] == "json" else d["runs"][0]["results"]
sys.exit(len(found) != 1)
P
  result $? "$name: one document"
done
gives "--write of another command" 2 "$DGC" check --write "$good"

# train, eval, predict
gives "train" 0 "$DGC" train "$linear" --epochs 3 --save w.safetensors
silent err
lines "^epoch " out -eq 3
lines "worst" out -eq 3
says "128 rows in 4 batches of 32"
says "saved w.safetensors"
says "numbers to train"
gives "left out rows" 0 "$DGC" train "$linear" --epochs 1 --batch 50
says "28 of an epoch's order are left out"
gives "a batch above the rows" 3 "$DGC" train "$linear" --batch 129
says "129"
gives "train -q" 0 "$DGC" train "$linear" -q --epochs 1
silent out
gives "many epochs" 0 "$DGC" train "$linear" --epochs 1000
lines "^epoch " out -le 110
says "epoch 1000/1000"
mkdir folder
gives "a folder to save to" 4 "$DGC" train "$linear" --epochs 1 --save folder
lines "^epoch" out -eq 0
gives "no folder to save to" 4 "$DGC" train "$linear" --epochs 1 --save gone/w.safetensors
lines "^epoch" out -eq 0
gives "--epochs=0" 2 "$DGC" train "$linear" --epochs 0
gives "--step" 2 "$DGC" train "$linear" --step nothing
gives "--threads" 0 "$DGC" train "$linear" -q -j 3 --epochs 3 --save t.safetensors
same "--threads" w.safetensors t.safetensors
gives "--seed" 0 "$DGC" train "$linear" -q --seed 5 --epochs 3 --save s.safetensors
! cmp -s w.safetensors s.safetensors
result $? "--seed: other bytes"
gives "--steps" 0 "$DGC" train "$linear" -q --steps 6 --epochs 3 --save part.safetensors
gives "--resume" 0 "$DGC" train "$linear" -q --resume part.safetensors --epochs 3 --save r.safetensors
same "--resume: the bytes of the whole run" w.safetensors r.safetensors
gives "nothing left" 0 "$DGC" train "$linear" --resume w.safetensors --epochs 3
says "nothing was left to train"
gives "eval" 0 "$DGC" eval "$linear" --load w.safetensors
lines "^error " out -eq 1
lines "^worst " out -eq 1
cp out loaded
gives "eval --resume" 0 "$DGC" eval "$linear" --resume w.safetensors
same "eval --resume: what --load gives" out loaded
gives "predict --resume" 0 "$DGC" predict "$linear" --resume w.safetensors
says "y_hat:"
cat >state.dg <<'M'
input x: f32[N, 1]
param w: f32 = 3
state seen: f32 = 0
loss l = mean((x * w)^2) + 0 * seen
M
python3 - <<'P'
import json, struct
head = json.dumps({"w": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}})
head += " " * (-len(head) % 8)
open("others.safetensors", "wb").write(struct.pack("<Q", len(head)) + head.encode() + struct.pack("<f", 2))
P
gives "weights without the states" 0 "$DGC" eval state.dg -d x="$seed/x.npy" --load others.safetensors
says "others.safetensors does not hold the state 'seen': it keeps its first value"
gives "eval of fed data" 0 "$DGC" eval "$good" $fed
gives "predict" 0 "$DGC" predict "$good" --input x="$seed/x.npy"
says "y_hat:"
gives "predict without data" 2 "$DGC" predict "$good"
gives "another program's weights" 9 "$DGC" eval "$good" $fed --load w.safetensors
says "'w'"

# a reader that goes away, a full disk
for command in "--help" "--emit=tokens $good" "train $linear --epochs 100000 --save pipe.safetensors"; do
  { "$DGC" $command 2>err; echo $? >status; } | head -c 1 >/dev/null
  name="closed pipe: $(echo "$command" | cut -d' ' -f1)"
  got=$(cat status)
  case $command in train*) [ "$got" = 4 ] ;; *) [ "$got" = 4 ] || [ "$got" = 0 ] ;; esac
  result $? "$name: exit status 4 (got $got)"
  : >out
  silent err
done
if [ -e /dev/full ]; then
  "$DGC" --help >/dev/full 2>err
  [ $? = 4 ]
  result $? "full disk: exit status 4"
  name="full disk"
  says "stdout"
fi

# Ctrl-C: the step is finished, weights are saved, and the run can be resumed
interrupts() { # SIGNAL STATUS [IGNORED]: a hang-up that is ignored from the start stays so
  rm -f int.safetensors
  name="interrupted by $1${3:+ while $3 is ignored}"
  python3 - "$1" "$DGC" "$linear" ${3:-} >out 2>err <<'P'
import os, signal, subprocess, sys
sig = getattr(signal, "SIG" + sys.argv[1])
ignored = [getattr(signal, "SIG" + s) for s in sys.argv[4:]]
def start():
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_IGN if s in ignored else signal.SIG_DFL)
p = subprocess.Popen([sys.argv[2], "train", sys.argv[3], "--epochs", "100000000", "--save", "int.safetensors"],
                     stdout=subprocess.PIPE, text=True, preexec_fn=start)
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in p.stdout:
    if line.startswith("epoch"):
        break
for s in ignored:
    p.send_signal(s)
p.send_signal(sig)
rest = p.stdout.read()
print(rest)
sys.exit(p.wait(60))
P
  got=$?
  [ "$got" = "$2" ]
  result $? "$name: exit status $2 (got $got)"
  says "saved int.safetensors"
  says "go on with --resume int.safetensors"
  silent err
  gives "resumed after $1" 0 "$DGC" eval "$linear" --load int.safetensors
}
interrupts INT 130
interrupts TERM 143
interrupts HUP 129
interrupts TERM 143 HUP
finish
