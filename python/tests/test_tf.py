#!/usr/bin/env python3
"""What the recorder must not do: change the run, swallow its errors, or judge what it did not see. TAP.
Needs TensorFlow. usage: test_tf.py DGC"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Keras takes the folder jax in it for the framework.
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != HERE]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

sys.path[:0] = [HERE, os.path.dirname(HERE)]
import contextlib  # noqa: E402
import io  # noqa: E402

import dgc  # noqa: E402
import kit  # noqa: E402
from dgc.tf import Session, ops  # noqa: E402
from dgc.tf.recorder import Recorder  # noqa: E402

X, Y = tf.reshape(tf.linspace(-1.0, 1.0, 64), (16, 4)), tf.ones((16, 1))


def model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)])


def bits(net):
    return [v.numpy().tobytes() for v in net.variables]


def by_tape(recorded, steps=5):
    """Losses and parameters of a few steps."""
    keras.utils.set_random_seed(3)
    losses = []
    with recorded:
        net, opt = model(), keras.optimizers.Adam(0.01)
        for _ in range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((net(X, training=True) - Y) ** 2)
            opt.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
            losses.append(float(loss))
    return losses, bits(net)


def by_fit(recorded):
    keras.utils.set_random_seed(3)
    with recorded:
        net = model()
        net.compile("adam", "mse", run_eagerly=True)
        told = net.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return told.history["loss"], bits(net)


def by_hand(recorded):
    w, b = tf.Variable(X[:4, :1]), tf.Variable([0.5])
    with recorded:
        for _ in range(5):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((X @ w + b - Y) ** 2)
            for v, g in zip((w, b), tape.gradient(loss, (w, b))):
                v.assign_sub(0.1 * g)
    return w.numpy().tobytes(), b.numpy().tobytes()


def test_a_recorded_run_has_the_same_bits():
    for run in (by_tape, by_fit, by_hand):
        session = Session()
        assert run(session) == run(contextlib.nullcontext()), run.__name__
        assert session.report().status == 0, session.report().text


def test_an_error_of_ours_is_not_judged_and_the_run_goes_on():
    for name in ("results", "owns", "read", "variable", "under"):
        plain = getattr(Recorder, name)
        setattr(Recorder, name, lambda *a, **k: 1 / 0)
        try:
            session = Session()
            got = by_tape(session)
            report = session.report()
        finally:
            setattr(Recorder, name, plain)
        assert got == by_tape(contextlib.nullcontext()), name
        kit.not_judged(report, "the recorder gave up (ZeroDivisionError")


def test_a_missed_edge_is_an_import_fault():
    plain, ops.TABLE["Relu"] = ops.TABLE["Relu"], ops.TABLE["StopGradient"]
    try:
        session = Session()
        by_tape(session)
    finally:
        ops.TABLE["Relu"] = plain
    kit.import_fault(session.report())


def test_two_steps_are_too_few():
    session = Session()
    by_tape(session, steps=2)
    kit.not_judged(session.report(), "at least three steps of an optimizer are needed")


def test_losses_without_steps_are_not_judged():
    session = Session()
    with session:
        w = tf.Variable(X[:4, :1])
        for _ in range(5):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((X @ w - Y) ** 2)
            tape.gradient(loss, w)
    kit.not_judged(session.report(), "no optimizer made a step")


def hooks():
    """What a session puts something in place of, or adds to."""
    from keras.src.layers import layer
    from keras.src.optimizers import base_optimizer
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager import backprop, context
    from tensorflow.python.framework import constant_op
    from tensorflow.python.framework import ops as tf_ops
    from tensorflow.python.ops import custom_gradient, resource_variable_ops, script_ops
    return (pywrap_tfe.TFE_Py_FastPathExecute, resource_variable_ops.ResourceVariable.__init__, tf.nn.moments,
            constant_op.convert_to_eager_tensor, custom_gradient._eager_mode_decorator, script_ops.py_func_common,
            tf_ops._EagerTensorBase.numpy, backprop.GradientTape.gradient, backprop.GradientTape._push_tape,
            layer.Layer.__init__, base_optimizer.BaseOptimizer.__init__, base_optimizer.BaseOptimizer.apply,
            pywrap_tfe.TFE_Py_TapeSetStopOnThread, tf.config.functions_run_eagerly(), tuple(context.context().op_callbacks))


def test_hooks_are_gone_afterwards():
    plain = hooks()
    with Session():
        during = hooks()
    assert all(a != b for a, b in zip(plain, during)), "a hook that was looked at is none"
    by_tape(Session())
    assert hooks() == plain


def test_a_step_that_fails_does_not_end_the_recording():
    session = Session()
    with session:
        net, opt = model(), keras.optimizers.SGD(0.1)
        for k in range(5):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((net(X) - Y) ** 2)
            grads = tape.gradient(loss, net.trainable_variables)
            with contextlib.suppress(Exception):
                opt.apply_gradients(zip([tf.ones((2, 2))] + grads[1:] if k == 0 else grads, net.trainable_variables))
    assert session.recorder.depth == 0 and session.report().status == 0, session.report().text


def test_what_was_made_before_is_seen():
    w, b = tf.Variable(X[:4, :1]), tf.Variable([0.5])
    opt = keras.optimizers.SGD(0.1)
    session = Session()
    with session:
        for _ in range(4):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((X @ w + b - Y) ** 2)
            opt.apply_gradients(zip(tape.gradient(loss, [w]), [w]))
    assert session.report().subjects() == ["b"], session.report().text


def test_check_puts_everything_back():
    keras.utils.set_random_seed(3)
    net, opt, built = model(), keras.optimizers.Adam(0.01), keras.Sequential([keras.layers.Dense(1)])

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((net(X, training=True) + built(X) - Y) ** 2)
        variables = net.trainable_variables + built.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, variables), variables))
    before = bits(net)
    report = dgc.check(step)
    assert report.status == 0, report.text
    assert bits(net) == before and int(opt.iterations) == 0
    fresh = bits(built)
    step()
    step()
    moved = bits(net)
    dgc.check(step)
    assert bits(net) == moved and int(opt.iterations) == 2
    step()
    once = bits(net), bits(built)

    keras.utils.set_random_seed(3)
    net, opt, built = model(), keras.optimizers.Adam(0.01), keras.Sequential([keras.layers.Dense(1)])
    built.build((None, 4))
    assert bits(built) == fresh
    for _ in range(3):
        step()
    assert (bits(net), bits(built)) == once


def fitted(callbacks, cut=False):
    """Losses and parameters of eager epochs, with a layer behind a stop where that is asked for."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    h = keras.layers.Dense(4, "relu", name="first")(inputs)
    h = keras.layers.Lambda(tf.stop_gradient)(h) if cut else h
    net = keras.Model(inputs, keras.layers.Dense(1)(h))
    net.compile("adam", "mse", run_eagerly=True)
    told = net.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
    return told.history["loss"], bits(net)


def test_the_callback_of_fit():
    from dgc.tf.callback import AllLearn
    plain, seen, told = hooks(), AllLearn(), io.StringIO()
    assert fitted([seen]) == fitted([]) and seen.report.status == 0 and hooks() == plain
    with contextlib.redirect_stderr(told):
        for stop, epochs in ((False, 3), (True, 1)):
            seen = AllLearn(stop)
            assert len(fitted([seen], True)[0]) == epochs and hooks() == plain
            assert seen.report.subjects() == ["first.bias", "first.kernel"], seen.report.text
    assert "every path to the loss is cut" in told.getvalue()


def test_published_models_are_silent():
    for name in ("MobileNetV2", "EfficientNetB0", "DenseNet121"):
        session = Session()
        with session:
            keras.utils.set_random_seed(1)
            net = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
            net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            net.fit(tf.random.uniform((2, 64, 64, 3)), tf.constant([1, 3]), epochs=4, batch_size=2, verbose=0)
        assert session.report().status == 0, session.report().text
        assert "= unknown" not in session.text, name


if __name__ == "__main__":
    sys.exit(kit.main(globals()))
