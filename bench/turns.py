"""Programs that take turns within one run."""
import subprocess


class Peer:
    """The near end of a process that is asked by lines and answers by lines. The first that it says is "+ ANSWER", or
    "- REASON" where it takes no part; then `why` is set."""

    def __init__(self, name, command, missing=None, env=None):
        self.name, self.answers, self.said, self.why = name, [], "", missing
        if missing:
            return
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                                        env=env)
        mark, _, self.said = self.process.stdout.readline().strip().partition(" ")
        if mark != "+":
            self.process.stdin.close()
            last = (self.process.stderr.read().strip().splitlines() or ["it ended without an answer"])[-1]
            self.why = self.said or last

    def turn(self, n):
        """n times what it measures; keeps the numbers that it answers."""
        self.process.stdin.write(f"{n}\n")
        self.answers.append([float(x) for x in self.process.stdout.readline().split()])

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
