# expect: DG0303 right.weight right.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x = torch.rand(10, 4)
y = torch.rand(10, 2)


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 2)
        self.right = nn.Linear(4, 2)

    def forward(self, x):
        a = self.left(x)
        b = self.right(x).detach()  # here
        return a + b


net = Sum()
opt = torch.optim.SGD(net.parameters(), lr=0.05)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
