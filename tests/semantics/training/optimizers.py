"""Optimizers: made inside, replaced, scheduled, of one's own; and the loops that people write around them."""

from __future__ import annotations

import copy

from tests.semantics.another import linear, parameter
from tests.semantics.case import case


def stepping(torch, compile, optimizer, p):
    """A compiled step of whatever `optimizer()` gives, which is asked at every call."""

    @compile
    def step(x):
        now = optimizer()
        now.zero_grad()
        (p * p * x).sum().backward()
        now.step()
        return p.detach() * 1.0

    return step


@case
def optimizer_made_inside(torch, compile):
    p = parameter(torch, 1, 2)
    step = stepping(torch, compile, lambda: torch.optim.SGD([p], lr=0.1, momentum=0.9), p)
    return [step(torch.ones(2)) for _ in range(3)]


@case
def adam_made_inside(torch, compile):
    p = parameter(torch, 1, 2)
    step = stepping(torch, compile, lambda: torch.optim.Adam([p], lr=0.1), p)
    return [step(torch.ones(2) * k) for k in range(1, 4)]


@case
def optimizer_made_on_first_use(torch, compile):
    p, made = parameter(torch, 1, 2), {}

    def optimizer():
        if "sgd" not in made:
            made["sgd"] = torch.optim.SGD([p], lr=0.1, momentum=0.9)
        return made["sgd"]

    step = stepping(torch, compile, optimizer, p)
    return [step(torch.ones(2)) for _ in range(4)], made["sgd"].state[p]["momentum_buffer"]


@case
def optimizer_replaced_by_another(torch, compile):
    p = parameter(torch, 1, 2)
    now = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    step = stepping(torch, compile, lambda: now, p)
    made = [step(torch.ones(2)), step(torch.ones(2))]
    now = torch.optim.Adam([p], lr=0.1)
    made += [step(torch.ones(2)), step(torch.ones(2))]
    now = torch.optim.SGD([p], lr=0.2, momentum=0.9)
    return made, step(torch.ones(2)), step(torch.ones(2))


@case
def two_optimizers_in_turn(torch, compile):
    p = parameter(torch, 1, 2)
    both = [torch.optim.SGD([p], lr=0.1), torch.optim.Adam([p], lr=0.1)]
    n = 0

    def optimizer():
        nonlocal n
        n += 1
        return both[n % 2]

    step = stepping(torch, compile, optimizer, p)
    return [step(torch.ones(2)) for _ in range(5)], n


@case
def steps_with_a_closure(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x):
        def closure():
            optimizer.zero_grad()
            loss = (p * p * x).sum()
            loss.backward()
            return loss

        return optimizer.step(closure).detach()

    return [step(torch.ones(2)) for _ in range(3)], p


