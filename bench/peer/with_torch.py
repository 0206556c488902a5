"""PyTorch: eager with the fused adam, or compiled (channels_last was tried for the convolutional net: slower)."""
import numpy
import torch
import torch.nn.functional as F

import models


def layered(model, p, x):
    _, _, scale, layers = models.LAYERED[model]
    h = x / scale if scale != 1 else x
    for kind, *layer in layers:
        if kind == "fc":
            h = F.linear(h, p[layer[0] + ".w"], p[layer[0] + ".b"])
        elif kind == "conv":
            h = F.conv2d(h, p[layer[0] + ".w"], p[layer[0] + ".b"], padding=layer[4])
        else:
            h = F.relu(h) if kind == "relu" else F.max_pool2d(h, 2) if kind == "pool" else h.flatten(1)
    return h


def gpt(p, e):
    """q, k and v as one product, attention by the library's own call"""
    B, T, D, H = models.BATCH, models.T, models.D, models.HEADS
    z = e
    for i in range(models.BLOCKS):
        def at(n):
            return p[f"blocks[{i}].{n}"]

        qkv = F.linear(F.layer_norm(z, (D,), at("l1.gain"), at("l1.bias")), at("qkv.w"), at("qkv.b"))
        q, k, v = qkv.view(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
        z = z + F.linear(y, at("o.w"), at("o.b"))
        f = F.gelu(F.linear(F.layer_norm(z, (D,), at("l2.gain"), at("l2.bias")), at("f1.w"), at("f1.b")))
        z = z + F.linear(f, at("f2.w"), at("f2.b"))
    return F.linear(F.layer_norm(z, (D,), p["ln.gain"], p["ln.bias"]), p["head.w"]).reshape(B * T, models.VOCABULARY)


class Torch:
    def __init__(self, model, threads, library, isa, params, compiled=False):
        torch.set_num_threads(threads)
        if model == "gpt":
            params = dict(params)
            for i in range(models.BLOCKS):
                for s in ("w", "b"):
                    params[f"blocks[{i}].qkv.{s}"] = numpy.concatenate([params.pop(f"blocks[{i}].{c}.{s}") for c in "qkv"], -1)
        p = {k: torch.from_numpy(a.T.copy() if a.ndim == 2 else a.copy()).requires_grad_() for k, a in params.items()}
        data = models.batch(model)
        self.x = torch.from_numpy(data["e" if model == "gpt" else "image"])
        self.y = torch.from_numpy(data["label"]).long()

        def loss(x, y):
            return F.cross_entropy(gpt(p, x) if model == "gpt" else layered(model, p, x), y)

        self.loss = torch.compile(loss) if compiled else loss
        self.opt = torch.optim.Adam(p.values(), lr=models.rate(model), betas=(models.B1, models.B2), eps=models.EPS, fused=True)
        self.version = f"torch {torch.__version__}" + (" compiled" if compiled else " eager")

    def run(self, n):
        for _ in range(n):
            self.opt.zero_grad(set_to_none=True)
            l = self.loss(self.x, self.y)
            l.backward()
            self.opt.step()
        return l.item()


class TorchCompiled(Torch):
    def __init__(self, *a):
        super().__init__(*a, compiled=True)
