#!/usr/bin/env python3
"""A gradient through 10,000 steps of a simulation (leapfrog.dg; six bodies, f64, one thread).
dgc, jax.lax.scan and C by hand take turns within one run. Printed are the median milliseconds a pass (least, greatest)
and the median of the ratios to dgc within a round.
"""
import argparse, os, statistics, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from turns import Peer

PASSES = 8


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    ap.add_argument("worker", help="build-release/bench/loop")
    ap.add_argument("--peers", default="", metavar="DIR", help="what bench/peer/setup made")
    ap.add_argument("--rounds", type=int, default=11)
    opt = ap.parse_args()
    python = os.path.join(opt.peers, "jax", "py")
    no_jax = None if os.path.exists(python) else f"not installed (no {python})"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peers = [Peer("dgc", [opt.worker, "dgc", os.path.join(HERE, "leapfrog.dg")]),
             Peer("jax", [python, os.path.join(HERE, "with_jax.py")], no_jax), Peer("C by hand", [opt.worker, "c"])]
    there = [p for p in peers if not p.why]
    for p in there:
        if abs(float(p.said) / float(there[0].said) - 1) > 1e-9:
            sys.exit(f"{p.name} computes something else: {p.said} against {there[0].said}")
    for _ in range(opt.rounds):
        for p in there:
            p.turn(PASSES)
    for p in there:
        p.stop()
    for p in peers:
        if p.why:
            print(f"{p.name:10}  -        {p.why}")
            continue
        times = [t for t, in p.answers]
        ratio = statistics.median(t / d for t, (d,) in zip(times, peers[0].answers or p.answers))
        print(f"{p.name:10}  {statistics.median(times):6.2f} ms ({min(times):.2f} - {max(times):.2f})  {ratio:.2f} x dgc")


main()
