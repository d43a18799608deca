"""Results that are or alias an argument, a parameter or each other, and results that the user keeps."""

from __future__ import annotations

import numpy as np

from tests.semantics.another import parameter
from tests.semantics.case import case


@case
def argument_returned(torch, compile):
    f = compile(lambda x: x)
    x = torch.ones(2)
    y = f(x)
    y.mul_(3.0)
    z = f(x)
    return y is x, x.tolist(), z


@case
def argument_changed_and_returned(torch, compile):
    f = compile(lambda x: x.mul_(2.0))
    x = torch.ones(2)
    y = f(x)
    z = f(x)
    x.add_(1.0)
    return y is x, z is x, y, z


@case
def argument_returned_in_a_structure(torch, compile):
    f = compile(lambda x, y: {"x": x, "both": [x, y, x * 1.0]})
    x, y = torch.ones(1), torch.ones(1) * 5.0
    made = f(x, y)
    return made, made["x"] is x, made["both"][0] is x, made["both"][1] is y, made["both"][2] is x


@case
def parameter_returned(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def f(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return p

    made = f(torch.ones(2))
    first = made.tolist()
    f(torch.ones(2))
    return made is p, first, made.tolist(), p.tolist()


@case
def one_result_twice(torch, compile):
    @compile
    def f(x):
        y = x * 2.0
        return y, [y], y * 1.0

    a, (b,), c = f(torch.ones(1))
    a.add_(1.0)
    return a is b, b.tolist(), c.tolist()


@case
def result_that_is_a_view_of_another(torch, compile):
    @compile
    def f(x):
        y = x * 2.0
        return y, y.view(-1), y[0]

    a, b, c = f(torch.ones(2, 2))
    a.mul_(5.0)
    return a.tolist(), b.tolist(), c.tolist()


@case
def result_that_is_a_view_of_an_argument(torch, compile):
    f = compile(lambda x: x.view(-1))
    x = torch.ones(2, 2)
    y = f(x)
    x.mul_(5.0)
    z = f(x)
    y.add_(1.0)
    return y.tolist(), z.tolist(), x.tolist()


@case
def result_that_is_a_view_of_a_weight(torch, compile):
    w = torch.ones(2, 2)
    f = compile(lambda x: w[0])
    y = f(torch.ones(1))
    w.mul_(5.0)
    return y.tolist(), f(torch.ones(1)).tolist()


@case
def results_kept_over_later_calls(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)

    @compile
    def step(x):
        optimizer.zero_grad()
        y = p * x
        y.sum().backward()
        optimizer.step()
        return y, p.detach().clone(), p.grad.clone(), x * 1.0

    kept = [step(torch.ones(2) * k) for k in range(6)]
    return kept


@case
def results_kept_by_one_who_looks_late(torch, compile):
    n = torch.zeros(1)

    @compile
    def f(x):
        n.add_(1.0)
        return n * x, n + 0.0

    kept = [f(torch.ones(1) * k) for k in range(1, 8)]
    n.fill_(100.0)
    more = f(torch.ones(1))
    return kept, more


@case
def result_changed_in_place_by_the_caller(torch, compile):
    w = torch.ones(2)
    f = compile(lambda x: (x * w, w * 2.0))
    made = []
    for k in range(4):
        y, z = f(torch.ones(2) * k)
        y.add_(100.0)
        z.zero_()
        made += [y, z]
    return made, w


@case
def constant_result_changed_in_place_by_the_caller(torch, compile):
    f = compile(lambda x: (torch.zeros(2), x * 1.0))
    made = []
    for _ in range(3):
        z, _ = f(torch.ones(2))
        z.add_(1.0)
        made.append(z)
    return made


@case
def result_fed_back_as_an_argument(torch, compile):
    @compile
    def f(h, x):
        h.mul_(0.5)
        return h + x

    h = torch.zeros(2)
    kept = []
    for k in range(5):
        h = f(h, torch.ones(2) * k)
        kept.append(h)
    return kept


@case
def numpy_of_a_result_kept(torch, compile):
    f = compile(lambda x: x * 2.0)
    kept = [f(torch.ones(2) * k).numpy() for k in range(5)]
    return kept


@case
def argument_changed_by_the_caller_after_the_call(torch, compile):
    f = compile(lambda x: (x * 2.0, x + 0.0))
    x, kept = torch.ones(2), []
    for _ in range(3):
        kept.append(f(x))
        x.mul_(3.0)
    return kept


@case
def numpy_argument_changed_by_the_caller_after_the_call(torch, compile):
    f = compile(lambda x: torch.as_tensor(x) * 2.0)
    a, kept = np.ones(2, np.float32), []
    for _ in range(3):
        kept.append(f(a))
        a *= 3.0
    return kept
