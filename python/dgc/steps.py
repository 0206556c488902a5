"""What recorders know of the optimizers of a run."""
from .graph import MOST_ROUNDS

ROUNDS = 3


class Step:
    """One round of an optimizer."""

    __slots__ = ("losses", "seen")

    def __init__(self, losses, seen):
        self.losses, self.seen = losses, seen


class Optimizer:
    """One optimizer of the user's, or the updates that the user writes by hand."""

    def __init__(self, made, place):
        self.made, self.place = made, place
        self.title = type(made).__name__
        self.steps, self.since, self.groups, self.begun, self.fresh = [], 0, [], {}, False
        self.varying = []   # by group: settings that a schedule changes
        self.quiet = False  # is it in a step whose operations are not looked at: rules.py knows them
        self.outer = None   # the one whose step calls this one's


def came_round(order, others):
    """Has every optimizer that steps come round often enough? Who was made and has not stepped may still come."""
    if not order:
        return False
    counts = [len(o.steps) for o in order]
    return min(counts) >= ROUNDS and (max(counts) > ROUNDS or not any(o.made is not None and not o.steps for o in others)) \
        or max(counts) >= MOST_ROUNDS
