"""Operations along axes."""
from ...graph import Unsupported
from .call import dtype_of


def _reduce(op):
    def convert(c):
        x, axes = c.real(0), c.numbers(1)
        if not axes:
            return x
        return c.tape.reduce(op, x, axes, bool(c.attr("keep_dims", False)))
    return convert


def _last(op):
    def convert(c):
        x = c.real(0)
        return c.tape.along(op, x, len(c.shape(0)) - 1)
    return convert


def _argmax(op):
    def convert(c):
        t, x, axis = c.tape, c.real(0), c.numbers(1)[0]
        shape = t.type(x)[1]
        kept = [1 if k == axis % len(shape) else n for k, n in enumerate(shape)]
        made = t.node(op, [x], "i32", kept, f"axis={axis % len(shape)}")
        return t.cast(t.reshape(made, c.shape()), dtype_of(c.out))
    return convert


def _cumsum(c):
    if c.attr("exclusive", False) or c.attr("reverse", False):
        raise Unsupported("cumsum")
    return c.tape.along("cumsum", c.real(0), c.numbers(1)[0])


def _l2(c):
    t, x = c.tape, c.real(0)
    return t.binary("mul", t.reduce("sum", t.unary("square", x)), t.const(0.5, t.type(x)[0]))


TABLE = {
    "Sum": _reduce("sum"), "Mean": _reduce("mean"), "Max": _reduce("max"), "Min": _reduce("min"), "Softmax": _last("softmax"),
    "LogSoftmax": _last("log_softmax"), "ArgMax": _argmax("argmax"), "ArgMin": _argmax("argmin"), "Cumsum": _cumsum,
    "L2Loss": _l2,
}
