"""Operations that move elements, and tensors that are made of a number."""
import torch

from ...graph import Unsupported
from .call import DTYPES, tensor_type


def _reshape(c):
    return c.tape.reshape(c.node(0), c.out.shape)


def _expand(c):
    return c.tape.stretch(c.node(0), tuple(c.out.shape))


def _swap_last(c):
    r = c.rank()
    return c.tape.transpose(c.node(0), list(range(r - 2)) + [r - 1, r - 2] if r > 1 else list(range(r)))


def _transpose(c):
    r = c.rank()
    perm, i, j = list(range(r)), c.arg(1, "dim0") % r, c.arg(2, "dim1") % r
    perm[i], perm[j] = perm[j], perm[i]
    return c.tape.transpose(c.node(0), perm)


def _permute(c):
    dims = c.arg(1, "dims")
    return c.tape.transpose(c.node(0), dims if isinstance(dims, (list, tuple)) else c.args[1:])


def _cat(c):
    parts, axis = c.arg(0, "tensors"), c.arg(1, "dim", c.kwargs.get("axis", 0))
    dtype = DTYPES[c.out.dtype]
    return c.tape.node("concat", [c.tape.cast(c.value(p), dtype) for p in parts if p.numel()], dtype, c.out.shape,
                       f"axis={axis % c.out.dim()}")


def _stack(c):
    parts, axis = c.arg(0, "tensors"), c.arg(1, "dim", 0)
    axis %= c.out.dim()
    shape = [1 if k == axis else n for k, n in enumerate(c.out.shape)]
    return c.tape.node("concat", [c.tape.reshape(c.value(p), shape) for p in parts], DTYPES[c.out.dtype], c.out.shape,
                       f"axis={axis}")


def _getitem(c):
    t, x, index = c.tape, c.node(0), c.args[1]
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, bool) or not isinstance(i, (int, slice, type(None), type(Ellipsis))) for i in index):
        raise Unsupported("index")
    if Ellipsis in index:
        at = index.index(Ellipsis)
        rest = c.rank() - sum(i is not None and i is not Ellipsis for i in index)
        index = index[:at] + (slice(None),) * rest + index[at + 1:]
    axis = 0
    for i in index:
        if i is None:
            continue
        size = t.type(x)[1][axis]
        if isinstance(i, int):
            x = t.slice(x, axis, i % size, 1, 1)
        else:
            lo, hi, step = i.indices(size)
            x = t.slice(x, axis, lo, step, -(-(hi - lo) // step))
        axis += 1
    return t.reshape(x, c.out.shape)


def _pieces(c):
    axis, lo, made = c.arg(2, "dim", 0) % c.rank(), 0, []
    for o in c.out:
        made.append(c.tape.slice(c.node(0), axis, lo, 1, o.shape[axis]))
        lo += o.shape[axis]
    return made


def _unbind(c):
    axis = c.arg(1, "dim", 0) % c.rank()
    return [c.tape.reshape(c.tape.slice(c.node(0), axis, k, 1, 1), o.shape) for k, o in enumerate(c.out)]


def _filled(value):
    def convert(c):
        return c.tape.const(value, *tensor_type(c.out))
    return convert


def _full(c):
    fill = c.arg(1, "fill_value")
    if isinstance(fill, torch.Tensor):
        raise Unsupported("full")
    return c.tape.const(fill, *tensor_type(c.out))


TABLE = {
    "view": _reshape, "reshape": _reshape, "flatten": _reshape, "unsqueeze": _reshape, "squeeze": _reshape,
    "unflatten": _reshape, "view_as": _reshape, "reshape_as": _reshape, "ravel": _reshape,
    "expand": _expand, "expand_as": _expand, "broadcast_to": _expand,
    "get_T": _swap_last, "get_mT": _swap_last, "t": _swap_last, "transpose": _transpose, "swapaxes": _transpose,
    "permute": _permute, "cat": _cat, "concat": _cat, "stack": _stack, "getitem": _getitem, "chunk": _pieces,
    "split": _pieces, "unbind": _unbind,
    "zeros": _filled(0), "ones": _filled(1), "zeros_like": _filled(0), "ones_like": _filled(1), "new_zeros": _filled(0),
    "new_ones": _filled(1), "full": _full, "full_like": _full,
}
