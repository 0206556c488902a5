# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)
net, side = nn.Linear(4, 1), nn.Linear(4, 1)
opt = torch.optim.SGD([*net.parameters(), *side.parameters()], lr=0.1)

for _ in range(4):
    opt.zero_grad()
    F.mse_loss(net(x), y).backward()
    F.l1_loss(side(x), y).backward()
    opt.step()
