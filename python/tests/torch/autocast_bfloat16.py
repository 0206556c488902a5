# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.randint(0, 3, (8,))
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)


def step_loss():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x)
    return F.cross_entropy(out.float(), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
