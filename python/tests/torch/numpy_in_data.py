# expect: nothing
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
rows = np.random.RandomState(0).rand(24, 4).astype("float32")
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)

for k in range(4):
    total = 0.0
    for row in rows[k::4]:
        x = torch.from_numpy(row)
        opt.zero_grad()
        loss = (net(x) - float(row.sum())).pow(2).sum()
        loss.backward()
        opt.step()
        total += loss.item()
