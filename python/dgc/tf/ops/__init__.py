"""TensorFlow's operations in the words of the op table. What is not here is recorded as unknown: its value and its
derivative then stand open, and nothing wrong can be concluded from it."""
from ...graph import Unsupported
from . import elementwise, layers, reductions, shapes
from .call import Call, is_plain, tensor_type

__all__ = ["CONSTANT", "TABLE", "convert", "tensor_type"]

TABLE = {**elementwise.TABLE, **shapes.TABLE, **reductions.TABLE, **layers.TABLE}
CONSTANT = frozenset(("Fill", "ZerosLike", "OnesLike"))    # they make a tensor of a number


def convert(tape, value, name, ins, attrs, outs):
    """The nodes of the results (None: not followed), or Unsupported."""
    rule = TABLE.get(name)
    if rule is None or not all(map(is_plain, outs)) or not all(map(is_plain, ins)):
        raise Unsupported(name)
    made = rule(Call(tape, value, name, ins, attrs, outs))
    made = made if isinstance(made, list) else [made]
    for o, i in zip(outs, made):
        if i is not None and tape.type(i) != tensor_type(o):
            raise Unsupported(name)
    return made + [None] * (len(outs) - len(made))
