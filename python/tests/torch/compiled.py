# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 5), torch.rand(8, 1)
net = torch.compile(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)))
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
