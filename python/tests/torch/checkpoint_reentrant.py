# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(1)
x, y = torch.rand(8, 5).requires_grad_(), torch.rand(8, 1)
first, second = nn.Sequential(nn.Linear(5, 6), nn.Tanh()), nn.Linear(6, 1)
opt = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)


def step_loss():
    return F.mse_loss(second(checkpoint(lambda t: first(t), x, use_reentrant=True)), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
