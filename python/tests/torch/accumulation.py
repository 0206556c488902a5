# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
net = nn.Linear(5, 1)
opt = torch.optim.Adam(net.parameters(), lr=0.1)

for _ in range(4):
    opt.zero_grad()
    for _ in range(3):
        x, y = torch.rand(4, 5), torch.rand(4, 1)
        (F.mse_loss(net(x), y) / 3).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
