# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call

torch.manual_seed(1)

x, y = torch.rand(8, 5), torch.rand(8, 1)
net = nn.Linear(5, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    params = dict(net.named_parameters())
    return F.mse_loss(functional_call(net, params, (x,)), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
