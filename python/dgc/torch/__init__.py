"""Recording PyTorch: hooks, and what to do when enough was seen."""
import contextlib
import functools
import importlib

import torch

from .. import session
from . import write
from .recorder import Recorder

__all__ = ["Session"]


class Session(session.Session):
    def __init__(self, stop=False, keep=None, debug=False):
        super().__init__(Recorder(stop, debug), keep)

    def start(self):
        self.patch(torch.optim.Optimizer, "__init__", self._optimizer_init)
        self.patch(torch.nn.Module, "register_parameter", self._register)
        self.patch(torch.nn.Module, "__setattr__", self._setattr)
        for owner in (torch.optim.Optimizer, torch.nn.Module):
            self.patch(owner, "zero_grad", self._unseen)
        self.patch(torch.autograd, "grad", self._grad)
        self.patch(torch.autograd.Function, "apply", self._apply)
        if hasattr(torch.compiler, "set_stance"):
            with contextlib.suppress(Exception):
                self.stack.enter_context(torch.compiler.set_stance("force_eager"))
        optim = importlib.import_module("torch.optim.optimizer")
        self.stack.callback(optim.register_optimizer_step_pre_hook(self._pre).remove)
        self.stack.callback(optim.register_optimizer_step_post_hook(self._post).remove)
        self.stack.enter_context(self.recorder)

    # -- what stands in place of the framework's functions while the recording runs

    def _optimizer_init(self, plain):
        def __init__(made, *args, **kwargs):
            place = self.recorder.frames.here(type(made).__name__)
            plain(made, *args, **kwargs)
            self.recorder.optimizer_made(made, place)
        return __init__

    def _register(self, plain):
        def register_parameter(module, name, param):
            plain(module, name, param)
            self._made(param)
        return register_parameter

    def _setattr(self, plain):
        recorder = self.recorder

        def __setattr__(module, name, value):
            plain(module, name, value)
            if name == "requires_grad" and recorder.failed is None:
                with contextlib.suppress(Exception):
                    recorder.flagged.append((module, recorder.frames.here("requires_grad")))
        return __setattr__

    def _made(self, param):
        import weakref
        r = self.recorder
        if param is not None and r.failed is None and not r.finished:
            with contextlib.suppress(Exception):
                r.made.setdefault(id(param), (weakref.ref(param), r.frames.here(skip=2)))

    def _unseen(self, plain):
        """It makes nothing of a tensor, and reads every `.grad`."""
        @functools.wraps(plain)
        def call(*args, **kwargs):
            self.recorder.depth += 1
            try:
                return plain(*args, **kwargs)
            finally:
                self.recorder.depth -= 1
        return call

    def _grad(self, plain):
        def grad(*args, **kwargs):
            return self.recorder.autograd_grad(plain, args, kwargs)
        return grad

    def _apply(self, plain):
        recorder = self.recorder

        def apply(cls, *args, **kwargs):
            return recorder.opaque(cls.__name__, plain.__get__(None, cls), args, kwargs)
        return classmethod(apply)

    def _pre(self, made, args, kwargs):
        closure = args[1] if len(args) > 1 else kwargs.get("closure")    # the first is the optimizer
        self.recorder.step_begins(made, closure is not None)

    def _post(self, made, args, kwargs):
        r = self.recorder
        if not r.step_ends(made):
            return
        if r.enough():
            if r.stop:
                self.end_run()
            self.finish()

    def graph_text(self):
        r = self.recorder
        with torch._C.DisableTorchFunction():
            return write.graph_text(r, list(r.frames.frames(1)), f"torch {torch.__version__}")
