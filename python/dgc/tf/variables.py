"""Variables: where they were made, reads, and writes outside of an optimizer."""
import gc
import weakref

import numpy
from tensorflow.python.ops import resource_variable_ops

from ..graph import FLOATS, Unsupported, uniform
from ..session import guarded
from .ops.call import tensor_type
from .tensors import Tensors

Resource = resource_variable_ops.BaseResourceVariable


def is_whole(v):
    """Is it a variable, and not what an assignment gives for one?"""
    return getattr(v, "_handle", None) is not None and not isinstance(v, resource_variable_ops._UnreadVariable)


class Write:
    """A variable was written outside of its optimizer."""

    __slots__ = ("value", "place", "round")

    def __init__(self, value, place, round_):
        self.value, self.place, self.round = value, place, round_


class Variables(Tensors):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.leaves = {}      # id of a handle: (weak reference to it, Leaf, node)
        self.objects = {}     # id of a handle: weak reference to the variable
        self.made = {}        # id of a handle: where its variable was made
        self.first = None     # pairs of a variable that is made now and its first value, where somebody asks for them
        self.current = {}     # id of a handle: node of what a state was set to in this round
        self.set_at, self.writes = {}, {}   # by id of a Leaf: where its first value was set; writes
        self.losses, self.renew = [], []

    @guarded
    def variables_alive(self):
        """Those that were made before the recording began."""
        for v in [o for o in gc.get_objects() if issubclass(type(o), Resource)]:
            if is_whole(v):
                self.objects[id(v.handle)] = weakref.ref(v)

    @guarded
    def variable_made(self, v, complete=True):
        """Its first value is there once the constructor of the whole is done."""
        if is_whole(v) and self.object_of(v.handle) is None:
            self.objects[id(v.handle)] = weakref.ref(v)
            self.made[id(v.handle)] = (weakref.ref(v.handle), self.frames.here("Variable"))
        if complete and self.first is not None and is_whole(v):
            self.first.append((v, v.read_value()))

    def object_of(self, handle):
        found = self.objects.get(id(handle))
        v = found() if found is not None else None
        return v if v is not None and v._handle is handle else None

    def is_trainable(self, handle):
        v = self.object_of(handle)
        return v is not None and bool(v.trainable) and v.dtype.is_floating

    def variable(self, handle):
        """(reference, Leaf, node) of the variable with this handle."""
        found = self.leaves.get(id(handle))
        if found is not None and found[0]() is handle:
            return found
        v = self.object_of(handle)
        if v is None or v.shape.rank is None:
            raise Unsupported("resource")
        place = self.made.get(id(handle))
        at = place[1] if place is not None and place[0]() is handle else self.tape.place
        node = self.tape.leaf("param" if v.dtype.is_floating else "input", v.name.split(":")[0], *tensor_type(v), at)
        leaf = self.tape.nodes[node].leaf
        leaf.start = self.first_value(v)
        made = self.leaves[id(handle)] = (weakref.ref(handle), leaf, node)
        if leaf.kind == "param":
            self.fed.add(node)
        return made

    def first_value(self, v):
        """The number that all elements are, or None."""
        if not v.dtype.is_floating or not v.shape.num_elements() or v.shape.num_elements() > 1 << 24:
            return None
        with self.aside():
            return uniform(numpy.asarray(v.read_value()).reshape(-1).astype("float64"))

    def read(self, handle, out):
        """What a read gives. Outside of every tape it is nothing that a gradient comes back from."""
        node = self.current.get(id(handle))
        if node is None:
            node = self.variable(handle)[2]
            if not self.active:
                dtype, shape = self.tape.type(node)
                node = self.tape.node("name", [node], dtype, shape)
        if self.tape.type(node) == tensor_type(out):
            self.remember(out, node)

    def write(self, kind, handle, values):
        """`kind` is the operation; values are tensors."""
        _, leaf, node = self.variable(handle)
        if leaf.dtype not in FLOATS:
            return
        given = [self.value(v) for v in values if v.dtype.is_floating]
        new = self.assigned(kind, leaf, node, given)
        self.follow(node)
        place = self.frames.here({"AssignVariableOp": "assign", "AssignAddVariableOp": "assign_add",
                                  "AssignSubVariableOp": "assign_sub"}.get(kind, kind))
        if not self.is_trainable(handle):
            self.tape.place = place
            self.current[id(handle)] = self.tape.node("stop_gradient", [new], leaf.dtype, leaf.shape)
            self.writes.setdefault(id(leaf), []).append(Write(new, place, len(self.losses)))
        elif not self.graded.isdisjoint([new]):
            self.updated_by_hand(leaf, node, new, place)
        elif not self.losses:
            self.set_at[id(leaf)], leaf.start = place, None
            self.renew.append((weakref.ref(handle), leaf))
        else:
            self.writes.setdefault(id(leaf), []).append(Write(new, place, len(self.losses)))

    def assigned(self, kind, leaf, node, given):
        t = self.tape
        if len(given) == 1 and t.type(given[0]) == (leaf.dtype, leaf.shape):
            if kind == "AssignVariableOp":
                return given[0]
            if kind in ("AssignAddVariableOp", "AssignSubVariableOp"):
                return t.binary("add" if kind == "AssignAddVariableOp" else "sub", node, given[0])
        return t.unknown(kind, [node] + given, leaf.dtype, leaf.shape)

    def renewed(self):
        """First values that were set after the variables were first seen, and before the first loss."""
        for ref, leaf in self.renew:
            v = self.object_of(ref()) if ref() is not None else None
            if v is not None:
                leaf.start = self.first_value(v)
        self.renew = []
