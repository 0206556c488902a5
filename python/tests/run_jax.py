"""Runs the programs of tests/jax under the recorder, one process each.

usage: run_jax.py DGC FOLDER [--store] [NAME..]     last line: N passed, N failed
The graph files are written beside the programs with --store, else into FOLDER. Programs of optax need it."""
import importlib.util
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import judge  # noqa: E402


def run(program, graph):
    """As `python -m dgc --keep GRAPH PROGRAM`: its exit status and what it said."""
    paths = [os.path.dirname(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = dict(os.environ, JAX_PLATFORMS="cpu", PYTHONPATH=os.pathsep.join(paths))
    done = subprocess.run([sys.executable, "-m", "dgc", "--keep", graph, os.path.basename(program)], env=env,
                          cwd=os.path.dirname(program), capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


def main(argv):
    dgc, out, store = os.path.abspath(argv[0]), os.path.abspath(argv[1]), "--store" in argv
    os.environ["DGC"] = dgc
    os.makedirs(out, exist_ok=True)
    folder = os.path.join(HERE, "jax")
    chosen = [a for a in argv[2:] if not a.startswith("--")]
    passed = failed = 0
    for name in sorted(n[:-3] for n in os.listdir(folder) if n.endswith(".py")):
        if chosen and not any(c in name for c in chosen):
            continue
        program, began = os.path.join(folder, name + ".py"), time.time()
        if name.startswith("optax_") and not importlib.util.find_spec("optax"):
            continue
        graph = os.path.join(folder if store else out, name + ".dgg")
        if os.path.exists(graph):
            os.remove(graph)
        status, said = run(program, graph)
        why = judge.judge(dgc, program, graph) if os.path.exists(graph) else "no graph"
        if not why and status != (1 if judge.expected(program)[0] else 0):
            why = f"exit status {status}"
        passed, failed = passed + (not why), failed + bool(why)
        print(f"{'not ok' if why else 'ok'} {name} ({time.time() - began:.1f} s)")
        if why:
            print(f"{why}\n{said[-3000:]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
