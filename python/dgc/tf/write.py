"""A recording as a graph file."""
from .. import write
from ..graph import FLOATS
from .names import Names, is_users
from .rules import Rule
from .steps import Hand

UNTRACKED = "a tf.Variable in a layer of Keras 3 is not tracked: make it by self.add_weight or keras.Variable"


class _File(write.File):
    def classify(self):
        objects = {}
        self.make_unread()
        for key, (ref, leaf, node) in self.r.leaves.items():
            handle = ref()
            v = objects[leaf] = self.r.object_of(handle) if handle is not None else None
            leaf.name = self.names.name_of(v) or leaf.name
            owner = self.names.owner.get(id(v))
            made = self.r.layers.get(id(owner))
            if owner is not None and not is_users(owner) and made is not None and made[0]() is owner:
                leaf.place = made[1]    # a library makes it when the layer is first called
        self.take_owners()
        reached = self.tape.cone([n for n, _ in self.r.losses], through_cuts=False)
        unread = {n for nodes in self.unread.values() for n in nodes}
        for _, leaf, node in list(self.r.leaves.values()):
            v = objects[leaf]
            if leaf in self.owned:
                leaf.set = self.r.set_at.get(id(leaf))
                continue
            leaf.start = None
            if id(v) not in self.names.held and self.is_untracked(v):
                leaf.note = (leaf.place, UNTRACKED)
            if self.r.writes.get(id(leaf)):
                # An average, a target network, a statistic.
                leaf.kind = "state" if leaf.kind == "param" else leaf.kind
            elif leaf.kind == "param" and node not in unread and (not self.is_meant(v) or node not in reached):
                leaf.frozen = True

    def is_meant(self, v):
        """Would somebody train it? What Keras 3 does not track is in no list of its layer."""
        names = self.names
        return v is not None and bool(names.wrapped.get(id(v), v).trainable) and (id(v) in names.meant or id(v) not in names.held)

    def is_untracked(self, v):
        return any(c.__module__ == "keras.src.layers.layer" for c in type(self.names.owner.get(id(v))).__mro__)

    def make_unread(self):
        """Variables in no optimizer, of a model that is trained, which neither the program reads nor a tape was asked
        for."""
        read = {i for n in self.tape.nodes for i in n.ins}
        for tree in self.names.trees:
            mine = {id(v) for v in tree}
            owner = next((o for o in self.r.order for _, _, params in o.groups if any(id(v) in mine for v, _, _ in params)), None)
            given = {id(v) for o in self.r.order for _, _, params in o.groups for v, _, _ in params}
            for v in tree:
                if owner is None or id(v) in given or not self.is_meant(v) or not v.dtype.is_floating:
                    continue
                _, leaf, node = self.r.variable(v.handle)
                if node not in read and not self.r.writes.get(id(leaf)) and leaf.dtype in FLOATS:
                    self.unread.setdefault(owner, []).append(node)

    def update(self, o, group, param, grad, loss):
        name, numbers, flags, varying = group
        if isinstance(o, Hand):
            return self.by_hand(o, param, grad, loss), []
        rule = Rule(self.tape, name, numbers, flags, varying, param[1], grad, param[0].name, o.fresh)
        return rule.update(o.made), rule.assigned

    def by_hand(self, o, param, grad, loss):
        """Where steps differ, or one was not seen: any that depends on the gradient."""
        t, (leaf, node) = self.tape, param
        made = o.updates.get(leaf, [])
        if made and len({t.shape_of(x) for x in made}) == 1:
            grads = [t.nodes[i] for i in t.cone([made[0]]) if t.nodes[i].op == "grad"]
            if any(n.ins == [loss, node] for n in grads) and all(n.ins[0] == loss for n in grads):
                return made[0]
        return t.unknown("update", [node, grad], *t.type(node))


def graph_text(recorder, frames, producer):
    """The file, or NotJudged."""
    recorder.close_rounds()
    write.enough(recorder, 1 if recorder.refused else write.LEAST_ROUNDS)
    found = [recorder.object_of(ref()) for ref, _, _ in recorder.leaves.values() if ref() is not None]
    return _File(recorder, Names(frames, {id(v) for v in found}), producer).text()
