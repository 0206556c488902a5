"""python -m dgc [--keep FILE] script.py [arguments]: records a few training steps of the script and reports.

Exit status: 0 nothing was found, 1 findings, 3 not judged."""
import ast
import importlib
import os
import runpy
import sys

from . import report


def usage():
    sys.stderr.write(__doc__ + "\n")
    return 2


def imported(path, seen):
    """The modules that a file imports, and those beside it that it imports."""
    if path in seen or len(seen) > 200:
        return
    seen.add(path)
    with open(path, "rb") as f:
        tree = ast.parse(f.read())
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
            [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            yield name.split(".")[0]
            beside = os.path.join(os.path.dirname(path), *name.split(".")) + ".py"
            if os.path.isfile(beside):
                yield from imported(beside, seen)


def framework_of(script):
    """The recorder for what the script imports: PyTorch where it imports both, or none."""
    found = set(imported(os.path.abspath(script), set()))
    return "jax" if found & {"jax", "flax", "optax", "equinox", "haiku"} and "torch" not in found else "torch"


def main(argv):
    keep = None
    while argv and argv[0].startswith("-"):
        if argv[0] == "--keep" and len(argv) > 1:
            keep, argv = os.path.abspath(argv[1]), argv[2:]
        else:
            return usage()
    if not argv:
        return usage()
    script, sys.argv = argv[0], argv
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        framework = importlib.import_module(f".{framework_of(script)}", __package__)
    except (ImportError, OSError, SyntaxError, ValueError) as e:
        sys.stderr.write(str(report.not_judged(f"no framework that is known here can be imported: {e}")))
        return report.NOT_JUDGED
    Session, Finished = framework.Session, framework.Finished
    ended = None
    with Session(stop=True, keep=keep, debug=bool(os.environ.get("DGC_DEBUG"))) as session:
        try:
            runpy.run_path(script, run_name="__main__")
            session.finish()
        except Finished:
            pass
        except SystemExit as e:
            session.finish()
            ended = f"the script ended by itself, with {e.code}"
        except BaseException as e:   # noqa: BLE001 -- the user's own
            import traceback
            session.finish()
            frames = e.__traceback__
            while frames is not None and "runpy" not in frames.tb_frame.f_code.co_filename:
                frames = frames.tb_next
            traceback.print_exception(type(e), e, frames or e.__traceback__)
            ended = f"the script ended with {type(e).__name__}"
    made = session.report()
    sys.stdout.flush()
    sys.stderr.write(made.text)
    if ended and made.status == report.NOT_JUDGED:
        sys.stderr.write(f"dgc: {ended}\n")
    return made.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
