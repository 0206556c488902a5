#!/usr/bin/env python3
"""What the recorder must not do: change the run, swallow its errors, or judge what it did not see. TAP. Needs PyTorch.
usage: test_torch.py DGC"""
import io
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import torch  # noqa: E402
import torch.nn as nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import dgc  # noqa: E402
import kit  # noqa: E402
from dgc import __main__ as command  # noqa: E402
from dgc.torch import Session  # noqa: E402
from dgc.torch.recorder import Recorder  # noqa: E402


def model(dropout=0.2):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(dropout), nn.Linear(6, 2))


def training(net, optimizer):
    x, y = torch.rand(8, 4, generator=torch.Generator().manual_seed(5)), torch.arange(8) % 2

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def bits(net):
    return [t.detach().clone() for t in [*net.parameters(), *net.buffers()]]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b))


def run(recorded, steps=4):
    net = model()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    step = training(net, optimizer)
    torch.manual_seed(9)
    if recorded is None:
        losses = [step() for _ in range(steps)]
    else:
        with recorded:
            losses = [step() for _ in range(steps)]
    return losses, bits(net), torch.rand(3)


def test_a_recorded_run_has_the_same_bits():
    session = Session()
    (a, p, r), (b, q, s) = run(None), run(session)
    assert a == b and same(p, q) and torch.equal(r, s)
    assert session.report().status == 0, session.report().text


def test_check_puts_everything_back():
    net = model()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    step = training(net, optimizer)
    step()
    net.eval()
    before, state, grads = bits(net), len(optimizer.state), [p.grad.clone() for p in net.parameters()]
    moment = [optimizer.state[p]["exp_avg"].clone() for p in net.parameters()]
    torch.manual_seed(4)
    want = torch.rand(2)
    torch.manual_seed(4)
    dgc.check(step)
    assert torch.equal(torch.rand(2), want)
    assert same(before, bits(net)) and len(optimizer.state) == state and not net.training
    assert same(grads, [p.grad for p in net.parameters()])
    assert same(moment, [optimizer.state[p]["exp_avg"] for p in net.parameters()])


def test_an_error_of_ours_is_not_judged_and_the_run_goes_on():
    plain = Recorder._result
    Recorder._result = lambda *a: 1 / 0
    try:
        session = Session()
        a, p, _ = run(session)
        b, q, _ = run(None)
        assert a == b and same(p, q)
        report = session.report()
    finally:
        Recorder._result = plain
    kit.not_judged(report, "the recorder gave up (ZeroDivisionError")


def test_a_missed_edge_is_an_import_fault():
    from dgc.torch import ops
    plain, ops.TABLE["relu"] = ops.TABLE["relu"], ops.TABLE["detach"]
    try:
        net = model()
        report = dgc.check(training(net, torch.optim.SGD(net.parameters(), lr=0.1)))
    finally:
        ops.TABLE["relu"] = plain
    kit.import_fault(report)


def test_two_steps_are_too_few():
    session = Session()
    run(session, steps=2)
    kit.not_judged(session.report(), "at least three steps of an optimizer are needed")


def recorded(optimizer, step):
    """The operations of two steps, before the file is made."""
    net = model()
    session = Session()
    with session:
        made = optimizer(net.parameters(), lr=1e-2)
        for _ in range(2):
            step(net, made)
        return [n.op for n in session.recorder.tape.nodes], session


def plain_step(net, optimizer):
    optimizer.zero_grad()
    net(torch.rand(8, 4)).square().mean().backward()
    optimizer.step()


def test_the_operations_of_known_optimizers_are_not_recorded():
    class Own(torch.optim.SGD):     # not PyTorch's: anything may happen in it
        pass
    few, _ = recorded(torch.optim.SGD, plain_step)
    assert recorded(torch.optim.AdamW, plain_step)[0] == few
    assert len(recorded(Own, plain_step)[0]) > len(few)


def test_a_loss_in_the_closure_of_a_step_is_seen():
    def step(net, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = net(torch.rand(8, 4)).square().mean()
            loss.backward()
            return loss
        optimizer.step(closure)
    _, session = recorded(torch.optim.LBFGS, step)
    assert all(s.losses for o in session.recorder.order for s in o.steps)


def test_a_step_that_fails_does_not_end_the_recording():
    net = model(0.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    step, session = training(net, optimizer), Session()
    with session:
        optimizer.param_groups[0]["lr"] = "none"
        try:
            step()
        except TypeError:
            optimizer.param_groups[0]["lr"] = 0.1
        for _ in range(4):
            step()
    assert session.recorder.depth == 0 and session.report().status == 0, session.report().text


def hooks():
    """What a session puts something in place of, or adds to."""
    from torch.optim import optimizer
    return (torch.optim.Optimizer.__init__, torch.optim.Optimizer.zero_grad, nn.Module.zero_grad, nn.Module.register_parameter,
            nn.Module.__setattr__, torch.autograd.grad, torch.autograd.Function.apply, dict(optimizer._global_optimizer_pre_hooks),
            dict(optimizer._global_optimizer_post_hooks))


def test_hooks_are_gone_afterwards():
    plain = hooks()
    with Session():
        during = hooks()
    assert all(a != b for a, b in zip(plain, during)), "a hook that was looked at is none"
    run(Session())
    assert hooks() == plain


def test_the_command_leaves_the_users_error_alone():
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"dgc-test-{os.getpid()}.py")
    with open(path, "w", encoding="utf-8") as f:
        f.write("import torch\nraise ValueError('mine')\n")
    kept, sys.stderr = sys.stderr, io.StringIO()
    try:
        status, text = command.main([path]), sys.stderr.getvalue()
    finally:
        sys.stderr = kept
        os.remove(path)
    assert status == 3 and "ValueError: mine" in text and "recorder" not in text, text


def test_findings_name_the_parameter():
    net = model(0.0)
    step = training(net, torch.optim.SGD(list(net.parameters())[:-1], lr=0.1))
    report = dgc.check(step)
    assert report.status == 1 and report.subjects() == ["4.bias"], report.text


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(kit.main(globals()))
