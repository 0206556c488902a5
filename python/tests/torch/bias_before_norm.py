# expect: DG0313 conv.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(6, 3, 8, 8), torch.randint(0, 4, (6,))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        h = self.norm(self.conv(x))  # here
        return self.head(torch.relu(h).mean(dim=(2, 3)))


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.cross_entropy(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
