#!/usr/bin/env python3
"""u8 and bf16 from outside: data files of bytes give the weights that numbers give; parameters kept as bf16 hold what
Python computes for them, one rounding an operation; a run that was resumed and every way to compute end the same.
usage: stored.py DGC TOP      TAP on stdout"""
import json
import os
import struct
import sys
import tempfile

import tap

DGC = os.path.abspath(sys.argv[1])


def run(*args, status=0):
    return tap.run([DGC, *args], " ".join(args)[:70], status)


def npy(path, descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def safetensors(path, dtype, shape, data):
    head = json.dumps({"t": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)


def tensor(path, name):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    t = json.loads(data[8:8 + size])[name]
    lo, hi = t["data_offsets"]
    return t["dtype"], data[8 + size + lo:8 + size + hi]


def f32(x):
    y = struct.unpack("<f", struct.pack("<f", x))[0]
    return y if abs(y) >= 2.0 ** -126 else 0.0 * y  # no subnormal numbers


def bf16(x):
    """The upper half of an f32, to nearest, ties to even, by whole numbers."""
    u = struct.unpack("<I", struct.pack("<f", x))[0]
    low = u & 0xffff
    u >>= 16
    return u + (low > 0x8000 or (low == 0x8000 and u & 1 == 1))


def wide(half):
    return struct.unpack("<f", struct.pack("<I", half << 16))[0]


def bytes_of_data():
    n, pixels = 48, 20
    image = bytes((i * i * 7 + i) % 256 for i in range(n * pixels))
    label = bytes((i * 5) % 3 for i in range(n))
    npy("image.npy", "|u1", (n, pixels), image)
    npy("label.npy", "|u1", (n,), label)
    npy("words.npy", "<i4", (n, pixels), struct.pack(f"<{n * pixels}i", *image))
    with open("image-ubyte", "wb") as f:
        f.write(struct.pack(">BBBBII", 0, 0, 8, 2, n, pixels) + image)
    with open("image.csv", "w") as f:
        for i in range(n):
            f.write(",".join(map(str, image[i * pixels:(i + 1) * pixels])) + "\n")
    safetensors("image.safetensors", "U8", [n, pixels], image)
    text = """import nn
input image: {image}[N, 20]
input label: {label}[N]
let net = nn.Mlp([20, 17, 3])
let logits = net({read}(image) / 255)
loss ce = mean(cross_entropy(logits, i32(label)))
output prob = softmax(logits)
train fit {{ minimize ce; update net using adam(lr = 0.01); batch = 16; epochs = 3 }}
"""
    open("byte.dg", "w").write(text.format(image="u8", label="u8", read="f32"))
    open("number.dg", "w").write(text.format(image="f32", label="i32", read="f32"))
    run("train", "number.dg", "-q", "-d", "image=image.npy", "-d", "label=label.npy", "-o", "number.safetensors")
    want = [tensor("number.safetensors", f"net.layers.{i}.{k}") for i in range(2) for k in "wb"]
    for k, (file, more) in enumerate([("image.npy", []), ("image-ubyte", []), ("image.csv", []), ("words.npy", []),
                                      ("image.safetensors", []), ("image.npy", ["--interpret"]),
                                      ("image.npy", ["--threads", "1"])]):
        run("train", "byte.dg", "-q", "-d", f"image={file}", "-d", "label=label.npy", "-o", f"b{k}.safetensors", *more)
        got = [tensor(f"b{k}.safetensors", f"net.layers.{i}.{n}") for i in range(2) for n in "wb"]
        tap.case(got == want, f"{file} {' '.join(more)}: bytes give the weights that numbers give")
    a = run("predict", "byte.dg", "--load", "b0.safetensors", "--input", "image=image.npy")
    b = run("predict", "number.dg", "--load", "number.safetensors", "--input", "image=image.npy")
    tap.case(a.split("prob:")[-1] == b.split("prob:")[-1] and len(a.splitlines()) > n, "predictions are the same", a)
    open("large.csv", "w").write("1,2\n3,256\n")
    open("two.dg", "w").write("input x: u8[N, 2]\nparam w: f32[2] = 1\nloss l = mean((f32(x) @ w)^2)\n"
                              "train fit { minimize l; update w using sgd(lr = 1e-6) }\n")
    said = run("train", "two.dg", "-d", "x=large.csv", "-q", status=3)
    tap.case("large.csv:2: column 2: 256 is no value of type u8" in said, "what is no byte is refused with its place", said)
    open("range.dg", "w").write("input x: u8[N, 2] in 0:200\nparam w: f32[2] = 1\nloss l = mean((f32(x) @ w)^2)\n"
                                "train fit { minimize l; update w using sgd(lr = 1e-6) }\n")
    npy("range.npy", "|u1", (2, 2), bytes([1, 2, 3, 200]))
    said = run("train", "range.dg", "-d", "x=range.npy", "-q", status=3)
    tap.case("200 is outside the declared range 0:200" in said, "declared ranges hold of bytes", said)


def halves_of_parameters():
    # One row of x; the gradient of sum(w * x) is x, and each step is f32(w - f32(lr * x)), rounded.
    start = [1.0, 1.0, 1.0, -1.0, 0.3, 256.0, 3e18, 1e-37, 0.0]
    x = [0.001, 0.0078125, 0.01, 0.003, 7.7, 1.0, -3e16, 3e-38, -5.5]
    rate, steps = 0.5, 6
    open("half.dg", "w").write(f"""input x: f32[N, {len(x)}]
param w: bf16[{len(x)}] = [{', '.join(map(repr, start))}]
state seen: bf16 = 0.1
loss l = sum(mean(x, axis = 0) * w) * 1
train fit {{ minimize l; update w using own(); batch = 1; epochs = {steps}; seen := seen * 1.01 }}
optimizer own(w, g) {{ w := w - {rate} * g }}
""")
    npy("x.npy", "<f4", (1, len(x)), struct.pack(f"<{len(x)}f", *x))
    w, seen = [bf16(v) for v in start], bf16(0.1)
    for _ in range(steps):
        w = [bf16(f32(wide(h) - f32(rate * f32(v)))) for h, v in zip(w, x)]
        seen = bf16(f32(wide(seen) * f32(1.01)))
    want = struct.pack(f"<{len(w)}H", *w)
    tap.case(w[0] == bf16(1.0), "an update below half of the last place is lost")
    for more in [], ["--interpret"], ["--threads", "1"]:
        run("train", "half.dg", "-q", "-d", "x=x.npy", "-o", "half.safetensors", *more)
        got = tensor("half.safetensors", "w")
        tap.case(got == ("BF16", want), f"{' '.join(more)} parameters are Python's", f"{got}\n{want}")
        got = tensor("half.safetensors", "seen")
        tap.case(got == ("BF16", struct.pack("<H", seen)), f"{' '.join(more)} the state is Python's", f"{got} {seen:04x}")
    run("train", "half.dg", "-q", "-d", "x=x.npy", "--steps", "2", "-o", "two.safetensors")
    run("train", "half.dg", "-q", "-d", "x=x.npy", "--resume", "two.safetensors", "-o", "six.safetensors")
    tap.case(tensor("six.safetensors", "w") == ("BF16", want), "resumed: the same bits")
    safetensors("x.safetensors", "BF16", [1, len(x)], struct.pack(f"<{len(x)}H", *map(bf16, x)))
    text = open("half.dg").read()
    open("input.dg", "w").write(text.replace("input x: f32", "input x: bf16"))
    run("train", "input.dg", "-q", "-d", "x=x.npy", "-o", "rounded.safetensors")
    run("train", "input.dg", "-q", "-d", "x=x.safetensors", "-o", "halves.safetensors")
    run("train", "half.dg", "-q", "-d", "x=x.safetensors", "-o", "widened.safetensors")
    got = [tensor(f"{n}.safetensors", "w")[1] for n in ("rounded", "halves", "widened")]
    w = [bf16(v) for v in start]
    for _ in range(steps):
        w = [bf16(f32(wide(h) - f32(rate * wide(bf16(v))))) for h, v in zip(w, x)]
    tap.case(got == [struct.pack(f"<{len(w)}H", *w)] * 3, "data become bf16 by one rounding, and f32 without any")
    npy("u2.npy", "<u2", (1, len(x)), struct.pack(f"<{len(x)}H", *map(bf16, x)))
    said = run("train", "input.dg", "-q", "-d", "x=u2.npy", status=3)
    tap.case("dtype f4, f8" in said and "'<u2'" in said, "an array of u2 is not taken for bf16", said)
    open("big.dg", "w").write("input x: f32[N]\nparam w: bf16 = 3.38e38\nloss l = -mean(x) * w\n"
                              "train fit { minimize l; update w using sgd(lr = 1e37); batch = 1; epochs = 4 }\n")
    npy("ones.npy", "<f4", (1,), struct.pack("<f", 1))
    said = run("train", "big.dg", "-q", "-d", "x=ones.npy", status=7)
    tap.case("'w' becomes infinite" in said, "overflow is told at its step", said)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    bytes_of_data()
    halves_of_parameters()
    os.chdir("/")
tap.end()
