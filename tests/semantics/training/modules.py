"""Networks: how their parts are reached, methods other than forward, buffers, modes, networks made inside."""

from __future__ import annotations

from tests.semantics.another import double, linear
from tests.semantics.case import case


@case
def children_walked(torch, compile):
    net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())

    @compile
    def f(x):
        for name, child in net.named_children():
            x = child(x) + len(name)
        return x

    x = torch.ones(1)
    made = [f(x)]
    net.append(torch.nn.ReLU())
    made.append(f(x))
    net.add_module("last", torch.nn.Sigmoid())
    return made, f(x)


@case
def modules_walked_for_their_modes(torch, compile):
    net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Tanh()))
    f = compile(lambda x: x * sum(m.training for m in net.modules()))
    made = [f(torch.ones(1))]
    net[1][0].eval()
    made.append(f(torch.ones(1)))
    net.eval()
    return made, f(torch.ones(1))


@case
def method_other_than_forward(torch, compile):
    class Coder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.gain = linear(torch, 2, 2), 1.0

        def encode(self, x):
            return torch.nn.functional.dropout(self.inner(x), 1.0, self.training) + self.gain

    net = Coder()
    f = compile(lambda x: net.encode(x).detach())
    x, made = torch.ones(1, 2), []
    for change in (
        lambda: None,
        net.eval,
        lambda: setattr(net, "gain", 3.0),
        lambda: double(torch, net),
        lambda: setattr(net, "inner", torch.nn.Tanh()),
        net.train,
    ):
        change()
        made.append(f(x))
    return made


@case
def method_put_on_an_instance(torch, compile):
    net = torch.nn.Linear(1, 1)
    F = torch.nn.functional
    net.encode = lambda x: F.dropout(x, 1.0, net.training)
    f = compile(lambda x: net.encode(x))
    x = torch.ones(2)
    made = [f(x)]
    net.eval()
    made.append(f(x))
    net.encode = lambda x: x * 7.0
    return made, f(x)


@case
def forward_called_directly(torch, compile):
    net = torch.nn.Sequential(linear(torch, 2, 2), torch.nn.Dropout(1.0))
    f = compile(lambda x: net.forward(x).detach())
    x = torch.ones(1, 2)
    made = [f(x)]
    net.eval()
    made.append(f(x))
    double(torch, net)
    return made, f(x)


@case
def class_of_a_module_changed(torch, compile):
    class Net(torch.nn.Module):
        def forward(self, x):
            return x * 2.0

    net = Net()
    f = compile(lambda x: net(x))
    made = [f(torch.ones(1))]
    Net.forward = lambda self, x: x * 3.0
    made.append(f(torch.ones(1)))
    net.__class__ = type("Other", (Net,), {"forward": lambda self, x: x * 4.0})
    return made, f(torch.ones(1))


@case
def inherited_methods_and_super(torch, compile):
    class Base(torch.nn.Module):
        gain = 2.0

        def forward(self, x):
            return x * self.gain

    class Net(Base):
        bias = 1.0

        def forward(self, x):
            return super().forward(x) + self.bias

    net = Net()
    f = compile(net)
    made = [f(torch.ones(1))]
    Base.gain = 3.0
    made.append(f(torch.ones(1)))
    Net.bias = 5.0
    made.append(f(torch.ones(1)))
    net.gain = 7.0
    made.append(f(torch.ones(1)))
    del net.gain
    return made, f(torch.ones(1))


@case
def buffers(torch, compile):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(2))
            self.register_buffer("count", torch.tensor(0))

        def forward(self, x):
            self.total += x
            self.count += 1
            return self.total / self.count

    net = Net()
    f = compile(lambda x: net(x))
    made = [f(torch.ones(2) * k) for k in range(3)]
    net.total = torch.ones(2) * 100.0
    made.append(f(torch.ones(2)))
    net.total.zero_()
    return made, f(torch.ones(2)), net.total, net.count


@case
def buffer_assigned_in_forward(torch, compile):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("last", torch.zeros(2))

        def forward(self, x):
            before, self.last = self.last, x * 1.0
            return before + x

    net = Net()
    f = compile(lambda x: net(x))
    return [f(torch.ones(2) * k) for k in range(3)], net.last, net.state_dict()


@case
def batch_norm_in_both_modes(torch, compile):
    net = torch.nn.BatchNorm1d(2)
    f = compile(lambda x: net(x).detach())
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    made = [f(x), f(x * 2.0)]
    net.eval()
    made += [f(x), f(x)]
    net.train()
    made.append(f(x))
    return made, net.running_mean, net.num_batches_tracked


@case
def batch_norm_options_changed(torch, compile):
    net = torch.nn.BatchNorm1d(2)
    f = compile(lambda x: net(x).detach())
    x, made = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), []
    for name, value in (("momentum", 0.5), ("eps", 1.0), ("momentum", None), ("momentum", 0.1)):
        made.append(f(x))
        setattr(net, name, value)
    return made, f(x), net.running_mean, net.running_var


@case
def mode_changed_inside(torch, compile):
    net = torch.nn.Sequential(torch.nn.Dropout(1.0))

    @compile
    def f(x):
        net.eval()
        y = net(x)
        net.train()
        return y + net(x) * 10.0

    made = f(torch.ones(1)), net.training
    g = compile(lambda x: (net(x), net.eval())[0])
    return made, g(torch.ones(1)), net.training, g(torch.ones(1))


@case
def requires_grad_changed_inside(torch, compile):
    net = linear(torch, 2, 1)

    @compile
    def f(x):
        net.zero_grad()
        net(x).sum().backward()
        net.bias.requires_grad_(False)

    f(torch.ones(1, 2))
    first = [net.bias.requires_grad, net.bias.grad]
    f(torch.ones(1, 2))
    return first, net.bias.grad, net.weight.grad


@case
def network_made_inside(torch, compile):
    @compile
    def f(x):
        net = linear(torch, 2, 2)
        net(x).sum().backward()
        return net.weight.grad, net(x).detach()

    return f(torch.ones(1, 2)), f(torch.ones(1, 2) * 2.0)


@case
def network_made_on_first_use(torch, compile):
    net = None

    @compile
    def f(x):
        nonlocal net
        if net is None:
            net = linear(torch, 2, 2)
        net(x).sum().backward()
        return net(x).detach()

    made = [f(torch.ones(1, 2) * k) for k in range(3)]
    return made, net.weight.grad, net.weight


@case
def parts_in_plain_containers(torch, compile):
    parts, named = [linear(torch, 2, 2)], {"a": (torch.nn.Tanh(), [torch.nn.Dropout(1.0)])}
    f = compile(lambda x: named["a"][1][0](named["a"][0](parts[0](x))).detach())
    x = torch.ones(1, 2)
    made = [f(x)]
    named["a"][1][0].eval()
    made.append(f(x))
    named["a"][1][0] = torch.nn.ReLU()
    made.append(f(x))
    parts.insert(0, torch.nn.Sigmoid())
    made.append(f(x))
    named["a"] = (torch.nn.Sigmoid(), [torch.nn.ReLU()])
    return made, f(x)


@case
def attributes_asked_for_with_hasattr(torch, compile):
    net = torch.nn.ReLU()
    f = compile(lambda x: net(x) * (2.0 if hasattr(net, "scale") else 3.0) + getattr(net, "bias", 1.0))
    made = [f(torch.ones(1))]
    net.scale = None
    made.append(f(torch.ones(1)))
    net.bias = 10.0
    made.append(f(torch.ones(1)))
    del net.scale
    return made, f(torch.ones(1))
