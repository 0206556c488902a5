#!/usr/bin/env python3
"""SARIF of every program that has diagnostics: valid by the schema of the standard, as jsonschema reads it, and as much
as the JSON says. TAP.

usage: sarif.py DGC TOP_OF_THE_SOURCE

The schema is that of OASIS, SARIF 2.1.0 with errata 01, as it is published (sarif-schema-2.1.0.json)."""
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import urllib.parse

try:
    import jsonschema
except ImportError:
    jsonschema = None

LEVELS = {"note": "note", "warning": "warning", "error": "error"}


def run(dgc, path, *args):
    r = subprocess.run([dgc, "check", *args, os.path.basename(path)], cwd=os.path.dirname(path), stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=120)
    return r.stdout.decode(), r.stderr.decode()


def differs(sarif, plain):
    """What the two say differently, or None."""
    results, wanted = sarif["runs"][0]["results"], plain["diagnostics"]
    if len(results) != len(wanted):
        return f"{len(results)} results for {len(wanted)} diagnostics"
    for r, d in zip(results, wanted):
        rule = sarif["runs"][0]["tool"]["driver"]["rules"][r["ruleIndex"]]
        if not r["ruleId"] == rule["id"] == d["code"] or r["level"] != LEVELS[d["severity"]]:
            return f"{r['ruleId']} {r['level']} for {d['code']} {d['severity']}"
        if not r["message"]["text"].startswith(d["message"]):
            return f"'{r['message']['text']}' for '{d['message']}'"
        if d["span"]:
            at = r["locations"][0]["physicalLocation"]
            name, region = urllib.parse.unquote(at["artifactLocation"]["uri"]), at["region"]
            want = (d["span"]["file"], d["span"]["line"], d["span"]["column"], d["span"]["lo"])
            if (name, region["startLine"], region["startColumn"], region["byteOffset"]) != want:
                return f"place {name} {region} for {want}"
        got = [(e["deletedRegion"]["byteOffset"], e["insertedContent"]["text"])
               for fix in r.get("fixes", []) for c in fix["artifactChanges"] for e in c["replacements"]]
        if sorted(got) != sorted((e["span"]["lo"], e["text"]) for e in d["edits"]):
            return f"edits {got}"
    return None


def checked(dgc, path, validator):
    """(had results, complaint)"""
    text, _ = run(dgc, path, "--report=sarif")
    _, plain = run(dgc, path, "--diagnostics-format=json")
    try:
        sarif = json.loads(text)
        wrong = [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(sarif)] if validator else []
        complaint = "; ".join(wrong[:3]) or differs(sarif, json.loads(plain))
    except (ValueError, KeyError, IndexError) as e:
        return True, f"{type(e).__name__}: {e}"
    return bool(sarif["runs"][0]["results"]), complaint


def main():
    dgc, top = os.path.abspath(sys.argv[1]), sys.argv[2]
    validator = None
    if jsonschema:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sarif-schema-2.1.0.json")) as f:
            validator = jsonschema.Draft4Validator(json.load(f), format_checker=jsonschema.FormatChecker())
    else:
        print("# jsonschema is not installed (tools/setup test): the schema is not asked")
    paths = sorted(glob.glob(top + "/tests/realworld/*.dg") + glob.glob(top + "/examples/seed/*.dg") +
                   sorted(glob.glob(top + "/tests/golden/err/**/*.dg", recursive=True))[::3])
    bad = some = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (had, complaint) in zip(paths, pool.map(lambda p: checked(dgc, p, validator), paths)):
            some += had
            if complaint:
                bad += 1
                print(f"# {os.path.relpath(path, top)}: {complaint}")
    print("1..2")
    print(f"{'not ok' if bad else 'ok'} 1 - {len(paths) - bad} of {len(paths)} programs")
    print(f"{'ok' if some > 80 else 'not ok'} 2 - {some} of them with results")
    return 1 if bad or some <= 80 else 0


if __name__ == "__main__":
    sys.exit(main())
