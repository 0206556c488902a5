"""One training step (adam, f32) of the models beside this file in dgc and in other frameworks, in turns within one run.
usage: peer.py LIBDGC.so [MODEL]... --peers=DIR [--rounds=N] [--ms=300] [--threads=1,2] [--only=dgc,jax,...] [--isa=avx2] [--peak=FILE]

DIR is what `setup DIR` made. Every framework is a process of its own that waits while another one works. A round gives each about
the same time, by the clock from the first to the last result; the table shows the median round (least, greatest) and the median
of the ratios within a round; then the CPU time of all its threads, which other work on the machine disturbs less. All start from
the same parameters, and the loss after the warm-up is compared before a time counts. A framework that is not there is an empty
column with its reason."""
import os, statistics, subprocess, sys, time

import models

HERE = os.path.dirname(os.path.abspath(__file__))
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


class Peer:
    """The near end of a worker."""

    def __init__(self, kind, model, threads, opt):
        self.kind, self.times, self.cpu, self.why = kind, [], [], None
        python = os.path.join(opt["peers"], KINDS[kind][0], "py")
        if not os.path.exists(python):
            self.why = f"not installed (no {KINDS[kind][0]}/py below {opt['peers']})"
            return
        c = [python, os.path.abspath(__file__), "--worker", kind, model, str(threads), opt["library"], opt.get("isa", "")]
        self.process = subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                                        env=environment(opt.get("isa")))
        said = self.process.stdout.readline().split(maxsplit=4)
        if not said or said[0] != "+":
            self.process.stdin.close()
            last = (self.process.stderr.read().strip().splitlines() or ["failed"])[-1]
            self.why = " ".join(said[1:]) or last
            return
        self.loss, self.version, self.first = float(said[1]), said[4].strip(), float(said[3])
        self.steps = max(2, int(float(opt.get("ms", 300)) / 1e3 / float(said[2])))

    def round(self):
        self.process.stdin.write(f"{self.steps}\n")
        t, c = self.process.stdout.readline().split()
        self.times.append(float(t))
        self.cpu.append(float(c))

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def peak(opt, threads):
    if "peak" not in opt:
        return 0
    c = [opt["peak"], str(threads)] + (["--isa=" + opt["isa"]] if opt.get("isa") else [])
    return float(subprocess.run(c, capture_output=True, text=True, check=True).stdout)


def measure(model, threads, opt):
    all_peers = [Peer(kind, model, threads, opt) for kind in opt.get("only", ",".join(KINDS)).split(",")]
    here = [w for w in all_peers if not w.why]
    for w in all_peers:
        print(f"  {w.kind}: {w.why}" if w.why else f"  {w.version}: loss {w.loss:.6f} after {WARM} steps; first step {w.first:.2f} s")
    if not here or here[0].kind != "dgc":
        sys.exit("without dgc there is nothing to compare with")
    worst = max(w.loss for w in here) / min(w.loss for w in here)
    if worst > 1.02:
        sys.exit(f"the losses differ by {worst:.3f}x: not the same model")
    before = peak(opt, threads)
    for _ in range(int(opt.get("rounds", 11))):
        for w in here:
            w.round()
    limit, mine, best = (before + peak(opt, threads)) / 2, here[0], None
    for w in here:
        w.stop()
        t, m = w.times, statistics.median(w.times)
        ratio = sorted(a / b for a, b in zip(t, mine.times))
        rate = models.flops(model) / m * 1e-6
        share = f", {100 * rate / limit:.0f} % of {limit:.0f}" if limit else ""
        if w is not mine and (best is None or statistics.median(ratio) < best[0]):
            best = (statistics.median(ratio), w.kind)
        print(f"{model} {threads} thread{'s' if threads > 1 else ' '} {w.kind:14} {m:9.4f} ms ({min(t):.4f} to {max(t):.4f}) {rate:6.1f} GFLOP/s{share}; "
              f"{statistics.median(ratio):5.2f}x dgc's ({ratio[0]:.2f} to {ratio[-1]:.2f}); CPU {statistics.median(w.cpu):.3f} ms", flush=True)
    if best:
        print(f"{model} {threads} thread{'s' if threads > 1 else ''}: best peer / dgc {best[0]:.2f} ({best[1]})", flush=True)


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    opt = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    unknown = set(opt) - {"peers", "rounds", "ms", "threads", "only", "isa", "peak"} or set(names[1:]) - set(models.NAMES)
    if not names or "peers" not in opt or unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}" if unknown else __doc__)
    opt["library"], opt["peers"] = os.path.abspath(names[0]), os.path.abspath(opt["peers"])
    for model in names[1:] or models.NAMES:
        for threads in map(int, opt.get("threads", "1,2").split(",")):
            measure(model, threads, opt)


if len(sys.argv) >= 6 and sys.argv[1] == "--worker":
    worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[6])
else:
    main()
