"""What people write around optimizers, one source for both libraries, lazily and compiled: rates that are tensors,
accumulated gradients, two optimizers in a step, averages of weights, hooks, optimizers and schedules of one's own."""

import warnings

import numpy as np
import pytest

import lenetc
import lenetc.optim.swa_utils

torch = pytest.importorskip("torch")
CASES = []


def case(**expected):
    """programs: how many a compiled function has made at the end."""

    def register(function):
        CASES.append(pytest.param(function, expected, id=function.__name__))
        return function

    return register


def network(torch):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.tensor(rng.normal(size=tuple(p.shape)).astype(np.float32)))
    return net


def batches(torch, count, size=6):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield (
            torch.tensor(rng.normal(size=(size, 3)).astype(np.float32)),
            torch.tensor(rng.normal(size=(size, 2)).astype(np.float32)),
        )


def stepping(torch, compile, net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return compile(step)


@case(programs=1)
def rate_that_is_a_tensor(torch, compile):
    net, lr = network(torch), torch.tensor(0.1)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    step, seen = stepping(torch, compile, net, optimizer), []
    for number, batch in enumerate(batches(torch, 6)):
        seen.append(step(*batch))
        if number == 3:
            optimizer.param_groups[0]["lr"].fill_(0.3)
        else:
            schedule.step()
    return step, seen, lr, schedule.get_last_lr(), schedule.base_lrs, optimizer.param_groups[0]["lr"] is lr


@case(programs=1)
def decay_that_is_a_tensor_and_f64(torch, compile):
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD(
        [w], lr=0.1, weight_decay=torch.tensor(0.3, dtype=torch.float64), momentum=0.9
    )

    def step(x):
        optimizer.zero_grad()
        ((w * x) ** 2).sum().backward()
        optimizer.step()

    step = compile(step)
    for k in range(5):
        step(torch.tensor([0.3, 0.7], dtype=torch.float64) * k)
    return step, w


@case()
def rate_replaced_by_another_tensor_and_by_a_number(torch, compile):
    net = network(torch)
    optimizer = torch.optim.SGD(net.parameters(), lr=torch.tensor(0.1))
    step, seen = stepping(torch, compile, net, optimizer), []
    rates = [None, torch.tensor(0.5), 0.5, 0.01, torch.tensor(0.2)]
    for rate, batch in zip(rates, batches(torch, 5), strict=True):
        if rate is not None:
            optimizer.param_groups[0]["lr"] = rate
        seen.append(step(*batch))
        seen.append(step(*batch))
    return step, seen


@case(programs=1)
def gradients_accumulated_in_one_step(torch, compile):
    net = network(torch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)

    def step(x, y):
        optimizer.zero_grad()
        total = 0.0
        for part, target in zip(x.chunk(3), y.chunk(3), strict=True):
            loss = ((net(part) - target) ** 2).mean() / 3
            loss.backward()
            total = total + loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        return total, norm

    step = compile(step)
    return step, [step(*batch) for batch in batches(torch, 4)]


@case()
def gradients_accumulated_by_a_counter(torch, compile):
    net, count = network(torch), 0
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.05)

    def step(x, y):
        nonlocal count
        count += 1
        loss = ((net(x) - y) ** 2).mean() / 2
        loss.backward()
        if count % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach()

    step = compile(step)
    return step, [step(*batch) for batch in batches(torch, 6)]


@case(programs=1)
def two_networks_against_each_other(torch, compile):
    made, judge = network(torch), torch.nn.Linear(2, 1)
    with torch.no_grad():
        judge.weight.fill_(0.3)
        judge.bias.fill_(0.1)
    of_made = torch.optim.Adam(made.parameters(), lr=0.02, betas=(0.5, 0.999))
    of_judge = torch.optim.Adam(judge.parameters(), lr=0.02, betas=(0.5, 0.999))

    def step(noise, real):
        judge.zero_grad()
        on_real = torch.nn.functional.softplus(-judge(real)).mean()
        on_real.backward()
        fake = made(noise)
        on_fake = torch.nn.functional.softplus(judge(fake.detach())).mean()
        on_fake.backward()
        of_judge.step()
        made.zero_grad()
        loss = torch.nn.functional.softplus(-judge(fake)).mean()
        loss.backward()
        of_made.step()
        return on_real.detach() + on_fake.detach(), loss.detach()

    step = compile(step)
    return step, [step(*batch) for batch in batches(torch, 5)], judge.weight


