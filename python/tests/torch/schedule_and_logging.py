# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(opt, 1, gamma=0.5)
history = []

for k in range(4):
    opt.zero_grad()
    loss = F.mse_loss(net(x), y) * (1.0 / (k + 1))
    loss.backward()
    opt.step()
    schedule.step()
    history.append(f"{loss.item():.4f} {float(net.weight.norm()):.3f}")
