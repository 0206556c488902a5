# expect: DG0310
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 1)
net = nn.Linear(4, 1)
opt = torch.optim.Adam(net.parameters(), lr=0.01)


def step_loss():
    size = net.weight.detach().abs().sum()  # here
    return F.mse_loss(net(x), y) + 0.01 * size

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
