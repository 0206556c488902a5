"""One training step (adam, f32) of the models beside this file in dgc and in other frameworks, in turns within one run.
Every framework is a process of its own that waits while another one works. A round gives each about the same time,
by the clock from the first to the last result; the table shows the median round (least, greatest) and the median of
the ratios within a round; then the CPU time of all its threads, which other work on the machine disturbs less. All
start from the same parameters, and the loss after the warm-up is compared before a time counts. A framework that is
not there is an empty column with its reason."""
import argparse, os, statistics, subprocess, sys, time

import models

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from turns import Peer

WARM = 20
# name: environment below DIR, module, class
KINDS = {
    "dgc": ("jax", "with_dgc", "Dgc"),
    "jax": ("jax", "with_jax", "Jax"),
    "torch": ("torch", "with_torch", "Torch"),
    "torch.compile": ("torch", "with_torch", "TorchCompiled"),
    "tensorflow": ("tf", "with_tf", "Tf"),
}

# What holds the libraries inside the frameworks down to an instruction set. 1024^3 shows it: each stays below the peak
# of AVX2.
# XLA's YNNPACK knows no limit (150 GFLOP/s of 131), so it is left out.
HELD = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
             "DNNL_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type="},
}


def environment(isa):
    held = dict(HELD.get(isa, {}))
    if "XLA_FLAGS" in held:
        held["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") + " " + held["XLA_FLAGS"]).strip()
    return {**os.environ, **held}


def worker(kind, model, threads, library, isa):
    if threads == 1:  # jax knows no other way; the same for all
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out = os.dup(1)
    os.dup2(2, 1)  # what a framework prints is no answer
    _, module, cls = KINDS[kind]
    try:
        w = getattr(__import__(module), cls)(model, threads, library, isa, models.initial(model))
    except ImportError as e:
        os.write(out, f"- {e}\n".encode())
        return
    t = time.perf_counter()
    w.run(1)
    first = time.perf_counter() - t
    loss = w.run(WARM - 1)
    t = time.perf_counter()
    w.run(5)
    each = (time.perf_counter() - t) / 5
    os.write(out, f"+ {loss} {each} {first} {w.version}\n".encode())
    for line in sys.stdin:
        t, c = time.perf_counter(), time.process_time()
        w.run(int(line))
        t, c = time.perf_counter() - t, time.process_time() - c
        os.write(out, f"{t / int(line) * 1e3} {c / int(line) * 1e3}\n".encode())


def start(kind, model, threads, opt):
    python = os.path.join(opt.peers, KINDS[kind][0], "py")
    missing = None if os.path.exists(python) else f"not installed (no {KINDS[kind][0]}/py below {opt.peers})"
    c = [python, os.path.abspath(__file__), "--worker", kind, model, str(threads), opt.library, opt.isa]
    p = Peer(kind, c, missing, environment(opt.isa))
    if not p.why:
        loss, each, first, p.version = p.said.split(maxsplit=3)
        p.loss, p.first = float(loss), float(first)
        p.steps = max(2, int(opt.ms / 1e3 / float(each)))
    return p


def peak(opt, threads):
    if not opt.peak:
        return 0
    c = [opt.peak, str(threads)] + (["--isa=" + opt.isa] if opt.isa else [])
    return float(subprocess.run(c, capture_output=True, text=True, check=True).stdout)


def measure(model, threads, opt):
    all_peers = [start(kind, model, threads, opt) for kind in opt.only]
    here = [w for w in all_peers if not w.why]
    for w in all_peers:
        print(f"  {w.name}: {w.why}" if w.why else f"  {w.version}: loss {w.loss:.6f} after {WARM} steps; first step {w.first:.2f} s")
    if not here or here[0].name != "dgc":
        sys.exit("without dgc there is nothing to compare with")
    worst = max(w.loss for w in here) / min(w.loss for w in here)
    if worst > 1.02:
        sys.exit(f"the losses differ by {worst:.3f}x: not the same model")
    before = peak(opt, threads)
    for _ in range(opt.rounds):
        for w in here:
            w.turn(w.steps)
    limit, mine, best = (before + peak(opt, threads)) / 2, here[0], None
    for w in here:
        w.stop()
        t, cpu = zip(*w.answers)
        m = statistics.median(t)
        ratio = sorted(a / b for a, (b, _) in zip(t, mine.answers))
        rate = models.flops(model) / m * 1e-6
        share = f", {100 * rate / limit:.0f} % of {limit:.0f}" if limit else ""
        if w is not mine and (best is None or statistics.median(ratio) < best[0]):
            best = (statistics.median(ratio), w.name)
        print(f"{model} {threads} thread{'s' if threads > 1 else ' '} {w.name:14} {m:9.4f} ms ({min(t):.4f} to {max(t):.4f}) {rate:6.1f} GFLOP/s{share}; "
              f"{statistics.median(ratio):5.2f}x dgc's ({ratio[0]:.2f} to {ratio[-1]:.2f}); CPU {statistics.median(cpu):.3f} ms", flush=True)
    if best:
        print(f"{model} {threads} thread{'s' if threads > 1 else ''}: best peer / dgc {best[0]:.2f} ({best[1]})", flush=True)


def known(names):
    def one(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(names)}")
        return text
    return one


def each(kind):
    return lambda text: [kind(x) for x in text.split(",")]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    ap.add_argument("library", metavar="LIBDGC.so", type=os.path.abspath)
    ap.add_argument("model", nargs="*", default=[], type=known(models.NAMES), metavar="MODEL", help=", ".join(models.NAMES))
    ap.add_argument("--peers", required=True, metavar="DIR", type=os.path.abspath, help="what `setup DIR` made")
    ap.add_argument("--rounds", type=int, default=11)
    ap.add_argument("--ms", type=float, default=300, help="of a round, each")
    ap.add_argument("--threads", type=each(int), default=[1, 2], metavar="1,2")
    ap.add_argument("--only", type=each(known(KINDS)), default=list(KINDS), metavar=",".join(KINDS))
    ap.add_argument("--isa", choices=["", *HELD], default="")
    ap.add_argument("--peak", default="", metavar="FILE", help="build-release/bench/peak")
    opt = ap.parse_args()
    for model in opt.model or models.NAMES:
        for threads in opt.threads:
            measure(model, threads, opt)


if len(sys.argv) >= 6 and sys.argv[1] == "--worker":
    worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[6])
else:
    main()
