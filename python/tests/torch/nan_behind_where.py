# expect: DG0317; DG0703 body.weight body.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.randn(9, 4), torch.rand(9, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.head = nn.Linear(6, 1)

    def forward(self, x):
        u = self.body(x)
        return self.head(torch.where(u > 0, u.sqrt(), u))  # here


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.01)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
