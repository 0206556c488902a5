"""Runs the programs of tests/torch under the recorder, one process each, forked from one that has read PyTorch.

usage: run_torch.py DGC FOLDER [--store] [NAME..]     last line: N passed, N failed
The graph files are written beside the programs with --store, else into FOLDER."""
import contextlib
import io
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import judge  # noqa: E402
import torch  # noqa: E402
from dgc import __main__ as command  # noqa: E402


def run(program, graph):
    """In a child: as `python -m dgc --keep GRAPH PROGRAM` does."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        os.chdir(os.path.dirname(program))
        with open(graph + ".log", "w", encoding="utf-8") as log, contextlib.redirect_stderr(log), \
                contextlib.redirect_stdout(io.StringIO()):
            status = command.main(["--keep", graph, os.path.basename(program)])
    finally:
        os._exit(status)


def main(argv):
    dgc, out, store = os.path.abspath(argv[0]), os.path.abspath(argv[1]), "--store" in argv
    os.environ["DGC"] = dgc
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    folder = os.path.join(HERE, "torch")
    names = sorted(n[:-3] for n in os.listdir(folder) if n.endswith(".py"))
    chosen = [a for a in argv[2:] if not a.startswith("--")]
    passed = failed = 0
    for name in names:
        if chosen and not any(c in name for c in chosen):
            continue
        program, began = os.path.join(folder, name + ".py"), time.time()
        graph = os.path.join(folder if store else out, name + ".dgg")
        with contextlib.suppress(FileNotFoundError):
            os.remove(graph)
        status = run(program, graph)
        why = judge.judge(dgc, program, graph) if os.path.exists(graph) else "no graph"
        if not why and status != (1 if judge.expected(program)[0] else 0):
            why = f"exit status {status}"
        passed, failed = passed + (not why), failed + bool(why)
        print(f"{'not ok' if why else 'ok'} {name} ({time.time() - began:.1f} s)" + (f"\n{why}" if why else ""), flush=True)
        if why:
            with open(graph + ".log", encoding="utf-8") as f:
                print(f.read()[-3000:])
        if store:
            os.remove(graph + ".log")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
