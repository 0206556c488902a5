"""What layers compute: products, convolutions, pooling, losses of classes."""
import math

from ...graph import Unsupported, broadcast_shape


def _matmul(c):
    t, x, y = c.tape, c.real(0), c.real(1)
    ta = int(bool(c.attr("transpose_a", c.attr("adj_x", False))))
    tb = int(bool(c.attr("transpose_b", c.attr("adj_y", False))))
    a, b = t.type(x)[1], t.type(y)[1]
    if len(b) == 2 and len(a) > 2 and not ta:
        made = t.contract(t.reshape(x, [math.prod(a[:-1]), a[-1]]), y, 0, tb)
        return t.reshape(made, c.shape())
    batch = broadcast_shape(a[:-2], b[:-2]) if len(a) > 2 or len(b) > 2 else ()
    return t.contract(t.stretch(x, batch + a[-2:]), t.stretch(y, batch + b[-2:]), ta, tb)


def _window(c, kernel):
    """Strides, and what is added around an image of which positions stand last or in the middle; (low, high) a side."""
    if c.attr("data_format", "NHWC") != "NHWC" or len(c.shape(0)) != 4:
        raise Unsupported(c.name)
    strides, sizes, pads = list(c.attr("strides"))[1:3], c.shape(0)[1:3], []
    for k in range(2):
        all_ = max(0, (c.shape()[1 + k] - 1) * strides[k] + kernel[k] - sizes[k])
        pads.append((all_ // 2, all_ - all_ // 2) if c.attr("padding") == "SAME" else (0, 0))
    if c.attr("padding") not in ("SAME", "VALID"):
        raise Unsupported(c.name)
    return strides, pads


def _padded(t, x, pads, value):
    """Channels first, with what is uneven added; the even rest for the operation itself."""
    even = [min(p) for p in pads]
    for axis, (lo, hi) in enumerate(pads, 2):
        more = hi - lo
        if more:
            dtype, shape = t.type(x)
            edge = t.const(value, dtype, [more if k == axis else n for k, n in enumerate(shape)])
            shape = [n + more if k == axis else n for k, n in enumerate(shape)]
            x = t.node("concat", [x, edge], dtype, shape, f"axis={axis}")
    return x, even


def _conv2d(c):
    t, x, w = c.tape, c.real(0), c.real(1)
    kernel, dilations = t.type(w)[1], [int(n) for n in c.attr("dilations") or (1, 1, 1, 1)][1:3]
    strides, pads = _window(c, [(kernel[k] - 1) * dilations[k] + 1 for k in range(2)])
    channels, groups = c.shape(0)[3], c.shape(0)[3] // kernel[2]
    if c.name != "Conv2D":
        groups = channels
        w = t.reshape(w, [kernel[0], kernel[1], 1, channels * kernel[3]])
    w = t.transpose(w, [3, 2, 0, 1])
    x, (ph, pw) = _padded(t, t.transpose(x, [0, 3, 1, 2]), pads, 0)
    n, h, wide, out = c.shape()
    y = t.node("conv2d", [x, w], t.type(x)[0], [n, out, h, wide],
               f"sh={strides[0]} sw={strides[1]} ph={ph} pw={pw} dh={dilations[0]} dw={dilations[1]} groups={groups} order=0")
    return t.transpose(y, [0, 2, 3, 1])


def _pool(op):
    def convert(c):
        t, (kh, kw) = c.tape, list(c.attr("ksize"))[1:3]
        strides, pads = _window(c, (kh, kw))
        if any(map(any, pads)) and (op != "max_pool2d" or any(lo != hi for lo, hi in pads)):
            raise Unsupported(op)
        x = t.transpose(c.real(0), [0, 3, 1, 2])
        n, h, w, channels = c.shape()
        y = t.node(op, [x], t.type(x)[0], [n, channels, h, w],
                   f"kh={kh} kw={kw} sh={strides[0]} sw={strides[1]} ph={pads[0][0]} pw={pads[1][0]}")
        return t.transpose(y, [0, 2, 3, 1])
    return convert


def _sparse_cross_entropy(c):
    t, x = c.tape, c.real(0)
    return [t.node("cross_entropy", [x, t.cast(c.node(1), "i32")], t.type(x)[0], c.shape())]


def _cross_entropy(c):
    """Of a distribution: -sum(labels * log_softmax(logits))."""
    t, x, labels = c.tape, c.real(0), c.real(1)
    shape = broadcast_shape(t.type(x)[1], t.type(labels)[1])
    x = t.stretch(x, shape)
    each = t.binary("mul", labels, t.along("log_softmax", x, len(shape) - 1))
    return [t.unary("neg", t.reduce("sum", each, [len(shape) - 1]))]


TABLE = {
    "MatMul": _matmul, "BatchMatMulV2": _matmul, "BatchMatMul": _matmul, "Conv2D": _conv2d, "DepthwiseConv2dNative": _conv2d,
    "MaxPool": _pool("max_pool2d"), "AvgPool": _pool("avg_pool2d"),
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy, "SoftmaxCrossEntropyWithLogits": _cross_entropy,
}
