"""PyTorch's operations in the words of the op table. What is not here is recorded as unknown: its value and its
derivative then stand open, and nothing wrong can be concluded from it."""
import torch

from ...graph import Unsupported
from . import elementwise, layers, losses, reductions, shapes
from .call import Call, is_plain, tensor_type

__all__ = ["ALIASES", "TABLE", "convert", "tensor_type"]

TABLE = {**elementwise.TABLE, **shapes.TABLE, **reductions.TABLE, **layers.TABLE, **losses.TABLE}
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
