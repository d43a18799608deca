"""Refusals that are there to stay: of code that looks at a value; and what a refused call leaves behind."""

from __future__ import annotations

import contextlib

from tests.semantics.another import parameter
from tests.semantics.case import case, refused


@refused("if")
def branch_on_a_value(torch, compile):
    f = compile(lambda x: x * 2.0 if x.sum() > 0 else x * 3.0)
    return f(torch.ones(1)), f(-torch.ones(1))


@refused("item")
def item_of_a_value(torch, compile):
    f = compile(lambda x: x * x.sum().item())
    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("float")
def value_as_a_float(torch, compile):
    f = compile(lambda x: x * float(x.sum()))
    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("numpy")
def value_as_an_array(torch, compile):
    f = compile(lambda x: x * torch.as_tensor(x.numpy() * 2.0))
    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("formatted")
def value_in_a_text(torch, compile):
    f = compile(lambda x: (x, f"{x.sum():.1f}"))
    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("while")
def loop_until_a_value(torch, compile):
    def f(x):
        while x.sum() < 10.0:
            x = x * 2.0
        return x

    return compile(f)(torch.ones(1)), compile(f)(torch.ones(1) * 3.0)


@refused("value")
def refusal_is_not_swallowed_by_the_user(torch, compile):
    @compile
    def f(x):
        try:
            return x * x.sum().item()
        except Exception:
            return x * 100.0

    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("value")
def refusal_is_not_suppressed_by_the_user(torch, compile):
    @compile
    def f(x):
        scale = 100.0
        with contextlib.suppress(RuntimeError):
            scale = float(x.sum())
        return x * scale

    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


@refused("value")
def refusal_is_not_swallowed_by_a_default(torch, compile):
    def describe(x):
        try:
            return f"{x.sum().item():.2f}"
        except BaseException:
            return "unknown"

    f = compile(lambda x: (x * 2.0, describe(x)))
    return f(torch.ones(1)), f(torch.ones(1) * 2.0)


def attempt(call):
    """Whether `call` was refused; what it gave otherwise is of no interest."""
    with contextlib.suppress(RuntimeError):
        call()


@case
def a_refused_call_leaves_everything_as_it_was(torch, compile):
    net = torch.nn.BatchNorm1d(2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    total = torch.zeros(2)

    @compile
    def step(x, look):
        net.eval()
        net.train()
        optimizer.zero_grad()
        total.add_(x[0])
        x.mul_(2.0)
        loss = net(x).pow(2).sum() + torch.rand(2).sum() * 0.0
        loss.backward()
        optimizer.step()
        if look and type(loss).__module__ != "torch":
            return loss.item()
        if look:  # what a refusal is to leave, done by hand
            raise RuntimeError
        return loss.detach()

    def left(x):
        state = [net.running_mean, net.running_var, net.num_batches_tracked, net.weight, total, x]
        grads = [None if p.grad is None else p.grad.tolist() for p in net.parameters()]
        return [v.tolist() for v in state], grads, len(optimizer.state), net.training

    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    made = [step(x, False), left(x)]
    before = left(x)
    y = x.clone()
    if torch.__name__ == "torch" or compile(abs) is abs:
        return made, before, "as before"
    attempt(lambda: step(y, True))
    return made, before, "as before" if left(x) == before and torch.equal(x, y) else left(y)


@case
def a_good_call_after_a_refused_one(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)
    eager = compile(abs) is abs

    @compile
    def step(x, look):
        optimizer.zero_grad()
        loss = (p * x).sum()
        loss.backward()
        optimizer.step()
        return loss.item() if look else loss.detach()

    made = []
    for look in (True, False, True, False):
        if not (look and eager):  # refused when compiled: it leaves nothing
            attempt(lambda look=look: step(torch.ones(2), look))
        made.append(p.tolist())
    return made, p.grad
