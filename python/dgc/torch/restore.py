"""Everything a training step changes, put back: parameters, buffers, gradients, modes, optimizers, random numbers."""
import copy
import gc

import torch

from .. import restore


def check(session, step, rounds):
    """Runs a step so often under the session, and puts everything back."""
    restore.check(session, step, rounds, Snapshot().restore)


class Snapshot:
    def __init__(self):
        with torch.no_grad():
            alive = gc.get_objects()
            self.modules = [(m, m.training) for m in alive if issubclass(type(m), torch.nn.Module)]
            self.optimizers = [o for o in alive if issubclass(type(o), torch.optim.Optimizer)]
            tensors = {id(t): t for m, _ in self.modules for t in [*m._parameters.values(), *m._buffers.values()] if t is not None}
            tensors.update((id(t), t) for o in self.optimizers for g in o.param_groups for t in g["params"])
            self.tensors = [(t, t.detach().clone(), t.requires_grad, t.grad, None if t.grad is None else t.grad.clone())
                            for t in tensors.values()]
            self.states = [(o, copy.deepcopy(o.state_dict())) for o in self.optimizers]
            self.buffers = [(m, dict(m._buffers)) for m, _ in self.modules]
        self.torch_rng, self.random_numbers = torch.get_rng_state(), restore.RandomNumbers()

    def restore(self):
        for m, buffers in self.buffers:
            m._buffers.update(buffers)
        with torch.no_grad():
            for t, value, requires, grad, grad_value in self.tensors:
                if not torch.equal(t.detach(), value):
                    t.detach().copy_(value)
                t.requires_grad_(requires)
                t.grad = grad
                if grad is not None:
                    grad.copy_(grad_value)
        for o, state in self.states:
            o.load_state_dict(state)
        for m, training in self.modules:
            m.training = training
        torch.set_rng_state(self.torch_rng)
        self.random_numbers.restore()
