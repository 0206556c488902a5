# expect: nothing
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Linear(4, 2)
        self.target = copy.deepcopy(self.main)
        self.old = nn.Linear(4, 2).requires_grad_(False)
        self.late = nn.Linear(2, 2)

    def forward(self, x, late):
        h = self.main(x)
        with torch.no_grad():
            t = self.target(x)
        return (self.late(h) if late else h), t


net = Net()
opt = torch.optim.SGD(net.main.parameters(), lr=0.1)
later = torch.optim.SGD(net.late.parameters(), lr=0.1)


for k in range(24):
    opt.zero_grad()
    later.zero_grad()
    h, t = net(x, k > 18)
    loss = F.mse_loss(h, y) + 0.1 * F.mse_loss(h, t)
    loss.backward()
    opt.step()
    if k > 18:
        later.step()
