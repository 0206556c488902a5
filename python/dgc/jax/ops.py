"""A jaxpr in the words of the op table. What is not there is `unknown`: never a cut."""
import math

import numpy

from ..frames import Place, is_user_file
from ..graph import FLOATS, Unsupported

TYPES = {"float32": "f32", "float64": "f64", "float16": "f32", "bfloat16": "f32", "int32": "i32", "int64": "i64",
         "bool": "bool"}
UNARY = {n: n for n in ("neg", "abs", "exp", "log", "log1p", "expm1", "tanh", "sqrt", "rsqrt", "sin", "cos", "erf",
                        "sign", "floor", "ceil", "square", "stop_gradient")}
UNARY["logistic"] = "sigmoid"
BINARY = {"add": "add", "add_any": "add", "sub": "sub", "mul": "mul", "max": "maximum", "min": "minimum"}
COMPARED = {"eq": ("eq", 1), "ne": ("ne", 1), "lt": ("lt", 1), "le": ("le", 1), "gt": ("lt", -1), "ge": ("le", -1)}
INLINED = {"jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_lin"}
SAME = {"copy", "copy_p", "name", "optimization_barrier", "sharding_constraint", "stage"}
CALLBACKS = {"pure_callback", "io_callback", "debug_callback"}


def type_of(x):
    return TYPES.get(str(x.dtype), "i32"), tuple(x.shape)


def inner(eqn):
    """The jaxpr of an equation that only holds another one, and its constants."""
    p = eqn.params
    j = p.get("jaxpr") or p.get("call_jaxpr") or p.get("fun_jaxpr")
    return (j.jaxpr, j.consts) if hasattr(j, "jaxpr") else (j, ())


def is_literal(v):
    return hasattr(v, "val")


def of_jax(jaxpr):
    """Is it the code of JAX itself, whose derivative is that of its operations?"""
    info = getattr(jaxpr, "debug_info", None)
    source = str(getattr(info, "func_src_info", "") or "").replace("\\", "/")
    return "/jax/_src/" in source


