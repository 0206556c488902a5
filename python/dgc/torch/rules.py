"""What optimizers do, as nodes: the diagnosis reads an update, it knows no list of optimizers. Where a setting is not
written out here, the direction of the update is unknown, and only the learning rate is seen."""


def _decayed(rule, g):
    return rule.tape.binary("add", g, rule.tape.binary("mul", rule.leaf, rule.setting("weight_decay"))) \
        if rule.has("weight_decay") else g


def _sgd(rule):
    t = rule.tape
    g = _decayed(rule, rule.grad)
    if rule.has("momentum"):
        m = rule.state("momentum")
        damped = t.binary("mul", g, rule.rest_of("dampening")) if rule.has("dampening") else g
        now = t.binary("add", t.binary("mul", m, rule.setting("momentum")), damped)
        rule.assign("momentum", now)
        g = t.binary("add", g, t.binary("mul", now, rule.setting("momentum"))) if rule.flags.get("nesterov") else now
    return t.binary("sub", rule.leaf, t.binary("mul", g, rule.setting("lr")))


def _adam(rule, coupled=True):
    t, w = rule.tape, rule.leaf
    g = _decayed(rule, rule.grad) if coupled else rule.grad
    if rule.has("weight_decay") and not coupled:
        w = t.binary("sub", w, t.binary("mul", w, t.binary("mul", rule.setting("lr"), rule.setting("weight_decay"))))
    moment = {}
    for name, beta, x in (("m", "beta1", g), ("v", "beta2", t.unary("square", g))):
        old = rule.state(name)
        moment[name] = t.binary("add", t.binary("mul", old, rule.setting(beta)), t.binary("mul", x, rule.rest_of(beta)))
        rule.assign(name, moment[name])
    size = t.binary("add", t.unary("sqrt", moment["v"]), rule.setting("eps"))
    # The corrections of the first steps are positive numbers that tend to 1: they change no verdict.
    return t.binary("sub", w, t.binary("mul", t.binary("div", moment["m"], size), rule.setting("lr")))


def _any(rule):
    t = rule.tape
    direction = t.unknown("direction", [rule.grad, rule.leaf], rule.dtype, rule.shape)
    if "lr" not in rule.numbers:
        return t.binary("sub", rule.leaf, direction)
    return t.binary("sub", rule.leaf, t.binary("mul", direction, rule.setting("lr")))


class Rule:
    """One parameter's update."""

    def __init__(self, tape, optimizer, numbers, flags, varying, leaf, grad, name, fresh):
        self.tape, self.numbers, self.flags, self.leaf, self.grad, self.name = tape, numbers, flags, leaf, grad, name
        self.varying = varying
        self.dtype, self.shape = tape.type(leaf)
        self.optimizer, self.fresh, self.assigned = optimizer, fresh, []

    def has(self, name):
        return name in self.varying or bool(self.numbers.get(name, 0))

    def setting(self, name):
        """A number, or, where a schedule changes it, any."""
        if name in self.varying:
            return self.tape.stretch(self.tape.leaf("input", f"{self.optimizer}.{name}", self.dtype, ()), self.shape)
        return self.tape.const(self.numbers[name], self.dtype, self.shape)

    def rest_of(self, name):
        if name in self.varying:
            return self.tape.binary("sub", self.tape.const(1, self.dtype, self.shape), self.setting(name))
        return self.tape.const(1 - self.numbers[name], self.dtype, self.shape)

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
