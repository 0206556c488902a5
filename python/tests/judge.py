"""What must be said of a program: its first line `# expect: nothing`, or findings separated by `;`, each a code and the
parameters it is about. Lines that end in `# here` are among those that the findings show."""
import json
import os
import re
import subprocess

CHECKED = 0    # findings are warnings: `dgc check` ends with 0 where it could read the graph (dgc --help)


def _row(words):
    return " ".join(words[:1] + sorted(words[1:]))


def expected(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    m = re.match(r"# expect: (.*)", lines[0])
    if not m:
        raise ValueError("no line '# expect:'")
    want = [] if m.group(1) == "nothing" else sorted(_row(p.split()) for p in m.group(1).split(";"))
    return want, {n for n, line in enumerate(lines, 1) if line.endswith("# here")}


def reported(dgc, graph, folder):
    """Findings of a graph file and the lines of the user's files they show."""
    r = subprocess.run([dgc, "check", "--diagnostics-format=json", graph], cwd=folder, capture_output=True, timeout=60)
    if r.returncode != CHECKED:
        raise ValueError(f"exit status {r.returncode}")
    try:
        found = json.loads(r.stderr)["diagnostics"]
    except (ValueError, KeyError, TypeError) as e:
        raise ValueError("no JSON on stderr") from e
    lines = set()
    for d in found:
        for x in [d] + d["labels"] + d["notes"]:
            if x.get("span"):
                lines.add(x["span"]["line"])
    return sorted(_row([d["code"]] + d["subjects"]) for d in found), lines


def judge(dgc, program, graph):
    """None, or what is wrong."""
    try:
        want, here = expected(program)
        got, shown = reported(dgc, graph, os.path.dirname(program))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
        return f"not judged: {e}"
    if got != want:
        return f"expected {'; '.join(want) or 'nothing'}\nreported {'; '.join(got) or 'nothing'}"
    return None if here <= shown else f"lines {sorted(here - shown)} are not shown, only {sorted(shown)}"
