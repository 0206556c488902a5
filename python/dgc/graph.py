"""What was recorded, and its text: a `.dgg` file (docs/import.md)."""
import math
import os
import re

FLOATS = ("f32", "f64")
LEAST_ROUNDS, MOST_ROUNDS = 3, 16    # the steps without which nothing is judged; those that a file tells of


class Unsupported(Exception):
    """The op table has no such operation: it is recorded as unknown."""


class NotJudged(Exception):
    """Why nothing can be said."""


class Leaf:
    __slots__ = ("kind", "name", "dtype", "shape", "place", "frozen", "set", "start", "note")

    def __init__(self, kind, name, dtype, shape, place=None):
        self.kind, self.name, self.dtype, self.shape, self.place = kind, name, dtype, tuple(shape), place
        self.frozen, self.set, self.start, self.note = False, None, None, None


class Node:
    __slots__ = ("op", "ins", "dtype", "shape", "attrs", "place", "leaf")

    def __init__(self, op, ins, dtype, shape, attrs, place, leaf):
        self.op, self.ins, self.dtype, self.shape = op, ins, dtype, tuple(shape)
        self.attrs, self.place, self.leaf = attrs, place, leaf


def number(value):
    value = float(value)
    if math.isnan(value):
        return "nan"
    return ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)


def uniform(flat):
    """The finite number that all elements of a flat array are, or None."""
    if not len(flat):
        return None
    first = float(flat[0])
    return first if math.isfinite(first) and bool((flat == flat[0]).all()) else None


def unique(base, taken):
    """The name, or with a number what is not taken yet; it is from now on."""
    name, k = base, 2
    while name in taken:
        name, k = f"{base}_{k}", k + 1
    taken.add(name)
    return name


def broadcast_shape(*shapes):
    rank = max(map(len, shapes))
    out = []
    for k in range(rank):
        sizes = {s[len(s) - rank + k] for s in shapes if len(s) - rank + k >= 0} - {1}
        if len(sizes) > 1:
            raise Unsupported("shapes")
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


