#!/usr/bin/env python3
"""What the command says where nothing can be recorded, judged or kept. TAP. Needs no framework.
usage: test_command.py DGC"""
import contextlib
import io
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from dgc import __main__ as command  # noqa: E402
from dgc import report, session  # noqa: E402
from dgc.choose import Choice  # noqa: E402
from dgc.witness import classify  # noqa: E402

GRAPH = os.path.join(HERE, "torch", "never_called.dgg")


def said_of(text, *arguments):
    """What the command says of a script, which must not run: a sentence, and no traceback."""
    said, argv, path = io.StringIO(), sys.argv, sys.path[:]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        script = os.path.join(folder, "train.py")
        if text is not None:
            with open(script, "w", encoding="utf-8") as f:
                f.write(text)
        try:
            status = command.main([*arguments, script])
        finally:
            sys.argv, sys.path[:] = argv, path
    assert status == report.NOT_JUDGED and said.getvalue().startswith("dgc: not judged: "), said.getvalue()
    return said.getvalue()


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


def test_the_framework_is_the_one_that_the_script_imports():
    assert command.framework_of(os.path.join(HERE, "jax", "mlp.py")) == "jax"
    assert command.framework_of(os.path.join(HERE, "torch", "gan.py")) == "torch"
    assert command.framework_of(os.path.join(HERE, "tf", "by_hand.py")) == "tf"


def test_a_framework_that_is_not_installed():
    for name, title in (("torch", "PyTorch"), ("jax", "JAX"), ("tensorflow", "TensorFlow")):
        with put(sys.modules, name, None):    # Python's word for a module that cannot be imported
            said = said_of(f"import {name}\nprint('it ran')\n")
        assert f"{title}, which would record" in said and "cannot be imported here" in said and "it ran" not in said, said


def test_keras_alone_is_recorded_by_what_computes_it():
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "train.py")
        with open(script, "w", encoding="utf-8") as f:
            f.write("import keras\n")
        for backend, name in (("", "tf"), ("tensorflow", "tf"), ("jax", "jax"), ("torch", "torch")):
            with put(os.environ, "KERAS_BACKEND", backend):
                assert command.framework_of(script) == name


def test_a_script_that_cannot_be_read():
    assert "cannot be read: No such file" in said_of(None)
    assert "cannot be read: '(' was never closed (train.py, line 2)" in said_of("import torch\nx = (\n")
    assert "cannot be read: " in said_of("import torch\0\n")


def test_a_version_of_the_framework_that_has_other_insides():
    class Other(session.Session):
        def start(self):
            raise AttributeError("set_current_trace")

    class Module:
        Session = staticmethod(lambda stop, keep, debug: Other(session.Guard(stop, debug), keep))
    with put(vars(command), "recorder_of", lambda script: Module):
        said = said_of("print('it ran')\n")
    assert "this version of the framework cannot be recorded (AttributeError: set_current_trace)" in said and "it ran" not in said


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


def two_findings():
    """DG0301 and DG0303 of one file, by different programs."""
    one, other = (report.run(os.path.join(HERE, "torch", n + ".dgg")) for n in ("never_called", "round_quantised"))
    return report.Report(report.FINDINGS, one.text + other.text, one.findings + other.findings, (), one.told + other.told)


def test_findings_are_chosen_by_code():
    made = two_findings()
    assert [x["code"] for x in made.told] == ["DG0301", "DG0303"]
    for choice, code in ((Choice(select={"DG0303"}), "DG0303"), (Choice(ignore={"DG0303"}), "DG0301")):
        kept = choice.of(made)
        assert kept.status == report.FINDINGS and [x["code"] for x in kept.findings] == [code]
        assert kept.text.count("[DG0") == 1 and code in kept.text and "1 finding not told" in kept.text, kept.text
    none = Choice(ignore={"DG0301", "DG0303"}).of(made)
    assert none.status == report.ALL_LEARN and none.text == "dgc: 2 findings not told, as asked for\n"
    assert Choice(select={"DG0301", "DG0303"}).of(made) is made


def test_a_baseline_lists_what_is_known():
    one, both = report.run(GRAPH), two_findings()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "known.json")
        assert Choice(baseline=path).of(one).status == report.ALL_LEARN and os.path.exists(path)
        kept = Choice(baseline=path).of(both)
        assert [x["code"] for x in kept.findings] == ["DG0303"] and kept.status == report.FINDINGS
        moved = [dict(x, span=dict(x["span"], line=99)) for x in one.findings]
        assert Choice(baseline=path).of(report.Report(1, one.text, moved, (), moved)).status == report.ALL_LEARN
        with open(path, "w", encoding="utf-8") as f:
            f.write("[]")
        kit.not_judged(Choice(baseline=path).of(one), f"the baseline '{path}' is none")
        kit.not_judged(Choice(baseline=folder).of(one), f"the baseline '{folder}' cannot be used: Is a directory")


def test_faults_are_told_whatever_is_chosen():
    made = two_findings()
    mixed = report.Report(report.FINDINGS, made.text, made.findings[:1], made.findings[1:], made.told)
    kept = Choice(ignore={"DG0301"}).of(mixed)
    assert kept.status == report.NOT_JUDGED and kept.faults and "DG0303" in kept.text and "DG0301" not in kept.text


def test_options_that_are_none():
    for argv in (["--select", "cut", "train.py"], ["--ignore", "DG303", "train.py"], ["--baseline"], ["--other", "train.py"], []):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            assert command.main(argv) == 2, argv
        assert "codes" in said.getvalue() or "python -m dgc" in said.getvalue()


def test_the_class_of_a_gradient_is_by_the_largest_of_its_step():
    inf, nan = float("inf"), float("nan")
    assert classify([2.0, 1e-6, 3e-6, 0.0, None]) == ["live", "noise", "live", "zero", "none"]
    assert classify([2e-9, 1e-9]) == ["live", "live"]               # a small loss has small gradients
    assert classify([1e6, 1.0, nan, inf]) == ["live", "noise", "nonfinite", "nonfinite"]
    assert classify([]) == [] and classify([None, 0.0]) == ["none", "zero"]


if __name__ == "__main__":
    sys.exit(kit.main(globals()))
