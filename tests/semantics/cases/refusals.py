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


def is_compiled(compile):
    """Whether a call that looks at a value is refused; uncompiled it is to be left out."""
    return compile(abs) is not abs


def attempt(call):
    """Call what is to be refused."""
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
        return loss.item() if look else loss.detach()

    def left(x):
        state = [net.running_mean, net.running_var, net.num_batches_tracked, net.weight, total, x]
        state += [buffer for held in optimizer.state.values() for buffer in held.values()]
        return [v.tolist() for v in state], net.training

    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    made = [step(x, False), left(x)]
    random = torch.get_rng_state()
    if is_compiled(compile):
        attempt(lambda: step(x, True))
    same = torch.equal(random, torch.get_rng_state())
    return made, left(x), same, step(x, False), left(x)


@case
def a_first_call_that_is_refused_leaves_everything_as_it_was(torch, compile):
    p, total, seen = parameter(torch, 1, 2), torch.zeros(2), []
    optimizer = torch.optim.Adam([p], lr=0.1)

    @compile
    def step(x, look):
        seen.append(look)
        loss = (p * x).sum()
        loss.backward()
        optimizer.step()
        total.add_(x)
        return loss.item() if look else loss.detach()

    if is_compiled(compile):
        attempt(lambda: step(torch.ones(2), True))
        seen.clear()  # what Python did before the refused line has happened
    made = [p.tolist(), p.grad is None, total.tolist(), len(optimizer.state)]
    return made, step(torch.ones(2), False), p, total, seen


@case
def a_good_call_after_a_refused_one(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x, look):
        optimizer.zero_grad()
        loss = (p * x).sum()
        loss.backward()
        optimizer.step()
        return loss.item() if look else loss.detach()

    made = []
    for look in (True, False, True, False):
        if not look or is_compiled(compile):
            attempt(lambda look=look: step(torch.ones(2), look))
        made.append(p.tolist())
    return made


@refused("holds itself")
def argument_that_holds_itself(torch, compile):
    given = [torch.ones(1)]
    given.append(given)
    return compile(lambda given: given[0] * 2.0)(given)


@refused("shape", "depends", "mask")
def shape_that_depends_on_a_mask(torch, compile):
    return compile(lambda x: x[x > 1.0].sum())(torch.ones(2))


@refused("shape", "depends")
def shape_that_depends_on_values(torch, compile):
    return compile(lambda x: x.nonzero())(torch.ones(2))


@refused("shape", "transpose_")
def argument_given_another_shape(torch, compile):
    return compile(lambda x: x.transpose_(0, 1))(torch.ones(2, 3))


@refused("LBFGS")
def step_of_lbfgs(torch, compile):
    p = parameter(torch, 1.0)
    optimizer = torch.optim.LBFGS([p])

    def loss():
        optimizer.zero_grad()
        found = (p * p).sum()
        found.backward()
        return found

    return compile(lambda: optimizer.step(loss))()


@refused("data", "storage")
def data_of_what_was_changed_and_is_shown_outside(torch, compile):
    x = torch.ones(2)
    shown = x.detach()

    def f(x):
        x.mul_(2.0)
        x.data = torch.ones(2) * 5.0

    compile(f)(x)
    return shown, x


@refused("type", "data", "outside")
def weight_given_another_shape_inside(torch, compile):
    p = torch.nn.Parameter(torch.ones(3))

    def f(x):
        p.data = (p.detach() * x)[:1]
        return p * 1.0

    return compile(f)(torch.ones(3))


@refused("type", "dtype", "outside")
def network_given_another_dtype_inside(torch, compile):
    net = torch.nn.Linear(2, 1)

    def f(x):
        net.double()
        return net.weight * x.double()

    return compile(f)(torch.ones(2))
