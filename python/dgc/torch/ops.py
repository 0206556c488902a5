"""PyTorch's operations in the words of the op table. What is not here is recorded as unknown: its value and its
derivative then stand open, and nothing wrong can be concluded from it."""
import math

import torch

from ..graph import FLOATS, Unsupported

DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f32", torch.bfloat16: "f32", torch.int64: "i64",
          torch.int32: "i32", torch.int16: "i32", torch.int8: "i32", torch.uint8: "i32", torch.bool: "bool"}
_RANK = ["bool", "i32", "i64", "f32", "f64"]


def tensor_type(t):
    """dtype and shape as the graph has them; what it cannot have is replaced, and such operations are unknown."""
    shape = tuple(max(1, int(n)) for n in t.shape)
    return DTYPES.get(t.dtype, "f32"), shape if len(shape) <= 8 else (math.prod(shape),)


def is_plain(t):
    return t.dtype in DTYPES and t.dim() <= 8 and t.numel() > 0


class Call:
    """One call: its arguments by the names of the framework's signature."""

    def __init__(self, tape, value, name, args, kwargs, out):
        self.tape, self.value, self.name, self.args, self.kwargs, self.out = tape, value, name, args, kwargs, out

    def arg(self, i, name=None, default=None):
        if i < len(self.args):
            return self.args[i]
        return self.kwargs.get(name, default) if name else default

    def node(self, i, name=None):
        a = self.arg(i, name)
        if a is None:
            raise Unsupported(self.name)
        return self.value(a)

    def plain(self, *allowed):
        """No keywords beside these: others would change what is meant."""
        if any(k not in allowed for k in self.kwargs):
            raise Unsupported(self.name)

    def rank(self):
        return self.args[0].dim()


def _promoted(c, x, y, out):
    t = c.tape
    (dx, sx), (dy, sy) = t.type(x), t.type(y)
    want = DTYPES.get(out.dtype) if out.dtype != torch.bool else max(dx, dy, key=_RANK.index)
    if want is None:
        raise Unsupported(c.name)
    return t.cast(x, want), t.cast(y, want)


def _two(c, op, x, y):
    a, b = _promoted(c, c.value(x), c.value(y), c.out)
    compares = op in ("eq", "ne", "lt", "le")
    if op in ("div", "pow") and c.tape.type(a)[0] not in FLOATS:
        raise Unsupported(op)
    return c.tape.binary(op, a, b, "bool" if compares else None)


def _binary(op, swap=False):
    def convert(c):
        c.plain("other", "alpha")
        if c.arg(9, "alpha", 1) != 1:
            raise Unsupported(op)
        x, y = c.arg(0), c.arg(1, "other")
        return _two(c, op, y, x) if swap else _two(c, op, x, y)
    return convert


def _unary(op):
    def convert(c):
        if len(c.args) > 1 or set(c.kwargs) - {"inplace"}:
            raise Unsupported(op)
        return c.tape.unary(op, c.node(0, "input"))
    return convert


def _same(c):
    return c.node(0, "input")


def _stop(c):
    x = c.node(0)
    dtype, shape = c.tape.type(x)
    return c.tape.node("stop_gradient", [x], dtype, shape)


def _cast(c):
    return c.tape.cast(c.node(0), DTYPES[c.out.dtype])


def _reshape(c):
    return c.tape.reshape(c.node(0), c.out.shape)


def _expand(c):
    return c.tape.stretch(c.node(0), tuple(c.out.shape))


def _swap_last(c):
    r = c.rank()
    return c.tape.transpose(c.node(0), list(range(r - 2)) + [r - 1, r - 2] if r > 1 else list(range(r)))


def _transpose(c):
    r = c.rank()
    perm, i, j = list(range(r)), c.arg(1, "dim0") % r, c.arg(2, "dim1") % r
    perm[i], perm[j] = perm[j], perm[i]
    return c.tape.transpose(c.node(0), perm)


def _permute(c):
    dims = c.arg(1, "dims")
    return c.tape.transpose(c.node(0), dims if isinstance(dims, (list, tuple)) else c.args[1:])


def _reduce(op):
    def convert(c):
        c.plain("dim", "keepdim", "axis")
        dim = c.arg(1, "dim", c.kwargs.get("axis"))
        keep = c.arg(2, "keepdim", False)
        axes = None if dim is None or dim == () else [dim] if isinstance(dim, int) else list(dim)
        x = c.node(0, "input")
        if c.tape.type(x)[0] not in FLOATS:
            raise Unsupported(op)
        return c.tape.reduce(op, x, axes, keep)
    return convert


