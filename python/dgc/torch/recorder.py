"""Records what a PyTorch program does, step by step, without changing it.

Every entry from the framework is guarded: an error of ours ends the recording, never the user's run."""
import numpy
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from ..graph import Unsupported
from ..session import guarded
from . import ops
from .tensors import begins
from ..values import Array, Number, source_of
from .writes import Writes

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


class Recorder(Writes, TorchFunctionMode):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)

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
            if self._is_leaf(t) or self.lookup(t) is not None:
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
                self.remember(out, self.tape.unknown("grad", nodes[:1], *ops.tensor_type(out)))
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
            if not begins(o):    # else a leaf of its own
                self.remember(o, node)

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

    # -- opaque calls: one operation with a derivative of its own

    def opaque(self, name, call, args, kwargs):
        if self.failed is not None or self.finished or self.depth:
            return call(*args, **kwargs)
        before = self._before(name, args, kwargs)
        place = self.tape.place
        out, inside = self.unseen(call, args, kwargs)
        self._opaque_result(name, out, before, inside, place)
        return out

    @guarded
    def _opaque_result(self, name, out, before, inside, place):
        self.tape.place = place
        nodes = list(before[1]) if before is not None else []
        for t in inside.values():
            if self._is_leaf(t) or self.lookup(t) is not None:
                nodes.append(self.value(t))
        for o in self._tensors(out, []):
            if self._is_leaf(o):
                continue
            node = self.tape.unknown(name, nodes, *ops.tensor_type(o)) if nodes else self.value(o)
            self._overwrite(o, name, node)
