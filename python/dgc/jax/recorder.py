"""What a JAX program does, as nodes: losses from their jaxpr, updates from the operations that run outside of it."""
import contextlib
import functools
import io
import random

import jax
import numpy
from jax._src import core
from jax._src.ad_checkpoint import checkpoint_name

from ..frames import Frames
from ..graph import FLOATS, MOST_ROUNDS, Tape, uniform
from ..session import Finished, Guard, guarded
from ..witness import classify
from .ops import Converter, INLINED, inner, is_literal, type_of

ROUNDS = 4
MARK = "dgc:"


class Following(Tape):
    """A new value of a parameter is read as the parameter in the next step."""

    def __init__(self):
        super().__init__()
        self.stands_for = {}

    def follow(self, i):
        while i in self.stands_for:
            i = self.stands_for[i]
        return i


class Call:
    """One traced loss: its jaxpr, which inputs are differentiated, and what they are called."""

    def __init__(self, closed, paths, chosen, place, key):
        self.closed, self.paths, self.chosen, self.place, self.key = closed, paths, chosen, place, key


class Site:
    """A place that asks for gradients."""

    def __init__(self, place):
        self.place, self.leaves, self.losses, self.seen, self.marks = place, {}, [], {}, {}


class Recording(core.EvalTrace):
    """Runs each operation as JAX does, and shows it to the recorder."""

    def __init__(self, recorder):
        super().__init__()
        self.recorder = recorder

    def process_primitive(self, primitive, args, params, /):
        before = self.recorder.before(primitive, args, params)
        out = super().process_primitive(primitive, args, params)
        self.recorder.after(primitive, args, params, out, before)
        return out


def path_text(path):
    return ".".join(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)


