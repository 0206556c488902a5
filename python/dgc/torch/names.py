"""What the user calls things: parameters by the path of their module, the rest by the variables that hold them."""
import gc
import sys

import torch


def _items(value):
    if isinstance(value, (list, tuple)):
        return ((f"[{k}]", v) for k, v in enumerate(value))
    if isinstance(value, dict):
        return ((f"[{k}]", v) for k, v in value.items() if isinstance(k, (str, int)))
    return ()


def variables(frames):
    """id of an object: the name of a variable that holds it; outer frames win."""
    found = {}
    spaces = [f.f_locals for f in frames] + [vars(sys.modules["__main__"])]
    for space in spaces:
        for name, value in list(space.items()):
            if name.startswith("_"):
                continue
            found[id(value)] = name
            for suffix, item in list(_items(value))[:256]:
                found.setdefault(id(item), name + suffix)
    return found


def _unregistered(module):
    """Modules in plain lists and dicts of a module: nn.Module does not see them."""
    for name, value in list(vars(module).items()):
        if name.startswith("_"):
            continue
        for suffix, item in _items(value):
            if isinstance(item, torch.nn.Module):
                yield name + suffix, item


def parameter_names(frames):
    """id of a parameter: its name."""
    modules = [m for m in gc.get_objects() if issubclass(type(m), torch.nn.Module)]
    inner = {id(c) for m in modules for c in m._modules.values() if c is not None}
    hidden = {}
    for m in modules:
        for name, item in _unregistered(m):
            hidden.setdefault(id(item), (m, name))
    called = variables(frames)
    roots = [m for m in modules if id(m) not in inner and any(True for _ in m.parameters())]
    plain = [m for m in roots if id(m) not in hidden]
    names = {}
    for m in plain:
        prefix = "" if len(plain) == 1 else called.get(id(m), type(m).__name__.lower()) + "."
        for name, p in m.named_parameters():
            names.setdefault(id(p), prefix + name)
        todo = [(prefix + (path + "." if path else ""), c) for path, c in m.named_modules()]
        for path, c in todo:
            for name, item in _unregistered(c):
                for own, p in item.named_parameters():
                    names.setdefault(id(p), f"{path}{name}.{own}")
    for m in roots:
        for name, p in m.named_parameters():
            names.setdefault(id(p), f"{called.get(id(m), type(m).__name__.lower())}.{name}")
    return names, called
