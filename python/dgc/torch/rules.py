"""What PyTorch's optimizers do. Where a setting is not written out here, the direction of the update is unknown."""
from .. import rules


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


class Rule(rules.Rule):
    def update(self, made):
        """The node of the new value; `assigned` holds those of the states."""
        kind = type(made).__module__.startswith("torch.optim") and type(made).__name__
        plain = not any(self.flags.get(k) for k in ("maximize", "amsgrad", "differentiable"))
        if kind == "SGD" and plain and "lr" in self.numbers:
            return _sgd(self)
        if kind in ("Adam", "AdamW") and plain and {"lr", "eps", "beta1", "beta2"} <= set(self.numbers):
            decoupled = kind == "AdamW" or self.flags.get("decoupled_weight_decay")
            return _adam(self, not decoupled)
        return self.any()
