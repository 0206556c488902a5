# expect: DG0303 w
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        w = self.w.detach().numpy() * 2.0  # here
        return x @ torch.tensor(w) + self.b


model = Scaled()
opt = torch.optim.SGD(model.parameters(), lr=0.1)


def step_loss():
    return ((model(x) - y) ** 2).mean()

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
