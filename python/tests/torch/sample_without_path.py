# expect: DG0303 enc.weight enc.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x = torch.rand(8, 6)
enc, dec = nn.Linear(6, 4), nn.Linear(2, 6)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=1e-2)


def step_loss():
    mu, lv = enc(x).chunk(2, dim=1)
    z = torch.distributions.Normal(mu, lv.exp()).sample()  # here
    return F.mse_loss(dec(z), x)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