@case
def schedule_stepped_inside(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)

    @compile
    def step(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        schedule.step()
        return p.detach() * 1.0

    made = [step(torch.ones(2)) for _ in range(5)]
    return made, schedule.get_last_lr(), schedule.last_epoch, optimizer.param_groups[0]["lr"]


@case
def schedule_stepped_outside(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1.0 / (k + 1))
    step, made = stepping(torch, compile, lambda: optimizer, p), []
    for _ in range(4):
        made.append(step(torch.ones(2)))
        schedule.step()
    return made, schedule.get_last_lr()


@case
def learning_rate_read_inside(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)
    f = compile(lambda x: x * optimizer.param_groups[0]["lr"])
    made = [f(torch.ones(1))]
    optimizer.param_groups[0]["lr"] = 0.5
    return made, f(torch.ones(1))


@case
def state_read_inside(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)

    @compile
    def step(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return optimizer.state[p]["momentum_buffer"] * 1.0, len(optimizer.state)

    return [step(torch.ones(2) * k) for k in range(3)]


@case
def update_by_hand_over_the_optimizers_parameters(torch, compile):
    net = linear(torch, 2, 1)

    @compile
    def step(x, lr):
        net.zero_grad()
        net(x).pow(2).sum().backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= lr * p.grad
        return net.weight.detach() * 1.0

    return [step(torch.ones(1, 2), lr) for lr in (0.1, 0.1, 0.01)], net.bias


@case
def update_only_if_a_flag_says_so(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x, update):
        (p * x).sum().backward()
        if update:
            optimizer.step()
            optimizer.zero_grad()
        return p.detach() * 1.0

    return [step(torch.ones(2), k % 3 == 2) for k in range(7)], p.grad


@case
def gradients_accumulated_outside_and_stepped_inside(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def update():
        optimizer.step()
        optimizer.zero_grad()

    made = []
    for k in range(4):
        (p * k).sum().backward()
        if k % 2:
            update()
        made.append((p.tolist(), None if p.grad is None else p.grad.tolist()))
    return made


@case
def compiled_and_uncompiled_steps_mixed(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.Adam([p], lr=0.1)

    def plain(x):
        optimizer.zero_grad()
        (p * p * x).sum().backward()
        optimizer.step()
        return p.detach() * 1.0

    step = compile(plain)
    return [(step if k in (0, 2, 3, 5) else plain)(torch.ones(2)) for k in range(7)]


@case
def parameter_that_gets_its_gradient_later(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 5)
    optimizer = torch.optim.SGD([p, q], lr=0.1, momentum=0.9)

    @compile
    def step(x, both):
        optimizer.zero_grad()
        loss = (p * x).sum() + (q * 3.0).sum() if both else (p * x).sum()
        loss.backward()
        optimizer.step()
        return p.detach() * 1.0, q.detach() * 1.0

    return [step(torch.ones(2), both) for both in (False, False, True, True, False)], len(optimizer.state)


@case
def weights_swapped_for_others_between_calls(torch, compile):
    net = linear(torch, 2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compile
    def step(x):
        optimizer.zero_grad()
        net(x).pow(2).sum().backward()
        optimizer.step()
        return net.weight.detach() * 1.0

    made = [step(torch.ones(1, 2)), step(torch.ones(1, 2))]
    net.weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    made += [step(torch.ones(1, 2)), net.weight.grad.tolist()]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return made, step(torch.ones(1, 2)), step(torch.ones(1, 2))


@case
def step_counts_and_saved_state(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.Adam([p], lr=0.1)
    step = stepping(torch, compile, lambda: optimizer, p)
    step(torch.ones(2)), step(torch.ones(2))
    saved = copy.deepcopy(optimizer.state_dict())
    step(torch.ones(2))
    optimizer.load_state_dict(copy.deepcopy(saved))
    made = step(torch.ones(2))
    return made, float(saved["state"][0]["step"]), float(optimizer.state_dict()["state"][0]["step"])


@case
def optimizer_of_ones_own(torch, compile):
    class Momentum:
        def __init__(self, params, lr):
            self.params, self.lr, self.buffers, self.steps = list(params), lr, {}, 0

        @torch.no_grad()
        def step(self):
            self.steps += 1
            for n, p in enumerate(self.params):
                self.buffers[n] = p.grad + 0.9 * self.buffers.get(n, 0.0)
                p.sub_(self.lr / self.steps * self.buffers[n])
                p.grad = None

    net = linear(torch, 2, 1)
    optimizer = Momentum(net.parameters(), 0.1)

    @compile
    def step(x):
        net(x).pow(2).sum().backward()
        optimizer.step()
        return net.weight.detach() * 1.0

    made = [step(torch.ones(1, 2)) for _ in range(3)]
    optimizer.lr = 0.01
    return made, step(torch.ones(1, 2)), optimizer.buffers, optimizer.steps


@case
def moving_average_of_the_weights(torch, compile):
    net = linear(torch, 2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    average, n = {name: p.detach().clone() for name, p in net.named_parameters()}, 0

    @compile
    def step(x):
        nonlocal n
        n += 1
        optimizer.zero_grad()
        net(x).pow(2).sum().backward()
        optimizer.step()
        with torch.no_grad():
            for name, p in net.named_parameters():
                average[name].mul_(1.0 - 1.0 / n).add_(p, alpha=1.0 / n)

    for k in range(3):
        step(torch.ones(1, 2) * k)
    return average, net.weight


@case
def other_network_updated_every_other_call(torch, compile):
    net, target, n = linear(torch, 2, 1), linear(torch, 2, 1, start=0.5), 0
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @compile
    def step(x):
        nonlocal n
        n += 1
        with torch.no_grad():
            wanted = target(x)
        loss = (net(x) - wanted).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if n % 2 == 0:
            target.load_state_dict(net.state_dict())
        return loss.detach()

    return [step(torch.ones(1, 2)) for _ in range(5)], target.weight, net.weight


@case
def norms_of_gradients_logged(torch, compile):
    net, norms = linear(torch, 2, 1), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        net(x).pow(2).sum().backward()
        norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5))
        optimizer.step()

    for k in range(1, 4):
        step(torch.ones(1, 2) * k)
    return norms, net.weight


@case
def warm_up_by_a_counter(torch, compile):
    p, n = parameter(torch, 1, 2), 0
    optimizer = torch.optim.SGD([p], lr=0.0)

    @compile
    def step(x):
        nonlocal n
        n += 1
        optimizer.param_groups[0]["lr"] = 0.1 * min(n / 3, 1.0)
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return p.detach() * 1.0

    return [step(torch.ones(2)) for _ in range(5)], optimizer.param_groups[0]["lr"]


@case
def gradients_looked_at_after_a_step_that_used_them_up(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()

    made = []
    for k in range(4):
        step(torch.ones(2) * k)
        made.append(p.grad.tolist())
    return made


@case
def parameters_that_leave_the_optimizer(torch, compile):
    """From then on their gradients add up, beginning with those of the last step that they were in."""
    p, q = parameter(torch, 1.0, 2.0), parameter(torch, 1.0, 1.0)
    optimizer = torch.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        (p * q * x).sum().backward()
        optimizer.step()
        return p.detach() * 1.0, q.detach() * 1.0

    made = [step(torch.ones(2)) for _ in range(3)]
    optimizer.param_groups.pop()
    made += [step(torch.ones(2)) for _ in range(3)]
    return made, q.grad