class Tape:
    """Nodes in the order in which they were made; operands by number."""

    LIMIT = 1_000_000

    def __init__(self):
        self.nodes = []
        self.place = None   # given to new nodes

    def type(self, i):
        n = self.nodes[i]
        return n.dtype, n.shape

    def node(self, op, ins, dtype, shape, attrs="", leaf=None, place=None):
        if len(self.nodes) >= self.LIMIT:
            raise MemoryError("more operations than the recorder keeps")
        self.nodes.append(Node(op, list(ins), dtype, shape, attrs, place or self.place, leaf))
        return len(self.nodes) - 1

    def leaf(self, kind, name, dtype, shape, place=None):
        return self.node("leaf", [], dtype, shape, leaf=Leaf(kind, name, dtype, shape, place))

    def const(self, value, dtype, shape=()):
        if dtype in FLOATS:
            text = number(value)
        elif math.isfinite(value):
            text = str(int(value))
        else:
            raise Unsupported("an integer that is none")
        return self.node("const " + text, [], dtype, shape)

    def unknown(self, name, ins, dtype, shape):
        """Value and derivative are not known; what depends on it is open."""
        return self.node("unknown", ins, dtype, shape, f"name={word(name)}")

    def host(self, name, ins, dtype, shape):
        """A value that left the framework: no gradient comes back."""
        return self.node("host", ins, dtype, shape, f"name={word(name)}")

    # -- what frameworks do implicitly

    def stretch(self, x, shape):
        dtype, own = self.type(x)
        return x if own == tuple(shape) else self.node("broadcast", [x], dtype, shape)

    def reshape(self, x, shape):
        dtype, own = self.type(x)
        if math.prod(own) != math.prod(shape):
            raise Unsupported("reshape")
        return x if own == tuple(shape) else self.node("reshape", [x], dtype, shape)

    def cast(self, x, dtype):
        own, shape = self.type(x)
        op = self.nodes[x].op
        if own != dtype and op.startswith("const ") and own != "bool" and dtype != "bool":
            return self.const(float(op[6:]), dtype, shape)
        return x if own == dtype else self.node("cast", [x], dtype, shape)

    def unary(self, op, x):
        dtype, shape = self.type(x)
        if dtype not in FLOATS and op not in ("neg", "abs", "sign", "square"):
            raise Unsupported(op)
        return self.node(op, [x], dtype, shape)

    def binary(self, op, x, y, result=None):
        dtype = self.type(x)[0]
        if self.type(y)[0] != dtype:
            raise Unsupported(op)
        shape = broadcast_shape(self.type(x)[1], self.type(y)[1])
        return self.node(op, [self.stretch(x, shape), self.stretch(y, shape)], result or dtype, shape)

    def where(self, c, x, y):
        shape = broadcast_shape(*(self.type(i)[1] for i in (c, x, y)))
        return self.node("where", [self.stretch(i, shape) for i in (c, x, y)], self.type(x)[0], shape)

    def transpose(self, x, perm):
        dtype, shape = self.type(x)
        perm = [p % len(shape) for p in perm] if shape else []
        if perm == list(range(len(shape))):
            return x
        return self.node("transpose", [x], dtype, [shape[p] for p in perm], f"perm={perm}")

    def reduce(self, op, x, axes=None, keep=False):
        dtype, shape = self.type(x)
        if dtype not in FLOATS:
            raise Unsupported(op)
        axes = sorted({a % len(shape) for a in axes}) if axes is not None else list(range(len(shape)))
        if not axes:
            return x
        kept = [1 if k in axes else n for k, n in enumerate(shape)]
        y = self.node(op, [x], dtype, kept, f"axes={axes} order=0")
        return y if keep else self.reshape(y, [n for k, n in enumerate(shape) if k not in axes])

    def along(self, op, x, axis):
        dtype, shape = self.type(x)
        return self.node(op, [x], dtype, shape, f"axis={axis % len(shape)}")

    def slice(self, x, axis, start, step, extent):
        dtype, shape = self.type(x)
        if extent < 1 or step < 1:
            raise Unsupported("slice")
        if start == 0 and step == 1 and extent == shape[axis]:
            return x
        out = list(shape)
        out[axis] = extent
        return self.node("slice", [x], dtype, out, f"axis={axis} start={start} step={step}")

    def contract(self, x, y, ta=0, tb=0):
        (dtype, a), (other, b) = self.type(x), self.type(y)
        if dtype != other or a[:-2] != b[:-2] or len(a) < 2 or (a[-2] if ta else a[-1]) != (b[-1] if tb else b[-2]):
            raise Unsupported("product")
        shape = list(a[:-2]) + [a[-1] if ta else a[-2], b[-2] if tb else b[-1]]
        return self.node("contract", [x, y], dtype, shape, f"ta={ta} tb={tb} order=0")

    def normalise(self, x, axes, eps):
        dtype = self.type(x)[0]
        centred = self.binary("sub", x, self.reduce("mean", x, axes, True))
        variance = self.reduce("mean", self.unary("square", centred), axes, True)
        return self.binary("mul", centred, self.unary("rsqrt", self.binary("add", variance, self.const(eps, dtype))))

    # -- losses: pairs of a node and a place

    def distinct(self, losses):
        """Without those that did the same as one before."""
        shapes = {}
        for node, place in losses:
            shapes.setdefault(self.shape_of(node), (node, place))
        return list(shapes.values())

    def total(self, losses):
        node, place = losses[0]
        dtype = self.type(node)[0]
        if dtype not in FLOATS:
            raise NotJudged("a loss that is no real number")
        for other, at in losses[1:]:
            self.place = at
            node = self.binary("add", node, self.cast(other, dtype))
        self.place = None
        return node, place

    def with_python(self, loss, place, params, last):
        """The loss, with what Python took, before the last one was made, of parameters that the loss does not read as
        arrays. Python may have made anything of it, the choice of a branch or a number in the loss. No gradient comes
        back, and to say that nothing reads it would be untrue."""
        lost = params - self.cone([loss])
        bit = {node: 1 << k for k, node in enumerate(sorted(lost))}
        left, reached = (1 << len(bit)) - 1, {}     # by node: the lost parameters that it depends on, a bit each
        dtype, at = self.type(loss)[0], place and place.called("python")
        for i in range(min(lost, default=last), last):
            n, found = self.nodes[i], bit.get(i, 0)
            for k in n.ins if n.op != "grad" else ():    # of a loss that does not read them
                found |= reached.get(k, 0)
            if found:
                reached[i] = found
            if found & left and n.op == "host":
                self.place, left = at, left & ~found
                taken = self.cast(i, dtype) if not n.shape else self.host("python", [i], dtype, ())
                loss = self.binary("mul", loss, taken)
        self.place = None
        return loss

    # -- questions

    def cone(self, roots, through_cuts=True):
        """The nodes that these need. Without cuts: those that they have a path of gradient from."""
        seen, todo = set(), list(roots)
        while todo:
            i = todo.pop()
            if i in seen:
                continue
            seen.add(i)
            if through_cuts or self.nodes[i].op not in ("stop_gradient", "host"):
                todo.extend(self.nodes[i].ins)
        return seen

    def shape_of(self, root):
        """Equal for two steps that did the same: what they are made of, without the data."""
        numbers, parts = {}, []
        for k, i in enumerate(sorted(self.cone([root]))):
            n = self.nodes[i]
            numbers[i] = k
            own = id(n.leaf) if n.leaf is not None and n.leaf.kind == "param" else None
            place = n.place.key() if n.place is not None else None
            parts.append((n.op, tuple(numbers[j] for j in n.ins), n.dtype, n.shape, n.attrs, own, place))
        return hash(tuple(parts))


