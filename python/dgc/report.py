"""The diagnosis of a recorded graph, by the compiler."""
import json
import os
import shutil
import subprocess
import tempfile

ALL_LEARN, FINDINGS, NOT_JUDGED = 0, 1, 3


def compiler():
    """The dgc command: $DGC, the one on the PATH, or the one built in the tree this package lies in."""
    here = os.path.dirname(os.path.abspath(__file__))
    tree = os.path.join(here, "..", "..", "build")
    for found in (os.environ.get("DGC"), shutil.which("dgc"), os.path.join(tree, "dgc")):
        if found and os.access(found, os.X_OK):
            return found
    return None


class Report:
    """What is known of the recorded steps. `status` is 0: nothing was found, 1: findings, 3: not judged."""

    def __init__(self, status, text, findings=(), faults=()):
        self.status, self.text = status, text
        self.findings, self.faults = list(findings), list(faults)

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
    command = compiler()
    if not command:
        return not_judged("there is no dgc command: build it, or set DGC to its path")
    try:
        base = [command, "check", "--color=never"]
        done = subprocess.run(base + ["--diagnostics-format=json", path], capture_output=True, timeout=120, text=True)
        text = subprocess.run(base + [path], capture_output=True, timeout=120, text=True).stderr
        found = json.loads(done.stderr)["diagnostics"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as e:
        return not_judged(f"the dgc command gave no answer ({type(e).__name__})")
    if done.returncode:
        return Report(NOT_JUDGED, text + "dgc: not judged: the recorded graph was refused\n")
    faults = [f for f in found if f["group"] == "import-fault"]
    findings = [f for f in found if f["group"] != "import-fault"]
    status = FINDINGS if findings else NOT_JUDGED if faults else ALL_LEARN
    if not found:
        text = "dgc: nothing was found against any parameter\n"
    return Report(status, text, findings, faults)


def diagnose(text, keep=None):
    """Of a graph's text; it is kept at `keep`."""
    if keep:
        with open(keep, "w", encoding="utf-8") as f:
            f.write(text)
        return run(keep)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "step.dgg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return run(path)
