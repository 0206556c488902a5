"""Runs the programs of tests/torch under the recorder, one process each, forked from one that has read PyTorch.

The graph files are written into FOLDER. The last line: N passed, N failed."""
import contextlib
import io
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
import torch  # noqa: E402
from dgc import __main__ as command  # noqa: E402


def run(program, graph):
    """In a child, as `python -m dgc --keep GRAPH PROGRAM` does: its exit status and what it said."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        child = os.fork()
        if child:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            log.seek(0)
            return status, log.read()
        status = 70
        try:
            os.chdir(os.path.dirname(program))
            with contextlib.redirect_stderr(log), contextlib.redirect_stdout(io.StringIO()):
                status = command.main(["--keep", graph, os.path.basename(program)])
            log.flush()
        finally:
            os._exit(status)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(kit.programs("torch", run, __doc__))
