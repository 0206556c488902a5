"""What layers compute: products, convolutions, pooling, normalisation."""
import math

import torch

from ...graph import Unsupported, broadcast_shape


def _linear(c):
    t, x, w = c.tape, c.node(0, "input"), c.node(1, "weight")
    bias = c.arg(2, "bias")
    shape, rows = t.type(x)[1], t.type(w)[1]
    if len(rows) != 2:
        raise Unsupported("linear")
    y = t.contract(t.reshape(x, [math.prod(shape[:-1]), shape[-1]]), w, 0, 1)
    y = y if bias is None else t.binary("add", y, c.value(bias))
    return t.reshape(y, c.out.shape)


def _matmul(c):
    t, x, y = c.tape, c.node(0), c.node(1, "other")
    a, b = t.type(x)[1], t.type(y)[1]
    if not a or not b:
        raise Unsupported("matmul")
    x, a = (t.reshape(x, (1,) + a), (1,) + a) if len(a) == 1 else (x, a)
    y, b = (t.reshape(y, b + (1,)), b + (1,)) if len(b) == 1 else (y, b)
    if len(b) == 2:
        made = t.contract(t.reshape(x, [math.prod(a[:-1]), a[-1]]), y)
    else:
        batch = broadcast_shape(a[:-2], b[:-2])
        made = t.contract(t.stretch(x, batch + a[-2:]), t.stretch(y, batch + b[-2:]))
    return t.reshape(made, c.out.shape)


def _addmm(c):
    c.plain("input", "mat1", "mat2")
    return c.tape.binary("add", c.tape.contract(c.node(1, "mat1"), c.node(2, "mat2")), c.node(0, "input"))


def _affine(c, y, weight, bias, shape=None):
    t = c.tape
    for op, p in (("mul", weight), ("add", bias)):
        if p is not None:
            v = c.value(p)
            y = t.binary(op, y, t.reshape(v, shape) if shape else v)
    return y


def _layer_norm(c):
    r, over = c.rank(), c.arg(1, "normalized_shape")
    y = c.tape.normalise(c.node(0, "input"), range(r - len(over), r), c.arg(4, "eps", 1e-5))
    return _affine(c, y, c.arg(2, "weight"), c.arg(3, "bias"))


def _batch_norm(c):
    r = c.rank()
    if not c.arg(5, "training", False):
        raise Unsupported("batch_norm")
    x = c.arg(0, "input")
    y = c.tape.normalise(c.value(x), [k for k in range(r) if k != 1], c.arg(7, "eps", 1e-5))
    return _affine(c, y, c.arg(3, "weight"), c.arg(4, "bias"), [1, x.shape[1]] + [1] * (r - 2))


def _group_norm(c):
    t, x, groups = c.tape, c.arg(0, "input"), c.arg(1, "num_groups")
    n, channels, rest = x.shape[0], x.shape[1], list(x.shape[2:])
    grouped = t.reshape(c.value(x), [n, groups, channels // groups] + rest)
    y = t.reshape(t.normalise(grouped, range(2, 3 + len(rest)), c.arg(4, "eps", 1e-5)), x.shape)
    return _affine(c, y, c.arg(2, "weight"), c.arg(3, "bias"), [1, channels] + [1] * len(rest))


def _pair(v):
    v = (v,) if isinstance(v, int) else tuple(v)
    return v * 2 if len(v) == 1 else v


def _conv2d(c):
    t, x, w = c.tape, c.node(0, "input"), c.node(1, "weight")
    pad = c.arg(4, "padding", 0)
    if isinstance(pad, str) or c.rank() != 4:
        raise Unsupported("conv2d")
    (sh, sw), (ph, pw), (dh, dw) = _pair(c.arg(3, "stride", 1)), _pair(pad), _pair(c.arg(5, "dilation", 1))
    y = t.node("conv2d", [x, w], t.type(x)[0], c.out.shape,
               f"sh={sh} sw={sw} ph={ph} pw={pw} dh={dh} dw={dw} groups={c.arg(6, 'groups', 1)} order=0")
    bias = c.arg(2, "bias")
    return y if bias is None else t.binary("add", y, t.reshape(c.value(bias), [1, bias.shape[0], 1, 1]))


def _pool(op):
    def convert(c):
        x = c.node(0, "input")
        (kh, kw), stride = _pair(c.arg(1, "kernel_size")), c.arg(2, "stride")
        (sh, sw), (ph, pw) = _pair(stride) if stride not in (None, []) else (kh, kw), _pair(c.arg(3, "padding", 0))
        ceil = c.arg(5 if op == "max_pool2d" else 4, "ceil_mode", False)
        wide = op == "max_pool2d" and _pair(c.arg(4, "dilation", 1)) != (1, 1)
        if c.rank() != 4 or ceil or wide or (op == "avg_pool2d" and (ph or pw)) or not isinstance(c.out, torch.Tensor):
            raise Unsupported(op)
        attrs = f"kh={kh} kw={kw} sh={sh} sw={sw} ph={ph} pw={pw}"
        return c.tape.node(op, [x], c.tape.type(x)[0], c.out.shape, attrs)
    return convert


def _adaptive(c):
    if tuple(c.out.shape[2:]) != (1, 1):
        raise Unsupported("adaptive pooling")
    return c.tape.reduce("mean", c.node(0, "input"), [2, 3], True)


def _embedding(c):
    t, ids, table = c.tape, c.node(0, "input"), c.node(1, "weight")
    pad = c.arg(2, "padding_idx")
    if c.arg(3, "max_norm") is not None or pad not in (None, -1):
        raise Unsupported("embedding")
    return t.node("gather", [table, t.cast(ids, "i32")], t.type(table)[0], c.out.shape, "axis=0 along=0")


def _dropout(c):
    t, x = c.tape, c.node(0, "input")
    if not c.arg(2, "training", True):
        return x
    dtype, shape = t.type(x)
    return t.binary("mul", x, t.leaf("input", "dropout", dtype, shape))


TABLE = {
    "linear": _linear, "matmul": _matmul, "mm": _matmul, "bmm": _matmul, "addmm": _addmm,
    "layer_norm": _layer_norm, "batch_norm": _batch_norm, "group_norm": _group_norm, "conv2d": _conv2d,
    "max_pool2d": _pool("max_pool2d"), "avg_pool2d": _pool("avg_pool2d"), "boolean_dispatch": _pool("max_pool2d"),
    "adaptive_avg_pool2d": _adaptive, "embedding": _embedding, "dropout": _dropout,
}
