"""One training step (adam, batch 128, f32) of the models beside this file in dgc and in other frameworks, in turns within one
run. usage: peer.py LIBDGC.so [mlp|cnn]... [--rounds=N] [--steps=N] [--threads=1,2] [--only=dgc,jax,...]

Every framework is a process of its own that waits while another one works. A round gives each the same number of steps, by the
clock from the first to the last result; the table shows the median round (least, greatest) and the median of the ratios within
a round; then the CPU time of all its threads, which other work on the machine disturbs less. All start from the same parameters, and the loss after the warm-up is compared before a time counts."""
import ctypes, importlib.metadata, os, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
PARAMS = {
    "mlp": ["fc1.w", "fc1.b", "fc2.w", "fc2.b", "fc3.w", "fc3.b"],
    "cnn": ["conv1.w", "conv1.b", "conv2.w", "conv2.b", "fc1.w", "fc1.b", "fc2.w", "fc2.b"],
}
LR, B1, B2, EPS, WARM = 1e-3, 0.9, 0.999, 1e-8, 20


def batch():
    import numpy as np
    g = np.random.default_rng(7)
    return (g.random((128, 784)) * 255).astype(np.float32), g.integers(0, 10, 128).astype(np.int32)


class Dgc:
    """Through the C API, as a host program would."""

    class Array(ctypes.Structure):
        _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("extent", ctypes.c_int64 * 8), ("data", ctypes.c_void_p)]

    class Options(ctypes.Structure):
        _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_int), ("seed", ctypes.c_uint32), ("interpret", ctypes.c_int),
                    ("level", ctypes.c_int), ("isa", ctypes.c_char_p), ("check_finite", ctypes.c_int)]

    def __init__(self, model, threads, lib, params):
        self.lib = L = ctypes.CDLL(lib)
        for f in ("dg_context_new", "dg_error", "dg_version"):
            getattr(L, f).restype = ctypes.c_void_p if f == "dg_context_new" else ctypes.c_char_p
        L.dg_error.argtypes = [ctypes.c_void_p]
        self.cx = ctypes.c_void_p(L.dg_context_new())
        program, self.s = ctypes.c_void_p(), ctypes.c_void_p()
        self.ok(L.dg_check_file(self.cx, os.path.join(HERE, model + ".dg").encode(), ctypes.byref(program)))
        o = Dgc.Options()
        L.dg_session_options_init(ctypes.byref(o))
        o.threads = threads
        self.ok(L.dg_session_new(program, ctypes.byref(o), ctypes.byref(self.s)))
        x, y = self.keep = batch()
        for name, a, dtype in (("image", x, 0), ("label", y, 2)):
            self.ok(L.dg_bind(self.s, name.encode(), ctypes.byref(self.array(a, dtype))))
        for name, a in params.items():
            self.ok(L.dg_write(self.s, name.encode(), ctypes.byref(self.array(a, 0))))
        self.version = "dgc " + L.dg_version().decode()

    def ok(self, status):
        if status:
            sys.exit(f"dgc: status {status}: {(self.lib.dg_error(self.cx) or b'').decode()}")

    def array(self, a, dtype):
        return Dgc.Array(dtype, a.ndim, (ctypes.c_int64 * 8)(*a.shape), a.ctypes.data)

    def run(self, n):
        for _ in range(n):
            self.ok(self.lib.dg_step(self.s, b"fit"))
        v = ctypes.c_double()
        self.ok(self.lib.dg_value(self.s, b"ce", ctypes.byref(v)))
        return v.value


class Jax:
    """One jitted step, everything donated; images with channels innermost (the other layout was tried: no difference)."""

    def __init__(self, model, threads, lib, params):
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import jax.numpy as np

        def pool(x):
            return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        def conv(x, w):
            return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def loss(p, x, y):
            h = x / 255
            if model == "cnn":
                h = pool(jax.nn.relu(conv(h.reshape(128, 28, 28, 1), p["conv1.w"]) + p["conv1.b"]))
                h = pool(jax.nn.relu(conv(h, p["conv2.w"]) + p["conv2.b"])).transpose(0, 3, 1, 2).reshape(128, 1568)
            names = [n[:-2] for n in p if n.startswith("fc") and n.endswith(".w")]
            for i, n in enumerate(names):
                h = h @ p[n + ".w"] + p[n + ".b"]
                h = h if i + 1 == len(names) else jax.nn.relu(h)
            return (jax.nn.logsumexp(h, axis=-1) - np.take_along_axis(h, y[:, None], 1)[:, 0]).mean()

        def step(p, m, v, t, x, y):
            l, g = jax.value_and_grad(loss)(p, x, y)
            t = t + 1
            m = {k: B1 * m[k] + (1 - B1) * g[k] for k in p}
            v = {k: B2 * v[k] + (1 - B2) * g[k] ** 2 for k in p}
            p = {k: p[k] - LR * (m[k] / (1 - B1**t)) / (np.sqrt(v[k] / (1 - B2**t)) + EPS) for k in p}
            return p, m, v, t, l

        self.step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
        p = {k: np.array(a.transpose(2, 3, 1, 0) if a.ndim == 4 else a) for k, a in params.items()}
        self.state = (p, {k: np.zeros_like(a) for k, a in p.items()}, {k: np.zeros_like(a) for k, a in p.items()}, np.float32(0))
        self.data = tuple(map(np.array, batch()))
        self.version = "jax " + jax.__version__

    def run(self, n):
        for _ in range(n):
            *self.state, l = self.step(*self.state, *self.data)
        return float(l.block_until_ready())


