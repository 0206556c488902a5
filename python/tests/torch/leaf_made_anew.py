# expect: DG0303 embed.weight
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
ids, y = torch.randint(0, 9, (8,)), torch.rand(8, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 1)

    def forward(self, ids):
        h = torch.tensor(self.embed(ids).tolist())  # here
        return self.head(h)


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)


def step_loss():
    return F.mse_loss(net(ids), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
