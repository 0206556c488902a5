"""One operation of TensorFlow, and types as the graph has them."""
import math

import numpy

from ...graph import FLOATS, Unsupported

DTYPES = {"float32": "f32", "float64": "f64", "float16": "f32", "bfloat16": "f32", "int64": "i64", "int32": "i32",
          "int16": "i32", "int8": "i32", "uint8": "i32", "bool": "bool"}


def dtype_of(t):
    return DTYPES.get(t.dtype.name if hasattr(t.dtype, "name") else str(t.dtype), "f32")


def tensor_type(t):
    """dtype and shape as the graph has them; what it cannot have is replaced, and such operations are unknown."""
    shape = tuple(max(1, int(n)) for n in t.shape)
    return dtype_of(t), shape if len(shape) <= 8 else (math.prod(shape),)


def is_plain(t):
    name = t.dtype.name
    return name == "resource" or name in DTYPES and t.shape.rank <= 8 and all(t.shape)


class Call:
    """One operation: operands, attributes by name, results."""

    def __init__(self, tape, value, name, ins, attrs, outs):
        self.tape, self.value, self.name, self.ins, self.attrs, self.outs = tape, value, name, ins, attrs, outs
        self.out = outs[0]

    def node(self, i):
        return self.value(self.ins[i])

    def shape(self, i=None):
        return tuple(self.out.shape) if i is None else tuple(self.ins[i].shape)

    def numbers(self, i):
        """The integers of an operand: axes, a shape."""
        return [int(n) for n in numpy.asarray(self.ins[i]).reshape(-1)]

    def attr(self, name, default=None):
        found = self.attrs.get(name, default)
        return found.decode() if isinstance(found, bytes) else found

    def real(self, i):
        x = self.node(i)
        if self.tape.type(x)[0] not in FLOATS:
            raise Unsupported(self.name)
        return x
