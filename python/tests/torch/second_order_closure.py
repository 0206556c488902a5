# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)
net = nn.Linear(4, 1)
opt = torch.optim.LBFGS(net.parameters(), max_iter=3)


def closure():
    opt.zero_grad()
    loss = F.mse_loss(net(x), y)
    loss.backward()
    return loss


for _ in range(4):
    opt.step(closure)
