#!/usr/bin/env python3
"""What the recorder must not do: change the run, swallow its errors, or judge what it did not see. TAP. Needs JAX.
usage: test_jax.py DGC"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import kit  # noqa: E402
import numpy as np  # noqa: E402
from dgc.jax import Session  # noqa: E402
from dgc.jax.recorder import Recorder  # noqa: E402

X, Y = np.linspace(-1, 1, 32, dtype="float32").reshape(8, 4), np.ones((8, 1), "float32")


def loss(p, x):
    return jnp.mean((jnp.tanh(x @ p["w"]) @ p["v"] + p["b"] - Y) ** 2)


def run(recorded, jitted, steps=5):
    """Losses and parameters of a few steps."""
    p = {"w": jnp.asarray(X[:4]), "v": jnp.ones((4, 1)), "b": jnp.zeros(1)}

    def step(p, x):
        value, grads = jax.value_and_grad(loss)(p, x)
        return jax.tree.map(lambda a, g: a - 0.1 * g, p, grads), value
    losses = []
    with recorded:
        step = jax.jit(step) if jitted else step
        for _ in range(steps):
            p, value = step(p, X)
            losses.append(float(value))
    return losses, [np.asarray(v).tobytes() for v in jax.tree.leaves(p)]


class Plain:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_a_recorded_run_has_the_same_bits():
    for jitted in (False, True):
        session = Session()
        assert run(session, jitted) == run(Plain(), jitted)
        assert session.report().status == 0, session.report().text


def test_an_error_of_ours_is_not_judged_and_the_run_goes_on():
    for name in ("node_of", "loss", "input", "site"):
        plain = getattr(Recorder, name)
        setattr(Recorder, name, lambda *a, **k: 1 / 0)
        try:
            session = Session()
            got = run(session, True)
            report = session.report()
        finally:
            setattr(Recorder, name, plain)
        assert got == run(Plain(), True)
        kit.not_judged(report, "the recorder gave up (ZeroDivisionError")


def test_a_missed_edge_is_an_import_fault():
    from dgc.jax import ops
    kept = ops.Converter.op
    ops.Converter.op = lambda self, name, e, ins: kept(self, "stop_gradient" if name == "tanh" else name, e, ins)
    try:
        session = Session()
        run(session, True)
        report = session.report()
    finally:
        ops.Converter.op = kept
    kit.import_fault(report)


def test_two_steps_are_too_few():
    session = Session()
    run(session, True, steps=2)
    kit.not_judged(session.report(), "at least three steps are needed")


def hooks():
    """What a session puts something in place of."""
    from jax._src import array, core
    return jax.grad, jax.value_and_grad, array.ArrayImpl.__dict__["_value"], core.trace_ctx.trace


def test_hooks_are_gone_afterwards():
    plain = hooks()
    with Session():
        during = hooks()
    assert all(a is not b for a, b in zip(plain, during)), "a hook that was looked at is none"
    run(Session(), True)
    assert hooks() == plain


def test_nothing_is_judged_where_no_update_was_seen():
    session, p = Session(), {"w": jnp.asarray(X[:4]), "v": jnp.ones((4, 1)), "b": jnp.zeros(1)}
    with session:
        for _ in range(5):
            jax.grad(loss)(p, X)
    kit.not_judged(session.report(), "no parameter changed by a gradient")


if __name__ == "__main__":
    sys.exit(kit.main(globals()))
