"""A recording as a graph file."""
from ..graph import FLOATS, LEAST_ROUNDS, NotJudged, Writer


class _File:
    def __init__(self, recorder, producer):
        self.r, self.tape, self.writer = recorder, recorder.tape, Writer(producer)
        self.params = [x for x in recorder.updates if recorder.is_parameter(x) and self.tape.nodes[x].dtype in FLOATS]
        self.told = set()

    def name_parameters(self):
        leaves = [self.tape.nodes[x].leaf for x in self.params]
        paths = [leaf.name[1] for leaf in leaves]
        alone = len(set(paths)) == len(paths)
        for leaf in leaves:
            argument, path = leaf.name
            leaf.name = path if alone and path else ".".join(p for p in (argument, path) if p)

    def steps(self, leaf):
        """The gradients in what became of a parameter; None where that was not seen."""
        made = self.r.updates[leaf]
        if not made or None in made:
            return None
        return [{i for i in self.tape.cone([x]) if self.tape.nodes[i].op == "grad"} for x in made]

    def update(self, leaf, grad, loss, same):
        """The node of the next value. Where steps differ, or one was not seen: any that depends on the gradient."""
        t, made = self.tape, self.r.updates[leaf]
        if same and made and None not in made and len({t.shape_of(x) for x in made}) == 1:
            grads = {i for i in t.cone([made[0]]) if t.nodes[i].op == "grad"}
            if any(t.nodes[i].ins == [loss, leaf] for i in grads) and all(t.nodes[i].ins[0] == loss for i in grads):
                return made[0]
        return t.unknown("update", [leaf, grad], *t.type(leaf))

    def site(self, site, name):
        t, w = self.tape, self.writer
        losses = t.distinct(site.losses)
        loss, place = t.total(losses)
        loss = t.with_python(loss, place, set(site.leaves.values()), max(node for node, _ in site.losses))
        rows, roots = [], [loss]
        for leaf in dict.fromkeys(site.leaves.values()):
            if leaf not in self.params or leaf in self.told:
                continue
            self.told.add(leaf)
            steps = self.steps(leaf)
            if steps is not None and len(steps) >= 2 and not any(steps):
                rows.append((leaf, None, None))
                continue
            grad = t.node("grad", [loss, leaf], *t.type(leaf))
            update = self.update(leaf, grad, loss, len(losses) == 1)
            roots += [grad, update]
            rows.append((leaf, grad, update))
        at = w.graph(name, t, roots + [x for x, g, _ in rows if g is None])
        w.line(f"train {name} loss=%{at[loss]}{w.at(place)}")
        where = next((t.nodes[u].place for _, _, u in rows if u is not None and t.nodes[u].place), site.place)
        w.line(f"group update{w.at(where)}")
        for leaf, grad, update in rows:
            if grad is not None:
                w.line(f"own {w.name(t.nodes[leaf].leaf)} grad=%{at[grad]} update=%{at[update]}")
        for leaf, _, _ in rows:
            own = t.nodes[leaf].leaf
            w.start(own)
            w.seen(own, site.seen.get(leaf, ["none"]))


def graph_text(recorder, producer):
    """The file, or NotJudged."""
    sites = [s for s in recorder.sites.values() if s.losses]
    if not sites:
        raise NotJudged("no gradient was asked for: jax.grad and jax.value_and_grad are seen")
    if max(len(s.losses) for s in sites) < LEAST_ROUNDS:
        raise NotJudged("at least three steps are needed")
    f = _File(recorder, producer)
    steps = [f.steps(x) for x in f.params]
    if not any(s is None or any(s) for s in steps):
        raise NotJudged("no parameter changed by a gradient in the steps that were seen")
    f.name_parameters()
    for k, site in enumerate(sites):
        f.site(site, f"step_{k + 1}" if k else "step")
    return f.writer.text()
