"""What the user calls things: the Python variables that hold them."""
import sys


def items(value):
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
        own = {}
        for name, value in list(space.items()):
            if not name.startswith("_"):
                own.setdefault(id(value), name)    # the first: what a loop runs over has a name already
        found.update(own)
        for name, value in list(space.items()):
            if name.startswith("_"):
                continue
            for suffix, item in list(items(value))[:256]:
                found.setdefault(id(item), name + suffix)
    return found
