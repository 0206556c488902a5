"""Runs the programs of tests/tf under the recorder, one process each, forked from one that has read TensorFlow.

The graph files are written into FOLDER. The last line: N passed, N failed. Programs of Keras 2 need tf_keras."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Keras takes the folder jax in it for the framework.
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != HERE]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import importlib.util  # noqa: E402

import keras  # noqa: E402, F401
import tensorflow  # noqa: E402, F401

KERAS_2 = importlib.util.find_spec("tf_keras") is not None
if KERAS_2:
    import tf_keras  # noqa: F401
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402

if __name__ == "__main__":
    sys.exit(kit.programs("tf", kit.forked, __doc__, lambda name: KERAS_2 or not name.startswith("keras2_")))
