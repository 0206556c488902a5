"""A recording as a graph file."""
from torch.nn.parameter import is_lazy

from .. import write
from ..graph import FLOATS
from .names import Names
from .rules import Rule
from .tensors import is_parameter


class _File(write.File):
    # -- what a parameter is

    def classify(self):
        """Names leaves; decides which of them are parameters that somebody means to train."""
        tensors, unread = {}, self.find_unread()
        for ref, leaf, node in self.r.leaves.values():
            t = ref()
            tensors[leaf] = t
            leaf.name = self.names.of.get(id(t)) or self.names.called.get(id(t)) or "parameter"
        self.take_owners()
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

    def update(self, o, group, param, grad, loss):
        name, numbers, flags, varying = group
        rule = Rule(self.tape, name, numbers, flags, varying, param[1], grad, param[0].name, o.fresh)
        return rule.update(o.made), rule.assigned


def graph_text(recorder, frames, producer):
    """The file, or NotJudged."""
    write.enough(recorder)
    return _File(recorder, Names(frames), producer).text()