def averaged(torch, compile, within, **options):
    net = network(torch)
    net.append(torch.nn.BatchNorm1d(2))
    average = torch.optim.swa_utils.AveragedModel(net, **options)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()
        if within:
            average.update_parameters(net)

    step = compile(step)
    for batch in batches(torch, 5):
        step(*batch)
        if not within:
            average.update_parameters(net)
    average.eval()
    seen = dict(average.state_dict())
    outputs = average(next(batches(torch, 1))[0])
    torch.optim.swa_utils.update_bn(batches(torch, 3), average)
    return step, seen, outputs, average.module[3].running_var, average.module[3].momentum, average.training


@case(programs=1)
def mean_of_the_weights_outside(torch, compile):
    return averaged(torch, compile, within=False)


@case(programs=1)
def mean_of_the_weights_inside(torch, compile):
    return averaged(torch, compile, within=True)


@case(programs=1)
def moving_average_inside(torch, compile):
    function = torch.optim.swa_utils.get_ema_multi_avg_fn(0.7)
    return averaged(torch, compile, within=True, multi_avg_fn=function, use_buffers=False)


@case(programs=1)
def moving_average_of_buffers_too(torch, compile):
    return averaged(
        torch, compile, within=True, avg_fn=torch.optim.swa_utils.get_ema_avg_fn(0.7), use_buffers=True
    )


@case()
def hooks_around_a_step(torch, compile):
    net = network(torch)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def halve(optimizer, args, kwargs):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.5)

    def shrink(optimizer, args, kwargs):
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.mul_(0.9)

    optimizer.register_step_pre_hook(halve)
    handle = optimizer.register_step_post_hook(shrink)
    step = stepping(torch, compile, net, optimizer)
    seen = [step(*batch) for batch in batches(torch, 3)]
    handle.remove()
    return step, seen


@case()
def hook_taken_off_between_calls(torch, compile):
    net = network(torch)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def freeze(optimizer, args, kwargs):
        net[0].weight.grad = None

    handle = optimizer.register_step_pre_hook(freeze)
    step = stepping(torch, compile, net, optimizer)
    seen = [step(*batch) for batch in batches(torch, 2)]
    handle.remove()
    seen += [step(*batch) for batch in batches(torch, 2)]
    return step, seen


@case()
def optimizer_and_schedule_of_ones_own(torch, compile):
    class Lion(torch.optim.Optimizer):
        def __init__(self, params, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1):
            super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

        @torch.no_grad()
        def step(self, closure=None):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    state = self.state[p]
                    if not state:
                        state["exp_avg"] = torch.zeros_like(p)
                    average, (beta1, beta2) = state["exp_avg"], group["betas"]
                    update = average * beta1 + p.grad * (1 - beta1)
                    p.add_(update.sign(), alpha=-group["lr"])
                    average.mul_(beta2).add_(p.grad, alpha=1 - beta2)
            return loss

    class Root(torch.optim.lr_scheduler.LRScheduler):
        def __init__(self, optimizer, factor, last_epoch=-1):
            self.factor = factor
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            return [lr * self.factor / (1 + self.last_epoch) ** 0.5 for lr in self.base_lrs]

    net = network(torch)
    optimizer = Lion([{"params": net.parameters(), "name": "all", "lr_scale": 0.3}])
    schedule = Root(optimizer, 2.0)
    step, seen = stepping(torch, compile, net, optimizer), []
    for batch in batches(torch, 4):
        seen.append(step(*batch))
        schedule.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    entries = {k: v for k, v in schedule.state_dict().items() if k != "_step_count"}
    return step, seen, state["state"][0]["exp_avg"], sorted(state["param_groups"][0]), entries


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (torch.Tensor, lenetc.Tensor)):
        return np.asarray(value.detach())
    return value


def same(ours, theirs, at):
    assert type(ours) is type(theirs) or isinstance(ours, (int, float)), at
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), at
        for key in theirs:
            same(ours[key], theirs[key], f"{at}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), at
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            same(mine, other, f"{at}[{number}]")
    elif isinstance(theirs, (np.ndarray, float)):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6, err_msg=at)
    else:
        assert ours == theirs, at


@pytest.mark.parametrize("way", ["lazily", "compiled"])
@pytest.mark.parametrize(("function", "expected"), CASES)
def test_as_in_pytorch(function, expected, way):
    _, *theirs = function(torch, lambda step: step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lenetc.RetraceWarning)
        step, *ours = function(lenetc, lenetc.compile if way == "compiled" else lambda step: step)
    same(plain(ours), plain(theirs), way)
    if way == "compiled" and "programs" in expected:
        assert len(step.programs()) == expected["programs"]
