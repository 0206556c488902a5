"""Operations that move elements, and tensors that are made of a number."""
from ...graph import Unsupported
from .call import dtype_of, tensor_type


def _reshape(c):
    return c.tape.reshape(c.node(0), c.shape())


def _expand(c):
    return c.tape.stretch(c.node(0), c.shape())


def _transpose(c):
    return c.tape.transpose(c.node(0), c.numbers(1))


def _joined(c, parts, axis):
    nodes = [c.tape.cast(c.value(p), dtype_of(c.out)) for p in parts]
    return nodes[0] if len(nodes) == 1 else \
        c.tape.node("concat", nodes, dtype_of(c.out), c.shape(), f"axis={axis % len(c.shape())}")


def _concat(c):
    return _joined(c, c.ins[:-1], c.numbers(len(c.ins) - 1)[0])


def _pack(c):
    axis, t = c.attr("axis", 0) % len(c.shape()), c.tape
    shape = [1 if k == axis else n for k, n in enumerate(c.shape())]
    nodes = [t.reshape(c.value(p), shape) for p in c.ins]
    return nodes[0] if len(nodes) == 1 else t.node("concat", nodes, dtype_of(c.out), c.shape(), f"axis={axis}")


def _unpack(c):
    axis = c.attr("axis", 0) % len(c.shape(0))
    return [c.tape.reshape(c.tape.slice(c.node(0), axis, k, 1, 1), o.shape) for k, o in enumerate(c.outs)]


def _pieces(c, axis, x):
    lo, made = 0, []
    axis %= len(c.outs[0].shape)
    for o in c.outs:
        made.append(c.tape.slice(c.value(x), axis, lo, 1, o.shape[axis]))
        lo += o.shape[axis]
    return made


def _split(c):
    return _pieces(c, c.numbers(0)[0], c.ins[1])


def _split_v(c):
    return _pieces(c, c.numbers(2)[0], c.ins[0])


def _slice(c):
    x = c.node(0)
    for axis, (lo, n) in enumerate(zip(c.numbers(1), c.shape())):
        x = c.tape.slice(x, axis, lo, 1, n)
    return x


def _strided(c):
    """x[begin:end:step], as Python's slices; the masks say which of them were left out."""
    t, x = c.tape, c.node(0)
    begin, end, step = c.numbers(1), c.numbers(2), c.numbers(3)
    masks = {k: int(c.attr(k + "_mask", 0)) for k in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    axis, rank = 0, len(c.shape(0))
    for k, (lo, hi, by) in enumerate(zip(begin, end, step)):
        bit = 1 << k
        if masks["ellipsis"] & bit:
            behind = sum(not masks["new_axis"] & 1 << j for j in range(k + 1, len(begin)))
            axis = rank - behind
            continue
        if masks["new_axis"] & bit:
            continue
        size = t.type(x)[1][axis]
        if masks["shrink_axis"] & bit:
            x = t.slice(x, axis, lo % size, 1, 1)
        else:
            lo, hi, by = slice(None if masks["begin"] & bit else lo, None if masks["end"] & bit else hi, by).indices(size)
            x = t.slice(x, axis, lo, by, -(-(hi - lo) // by))
        axis += 1
    return t.reshape(x, c.shape())


def _pad(c):
    t, x, by = c.tape, c.node(0), c.numbers(1)
    fill = c.node(2) if c.name == "PadV2" else t.const(0, t.type(x)[0])
    for axis in range(len(by) // 2):
        for at, n in ((0, by[2 * axis]), (1, by[2 * axis + 1])):
            if not n:
                continue
            dtype, shape = t.type(x)
            edge = t.stretch(fill, [n if k == axis else m for k, m in enumerate(shape)])
            shape = [m + n if k == axis else m for k, m in enumerate(shape)]
            x = t.node("concat", [edge, x] if at == 0 else [x, edge], dtype, shape, f"axis={axis}")
    return x


def _tile(c):
    t, x = c.tape, c.node(0)
    for axis, n in enumerate(c.numbers(1)):
        if n < 1:
            raise Unsupported("tile")
        if n > 1:
            dtype, shape = t.type(x)
            shape = [m * n if k == axis else m for k, m in enumerate(shape)]
            x = t.node("concat", [x] * n, dtype, shape, f"axis={axis}") if n <= 64 else _unsupported("tile")
    return x


def _unsupported(what):
    raise Unsupported(what)


def _gather(c):
    """Rows of a table; the first operand may be the variable itself."""
    t, table, ids = c.tape, c.node(0), c.node(1)
    axis = c.numbers(2)[0] if len(c.ins) > 2 else 0
    if int(c.attr("batch_dims", 0)) or t.type(ids)[0] not in ("i32", "i64"):
        raise Unsupported("gather")
    return t.node("gather", [table, t.cast(ids, "i32")], dtype_of(c.out), c.shape(),
                  f"axis={axis % len(t.type(table)[1])} along=0")


def _filled(value):
    return lambda c: c.tape.const(value, *tensor_type(c.out))


def _fill(c):
    return c.tape.stretch(c.tape.cast(c.node(1), dtype_of(c.out)), c.shape())


TABLE = {
    "Reshape": _reshape, "Squeeze": _reshape, "ExpandDims": _reshape, "BroadcastTo": _expand, "Transpose": _transpose,
    "ConcatV2": _concat, "Pack": _pack, "Unpack": _unpack, "Split": _split, "SplitV": _split_v, "Slice": _slice,
    "StridedSlice": _strided, "Pad": _pad, "PadV2": _pad, "Tile": _tile, "GatherV2": _gather, "ResourceGather": _gather,
    "ZerosLike": _filled(0), "OnesLike": _filled(1), "Fill": _fill,
}
