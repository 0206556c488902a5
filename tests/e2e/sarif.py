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


def page_titles(top):
    """Code -> what its page calls it."""
    titles = {}
    for page in glob.glob(top + "/docs/errors/DG*.md"):
        with open(page, encoding="utf-8") as f:
            code, title = f.readline().removeprefix("# ").rstrip("\n").split(": ", 1)
        titles[code] = title
    return titles


def differs(sarif, plain, titles):
    """What the two say differently, or None."""
    results, wanted = sarif["runs"][0]["results"], plain["diagnostics"]
    if len(results) != len(wanted):
        return f"{len(results)} results for {len(wanted)} diagnostics"
    for r, d in zip(results, wanted):
        rule = sarif["runs"][0]["tool"]["driver"]["rules"][r["ruleIndex"]]
        if not r["ruleId"] == rule["id"] == d["code"] or r["level"] != LEVELS[d["severity"]]:
            return f"{r['ruleId']} {r['level']} for {d['code']} {d['severity']}"
        if rule["shortDescription"]["text"] != titles[rule["id"]]:
            return f"rule {rule['id']} is '{rule['shortDescription']['text']}'"
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


def checked(dgc, path, validator, titles):
    """(has results, what the schema forbids, what it says differently)"""
    text, _ = run(dgc, path, "--report=sarif")
    _, plain = run(dgc, path, "--diagnostics-format=json")
    try:
        sarif = json.loads(text)
        wrong = [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(sarif)] if validator else []
        return bool(sarif["runs"][0]["results"]), "; ".join(wrong[:3]), differs(sarif, json.loads(plain), titles)
    except (ValueError, KeyError, IndexError) as e:
        return True, "", f"{type(e).__name__}: {e}"


def main():
    dgc, top = os.path.abspath(sys.argv[1]), sys.argv[2]
    validator, titles = None, page_titles(top)
    if jsonschema:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sarif-schema-2.1.0.json")) as f:
            validator = jsonschema.Draft4Validator(json.load(f), format_checker=jsonschema.FormatChecker())
    paths = sorted(glob.glob(top + "/tests/realworld/*.dg") + glob.glob(top + "/examples/seed/*.dg") +
                   glob.glob(top + "/tests/golden/err/**/*.dg", recursive=True))
    invalid = differ = some = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, (had, forbidden, other) in zip(paths, pool.map(lambda p: checked(dgc, p, validator, titles), paths)):
            some += had
            invalid += bool(forbidden)
            differ += bool(other)
            for complaint in filter(None, (forbidden, other)):
                print(f"# {os.path.relpath(path, top)}: {complaint}")
    print("1..3")
    if validator:
        print(f"{'not ok' if invalid else 'ok'} 1 - {len(paths) - invalid} of {len(paths)} programs: valid by the schema")
    else:
        print("ok 1 - valid by the schema # SKIP jsonschema is not installed (tools/setup test)")
    print(f"{'not ok' if differ else 'ok'} 2 - {len(paths) - differ} of {len(paths)} programs: as much as the JSON says")
    print(f"{'ok' if some > 200 else 'not ok'} 3 - {some} of them with results")
    return 1 if invalid or differ or some <= 200 else 0


if __name__ == "__main__":
    sys.exit(main())