class Recorder(Guard):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.tape, self.frames = Following(), Frames()
        self.converter = Converter(self.tape)
        self.converter.marks = self.mark
        self.known, self.made = {}, {}          # by id: the array, and its node or place
        self.calls, self.sites, self.updates = [], {}, {}
        self.inside, self.current, self.witness = False, {}, {}
        self.carried = {}                       # inputs of a jitted step, which get their results back

    @staticmethod
    def aside():
        """Our own operations are not to be shown to us."""
        return core.set_current_trace(core.eval_trace)

    # -- arrays

    def node_of(self, array, scalar=False):
        found = self.known.get(id(array))
        if found is not None and found[0] is array:
            return self.tape.follow(found[1])
        dtype, shape = type_of(jax.typeof(array))
        if scalar and not shape and dtype != "bool" and numpy.isfinite(number := float(array)):
            return self.tape.const(number, dtype, shape)
        if not hasattr(array, "shape"):
            return self.tape.leaf("input", "input", dtype, shape)
        made = self.made.get(id(array))
        node = self.tape.leaf("input", "input", dtype, shape, made[1] if made and made[0] is array else None)
        self.known[id(array)] = (array, node)
        gone = getattr(array, "is_deleted", bool)()     # given away to a jitted function
        if dtype in FLOATS and array.size <= 1 << 20 and not gone:
            self.tape.nodes[node].leaf.start = uniform(numpy.asarray(array).reshape(-1))
        return node

    # -- operations that run outside of a loss

    @guarded
    def before(self, primitive, args, params):
        if primitive.name not in INLINED or not self.calls or not self.has_marks(params["jaxpr"].jaxpr):
            return None
        closed = params["jaxpr"]
        self.witness = self.gradients(closed, args)
        nodes = []
        for k, a in enumerate(args):
            node, key = self.node_of(a), (id(closed), k)
            leaf = self.carried.setdefault(key, node)
            if leaf != node and self.tape.nodes[leaf].op == "leaf" and self.tape.type(leaf) == self.tape.type(node) \
                    and leaf in self.tape.cone([node]) and self.tape.nodes[node].op != "leaf":
                self.rebind(node, leaf)
            nodes.append(self.tape.follow(node))
        self.carried[id(closed)] = closed
        return nodes

    def after(self, primitive, args, params, out, nodes):
        if self.failed is None and not self.finished:
            self._after(primitive, args, params, out, nodes)
            if nodes is not None and self.stop and self.enough():
                raise Finished()

    @guarded
    def _after(self, primitive, args, params, out, nodes):
        outs = list(out) if primitive.multiple_results else [out]
        place = self.frames.here(primitive.name, skip=5)
        if nodes is None and not any(id(a) in self.known for a in args):
            if len(self.made) < 100_000:
                self.made.update((id(o), (o, place)) for o in outs)
            return
        if nodes is None:
            nodes = [self.node_of(a, scalar=True) for a in args]
        t, c = self.tape, self.converter
        t.place = place
        if primitive.name in INLINED:
            made = c.run(params["jaxpr"].jaxpr, c.constants(params["jaxpr"].consts), nodes, place)
        else:
            made = c.equation(_Equation(primitive, args, params, outs), nodes, place)
        for o, n in zip(outs, made):
            want = type_of(jax.typeof(o))
            self.known[id(o)] = (o, n if t.type(n) == want else t.unknown(primitive.name, [n], *want))
        self.current = {}

    @guarded
    def taken(self, array):
        """Python has its elements: nobody can follow them."""
        found = self.known.get(id(array))
        if found is None or found[0] is not array:
            return
        self.tape.place = self.frames.here("python", skip=4)
        self.tape.host("python", [self.tape.follow(found[1])], *type_of(jax.typeof(array)))

    # -- losses

    @guarded
    def traced(self, fun, argnums, has_aux, args, kwargs):
        """The loss as a jaxpr, by a trace of our own: the user's goes its own way."""
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        chosen = {k % len(args) for k in chosen}
        leaves, tree = jax.tree_util.tree_flatten_with_path((args, kwargs))
        at = [k for k, (_, x) in enumerate(leaves) if hasattr(x, "dtype") or (x_arg(leaves[k][0]) in chosen)]

        def loss(*values):
            full = [x for _, x in leaves]
            for k, v in zip(at, values):
                full[k] = v
            a, kw = jax.tree_util.tree_unflatten(tree, full)
            out = fun(*a, **kw)
            return out[0] if has_aux else out
        kept = random.getstate(), numpy.random.get_state()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                closed = jax.make_jaxpr(loss)(*[leaves[k][1] for k in at])
        finally:
            random.setstate(kept[0])
            numpy.random.set_state(kept[1])
        names = argument_names(fun, len(args))
        at_paths = [leaves[k][0] for k in at]
        paths = [("" if x_arg(p) is None else names[x_arg(p)], path_text(p[2:])) for p in at_paths]
        place = self.frames.here("grad", skip=3)
        key = (getattr(fun, "__code__", id(fun)), place.key() if place else None, tuple(sorted(chosen)))
        call = Call(closed, paths, [x_arg(leaves[k][0]) in chosen for k in at], place, key)
        self.calls.append(call)
        return call, leaves, tree, at

    def mark(self, name, node):
        """The node of a value that has a name of ours, inside a jitted step."""
        if not name.startswith(MARK):
            return None
        _, number, what, index = name.split(":")
        call, index = self.calls[int(number)], int(index)
        here = self.current.setdefault(call, {"arg": {}, "con": {}, "loss": None})
        if what in ("arg", "con"):
            here[what][index] = node
            if what == "arg":
                here[what][index] = self.input(call, index, node)
            return here[what][index]
        if here["loss"] is None:
            consts = [here["con"].get(k) for k in range(len(call.closed.consts))]
            consts = [self.converter.constant(c, c) if n is None else n for n, c in zip(consts, call.closed.consts)]
            here["loss"] = self.loss(call, consts, [here["arg"][k] for k in range(len(call.paths))])
            own = [k for k, chosen in enumerate(call.chosen) if chosen]
            self.saw(call, [(here["arg"][k], self.witness.get(f"{MARK}{number}:grad:{k}")) for k in own])
        if what == "value":
            return here["loss"]
        leaf = here["arg"][index]
        return self.tape.node("grad", [here["loss"], leaf], *self.tape.type(leaf))

    def input(self, call, k, node):
        """The leaf that this input of a loss is, or its node."""
        t, site = self.tape, self.site(call)
        node = t.follow(node)
        leaf = site.leaves.get(k)
        if not call.chosen[k]:
            owner = self.version_of(node, call.paths[k][1])
            return self.rebind(node, owner) if owner is not None else node
        if leaf is None:
            leaf = node if t.nodes[node].op == "leaf" else self.version_of(node, call.paths[k][1])
            if leaf is None:
                leaf = t.leaf("input", "input", *t.type(node))
                t.stands_for[node] = leaf
            elif leaf != node:
                self.rebind(node, leaf)
            site.leaves[k] = leaf
            own = t.nodes[leaf].leaf
            own.kind, own.name = "param", call.paths[k]
            own.place = own.place or call.place
            self.updates.setdefault(leaf, [])
        elif leaf != node:
            if t.nodes[node].op == "leaf":
                self.updates[leaf].append(None)     # where it comes from was not seen
                if t.nodes[node].leaf.kind == "param":
                    return node
                t.stands_for[node] = leaf
            else:
                self.rebind(node, leaf)
        elif len(self.updates[leaf]) == site.marks.get(k):
            self.updates[leaf].append(leaf)
        site.marks[k] = len(self.updates[leaf])
        return leaf

    def rebind(self, node, leaf):
        if node != leaf:
            self.updates.setdefault(leaf, []).append(node)
            self.tape.stands_for[node] = leaf
        return leaf

    def version_of(self, node, path):
        """The parameter whose next value the node is, if it is clear."""
        t = self.tape
        if t.nodes[node].op == "leaf":
            return None
        cone = t.cone([node])
        stepped = {t.nodes[i].ins[1] for i in cone if t.nodes[i].op == "grad"} & cone
        found = [x for x in stepped if t.type(x) == t.type(node) and self.is_parameter(x)
                 and path == t.nodes[x].leaf.name[1]]
        return found[0] if len(found) == 1 else None

    def is_parameter(self, x):
        leaf = self.tape.nodes[x].leaf
        return leaf is not None and leaf.kind == "param"

    def site(self, call):
        if call.key not in self.sites:
            self.sites[call.key] = Site(call.place)
        return self.sites[call.key]

    def loss(self, call, consts, args):
        node = self.converter.run(call.closed.jaxpr, consts, args, call.place)[0]
        self.site(call).losses.append((node, self.tape.nodes[node].place or call.place))
        return node

    def saw(self, call, gradients):
        """The gradients of one step by their leaves."""
        seen = self.site(call).seen
        for (leaf, _), found in zip(gradients, classify([largest(g) for _, g in gradients])):
            seen.setdefault(leaf, []).append(found)

    @guarded
    def ran(self, call, leaves, at, gradients):
        """An eager call is done."""
        nodes = [self.input(call, k, self.node_of(leaves[i][1])) for k, i in enumerate(at)]
        consts = [self.node_of(c) for c in call.closed.consts]
        loss = self.loss(call, consts, nodes)
        found = [(nodes[k], g) for k, g in zip([k for k, c in enumerate(call.chosen) if c], gradients)]
        self.saw(call, found)
        for node, g in found:
            if type_of(g) == self.tape.type(node):
                self.known[id(g)] = (g, self.tape.node("grad", [loss, node], *type_of(g)))
        return loss

    def enough(self):
        counts = [len(s.losses) for s in self.sites.values()]
        return bool(counts) and (min(counts) >= ROUNDS or max(counts) >= MOST_ROUNDS)

    # -- the gradients' own values in a jitted step

    def has_marks(self, jaxpr):
        for e in jaxpr.eqns:
            if e.primitive.name == "name" and e.params["name"].startswith(MARK):
                return True
            if e.primitive.name in INLINED and self.has_marks(inner(e)[0]):
                return True
        return False

    def gradients(self, closed, args):
        key = (id(closed), "watched")
        if key not in self.carried:
            self.carried[key] = jax.jit(functools.partial(watched, closed))
        return self.carried[key](*args)


