# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y, z = torch.rand(9, 4), torch.rand(9, 1), torch.randint(0, 3, (9,))


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 8)
        self.heads = nn.ModuleDict({"value": nn.Linear(8, 1), "kind": nn.Linear(8, 3)})

    def forward(self, x):
        h = F.gelu(self.trunk(x))
        return {k: head(h) for k, head in self.heads.items()}


net = Heads()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)


def step_loss():
    out = net(x)
    return F.mse_loss(out["value"], y) + F.cross_entropy(out["kind"], z)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
