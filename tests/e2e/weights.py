#!/usr/bin/env python3
"""`~ load("f.safetensors")` from outside: names with the instance's path or below it, other types of reals, what is
missing and what there is besides; copies of what was loaded; checkpoints that take the place of the file.
usage: weights.py DGC TOP      TAP on stdout"""
import json
import os
import struct
import sys
import tempfile

import tap

DGC = os.path.abspath(sys.argv[1])


def run(name, status, *args):
    return tap.run([DGC, *args], name, status)


def says(name, text, *parts):
    tap.case(all(p in text for p in parts), f"{name}: says {' '.join(parts)[:60]}", text)


def bf16(x):
    u = struct.unpack("<I", struct.pack("<f", x))[0]
    return struct.pack("<H", (u + 0x7fff + (u >> 16 & 1)) >> 16)


PACK = {"F32": lambda x: struct.pack("<f", x), "F64": lambda x: struct.pack("<d", x), "F16": lambda x: struct.pack("<e", x),
        "BF16": bf16, "I32": lambda x: struct.pack("<i", int(x))}


def safetensors(path, tensors):
    """name -> (dtype, shape, values)"""
    head, data = {}, b""
    size = {"F64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}
    for name, (dtype, shape, values) in sorted(tensors.items(), key=lambda t: -size[t[1][0]]):  # each is aligned
        own = b"".join(PACK[dtype](v) for v in values)
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(own)]}
        data += own
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + size])
    return {n: data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]]
            for n, t in head.items() if n != "__metadata__"}


def text(path, body):
    with open(path, "w") as f:
        f.write(body)


MODEL = """import nn
input x: f32[N, 3]
module Net {
  let fc = [nn.Linear(3, 2), nn.Linear(2, 1)]
  state seen: f32[2] = 7
  fn (x: f32[B, 3]) -> f32[B, 1] = fc[1](fc[0](x) + seen)
}
let net = Net() ~ load("net.safetensors")
frozen let copy = Net() ~ net
param scale: f32 ~ load("scale.safetensors")
param start: f32[3, 2] = 2 * net.fc[0].w
loss l = mean((scale * net(x) - copy(x))^2) + sum(start)
output y = net(x)
train fit { minimize l; update net, scale, start using sgd(lr = 0); net.seen := net.seen }
"""
W0, B0, W1, B1, SEEN = [0.5, -0.25, 1.0, 2.0, 0.125, -1.5], [0.25, 0.5], [1.5, -2.0], [3.0], [0.75, -0.5]


def names(prefix, dtype="F32"):
    return {prefix + "fc.0.w": (dtype, [3, 2], W0), prefix + "fc.0.b": (dtype, [2], B0),
            prefix + "fc.1.w": (dtype, [2, 1], W1), prefix + "fc.1.b": (dtype, [1], B1),
            prefix + "seen": ("F32", [2], SEEN)}


def f32s(values):
    return b"".join(struct.pack("<f", v) for v in values)


def trained(name, *more):
    """Weights after a step of rate 0: what the program begins with."""
    out = run(name, 0, "train", "m.dg", "-d", "x=x.csv", "--steps", "1", "-q", "-o", "out.safetensors", *more)
    return out, read("out.safetensors")


def begins():
    text("m.dg", MODEL)
    text("x.csv", "1,2,3\n4,5,6\n")
    safetensors("scale.safetensors", {"scale": ("F32", [], [4.0]), "other": ("F32", [1], [1.0])})
    for prefix in ("", "net."):
        for how in ([], ["--interpret"]):
            safetensors("net.safetensors", names(prefix))
            out, w = trained(f"names with '{prefix}' {how}", *how)
            tap.case("dgc:" not in out, "no word is needed", out)
            want = {"net.fc.0.w": W0, "net.fc.0.b": B0, "net.fc.1.w": W1, "net.fc.1.b": B1, "net.seen": SEEN,
                    "copy.fc.0.w": W0, "copy.seen": SEEN, "scale": [4.0], "start": [2 * v for v in W0]}
            tap.case(all(w[n] == f32s(v) for n, v in want.items()), f"what the file holds, and copies of it, with '{prefix}'")
    for dtype in ("F16", "BF16", "F64"):
        safetensors("net.safetensors", names("", dtype))
        out, w = trained(f"from {dtype}")
        tap.case(w["net.fc.0.w"] == f32s(W0) and w["net.fc.1.b"] == f32s(B1), f"the numbers of {dtype}")
        says(f"from {dtype}", out, "net.safetensors: converted", f"'net.fc.0.w' from {dtype}")
    small = [2.0 ** -24, -(2.0 ** -15), 65504.0, 1.0 / 3, 0.0, -1.0]
    safetensors("net.safetensors", {**names(""), "fc.0.w": ("F16", [3, 2], small)})
    _, w = trained("the ends of F16")
    halves = [struct.unpack("<e", struct.pack("<e", v))[0] for v in small]
    tap.case(w["net.fc.0.w"] == f32s(halves), "subnormal, greatest and rounded halves")
    safetensors("net.safetensors", {**names("net."), "net.extra": ("F32", [1], [1.0]), "fit.m": ("F32", [1], [1.0])})
    out, _ = trained("names besides")
    says("names besides", out, "also holds 'net.extra':")
    tap.case("fit.m" not in out, "what is of no instance is not told", out)


