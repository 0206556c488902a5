"""Gradient tapes: what each of them saw, and the losses that they are asked for."""
import bisect

import numpy
import tensorflow as tf

from ..session import guarded
from .ops.call import tensor_type
from .tensors import is_variable, tensors, unwrapped
from .variables import Variables


def size_of(g):
    """The largest magnitude in a gradient; None where there is none."""
    if g is None:
        return None
    values = numpy.asarray(g.values if isinstance(g, tf.IndexedSlices) else g)
    return float(numpy.abs(values.astype("float64")).max()) if values.size else 0.0


class Gradient:
    """One call of `tape.gradient`."""

    __slots__ = ("node", "place", "sources", "targets", "plain")

    def __init__(self, node, place, sources, targets, plain):
        self.node, self.place, self.sources, self.targets, self.plain = node, place, sources, targets, plain


class Tapes(Variables):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.active = ()           # ids of the tapes that record now
        self.since, self.then = [0], [frozenset()]   # from which node on which of them recorded
        self.given = {}            # node of a loss: sizes of its gradients by leaf

    # -- which tapes record

    @guarded
    def tapes_change(self, add=(), take=()):
        self.active = tuple(x for x in self.active if x not in take) + tuple(add)
        self._note(frozenset(self.active))

    def _note(self, now):
        self.since.append(len(self.tape.nodes))
        self.then.append(now)

    @guarded
    def stopped(self, on):
        """tf's own stop of all recording on this thread."""
        self._note(frozenset() if on else frozenset(self.active))

    def saw(self, tape, node):
        return tape in self.then[bisect.bisect_right(self.since, node) - 1]

    def under(self, tape, watched, root):
        """The root as this tape knows it: a gradient ends at what was computed while it did not record."""
        t = self.tape
        now, ends = {}, {}

        def seen(i):
            n = t.nodes[i]
            if i not in self.fed:
                return i
            if n.leaf is not None:
                return i if i in watched else end(i)
            return now.get(i, i) if self.saw(tape, i) else end(i)

        def end(i):
            if i not in ends:
                n = t.nodes[i]
                ends[i] = t.node("stop_gradient", [i], n.dtype, n.shape, place=n.place)
            return ends[i]
        for i in sorted(t.cone([root])):
            n = t.nodes[i]
            if n.leaf is None and n.ins and i in self.fed and self.saw(tape, i):
                ins = [seen(k) for k in n.ins]
                if ins != n.ins:
                    now[i] = t.node(n.op, ins, n.dtype, n.shape, n.attrs, place=n.place)
        return seen(root)

    # -- what is asked of them

    @guarded
    def gradient_begins(self, tape, target, sources, weighted, what="gradient"):
        self.renewed()
        self.close_rounds()
        place = self.tape.place = self.frames.here(what)
        begin, own = len(self.tape.nodes), id(tape)
        sources = tf.nest.flatten(sources)
        targets = [self.value(x) for x in tensors(target, [])]
        variables = [unwrapped(s) for s in sources if is_variable(s)]
        outer = [x for x in self.active if x != own]
        if not targets or not variables or outer or weighted or what != "gradient":
            self.follow(begin)
            return Gradient(None, place, sources, targets, False)
        watched = {self.variable(v.handle)[2] for v in tape.watched_variables()}
        for v in variables:
            self.variable(v.handle)
        loss = None
        for x in targets:
            x = self.under(own, watched, x)
            dtype, shape = self.tape.type(x)
            x = self.tape.reduce("sum", x) if shape else x
            loss = x if loss is None else self.tape.binary("add", loss, self.tape.cast(x, self.tape.type(loss)[0]))
        self.follow(begin)
        self._note(frozenset(self.active))
        self.losses.append((loss, place))
        return Gradient(loss, place, sources, targets, True)

    @guarded
    def gradient_ends(self, asked, out):
        if asked is None:
            return
        begin = len(self.tape.nodes)
        self.tape.place = asked.place
        sizes = {}
        for source, g in zip(asked.sources, tf.nest.flatten(out)):
            variable = is_variable(source)
            _, leaf, node = self.variable(unwrapped(source).handle) if variable else (None, None, None)
            if asked.plain and variable:
                sizes[leaf] = size_of(g)
            if g is None:
                continue
            for x in tensors(g, []):
                type_now = tensor_type(x)
                if asked.plain and variable and type_now == self.tape.type(node):
                    made = self.tape.node("grad", [asked.node, node], *type_now)
                else:
                    made = self.tape.unknown("grad", asked.targets + [self.value(source)], *type_now)
                    if asked.plain:
                        self.graded.add(made)
                self.remember(x, made)
        if asked.plain:
            self.given[asked.node] = sizes
        self.follow(begin)
