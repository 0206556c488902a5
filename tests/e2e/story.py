"""What numpy says of a model's weights and states: story.py MODEL FILE.safetensors X.csv Y.csv, a line a value.
Numbers are computed in double precision; NumPy is used where it is there, its few calls are stood in for where not."""
import json
import math
import struct
import sys

try:
    import numpy as np
except ImportError:
    np = None


def tensors(path):
    """Name to (shape, flat list of numbers)."""
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    head, body = json.loads(data[8:8 + size]), data[8 + size:]
    code = {"F32": "f", "F64": "d", "I32": "i", "I64": "q"}
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        lo, hi = t["data_offsets"]
        c = code[t["dtype"]]
        out[name] = (t["shape"], list(struct.unpack(f"<{(hi - lo) // struct.calcsize(c)}{c}", body[lo:hi])))
    return out


def rows(path):
    """As the compiler reads them: numbers are rounded to f32."""
    out = []
    for line in open(path):
        out.append([struct.unpack("<f", struct.pack("<f", float(v)))[0] for v in line.split(",")])
    return out


def matmul(x, shape, w):
    n, m = shape
    if np is not None:
        return (np.array(x, dtype="f8") @ np.array(w, dtype="f8").reshape(n, m)).tolist()
    return [[sum(r[k] * w[k * m + j] for k in range(n)) for j in range(m)] for r in x]


def line(t, x, y):
    """mean((x @ w + b - y)^2) and the largest error"""
    pred = matmul(x, *t["w"])
    b = t["b"][1][0]
    error = [p[0] + b - q[0] for p, q in zip(pred, y)]
    return {"mse": sum(e * e for e in error) / len(error), "off": sum(map(abs, error)) / len(error)}


def norm(t, x, y):
    """A linear layer without bias (it would cancel), norm by running statistics, relu, a linear layer, cross entropy"""
    def linear(x, name):
        b = t[name + ".b"][1]
        return [[v + b[j] for j, v in enumerate(r)] for r in matmul(x, *t[name + ".w"])]

    h = matmul(x, *t["fc.w"])
    average, spread = t["bn.average"][1], t["bn.spread"][1]
    gain, bias = t["bn.gain"][1], t["bn.bias"][1]
    h = [[max(0.0, (v - average[j]) / math.sqrt(spread[j] + 1e-5) * gain[j] + bias[j]) for j, v in enumerate(r)]
         for r in h]
    ce = right = 0.0
    for z, label in zip(linear(h, "head"), y):
        top = max(z)
        ce += top + math.log(sum(math.exp(v - top) for v in z)) - z[int(label[0])]
        right += z.index(top) == int(label[0])
    return {"ce": ce / len(y), "accuracy": right / len(y)}


def main():
    model, weights, x, y = sys.argv[1:5]
    prefix = sys.argv[5] if len(sys.argv) > 5 else ""
    for name, v in globals()[model](tensors(weights), rows(x), rows(y)).items():
        print(f"{prefix}{name} {v:.6g}")


main()
