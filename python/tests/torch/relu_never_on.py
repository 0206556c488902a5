# expect: DG0702 gate.weight gate.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 4)
        self.out = nn.Linear(4, 4)
        nn.init.constant_(self.gate.bias, -20.0)  # here

    def forward(self, x):
        return self.out(x + torch.relu(self.gate(x)))


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
