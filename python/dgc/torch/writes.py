"""Tensors that are written in place, and parameters that are written outside of their optimizer."""
import torch

from ..graph import Unsupported
from ..session import guarded
from . import ops
from .steps import Steps
from ..values import source_of


class Write:
    """A parameter was written outside of its optimizer."""

    __slots__ = ("value", "place", "round")

    def __init__(self, value, place, round_):
        self.value, self.place, self.round = value, place, round_


class Writes(Steps):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.no_grad = []                  # places of the blocks that are open
        self.set_at, self.writes = {}, {}  # by id of a Leaf: where its first value was set; writes

    def _in_place(self, name, args, kwargs, out, tensors, nodes):
        target = kwargs.get("out") if isinstance(kwargs.get("out"), torch.Tensor) else tensors[0]
        if name in ("requires_grad_", "share_memory_"):
            return None
        owner = self._parameter_at(target)
        if owner is not None:
            return self._written(owner, name, args, kwargs, target, nodes)
        dtype, shape = ops.tensor_type(target)
        node = None
        if name not in ("__setitem__",) and kwargs.get("out") is None:
            try:
                made = ops.convert(self.tape, self.value, name, args, kwargs, target)
                node = made if isinstance(made, int) and self.tape.type(made) == (dtype, shape) else None
            except (Unsupported, TypeError, ValueError, KeyError, IndexError, AttributeError):
                node = None
        if node is None and name in ("zero_", "fill_") and len(nodes) == 1:
            node = self.tape.const(0 if name == "zero_" else float(args[1]), dtype, shape)
        if node is None and name == "copy_" and len(nodes) > 1 and self.tape.type(nodes[1]) == (dtype, shape):
            node = nodes[1]
        if node is None:
            source = source_of([args])
            node = self.tape.unknown(name.strip("_"), nodes + ([] if source is None else [source]), dtype, shape)
        if not torch.is_grad_enabled() and dtype in ("f32", "f64"):
            node = self.tape.node("stop_gradient", [node], dtype, shape, place=self.no_grad[-1] if self.no_grad else None)
        self._overwrite(target, name, node)
        if isinstance(out, torch.Tensor) and out is not target:
            self.remember(out, node)
        return None

    def _overwrite(self, target, name, node):
        """The target has a new value, and so has everything that lies in its memory."""
        at = self._address(target)
        others = self.shared.get(at, {})
        for key in list(others):
            found = self.known.get(key)
            t = found[0]() if found is not None else None
            if t is None or self._address(t) != at:    # numbers and addresses come again
                del others[key]
            elif t is not target and not self._is_leaf(t):
                self.remember(t, self.tape.unknown("alias_of_" + name.strip("_"), [found[1], node], *ops.tensor_type(t)))
        self.remember(target, node)

    def _parameter_at(self, t):
        """The leaf whose memory this is."""
        if self._is_leaf(t):
            return self._leaf(t)
        if t.grad_fn is not None:
            return None
        at = self._address(t)
        for key in self.shared.get(at, {}) if at else ():
            found = self.leaves.get(key)
            own = found[0]() if found is not None else None
            if own is not None and self._address(own) == at:
                return found
        return None

    def _written(self, owner, name, args, kwargs, target, nodes):
        ref, leaf, node = owner
        place = self.frames.here(name.strip("_"), skip=4)
        if not self.losses:    # initial values
            self.set_at[id(leaf)] = place
            leaf.start = self._first_value(ref())
            return None
        if self.stepping is not None and id(ref()) in self.stepping.begun:
            return None        # its own optimizer
        whole = self.tape.type(node) == ops.tensor_type(target)
        value = nodes[1] if name == "copy_" and len(nodes) > 1 and whole else None
        if value is None or self.tape.type(value) != (leaf.dtype, leaf.shape):
            value = self.tape.unknown(name.strip("_"), [node] + nodes, leaf.dtype, leaf.shape)
        self.writes.setdefault(id(leaf), []).append(Write(value, place, len(self.losses)))
        return None

    @guarded
    def _assigned_data(self, args):
        t, source = args[0], args[1]
        if self._is_leaf(t) and isinstance(source, torch.Tensor):
            owner = self._leaf(t)
            self._written(owner, "copy_", args, {}, t, [owner[2], self.value(source)])
        elif isinstance(source, torch.Tensor):
            self.remember(t, self.tape.unknown("data", [self.value(source)], *ops.tensor_type(t)))
