# expect: DG0307 weight bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 1)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)  # here
slow = torch.optim.SGD(net.parameters(), lr=0.001)  # here

for _ in range(4):
    opt.zero_grad()
    F.mse_loss(net(x), y).backward()
    opt.step()
    slow.step()