def _extreme(op):
    reduce = _reduce(op)

    def convert(c):
        if len(c.args) == 1 and not c.kwargs:
            return reduce(c)
        if len(c.args) > 1 and isinstance(c.args[1], torch.Tensor):
            return _two(c, {"max": "maximum", "min": "minimum"}[op], c.args[0], c.args[1])
        raise Unsupported(op)   # values and indices
    return convert


def _along(op):
    def convert(c):
        dim = c.arg(1, "dim")
        if dim is None or c.kwargs.get("dtype") is not None or isinstance(dim, (list, tuple)) and len(dim) != 1:
            raise Unsupported(op)
        dim = dim[0] if isinstance(dim, (list, tuple)) else dim
        x = c.node(0, "input")
        if c.tape.type(x)[0] not in FLOATS or not c.rank():
            raise Unsupported(op)
        if op != "logsumexp":
            return c.tape.along(op, x, dim)
        dtype, shape = c.tape.type(x)
        kept = [1 if k == dim % len(shape) else n for k, n in enumerate(shape)]
        return c.tape.reshape(c.tape.node(op, [x], dtype, kept, f"axis={dim % len(shape)}"), c.out.shape)
    return convert


def _argmax(op):
    def convert(c):
        dim = c.arg(1, "dim")
        if dim is None or not c.rank():
            raise Unsupported(op)
        x = c.node(0, "input")
        shape = c.tape.type(x)[1]
        kept = [1 if k == dim % len(shape) else n for k, n in enumerate(shape)]
        return c.tape.cast(c.tape.reshape(c.tape.node(op, [x], "i32", kept, f"axis={dim % len(shape)}"), c.out.shape), "i64")
    return convert


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
        from ..graph import broadcast_shape
        batch = broadcast_shape(a[:-2], b[:-2])
        made = t.contract(t.stretch(x, batch + a[-2:]), t.stretch(y, batch + b[-2:]))
    return t.reshape(made, c.out.shape)


def _addmm(c):
    c.plain("input", "mat1", "mat2")
    return c.tape.binary("add", c.tape.contract(c.node(1, "mat1"), c.node(2, "mat2")), c.node(0, "input"))


def _mean_of(c, y, at):
    how = c.arg(at, "reduction", "mean")
    if c.arg(98, "reduce") is not None or c.arg(99, "size_average") is not None:
        raise Unsupported(c.name)
    if how == "none":
        return y
    return c.tape.reduce({"mean": "mean", "sum": "sum"}[how], y)


def _cross_entropy(c):
    x, y = c.arg(0, "input"), c.arg(1, "target")
    if x.dim() != 2 or y.dim() != 1 or c.arg(2, "weight") is not None or c.arg(7, "label_smoothing", 0):
        raise Unsupported("cross_entropy")
    if c.arg(4, "ignore_index", -100) != -100:
        raise Unsupported("cross_entropy")
    logits = c.value(x)
    made = c.tape.node("cross_entropy", [logits, c.tape.cast(c.value(y), "i32")], c.tape.type(logits)[0], y.shape)
    return _mean_of(c, made, 6)


def _pair_loss(op):
    def convert(c):
        x, y = c.arg(0, "input"), c.arg(1, "target")
        if c.arg(5, "weight") is not None:
            raise Unsupported(op)
        d = c.tape.binary("sub", c.value(x), c.value(y))
        return _mean_of(c, c.tape.unary(op, d), 4)
    return convert


def _bce_logits(c):
    t, x, y = c.tape, c.arg(0, "input"), c.arg(1, "target")
    if c.arg(2, "weight") is not None or c.arg(6, "pos_weight") is not None or x.shape != y.shape:
        raise Unsupported(c.name)
    x, y = c.value(x), c.value(y)
    return _mean_of(c, t.binary("sub", t.unary("softplus", x), t.binary("mul", x, y)), 5)


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


def _where(c):
    if len(c.args) != 3:
        raise Unsupported("where")
    x, y = _promoted(c, c.value(c.args[1]), c.value(c.args[2]), c.out)
    return c.tape.where(c.value(c.args[0]), x, y)


def _cat(c):
    parts, axis = c.arg(0, "tensors"), c.arg(1, "dim", c.kwargs.get("axis", 0))
    dtype = DTYPES[c.out.dtype]
    return c.tape.node("concat", [c.tape.cast(c.value(p), dtype) for p in parts if p.numel()], dtype, c.out.shape,
                       f"axis={axis % c.out.dim()}")


def _stack(c):
    parts, axis = c.arg(0, "tensors"), c.arg(1, "dim", 0)
    axis %= c.out.dim()
    shape = [1 if k == axis else n for k, n in enumerate(c.out.shape)]
    return c.tape.node("concat", [c.tape.reshape(c.value(p), shape) for p in parts], DTYPES[c.out.dtype], c.out.shape,
                       f"axis={axis}")