def word(name):
    return re.sub(r"[^A-Za-z0-9_.\[\]-]", "_", name) or "_"


def type_text(dtype, shape):
    return dtype + ("[" + ", ".join(map(str, shape)) + "]" if shape else "")


class Writer:
    """One file: the places, then a graph for each step and for what is written beside them."""

    def __init__(self, producer):
        self.producer, self.files, self.placed, self.place_lines = producer, {}, {None: 0}, []
        self.lines, self.nodes, self.graphs = [], 0, 0
        self.declared, self.names = {}, set()

    def place(self, p):
        todo = []
        while p is not None and p not in self.placed:
            todo.append(p)
            p = p.caller
        for q in reversed(todo):
            file = self.files.setdefault(shown_name(q.file), len(self.files) + 1)
            self.placed[q] = len(self.placed)
            what = word(q.what.strip("<>")) if q.what else ""
            self.place_lines.append(f"place {self.placed[q]} {file} {q.line} {q.col} {q.end_line} {q.end_col} "
                                    f"{self.placed[q.caller]} {what}".rstrip())
        return self.placed[todo[0] if todo else p]

    def at(self, p):
        return f" @{self.place(p)}" if p is not None else ""

    def name(self, leaf):
        if leaf not in self.declared:
            self.declared[leaf] = unique(word(leaf.name), self.names)
        return self.declared[leaf]

    def graph(self, name, tape, roots):
        """Writes the nodes that roots need; returns their numbers in the text."""
        self.graphs += 1
        self.lines.append(f"graph {word(name)}")
        needed = sorted(tape.cone(roots))
        for i in needed:
            leaf = tape.nodes[i].leaf
            if leaf is not None:
                self.lines.append(f"{leaf.kind} {self.name(leaf)}: {type_text(leaf.dtype, leaf.shape)}"
                                  + (" frozen" if leaf.frozen else "") + self.at(leaf.place))
        at = {}
        for k, i in enumerate(needed):
            n = tape.nodes[i]
            at[i] = k
            op = f"leaf {self.name(n.leaf)}" if n.leaf is not None else n.op
            self.lines.append(f"%{k}: {type_text(n.dtype, n.shape)} = {op}" + "".join(f" %{at[j]}" for j in n.ins)
                              + (f" {{{n.attrs}}}" if n.attrs else "") + self.at(n.place))
        self.nodes += len(needed)
        return at

    def line(self, text):
        self.lines.append(text)

    def start(self, leaf):
        if leaf.start is not None and leaf.dtype in FLOATS:
            self.line(f"start {self.name(leaf)} {number(leaf.start)}")

    def seen(self, leaf, classes):
        self.line(f"seen {self.name(leaf)} " + " ".join(classes[:MOST_ROUNDS]))

    def text(self):
        head = [f"dgg 1 {self.producer}"]
        head += [f"file {i} {name}" for name, i in self.files.items()] + self.place_lines
        return "\n".join(head + self.lines + [f"end nodes={self.nodes} graphs={self.graphs}"]) + "\n"


def shown_name(file):
    """As the user would write it."""
    full, here = os.path.abspath(file), os.path.join(os.getcwd(), "")
    return (full[len(here):] if full.startswith(here) else full).replace("\n", "?")
