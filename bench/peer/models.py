"""The models that are compared: for the layered ones a table, for the GPT core its shapes. The same initial parameters
and the same batch for every framework; each model's .dg beside this file says the same."""

LR, B1, B2, EPS = 1e-3, 0.9, 0.999, 1e-8  # adam

RELU, POOL, FLAT = ("relu",), ("pool",), ("flat",)


def fc(name, a, b):
    return ("fc", name, a, b)


def conv(name, c_in, c_out, size, pad):
    return ("conv", name, c_in, c_out, size, pad)


# name: batch, shape of one input, what inputs are divided by, layers
LAYERED = {
    "mlp": (128, (784,), 255, [fc("fc1", 784, 256), RELU, fc("fc2", 256, 128), RELU, fc("fc3", 128, 10)]),
    "mlp512": (128, (784,), 1, [fc("fc1", 784, 512), RELU, fc("fc2", 512, 256), RELU, fc("fc3", 256, 10)]),
    "wide": (512, (1024,), 1, [fc("fc1", 1024, 1024), RELU, fc("fc2", 1024, 1024), RELU, fc("fc3", 1024, 10)]),
    "cnn": (128, (1, 28, 28), 255, [conv("conv1", 1, 16, 3, 1), RELU, POOL, conv("conv2", 16, 32, 3, 1), RELU, POOL, FLAT,
                                    fc("fc1", 1568, 128), RELU, fc("fc2", 128, 10)]),
    "lenet": (128, (1, 28, 28), 1, [conv("conv1", 1, 6, 5, 2), RELU, POOL, conv("conv2", 6, 16, 5, 0), RELU, POOL, FLAT,
                                    fc("fc1", 400, 120), RELU, fc("fc2", 120, 84), RELU, fc("fc3", 84, 10)]),
    "conv4": (64, (3, 32, 32), 1, [conv("conv1", 3, 32, 3, 1), RELU, conv("conv2", 32, 32, 3, 1), RELU, POOL,
                                   conv("conv3", 32, 64, 3, 1), RELU, conv("conv4", 64, 64, 3, 1), RELU, POOL, FLAT,
                                   fc("fc1", 4096, 256), RELU, fc("fc2", 256, 10)]),
}
# The core of a GPT: its embeddings are an input, and a vocabulary of 512
BLOCKS, BATCH, T, D, HEADS, VOCABULARY = 4, 8, 128, 256, 4, 512
NAMES = list(LAYERED) + ["gpt"]


def rate(model):
    return 3e-4 if model == "gpt" else LR


def batch(model):
    """name -> array, as the .dg file names its inputs"""
    import numpy as np

    g = np.random.default_rng(7)
    if model == "gpt":
        return {
            "e": g.standard_normal((BATCH, T, D)).astype(np.float32),
            "mask": np.where(np.tril(np.ones((T, T), bool)), 0, -1e9).astype(np.float32),
            "label": g.integers(0, VOCABULARY, BATCH * T).astype(np.int32),
        }
    n, shape, scale, _ = LAYERED[model]
    x = g.random((n,) + shape) * 255 if scale == 255 else g.standard_normal((n,) + shape)
    return {"image": x.astype(np.float32), "label": g.integers(0, 10, n).astype(np.int32)}


def initial(model):
    """parameter path -> array, as the .dg file names them"""
    import numpy as np

    g = np.random.default_rng(1)

    def normal(shape, deviation):
        return (g.standard_normal(shape) * deviation).astype(np.float32)

    def full(n, value):
        return np.full(n, value, np.float32)

    p = {}
    if model == "gpt":
        for i in range(BLOCKS):
            q = f"blocks[{i}]."
            for norm in ("l1", "l2"):
                p[q + norm + ".gain"], p[q + norm + ".bias"] = full(D, 1), full(D, 0)
            for name, a, b in (("q", D, D), ("k", D, D), ("v", D, D), ("o", D, D), ("f1", D, 4 * D), ("f2", 4 * D, D)):
                p[q + name + ".w"], p[q + name + ".b"] = normal((a, b), 0.02), full(b, 0)
        p["ln.gain"], p["ln.bias"], p["head.w"] = full(D, 1), full(D, 0), normal((D, VOCABULARY), 0.02)
        return p
    for kind, *layer in LAYERED[model][3]:
        if kind == "fc":
            name, a, b = layer
            p[name + ".w"], p[name + ".b"] = normal((a, b), (2 / a) ** 0.5), full(b, 0)
        elif kind == "conv":
            name, a, b, size, _ = layer
            p[name + ".w"], p[name + ".b"] = normal((b, a, size, size), (2 / (a * size * size)) ** 0.5), full(b, 0)
    return p


def channels_last(model, params):
    """Inputs and parameters for frameworks that keep channels innermost: images, filters, and the rows of the layer
    behind the flattening."""
    import numpy as np

    data = batch(model)
    x = data["image"]
    p = {k: a.transpose(2, 3, 1, 0).copy() if a.ndim == 4 else a.copy() for k, a in params.items()}
    channels, flat = 0, False
    for kind, *layer in LAYERED[model][3]:
        if kind == "conv":
            channels = layer[2]
        flat = flat or kind == "flat"
        if kind == "fc" and flat:
            w = p[layer[0] + ".w"]
            p[layer[0] + ".w"] = w.reshape(channels, -1, w.shape[1]).transpose(1, 0, 2).reshape(w.shape).copy()
            flat = False
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x, data["label"], p


def flops(model):
    """Of one step: products and convolutions, forward and twice backward; no gradient of the input."""
    if model == "gpt":
        return 3 * 2 * BATCH * T * (BLOCKS * 12 * D * D + D * VOCABULARY + BLOCKS * 2 * T * D)
    n, shape, _, layers = LAYERED[model]
    size, total, times = shape[-1], 0, 2
    for kind, *layer in layers:
        if kind == "conv":
            _, a, b, k, pad = layer
            size = size + 2 * pad - k + 1
            total += times * 2 * n * size * size * a * b * k * k
            times = 3
        elif kind == "fc":
            total += times * 2 * n * layer[1] * layer[2]
            times = 3
        elif kind == "pool":
            size //= 2
    return total
