# expect: DG0303 scale; DG0303 shift; DG0303 size
import torch
import torch.nn as nn

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Linear(4, 1)
        self.scale = nn.Parameter(torch.ones(2))  # here
        self.shift = nn.Parameter(torch.ones(2))  # here
        self.size = nn.Parameter(torch.ones(2))  # here

    def forward(self, x):
        h = self.main(x)[:, 0]
        scale = int(self.scale.tolist()[0])  # here
        shift = int(self.shift.detach().numpy()[1])  # here
        size = self.size.long().tolist()  # here
        return h[:8] * scale + shift + torch.zeros(size[0], 8).sum(0)


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(4):
    loss = ((net(x) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
