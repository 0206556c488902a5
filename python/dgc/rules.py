"""What optimizers do, as nodes: the diagnosis reads an update, it knows no list of optimizers."""


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

    def any(self, lr="lr"):
        """The direction is unknown, and only the learning rate is seen, where there is one."""
        t = self.tape
        direction = t.unknown("direction", [self.grad, self.leaf], self.dtype, self.shape)
        if lr in self.numbers:
            direction = t.binary("mul", direction, self.setting(lr))
        return t.binary("sub", self.leaf, direction)
