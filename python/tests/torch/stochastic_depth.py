# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 4)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        for k, block in enumerate(self.blocks):
            if (k + self.calls) % 3:
                x = x + torch.tanh(block(x))
        return x


net = Deep()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
