"""Operations on one element at a time."""
import math

import torch

from ...graph import Unsupported
from .call import DTYPES, promoted, two


def _binary(op, swap=False):
    def convert(c):
        c.plain("other", "alpha")
        if c.arg(9, "alpha", 1) != 1:
            raise Unsupported(op)
        x, y = c.arg(0), c.arg(1, "other")
        return two(c, op, y, x) if swap else two(c, op, x, y)
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


def _pow(c):
    if c.arg(1, "exponent") == 2 and not isinstance(c.arg(1, "exponent"), torch.Tensor):
        return c.tape.unary("square", c.node(0))
    y = c.arg(1, "exponent")
    return two(c, "pow", c.arg(0), y if isinstance(y, torch.Tensor) else float(y))


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


def _where(c):
    if len(c.args) != 3:
        raise Unsupported("where")
    x, y = promoted(c, c.value(c.args[1]), c.value(c.args[2]), c.out)
    return c.tape.where(c.value(c.args[0]), x, y)


def _not(c):
    x = c.node(0)
    if c.tape.type(x)[0] != "bool":
        raise Unsupported("not")
    return c.tape.node("not", [x], *c.tape.type(x))


def _logic(op):
    def convert(c):
        return c.tape.binary(op, c.node(0), c.node(1))
    return convert


TABLE = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"), "div": _binary("div"),
    "rsub": _binary("sub", True), "rdiv": _binary("div", True), "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "eq": _binary("eq"), "ne": _binary("ne"), "lt": _binary("lt"), "le": _binary("le"), "gt": _binary("lt", True),
    "ge": _binary("le", True),
    "softplus": _softplus, "pow": _pow, "gelu": _gelu, "silu": _silu, "leaky_relu": _leaky_relu, "clamp": _clamp,
    "detach": _stop, "get_data": _stop, "clone": _same, "contiguous": _same, "requires_grad": _same, "alias": _same,
    "to": _cast, "float": _cast, "double": _cast, "int": _cast, "long": _cast, "type": _cast, "type_as": _cast,
    "half": _cast, "bfloat16": _cast, "cpu": _same, "cuda": _same, "where": _where,
    "logical_not": _not, "invert": _not, "logical_and": _logic("and"), "logical_or": _logic("or"), "and": _logic("and"),
    "or": _logic("or"),
}
for _op in ("neg", "abs", "exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sqrt", "rsqrt", "sin", "cos", "erf", "sign",
            "floor", "ceil", "round", "relu", "square"):
    TABLE[_op] = _unary(_op)
