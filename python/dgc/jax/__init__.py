"""Recording JAX: what stands in place of `grad` while it lasts, and what to do when enough was seen."""
import functools

import jax
from jax._src import array, core

from .. import session
from . import write
from .recorder import Recorder, Recording, marked

__all__ = ["Session"]


class Session(session.Session):
    def __init__(self, stop=False, keep=None, debug=False):
        super().__init__(Recorder(stop, debug), keep)

    def start(self):
        for name in ("grad", "value_and_grad"):
            self.patch(jax, name, functools.partial(self._wrapped, with_value=name == "value_and_grad"))
        self.patch(array.ArrayImpl, "_value", self._value)
        self.stack.enter_context(core.set_current_trace(Recording(self.recorder)))

    def _wrapped(self, plain, with_value):
        @functools.wraps(plain)
        def transform(fun, argnums=0, has_aux=False, **settings):
            own = plain(fun, argnums, has_aux, **settings)

            @functools.wraps(own)
            def gradient(*args, **kwargs):
                r = self.recorder
                if r.inside or r.failed is not None or r.finished:
                    return own(*args, **kwargs)
                if r.stop and r.enough() and at_top():
                    self.end_run()    # what the last step made is what this one begins with
                r.inside = True
                try:
                    seen = r.traced(fun, argnums, has_aux, args, kwargs)
                    if seen is None:
                        return own(*args, **kwargs)
                    if not at_top():
                        return self._in_a_trace(own, seen, argnums, has_aux, with_value)
                    with core.set_current_trace(core.eval_trace):
                        out = own(*args, **kwargs)
                finally:
                    r.inside = False
                value, grads = self._parts(out, has_aux, with_value)
                loss = r.ran(seen[0], seen[1], seen[3], ordered(grads, argnums))
                if loss is not None and hasattr(value, "dtype"):
                    r.known[id(value)] = (value, loss)
                return out
            return gradient
        return transform

    def _value(self, plain):
        """What float(), numpy and printing read of an array."""
        def value(made):
            if isinstance(core.trace_ctx.trace, Recording):
                self.recorder.taken(made)
            return plain.__get__(made)
        return property(value)

    @staticmethod
    def _parts(out, has_aux, with_value):
        if with_value:
            return (out[0][0] if has_aux else out[0]), out[1]
        return None, (out[0] if has_aux else out)

    def _in_a_trace(self, own, seen, argnums, has_aux, with_value):
        """Inside a jitted step: values get names, which are nothing but names when it runs."""
        call, leaves, tree, at = seen
        number = self.recorder.calls.index(call)
        full = [x for _, x in leaves]
        for k, i in enumerate(at):
            full[i] = marked(full[i], number, "arg", k)
        for k, c in enumerate(call.closed.consts):
            if isinstance(c, core.Tracer):
                marked(c, number, "con", k)
        args, kwargs = jax.tree_util.tree_unflatten(tree, full)
        out = own(*args, **kwargs)
        chosen = [k for k, c in enumerate(call.chosen) if c]
        value, grads = self._parts(out, has_aux, with_value)
        flat = iter(zip(chosen, ordered(grads, argnums)))
        named = [marked(g, number, "grad", k) for k, g in flat]
        grads = rebuilt(grads, argnums, named)
        if not with_value:
            return (grads, out[1]) if has_aux else grads
        value = marked(value, number, "value", 0)
        return ((value, out[0][1]) if has_aux else value), grads

    def graph_text(self):
        with core.set_current_trace(core.eval_trace):
            return write.graph_text(self.recorder, f"jax {jax.__version__}")


def at_top():
    trace = core.trace_ctx.trace
    return isinstance(trace, Recording) or trace is core.eval_trace


def ordered(grads, argnums):
    """The gradients in the order of the arguments."""
    if not isinstance(argnums, int):
        grads = [g for _, g in sorted(zip(argnums, grads), key=lambda x: x[0])]
    return jax.tree_util.tree_leaves(grads)


def rebuilt(grads, argnums, flat):
    """The gradients with these leaves, which come in the order of the arguments."""
    if isinstance(argnums, int):
        return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(grads), flat)
    flat, out = iter(flat), list(grads)
    for k in sorted(range(len(out)), key=lambda k: argnums[k]):
        tree = jax.tree_util.tree_structure(out[k])
        out[k] = jax.tree_util.tree_unflatten(tree, [next(flat) for _ in range(tree.num_leaves)])
    return tuple(out)
