"""The steps of optimizers, and of updates that the program writes by hand."""
from ..graph import MOST_ROUNDS
from ..session import guarded
from ..steps import Optimizer, Step, came_round
from ..witness import classify
from .tapes import Tapes, size_of
from .tensors import unwrapped

NUMBERS = ("momentum", "beta_1", "beta_2", "epsilon", "rho", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
FLAGS = ("nesterov", "amsgrad", "centered", "use_ema")


class Hand(Optimizer):
    """Updates by assign, assign_sub and the like, of the gradients of one call of `tape.gradient`."""

    def __init__(self, place):
        super().__init__(None, place)
        self.title, self.updates, self.pending = "update", {}, []
        self.varying.append(set())
        self.groups.append(({}, {}, []))


class Steps(Tapes):
    def __init__(self, stop=False, debug=False):
        super().__init__(stop, debug)
        self.optimizers, self.order, self.hands = {}, [], {}
        self.refused = False    # did the framework itself end a step, as there was no gradient at all?

    @guarded
    def optimizer_made(self, made, place):
        self.optimizers.setdefault(id(made), Optimizer(made, place))

    @guarded
    def step_begins(self, made, grads, variables, direct):
        """`direct`: the user's own call, which names the variables. It is then the place that leaves others out."""
        o = self.optimizers.get(id(made))
        if o is None or o.made is not made:
            o = self.optimizers[id(made)] = Optimizer(made, self.frames.here(type(made).__name__))
        if not o.groups:
            o.fresh = not getattr(made, "built", False)
            o.groups.append((self.settings(made), self.flags(made), []))
            o.varying.append({"lr"} if self.scheduled(made) else set())
            o.place = self.frames.here("apply_gradients") if direct or o.place is None else o.place
        numbers, _, params = o.groups[0]
        o.varying[0].update(k for k, v in self.settings(made).items() if numbers.get(k) != v)
        leaves, sizes = [], []
        for v, g in zip(variables, grads):
            self.owns(o, params, unwrapped(v).handle)
            leaves.append(self.variable(unwrapped(v).handle)[1])
            sizes.append(size_of(g))
        own = set(leaves)
        losses = self.losses[o.since:]
        asked = [x for x in losses if own & set(self.given.get(x[0], ()))]
        self.left_out(o, params, [x for x, _ in asked])
        if not o.steps:
            self.order.append(o)
        o.steps.append(Step(asked or losses, dict(zip(leaves, classify(sizes)))))
        o.since = len(self.losses)

    def owns(self, o, params, handle):
        _, leaf, node = self.variable(handle)
        if leaf not in o.begun:
            o.begun[leaf] = node
            params.append((self.object_of(handle), leaf, node))

    def left_out(self, o, params, losses):
        """What a tape was asked for and knew nothing of: programs drop such pairs before the optimizer sees them."""
        for leaf in [x for loss in losses for x, size in self.given[loss].items() if size is None]:
            handle = next((ref() for ref, own, _ in self.leaves.values() if own is leaf), None)
            if handle is not None:
                self.owns(o, params, handle)

    @staticmethod
    def scheduled(made):
        return not hasattr(getattr(made, "_learning_rate", None), "numpy") and callable(getattr(made, "_learning_rate", None))

    @staticmethod
    def settings(made):
        rate = made.learning_rate
        # As it was given: of 0.1 there is a longer number in f32.
        numbers = {"lr": float(str(rate.numpy() if hasattr(rate, "numpy") else rate))} if not callable(rate) else {}
        found = {k: getattr(made, k, None) for k in NUMBERS}
        numbers.update({k: float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)})
        return numbers

    @staticmethod
    def flags(made):
        return {k: bool(getattr(made, k, False)) for k in FLAGS}

    @guarded
    def step_ends(self, error):
        self.refused = isinstance(error, ValueError) and "No gradients provided" in str(error)
        self.current.clear()

    # -- by hand

    def updated_by_hand(self, leaf, node, new, place):
        t = self.tape
        loss = next((t.nodes[i].ins[0] for i in sorted(t.cone([new])) if t.nodes[i].op == "grad"), None)
        found = [x for x in self.losses if x[0] == loss] or self.losses[-1:]
        key = found[0][1].key() if found and found[0][1] is not None else None
        hand = self.hands.get(key)
        if hand is None:
            hand = self.hands[key] = Hand(place)
        for other in self.given.get(loss, ()):
            self._owned(hand, other)
        self._owned(hand, leaf)
        hand.updates.setdefault(leaf, []).append(new)
        hand.pending = [x for x in hand.pending if x not in found] + found

    def _owned(self, hand, leaf):
        _, own, node = next(x for x in self.leaves.values() if x[1] is leaf)
        if leaf not in hand.begun:
            hand.begun[leaf] = node
            hand.groups[0][2].append((None, own, node))

    def close_rounds(self):
        """A new gradient is asked for: what was written since the last one was one step."""
        for hand in self.hands.values():
            if not hand.pending:
                continue
            seen = {}
            for loss, _ in hand.pending:
                sizes = self.given.get(loss, {})
                seen.update(zip(sizes, classify(list(sizes.values()))))
            if not hand.steps:
                self.order.append(hand)
            hand.steps.append(Step(hand.pending, seen))
            hand.pending = []

    def enough(self):
        """Has every optimizer that steps come round often enough?"""
        return self.failed is None and came_round(self.order, self.optimizers.values())

    def too_many(self):
        """Nothing steps, and the user's loop goes on."""
        return not self.order and len(self.losses) >= 4 * MOST_ROUNDS
