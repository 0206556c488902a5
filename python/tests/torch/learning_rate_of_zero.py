# expect: DG0305 weight bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 3), torch.randint(0, 2, (8,))
net = nn.Linear(3, 2)
rate = round(0.003, 1)
opt = torch.optim.Adam(net.parameters(), lr=rate)  # here


def step_loss():
    return F.cross_entropy(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
