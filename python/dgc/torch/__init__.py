"""Recording PyTorch: hooks, and what to do when enough was seen."""
import contextlib
import importlib

import torch

from .. import report
from . import write
from .recorder import Finished, Recorder

__all__ = ["Finished", "Session"]


class Session:
    """The hooks of one recording; `with Session() as s: ...`, then `s.report()`."""

    def __init__(self, stop=False, keep=None, debug=False):
        self.recorder = Recorder(stop, debug)
        self.keep, self.handles, self.text, self.why = keep, [], None, None
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        r = self.recorder
        self._patch(torch.optim.Optimizer, "__init__", self._optimizer_init)
        self._patch(torch.nn.Module, "register_parameter", self._register)
        self._patch(torch.nn.Module, "__setattr__", self._setattr)
        self._patch(torch.autograd, "grad", self._grad)
        self._patch(torch.autograd.Function, "apply", self._apply)
        if hasattr(torch.compiler, "set_stance"):
            with contextlib.suppress(Exception):
                self.stack.enter_context(torch.compiler.set_stance("force_eager"))
        optim = importlib.import_module("torch.optim.optimizer")
        self.handles = [optim.register_optimizer_step_pre_hook(self._pre), optim.register_optimizer_step_post_hook(self._post)]
        r.__enter__()
        return self

    def __exit__(self, *error):
        self.recorder.__exit__(None, None, None)
        for h in self.handles:
            h.remove()
        self.stack.close()
        return False

    def _patch(self, owner, name, make):
        plain = owner.__dict__[name]
        setattr(owner, name, make(plain))
        self.stack.callback(setattr, owner, name, plain)

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
        self.recorder.step_begins(made, bool(args[0] if args else kwargs.get("closure")))

    def _post(self, made, args, kwargs):
        r = self.recorder
        if not r.step_ends(made, bool(args[0] if args else kwargs.get("closure"))):
            return
        if r.enough():
            self.finish()
            if r.stop:
                raise Finished()

    # -- the end

    def finish(self):
        """Makes the file, once, while everything is still there."""
        r = self.recorder
        if self.text is not None or self.why is not None:
            return
        try:
            with torch._C.DisableTorchFunction():
                self.text = write.graph_text(r, list(r.frames.frames(1)), f"torch {torch.__version__}")
        except write.NotJudged as e:
            self.why = str(e)
        except Exception as e:   # noqa: BLE001 -- ours
            self.why = f"the recorder gave up ({type(e).__name__}: {e})"
            if r.debug:
                raise
        r.finished = True

    def report(self):
        self.finish()
        return report.not_judged(self.why) if self.text is None else report.diagnose(self.text, self.keep)
