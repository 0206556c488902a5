"""What a recording is in any framework: hooks while it lasts, then a file or the reason why there is none."""
import contextlib
import functools
import traceback

from . import report
from .graph import NotJudged


class Finished(BaseException):
    """Enough was recorded: the run may end here."""


def guarded(method):
    """A method of a Guard that the framework calls: an error of ours ends the recording, never the user's run."""
    @functools.wraps(method)
    def call(self, *args, **kwargs):
        if self.failed is not None or self.finished:
            return None
        try:
            with self.aside():
                return method(self, *args, **kwargs)
        except Exception as e:   # noqa: BLE001 -- ours, whatever it is
            self.failed = self.told(e)
            return None
    return call


class Guard:
    """How far a recorder is: whether to end the run when enough was seen, whether to print errors of ours."""

    aside = staticmethod(contextlib.nullcontext)    # what guarded methods run in

    def __init__(self, stop=False, debug=False):
        super().__init__()
        self.stop, self.debug, self.failed, self.finished = stop, debug, None, False

    def told(self, error):
        """An error of ours in a line; it is being handled."""
        if self.debug:
            traceback.print_exc()
        return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


class Session:
    """The hooks of one recording; `with Session() as s: ...`, then `s.report()`."""

    def __init__(self, recorder, keep=None):
        self.recorder, self.keep, self.text, self.why = recorder, keep, None, None
        self.stack = contextlib.ExitStack()    # what start did, to be undone

    def start(self):
        """Puts the hooks in place; `stack` knows how to undo each."""
        raise NotImplementedError

    def __enter__(self):
        try:
            self.start()
        except Exception as e:   # noqa: BLE001 -- a version of the framework that has other insides
            self.stack.close()
            self.why = f"this version of the framework cannot be recorded ({self.recorder.told(e)})"
            self.recorder.finished = True
        return self

    def __exit__(self, *error):
        self.stack.close()
        return False

    def patch(self, owner, name, make):
        plain = owner.__dict__[name]
        setattr(owner, name, make(plain))
        self.stack.callback(setattr, owner, name, plain)

    def graph_text(self):
        """The file, or NotJudged."""
        raise NotImplementedError

    def finish(self):
        """Makes the file, once, while everything is still there."""
        if self.text is not None or self.why is not None:
            return
        r = self.recorder
        failed = r.failed
        try:
            if failed is None:
                self.text = self.graph_text()
        except NotJudged as e:
            self.why = str(e)
        except Exception as e:   # noqa: BLE001 -- ours
            failed = r.told(e)
        if failed is not None:
            self.why = f"the recorder gave up ({failed})"
        r.finished = True

    def end_run(self):
        self.finish()
        raise Finished()

    def report(self):
        self.finish()
        return report.not_judged(self.why) if self.text is None else report.diagnose(self.text, self.keep)
