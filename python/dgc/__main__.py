"""python -m dgc [options] script.py [arguments]: records a few training steps of the script and reports.

--keep FILE      keeps the graph file
--select CODES   tells these findings only, as DG0303,DG0304
--ignore CODES   does not tell these
--baseline FILE  does not tell what the file lists; where there is none, writes what was found

Exit status: 0 nothing was found, 1 findings, 3 not judged."""
import ast
import importlib
import os
import runpy
import sys
import traceback

from . import report
from .choose import Choice, codes
from .graph import NotJudged
from .session import Finished


def usage():
    sys.stderr.write(__doc__ + "\n")
    return 2


FRAMEWORKS = {"torch": "PyTorch", "jax": "JAX", "tf": "TensorFlow"}
IMPORTS = {"jax": {"jax", "flax", "optax", "equinox", "haiku"}, "tf": {"tensorflow", "tf_keras"}}   # without PyTorch


def imported(path, seen):
    """The modules that a file imports, and those beside it that it imports."""
    if path in seen or len(seen) > 200:
        return
    seen.add(path)
    with open(path, "rb") as f:
        tree = ast.parse(f.read(), os.path.basename(path))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
            [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            yield name.split(".")[0]
            beside = os.path.join(os.path.dirname(path), *name.split(".")) + ".py"
            if os.path.isfile(beside):
                yield from imported(beside, seen)


def framework_of(script):
    """The recorder for what the script imports: PyTorch where it imports both, or none. Or NotJudged."""
    try:
        found = set(imported(os.path.abspath(script), set()))
    except OSError as e:
        raise NotJudged(f"'{script}' cannot be read: {e.strerror}") from e
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise NotJudged(f"'{script}' cannot be read: {e}") from e
    if "torch" in found:
        return "torch"
    for name, own in IMPORTS.items():
        if found & own:
            return name
    if "keras" in found:    # Keras 3 alone: it computes by what this variable says
        return {"jax": "jax", "torch": "torch"}.get(os.environ.get("KERAS_BACKEND", ""), "tf")
    return "torch"


def recorder_of(script):
    """The module that records what the script imports. Or NotJudged."""
    name = framework_of(script)
    try:
        return importlib.import_module(f".{name}", __package__)
    except Exception as e:   # noqa: BLE001 -- whatever a broken installation raises
        raise NotJudged(f"{FRAMEWORKS[name]}, which would record '{script}', cannot be imported here: {e}") from e


def run(script, session):
    """Why it ended by itself, or None."""
    if session.why is not None:    # it could not begin
        return None
    try:
        runpy.run_path(script, run_name="__main__")
    except Finished:
        return None
    except SystemExit as e:
        return f"the script ended by itself, with {e.code}"
    except BaseException as e:   # noqa: BLE001 -- the user's own
        frames = e.__traceback__
        while frames is not None and "runpy" not in frames.tb_frame.f_code.co_filename:
            frames = frames.tb_next
        traceback.print_exception(type(e), e, frames or e.__traceback__)
        return f"the script ended with {type(e).__name__}"
    finally:
        session.finish()
    return None


def main(argv):
    given = {"--keep": None, "--select": None, "--ignore": None, "--baseline": None}
    while len(argv) > 1 and argv[0] in given:
        given[argv[0]], argv = argv[1], argv[2:]
    if not argv or argv[0].startswith("-"):
        return usage()
    try:
        select, ignore = (codes(given[x]) if given[x] is not None else None for x in ("--select", "--ignore"))
    except ValueError as e:
        sys.stderr.write(f"dgc: '{e}' is no list of codes, as DG0303,DG0304\n")
        return 2
    choice = Choice(select, ignore, given["--baseline"] and os.path.abspath(given["--baseline"]))
    keep = given["--keep"] and os.path.abspath(given["--keep"])
    script, sys.argv = argv[0], argv
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        framework = recorder_of(script)
    except NotJudged as e:
        sys.stderr.write(str(report.not_judged(e)))
        return report.NOT_JUDGED
    with framework.Session(stop=True, keep=keep, debug=bool(os.environ.get("DGC_DEBUG"))) as session:
        ended = run(script, session)
    made = choice.of(session.report())
    sys.stdout.flush()
    sys.stderr.write(made.text)
    if ended and made.status == report.NOT_JUDGED:
        sys.stderr.write(f"dgc: {ended}\n")
    return made.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
