"""Losses."""
from ...graph import Unsupported


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


TABLE = {
    "cross_entropy": _cross_entropy, "mse_loss": _pair_loss("square"), "l1_loss": _pair_loss("abs"),
    "binary_cross_entropy_with_logits": _bce_logits,
}
