# expect: nothing
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
online = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
target = copy.deepcopy(online)
opt = torch.optim.Adam(online.parameters(), lr=1e-3)

for k in range(6):
    s, s2, a, r = torch.rand(5, 4), torch.rand(5, 4), torch.randint(0, 2, (5, 1)), torch.rand(5)
    q = online(s).gather(1, a).squeeze(1)
    with torch.no_grad():
        goal = r + 0.9 * target(s2).max(dim=1).values
    opt.zero_grad()
    F.smooth_l1_loss(q, goal).backward()
    opt.step()
    if k % 2 == 0:
        target.load_state_dict(online.state_dict())
