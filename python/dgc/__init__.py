"""Which parameters of a model do not learn, why, and at which line.

    python -m dgc train.py        runs the program until its optimizers came round, and prints the report
    report = dgc.check(step)      runs a training step three times, and puts everything back
"""
from .report import Report

__all__ = ["Report", "check"]
__version__ = "0.1.0"


def check(step, rounds=3, keep=None):
    """Runs `step()`, one training step, at least three times and reports. Parameters, buffers, gradients, optimizers,
    modes and random numbers are as before afterwards. The graph file is kept at `keep`."""
    from .graph import LEAST_ROUNDS
    from .torch import Session
    from .torch.restore import Snapshot
    before = Snapshot()
    try:
        with Session(keep=keep) as session:
            for _ in range(max(LEAST_ROUNDS, rounds)):
                step()
            session.finish()
    finally:
        before.restore()
    return session.report()
