"""Losses, gradients and the steps of optimizers."""
import torch

from ..graph import MOST_ROUNDS
from ..session import Finished, guarded
from ..steps import Optimizer, Step, came_round
from ..witness import classify
from . import ops
from .tensors import Tensors, is_parameter


class Steps(Tensors):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.losses, self.optimizers, self.order = [], {}, []
        self.flagged, self.stepping = [], None

    def _backward(self, func, args, kwargs):
        self._loss(args[0])
        self.depth += 1
        try:
            return func(*args, **kwargs)
        finally:
            self.depth -= 1
            self._manual_round()

    @guarded
    def _loss(self, t):
        place = self.frames.here("backward", skip=4)
        node = self.value(t)
        self.tape.place = place
        dtype, shape = self.tape.type(node)
        if shape:
            node = self.tape.reduce("sum", node)
        self.losses.append((node, place))

    def autograd_grad(self, call, args, kwargs):
        """torch.autograd.grad: what it gives depends on all that was given; by parameters it is a backward pass."""
        if self.failed is not None or self.finished or self.depth:
            return call(*args, **kwargs)
        outputs = self._tensors(args[0] if args else kwargs.get("outputs"), [])
        inputs = self._tensors(args[1] if len(args) > 1 else kwargs.get("inputs"), [])
        before = self._before("grad", (outputs, inputs), {})
        self.depth += 1
        try:
            out = call(*args, **kwargs)
        finally:
            self.depth -= 1
        self._gradient_result(outputs, inputs, out, before, bool(kwargs.get("create_graph")))
        return out

    @guarded
    def _gradient_result(self, outputs, inputs, out, before, again):
        if before is None:
            return
        if not again and any(self._is_leaf(t) and is_parameter(t) for t in inputs):
            for t in outputs:
                self._loss(t)
        for o in self._tensors(out, []):
            self.remember(o, self.tape.unknown("grad", before[1], *ops.tensor_type(o)))

    def _manual_round(self):
        """No optimizer at all, and the user's loop goes on: steps are counted by backward passes."""
        if self.stop and not self.order and len(self.losses) >= 4 * MOST_ROUNDS:
            self.finished = True
            raise Finished()

    def optimizer(self, made):
        found = self.optimizers.get(id(made))
        if found is None or found.made is not made:
            found = self.optimizers[id(made)] = Optimizer(made, self.frames.here(type(made).__name__, skip=3))
        return found

    @guarded
    def optimizer_made(self, made, place):
        self.optimizers[id(made)] = Optimizer(made, place)
        for group in made.param_groups:
            for t in group["params"]:
                self._leaf(t)

    @guarded
    def step_begins(self, made, closure):
        o = self.optimizer(made)
        if not o.begun:
            o.fresh = not o.made.state
            self._take_groups(o)
        o.outer, self.stepping = self.stepping, o
        if closure or not type(made).__module__.startswith("torch.optim"):
            return      # losses come about inside, or anything else
        if not o.quiet:
            o.quiet = True
            self.depth += 1
        self._round(o)

    @guarded
    def step_ends(self, made):
        o = self.optimizer(made)
        if o.quiet:
            o.quiet = False
            self.depth -= 1
        else:
            self._round(o)
        self.stepping = o.outer
        return True

    def _take_groups(self, o):
        for group in o.made.param_groups:
            numbers = self._settings(group)
            flags = {k: v for k, v in group.items() if isinstance(v, bool)}
            o.varying.append(set())
            params = []
            for t in group["params"]:
                ref, leaf, node = self._leaf(t)
                o.begun[id(t)] = (leaf, node)
                params.append((t, leaf, node))
            o.groups.append((numbers, flags, params))

    @staticmethod
    def _settings(group):
        numbers = {k: float(v) for k, v in group.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
        betas = group.get("betas", ())
        numbers.update({f"beta{k + 1}": float(b) for k, b in enumerate(betas) if isinstance(b, (int, float))})
        return numbers

    def _round(self, o):
        self._note_flags()
        for group, (numbers, _, _), varying in zip(o.made.param_groups, o.groups, o.varying):
            now = self._settings(group)
            varying.update(k for k in numbers if now.get(k) != numbers[k])
        for _, _, params in o.groups:
            for t, leaf, _ in params:
                if not t.requires_grad and leaf.note is None:
                    leaf.frozen = leaf.frozen or not o.steps
                else:
                    leaf.frozen = False
        if not o.steps:
            self.order.append(o)
        o.steps.append(Step(self.losses[o.since:], self._seen(o)))
        o.since = len(self.losses)

    def _note_flags(self):
        """`module.requires_grad = True` sets an attribute of the module, and nothing else."""
        for module, place in self.flagged:
            if vars(module).get("requires_grad") is not True:
                continue
            for p in module.parameters():
                found = self.leaves.get(id(p))
                if found is not None and found[0]() is p and not p.requires_grad:
                    found[1].note = (place, "this sets an attribute of the module; its parameters stay frozen")
        self.flagged = []

    @staticmethod
    def _seen(o):
        """The framework's own gradients: one class each."""
        leaves, sizes = [], []
        with torch._C.DisableTorchFunction(), torch.no_grad():
            for _, _, params in o.groups:
                for t, leaf, _ in params:
                    leaves.append(leaf)
                    g = t.grad.coalesce().values() if t.grad is not None and t.grad.is_sparse else t.grad
                    sizes.append(None if g is None else float(g.detach().abs().max()) if g.numel() else 0.0)
        return dict(zip(leaves, classify(sizes)))

    def enough(self):
        """Has every optimizer that steps come round often enough?"""
        return self.failed is None and came_round(self.order, self.optimizers.values())
