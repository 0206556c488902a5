"""Which node a tensor is."""
import weakref

import torch

from .. import tensors as any_framework
from ..graph import Unsupported, uniform
from . import ops
from ..values import Number


def is_parameter(t):
    """As isinstance, which asks a metaclass written in Python each time."""
    kind = type(t)
    return kind is torch.nn.Parameter or kind is not torch.Tensor and isinstance(t, torch.nn.Parameter)


def begins(t):
    """Do gradients of its own end in it? A view that was made under no_grad has no history, yet is none."""
    return t.requires_grad and t.grad_fn is None and not (t._base is not None and t._base.requires_grad)


class Tensors(any_framework.Tensors):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.shared = {}       # address of a storage: ids of the tensors in it
        self.leaves = {}       # id of a leaf tensor: (weak reference, Leaf, node)
        self.made = {}         # id of a parameter: (weak reference, place)

    def remember(self, t, node):
        super().remember(t, node)
        at = self._address(t)
        if at:
            self.shared.setdefault(at, {})[id(t)] = None

    @staticmethod
    def _address(t):
        """Of the memory it lies in; 0 where it has none."""
        if t.layout != torch.strided or t.is_meta:
            return 0
        try:
            return t.untyped_storage().data_ptr()
        except (RuntimeError, NotImplementedError):
            return 0

    def _is_leaf(self, t):
        return is_parameter(t) or begins(t)

    def _leaf(self, t):
        found = self.leaves.get(id(t))
        if found is not None and found[0]() is t:
            return found
        place = self.made.get(id(t))
        where = place[1] if place is not None and place[0]() is t else None
        dtype, shape = ops.tensor_type(t)
        node = self.tape.leaf("param", "parameter", dtype, shape, where)
        leaf = self.tape.nodes[node].leaf
        leaf.start = self._first_value(t)
        made = self.leaves[id(t)] = (weakref.ref(t), leaf, node)
        self.remember(t, node)
        return made

    def _first_value(self, t):
        """The number that all elements are, or None."""
        if t.is_meta or not t.is_floating_point() or not t.numel():
            return None
        with torch._C.DisableTorchFunction(), torch.no_grad():
            return uniform(t.detach().reshape(-1))

    def value(self, a):
        """The node of an argument."""
        if isinstance(a, torch.Tensor):
            found = self.leaves.get(id(a))
            if is_parameter(a) or found is not None and found[0]() is a:
                return self._used(a)
            node = self.lookup(a)    # also of what was made a leaf later, by requires_grad_
            if node is None and self._is_leaf(a):
                return self._used(a)
            if node is None:
                node = self.tape.leaf("input", "input", *ops.tensor_type(a))
                self.remember(a, node)
            return node
        if isinstance(a, Number):
            return a.source
        if isinstance(a, bool):
            return self.tape.const(a, "bool")
        if isinstance(a, int):
            return self.tape.const(a, "i64")
        if isinstance(a, float):
            return self.tape.const(a, "f32")
        raise Unsupported(str(type(a)))

    def _tensors(self, a, found):
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)):
            for b in a:
                self._tensors(b, found)
        elif isinstance(a, dict):
            for b in a.values():
                self._tensors(b, found)
        return found

    def _used(self, t):
        """The place where it was made is the best one; else that of its first use."""
        _, leaf, node = self._leaf(t)
        if leaf.place is None and self.tape.place is not None and self.tape.place.what not in ("get_grad", "zero_grad"):
            leaf.place = self.tape.place
        return node
