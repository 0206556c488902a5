"""Which parameters of a model do not learn, why, and at which line.

    python -m dgc train.py        runs the program until its optimizers came round, and prints the report
    report = dgc.check(step)      runs a training step three times, and puts everything back
"""
import importlib
import sys

from .report import Report

__all__ = ["Report", "check"]
__version__ = "0.1.0"


def check(step, rounds=3, keep=None):
    """Runs `step()`, one training step, at least three times and reports. Parameters, optimizers, random numbers and,
    of PyTorch, buffers, gradients and modes are as before afterwards. The graph file is kept at `keep`."""
    from .graph import LEAST_ROUNDS
    name = "tf" if "torch" not in sys.modules and "tensorflow" in sys.modules else "torch"
    framework = importlib.import_module(f".{name}", __name__)
    session = framework.Session(keep=keep)
    importlib.import_module(f".{name}.restore", __name__).check(session, step, max(LEAST_ROUNDS, rounds))
    return session.report()
