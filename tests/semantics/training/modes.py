"""Modes of the library: grad mode, autocast, seeds and random numbers."""

from __future__ import annotations

import copy

from tests.semantics.another import linear, parameter
from tests.semantics.case import case, fails


@case
def grad_mode_read(torch, compile):
    f = compile(lambda x: x * (2.0 if torch.is_grad_enabled() else 1.0))
    with torch.no_grad():
        made = [f(torch.ones(1))]
    made.append(f(torch.ones(1)))
    with torch.no_grad():
        made.append(f(torch.ones(1)))
        with torch.enable_grad():
            made.append(f(torch.ones(1)))
    torch.set_grad_enabled(False)
    made.append(f(torch.ones(1)))
    torch.set_grad_enabled(True)
    return made, f(torch.ones(1))


@case
def grad_mode_decides_on_history(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: p * x)
    with torch.no_grad():
        made = [f(torch.ones(2)).requires_grad]
    y = f(torch.ones(2))
    made.append(y.requires_grad)
    y.sum().backward()
    with torch.no_grad():
        made.append(f(torch.ones(2)).requires_grad)
    return made, p.grad


@case
def no_grad_inside(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, 4)

    @compile
    def f(x):
        with torch.no_grad():
            scale = (q * 2.0).sum()
        return (p * x).sum() * scale

    for k in range(3):
        f(torch.ones(2) * k).backward()
        with torch.no_grad():
            q.add_(1.0)
    return p.grad, q.grad


@case
def no_grad_as_a_decorator_outside(torch, compile):
    p = parameter(torch, 1, 2)
    f = torch.no_grad()(compile(lambda x: (p * x, torch.is_grad_enabled())))
    y, enabled = f(torch.ones(2))
    return y, y.requires_grad, enabled, torch.is_grad_enabled()


