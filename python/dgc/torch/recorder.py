"""Records what a PyTorch program does, step by step, without changing it.

Every entry from the framework is guarded: an error of ours ends the recording, never the user's run."""
import weakref

import numpy
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from ..frames import Frames
from ..graph import MOST_ROUNDS, Tape, Unsupported, uniform
from ..session import Finished, Guard, guarded
from ..witness import classify
from . import ops
from .values import Array, Number, source_of

ROUNDS = 3
# Calls that make no value from a tensor's elements.
_ASIDE = frozenset("""size dim numel stride is_floating_point is_complex is_contiguous data_ptr element_size nelement ndimension
is_pinned is_shared is_inference storage_offset untyped_storage storage register_hook retain_grad register_post_accumulate_grad_hook
zero_grad is_same_size is_set_to is_signed is_conj is_neg __len__ __repr__ __format__ __hash__ __dir__ __deepcopy__
__reduce_ex__ _is_view get_device has_names dim_order is_tensor is_storage manual_seed
_record_function_enter_new _RecordFunction _record_function_exit share_memory_ pin_memory _set_grad_enabled is_grad_enabled
is_autocast_enabled get_default_dtype requires_grad_ __array_priority__ _typed_storage result_type can_cast promote_types""".split())
# What tells of a tensor, not of its elements.
_ABOUT = (str, torch.Size, torch.dtype, torch.device, torch.layout)
# They read the shape of a tensor only.
_LIKE = frozenset("""empty_like zeros_like ones_like rand_like randn_like full_like randint_like new_zeros new_ones new_empty
new_full""".split())


class Step:
    """One round of an optimizer."""

    __slots__ = ("losses", "seen")

    def __init__(self, losses, seen):
        self.losses, self.seen = losses, seen


class Optimizer:
    """One optimizer of the user's, or the updates that the user writes by hand."""

    def __init__(self, made, place):
        self.made, self.place = made, place
        self.steps, self.since, self.groups, self.begun, self.fresh = [], 0, [], {}, False
        self.varying = []   # by group: settings that a schedule changes


class Write:
    """A parameter was written outside of its optimizer."""

    __slots__ = ("value", "place", "round")

    def __init__(self, value, place, round_):
        self.value, self.place, self.round = value, place, round_


