# expect: DG0302 uncertain.weight uncertain.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 6)
        self.mean = nn.Linear(6, 1)
        self.uncertain = nn.Linear(6, 1)

    def forward(self, x):
        h = torch.tanh(self.trunk(x))
        return self.mean(h), self.uncertain(h)  # here


net = Two()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)


def step_loss():
    mean, _ = net(x)
    return F.mse_loss(mean, y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
