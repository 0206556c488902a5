# expect: DG0303 router.weight router.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(9, 4), torch.rand(9, 3)


class Routed(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(4, 3)
        self.value = nn.Linear(4, 3)

    def forward(self, x):
        pick = self.router(x).argmax(dim=1)  # here
        mask = F.one_hot(pick, 3).float()
        return self.value(x) * mask


net = Routed()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
