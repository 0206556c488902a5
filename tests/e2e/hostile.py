#!/usr/bin/env python3
"""Hostile data files, one row each: what is written, the exit status, a piece of the message. Every one is refused by
name within half a second of CPU and 300 MB. usage: hostile.py DGC TOP"""
import gzip
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile

MODEL = """input x: f32[N, 2]
param w: f32[2] = 0
loss l = mean((x @ w - 1)^2)
train fit { minimize l; update w using sgd(lr = 0.1); steps = 1 }
"""
IO, BAD, LIMIT = 4, 3, 5
FLOATS = struct.pack("<4f", 1, 2, 3, 4)


def npy(descr="<f4", shape="(2, 2)", order="False", data=FLOATS, head=None, version=b"\x01\x00"):
    text = (head or "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + data


def idx(dims, data=b"", kind=8, rank=None):
    return bytes([0, 0, kind, len(dims) if rank is None else rank]) + b"".join(struct.pack(">I", d) for d in dims) + data


def safe(header, data=b""):
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape, lo, hi, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [lo, hi]}


GOOD = npy()
ROWS = [  # file name, bytes, status, message
    ("empty.npy", b"", BAD, "not an npy file"),
    ("short.npy", b"\x93NUM", BAD, "not an npy file"),
    ("magic.npy", b"\x93NUMPY", BAD, "truncated: at least 10 bytes expected, found 6"),
    ("zip.npy", b"PK\3\4" + bytes(100), BAD, "magic '\\x93NUMPY' expected, found 'PK\\x03\\x04"),
    ("pickle.npy", b"\x80\4\x95" + bytes(100), BAD, "not an npy file"),
    ("version.npy", npy(version=b"\x09\x00"), BAD, "npy version 1.0, 2.0 or 3.0 expected, found 9.0"),
    ("head.npy", b"\x93NUMPY\1\0\xff\xff{", BAD, "npy header of 65545 bytes expected, found 11"),
    ("head4g.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff{", BAD, "npy header of 4294967307 bytes expected, found 13"),
    ("headlong.npy", npy(head="{" + " " * 100000, version=b"\x02\x00"), BAD, "at most 65536 expected"),
    ("dict.npy", npy(head="import os"), BAD, "'{' expected"),
    ("keys.npy", npy(head="{'descr': '<f4', }"), BAD, "'descr', 'fortran_order' and 'shape' expected"),
    ("twice.npy", npy(head="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}"), BAD, "one each of"),
    ("nested.npy", npy(head="{'descr': " + "[" * 5000), BAD, "records"),
    ("object.npy", npy("|O"), BAD, "found '|O'"),
    ("text.npy", npy("<U2"), BAD, "found '<U2'"),
    ("complex.npy", npy("<c8"), BAD, "found '<c8'"),
    ("half.npy", npy("<f2"), BAD, "found '<f2'"),
    ("big-endian.npy", npy(">f4"), BAD, "little-endian order expected, found '>f4'"),
    ("records.npy", npy(head="{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"), BAD, "records"),
    ("fortran.npy", npy(order="True"), BAD, "C order expected, found Fortran order: save numpy.ascontiguousarray(x)"),
    ("scalar.npy", npy(shape="()"), BAD, "found a single number"),
    ("negative.npy", npy(shape="(-2, 2)"), BAD, "an extent expected, found '-2, 2)"),
    ("huge.npy", npy(shape="(9223372036854775808, 2)"), BAD, "63 bits"),
    ("product.npy", npy(shape="(9223372036854775807, 2)"), BAD, "overflows"),
    ("many.npy", npy(shape="(1099511627776, 2)"), BAD, "truncated"),
    ("axes.npy", npy(shape="(" + "1, " * 40 + ")"), BAD, "at most 8 axes"),
    ("none.npy", npy(shape="(0, 2)", data=b""), BAD, "at least one row expected"),
    ("narrow.npy", npy(shape="(4, 1)"), BAD, "rows of 2 numbers [2] expected by input 'x', found 1 [1]"),
    ("cut.npy", GOOD[:-1], BAD, "truncated: 144 bytes expected by its header, found 143"),
    ("more.npy", GOOD + b"x", BAD, "bytes behind the data"),
    ("nan.npy", npy(data=struct.pack("<4f", 1, 2, 3, float("nan"))), BAD, "row 1 (counted from 0), element 1: nan is not finite"),
    ("inf.npy", npy("<f8", data=struct.pack("<4d", 1, 1e300, 3, 4)), BAD, "element 1: 1.0000000000000001e+300 is no value of type f32"),
    ("gz.npy.gz", gzip.compress(gzip.compress(GOOD)), BAD, "magic '\\x93NUMPY' expected, found '\\x1f\\x8b"),
    ("plain.npy.gz", GOOD, BAD, "not a gzip file: magic 1f 8b expected"),
    ("cut.npy.gz", gzip.compress(GOOD)[:-3], BAD, "truncated"),
    ("crc.npy.gz", gzip.compress(GOOD)[:-8] + b"abcdefgh", BAD, "damaged"),
    ("tail.npy.gz", gzip.compress(GOOD) + b"tail", BAD, "4 bytes behind the end of the packed data"),
    ("nothing.npy.gz", gzip.compress(b""), BAD, "not an npy file"),
    ("empty.npy.gz", b"", BAD, "not a gzip file"),
    ("empty.idx", b"", BAD, "at least 4 bytes expected, found 0"),
    ("magic.idx", b"\1\2\3\4" + bytes(20), BAD, "magic 00 00 08 expected, found 01 02 03"),
    ("floats.idx", idx([2, 2], FLOATS, kind=13), BAD, "found 32-bit float (0d)"),
    ("rank0.idx", idx([], rank=0), BAD, "1 to 8 axes expected, found 0"),
    ("rank255.idx", idx([1] * 255), BAD, "1 to 8 axes expected, found 255"),
    ("head.idx", idx([2], rank=3), BAD, "IDX header of 16 bytes expected, found 8"),
    ("huge.idx", idx([4294967295] * 3), BAD, "overflows"),
    ("large.idx", idx([4294967295, 2]), BAD, "truncated: 8589934602 bytes expected by its header, found 12"),
    ("none.idx", idx([0, 2]), BAD, "at least one row expected"),
    ("more.idx", idx([2, 2], b"12345"), BAD, "bytes behind the data"),
    ("empty.csv", b"", BAD, "empty: at least one row expected"),
    ("lines.csv", b"\r\n" * 1000, BAD, "empty: at least one row expected"),
    ("header.csv", b"a,b\n", BAD, "a header without rows"),
    ("ragged.csv", b"1,2\n3\n", BAD, ":2: 2 fields expected as in the first record, found 1"),
    ("wide.csv", b"1,2,3\n", BAD, "rows of 2 numbers [2] expected by input 'x', found 3 [3]"),
    ("quote.csv", b'1,"2\n', BAD, ":1: quote without an end"),
    ("utf16.csv", "1,2\n".encode("utf-16"), BAD, "UTF-8 expected, found UTF-16"),
    ("zeros.csv", bytes(1000), BAD, "rows of 2 numbers [2] expected by input 'x', found 1 [1]"),
    ("program.csv", b"\x7fELF,\2\1\1\n1,2\n", BAD, ":1: column 1: '\\x7fELF' is not a number"),
    ("large.csv", b"1,2\n3,1e999\n", BAD, ":2: column 2: '1e999' does not fit f32"),
    ("infinite.csv", b"1,2\n3,-inf\n", BAD, ":2: column 2: '-inf' is not finite"),
    ("comma.csv", b"1,5;2,5\n", BAD, "rows of 2 numbers"),
    ("macintosh.csv", b"1,2\r3,4\r", BAD, "rows of 2 numbers"),
    ("escape.csv", b"1,2\n3,\x1b[31mred\n", BAD, "'\\x1b[31mred' is not a number"),
    ("long.csv", b"1,2\n3," + b"9" * 100000 + b"\n", BAD, "..."),
    ("empty.safetensors", b"", BAD, "not a safetensors file"),
    ("length.safetensors", b"\xff" * 8 + b"{}", BAD, "at most 8388608 expected"),
    ("cut.safetensors", safe({"a": tensor([2, 2], 0, 16)}), BAD, "byte "),
    ("nested.safetensors", safe("{" * 100000), BAD, "byte "),
    ("overlap.safetensors", safe({"a": tensor([2, 2], 0, 16), "x": tensor([2, 2], 8, 24)}, bytes(24)), BAD, "byte "),
    ("negative.safetensors", safe({"a": tensor([-2, -2], 0, 16)}, FLOATS), BAD, "byte "),
    ("half.safetensors", safe({"a": tensor([2, 2], 0, 8, "F16")}, bytes(8)), BAD, "found F16"),
    ("several.safetensors", safe({"a": tensor([1], 0, 4), "b": tensor([1], 4, 8)}, bytes(8)), BAD, "2 tensors: name the one"),
    ("unknown.dat", b"hello", BAD, "neither its name"),
    ("missing.npy", None, IO, "no such file or folder"),
    ("a" * 300 + ".npy", None, IO, "cannot read"),
]


