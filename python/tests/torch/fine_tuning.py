# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 5), torch.randint(0, 3, (8,))
body = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
for p in body.parameters():
    p.requires_grad_(False)
head = nn.Linear(6, 3)
opt = torch.optim.SGD(head.parameters(), lr=0.1)


def step_loss():
    return F.cross_entropy(head(body(x)), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
