"""Everything a training step changes, put back: variables, those of optimizers among them, and the random numbers of
Keras, Python and numpy. Layers and optimizers that the step built stay built, with their first values."""
import gc
import random

from tensorflow.python.eager import context

from .. import restore
from .variables import Resource, is_whole


class Snapshot:
    def __init__(self):
        self.values = [(v, v.read_value()) for v in gc.get_objects() if issubclass(type(v), Resource) and is_whole(v)]
        self.random_numbers = restore.RandomNumbers()
        rng = getattr(context.context(), "_rng", None)    # seeds of operations, after tf.random.set_seed
        self.seeds = (rng, rng.getstate()) if isinstance(rng, random.Random) else None

    def restore(self, made):
        """`made`: pairs of a variable that came about since then and its first value."""
        for v, value in self.values + made:
            v.assign(value)
        if self.seeds is not None:
            self.seeds[0].setstate(self.seeds[1])
        self.random_numbers.restore()


def check(session, step, rounds):
    """Runs a step so often under the session, and puts everything back."""
    before = Snapshot()
    session.recorder.first = made = []
    restore.check(session, step, rounds, lambda: before.restore(made))
