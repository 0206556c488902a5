"""Which node a tensor is."""
import numpy
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import ops as tf_ops

from .. import tensors as any_framework
from ..graph import Unsupported
from ..values import source_of
from .ops.call import tensor_type

Eager = tf_ops.EagerTensor


class _Aside:
    """Operations of ours are not looked at."""

    def __init__(self, recorder):
        self.recorder = recorder

    def __enter__(self):
        self.recorder.depth += 1

    def __exit__(self, *error):
        self.recorder.depth -= 1
        return False


def tensors(a, found):
    """The eager tensors and variables in nested arguments."""
    if isinstance(a, Eager) or is_variable(a):
        found.append(a)
    elif isinstance(a, tf.IndexedSlices):
        tensors((a.values, a.indices), found)
    elif isinstance(a, (list, tuple)):
        for b in a:
            tensors(b, found)
    elif isinstance(a, dict):
        for b in a.values():
            tensors(b, found)
    return found


def is_variable(a):
    """tf.Variable, and the variable of Keras 3 that holds one."""
    kind = type(a)
    return issubclass(kind, tf.Variable) or str(kind.__module__).startswith("keras.") and hasattr(kind, "handle") \
        and hasattr(a, "_value")


def unwrapped(v):
    """The tf.Variable; None where it has none yet."""
    return v if isinstance(v, tf.Variable) else v._value


class Tensors(any_framework.Tensors):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.fed = set()          # nodes that depend on a parameter
        self.graded = set()       # nodes that depend on a gradient of one
        self.aside = lambda: _Aside(self)

    def off(self):
        """Is this nothing that is looked at? Graphs that are being built run later, or not at all."""
        return self.depth or self.finished or self.failed is not None or not context.executing_eagerly()

    def follow(self, begin):
        """What the nodes from there on depend on."""
        nodes, fed, graded = self.tape.nodes, self.fed, self.graded
        for i in range(begin, len(nodes)):
            n = nodes[i]
            if n.leaf is not None:
                if n.leaf.kind == "param":
                    fed.add(i)
                continue
            if n.op == "grad" or not graded.isdisjoint(n.ins):
                graded.add(i)
            if not fed.isdisjoint(n.ins):
                fed.add(i)

    def value(self, a):
        """The node of an argument."""
        if isinstance(a, Eager):
            node = self.lookup(a)
            if node is not None:
                return node
            if a.dtype == tf.resource:
                return self.variable(a)[2]
            node = self.tape.leaf("input", "input", *tensor_type(a))
            self.remember(a, node)
            return node
        if is_variable(a):
            return self.variable(unwrapped(a).handle)[2]
        source = source_of([a])
        if source is not None:
            return source
        if isinstance(a, (bool, int, float, numpy.generic)):
            return self.constant(a)
        raise Unsupported(str(type(a)))

    def constant(self, a):
        kind = numpy.asarray(a).dtype.kind
        return self.tape.const(a, {"b": "bool", "f": "f32"}.get(kind, "i32"))

    def variable(self, handle):
        raise NotImplementedError
