# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)

for _ in range(4):
    opt.zero_grad()
    F.mse_loss(net(x), y).backward()
    opt.step()
    for p in net.parameters():
        p.data.clamp_(-0.5, 0.5)
