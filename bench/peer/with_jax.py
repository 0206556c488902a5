"""JAX: one jitted step, everything donated; images with channels innermost (the other layout was tried: equal)."""
import os

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as np

import models


def pool(x):
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def layered(model, p, x):
    _, _, scale, layers = models.LAYERED[model]
    h = x / scale if scale != 1 else x
    for kind, *layer in layers:
        if kind == "fc":
            h = h @ p[layer[0] + ".w"] + p[layer[0] + ".b"]
        elif kind == "conv":
            name, _, _, _, pad = layer
            h = jax.lax.conv_general_dilated(h, p[name + ".w"], (1, 1), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            h = h + p[name + ".b"]
        else:
            h = jax.nn.relu(h) if kind == "relu" else pool(h) if kind == "pool" else h.reshape(h.shape[0], -1)
    return h


def norm(x, gain, bias):
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) * jax.lax.rsqrt(v + 1e-5) * gain + bias


def gpt(p, e, mask):
    """q, k and v as one product, as people write it here"""
    B, T, D, H = models.BATCH, models.T, models.D, models.HEADS
    z = e
    for i in range(models.BLOCKS):
        def at(n):
            return p[f"blocks[{i}].{n}"]

        qkv = (norm(z, at("l1.gain"), at("l1.bias")) @ at("qkv.w") + at("qkv.b")).reshape(B, T, 3, H, D // H)
        q, k, v = np.moveaxis(qkv, (2, 3), (0, 2))
        a = jax.nn.softmax(np.where(mask == 0, np.einsum("bhid,bhjd->bhij", q, k) / (D / H) ** 0.5, -np.inf), -1)
        y = np.swapaxes(np.einsum("bhij,bhjd->bhid", a, v), 1, 2).reshape(B, T, D)
        z = z + y @ at("o.w") + at("o.b")
        f = jax.nn.gelu(norm(z, at("l2.gain"), at("l2.bias")) @ at("f1.w") + at("f1.b"), approximate=False)
        z = z + f @ at("f2.w") + at("f2.b")
    return (norm(z, p["ln.gain"], p["ln.bias"]) @ p["head.w"]).reshape(B * T, models.VOCABULARY)


class Jax:
    def __init__(self, model, threads, library, isa, params):
        if model == "gpt":
            d = {k: np.array(a) for k, a in models.batch(model).items()}
            p, x, y = joined(params), (d["e"], d["mask"]), d["label"]
        else:
            image, y, p = models.channels_last(model, params)
            x = (np.array(image),)
        B1, B2, EPS, LR = models.B1, models.B2, models.EPS, models.rate(model)

        def loss(p, x, y):
            h = gpt(p, *x) if model == "gpt" else layered(model, p, *x)
            return (jax.nn.logsumexp(h, axis=-1) - np.take_along_axis(h, y[:, None], 1)[:, 0]).mean()

        def step(p, m, v, t, x, y):
            l, g = jax.value_and_grad(loss)(p, x, y)
            t = t + 1
            m = {k: B1 * m[k] + (1 - B1) * g[k] for k in p}
            v = {k: B2 * v[k] + (1 - B2) * g[k] ** 2 for k in p}
            p = {k: p[k] - LR * (m[k] / (1 - B1**t)) / (np.sqrt(v[k] / (1 - B2**t)) + EPS) for k in p}
            return p, m, v, t, l

        self.step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
        p = {k: np.array(a) for k, a in p.items()}
        self.state = (p, {k: np.zeros_like(a) for k, a in p.items()}, {k: np.zeros_like(a) for k, a in p.items()}, np.float32(0))
        self.data = (x, np.array(y))
        self.version = "jax " + jax.__version__

    def run(self, n):
        for _ in range(n):
            *self.state, l = self.step(*self.state, *self.data)
        return float(l.block_until_ready())


def joined(params):
    import numpy

    p = dict(params)
    for i in range(models.BLOCKS):
        for s in ("w", "b"):
            p[f"blocks[{i}].qkv.{s}"] = numpy.concatenate([p.pop(f"blocks[{i}].{c}.{s}") for c in "qkv"], -1)
    return p
