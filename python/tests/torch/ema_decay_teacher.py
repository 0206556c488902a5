# expect: nothing
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x = torch.rand(8, 5)
student = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad = False
opt = torch.optim.AdamW(student.parameters(), lr=1e-3)
for k in range(4):
    with torch.no_grad():
        t = F.softmax(teacher(x) / 0.1, dim=-1)
    loss = -(t * F.log_softmax(student(x + 0.1 * torch.randn_like(x)), dim=-1)).sum(-1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    for a, b in zip(teacher.parameters(), student.parameters()):
        a.data = 0.9 * a.data + 0.1 * b.data
