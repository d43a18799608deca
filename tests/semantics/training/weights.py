"""Weights: used without their module, tied, of another dtype or shape, loaded; networks and steps copied."""

from __future__ import annotations

import copy

from tests.semantics.another import double, linear
from tests.semantics.case import case


@case
def weights_used_without_their_module(torch, compile):
    F = torch.nn.functional
    net = linear(torch, 2, 2)
    f = compile(lambda x: F.linear(x, net.weight, net.bias).detach())
    x, made = torch.ones(1, 2), []
    made.append(f(x))
    double(torch, net)
    made.append(f(x))
    net.weight = linear(torch, 2, 2, start=0.7).weight
    made.append(f(x))
    net.bias = None
    return made, f(x)


@case
def weights_of_all_layers_by_name(torch, compile):
    net = torch.nn.Sequential(linear(torch, 2, 2), linear(torch, 2, 2, start=0.3))
    f = compile(
        lambda x: x * sum((p * p).sum() for name, p in net.named_parameters() if "weight" in name).detach()
    )
    x = torch.ones(1)
    made = [f(x)]
    double(torch, net)
    made.append(f(x))
    net.append(linear(torch, 2, 1))
    made.append(f(x))
    net[0].weight = torch.nn.Parameter(torch.ones(2, 2))
    return made, f(x)


@case
def parameter_norms_over_parameters(torch, compile):
    net = linear(torch, 2, 2)
    f = compile(lambda x: x + sum(p.detach().abs().sum() for p in net.parameters()))
    made = [f(torch.ones(1))]
    net.extra = torch.nn.Parameter(torch.ones(3))
    made.append(f(torch.ones(1)))
    del net.extra
    return made, f(torch.ones(1))


@case
def tied_weights(torch, compile):
    one, other = linear(torch, 2, 2), linear(torch, 2, 2, start=0.4)
    other.weight = one.weight

    @compile
    def f(x):
        other(one(x)).sum().backward()
        return one.weight.grad * 1.0

    made = [f(torch.ones(1, 2))]
    other.weight = linear(torch, 2, 2, start=0.4).weight
    one.weight.grad = None
    return made, f(torch.ones(1, 2)), other.weight.grad


@case
def network_made_double(torch, compile):
    net = linear(torch, 2, 2)
    f = compile(lambda x: net(x).detach())
    made = [f(torch.ones(1, 2))]
    net.double()
    made.append(f(torch.ones(1, 2).double()))
    net.float()
    return made, f(torch.ones(1, 2))


@case
def training_goes_on_in_double(torch, compile):
    net = linear(torch, 2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        return (net.weight.detach() * 1.0).float()

    x = torch.ones(2, 2)
    made = [step(x), step(x)]
    net.double()
    return made, step(x.double()), step(x.double())


@case
def weights_of_another_shape(torch, compile):
    net = linear(torch, 2, 2)
    f = compile(lambda x: net(x).sum().detach())
    made = [f(torch.ones(1, 2))]
    net.weight, net.bias = torch.nn.Parameter(torch.ones(5, 3)), torch.nn.Parameter(torch.zeros(5))
    made.append(f(torch.ones(1, 3)))
    net.weight.data = torch.ones(5, 2)
    return made, f(torch.ones(1, 2))


@case
def state_loaded_and_saved_between_calls(torch, compile):
    net = linear(torch, 2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compile
    def step(x):
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        return net.weight.detach() * 1.0

    x = torch.ones(2, 2)
    made = [step(x)]
    saved = copy.deepcopy(net.state_dict()), copy.deepcopy(optimizer.state_dict())
    made += [step(x), step(x)]
    net.load_state_dict(saved[0]), optimizer.load_state_dict(saved[1])
    return made, step(x), step(x)


@case
def network_optimizer_and_step_copied_together(torch, compile):
    class Trainer:
        def __init__(self):
            self.net = linear(torch, 2, 1)
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
            self.steps = 0
            self.step = compile(self.one)

        def one(self, x):
            self.steps += 1
            self.optimizer.zero_grad()
            loss = self.net(x).pow(2).mean()
            loss.backward()
            self.optimizer.step()
            return loss.detach()

    trainer = Trainer()
    x = torch.ones(2, 2)
    made = [trainer.step(x)]
    other = copy.deepcopy(trainer)
    made += [other.step(x), other.step(x), trainer.step(x)]
    return made, trainer.net.weight, other.net.weight, trainer.steps, other.steps


@case
def compiled_function_of_a_closure_copied(torch, compile):
    w = torch.ones(1)
    f = compile(lambda x: x * w)
    g = copy.deepcopy(f)
    made = [f(torch.ones(1)), g(torch.ones(1))]
    w.mul_(3.0)
    return made, f(torch.ones(1)), g(torch.ones(1))


@case
def network_and_its_state_copied_inside(torch, compile):
    net = torch.nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.fill_(0.5), net.bias.fill_(0.0)
    optimizer, best = torch.optim.SGD(net.parameters(), lr=0.1), {}

    @compile
    def step(x):
        fast = copy.deepcopy(net)
        optimizer.zero_grad()
        loss = (net(x) + fast(x)).pow(2).sum()
        loss.backward()
        optimizer.step()
        best["state"] = copy.deepcopy(net.state_dict())
        return loss

    made = [(step(torch.ones(1, 2)), best["state"]["weight"]) for _ in range(4)]
    return made, net.weight.grad