class Torch:
    """Eager with the fused adam, or compiled; channels_last was tried for the convolutional net, and is a tenth slower."""

    def __init__(self, model, threads, lib, params, compiled=False):
        import torch
        import torch.nn.functional as F
        torch.set_num_threads(threads)
        p = self.p = {}
        for k, a in params.items():
            p[k] = torch.from_numpy(a.T.copy() if a.ndim == 2 else a.copy()).requires_grad_()
        x, y = batch()
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y).long()

        def loss(x, y):
            h = x / 255
            if model == "cnn":
                h = h.reshape(128, 1, 28, 28)
                for n in ("conv1", "conv2"):
                    h = F.max_pool2d(F.relu(F.conv2d(h, p[n + ".w"], p[n + ".b"], padding=1)), 2)
                h = h.flatten(1)
            names = [n[:-2] for n in p if n.startswith("fc") and n.endswith(".w")]
            for i, n in enumerate(names):
                h = F.linear(h, p[n + ".w"], p[n + ".b"])
                h = h if i + 1 == len(names) else F.relu(h)
            return F.cross_entropy(h, y)

        self.loss = torch.compile(loss) if compiled else loss
        self.opt = torch.optim.Adam(p.values(), lr=LR, betas=(B1, B2), eps=EPS, fused=True)
        self.version = f"torch {torch.__version__}" + (" compiled" if compiled else " eager")

    def run(self, n):
        for _ in range(n):
            self.opt.zero_grad(set_to_none=True)
            l = self.loss(self.x, self.y)
            l.backward()
            self.opt.step()
        return l.item()


class TorchCompiled(Torch):
    def __init__(self, *a):
        super().__init__(*a, compiled=True)


KINDS = {"dgc": Dgc, "jax": Jax, "torch": Torch, "torch.compile": TorchCompiled}


def initial(model):
    import numpy as np
    g = np.random.default_rng(1)
    shapes = {"conv1.w": (16, 1, 3, 3), "conv2.w": (32, 16, 3, 3)} if model == "cnn" else {}
    wide = [1568, 128, 10] if model == "cnn" else [784, 256, 128, 10]
    shapes.update({f"fc{i + 1}.w": (a, b) for i, (a, b) in enumerate(zip(wide, wide[1:]))})
    p = {}
    for k in PARAMS[model]:
        s = shapes.get(k)
        if s is None:
            w = shapes[k[:-1] + "w"]
            p[k] = np.zeros((w[0] if len(w) == 4 else w[1],), np.float32)
        else:
            fan = s[1] * 9 if len(s) == 4 else s[0]
            p[k] = (g.standard_normal(s) * (2 / fan) ** 0.5).astype(np.float32)
    return p


def worker(kind, model, threads, lib):
    if threads == 1:  # jax knows no other way; the same for all
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out = os.dup(1)
    os.dup2(2, 1)  # what a framework prints is no answer
    try:
        w = KINDS[kind](model, threads, lib, initial(model))
    except ImportError as e:
        os.write(out, f"- not installed: {e}\n".encode())
        return
    loss = w.run(WARM)
    os.write(out, f"+ {loss} {w.version}\n".encode())
    for line in sys.stdin:
        t, c = time.perf_counter(), time.process_time()
        w.run(int(line))
        t, c = time.perf_counter() - t, time.process_time() - c
        os.write(out, f"{t / int(line) * 1e3} {c / int(line) * 1e3}\n".encode())


def measure(lib, model, threads, rounds, steps, kinds):
    w, times, cpu, losses = {}, {}, {}, {}
    for kind in kinds:
        c = [sys.executable, os.path.abspath(__file__), "--worker", kind, model, str(threads), lib]
        w[kind] = subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        said = w[kind].stdout.readline().split(maxsplit=2)
        if not said or said[0] != "+":
            print(f"{kind}: {' '.join(said[1:]) or 'failed'}")
            w.pop(kind).stdin.close()
            continue
        losses[kind], times[kind], cpu[kind] = float(said[1]), [], []
        print(f"  {said[2].strip()}: loss {losses[kind]:.6f} after {WARM} steps")
    if "dgc" not in w:
        sys.exit("without dgc there is nothing to compare with")
    worst = max(losses.values()) / min(losses.values())
    if worst > 1.02:
        sys.exit(f"the losses differ by {worst:.3f}x: not the same model")
    for _ in range(rounds):
        for kind in w:
            w[kind].stdin.write(f"{steps}\n")
            t, c = w[kind].stdout.readline().split()
            times[kind].append(float(t))
            cpu[kind].append(float(c))
    for kind in w:
        w[kind].stdin.close()
        w[kind].wait()
        t, c = times[kind], cpu[kind]
        ratio = sorted(a / b for a, b in zip(t, times["dgc"]))
        work = statistics.median(a / b for a, b in zip(c, cpu["dgc"]))
        print(f"{model} {threads} thread{'s' if threads > 1 else ' '} {kind:14} {statistics.median(t):8.3f} ms ({min(t):.3f} to {max(t):.3f}), "
              f"{statistics.median(ratio):5.2f}x dgc's ({ratio[0]:.2f} to {ratio[-1]:.2f}); CPU {statistics.median(c):8.3f} ms, {work:.2f}x", flush=True)


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    opt = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    if not names:
        sys.exit(__doc__)
    lib = os.path.abspath(names[0])
    kinds = opt.get("only", ",".join(KINDS)).split(",")
    print("numpy", importlib.metadata.version("numpy"), "python", sys.version.split()[0])
    for model in names[1:] or list(PARAMS):
        for threads in map(int, opt.get("threads", "1,2").split(",")):
            measure(lib, model, threads, int(opt.get("rounds", 11)), int(opt.get("steps", 40)), kinds)


if len(sys.argv) == 6 and sys.argv[1] == "--worker":
    worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
else:
    main()
