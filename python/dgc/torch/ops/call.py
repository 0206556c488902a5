"""One call of PyTorch, and types as the graph has them."""
import math

import torch

from ...graph import FLOATS, Unsupported

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


def promoted(c, x, y, out):
    t = c.tape
    dx, dy = t.type(x)[0], t.type(y)[0]
    want = DTYPES.get(out.dtype) if out.dtype != torch.bool else max(dx, dy, key=_RANK.index)
    if want is None:
        raise Unsupported(c.name)
    return t.cast(x, want), t.cast(y, want)


def two(c, op, x, y):
    a, b = promoted(c, c.value(x), c.value(y), c.out)
    compares = op in ("eq", "ne", "lt", "le")
    if op in ("div", "pow") and c.tape.type(a)[0] not in FLOATS:
        raise Unsupported(op)
    return c.tape.binary(op, a, b, "bool" if compares else None)
