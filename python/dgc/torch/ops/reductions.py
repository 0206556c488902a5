"""Operations along axes."""
import torch

from ...graph import FLOATS, Unsupported
from .call import two


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
            return two(c, {"max": "maximum", "min": "minimum"}[op], c.args[0], c.args[1])
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


def _cumsum(c):
    return c.tape.along("cumsum", c.node(0), c.arg(1, "dim"))


TABLE = {
    "sum": _reduce("sum"), "mean": _reduce("mean"), "amax": _reduce("max"), "amin": _reduce("min"),
    "max": _extreme("max"), "min": _extreme("min"), "argmax": _argmax("argmax"), "argmin": _argmax("argmin"),
    "softmax": _along("softmax"), "log_softmax": _along("log_softmax"), "logsumexp": _along("logsumexp"), "cumsum": _cumsum,
}
