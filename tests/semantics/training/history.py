"""Results have history: a compiled network, loss or part of one, with backward outside."""

from __future__ import annotations

from tests.semantics.another import gradients, linear, network, parameter
from tests.semantics.case import case, differs_lazily, fails


def trained(torch, net, forward, optimizer, steps=4):
    """Losses and weights of `steps` steps whose backward is outside of `forward`."""
    made = []
    for k in range(steps):
        optimizer.zero_grad()
        loss = ((forward(torch.ones(4, 2) * k) - 1.0) ** 2).mean()
        loss.backward()
        optimizer.step()
        made.append(loss.item())
    return made, [p.detach().clone() for p in net.parameters()]


@case
def compiled_network_trained_with_sgd(torch, compile):
    net = network(torch)
    return trained(torch, net, compile(net), torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))


@case
def compiled_network_trained_by_its_own_parameters(torch, compile):
    net = compile(network(torch))
    return trained(torch, net, net, torch.optim.Adam(net.parameters(), lr=0.1))


@case
def compiled_lambda_around_a_network(torch, compile):
    net = network(torch)
    return trained(torch, net, compile(lambda x: net(x)), torch.optim.SGD(net.parameters(), lr=0.1))


@case
def compiled_loss(torch, compile):
    net = network(torch)
    loss = compile(lambda y, target: ((y - target) ** 2).mean())
    optimizer, made = torch.optim.SGD(net.parameters(), lr=0.1), []
    for k in range(3):
        optimizer.zero_grad()
        value = loss(net(torch.ones(4, 2) * k), torch.ones(4, 1))
        value.backward()
        optimizer.step()
        made.append(value.detach())
    return made, gradients(net)


@case
def compiled_forward_and_loss(torch, compile):
    net = network(torch)
    f = compile(lambda x, target: torch.nn.functional.mse_loss(net(x), target))
    made = []
    for k in range(3):
        f(torch.ones(4, 2) * k, torch.ones(4, 1)).backward()
        made.append(gradients(net))
    return made


@case
def compiled_part_in_the_middle(torch, compile):
    first, last = linear(torch, 2, 2), linear(torch, 2, 1)
    w = parameter(torch, 2, 3)
    middle = compile(lambda h: torch.relu(h) * w)
    for _ in range(2):
        last(middle(first(torch.ones(1, 2)))).sum().backward()
    return last.weight.grad, first.weight.grad, w.grad


@case
def compiled_parts_one_after_the_other(torch, compile):
    net, other = linear(torch, 2, 2), linear(torch, 2, 1)
    f, g = compile(net), compile(other)
    made = []
    for k in range(3):
        g(f(torch.ones(1, 2) * k)).sum().backward()
        made.append([net.weight.grad.clone(), other.weight.grad.clone(), other.bias.grad.clone()])
    return made


@case
def one_compiled_function_used_twice_in_one_loss(torch, compile):
    net = linear(torch, 2, 2)
    f = compile(net)
    x = torch.tensor([[1.0, 2.0]])
    (f(x) * f(x * 2.0)).sum().backward()
    made = gradients(net)
    f(f(x)).sum().backward()
    return made, gradients(net)


@case
def gradient_of_an_argument_outside(torch, compile):
    f = compile(lambda x, y: (x * x * y, x + y))
    x, y = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    a, b = f(x, y)
    (a.sum() + b.sum() * 2.0).backward()
    a, _ = f(x, y.detach())
    a.sum().backward()
    return x.grad, y.grad


@case
def results_tell_that_they_require_grad(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x, x * 2.0, (p * x).detach(), (p * x) > 1.0))
    made = f(torch.ones(2))
    with torch.no_grad():
        inside = f(torch.ones(2))
    again = f(torch.ones(2, requires_grad=True))
    told = [[y.requires_grad, y.is_leaf, y.grad_fn is None] for y in (*made, *inside, *again)]
    return told, made


@case
def loss_backwarded_inside_still_requires_grad(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(x):
        loss = (p * x).sum()
        loss.backward()
        return loss

    loss = f(torch.ones(2))
    return loss.requires_grad, loss.item(), p.grad


@case
def two_backwards_with_the_graph_retained(torch, compile):
    net, made = network(torch), []
    f = compile(net)
    for k in range(2):
        loss = f(torch.ones(3, 2) * (k + 1)).sum()
        loss.backward(retain_graph=True)
        made.append(gradients(net))
        loss.backward()
    return made, gradients(net)


@case
def backward_twice_without_the_graph_retained(torch, compile):
    net, made = network(torch), []
    f = compile(net)
    for k in range(2):
        loss = (f(torch.ones(3, 2) * (k + 1)) ** 2).sum()
        loss.backward()
        made += [fails(loss.backward), gradients(net)]
    return made


FUNCTIONAL = "an in-place change makes a new value; backward uses those that were there"


@differs_lazily(FUNCTIONAL)
def parameter_changed_before_backward(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * p * x).sum())
    loss = f(torch.ones(2))
    with torch.no_grad():
        p.mul_(3.0)
    made = fails(loss.backward)
    f(torch.ones(2)).backward()
    return made, p.grad


