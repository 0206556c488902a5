"""Recording TensorFlow and Keras: hooks, and what to do when enough was seen."""
import functools
import importlib.util
import inspect
import sys
import warnings
import weakref

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, core, forwardprop, record
from tensorflow.python.framework import constant_op, op_callbacks
from tensorflow.python.framework import ops as tf_ops
from tensorflow.python.ops import custom_gradient, resource_variable_ops, script_ops

from .. import session
from ..frames import is_user_file
from . import composites, write
from .recorder import Recorder

__all__ = ["Session"]

TAKES = {"numpy": "numpy", "__array__": "numpy", "__float__": "float", "__int__": "int", "__bool__": "bool"}


class Session(session.Session):
    def __init__(self, stop=False, keep=None, debug=False):
        super().__init__(Recorder(stop, debug), keep)

    def start(self):
        self.recorder.variables_alive()
        self.patch(pywrap_tfe, "TFE_Py_FastPathExecute", self._fast_path)
        for owner in (resource_variable_ops.BaseResourceVariable, resource_variable_ops.ResourceVariable):
            complete = owner is resource_variable_ops.ResourceVariable
            self.patch(owner, "__init__", functools.partial(self._variable_init, complete=complete))
        self.patch(constant_op, "convert_to_eager_tensor", self._convert)
        self.patch(custom_gradient, "_eager_mode_decorator", self._custom)
        self.patch(script_ops, "py_func_common", self._host)
        for name, what in TAKES.items():
            self.patch(tf_ops._EagerTensorBase, name, functools.partial(self._takes, what=what))
        self._start_tapes()
        for path, build in composites.API.items():
            owner = functools.reduce(getattr, path.split(".")[:-1], tf)
            self.patch(owner, path.split(".")[-1], functools.partial(self._composite, build=build))
        self._start_keras()
        self._run_eagerly()
        self.stack.callback(op_callbacks.remove_op_callback, self.recorder.callback)
        op_callbacks.add_op_callback(self.recorder.callback)

    def _run_eagerly(self):
        """Functions run as Python. That functions of data do not is no news to the user, who asked for nothing."""
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
        told = warnings.filters[0]
        self.stack.callback(lambda: warnings.filters.remove(told) if told in warnings.filters else None)
        eagerly = tf.config.functions_run_eagerly()
        self.stack.callback(tf.config.run_functions_eagerly, eagerly)
        tf.config.run_functions_eagerly(True)

    def _start_tapes(self):
        self.patch(backprop.GradientTape, "_push_tape", functools.partial(self._tape, begins=True))
        self.patch(backprop.GradientTape, "_pop_tape", functools.partial(self._tape, begins=False))
        for name in ("gradient", "jacobian", "batch_jacobian"):
            self.patch(backprop.GradientTape, name, functools.partial(self._gradient, name=name))
        for name in ("record_operation", "record_operation_backprop_only"):
            self.patch(record, name, self._recorded)
        self.patch(forwardprop.ForwardAccumulator, "jvp", self._forward)
        for name in ("TFE_Py_TapeSetStopOnThread", "TFE_Py_TapeSetRestartOnThread"):
            self.patch(pywrap_tfe, name, functools.partial(self._stops, on="Stop" in name))

    def _start_keras(self):
        """Keras 3 comes with TensorFlow; Keras 2 is tf_keras, where it is installed."""
        from keras.src.layers.layer import Layer
        from keras.src.optimizers.base_optimizer import BaseOptimizer
        self.patch(Layer, "__init__", self._layer_init)
        self.patch(BaseOptimizer, "__init__", self._optimizer_init)
        self.patch(BaseOptimizer, "apply", self._apply)
        self.patch(importlib.import_module("keras.src.backend"), "convert_to_numpy", functools.partial(self._takes, what="numpy"))
        if importlib.util.find_spec("tf_keras") is not None:
            from tf_keras.src.engine import base_layer
            from tf_keras.src.optimizers import optimizer
            self.patch(base_layer.Layer, "__init__", self._layer_init)
            self.patch(optimizer._BaseOptimizer, "__init__", self._optimizer_init)
            for owner in (optimizer._BaseOptimizer, optimizer.Optimizer):
                self.patch(owner, "apply_gradients", self._apply_pairs)

    # -- what stands in place of the framework's functions while the recording runs

    def _fast_path(self, plain):
        """It reads variables without telling: every operation goes the way that tells."""
        r, fall_back = self.recorder, core._FallbackException

        def execute(*args):
            if r.depth and r.inside is None or r.finished or r.failed is not None:
                return plain(*args)
            raise fall_back("recorded")
        return execute

    def _variable_init(self, plain, complete):
        r = self.recorder

        @functools.wraps(plain)
        def __init__(made, *args, **kwargs):
            r.depth += 1
            try:
                plain(made, *args, **kwargs)
            finally:
                r.depth -= 1
            r.variable_made(made, complete)
            if complete and not r.off():
                r.made_of(made, args[0] if args else kwargs.get("initial_value"))
        return __init__

    def _convert(self, plain):
        r = self.recorder

        @functools.wraps(plain)
        def convert_to_eager_tensor(value, ctx, dtype=None):
            made = plain(value, ctx, dtype)
            if not r.off() and made is not value:
                r.converted(value, made)
            return made
        return convert_to_eager_tensor

    def _custom(self, plain):
        @functools.wraps(plain)
        def _eager_mode_decorator(f, args, kwargs):
            name = getattr(f, "__name__", "custom_gradient")
            return self.recorder.opaque(name, lambda *a, **k: plain(f, a, k), args, kwargs, composites.OWN_GRADIENT.get(name))
        return _eager_mode_decorator

    def _host(self, plain):
        r = self.recorder

        @functools.wraps(plain)
        def py_func_common(func, inp, Tout, *args, **kwargs):
            def call(*given):
                return plain(func, list(given), Tout, *args, **kwargs)
            return r.opaque("numpy_function", call, tuple(inp), {}, composites.host)
        return py_func_common

    def _takes(self, plain, what):
        r = self.recorder

        @functools.wraps(plain)
        def take(t, *args, **kwargs):
            out = plain(t, *args, **kwargs)
            if r.off():
                return out
            kept = r.taken(t, what, out)
            return out if kept is None else kept
        return take

    def _tape(self, plain, begins):
        @functools.wraps(plain)
        def change(tape):
            plain(tape)
            own = (id(tape),)
            self.recorder.tapes_change(*((own, ()) if begins else ((), own)))
        return change

    def _stops(self, plain, on):
        @functools.wraps(plain)
        def change():
            plain()
            self.recorder.stopped(on)
        return change

    def _gradient(self, plain, name):
        r = self.recorder

        @functools.wraps(plain)
        def gradient(tape, target, sources, *args, **kwargs):
            if r.off():
                return plain(tape, target, sources, *args, **kwargs)
            asked = r.gradient_begins(tape, target, sources, bool(args) or kwargs.get("output_gradients") is not None, name)
            if r.stop and (r.enough() or r.too_many()):
                self.end_run()
            r.depth += 1
            try:
                out = plain(tape, target, sources, *args, **kwargs)
            finally:
                r.depth -= 1
            r.gradient_ends(asked, out)
            return out
        return gradient

    def _recorded(self, plain):
        """What ran while nothing recorded gets a derivative afterwards: compiled functions are called so."""
        r = self.recorder

        @functools.wraps(plain)
        def record_operation(op_type, output_tensors, input_tensors, *args, **kwargs):
            plain(op_type, output_tensors, input_tensors, *args, **kwargs)
            if not r.off():
                r.derived(op_type, output_tensors, input_tensors)
        return record_operation

    def _forward(self, plain):
        r = self.recorder

        @functools.wraps(plain)
        def jvp(made, primals, *args, **kwargs):
            return r.opaque("jvp", lambda x: plain(made, x, *args, **kwargs), (primals,), {})
        return jvp

    def _composite(self, plain, build):
        @functools.wraps(plain)
        def call(*args, **kwargs):
            return self.recorder.opaque(plain.__name__, plain, args, kwargs, build)
        return call

    def _layer_init(self, plain):
        r = self.recorder

        @functools.wraps(plain)
        def __init__(made, *args, **kwargs):
            place = r.frames.here(type(made).__name__) if not r.off() else None
            plain(made, *args, **kwargs)
            if place is not None:
                r.layers.setdefault(id(made), (weakref.ref(made), place))
        __init__.__signature__ = inspect.signature(plain)    # Keras reads it
        return __init__

    def _optimizer_init(self, plain):
        r = self.recorder

        @functools.wraps(plain)
        def __init__(made, *args, **kwargs):
            place = r.frames.here(type(made).__name__) if not r.off() else None
            plain(made, *args, **kwargs)
            r.optimizer_made(made, place)
        return __init__

    def _apply(self, plain):
        @functools.wraps(plain)
        def apply(made, grads, trainable_variables=None):
            if self.recorder.off():
                return plain(made, grads, trainable_variables)
            grads = list(grads)
            variables = made._trainable_variables if trainable_variables is None else list(trainable_variables)
            given = trainable_variables if trainable_variables is None else variables
            return self._step(made, grads, variables, lambda: plain(made, grads, given))
        return apply

    def _apply_pairs(self, plain):
        """As Keras 2 has it."""
        @functools.wraps(plain)
        def apply_gradients(made, grads_and_vars, *args, **kwargs):
            pairs = list(grads_and_vars)
            if self.recorder.off():
                return plain(made, pairs, *args, **kwargs)
            return self._step(made, [g for g, _ in pairs], [v for _, v in pairs], lambda: plain(made, pairs, *args, **kwargs))
        return apply_gradients

    def _step(self, made, grads, variables, call):
        r = self.recorder
        r.step_begins(made, grads, variables, is_users_call())
        error = None
        r.depth += 1
        try:
            return call()
        except Exception as e:
            error = e
            raise
        finally:
            r.depth -= 1
            r.step_ends(error)
            if r.refused:
                self.finish()    # the framework ends the run here, and names are still there
            if error is None and r.enough():
                if r.stop:
                    self.end_run()
                self.finish()

    def graph_text(self):
        r = self.recorder
        with r.aside():
            return write.graph_text(r, list(r.frames.frames(1)), f"tensorflow {tf.__version__}")


def is_users_call():
    """Did the user's own line call apply_gradients, apply or minimize?"""
    frame = sys._getframe(3)
    while frame.f_code.co_name in ("apply_gradients", "minimize") and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return is_user_file(frame.f_code.co_filename)