def special():
    """Things that are no files."""
    os.mkdir("folder.npy")
    os.mkfifo("pipe.csv")
    os.symlink("nowhere", "link.npy")
    os.symlink("loop.npy", "loop.npy")
    os.symlink("/dev/zero", "zero.idx")
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket.npy")
    rows = [("folder.npy", IO, "it is a folder, not a file"), ("pipe.csv", IO, "it is a pipe, not a regular file"),
            ("link.npy", IO, "no such file or folder"), ("loop.npy", IO, "cannot read"),
            ("zero.idx", IO, "it is a device or socket, not a regular file"), ("/dev/zero", IO, "it is a device or socket"),
            ("/dev/full", IO, "it is a device or socket"), ("socket.npy", IO, "cannot read"), ("unknown.dat/x", IO, "cannot read")]
    if os.geteuid() != 0:
        with open("secret.npy", "wb") as f:
            f.write(GOOD)
        os.chmod("secret.npy", 0)
        rows.append(("secret.npy", IO, "Permission denied"))
    return rows


def main():
    dgc, failed = os.path.realpath(sys.argv[1]), 0
    sanitized = b"__asan_" in open(dgc, "rb").read()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("m.dg", "w") as f:
            f.write(MODEL)
        rows = []
        for name, content, status, text in ROWS:
            if content is not None:
                with open(name, "wb") as f:
                    f.write(content)
            rows.append((name, status, text))
        rows += special()
        with open("good.npy", "wb") as f:
            f.write(GOOD)
        rows.append(("good.npy", 0, ""))
        for n, (name, status, text) in enumerate(rows, 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            r = subprocess.run([dgc, "train", "m.dg", "-q", "--interpret", "-d", "x=" + name], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            said = r.stderr.decode("utf-8", "replace")
            cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            whole = status == 0 or (said.startswith("dgc: ") and said.count("\n") == 1 and name[:40] in said)
            ok = r.returncode == status and text in said and whole and (sanitized or cpu < 0.5)
            failed += not ok
            print(f"{'ok' if ok else 'not ok'} {n} - {name[:40]}: status {status}, says '{text}'")
            if not ok:
                print(f"# status {r.returncode}, {cpu:.2f} s: {said}")
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        ok = sanitized or most < 300 * 1024
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {len(rows) + 1} - at most 300 MB ({most // 1024} MB)")
        print(f"1..{len(rows) + 1}")
    return failed > 0


sys.exit(main())
