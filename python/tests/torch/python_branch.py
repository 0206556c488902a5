# expect: DG0303 scale
import torch
import torch.nn as nn

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Linear(4, 1)
        self.scale = nn.Parameter(torch.ones(1))  # here

    def forward(self, x):
        h = self.main(x)[:, 0]
        return h if self.scale > 0.5 else h * 2  # here


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(4):
    loss = ((net(x) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
