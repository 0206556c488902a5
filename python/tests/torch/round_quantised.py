# expect: DG0303 proj.weight proj.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(7, 4), torch.rand(7, 1)


class Quant(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 5)
        self.head = nn.Linear(5, 1)

    def forward(self, x):
        q = torch.round(self.proj(x) * 8)  # here
        return self.head(q / 8)


net = Quant()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
