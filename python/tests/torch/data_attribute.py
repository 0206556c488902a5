# expect: DG0303 gate
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(6, 3), torch.rand(6, 3)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.randn(3))
        self.out = nn.Linear(3, 3)

    def forward(self, x):
        scale = torch.sigmoid(self.gate.data)  # here
        return self.out(x) * scale


net = Gated()
opt = torch.optim.Adam(net.parameters())


def step_loss():
    return (net(x) - y).abs().mean()

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
