# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x = torch.rand(8, 6)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(6, 5)
        self.mu = nn.Linear(5, 2)
        self.log_var = nn.Linear(5, 2)
        self.dec = nn.Linear(2, 6)

    def forward(self, x):
        h = torch.tanh(self.enc(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        return torch.sigmoid(self.dec(z)), mu, log_var


net = Vae()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)


def step_loss():
    out, mu, log_var = net(x)
    kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum(1).mean()
    return F.binary_cross_entropy(out, x) + 0.1 * kl

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
