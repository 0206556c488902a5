# expect: DG0311 table
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 2)
fixed = torch.randn(4, 2)
table = nn.Parameter(torch.zeros(4, 2))
head = nn.Linear(2, 2)
opt = torch.optim.Adam([table, *head.parameters()], lr=0.01)

for _ in range(4):
    opt.zero_grad()
    F.mse_loss(head(x @ table), y).backward()
    opt.step()
    with torch.no_grad():
        table.copy_(fixed)  # here
