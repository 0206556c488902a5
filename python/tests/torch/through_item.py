# expect: DG0303 log_temperature
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.randint(0, 3, (8,))
head = nn.Linear(4, 3)
log_temperature = nn.Parameter(torch.tensor(0.3))
opt = torch.optim.Adam(list(head.parameters()) + [log_temperature], lr=0.01)


def step_loss():
    t = log_temperature.exp().item()  # here
    return F.cross_entropy(head(x) / t, y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
