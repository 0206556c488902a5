# expect: DG0301 skip.weight skip.bias; DG0301 late[0].weight late[0].bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Linear(4, 2)
        self.skip = nn.Linear(4, 2)  # here
        self.late = [nn.Linear(2, 2)]  # here

    def forward(self, x):
        return self.main(x)


net = Net()
opt = torch.optim.AdamW(net.main.parameters(), lr=1e-3, weight_decay=0.0)


def step_loss():
    return F.smooth_l1_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
