"""Runs the programs of tests/jax under the recorder, one process each.

The graph files are written into FOLDER. The last line: N passed, N failed. Programs of optax need it."""
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import kit  # noqa: E402


def run(program, graph):
    """As `python -m dgc --keep GRAPH PROGRAM`: its exit status and what it said."""
    paths = [os.path.dirname(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = dict(os.environ, JAX_PLATFORMS="cpu", PYTHONPATH=os.pathsep.join(paths))
    done = subprocess.run([sys.executable, "-m", "dgc", "--keep", graph, os.path.basename(program)], env=env,
                          cwd=os.path.dirname(program), capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


if __name__ == "__main__":
    sys.exit(kit.programs("jax", run, __doc__, lambda name: not name.startswith("optax_") or importlib.util.find_spec("optax")))
