# expect: DG0314 up.weight down.weight
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 4)


class Adapter(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Linear(4, 4)
        self.down = nn.Linear(4, 2, bias=False)
        self.up = nn.Linear(2, 4, bias=False)
        nn.init.zeros_(self.down.weight)  # here
        nn.init.zeros_(self.up.weight)  # here

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


net = Adapter()
opt = torch.optim.SGD(net.parameters(), lr=0.3)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