def _getitem(c):
    t, x, index = c.tape, c.node(0), c.args[1]
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, bool) or not isinstance(i, (int, slice, type(None), type(Ellipsis))) for i in index):
        raise Unsupported("index")
    if Ellipsis in index:
        at = index.index(Ellipsis)
        rest = c.rank() - sum(i is not None and i is not Ellipsis for i in index)
        index = index[:at] + (slice(None),) * rest + index[at + 1:]
    axis = 0
    for i in index:
        if i is None:
            continue
        size = t.type(x)[1][axis]
        if isinstance(i, int):
            x = t.slice(x, axis, i % size, 1, 1)
        else:
            lo, hi, step = i.indices(size)
            x = t.slice(x, axis, lo, step, -(-(hi - lo) // step))
        axis += 1
    return t.reshape(x, c.out.shape)


def _pieces(c):
    axis, lo, made = c.arg(2, "dim", 0) % c.rank(), 0, []
    for o in c.out:
        made.append(c.tape.slice(c.node(0), axis, lo, 1, o.shape[axis]))
        lo += o.shape[axis]
    return made


def _unbind(c):
    axis = c.arg(1, "dim", 0) % c.rank()
    return [c.tape.reshape(c.tape.slice(c.node(0), axis, k, 1, 1), o.shape) for k, o in enumerate(c.out)]


def _embedding(c):
    t, ids, table = c.tape, c.node(0, "input"), c.node(1, "weight")
    pad = c.arg(2, "padding_idx")
    if c.arg(3, "max_norm") is not None or pad not in (None, -1):
        raise Unsupported("embedding")
    return t.node("gather", [table, t.cast(ids, "i32")], t.type(table)[0], c.out.shape, "axis=0 along=0")


def _pow(c):
    if c.arg(1, "exponent") == 2 and not isinstance(c.arg(1, "exponent"), torch.Tensor):
        return c.tape.unary("square", c.node(0))
    y = c.arg(1, "exponent")
    return _two(c, "pow", c.arg(0), y if isinstance(y, torch.Tensor) else float(y))


def _gelu(c):
    t, x = c.tape, c.node(0, "input")
    if c.arg(1, "approximate", "none") != "none":
        raise Unsupported("gelu")
    dtype = t.type(x)[0]
    bell = t.unary("erf", t.binary("mul", x, t.const(math.sqrt(0.5), dtype)))
    return t.binary("mul", t.binary("mul", x, t.const(0.5, dtype)), t.binary("add", bell, t.const(1, dtype)))


def _silu(c):
    x = c.node(0, "input")
    return c.tape.binary("mul", x, c.tape.unary("sigmoid", x))


def _softplus(c):
    if c.arg(1, "beta", 1) != 1 or c.arg(2, "threshold", 20) != 20:
        raise Unsupported("softplus")
    return c.tape.unary("softplus", c.node(0, "input"))


def _leaky_relu(c):
    t, x = c.tape, c.node(0, "input")
    dtype = t.type(x)[0]
    slope = c.arg(1, "negative_slope", 0.01)
    return t.where(t.binary("lt", t.const(0, dtype), x, "bool"), x, t.binary("mul", x, t.const(slope, dtype)))


def _clamp(c):
    t, x = c.tape, c.node(0, "input")
    for op, bound in (("maximum", c.arg(1, "min")), ("minimum", c.arg(2, "max"))):
        if bound is None:
            continue
        if isinstance(bound, torch.Tensor):
            raise Unsupported("clamp")
        x = t.binary(op, x, t.const(bound, t.type(x)[0]))
    return x


def _dropout(c):
    t, x = c.tape, c.node(0, "input")
    if not c.arg(2, "training", True):
        return x
    dtype, shape = t.type(x)
    return t.binary("mul", x, t.leaf("input", "dropout", dtype, shape))


def _filled(value):
    def convert(c):
        return c.tape.const(value, *tensor_type(c.out))
    return convert


def _full(c):
    fill = c.arg(1, "fill_value")
    if isinstance(fill, torch.Tensor):
        raise Unsupported("full")
    return c.tape.const(fill, *tensor_type(c.out))


def _not(c):
    x = c.node(0)
    if c.tape.type(x)[0] != "bool":
        raise Unsupported("not")
    return c.tape.node("not", [x], *c.tape.type(x))


def _logic(op):
    def convert(c):
        return c.tape.binary(op, c.node(0), c.node(1))
    return convert


def _cumsum(c):
    return c.tape.along("cumsum", c.node(0), c.arg(1, "dim"))


TABLE = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"), "div": _binary("div"),
    "rsub": _binary("sub", True), "rdiv": _binary("div", True), "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "eq": _binary("eq"), "ne": _binary("ne"), "lt": _binary("lt"), "le": _binary("le"), "gt": _binary("lt", True),
    "ge": _binary("le", True),
    "softplus": _softplus, "pow": _pow, "gelu": _gelu, "silu": _silu, "leaky_relu": _leaky_relu,
    "detach": _stop, "get_data": _stop, "clone": _same, "contiguous": _same, "requires_grad": _same, "alias": _same,
    "to": _cast, "float": _cast, "double": _cast, "int": _cast, "long": _cast, "type": _cast, "type_as": _cast,
    "half": _cast, "bfloat16": _cast, "cpu": _same, "cuda": _same,
    "view": _reshape, "reshape": _reshape, "flatten": _reshape, "unsqueeze": _reshape, "squeeze": _reshape,
    "unflatten": _reshape, "view_as": _reshape, "reshape_as": _reshape, "ravel": _reshape,
    "expand": _expand, "expand_as": _expand, "broadcast_to": _expand,
    "get_T": _swap_last, "get_mT": _swap_last, "t": _swap_last, "transpose": _transpose, "swapaxes": _transpose,
    "permute": _permute, "sum": _reduce("sum"), "mean": _reduce("mean"), "amax": _reduce("max"), "amin": _reduce("min"),
    "max": _extreme("max"), "min": _extreme("min"), "argmax": _argmax("argmax"), "argmin": _argmax("argmin"),
    "softmax": _along("softmax"), "log_softmax": _along("log_softmax"), "logsumexp": _along("logsumexp"),
    "linear": _linear, "matmul": _matmul, "mm": _matmul, "bmm": _matmul, "addmm": _addmm,
    "cross_entropy": _cross_entropy, "mse_loss": _pair_loss("square"), "l1_loss": _pair_loss("abs"),
    "binary_cross_entropy_with_logits": _bce_logits, "layer_norm": _layer_norm, "batch_norm": _batch_norm,
    "group_norm": _group_norm, "conv2d": _conv2d, "max_pool2d": _pool("max_pool2d"), "avg_pool2d": _pool("avg_pool2d"),
    "boolean_dispatch": _pool("max_pool2d"), "adaptive_avg_pool2d": _adaptive, "where": _where, "cat": _cat,
    "concat": _cat, "stack": _stack, "getitem": _getitem, "chunk": _pieces, "split": _pieces, "unbind": _unbind,
    "embedding": _embedding, "dropout": _dropout, "zeros": _filled(0), "ones": _filled(1), "zeros_like": _filled(0),
    "ones_like": _filled(1), "new_zeros": _filled(0), "new_ones": _filled(1), "full": _full, "full_like": _full,
    "logical_not": _not, "invert": _not, "logical_and": _logic("and"), "logical_or": _logic("or"), "and": _logic("and"),
    "or": _logic("or"), "cumsum": _cumsum, "clamp": _clamp,
}
for _op in ("neg", "abs", "exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sqrt", "rsqrt", "sin", "cos", "erf", "sign",
            "floor", "ceil", "round", "relu", "square"):
    TABLE[_op] = _unary(_op)
ALIASES = {"radd": "add", "iadd": "add", "rmul": "mul", "imul": "mul", "isub": "sub", "truediv": "div", "itruediv": "div",
           "rtruediv": "rdiv", "multiply": "mul", "subtract": "sub", "divide": "div", "true_divide": "div",
           "absolute": "abs", "negative": "neg", "greater": "gt", "less": "lt", "clip": "clamp", "concatenate": "cat",
           "_softmax": "softmax", "special_expit": "sigmoid", "ipow": "pow", "imatmul": "matmul"}


def convert(tape, value, name, args, kwargs, out):
    """The node of a call's result (a list for several), or Unsupported."""
    name = name.strip("_") if name.startswith("__") else name.rstrip("_")
    rule = TABLE.get(ALIASES.get(name, name))
    outs = out if isinstance(out, (tuple, list)) else [out]
    ins = [a for a in args if isinstance(a, torch.Tensor)]
    if rule is None or not all(isinstance(o, torch.Tensor) and is_plain(o) for o in outs) or not all(map(is_plain, ins)):
        raise Unsupported(name)
    made = rule(Call(tape, value, name, args, kwargs, out))
    for o, i in zip(outs, made if isinstance(made, list) else [made]):
        if tape.type(i) != tensor_type(o):
            raise Unsupported(name)
    return made
