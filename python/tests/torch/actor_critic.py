# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
pi, v = nn.Linear(4, 2), nn.Linear(4, 1)
opt = torch.optim.Adam([*pi.parameters(), *v.parameters()], lr=1e-2)
for _ in range(4):
    s, r = torch.rand(6, 4), torch.rand(6)
    d = torch.distributions.Categorical(logits=pi(s))
    a = d.sample()
    adv = r - v(s).squeeze(1)
    loss = -(d.log_prob(a) * adv.detach()).mean() + adv.pow(2).mean() - 0.01 * d.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
