#!/usr/bin/env python3
"""Hostile and mistaken programs: each is stopped at the default limits before it takes much of the machine, with a
place in the text. What was found before is told. Bounds: 300 MB of resident memory, 5 s of processor time (0.5 s where
nothing else runs; a test must not depend on that).

usage: bounds.py DGC ROOT        TAP on stdout"""
import os
import resource
import subprocess
import sys
import tempfile

MEMORY, SECONDS = 300 << 20, 5


def doubling(body, call, n=40):
    return body.replace("F", "g0") + "".join(f"fn g{i}(x) = {call.format(f'g{i - 1}')}\n" for i in range(1, n))


def names(n, form):
    return "".join(form.replace("#", str(i)) for i in range(n))


LOOP = "fn f(x) {{ var s = x\n for i in 0:{} {{ {} }}\n return s }}\noutput y = f({})\n"
X = "input x: f32[3]\n"
UNCALLED = "param w: f32[3] = 1\noutput y = w\n"
# name, program, exit status, codes with their lines in order of the text
CASES = [
    ("comprehensions in each other", "const a = [[[1 for i in 0:1000] for j in 0:1000] for k in 0:1000]\n", 5, "1 DG0002"),
    ("thirty comprehensions", X + "output y = " + "[" * 30 + "x" + " for i in 0:2]" * 30 + "\n", 1, "2 DG0202"),
    ("thirty sound comprehensions", X + "output y = " + "[" * 30 + "x" + "".join(f" for i{k} in 0:2]" for k in range(30)) + "\n", 5,
     "2 DG0002"),
    ("a comprehension of the wrong size", "const n = 900000000\nconst a = [i for i in 0:n]\n", 5, "2 DG0002"),
    ("many modules", "import nn\nlet a = [nn.Linear(3, 3) for i in 0:900000]\n", 5, "2 DG0002"),
    ("modules that double", "module M0() { param w: f32 = 0 }\n" + "".join(
        f"module M{i}() {{ let a = M{i - 1}()\n let b = M{i - 1}() }}\n" for i in range(1, 40)) + "let m = M39()\noutput y = 1\n", 5,
     "DG0002"),
    ("functions that double", doubling("fn F(x: f32) -> f32 = x + x\n", "{0}({0}(x))") + "output y = g39(1)\n", 5, "DG0002"),
    ("functions that double tensors", X + doubling("fn F(x) = x * x\n", "{0}(x) + {0}(x + 1)") + "output y = g39(x)\n", 5, "DG0002"),
    ("functions that double a mistake", doubling("fn F(x) = nope\n", "{0}(x) + {0}(x)") + "output y = g39(1)\n", 1,
     "1 DG0201 DG0002"),
    ("functions of functions", "fn two(f) = fn (x) = f(f(x))\nfn inc(x) = x + 1\noutput y = " + "two(" * 35 + "inc" + ")" * 35 + "(0)\n",
     5, "DG0002"),
    ("lists that double", "fn s(l) = append(l, l)\noutput y = len(" + "s(" * 60 + "[1]" + ")" * 60 + ")\n", 5, "1 DG0002"),
    ("a list that grows", LOOP.format(1000000, "s = append(s, i)", "[1]").replace("output y = f", "const n = len(f")[:-1] + ")\n"
     + "output y = n\n", 5, "2 DG0002"),
    ("a loop of many nodes", X + LOOP.format(10000000, "s = s + 1", "x"), 5, "3 DG0002"),
    ("a loop of numbers", LOOP.format(100000000, "s = s + 1", "0"), 5, "2 DG0002"),
    ("a mistake in a loop", LOOP.format(1000000, 's = s + nope[i] + "a"', "1"), 1, "2 DG0201"),
    ("a wrong kind in a loop", X + LOOP.format(1000000, "s = s @ [i]", "x"), 1, "3 DG0204"),
    ("a mistake behind a call in a loop", X + "fn h(a: f32[4]) = a\n" + LOOP.format(1000000, "let q = h(x)\n s = s + 1", "x"), 1, "DG0208"),
    ("mistakes in a comprehension, before and behind it",
     "let p = nope\nlet a = [whoops + i for i in 0:900000]\nlet q = oh\nlet b = [[1 for i in 0:9000] for j in 0:9000]\n", 1,
     "1 DG0201 2 DG0201 3 DG0201 4 DG0002"),
    ("twenty thousand losses", "param w: f32[3] = 0\n" + names(20000, "loss l# = sum((w-#)^2)\n"), 5, "DG0002"),
    ("twenty thousand losses, one minimized", "param w: f32[3] = 0\n" + names(20000, "loss l# = sum((w-#)^2)\n") +
     "train t { minimize l0; update w using sgd() }\n", 0, "1 DG0314"),
    ("sixty thousand parameters", names(60000, "param a#: f32 = 0\n") + "output y = a5\n", 0, None),
    ("sixty thousand unknown names", names(60000, "let a# = b#\n"), 1, None),
    ("sixty thousand names once", X + "let a0 = x\n" + "".join(f"let a{i} = a{i - 1} + 1\n" for i in range(1, 60000)) +
     "output y = a59999\n", 0, ""),
    ("ten thousand functions nobody calls", names(10000, "fn g#(x: f32[N], y: f32[N]) = relu(x + y) * # + softmax(x)\n") + UNCALLED, 0, ""),
    ("a chain of them", "fn g0(x: f32[N]) = x\n" + "".join(f"fn g{i}(x: f32[N]) = g{i - 1}(x) + 1\n" for i in range(1, 10000)) + UNCALLED, 0, ""),
    ("a chain of them, called twice each", "".join(f"fn g{i}(x: f32[N]) = g{i + 1}(x) + g{i + 1}(x)\n" for i in range(10000)) +
     "fn g10000(x: f32[N]) = x\n" + UNCALLED, 0, ""),
    ("ten thousand modules nobody makes",
     names(10000, "module M#(n: int) { param w: f32[n, n] ~ normal(0, 1)\n fn (x: f32[B, n]) = x @ w }\n") + UNCALLED, 0, ""),
    ("ten thousand wrong functions nobody calls", names(10000, "fn g#(x: f32[N], y: T[..]) = relu(x) + \"no\" + y.real\n") + UNCALLED, 1, None),
]


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def expected(err, want):
    """The codes, each with its line where one is given, stand in the text in this order of lines."""
    if want is None:
        return None
    seen = [w for w in err.split("\n") if "[DG" in w and ": note" not in w]
    words = want.split()
    for w in words:
        if w.startswith("DG") and not any(f"[{w}" in s for s in seen):
            return f"no {w}"
    for line, code in zip(words, words[1:]):
        if line.isdigit() and not any(s.startswith(f"t.dg:{line}:") and f"[{code}" in s for s in seen):
            return f"no {code} at line {line}"
    n = sum(w.startswith("DG") for w in words)
    return None if len(seen) == n else f"{len(seen)} messages, expected {n}"


def run(dgc, folder, text):
    with open(os.path.join(folder, "t.dg"), "w", encoding="utf-8") as f:
        f.write(text)
    env = {k: v for k, v in os.environ.items() if k != "MALLOC_PERTURB_"}  # which touches what is never used
    p = subprocess.Popen([dgc, "check", "t.dg"], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limits)
    err = p.stderr.read().decode("utf-8", "backslashreplace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode, err, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def main():
    dgc, failed = os.path.abspath(sys.argv[1]), 0
    print(f"1..{len(CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, text, status, want) in enumerate(CASES, 1):
            got, err, memory, seconds = run(dgc, folder, text)
            why = expected(err, want)
            if got != status:
                why = f"exit status {got}, expected {status}"
            elif memory > MEMORY:
                why = f"{memory >> 20} MB"
            elif seconds > SECONDS:
                why = f"{seconds:.1f} s"
            print(f"{'not ok' if why else 'ok'} {i} - {name}, {memory >> 20} MB, {seconds:.2f} s")
            if why:
                failed = 1
                print(f"# {why}")
                for line in err.split("\n")[:6]:
                    print(f"# {line[:150]}")
    return failed


sys.exit(main())
