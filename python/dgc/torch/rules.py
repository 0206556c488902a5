"""What optimizers do, as nodes: the diagnosis reads an update, it knows no list of optimizers. Where a setting is not
written out here, the direction of the update is unknown, and only the learning rate is seen."""


def _decayed(t, g, w, dtype, shape, weight):
    return t.binary("add", g, t.binary("mul", w, t.const(weight, dtype, shape))) if weight else g


def _sgd(rule):
    t, n = rule.tape, rule.numbers
    g = _decayed(t, rule.grad, rule.leaf, rule.dtype, rule.shape, n.get("weight_decay", 0))
    if n.get("momentum", 0):
        m = rule.state("momentum")
        damped = g if not n.get("dampening", 0) else t.binary("mul", g, rule.const(1 - n["dampening"]))
        now = t.binary("add", t.binary("mul", m, rule.const(n["momentum"])), damped)
        rule.assign("momentum", now)
        g = t.binary("add", g, t.binary("mul", now, rule.const(n["momentum"]))) if rule.flags.get("nesterov") else now
    return t.binary("sub", rule.leaf, t.binary("mul", g, rule.const(n["lr"])))


def _adam(rule, coupled=True):
    t, n = rule.tape, rule.numbers
    weight = n.get("weight_decay", 0)
    w = rule.leaf
    g = _decayed(t, rule.grad, w, rule.dtype, rule.shape, weight if coupled else 0)
    if weight and not coupled:
        w = t.binary("mul", w, rule.const(1 - n["lr"] * weight))
    moment = {}
    for name, beta, x in (("m", n["beta1"], g), ("v", n["beta2"], t.unary("square", g))):
        old = rule.state(name)
        moment[name] = t.binary("add", t.binary("mul", old, rule.const(beta)), t.binary("mul", x, rule.const(1 - beta)))
        rule.assign(name, moment[name])
    size = t.binary("add", t.unary("sqrt", moment["v"]), rule.const(n["eps"]))
    # The corrections of the first steps are positive numbers that tend to 1: they change no verdict.
    return t.binary("sub", w, t.binary("mul", t.binary("div", moment["m"], size), rule.const(n["lr"])))


def _any(rule):
    t, n = rule.tape, rule.numbers
    direction = t.unknown("direction", [rule.grad, rule.leaf], rule.dtype, rule.shape)
    if "lr" not in n:
        return t.binary("sub", rule.leaf, direction)
    return t.binary("sub", rule.leaf, t.binary("mul", direction, rule.const(n["lr"])))


class Rule:
    """One parameter's update."""

    def __init__(self, tape, optimizer, numbers, flags, leaf, grad, name, fresh):
        self.tape, self.numbers, self.flags, self.leaf, self.grad, self.name = tape, numbers, flags, leaf, grad, name
        self.dtype, self.shape = tape.type(leaf)
        self.optimizer, self.fresh, self.assigned = optimizer, fresh, []

    def const(self, value):
        return self.tape.const(value, self.dtype, self.shape)

    def state(self, name):
        node = self.tape.leaf("state", f"{self.optimizer}.{name}.{self.name}", self.dtype, self.shape)
        self.tape.nodes[node].leaf.start = 0.0 if self.fresh else None
        setattr(self, "_" + name, node)
        return node

    def assign(self, name, value):
        self.assigned.append((self.tape.nodes[getattr(self, "_" + name)].leaf, value))

    def update(self, made):
        """The node of the new value; `assigned` holds those of the states."""
        kind = type(made).__module__.startswith("torch.optim") and type(made).__name__
        plain = not any(self.flags.get(k) for k in ("maximize", "amsgrad", "differentiable"))
        if kind == "SGD" and plain and "lr" in self.numbers:
            return _sgd(self)
        if kind in ("Adam", "AdamW") and plain and {"lr", "eps", "beta1", "beta2"} <= set(self.numbers):
            decoupled = kind == "AdamW" or self.flags.get("decoupled_weight_decay")
            return _adam(self, not decoupled)
        return _any(self)
