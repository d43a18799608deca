"""Unusual ways to compile and to call: names that clash, objects that cannot be hashed, deadlocks, views, orders."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import queue
import threading

from tests.semantics.another import network, parameter
from tests.semantics.case import case, differs_lazily, fails


@case
def arguments_whose_names_clash(torch, compile):
    f = compile(lambda self, args, kwargs, function, values: self * args + kwargs * function - values)
    x = [torch.ones(1) * k for k in range(1, 6)]
    made = f(*x), f(self=x[0], args=x[1], kwargs=x[2], function=x[3], values=x[4])
    g = compile(lambda **named: sum(v * len(k) for k, v in named.items()))
    return made, g(self=x[0], args=x[1], kwargs=x[2], function=x[3], key=x[4])


@case
def positional_only_arguments(torch, compile):
    def f(x, k=2.0, /, *, bias=0.0, **more):
        return x * k + bias + sum(more.values())

    f = compile(f)
    x = torch.ones(1)
    return f(x), f(x, 3.0), f(x, bias=1.0), f(x, x=7.0), [fails(lambda: f(x=x))]


@case
def signature_stays(torch, compile):
    def step(x, k: float = 2.0, *, flag=True):
        return x * k

    f = compile(step)
    return (
        str(inspect.signature(f)),
        callable(f),
        f == f,
        len({f, f}),
        f in [f],
        f.__module__ == step.__module__,
    )


@case
def method_of_an_object_that_cannot_be_hashed(torch, compile):
    @dataclasses.dataclass
    class Trainer:
        gain: float
        steps: int = 0

        @compile
        def step(self, x):
            self.steps += 1
            return x * self.gain * self.steps

    a, b = Trainer(2.0), Trainer(2.0)
    made = [t.step(torch.ones(1)) for t in (a, b, a, b)]
    a.gain = 5.0
    return made, a.step(torch.ones(1)), b.step(torch.ones(1)), a.steps, b.steps


@case
def method_of_objects_that_are_equal(torch, compile):
    class Model:
        def __init__(self, gain):
            self.gain = gain

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

        @compile
        def scaled(self, x):
            return x * self.gain

    a, b = Model(2.0), Model(3.0)
    f = compile(lambda m, x: x * m.gain)
    return [m.scaled(torch.ones(1)) for m in (a, b, a)], [f(m, torch.ones(1)) for m in (a, b, a)]


@case
def method_of_an_object_with_slots(torch, compile):
    class Model:
        __slots__ = ("gain",)

        def __init__(self, gain):
            self.gain = gain

        @compile
        def scaled(self, x):
            return x * self.gain

    a, b = Model(2.0), Model(3.0)
    made = [m.scaled(torch.ones(1)) for m in (a, b, a)]
    a.gain = 5.0
    return made, a.scaled(torch.ones(1)), compile(b.scaled)(torch.ones(1))


@case
def method_made_anew_at_every_access(torch, compile):
    class Model:
        def __init__(self, gain):
            self.gain = gain

        @property
        def scaled(self):
            return compile(lambda x: x * self.gain)

    a = Model(2.0)
    made = [a.scaled(torch.ones(1)), a.scaled(torch.ones(1))]
    a.gain = 3.0
    return made, a.scaled(torch.ones(1))


@case
def forward_of_an_instance_replaced_by_its_compiled_self(torch, compile):
    net = network(torch)
    net.forward = compile(net.forward)
    made = [net(torch.ones(1, 2)).detach()]
    net(torch.ones(1, 2)).sum().backward()
    with torch.no_grad():
        net[0].weight.mul_(2.0)
    return made, net(torch.ones(1, 2)).detach(), net[0].weight.grad


@case
def submodules_compiled_one_by_one(torch, compile):
    net = network(torch)
    for k in (0, 2):
        net[k].forward = compile(net[k].forward)
    optimizer, made = torch.optim.SGD(net.parameters(), lr=0.1), []
    for _ in range(3):
        optimizer.zero_grad()
        loss = net(torch.ones(2, 2)).pow(2).mean()
        loss.backward()
        optimizer.step()
        made.append(loss.detach())
    return made


@case
def inherited_compiled_method(torch, compile):
    class Base:
        gain = 2.0

        @compile
        def scaled(self, x):
            return x * self.gain

    class Model(Base):
        gain = 3.0

        def scaled(self, x):
            return super().scaled(x) + 1.0

    a, b = Base(), Model()
    made = [a.scaled(torch.ones(1)), b.scaled(torch.ones(1))]
    Model.gain = 5.0
    return made, a.scaled(torch.ones(1)), b.scaled(torch.ones(1)), Base.scaled(b, torch.ones(1))


@case
def thread_that_computes_started_and_awaited_inside(torch, compile):
    w = torch.ones(1) * 3.0

    @compile
    def f(x):
        made = []
        thread = threading.Thread(target=lambda: made.append((w * 2.0).sum().item()))
        thread.start()
        thread.join(2.0)
        return x * (made[0] if made else 0.0)

    return [f(torch.ones(1)) for _ in range(3)]


@case
def batches_made_by_another_thread(torch, compile):
    batches, w = queue.Queue(2), torch.ones(2)

    def load():
        for k in range(6):
            batches.put(torch.ones(2) * k + w)

    @compile
    def f(x):
        return (x * w).sum() + batches.get(timeout=5.0).sum()

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    return [f(torch.ones(2)) for _ in range(5)]


@case
def batches_fetched_between_calls_from_another_thread(torch, compile):
    batches, w = queue.Queue(2), parameter(torch, 1, 2)

    def load():
        for k in range(12):
            batches.put(torch.ones(2) * k)

    optimizer = torch.optim.SGD([w], lr=0.01)

    @compile
    def step(x):
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    made = [step(batches.get(timeout=5.0)) for _ in range(12)]
    return made, w


@case
def argument_and_a_view_of_it(torch, compile):
    f = compile(lambda x, y: (x * 2.0).sum() + y.sum())
    x = torch.ones(2, 2)
    made = [f(x, x.view(-1)), f(x, x[0])]
    x = torch.ones(2, 2) * 3.0
    return made, f(x, x.view(-1)), f(x, x.t())


@differs_lazily("an in-place change makes a new value; backward uses those that were there")
def backward_after_another_step_changed_the_weights(torch, compile):
    net = network(torch)
    f = compile(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    first, second = f(torch.ones(1, 2)).sum(), f(torch.ones(1, 2) * 2.0).sum()
    first.backward()
    optimizer.step()
    made = fails(second.backward)
    optimizer.zero_grad()
    f(torch.ones(1, 2)).sum().backward()
    return made, [p.grad for p in net.parameters()]


@case
def backward_after_buffers_changed(torch, compile):
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
    with torch.no_grad():
        net[1].weight.fill_(0.5)
        net[1].bias.zero_()
    f = compile(net)
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    first = f(x).pow(2).sum()
    second = f(x * 2.0).pow(2).sum()
    (first + second).backward()
    return [p.grad for p in net.parameters()], net[0].running_mean, net[0].num_batches_tracked


@case
def compiled_under_no_grad_and_called_outside(torch, compile):
    p = parameter(torch, 1, 2)
    with torch.no_grad():
        f = compile(lambda x: (p * x).sum())
        made = [f(torch.ones(2)).requires_grad]
    loss = f(torch.ones(2))
    loss.backward()
    return made, loss.requires_grad, p.grad


@case
def effects_and_exceptions_in_order(torch, compile):
    log, x = [], torch.ones(1)

    class Stop(Exception):
        pass

    @compile
    def f(x, at):
        for n in range(4):
            log.append(n)
            x.mul_(2.0)
            if n == at:
                raise Stop(n)
        return x * 1.0

    made = []
    for at in (9, 1, 3, 0, 9):
        try:
            made.append(f(x, at))
        except Stop as stop:
            made.append(f"stopped {stop.args[0]}")
        made.append(x.tolist())
    return made, log


@case
def a_call_of_the_function_within_itself(torch, compile):
    depth = 0

    @compile
    def f(x):
        nonlocal depth
        depth += 1
        y = x * depth
        if depth < 3:
            y = y + f(x)
        depth -= 1
        return y

    return [f(torch.ones(1)) for _ in range(3)], depth


@case
def compiled_inside_a_compiled_function(torch, compile):
    k = 2.0

    @compile
    def f(x):
        g = compile(lambda y: y * k)
        return g(x) + g(x * 2.0)

    made = [f(torch.ones(1))]
    k = 3.0
    return made, f(torch.ones(1))


@case
def hundreds_of_tensors(torch, compile):
    f = compile(lambda xs: sum(x * n for n, x in enumerate(xs)))
    xs = [torch.ones(1) * k for k in range(300)]
    made = [f(xs)]
    xs[150] = torch.ones(1) * 1000.0
    return made, f(xs), f(xs[::-1])


@case
def hundreds_of_objects_read(torch, compile):
    class Node:
        def __init__(self, value):
            self.value, self.next = value, None

    nodes = [Node(float(k)) for k in range(400)]
    for a, b in itertools.pairwise(nodes):
        a.next = b

    @compile
    def f(x):
        total, node = 0.0, nodes[0]
        while node is not None:
            total, node = total + node.value, node.next
        return x * total

    made = [f(torch.ones(1))]
    nodes[399].value = 1e6
    made.append(f(torch.ones(1)))
    nodes[200].next = None
    return made, f(torch.ones(1))
