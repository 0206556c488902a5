# expect: DG0303 position
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 6), torch.rand(8, 6)
position = nn.Parameter(torch.rand(6))
scale = nn.Parameter(torch.rand(6))
opt = torch.optim.SGD([position, scale], lr=0.1)


def step_loss():
    shift = (position * 10).long()  # here
    return F.mse_loss(x * scale + shift, y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
