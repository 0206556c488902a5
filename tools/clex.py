"""What the lints share: which files there are, and C text as tokens without comments, strings and #include lines."""
import os
import re
import sys

FOLDERS = ["base", "ir", "frontend", "passes", "codegen", "runtime", "api", "driver", "include", "examples", "tests", "bench", "tools", "std", "python"]
C_LIKE = (".c", ".h", ".l", ".y", ".def", ".cc")

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<number>\.?\d[\w.]*(?:(?<=[eEpP])[+-]\w*)*)|(?P<op>->|\+\+|--|<<=|>>=|<<|>>|&&|\|\||[-+*/%&|^=!<>]=|\#\#|.)""",
    re.S | re.X)


def root():
    return os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("--") else os.getcwd()


def files(top, folders=None, ends=C_LIKE):
    """Paths below top, sorted; build folders and hidden ones are not entered."""
    for folder in folders or FOLDERS:
        for here, dirs, names in os.walk(os.path.join(top, folder)):
            dirs[:] = sorted(d for d in dirs if not d.startswith((".", "build", "__pycache__")))
            for name in sorted(names):
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(here, name), top)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def tokens(text):
    """[(line, kind, text)] of names, numbers, strings and operators; and {line: comment text}."""
    text = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", text, flags=re.M)
    out, comments, line = [], {}, 1
    for m in TOKEN.finditer(text):
        kind, what = m.lastgroup, m.group()
        if kind == "comment":
            last = line + what.count("\n")
            comments[last] = comments.get(last, "") + what
        elif kind != "space":
            out.append((line, kind, what))
        line += what.count("\n")
    return out, comments


def excused(comments, line, word):
    """A comment 'word: reason' on the line or on the line before it."""
    return any(re.search(word + r":\s*\S", comments.get(at, "")) for at in (line, line - 1))


def report(findings, name):
    for path, line, text in findings:
        print(f"{path}:{line}: {text}")
    if findings:
        print(f"{name}: {len(findings)} finding(s)")
    return 1 if findings else 0