def refusals():
    text("m.dg", MODEL)
    lacking = names("")
    del lacking["fc.1.b"], lacking["seen"]
    safetensors("net.safetensors", {**lacking, "head.b": ("F32", [1], [1.0])})
    out = run("names are missing", 9, "train", "m.dg", "-d", "x=x.csv", "--steps", "1")
    says("names are missing", out, "'net.fc.1.b' is not in the file", "'net.seen' is not in the file", "'head.b'")
    safetensors("net.safetensors", {**names(""), "fc.0.w": ("F32", [2, 3], W0)})
    out = run("another shape", 9, "predict", "m.dg", "--input", "x=x.csv")
    says("another shape", out, "'net.fc.0.w' is f32[3, 2] in the program and F32[2, 3] in the file")
    safetensors("net.safetensors", {**names(""), "fc.1.b": ("I32", [1], [3])})
    out = run("integers", 9, "predict", "m.dg", "--input", "x=x.csv")
    says("integers", out, "I32[1] in the file")
    safetensors("net.safetensors", {**names("", "F64"), "fc.1.b": ("F64", [1], [1e300])})
    out = run("a number too large", 3, "predict", "m.dg", "--input", "x=x.csv")
    says("a number too large", out, "fc.1.b")
    safetensors("net.safetensors", {**names(""), "fc.1.b": ("F32", [1], [float("nan")])})
    run("no number", 3, "predict", "m.dg", "--input", "x=x.csv")
    os.remove("net.safetensors")
    out = run("no file", 4, "predict", "m.dg", "--input", "x=x.csv")
    says("no file", out, "net.safetensors", "--data-root")
    os.mkdir("elsewhere")
    safetensors("elsewhere/net.safetensors", names(""))
    run("a data root", 0, "predict", "m.dg", "--input", "x=x.csv", "--data-root", "elsewhere", "-q")
    text("up.dg", MODEL.replace('"net.safetensors"', '"../net.safetensors"'))
    run("a file above the folder", 1, "predict", "up.dg", "--input", "x=x.csv")


def checkpoints():
    text("m.dg", MODEL)
    safetensors("net.safetensors", names(""))
    out = run("over the file", 2, "train", "m.dg", "-d", "x=x.csv", "--steps", "1", "-o", "net.safetensors")
    says("over the file", out, "is not overwritten")
    trained("to go on from")
    os.rename("out.safetensors", "ck.safetensors")
    text("p.dg", MODEL.replace("  state seen: f32[2] = 7\n", "").replace(" + seen", "").replace("; net.seen := net.seen", ""))
    plain = {n: v for n, v in names("").items() if n != "seen"}
    safetensors("net.safetensors", plain)
    run("parameters alone", 0, "train", "p.dg", "-d", "x=x.csv", "--steps", "1", "-q", "-o", "p.safetensors")
    os.remove("net.safetensors")
    os.remove("scale.safetensors")
    run("a checkpoint in its place", 0, "predict", "p.dg", "--load", "p.safetensors", "--input", "x=x.csv", "-q")
    run("resumed without it", 0, "train", "p.dg", "--resume", "p.safetensors", "-d", "x=x.csv", "--steps", "1", "-q",
        "-o", "q.safetensors")
    one, two = read("p.safetensors"), read("q.safetensors")
    tap.case(one["net.fc.0.w"] == two["net.fc.0.w"] == f32s(W0), "the same weights")


def verdicts():
    """What rests on initial values is not said of what a file holds."""
    body = """input x: f32[N, 1]
param a: f32[1, 2] {a}
param b: f32[2, 1] {b}
loss l = mean((x + (x @ a) @ b)^2)
train fit {{ minimize l; update a, b using sgd() }}
"""
    text("v.dg", body.format(a="= 0", b="= 0"))
    says("both begin as 0", run("both begin as 0", 0, "check", "v.dg"), "DG0314")
    text("v.dg", body.format(a='~ load("a.safetensors")', b="= 0"))
    out = run("one is read", 0, "check", "v.dg")
    tap.case("DG0314" not in out, "one is read: not stuck for ever", out)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    begins()
    refusals()
    checkpoints()
    verdicts()
tap.end()
