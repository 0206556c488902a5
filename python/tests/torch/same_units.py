# expect: DG0315 hidden.weight hidden.bias out.weight
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.out = nn.Linear(5, 1)
        for p in self.parameters():
            nn.init.constant_(p, 0.2)  # here

    def forward(self, x):
        return self.out(torch.sigmoid(self.hidden(x)))


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.3)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
