"""What the user calls things: parameters by the path of their module, the rest by the variables that hold them."""
import gc

import torch

from ..names import items, variables


def _unregistered(module):
    """Modules in plain lists and dicts of a module: nn.Module does not see them."""
    for name, value in list(vars(module).items()):
        if name.startswith("_"):
            continue
        for suffix, item in items(value):
            if isinstance(item, torch.nn.Module):
                yield name + suffix, item


class Names:
    """What the parameters of the modules that are alive are called."""

    def __init__(self, frames):
        modules = [m for m in gc.get_objects() if issubclass(type(m), torch.nn.Module)]
        inner = {id(c) for m in modules for c in m._modules.values() if c is not None}
        hidden = {id(item) for m in modules for _, item in _unregistered(m)}
        self.of, self.trees = {}, []      # id of a parameter: its name; the parameters of each whole module
        self.called = variables(frames)   # id of an object: a variable
        roots = [m for m in modules if id(m) not in inner and any(True for _ in m.parameters())]
        plain = [m for m in roots if id(m) not in hidden]
        for m in plain:
            prefix = "" if len(plain) == 1 else self.called.get(id(m), type(m).__name__.lower()) + "."
            self._take(m, prefix)
        for m in roots:
            for name, p in m.named_parameters():
                self.of.setdefault(id(p), f"{self.called.get(id(m), type(m).__name__.lower())}.{name}")

    def _take(self, m, prefix):
        tree = dict(m.named_parameters())
        for path, c in m.named_modules():
            for name, item in _unregistered(c):
                tree.update((f"{path}{path and '.'}{name}.{own}", p) for own, p in item.named_parameters())
        for name, p in tree.items():
            self.of.setdefault(id(p), prefix + name)
        if not any(isinstance(c, torch.jit.ScriptModule) for c in m.modules()):    # what runs in one is not seen
            self.trees.append(list(tree.values()))
