# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(3, 5, 8), torch.rand(3, 8)
layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, batch_first=True)
net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
del layer
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)


def step_loss():
    return F.mse_loss(net(x).mean(dim=1), y)

for _ in range(4):
    opt.zero_grad()
    loss = step_loss()
    loss.backward()
    opt.step()
