# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
ids = torch.randint(0, 11, (6, 4))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.mix = nn.Linear(5, 5)
        self.out = nn.Linear(5, 11, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(torch.tanh(self.mix(self.embed(ids))))


net = Tied()
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)


def step_loss():
    return F.cross_entropy(net(ids[:, :-1]).reshape(-1, 11), ids[:, 1:].reshape(-1))

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
