#!/usr/bin/env python3
"""A gradient through 10,000 steps of a simulation (leapfrog.dg; six bodies, f64, one thread).
dgc, jax.lax.scan and C by hand take turns within one run. Printed are the median milliseconds a pass (least, greatest)
and the median of the ratios to dgc within a round.
usage: loop.py WORKER [--peers=DIR] [--rounds=N]
WORKER is build-release/bench/loop; DIR is what bench/peer/setup made"""
import os, statistics, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
PASSES = 8


class Peer:
    def __init__(self, name, command, missing=None):
        self.name, self.times, self.why = name, [], missing
        if missing:
            return
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = self.p.stdout.readline()
        if first.startswith("+ "):
            self.loss = float(first[2:])
        else:
            self.why = first[2:].strip() or "it ended without an answer"

    def turn(self):
        self.p.stdin.write(f"{PASSES}\n")
        self.p.stdin.flush()
        self.times.append(float(self.p.stdout.readline()))


def main():
    opt = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(args) != 1:
        sys.exit(__doc__)
    python = os.path.join(opt.get("peers", ""), "jax", "py")
    no_jax = None if os.path.exists(python) else f"not installed (no {python})"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peers = [Peer("dgc", [args[0], "dgc", os.path.join(HERE, "leapfrog.dg")]),
             Peer("jax", [python, os.path.join(HERE, "with_jax.py")], no_jax), Peer("C by hand", [args[0], "c"])]
    there = [p for p in peers if not p.why]
    for p in there:
        if abs(p.loss / there[0].loss - 1) > 1e-9:
            sys.exit(f"{p.name} computes something else: {p.loss} against {there[0].loss}")
    for _ in range(int(opt.get("rounds", 11))):
        for p in there:
            p.turn()
    for p in peers:
        if p.why:
            print(f"{p.name:10}  -        {p.why}")
            continue
        ratio = statistics.median(t / d for t, d in zip(p.times, peers[0].times or p.times))
        print(f"{p.name:10}  {statistics.median(p.times):6.2f} ms ({min(p.times):.2f} - {max(p.times):.2f})  {ratio:.2f} x dgc")


main()
