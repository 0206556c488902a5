"""What the user calls things: variables by the path of their layer, the rest by the Python variables that hold them."""
import gc
import sys

import tensorflow as tf

from ..frames import is_user_file
from ..names import items, variables
from .tensors import is_variable, unwrapped


def is_module(m):
    """A layer or model of Keras, or a tf.Module. Asks the type only: objects of any kind come by."""
    return issubclass(type(m), tf.Module) or hasattr(type(m), "add_weight") and hasattr(type(m), "trainable_variables") \
        and not isinstance(m, type)


def is_users(m):
    """Is its class written by the user?"""
    module = sys.modules.get(type(m).__module__)
    return is_user_file(getattr(module, "__file__", None) or "<none>") or type(m).__module__ == "__main__"


# What Keras itself keeps in a layer of the user's.
_KERAS = frozenset("""_layers _metrics _losses _loss_ids _tracker _functional _trainable_variables _non_trainable_variables
_trainable_weights _non_trainable_weights _seed_generators _optimizer _loss_tracker _compile_metrics _compile_loss""".split())


def parts(m):
    """Pairs of a name and a module or variable that it holds."""
    found, seen = [], set()

    def take(name, value):
        if (is_variable(value) or is_module(value)) and id(value) not in seen:
            seen.add(id(value))
            found.append((name, value))
    inside = vars(m) if hasattr(m, "__dict__") else {}
    own = is_users(m)
    for name, value in sorted(inside.items(), key=lambda x: x[0].startswith("_")):
        if name.startswith("_") and (not own or name.startswith("_self_") or name in _KERAS):
            continue
        take(name, value)
        for suffix, item in list(items(value))[:1024]:
            take(name + suffix, item)
    for layer in list(inside.get("_layers") or inside.get("_self_tracked_trackables") or ()):
        take(getattr(layer, "name", type(layer).__name__.lower()), layer)
    for kind in ("_trainable_variables", "_non_trainable_variables", "_trainable_weights", "_non_trainable_weights"):
        for v in list(inside.get(kind) or ()):
            if is_variable(v):
                take(v.name.split(":")[0].split("/")[-1], v)
    return found


_ASIDE = frozenset(("Metric", "BaseOptimizer", "SeedGenerator", "_BaseOptimizer", "OptimizerV2"))


def is_aside(m):
    """Metrics, optimizers and seeds hold variables that nobody trains."""
    return any(c.__name__ in _ASIDE for c in type(m).__mro__)


class Names:
    """What the variables of the modules that are alive are called."""

    def __init__(self, frames, seen):
        """`seen` are ids of the variables that the recording met: other models may be alive."""
        self.of = {}        # id of a tf.Variable: its name
        self.owner = {}     # id of a tf.Variable: the module that holds it
        self.meant = set()  # ids of those that some module would train
        self.held = set()   # ids of those in any module
        self.trees = []     # the variables of each whole model
        self.called = variables(frames)
        self.wrapped = {id(o._value): o for o in gc.get_objects() if is_variable(o) and not isinstance(o, tf.Variable)}
        modules = [m for m in gc.get_objects() if is_module(m) and not is_aside(m)]
        inner = {id(c) for m in modules for _, c in parts(m)} | {id(vars(m).get("_functional")) for m in modules}
        roots = [m for m in modules if id(m) not in inner and any(id(v) in seen for v in self.variables_of(m))]
        for m in roots:
            self.trees.append(self.variables_of(m))
            self.take(m, "" if len(roots) == 1 else self.called.get(id(m), getattr(m, "name", type(m).__name__.lower())) + ".")
        for m in modules:
            self.judge(m)

    @staticmethod
    def variables_of(m):
        """All that can be reached from it."""
        found, todo, seen = {}, [m], set()
        while todo:
            at = todo.pop()
            if id(at) in seen:
                continue
            seen.add(id(at))
            for _, c in parts(at):
                if is_module(c):
                    if not is_aside(c):
                        todo.append(c)
                elif unwrapped(c) is not None:
                    found.setdefault(id(unwrapped(c)), unwrapped(c))
        return list(found.values())

    def take(self, m, prefix, depth=0):
        for name, c in parts(m):
            if not is_module(c):
                v = unwrapped(c)
                if v is not None and id(v) not in self.of:
                    self.of[id(v)], self.owner[id(v)] = prefix + name, m
            elif depth < 32 and not is_aside(c):
                self.take(c, f"{prefix}{name}.", depth + 1)

    def name_of(self, v):
        """None where nobody calls it anything."""
        return self.of.get(id(v)) or self.called.get(id(self.wrapped.get(id(v), v)))

    def judge(self, m):
        """Which of its variables it would train: `layer.trainable = False` takes them away."""
        try:
            wanted = [unwrapped(v) for v in m.trainable_variables]
            every = [unwrapped(v) for v in getattr(m, "variables", ())]
        except Exception:   # noqa: BLE001 -- a module that is not built
            return
        self.meant.update(id(v) for v in wanted if v is not None)
        self.held.update(id(v) for v in every if v is not None)
