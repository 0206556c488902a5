# expect: DG0313 score.weight score.bias
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(4, 6, 5), torch.rand(4, 5)


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(5, 1)
        self.mix = nn.Linear(5, 5)

    def forward(self, x):
        a = torch.softmax(self.score(x), dim=2)  # here
        return (a * self.mix(x)).mean(dim=1)


net = Pool()
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def step_loss():
    return F.mse_loss(net(x), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