@differs_lazily(FUNCTIONAL)
def argument_changed_before_backward(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x).sum())
    x = torch.ones(2)
    loss = f(x)
    x.mul_(3.0)
    return fails(loss.backward), fails(lambda: f(x).backward()), p.grad


@case
def backward_after_an_update_that_does_not_matter(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3)
    f = compile(lambda x: (p * x).sum())
    loss = f(torch.ones(2))
    with torch.no_grad():
        q.mul_(3.0)
    loss.backward()
    f(torch.ones(2) * 5.0).backward()
    return p.grad


@case
def losses_of_several_calls_summed(torch, compile):
    net = network(torch)
    f = compile(lambda x: net(x).sum())
    losses = [f(torch.ones(2, 2) * k) for k in range(4)]
    (sum(losses) / 4.0).backward()
    return gradients(net), losses[3]


@case
def earlier_results_backwarded_last(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x, k: (p * x).sum() * k)
    losses = [f(torch.ones(2) * n, float(n)) for n in range(1, 4)]
    made = []
    for loss in reversed(losses):
        loss.backward()
        made.append(p.grad.clone())
    return made


@case
def random_numbers_are_the_same_in_forward_and_backward(torch, compile):
    dropout = torch.nn.Dropout(0.5)
    f = compile(lambda x: dropout(x) * 3.0)
    made = []
    for _ in range(3):
        x = torch.ones(64, requires_grad=True)
        y = f(x)
        torch.rand(3)  # other numbers drawn in between do not matter
        y.sum().backward()
        made.append([torch.equal(x.grad, y.detach()), bool((y == 0).any()), bool((y > 0).any())])
    return made


@case
def running_statistics_are_updated_once(torch, compile):
    net = torch.nn.BatchNorm1d(2)
    f = compile(net)
    for k in range(3):
        f(torch.tensor([[1.0, 2.0], [3.0, 5.0]]) * k).pow(2).sum().backward()
    return net.running_mean, net.running_var, net.num_batches_tracked, net.weight.grad


@case
def effects_happen_once_however_often_backward_runs(torch, compile):
    p, seen = parameter(torch, 1, 2), []

    @compile
    def f(x):
        seen.append(len(seen))
        return (p * x).sum()

    for _ in range(2):
        loss = f(torch.ones(2))
        loss.backward(retain_graph=True)
        loss.backward()
    return seen, p.grad


@case
def gradients_that_flow_through_one_of_several_results(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, 4)
    f = compile(lambda x: {"a": p * x, "b": [q * x, x.shape[0]], "c": "text"})
    made = f(torch.ones(2))
    made["a"].sum().backward()
    first = p.grad.clone(), q.grad
    made["b"][0].sum().backward()
    f(torch.ones(2) * 3.0)["b"][0].sum().backward()
    return first, p.grad, q.grad, made["b"][1], made["c"]


@case
def result_used_in_place_before_backward(torch, compile):
    p = parameter(torch, 1, 2)
    f, made = compile(lambda x: p * x), []
    for k in range(2):
        y = f(torch.ones(2) * (k + 1))
        y.mul_(3.0).add_(1.0)
        y.sum().backward()
        made += [y.detach(), p.grad.clone()]
    return made


@case
def detached_result_gives_no_gradient(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x).detach())
    y = f(torch.ones(2))
    return y.requires_grad, fails(lambda: y.sum().backward()), p.grad


@case
def a_frozen_parameter_gets_no_gradient(torch, compile):
    net = network(torch)
    f = compile(lambda x: net(x).sum())
    f(torch.ones(1, 2)).backward()
    net[0].weight.requires_grad_(False)
    net.zero_grad()
    f(torch.ones(1, 2)).backward()
    return gradients(net)


@case
def hooks_inside_are_called_at_every_backward(torch, compile):
    p, seen, net = parameter(torch, 1, 2), [], network(torch)
    net.register_full_backward_hook(lambda module, grads, gradient: seen.append(gradient[0].tolist()))

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2.0

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            seen.append(gradient.sum().item())
            return gradient * x

    @compile
    def f(x):
        h = p * x
        h.register_hook(lambda g: (seen.append(g.tolist()), g * 3.0)[1])
        return (Scale.apply(h) * h).sum() + net(x[None]).sum()

    for k in range(1, 4):
        f(torch.ones(2) * k).backward()
    return p.grad, seen


@case
def results_that_alias_others_are_changed_in_place(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(x, other):
        y = p * x
        z = y * 2.0
        return y, y.detach(), z[:1], z[1:], other[:1]

    made = []
    for k in range(3):
        x = torch.ones(2)
        y, d, a, b, c = f(torch.ones(2) * k, x)
        d.mul_(5.0)
        a.add_(1.0)
        c.fill_(9.0)
        made += [y.detach(), d, a.detach(), b.detach(), c, x.clone()]
    a.sum().backward()
    return made, p.grad


@case
def argument_with_history_changed_in_place(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(h):
        h.mul_(3.0)
        return h.sum()

    made = []
    for k in range(1, 4):
        h = p * k
        y = f(h)
        (y + h.sum()).backward()
        made += [y.detach(), h.detach(), p.grad.clone()]
    return made
