"""Records what a TensorFlow program does, operation by operation, without changing it.

Every entry from the framework is guarded: an error of ours ends the recording, never the user's run."""
import functools
import re

import numpy
import tensorflow as tf
from tensorflow.python.framework import ops as tf_ops

from ..graph import Unsupported
from ..session import guarded
from ..values import Array, source_of
from . import composites, ops
from .ops.call import tensor_type
from .steps import Steps
from .tensors import Eager, tensors

_MISTAKES = (Unsupported, TypeError, ValueError, KeyError, IndexError, AttributeError)
_NO_NUMBERS = (tf.resource, tf.variant, tf.string)


@functools.lru_cache(maxsize=None)
def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"V\d+$|Op$", "", name).replace("MatMul", "Matmul")).lower()


@functools.lru_cache(maxsize=None)
def ends_here(name):
    """Does the framework itself give the results of this operation no gradient?"""
    try:
        return tf_ops.gradient_registry.lookup(name) is None
    except LookupError:
        return False


class Recorder(Steps):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.layers = {}      # id of a layer: (weak reference, where it was made)

    # -- operations

    def callback(self, op_type, inputs, attrs, outputs, op_name=None, graph=None):
        if graph is not None or self.finished or self.failed is not None:
            return
        if self.depth:
            if self.inside is not None:
                self.read_inside(inputs)
            return
        self.operation(op_type.decode() if isinstance(op_type, bytes) else op_type, inputs, attrs, outputs)

    @guarded
    def read_inside(self, inputs):
        for t in inputs:
            if self.lookup(t) is not None or self.holds(t):
                self.inside.setdefault(id(t), t)

    @guarded
    def operation(self, name, ins, attrs, outs):
        outs = list(outs) if isinstance(outs, (list, tuple)) else [outs]
        handle = ins[0] if ins and self.holds(ins[0]) else None
        begin = len(self.tape.nodes)
        if handle is not None and name == "ReadVariableOp":
            self.tape.place = self.frames.here("read")
            self.read(handle, outs[0])
        elif handle is not None and (not outs or name.startswith("Resource") and outs[0].dtype == tf.resource):
            self.tape.place = self.frames.here(snake(name))
            self.write(name, handle, ins[1:])
        elif outs and self.wanted(name, ins):
            self.tape.place = self.frames.here(snake(name))
            self.results(name, ins, attrs, outs)
        self.follow(begin)

    def wanted(self, name, ins):
        """What does not depend on a parameter is data: a leaf, once something reads it. Numbers are worth more."""
        if name in ops.CONSTANT or name in ops.TABLE and any(self.lookup(t) is not None for t in ins if t.dtype.is_floating):
            return True
        return any(self.lookup(t) in self.fed or self.holds(t) for t in ins)

    def results(self, name, ins, attrs, outs):
        named = {attrs[i]: attrs[i + 1] for i in range(0, len(attrs or ()) - 1, 2)}
        try:
            made = ops.convert(self.tape, self.value, name, ins, named, outs)
        except _MISTAKES:
            made = [None] * len(outs)
        for o, node in zip(outs, made):
            if o.dtype in _NO_NUMBERS or not isinstance(o, Eager):
                continue
            self.remember(o, self.unmapped(name, ins, o) if node is None else node)

    def unmapped(self, name, ins, o):
        dtype, shape = tensor_type(o)
        nodes = []
        for t in ins:
            if self.holds(t) or t.dtype not in _NO_NUMBERS:
                nodes.append(self.value(t))
        if not nodes:
            return self.tape.leaf("input", snake(name), dtype, shape)
        ends = not (o.dtype.is_floating or o.dtype.is_complex) or ends_here(name)
        return (self.tape.host if ends else self.tape.unknown)(snake(name), nodes, dtype, shape)

    # -- calls that are one operation: composites of the framework, and those with a derivative of their own

    def opaque(self, name, call, args, kwargs, build=None):
        """`build` gives the nodes of the results; without it, or where it cannot, they are unknown."""
        if self.off():
            return call(*args, **kwargs)
        before = self.operands(name, args, kwargs)
        out, inside = self.unseen(call, args, kwargs)
        self.opaque_results(name, before, inside, (args, kwargs), out, build)
        return out

    @guarded
    def operands(self, name, args, kwargs):
        return self.frames.here(name), [self.value(t) for t in tensors([args, kwargs], [])]

    @guarded
    def opaque_results(self, name, before, inside, given, out, build):
        if before is None:
            return
        begin = len(self.tape.nodes)
        self.tape.place, nodes = before[0], list(before[1])
        outs = tensors(out, [])
        try:
            made = composites.built(self, build, given, outs)
        except _MISTAKES:
            nodes = list(dict.fromkeys(nodes + [self.value(t) for t in inside.values()]))
            made = [self.tape.unknown(name, nodes, *tensor_type(o)) if nodes else None for o in outs]
        for o, node in zip(outs, made):
            if node is not None:
                self.remember(o, node)
        self.follow(begin)

    @guarded
    def derived(self, name, outs, ins):
        begin = len(self.tape.nodes)
        self.tape.place = self.frames.here(snake(str(name)))
        nodes = [self.value(t) for t in tensors(ins, []) if self.lookup(t) is not None or self.holds(t)]
        for o in tensors(outs, []):
            if nodes and o.dtype.is_floating:
                self.remember(o, self.tape.unknown(snake(str(name)), nodes, *tensor_type(o)))
        self.follow(begin)

    def holds(self, t):
        """Is it the handle of a variable?"""
        return t.dtype == tf.resource and self.object_of(t) is not None

    # -- what leaves the framework, and comes back

    @guarded
    def taken(self, t, name, out):
        """Python has the numbers of a tensor. None, or an array that remembers it."""
        node = self.lookup(t)
        if node is None or node not in self.fed:
            return None
        self.tape.place = self.frames.here(name)
        dtype, shape = tensor_type(t)
        source = self.tape.host(name, [node], dtype, shape)
        self.fed.add(source)
        if not isinstance(out, numpy.ndarray) or not t.dtype.is_floating:
            return None    # a number of numpy's cannot remember
        made = out.view(Array)
        made.source = source
        return made

    @guarded
    def converted(self, value, t):
        """A tensor was made of what Python has."""
        source = source_of([value])
        if source is None and isinstance(value, (bool, int, float, numpy.generic)):
            if self.lookup(t) is None and t.dtype.name in ops.call.DTYPES:
                self.remember(t, self.tape.const(value, tensor_type(t)[0]))
            return
        if source is None and isinstance(value, numpy.ndarray):
            source = self.buffer_of(value)
        if source is not None:
            self.tape.place = self.frames.here("tensor")
            node = self.tape.host("tensor", [source], *tensor_type(t))
            self.fed.add(node)
            self.remember(t, node)

    def buffer_of(self, value):
        """The node of the tensor whose memory an array shows, as numpy.asarray does."""
        while isinstance(value, numpy.ndarray):
            value = value.base
        shown = value.obj if isinstance(value, memoryview) else None
        if not isinstance(shown, numpy.ndarray):
            return None
        for ref, node in list(self.known.values()):
            t = ref()
            if t is not None and node in self.fed and t.shape == shown.shape and address(t._numpy_internal()) == address(shown):
                return node
        return None

    @guarded
    def made_of(self, v, value):
        """A variable that begins with what a tape saw: no gradient comes back from it."""
        node = self.lookup(value) if isinstance(value, Eager) and self.active else None
        if node not in self.fed:
            return
        self.tape.place = self.frames.here("Variable")
        self.current[id(v.handle)] = self.tape.host("variable", [node], *tensor_type(value))
        self.fed.add(self.current[id(v.handle)])


def address(array):
    return array.__array_interface__["data"][0] if isinstance(array, numpy.ndarray) else None
