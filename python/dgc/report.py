"""The diagnosis of a recorded graph, by the compiler."""
import json
import os
import shutil
import subprocess
import tempfile

from .graph import NotJudged

ALL_LEARN, FINDINGS, NOT_JUDGED = 0, 1, 3


def compiler():
    """The dgc command: $DGC, or else the one on the PATH, or the one built in the tree this package lies in."""
    given = os.environ.get("DGC")
    here = os.path.dirname(os.path.abspath(__file__))
    built = os.path.join(here, "..", "..", "build", "dgc")
    found = shutil.which(given) if given else shutil.which("dgc") or shutil.which(built)
    if found:
        return found
    raise NotJudged(f"DGC is set to '{given}', which is no program that can be run" if given else
                    "there is no dgc command: build it, or set DGC to its path")


class Report:
    """What is known of the recorded steps. `status` is 0: nothing was found, 1: findings, 3: not judged."""

    def __init__(self, status, text, findings=(), faults=(), told=()):
        self.status, self.text = status, text
        self.findings, self.faults = list(findings), list(faults)
        self.told = list(told)    # both, in the order of the text

    def __str__(self):
        return self.text

    def __bool__(self):
        return self.status == ALL_LEARN

    def subjects(self):
        """The parameters that findings are about."""
        return sorted({s for f in self.findings for s in f["subjects"]})


def not_judged(why):
    return Report(NOT_JUDGED, f"dgc: not judged: {why}\n")


def run(path):
    try:
        base = [compiler(), "check", "--color=never"]
        done = subprocess.run(base + ["--diagnostics-format=json", path], capture_output=True, timeout=120, text=True)
        text = subprocess.run(base + [path], capture_output=True, timeout=120, text=True).stderr
        found = json.loads(done.stderr)["diagnostics"]
    except NotJudged as e:
        return not_judged(e)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as e:
        return not_judged(f"the dgc command gave no answer ({type(e).__name__})")
    if done.returncode:
        return Report(NOT_JUDGED, text + "dgc: not judged: the recorded graph was refused\n")
    faults = [f for f in found if f["group"] == "import-fault"]
    findings = [f for f in found if f["group"] != "import-fault"]
    status = FINDINGS if findings else NOT_JUDGED if faults else ALL_LEARN
    if not found:
        text = "dgc: nothing was found against any parameter\n"
    return Report(status, text, findings, faults, found)


def write(text, path):
    """Names of files in it may be no UTF-8: they are written as they are."""
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as f:
        f.write(text)


def diagnose(text, keep=None):
    """Of a graph's text; it is kept at `keep`."""
    with tempfile.TemporaryDirectory() as folder:
        path = keep or os.path.join(folder, "step.dgg")
        try:
            write(text, path)
        except OSError as e:
            return not_judged(f"the graph file '{path}' cannot be written: {e.strerror}")
        return run(path)
