"""A callback for `fit`: `model.fit(x, y, callbacks=[dgc.tf.callback.AllLearn()])`."""
import sys

import keras

from . import Session

__all__ = ["AllLearn"]


class AllLearn(keras.callbacks.Callback):
    """Records the first steps, prints what was found, if anything, and lets the training go on, compiled from then on.
    `report` is there afterwards. With `stop` a finding ends the training at that step."""

    def __init__(self, stop=False, keep=None):
        super().__init__()
        self.stop, self.keep, self.session, self.report = stop, keep, None, None

    def on_train_begin(self, logs=None):
        if self.report is None:
            self.session = Session(keep=self.keep)
            self.session.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        if self.session is not None and self.session.recorder.finished:
            self._end()

    def on_train_end(self, logs=None):
        if self.session is not None:
            self._end()

    def _end(self):
        session, self.session = self.session, None
        session.finish()
        session.__exit__()
        self.report = session.report()
        if not self.report:
            sys.stderr.write(self.report.text)
            if self.stop and self.report.findings:
                self.model.stop_training = True
