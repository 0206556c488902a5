# expect: DG0702 head.weight head.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 5), torch.randint(0, 3, (8,))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 6)
        self.head = nn.Linear(6, 3)
        for p in self.parameters():
            p.requires_grad = False
        self.head.requires_grad = True  # here
        self.extra = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return self.head(torch.relu(self.body(x))) + self.extra


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.cross_entropy(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
