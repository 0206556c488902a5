"""Runs the programs of tests/tf under the recorder, one process each, forked from one that has read TensorFlow.

The graph files are written into FOLDER. The last line: N passed, N failed."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Keras takes the folder jax in it for the framework.
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != HERE]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras  # noqa: E402, F401
import tensorflow  # noqa: E402, F401

sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402

if __name__ == "__main__":
    sys.exit(kit.programs("tf", kit.forked, __doc__))