@case
def no_grad_as_a_decorator_inside(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    @torch.no_grad()
    def f(x):
        p.add_(x)
        return p * 1.0

    return f(torch.ones(2)), f(torch.ones(2)).requires_grad, p


@case
def grad_mode_left_changed(torch, compile):
    @compile
    def f(x):
        torch.set_grad_enabled(not torch.is_grad_enabled())
        return x * 2.0

    made = []
    for _ in range(3):
        f(torch.ones(1))
        made.append(torch.is_grad_enabled())
    torch.set_grad_enabled(True)
    return made


@case
def training_step_under_no_grad(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x):
        with torch.enable_grad():
            optimizer.zero_grad()
            (p * x).sum().backward()
            optimizer.step()
        return torch.is_grad_enabled()

    made = [step(torch.ones(2))]
    with torch.no_grad():
        made.append(step(torch.ones(2)))
    return made, p


def name(dtype):
    return {"torch.float32": "f32", "torch.float16": "f16"}.get(str(dtype), str(dtype))


@case
def autocast_by_the_caller(torch, compile):
    net = linear(torch, 2, 2)
    f = compile(lambda x: net(x).detach())
    x = torch.ones(1, 2)
    made = [name(f(x).dtype)]
    with torch.autocast("cpu", dtype=torch.float16):
        made.append(name(f(x).dtype))
        with torch.autocast("cpu", enabled=False):
            made.append(name(f(x).dtype))
    made.append(name(f(x).dtype))
    return made


@case
def autocast_inside(torch, compile):
    net = linear(torch, 2, 2)

    @compile
    def f(x, on):
        with torch.autocast("cpu", dtype=torch.float16, enabled=on):
            return net(x).detach()

    x = torch.ones(1, 2)
    return [name(f(x, on).dtype) for on in (True, False, True)], f(x, False)


@case
def seed_set_inside(torch, compile):
    @compile
    def f(x):
        torch.manual_seed(3)
        return x + torch.rand(4)

    one, other = f(torch.zeros(4)), f(torch.zeros(4))
    torch.manual_seed(3)
    return torch.equal(one, other), torch.equal(one, torch.rand(4)), torch.initial_seed()


@case
def seed_that_changes_inside(torch, compile):
    @compile
    def f(x, seed):
        torch.manual_seed(seed)
        return x + torch.rand(4)

    made = [f(torch.zeros(4), seed) for seed in (1, 2, 1, 2)]
    return [torch.equal(made[a], made[b]) for a, b in ((0, 1), (0, 2), (1, 3))], torch.initial_seed()


@case
def seed_set_between_calls(torch, compile):
    f = compile(lambda x: x + torch.rand(4))
    made = []
    for seed in (1, None, 1, 2, 1):
        if seed is not None:
            torch.manual_seed(seed)
        made.append(f(torch.zeros(4)))
    return [[torch.equal(a, b) for a in made] for b in made]


@case
def draws_differ_from_call_to_call(torch, compile):
    dropout = torch.nn.Dropout(0.5)
    f = compile(lambda x: (dropout(x), torch.rand(8), torch.randn(8)))
    made = [f(torch.ones(64)) for _ in range(3)]
    return [[torch.equal(made[a][k], made[b][k]) for k in range(3)] for a, b in ((0, 1), (1, 2), (0, 2))]


@case
def two_draws_of_one_call_differ(torch, compile):
    f = compile(lambda x: (torch.rand(8), torch.rand(8)))
    a, b = f(torch.ones(1))
    c, _ = f(torch.ones(1))
    return torch.equal(a, b), torch.equal(a, c), torch.equal(b, c)


@case
def state_of_the_generator_saved_and_restored(torch, compile):
    f = compile(lambda x: x + torch.rand(4))
    state = torch.get_rng_state()
    one = f(torch.zeros(4))
    torch.set_rng_state(state)
    other = f(torch.zeros(4))
    return torch.equal(one, other), torch.equal(one, f(torch.zeros(4)))


@case
def compiled_and_uncompiled_draws_are_of_one_stream(torch, compile):
    def draw(x):
        return x + torch.rand(4)

    f = compile(draw)
    torch.manual_seed(5)
    mixed = [f(torch.zeros(4)), draw(torch.zeros(4)), f(torch.zeros(4))]
    torch.manual_seed(5)
    plain = [draw(torch.zeros(4)) for _ in range(3)]
    return [torch.equal(a, b) for a, b in zip(mixed, plain, strict=True)]


@case
def draws_only_in_some_calls(torch, compile):
    def draw(x, on):
        return x + torch.rand(4) if on else x

    f, order = compile(draw), (True, False, True, True)
    torch.manual_seed(5)
    mixed = [f(torch.zeros(4), on) for on in order]
    torch.manual_seed(5)
    return [torch.equal(a, draw(torch.zeros(4), on)) for a, on in zip(mixed, order, strict=True)]


@case
def rate_of_a_dropout_changed(torch, compile):
    dropout = torch.nn.Dropout(0.0)
    f = compile(lambda x: dropout(x))
    x, made = torch.ones(16), []
    for rate in (0.0, 1.0, 0.0):
        dropout.p = rate
        made.append(f(x))
    dropout.p = 0.5
    return made, sorted(set(f(x).tolist()))


@case
def dropout_by_an_argument(torch, compile):
    F = torch.nn.functional
    f = compile(lambda x, training: F.dropout(x, 1.0, training))
    return [f(torch.ones(2), training) for training in (True, False, True)]


@case
def permutation_drawn_inside(torch, compile):
    f = compile(lambda x: x[torch.randperm(32)])
    x = torch.linspace(0.0, 31.0, 32)
    one, other = f(x), f(x)
    return torch.equal(one, other), sorted(one.tolist()) == x.tolist()


@case
def precision_of_products_changed(torch, compile):
    f = compile(lambda x: x * (2.0 if torch.get_float32_matmul_precision() == "highest" else 3.0))
    before = torch.get_float32_matmul_precision()
    made = [f(torch.ones(1))]
    torch.set_float32_matmul_precision("high")
    made.append(f(torch.ones(1)))
    torch.set_float32_matmul_precision(before)
    return made, f(torch.ones(1))


@case
def evaluation_in_the_middle_of_training(torch, compile):
    net = torch.nn.Sequential(
        linear(torch, 2, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.0), linear(torch, 2, 1)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @compile
    def run(x, train):
        net.train(train)
        with torch.set_grad_enabled(train):
            loss = net(x).pow(2).mean()
        if train:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.detach()

    x = torch.tensor([[1.0, 2.0], [3.0, 5.0], [2.0, 1.0]])
    made = [run(x, train) for train in (True, False, False, True, True, False)]
    return made, net.training, copy.deepcopy(net.state_dict())


@case
def anomaly_detection_by_the_caller(torch, compile):
    p = parameter(torch, 0, 1)

    @compile
    def f(x):
        p.grad = None
        ((p * x).sqrt() * 0.0).sum().backward()
        return p.grad

    made = [f(torch.ones(2)).tolist()]
    with torch.autograd.detect_anomaly():
        made.append(fails(lambda: f(torch.ones(2)).tolist()))
    return made, f(torch.ones(2)).tolist()


@case
def number_of_threads_changed(torch, compile):
    f = compile(lambda x: (x @ x).sum() * torch.get_num_threads())
    before, made = torch.get_num_threads(), []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        made.append(f(torch.ones(3, 3)))
    torch.set_num_threads(before)
    return made


@case
def draws_forked_inside(torch, compile):
    @compile
    def f(x):
        with torch.random.fork_rng():
            a = torch.rand(4)
        return a, torch.rand(4)

    pairs = [f(torch.ones(1)) for _ in range(3)]
    return [bool((a == b).all()) for a, b in pairs], bool((pairs[0][0] == pairs[1][0]).all())
