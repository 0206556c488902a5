# expect: DG0704
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 5), torch.rand(8)
net = nn.Linear(5, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return ((net(x) - y) ** 2).mean()  # here

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
