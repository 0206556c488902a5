"""TAP of a script that runs the command: each case on stdout, with what it printed where it fails."""
import subprocess
import sys

cases = failed = 0


def case(good, name, note=""):
    global cases, failed
    cases += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {cases} - {name}")
    for line in note.splitlines() if not good else []:
        print("#", line)


def run(command, name, status=0):
    """What the command printed; a case is its exit status."""
    r = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    case(r.returncode == status, f"{name}: exit status {status}", f"{r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def end():
    print(f"1..{cases}")
    sys.exit(failed > 0)
