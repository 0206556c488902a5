"""A recording of steps by optimizers as a graph file, whatever the framework."""
from .graph import FLOATS, LEAST_ROUNDS, NotJudged, Writer, number, unique, word


class File:
    """`recorder` has a tape, the optimizers that stepped (steps.py), and writes beside them by leaf."""

    def __init__(self, recorder, names, producer):
        self.r, self.tape = recorder, recorder.tape
        self.writer, self.names = Writer(producer), names
        self.owned, self.told = {}, set()
        self.unread = {}    # optimizer: nodes of parameters that it should have, and that nothing reads

    def classify(self):
        """Names leaves; decides which of them are parameters that somebody means to train."""
        raise NotImplementedError

    def update(self, o, group, param, grad, loss):
        """The node of a parameter's next value, and pairs of a state's leaf and its next value. A group is its numbers,
        its flags, and which of them vary."""
        raise NotImplementedError

    def take_owners(self):
        for o in self.r.order:
            for _, _, params in o.groups:
                for _, leaf, _ in params:
                    self.owned.setdefault(leaf, o)

    def losses_of(self, o):
        own = {node for _, _, params in o.groups for _, _, node in params}
        found = []
        for step in o.steps:
            near = [x for x in step.losses if own & self.tape.cone([x[0]], through_cuts=False)]
            found += near or step.losses
        return self.tape.distinct(found)

    def step(self, o, name):
        t, w = self.tape, self.writer
        losses = self.losses_of(o)
        if not losses:
            raise NotJudged(f"optimizer '{name}' steps without a loss that was seen")
        loss, place = t.total(losses)
        mine = {node for _, _, params in o.groups for _, _, node in params}
        loss = t.with_python(loss, place, mine, max(node for s in o.steps for node, _ in s.losses or losses))
        t.place = None
        groups, roots = [], [loss]
        for (numbers, flags, params), varying in zip(o.groups, o.varying):
            rows = []
            for _, leaf, node in params:
                if leaf.frozen or leaf.dtype not in FLOATS:
                    continue
                grad = t.node("grad", [loss, node], leaf.dtype, leaf.shape)
                update, assigned = self.update(o, (name, numbers, flags, varying), (leaf, node), grad, loss)
                roots += [grad, update] + [v for _, v in assigned]
                rows.append((leaf, grad, update, assigned))
            groups.append(({k: v for k, v in numbers.items() if k not in varying}, rows))
        at = w.graph(name, t, roots + self.dead_ends(o, roots, losses) + self.unread.get(o, []))
        w.line(f"train {name} loss=%{at[loss]}{w.at(place)}")
        for numbers, rows in groups:
            settings = "".join(f" {k}={number(v)}" for k, v in numbers.items() if v == v)
            w.line(f"group {o.title}{settings}{w.at(o.place)}")
            for leaf, grad, update, assigned in rows:
                w.line(f"own {w.name(leaf)} grad=%{at[grad]} update=%{at[update]}")
                for state, value in assigned:
                    w.line(f"assign {w.name(state)} := %{at[value]}")
        self.facts()

    def dead_ends(self, o, roots, losses):
        """Where parameters end up that no loss reads: the message says what is made of them."""
        needed, last = self.tape.cone(roots), max(node for node, _ in losses)
        fed = {node for _, _, params in o.groups for _, _, node in params} - self.tape.cone(roots[:1])
        read, made = set(), []
        for i in range(min(fed, default=last), last):
            ins = self.tape.nodes[i].ins
            if any(k in fed for k in ins) and i not in needed:
                fed.add(i)
                made.append(i)
                read.update(ins)
        ends = [i for i in made[:256] if i not in read]
        return [i for i in ends if self.tape.nodes[i].dtype != "bool"] or ends

    def facts(self):
        """What was seen of the leaves that the file has by now."""
        w = self.writer
        for leaf in list(w.declared):
            if leaf in self.told:
                continue
            self.told.add(leaf)
            if leaf.kind in ("param", "state"):
                w.start(leaf)
            if leaf.kind != "param" or leaf.frozen:
                continue
            if leaf.note is not None and leaf.note[0] is not None:
                w.line(f"note {w.name(leaf)}{w.at(leaf.note[0])} {leaf.note[1]}")
            if leaf not in self.owned:
                continue
            if leaf.set is not None:
                w.line(f"set {w.name(leaf)}{w.at(leaf.set)}")
            w.seen(leaf, [s.seen.get(leaf, "none") for s in self.owned[leaf].steps])

    def is_param(self, node):
        leaf = self.tape.nodes[node].leaf
        return leaf is not None and leaf.kind == "param"

    def afters(self, o, name):
        """Parameters of this optimizer that the program writes itself."""
        t, w = self.tape, self.writer
        for _, _, params in o.groups:
            for _, leaf, _ in params:
                writes = self.r.writes.get(id(leaf), [])
                if not writes or leaf.frozen:
                    continue
                values, value = {x.value for x in writes}, writes[-1].value
                t.place = writes[-1].place
                if len(values) == 1 and not any(self.is_param(i) for i in t.cone([value])):    # it was there before
                    value = t.leaf("state", leaf.name + ".value", leaf.dtype, leaf.shape)
                elif t.nodes[value].op == "leaf":
                    value = t.node("name", [value], leaf.dtype, leaf.shape)
                every = 1 if len({x.round for x in writes}) >= len(o.steps) - 1 else 2
                at = w.graph(f"after_{name}", t, [value])
                w.line(f"after {name} every={every}")
                w.line(f"assign {w.name(leaf)} := %{at[value]}{w.at(writes[-1].place)}")

    def text(self):
        """The file, or NotJudged."""
        self.classify()
        taken, named = set(), []
        for o in self.r.order:
            called = o.title if o.made is None else self.names.called.get(id(o.made), o.title)
            named.append((o, unique(word(called.replace("[", "_").replace("]", "")), taken)))
        for o, name in named:
            self.step(o, name)
        for o, name in named:
            self.afters(o, name)
        return self.writer.text()


def enough(recorder, least=LEAST_ROUNDS):
    """Were there steps to judge? Or NotJudged."""
    if not recorder.order:
        raise NotJudged("no optimizer made a step")
    if max(len(o.steps) for o in recorder.order) < least:
        raise NotJudged("at least three steps of an optimizer are needed")
