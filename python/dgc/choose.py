"""Which findings are told: by code, and without those that a file lists as known."""
import json
import os
import re

from . import report
from .graph import NotJudged

BEGINS = re.compile(r"^\S.*?: (?:warning|error): ")


def codes(text):
    """DG0303,DG0304 as a set; or ValueError."""
    found = {c.strip() for c in text.split(",")}
    if not all(re.fullmatch(r"DG\d{4}", c) for c in found):
        raise ValueError(text)
    return found


def key(finding):
    """What stays the same when lines move: the code, the file, and what it is about."""
    return [finding["code"], (finding["span"] or {}).get("file", ""), sorted(finding["subjects"])]


def blocks(text):
    """The text of each finding."""
    found = []
    for line in text.splitlines(keepends=True):
        if BEGINS.match(line):
            found.append("")
        if found:
            found[-1] += line
    return found


class Choice:
    """`select` and `ignore` are sets of codes, `baseline` a path; None where they are not asked for."""

    def __init__(self, select=None, ignore=None, baseline=None):
        self.select, self.ignore, self.baseline = select, ignore or set(), baseline

    def known(self, findings):
        """Keys of what was there before; the file is made where there is none."""
        if self.baseline is None:
            return []
        try:
            if os.path.exists(self.baseline):
                with open(self.baseline, encoding="utf-8") as f:
                    return json.load(f)["findings"]
            with open(self.baseline, "w", encoding="utf-8") as f:
                json.dump({"findings": [key(x) for x in findings]}, f, indent=1)
                f.write("\n")
        except OSError as e:
            raise NotJudged(f"the baseline '{self.baseline}' cannot be used: {e.strerror}") from e
        except (ValueError, KeyError, TypeError) as e:
            raise NotJudged(f"the baseline '{self.baseline}' is none: it has no list of findings") from e
        return [key(x) for x in findings]

    def of(self, made):
        """The report with what is told of it. Faults of the import are told whatever was chosen."""
        if made.status != report.FINDINGS:
            return made
        try:
            known = self.known(made.findings)
        except NotJudged as e:
            return report.not_judged(e)
        kept = [x for x in made.findings if (self.select is None or x["code"] in self.select)
                and x["code"] not in self.ignore and key(x) not in known]
        if len(kept) == len(made.findings):
            return made
        texts = blocks(made.text)
        if len(texts) != len(made.told):
            return made    # a form of text that is not known: better too much than too little
        told = [t for x, t in zip(made.told, texts) if x in kept or x in made.faults]
        hidden = len(made.findings) - len(kept)
        text = "".join(told) + f"dgc: {hidden} finding{'s' if hidden > 1 else ''} not told, as asked for\n"
        status = report.FINDINGS if kept else report.NOT_JUDGED if made.faults else report.ALL_LEARN
        return report.Report(status, text, kept, made.faults, [x for x in made.told if x in kept or x in made.faults])
