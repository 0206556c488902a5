# expect: nothing
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
x, y = torch.rand(8, 4), torch.rand(8, 1)
w = torch.randn(4, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([b], lr=0.1)

for _ in range(4):
    opt.zero_grad()
    loss = F.mse_loss(x @ w + b, y)
    loss.backward()
    opt.step()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad = None
