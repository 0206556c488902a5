# expect: nothing
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 5), torch.rand(8, 1)
net = nn.Linear(5, 1)
mean_net = copy.deepcopy(net)
opt = torch.optim.SGD(net.parameters(), lr=0.1)

for _ in range(4):
    opt.zero_grad()
    F.mse_loss(net(x), y).backward()
    opt.step()
    with torch.no_grad():
        for slow, fast in zip(mean_net.parameters(), net.parameters()):
            slow.lerp_(fast, 0.1)
