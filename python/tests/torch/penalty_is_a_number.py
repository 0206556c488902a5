# expect: DG0310
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 1)
net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)


def step_loss():
    decay = sum(float(1) * p.pow(2).mean().item() for p in net.parameters())  # here
    return F.mse_loss(net(x), y) + 0.1 * decay

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
