"""What Keras's optimizers do. Where a setting is not written out here, the direction of the update is unknown."""
from .. import rules


def _decayed(rule):
    """Weights decay beside the gradient in all of them: w - w * weight_decay * learning_rate."""
    t, w = rule.tape, rule.leaf
    if not rule.has("weight_decay"):
        return w
    return t.binary("sub", w, t.binary("mul", w, t.binary("mul", rule.setting("lr"), rule.setting("weight_decay"))))


def _sgd(rule):
    t = rule.tape
    step = t.binary("mul", rule.grad, rule.setting("lr"))
    if rule.has("momentum"):
        now = t.binary("sub", t.binary("mul", rule.state("momentum"), rule.setting("momentum")), step)
        rule.assign("momentum", now)
        moved = t.binary("sub", t.binary("mul", now, rule.setting("momentum")), step) if rule.flags["nesterov"] else now
        return t.binary("add", _decayed(rule), moved)
    return t.binary("sub", _decayed(rule), step)


def _adam(rule):
    t, moment = rule.tape, {}
    for name, beta, x in (("m", "beta_1", rule.grad), ("v", "beta_2", t.unary("square", rule.grad))):
        old = rule.state(name)
        moment[name] = t.binary("add", t.binary("mul", old, rule.setting(beta)), t.binary("mul", x, rule.rest_of(beta)))
        rule.assign(name, moment[name])
    size = t.binary("add", t.unary("sqrt", moment["v"]), rule.setting("epsilon"))
    # The corrections of the first steps are positive numbers that tend to 1: they change no verdict.
    return t.binary("sub", _decayed(rule), t.binary("mul", t.binary("div", moment["m"], size), rule.setting("lr")))


class Rule(rules.Rule):
    def update(self, made):
        """The node of the new value; `assigned` holds those of the states."""
        kind = type(made).__module__.split(".")[0] in ("keras", "tf_keras") and type(made).__name__
        clipped = any(self.has(k) for k in ("clipnorm", "global_clipnorm", "clipvalue"))
        if "lr" in self.numbers and not clipped and not self.flags["use_ema"]:
            if kind == "SGD":
                return _sgd(self)
            if kind in ("Adam", "AdamW") and {"beta_1", "beta_2", "epsilon"} <= set(self.numbers) and not self.flags["amsgrad"]:
                return _adam(self)
        return self.any()