class Recorder(Guard, TorchFunctionMode):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.tape, self.frames = Tape(), Frames()
        self.depth = 0
        self.known = {}        # id of a tensor: (weak reference, node)
        self.shared = {}       # address of a storage: ids of the tensors in it
        self.leaves = {}       # id of a leaf tensor: (weak reference, Leaf, node)
        self.gradients = {}    # id of a `.grad`: node of the parameter
        self.no_grad = []      # places of the blocks that are open
        self.inside = None     # tensors read inside of an opaque call
        self.losses, self.optimizers, self.order = [], {}, []
        self.made, self.set_at, self.writes, self.flagged = {}, {}, {}, []
        self.stepping = None

    # -- tensors and nodes

    def _remember(self, t, node):
        self.known[id(t)] = (weakref.ref(t), node)
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

    def _lookup(self, t):
        found = self.known.get(id(t))
        return found[1] if found is not None and found[0]() is t else None

    def _is_leaf(self, t):
        return isinstance(t, torch.nn.Parameter) or (t.requires_grad and t.grad_fn is None)

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
        self._remember(t, node)
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
            if isinstance(a, torch.nn.Parameter) or found is not None and found[0]() is a:
                return self._used(a)
            node = self._lookup(a)    # also of what was made a leaf later, by requires_grad_
            if node is None and self._is_leaf(a):
                return self._used(a)
            if node is None:
                node = self.tape.leaf("input", "input", *ops.tensor_type(a))
                self._remember(a, node)
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

    # -- calls

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.failed is not None or self.finished or self.depth:
            if self.inside is not None and self.failed is None:
                self._read_inside(args, kwargs)
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            q = self._property(func)
            if name == "__set__" or q not in ("T", "mT", "data", "grad", "H", "real"):
                out = func(*args, **kwargs)
                if name == "__set__" and q == "data":
                    self._assigned_data(args)
                return out
            name = "get_" + q
        if name == "_set_grad_enabled":
            out = func(*args, **kwargs)
            self._grad_mode(args)
            return out
        if name in _ASIDE:
            return func(*args, **kwargs)
        if name == "backward":
            return self._backward(func, args, kwargs)
        before = self._before(name, args, kwargs)
        self.depth += 1
        try:
            out = func(*args, **kwargs)
        finally:
            self.depth -= 1
        if before is None:
            return out
        kept = self._after(name, args, kwargs, out, before)
        return out if kept is None else kept

    def _property(self, func):
        owner = getattr(func, "__self__", None)
        return getattr(owner, "__name__", "") or (resolve_name(func) or "").split(".")[-2:-1] or ""

    @guarded
    def _read_inside(self, args, kwargs):
        for t in self._tensors([args, kwargs], []):
            if self._is_leaf(t) or self._lookup(t) is not None:
                self.inside.setdefault(id(t), t)

    @guarded
    def _grad_mode(self, args):
        if args and args[0] is False:
            self.no_grad.append(self.frames.here("no_grad", skip=2))
        elif self.no_grad:
            self.no_grad.pop()

    @guarded
    def _before(self, name, args, kwargs):
        """Nodes of the operands, before the call may change them."""
        self.tape.place = self.frames.here(name.strip("_") or None, skip=3)
        tensors = [] if name in _LIKE else self._tensors([args, kwargs], [])
        return tensors, [self.value(t) for t in tensors]

    @guarded
    def _after(self, name, args, kwargs, out, before):
        tensors, nodes = before
        if name == "get_grad":
            if isinstance(out, torch.Tensor):
                self.gradients[id(out)] = nodes[0]
                self._remember(out, self.tape.unknown("grad", nodes[:1], *ops.tensor_type(out)))
            return None
        in_place = name == "__setitem__" or name.startswith("__i") and name not in ("__invert__", "__index__", "__int__") \
            or name.endswith("_") and not name.endswith("__") or kwargs.get("out") is not None
        if in_place and tensors:
            return self._in_place(name, args, kwargs, out, tensors, nodes)
        if isinstance(out, float) and name == "item" and nodes:
            return Number(out, self.tape.host("item", nodes[:1], "f32", ()))
        if isinstance(out, list) and name == "tolist" and nodes and tensors[0].numel() <= 4096:
            return self._listed(out, self.tape.host("tolist", nodes[:1], *self.tape.type(nodes[0])))
        if isinstance(out, numpy.ndarray) and nodes and name in ("numpy", "__array__"):
            made = out.view(Array)
            made.source = self.tape.host("numpy", nodes[:1], *self._array_type(out))
            return made
        outs = self._tensors(out, [])
        if not outs and nodes and out is not None and not isinstance(out, _ABOUT):
            self.tape.host(name.strip("_") or "python", nodes, "f32", ())    # a plain value: nobody can follow it
            return None
        if not outs or any(o is t for o in outs for t in tensors) and len(outs) == 1:
            return None
        self._result(name, args, kwargs, out, outs, tensors, nodes)
        return None

    def _listed(self, out, source):
        return [self._listed(x, source) if isinstance(x, list) else Number(x, source) if isinstance(x, float) else x for x in out]

    @staticmethod
    def _array_type(a):
        dtype = {"f": "f32" if a.dtype.itemsize <= 4 else "f64", "b": "bool"}.get(a.dtype.kind, "i64")
        return dtype, tuple(max(1, n) for n in a.shape[:8])

    def _result(self, name, args, kwargs, out, outs, tensors, nodes):
        grad = torch.is_grad_enabled()
        try:
            if name in ("tensor", "as_tensor", "from_numpy", "scalar_tensor", "new_tensor"):
                raise Unsupported(name)
            if source_of([args]) is not None and name in ("full", "full_like"):
                raise Unsupported(name)
            made = ops.convert(self.tape, self.value, name, args, kwargs, out)
            made = made if isinstance(made, list) else [made]
        except (Unsupported, TypeError, ValueError, KeyError, IndexError, AttributeError):
            wanted = grad and any(t.requires_grad for t in tensors)
            made = [self._unmapped(name, args, nodes, o, wanted and not o.requires_grad) for o in outs]
        for o, node in zip(outs, made):
            dtype, shape = ops.tensor_type(o)
            if not grad and nodes and dtype in ("f32", "f64"):
                node = self.tape.node("stop_gradient", [node], dtype, shape, place=self.no_grad[-1] if self.no_grad else None)
            if not (o.requires_grad and o.grad_fn is None):    # else a leaf of its own
                self._remember(o, node)

    def _unmapped(self, name, args, nodes, o, ends):
        """`ends`: the framework itself gives the result no gradient."""
        dtype, shape = ops.tensor_type(o)
        source = source_of([args])
        if source is not None:
            return self.tape.host("tensor", [source], dtype, shape)
        if not nodes:
            return self.tape.leaf("input", name.strip("_") or "input", dtype, shape)
        if ends:
            return self.tape.host(name.strip("_") or name, nodes, dtype, shape)
        return self.tape.unknown(name.strip("_") or name, nodes, dtype, shape)

    # -- writes

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
            self._remember(out, node)
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
                self._remember(t, self.tape.unknown("alias_of_" + name.strip("_"), [found[1], node], *ops.tensor_type(t)))
        self._remember(target, node)

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
            self._remember(t, self.tape.unknown("data", [self.value(source)], *ops.tensor_type(t)))

    # -- opaque calls: one operation with a derivative of its own

    def opaque(self, name, call, args, kwargs):
        if self.failed is not None or self.finished or self.depth:
            return call(*args, **kwargs)
        before = self._before(name, args, kwargs)
        place, self.inside = self.tape.place, {}
        self.depth += 1
        try:
            out = call(*args, **kwargs)
        finally:
            self.depth -= 1
            inside, self.inside = self.inside, None
        self._opaque_result(name, out, before, inside, place)
        return out

    @guarded
    def _opaque_result(self, name, out, before, inside, place):
        self.tape.place = place
        nodes = list(before[1]) if before is not None else []
        for t in inside.values():
            if self._is_leaf(t) or self._lookup(t) is not None:
                nodes.append(self.value(t))
        for o in self._tensors(out, []):
            if self._is_leaf(o):
                continue
            node = self.tape.unknown(name, nodes, *ops.tensor_type(o)) if nodes else self.value(o)
            self._overwrite(o, name, node)

    # -- losses and steps

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
        if not again and any(self._is_leaf(t) and isinstance(t, torch.nn.Parameter) for t in inputs):
            for t in outputs:
                self._loss(t)
        for o in self._tensors(out, []):
            self._remember(o, self.tape.unknown("grad", before[1], *ops.tensor_type(o)))

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
        self.stepping = o
        if not closure:
            self.depth += 1
            self._round(o)

    @guarded
    def step_ends(self, made, closure):
        o = self.optimizer(made)
        if closure:
            self._round(o)
        else:
            self.depth = max(0, self.depth - 1)
        self.stepping = None
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
        if self.failed is not None or not self.order:
            return False
        counts = [len(o.steps) for o in self.order]
        return min(counts) >= ROUNDS and (max(counts) > ROUNDS or self._all_seen()) or max(counts) >= MOST_ROUNDS

    def _all_seen(self):
        """All that were made have stepped; who has not may still come."""
        return all(o.steps for o in self.optimizers.values() if o.made is not None)
