"""What the tests under each framework share: how programs are run and judged, how tests are, and some tests."""
import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
import traceback

import judge

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))
from dgc import __main__ as command  # noqa: E402


def forked(program, graph):
    """In a child of this process, which has read the framework, as `python -m dgc --keep GRAPH PROGRAM` does: its exit
    status and what it said."""
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


def programs(framework, run, doc, needs=lambda name: True):
    """Records and judges the programs of a folder. `run(PROGRAM, GRAPH)` gives an exit status and what was said."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dgc", metavar="DGC")
    parser.add_argument("out", metavar="FOLDER")
    parser.add_argument("--store", action="store_true", help="write the graph files beside the programs")
    parser.add_argument("names", metavar="NAME", nargs="*", help="a part of a program's name")
    # argparse takes names that stand behind an option for unknown ones, if not asked for both.
    given = parser.parse_intermixed_args()
    folder = os.path.join(HERE, framework)
    os.environ["DGC"] = dgc = os.path.abspath(given.dgc)
    out = folder if given.store else os.path.abspath(given.out)
    os.makedirs(out, exist_ok=True)
    passed = failed = 0
    for name in sorted(n[:-3] for n in os.listdir(folder) if n.endswith(".py")):
        if given.names and not any(part in name for part in given.names) or not needs(name):
            continue
        program, graph, began = os.path.join(folder, name + ".py"), os.path.join(out, name + ".dgg"), time.time()
        if os.path.exists(graph):
            os.remove(graph)
        status, said = run(program, graph)
        why = judge.judge(dgc, program, graph) if os.path.exists(graph) else "no graph"
        if not why and status != (1 if judge.expected(program)[0] else 0):
            why = f"exit status {status}"
        passed, failed = passed + (not why), failed + bool(why)
        print(f"{'not ok' if why else 'ok'} {name} ({time.time() - began:.1f} s)", flush=True)
        if why:
            print(f"{why}\n{said[-3000:]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


def tests(space):
    """Runs the functions test_.. of a module's names. TAP."""
    found = [(n, t) for n, t in space.items() if n.startswith("test_")]
    failed = 0
    print(f"1..{len(found)}")
    for k, (name, test) in enumerate(found, 1):
        try:
            test()
            print(f"ok {k} - {name}", flush=True)
        except Exception:   # noqa: BLE001
            failed += 1
            print(f"not ok {k} - {name}\n" + "".join(f"# {line}\n" for line in traceback.format_exc().split("\n")), flush=True)
    return failed > 0


def main(space):
    """Of a file of tests, which is given the dgc command."""
    os.environ["DGC"] = os.path.abspath(sys.argv[1])
    return tests(space)


def not_judged(report, why):
    assert report.status == 3 and f"dgc: not judged: {why}" in report.text, report.text


def import_fault(report):
    assert report.status == 3 and report.faults and not report.findings, report.text
    assert "the framework's own gradient says otherwise" in report.text, report.text
