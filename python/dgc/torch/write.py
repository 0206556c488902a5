"""A recording as a graph file."""
from torch.nn.parameter import is_lazy

from ..graph import FLOATS, LEAST_ROUNDS, NotJudged, Writer, number, unique, word
from .names import Names
from .rules import Rule
from .tensors import is_parameter


class _File:
    def __init__(self, recorder, frames, producer):
        self.r, self.tape = recorder, recorder.tape
        self.writer = Writer(producer)
        self.names = Names(frames)
        self.owned, self.told = {}, set()
        self.unread = {}    # optimizer: nodes of parameters that it should have, and that nothing reads

    # -- what a parameter is

    def classify(self):
        """Names leaves; decides which of them are parameters that somebody means to train."""
        tensors, unread = {}, self.find_unread()
        for ref, leaf, node in self.r.leaves.values():
            t = ref()
            tensors[leaf] = t
            leaf.name = self.names.of.get(id(t)) or self.names.called.get(id(t)) or "parameter"
        for o in self.r.order:
            for _, _, params in o.groups:
                for _, leaf, _ in params:
                    self.owned.setdefault(leaf, o)
        reached = self.tape.cone([n for n, _ in self.r.losses], through_cuts=False)
        loose = [leaf for leaf, t in tensors.items() if leaf in self.owned and not is_parameter(t)]
        for ref, leaf, node in list(self.r.leaves.values()):
            t = tensors[leaf]
            if node in unread:
                continue
            if leaf in self.owned:
                leaf.set = self.r.set_at.get(id(leaf))
                continue
            if self.r.writes.get(id(leaf)):
                leaf.kind, leaf.start = "state", None     # it follows something: an average, a target network
            elif not is_parameter(t):
                if not (loose and node in reached and id(t) in self.names.called):
                    leaf.kind = "input"                   # a gradient by data
            elif t is None or not t.requires_grad or node not in reached:
                leaf.frozen = True

    def find_unread(self):
        """Nodes of parameters in no optimizer, of a module that is trained, which neither the program reads nor the
        framework gave a gradient."""
        read = {i for n in self.tape.nodes for i in n.ins}
        given = {id(t) for o in self.r.optimizers.values() for g in o.made.param_groups for t in g["params"]}
        found = set()
        for tree in self.names.trees:
            mine = {id(t) for t in tree}
            owner = next((o for o in self.r.order for _, _, params in o.groups if any(id(t) in mine for t, _, _ in params)), None)
            for t in tree:
                if owner is None or id(t) in given or not t.requires_grad or t.grad is not None or is_lazy(t):
                    continue
                _, leaf, node = self.r._leaf(t)
                if node in read or self.r.writes.get(id(leaf)) or leaf.dtype not in FLOATS:
                    continue
                if node not in found:
                    found.add(node)
                    self.unread.setdefault(owner, []).append(node)
        return found

    # -- steps

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
                rule = Rule(t, name, numbers, flags, varying, node, grad, leaf.name, o.fresh)
                update = rule.update(o.made)
                roots += [grad, update] + [v for _, v in rule.assigned]
                rows.append((leaf, grad, update, rule.assigned))
            groups.append(({k: v for k, v in numbers.items() if k not in varying}, rows))
        at = w.graph(name, t, roots + self.dead_ends(o, roots, losses) + self.unread.get(o, []))
        w.line(f"train {name} loss=%{at[loss]}{w.at(place)}")
        for numbers, rows in groups:
            settings = "".join(f" {k}={number(v)}" for k, v in numbers.items() if v == v)
            w.line(f"group {type(o.made).__name__}{settings}{w.at(o.place)}")
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
            if leaf.kind != "param" or leaf.frozen or leaf not in self.owned:
                continue
            if leaf.set is not None:
                w.line(f"set {w.name(leaf)}{w.at(leaf.set)}")
            if leaf.note is not None and leaf.note[0] is not None:
                w.line(f"note {w.name(leaf)}{w.at(leaf.note[0])} {leaf.note[1]}")
            w.seen(leaf, [s.seen.get(leaf, "none") for s in self.owned[leaf].steps])

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
                if len(values) == 1 and t.nodes[value].op == "leaf":
                    value = t.leaf("state", leaf.name + ".value", leaf.dtype, leaf.shape)
                elif t.nodes[value].op == "leaf":
                    value = t.node("name", [value], leaf.dtype, leaf.shape)
                every = 1 if len({x.round for x in writes}) >= len(o.steps) - 1 else 2
                at = w.graph(f"after_{name}", t, [value])
                w.line(f"after {name} every={every}")
                w.line(f"assign {w.name(leaf)} := %{at[value]}{w.at(writes[-1].place)}")


def graph_text(recorder, frames, producer):
    """The file, or NotJudged."""
    if not recorder.order:
        raise NotJudged("no optimizer made a step")
    if max(len(o.steps) for o in recorder.order) < LEAST_ROUNDS:
        raise NotJudged("at least three steps of an optimizer are needed")
    f = _File(recorder, frames, producer)
    f.classify()
    taken, named = set(), []
    for o in recorder.order:
        called = f.names.called.get(id(o.made), type(o.made).__name__)
        named.append((o, unique(word(called.replace("[", "_").replace("]", "")), taken)))
    for o, name in named:
        f.step(o, name)
    for o, name in named:
        f.afters(o, name)
    return f.writer.text()
