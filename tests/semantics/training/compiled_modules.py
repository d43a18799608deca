"""compile(module) gives a module: with its parts, parameters, state and modes; and one that can be copied."""

from __future__ import annotations

import copy

from tests.semantics.another import gradients, linear, network
from tests.semantics.case import case


@case
def compiled_module_is_a_module(torch, compile):
    net = network(torch)
    c = compile(net)
    told = [
        isinstance(c, torch.nn.Module),
        c.training,
        list(c.state_dict()),
        [n for n, _ in c.named_parameters()],
    ]
    c.eval()
    told += [net.training, c.training, net[0].training]
    c.train()
    same = [p is q for p, q in zip(c.parameters(), net.parameters(), strict=True)]
    c.load_state_dict({k: v * 2.0 for k, v in net.state_dict().items()})
    return told, same, net[0].weight, c(torch.ones(1, 2)).detach(), len(list(c.modules())) > 0


@case
def compiled_module_lets_its_parts_be_reached(torch, compile):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.scale = linear(torch, 2, 2), 2.0

        def forward(self, x):
            return self.fc(x) * self.scale

        def encode(self, x):
            return self.fc(x) + self.scale

    c = compile(Net())
    x = torch.ones(1, 2)
    made = [c(x).detach(), c.encode(x).detach(), c.fc.weight.detach().clone(), c.scale]
    c.scale = 5.0
    made += [c(x).detach(), c.encode(x).detach()]
    c.fc = linear(torch, 2, 1, start=0.5)
    return made, c(x).detach(), [n for n, _ in c.named_parameters()]


@case
def compiled_module_in_another(torch, compile):
    inner = compile(network(torch))
    net = torch.nn.Sequential(linear(torch, 2, 2), inner)
    net(torch.ones(1, 2)).sum().backward()
    return list(net.state_dict()), gradients(net)


@case
def compiled_module_in_a_compiled_function(torch, compile):
    net = compile(network(torch))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return [step(torch.ones(2, 2) * k) for k in range(3)], net(torch.ones(1, 2)).detach()


@case
def compiled_module_copied(torch, compile):
    net = compile(network(torch))
    x = torch.ones(1, 2)
    made = [net(x).detach()]
    other = copy.deepcopy(net)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(2.0)
    other(x).sum().backward()
    return made, net(x).detach(), other(x).detach(), gradients(net), gradients(other)


@case
def compiled_module_of_a_class_that_asks_its_subclasses(torch, compile):
    classes = []

    class Kind(type):
        def __new__(kind, name, bases, space, **options):
            classes.append(name)
            return super().__new__(kind, name, bases, space, **options)

    class Base(torch.nn.Module, metaclass=Kind):
        def __init_subclass__(cls, *, gain):
            super().__init_subclass__()
            cls.gain = gain

    class Net(Base, gain=2.0):
        def forward(self, x):
            return x * self.gain

    net = Net()
    f = compile(net)
    made = [f(torch.ones(1)) for _ in range(3)]
    Net.gain = 5.0
    return made, f(torch.ones(1)), f.gain, classes, isinstance(f, Net)


@case
def compiled_module_with_slots(torch, compile):
    class Net(torch.nn.Module):
        __slots__ = ("gain",)

        def forward(self, x):
            return x * self.gain

    net = Net()
    net.gain = 2.0
    f = compile(net)
    made = [f(torch.ones(1)) for _ in range(3)]
    net.gain = 5.0
    return made, f(torch.ones(1))