class _Equation:
    """An operation that ran, in the form of an equation."""

    def __init__(self, primitive, args, params, outs):
        self.primitive, self.params = primitive, params
        self.invars, self.outvars = [_Value(a) for a in args], [_Value(o) for o in outs]
        self.source_info = None


class _Value:
    def __init__(self, value):
        self.aval = jax.typeof(value)


def watched(closed, *args):
    """The gradients of a jitted step by their names: the step once more, with other results."""
    found = {}

    def run(jaxpr, consts, values):
        env = dict(zip(jaxpr.constvars, consts))
        env.update(zip(jaxpr.invars, values))
        for e in jaxpr.eqns:
            ins = [v.val if is_literal(v) else env[v] for v in e.invars]
            if e.primitive.name == "debug_callback":
                continue
            if e.primitive.name == "io_callback":
                raise NotImplementedError("io_callback in a jitted step")
            if e.primitive.name in ("jit", "pjit"):
                outs = run(*inner(e), ins)
            elif e.primitive.name == "name":
                outs = ins
                if e.params["name"].startswith(MARK) and ":grad:" in e.params["name"]:
                    found[e.params["name"]] = ins[0]
            else:
                outs = e.primitive.bind(*ins, **e.primitive.get_bind_params(e.params))
                outs = outs if e.primitive.multiple_results else [outs]
            env.update(zip(e.outvars, outs))
        return [v.val if is_literal(v) else env[v] for v in jaxpr.outvars]
    run(closed.jaxpr, closed.consts, args)
    return found


def largest(gradient):
    """The largest magnitude in it; None where there is no gradient."""
    if gradient is None:
        return None
    return float(numpy.abs(numpy.asarray(gradient, dtype="float64")).max(initial=0))


def x_arg(path):
    """The number of the argument that a path begins with; None in the named ones."""
    return path[1].idx if path[0].idx == 0 else None


def argument_names(fun, count):
    import inspect
    try:
        names = list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        names = []
    return [names[k] if k < len(names) else f"arg{k}" for k in range(count)]


def marked(x, number, what, index):
    return checkpoint_name(x, f"{MARK}{number}:{what}:{index}")
