"""Gradients by autograd.grad and of gradients, functions with a backward of their own, graphs partly outside."""

from __future__ import annotations

from tests.semantics.another import gradients, network, parameter
from tests.semantics.case import case, fails, refused


@case
def gradients_by_autograd_grad(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * p * x).sum())
    x = torch.ones(2, requires_grad=True)
    made = torch.autograd.grad(f(x), [p, x])
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    return made, torch.autograd.grad(f(x), [x, p]), p.grad


@case
def gradient_penalty_on_a_compiled_forward(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x * x).sum())
    made = []
    for k in range(2):
        x = torch.tensor([2.0, 3.0 + k], requires_grad=True)
        (g,) = torch.autograd.grad(f(x), [x], create_graph=True)
        (g * g).sum().backward()
        made += [g.detach(), p.grad.clone()]
    return made


@case
def gradient_penalty_inside(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(x):
        x = x.detach().requires_grad_(True)
        (g,) = torch.autograd.grad((p * x * x).sum(), [x], create_graph=True)
        (g * g).sum().backward()
        return g.detach()

    return f(torch.tensor([2.0, 3.0])), f(torch.ones(2)), p.grad


@case
def function_with_a_backward_of_its_own(torch, compile):
    k, seen = 2.0, []

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * k

        @staticmethod
        def backward(ctx, gradient):
            seen.append(k)
            (x,) = ctx.saved_tensors
            return gradient * x * k * 10.0

    p, made = parameter(torch, 1, 2), []

    @compile
    def f(x):
        y = Scale.apply(p * x)
        y.sum().backward()
        return y.detach()

    for k in (2.0, 3.0, 3.0):  # noqa: B007  the function reads it
        p.grad = None
        made += [f(torch.ones(2)), p.grad.tolist()]
    return made, seen


@case
def function_with_a_backward_of_its_own_that_runs_outside(torch, compile):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.k * 10.0, None

    p = parameter(torch, 1, 2)
    f, made = compile(lambda x, k: Double.apply(p * x, k)), []
    for k in (2.0, 3.0):
        p.grad = None
        f(torch.ones(2), k).sum().backward()
        made.append(p.grad)
    return made


@case
def backward_inside_reaches_what_was_computed_outside(torch, compile):
    net = network(torch)

    @compile
    def loss(y, target):
        value = ((y - target) ** 2).mean()
        value.backward()
        return value.detach()

    made = []
    for k in range(3):
        net.zero_grad()
        made += [loss(net(torch.ones(4, 2) * k), torch.ones(4, 1)), gradients(net)]
    return made


@case
def closed_over_tensor_with_history(torch, compile):
    p, w = parameter(torch, 1, 2), None

    @compile
    def f(x):
        (w * x).sum().backward()

    made = []
    for k in range(1, 4):
        w = p * k
        f(torch.ones(2))
        made.append(p.grad.clone())
    return made


@case
def inside_the_graph_of_something_uncompiled(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, 4)
    f, made = compile(lambda h: h * q), []
    for k in range(1, 4):
        h = p * k
        y = f(h) + h
        (y * f(y)).sum().backward()
        made += [p.grad.clone(), q.grad.clone()]
    return made


@case
def backward_inside_of_a_loss_of_weights_that_are_used_on_both_sides(torch, compile):
    p, net = parameter(torch, 2), network(torch)

    @compile
    def f(y, k):
        (y * p * k).sum().backward(retain_graph=k > 1.0)
        return p * 1.0

    made = []
    for k in (1.0, 2.0, 3.0):
        f(p * k, k)
        y = net(torch.ones(1, 2))
        f(y, k)
        made += [p.grad.clone(), gradients(net), fails(lambda y=y: y.sum().backward())]
    return made


@refused("backward", "outside")
def gradient_that_comes_from_outside_looked_at_inside(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(y):
        y.sum().backward()
        return p.grad * 1.0

    return f(p * 2.0), p.grad


@refused("grad", "outside")
def gradient_by_autograd_grad_of_what_was_computed_outside(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda y: torch.autograd.grad((y * y).sum(), [p]))
    return f(p * 2.0)


def hidden_and_loss(torch, compile):
    """Two results of one call, one of which is computed from the other."""
    p = parameter(torch, 1, 2)

    @compile
    def f(x):
        h = p * x
        return h, (h * h).sum()

    return p, *f(torch.ones(2))


@refused("came out", "together")
def gradient_by_another_result_of_the_call(torch, compile):
    _, h, loss = hidden_and_loss(torch, compile)
    return torch.autograd.grad(loss + h.sum(), [h])


@refused("came out", "together")
def hook_on_a_result_that_another_is_computed_from(torch, compile):
    p, h, loss = hidden_and_loss(torch, compile)
    h.register_hook(lambda g: g * 10.0)
    loss.backward()
    return p.grad


@refused("came out", "together")
def gradient_kept_of_a_result_that_another_is_computed_from(torch, compile):
    _, h, loss = hidden_and_loss(torch, compile)
    h.retain_grad()
    loss.backward()
    return h.grad


@case
def hook_on_the_last_result_and_gradients_of_all(torch, compile):
    p, h, loss = hidden_and_loss(torch, compile)
    loss.register_hook(lambda g: g * 10.0)
    (loss + h.sum()).backward()
    return p.grad