class Converter:
    def __init__(self, tape):
        self.tape, self.places = tape, {}
        self.marks = None        # the recorder's: it sees the names that it gave

    # -- places

    def place(self, eqn, what, outer):
        from jax._src import source_info_util
        try:
            frames = [f for f in source_info_util.user_frames(eqn.source_info.traceback) if is_user_file(f.file_name)]
        except Exception:   # noqa: BLE001 -- a form of JAX that is not known
            frames = []
        place = None
        for k, f in reversed(list(enumerate(frames[:12]))):
            name = what if k == 0 else f.function_name.split(".")[-1]
            end = f.end_line or f.start_line
            key = (f.file_name, f.start_line, f.start_column, end, f.end_column, id(place), name)
            if key not in self.places:
                self.places[key] = Place(f.file_name, f.start_line, f.start_column, end, f.end_column, place, name)
            place = self.places[key]
        return place or outer

    # -- equations

    def read(self, env, v):
        if not is_literal(v):
            return self.tape.follow(env[v])
        return self.constant(v.val, v.aval)

    def constant(self, value, aval):
        dtype, shape = type_of(aval)
        array = numpy.asarray(value)
        if array.size and (array == array.flat[0]).all() and dtype != "bool":
            return self.tape.const(array.flat[0].item(), dtype, shape)
        return self.tape.leaf("input", "constant", dtype, shape)

    def run(self, jaxpr, consts, args, outer=None):
        """The nodes of the results. `consts` and `args` are nodes."""
        t, env = self.tape, dict(zip(jaxpr.constvars, consts))
        env.update(zip(jaxpr.invars, args))
        for e in jaxpr.eqns:
            place = t.place = self.place(e, e.primitive.name, outer)
            ins = [self.read(env, v) for v in e.invars]
            outs = self.equation(e, ins, place)
            for v, o in zip(e.outvars, outs):
                env[v] = o if t.type(o) == type_of(v.aval) else self.unknown(e, [o])[e.outvars.index(v)]
        return [self.read(env, v) for v in jaxpr.outvars]

    def unknown(self, e, ins, what=None):
        return [self.tape.unknown(what or e.primitive.name, ins, *type_of(v.aval)) for v in e.outvars]

    def equation(self, e, ins, place):
        name, t = e.primitive.name, self.tape
        if any(0 in getattr(v.aval, "shape", ()) for v in [*e.invars, *e.outvars]):
            return self.unknown(e, ins)
        if name == "name" and self.marks is not None:
            made = self.marks(e.params["name"], ins[0])
            if made is not None:
                return [made]
        if name in INLINED:
            jaxpr, consts = inner(e)
            called = e.params.get("name")
            if called == "relu" and of_jax(jaxpr) and len(ins) == 1:
                t.place = self.place(e, "relu", place)
                return [t.unary("relu", ins[0])]
            return self.run(jaxpr, self.constants(consts), ins, place)
        if name == "custom_jvp_call":
            jaxpr, consts = inner(e)
            if of_jax(jaxpr):
                return self.run(jaxpr, self.constants(consts), ins, place)
            return self.unknown(e, ins)
        if name in CALLBACKS:
            return [t.host(name, ins, *type_of(v.aval)) for v in e.outvars]
        try:
            outs = self.op(name, e, ins)
        except (Unsupported, KeyError, IndexError):
            return self.unknown(e, ins)
        return outs if isinstance(outs, list) else [outs]

    def constants(self, consts):
        return [self.constant(c, c) for c in consts]

    def op(self, name, e, ins):
        t, p = self.tape, e.params
        dtype, shape = type_of(e.outvars[0].aval)
        if name in UNARY:
            made = t.node(name, ins, dtype, shape) if name == "stop_gradient" else t.unary(UNARY[name], ins[0])
            return made
        if name == "not" and dtype == "bool":
            return t.node("not", ins, dtype, shape)
        if name == "sub":
            return self.log_softmax(*ins) or t.binary("sub", *ins)
        if name in BINARY and dtype != "bool":
            return t.binary(BINARY[name], *ins)
        if name in ("and", "or") and dtype == "bool":
            return t.binary(name, *ins)
        if name == "div" and dtype in FLOATS:
            return self.softmax(*ins) or t.binary("div", *ins)
        if name == "pow" and t.type(ins[1])[0] == dtype:
            return t.binary("pow", *ins)
        if name == "integer_pow" and dtype in FLOATS:
            y = p["y"]
            return t.unary("square", ins[0]) if y == 2 else t.binary("pow", ins[0], t.const(y, dtype, shape))
        if name == "round" and dtype in FLOATS:
            return t.unary("round", ins[0])
        if name in COMPARED:
            op, order = COMPARED[name]
            return t.binary(op, *ins[::order], result="bool")
        if name == "select_n" and len(ins) == 3 and t.type(ins[0])[0] == "bool":
            return t.where(ins[0], ins[2], ins[1])
        if name == "convert_element_type" and str(e.outvars[0].aval.dtype) in TYPES:
            if str(e.invars[0].aval.dtype) not in TYPES:
                raise Unsupported(name)
            return t.cast(ins[0], dtype)
        if name in SAME:
            return ins
        return self.shaped(name, p, ins, dtype, shape)

    def shaped(self, name, p, ins, dtype, shape):
        t = self.tape
        if name == "broadcast_in_dim":
            own, between = t.type(ins[0])[1], [1] * len(shape)
            for k, d in enumerate(p["broadcast_dimensions"]):
                between[d] = own[k]
            return t.stretch(t.reshape(ins[0], between), shape)
        if name in ("reshape", "squeeze", "expand_dims"):
            return t.reshape(ins[0], shape)
        if name == "transpose":
            return t.transpose(ins[0], p["permutation"])
        if name in ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"):
            return t.reduce(name[7:], ins[0], p["axes"])
        if name == "slice":
            x = ins[0]
            for axis, low in enumerate(p["start_indices"]):
                x = t.slice(x, axis, low, p["strides"][axis] if p["strides"] else 1, shape[axis])
            return x
        if name == "concatenate":
            return t.node("concat", ins, dtype, shape, f"axis={p['dimension']}")
        if name == "dot_general" and dtype in FLOATS:
            return self.product(p["dimension_numbers"], *ins)
        raise Unsupported(name)

    def product(self, dimensions, a, b):
        t = self.tape
        ((ca, cb), (ba, bb)), sa, sb = dimensions, t.type(a)[1], t.type(b)[1]
        fa = [k for k in range(len(sa)) if k not in ca and k not in ba]
        fb = [k for k in range(len(sb)) if k not in cb and k not in bb]
        batch, m, n = ([s[k] for k in axes] for s, axes in ((sa, ba), (sa, fa), (sb, fb)))
        both = math.prod(sa[k] for k in ca)
        x = t.reshape(t.transpose(a, [*ba, *fa, *ca]), [*batch, math.prod(m), both])
        y = t.reshape(t.transpose(b, [*bb, *cb, *fb]), [*batch, both, math.prod(n)])
        return t.reshape(t.contract(x, y), batch + m + n)

    # -- what JAX writes out, as one operation again: the proofs know it by that name

    def plain(self, x, also=()):
        """Behind what only spreads a value."""
        node = self.tape.nodes[x]
        while node.op in ("broadcast", "reshape", *also):
            x = node.ins[0]
            node = self.tape.nodes[x]
        return x, node

    def shifted(self, x):
        """The y and the axis, where x is y - stop_gradient(max y)."""
        node = self.tape.nodes[x]
        if node.op != "sub":
            return None
        y, m = node.ins
        _, top = self.plain(m, ("stop_gradient",))
        if top.op == "maximum":
            sides = [self.plain(k, ("stop_gradient",)) for k in top.ins]
            sides = [n for _, n in sides if n.op != "const -inf"]
            if len(sides) != 1:
                return None
            top = sides[0]
        if top.op != "max" or top.ins[0] != y:
            return None
        axes = self.axes(top)
        return (y, axes[0]) if len(axes) == 1 else None

    @staticmethod
    def axes(node):
        inside = node.attrs.split("axes=[")[1].split("]")[0]
        return [int(k) for k in inside.split(",")]

    def softmax(self, a, b):
        t, (_, total) = self.tape, self.plain(b)
        if t.nodes[a].op != "exp" or total.op != "sum" or total.ins[0] != a:
            return None
        found = self.shifted(t.nodes[a].ins[0])
        return t.along("softmax", *found) if found and self.axes(total) == [found[1]] else None

    def log_softmax(self, a, b):
        t, (_, log) = self.tape, self.plain(b)
        if log.op != "log":
            return None
        _, total = self.plain(log.ins[0])
        if total.op != "sum" or t.nodes[total.ins[0]].op != "exp" or t.nodes[total.ins[0]].ins[0] != a:
            return None
        found = self.shifted(a)
        return t.along("log_softmax", *found) if found and self.axes(total) == [found[1]] else None
