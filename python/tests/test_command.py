#!/usr/bin/env python3
"""What the command says where nothing can be recorded, judged or kept. TAP. Needs no framework.
usage: test_command.py DGC"""
import contextlib
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from dgc import report  # noqa: E402

GRAPH = os.path.join(HERE, "torch", "never_called.dgg")


@contextlib.contextmanager
def put(space, name, value):
    """In place of what is there, for a while."""
    kept = space.get(name)
    space[name] = value
    try:
        yield
    finally:
        if kept is None:
            del space[name]
        else:
            space[name] = kept


def test_a_graph_file_that_cannot_be_written():
    with tempfile.TemporaryDirectory() as folder:
        kit.not_judged(report.diagnose("dgg 1\n", folder), f"the graph file '{folder}' cannot be written: Is a directory")
        missing = os.path.join(folder, "there", "step.dgg")
        kit.not_judged(report.diagnose("dgg 1\n", missing), f"the graph file '{missing}' cannot be written: No such file")


def test_names_of_files_that_are_no_text():
    with open(GRAPH, encoding="utf-8") as f:
        text = f.read().replace("file 1 never_called.py", "file 1 never_\udcff.py")
    made = report.diagnose(text)
    assert made.status == report.FINDINGS and made.subjects() == ["skip.bias", "skip.weight"], made.text


def test_a_command_that_is_set_and_is_none():
    for name in ("/nonexistent", HERE, "no-such-command"):
        with put(os.environ, "DGC", name):
            kit.not_judged(report.run(GRAPH), f"DGC is set to '{name}', which is no program that can be run")


if __name__ == "__main__":
    sys.exit(kit.main(globals()))
