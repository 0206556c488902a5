"""Operations on one element at a time."""
from .call import dtype_of


def _binary(op, swap=False):
    def convert(c):
        x, y = (c.node(1), c.node(0)) if swap else (c.node(0), c.node(1))
        if op in ("div", "pow"):
            c.real(0)
        return c.tape.binary(op, x, y, "bool" if op in ("eq", "ne", "lt", "le") else None)
    return convert


def _unary(op):
    return lambda c: c.tape.unary(op, c.node(0))


def _same(c):
    return c.node(0)


def _stop(c):
    x = c.node(0)
    return c.tape.node("stop_gradient", [x], *c.tape.type(x))


def _cast(c):
    return c.tape.cast(c.node(0), dtype_of(c.out))


def _squared_difference(c):
    return c.tape.unary("square", c.tape.binary("sub", c.real(0), c.real(1)))


def _no_nan(op):
    """x op y, and zero where y is zero."""
    def convert(c):
        t, x, y = c.tape, c.real(0), c.real(1)
        dtype, shape = t.type(y)
        bare = t.binary("eq", y, t.const(0, dtype), "bool")
        safe = t.where(bare, t.const(1, dtype, shape), y) if op == "div" else y
        return t.where(bare, t.const(0, dtype), t.binary(op, x, safe))
    return convert


def _leaky_relu(c):
    t, x = c.tape, c.real(0)
    dtype = t.type(x)[0]
    slope = c.attr("alpha", 0.2)
    return t.where(t.binary("lt", t.const(0, dtype), x, "bool"), x, t.binary("mul", x, t.const(slope, dtype)))


def _relu6(c):
    x = c.real(0)
    return c.tape.binary("minimum", c.tape.unary("relu", x), c.tape.const(6, c.tape.type(x)[0]))


def _elu(c):
    t, x = c.tape, c.real(0)
    zero = t.const(0, t.type(x)[0])
    return t.where(t.binary("lt", zero, x, "bool"), x, t.unary("expm1", t.binary("minimum", x, zero)))


def _reciprocal(c):
    x = c.real(0)
    return c.tape.binary("div", c.tape.const(1, c.tape.type(x)[0]), x)


def _erfc(c):
    x = c.real(0)
    return c.tape.binary("sub", c.tape.const(1, c.tape.type(x)[0]), c.tape.unary("erf", x))


def _where(c):
    return c.tape.where(c.node(0), c.node(1), c.node(2))


def _not(c):
    x = c.node(0)
    return c.tape.node("not", [x], *c.tape.type(x))


def _add_n(c):
    made = c.node(0)
    for k in range(1, len(c.ins)):
        made = c.tape.binary("add", made, c.node(k))
    return made


def _clip(c):
    return c.tape.binary("minimum", c.tape.binary("maximum", c.real(0), c.real(1)), c.real(2))


TABLE = {
    "AddV2": _binary("add"), "Add": _binary("add"), "Sub": _binary("sub"), "Mul": _binary("mul"), "RealDiv": _binary("div"),
    "Maximum": _binary("maximum"), "Minimum": _binary("minimum"), "Pow": _binary("pow"), "LogicalAnd": _binary("and"),
    "LogicalOr": _binary("or"), "Equal": _binary("eq"), "NotEqual": _binary("ne"), "Less": _binary("lt"),
    "LessEqual": _binary("le"), "Greater": _binary("lt", True), "GreaterEqual": _binary("le", True),
    "BiasAdd": _binary("add"), "SquaredDifference": _squared_difference, "DivNoNan": _no_nan("div"),
    "MulNoNan": _no_nan("mul"), "StopGradient": _stop, "PreventGradient": _stop, "Identity": _same, "Snapshot": _same,
    "CheckNumerics": _same, "EnsureShape": _same, "Cast": _cast, "LeakyRelu": _leaky_relu, "Relu6": _relu6, "Elu": _elu,
    "Inv": _reciprocal, "Reciprocal": _reciprocal, "Erfc": _erfc, "SelectV2": _where, "LogicalNot": _not,
    "AddN": _add_n, "ClipByValue": _clip,
}
for _tf, _op in {"Neg": "neg", "Abs": "abs", "Exp": "exp", "Log": "log", "Log1p": "log1p", "Expm1": "expm1", "Tanh": "tanh",
                 "Sigmoid": "sigmoid", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Sin": "sin", "Cos": "cos", "Erf": "erf",
                 "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Round": "round", "Rint": "round", "Relu": "relu", "Softplus": "softplus",
                 "Square": "square"}.items():
    TABLE[_tf] = _unary(_op)
