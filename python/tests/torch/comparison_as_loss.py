# expect: DG0303 weight bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.randint(0, 2, (8,)).float()
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    hit = (net(x).squeeze(1) > 0).float()  # here
    return F.mse_loss(hit, y).requires_grad_()

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
