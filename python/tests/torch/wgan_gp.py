# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
real = torch.randn(8, 2)
gen = nn.Linear(3, 2)
critic = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
opt_g = torch.optim.RMSprop(gen.parameters(), lr=1e-3)
opt_d = torch.optim.RMSprop(critic.parameters(), lr=1e-3)

for _ in range(4):
    for _ in range(3):
        opt_d.zero_grad()
        fake = gen(torch.randn(8, 3)).detach()
        mix = torch.rand(8, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_(True)
        slope, = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        (critic(fake).mean() - critic(real).mean() + 10 * penalty).backward()
        opt_d.step()
    opt_g.zero_grad()
    (-critic(gen(torch.randn(8, 3))).mean()).backward()
    opt_g.step()
