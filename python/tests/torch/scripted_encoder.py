# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.Tanh()))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        with torch.no_grad():
            h = self.encoder(x)
        return self.head(h)


net = Net()
opt = torch.optim.SGD(net.head.parameters(), lr=0.1)
for _ in range(4):
    opt.zero_grad()
    loss = F.mse_loss(net(x), y)
    loss.backward()
    opt.step()
