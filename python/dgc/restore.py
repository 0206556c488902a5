"""What a checked step changes in any framework, put back behind it."""
import random
import sys

import numpy


class RandomNumbers:
    """Those of Python and numpy."""

    def __init__(self):
        self.python = random.getstate()
        self.numpy = numpy.random.get_state() if "numpy.random" in sys.modules else None

    def restore(self):
        random.setstate(self.python)
        if self.numpy is not None:
            numpy.random.set_state(self.numpy)


def check(session, step, rounds, restore):
    """Runs a step so often under the session; `restore` puts everything back, whatever happens."""
    try:
        with session:
            for _ in range(rounds):
                step()
            session.finish()
    finally:
        restore()
