"""Runs the programs of tests/torch under the recorder, one process each, forked from one that has read PyTorch.

The graph files are written into FOLDER. The last line: N passed, N failed."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
import torch  # noqa: E402

if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(kit.programs("torch", kit.forked, __doc__))
