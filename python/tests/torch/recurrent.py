# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
ids, y = torch.randint(0, 9, (5, 6)), torch.randint(0, 2, (5,))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.gru = nn.GRU(4, 5, batch_first=True)
        self.lstm = nn.LSTM(5, 3, batch_first=True)
        self.out = nn.Linear(3, 2)

    def forward(self, ids):
        h, _ = self.gru(self.embed(ids))
        h, _ = self.lstm(h)
        return self.out(h[:, -1])


net = Tagger()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)


def step_loss():
    return F.cross_entropy(net(ids), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
