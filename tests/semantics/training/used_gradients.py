"""Gradients that are used again: as constants of later losses, as arguments, given to a `.grad` from outside"""

from __future__ import annotations

from tests.semantics.another import linear, parameter
from tests.semantics.case import case, fails, refused
from tests.semantics.programs import expressions
from tests.semantics.training.given import gradients

# What is made of a gradient g that was computed without create_graph; and a loss that it is a constant of.
USES = {
    "itself": "g",
    "shown in another shape": "g.view(2, 1)[:, 0]",
    "computed with": "g * 1.0",
    "copied": "g.clone()",
    "detached": "g.detach()",
    "repeated": "g[:1].expand(2)",
    "its norm": "g / g.norm()",
    "passed on": "torch.autograd.grad((g * p).sum(), p)[0]",
}
CONSTANT = """
p, q = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([3.0, -1.0]))
def f(x):
    g = {gradient}
    ((p * q).sum() * {use}).sum().backward()
    return g
f = compile(f)
made = []
for k in (1.0, 2.0, 3.0):
    p.grad = q.grad = None
    made += [f(torch.ones(2) * k), p.grad, q.grad]
return made
"""
TABLE = [
    *expressions(
        "gradients as constants",
        USES,
        CONSTANT.replace("{gradient}", "torch.autograd.grad((p * p * q * x).sum(), p)[0]"),
        {},
    ),
    *expressions(
        "gradients of backward as constants",
        USES,
        CONSTANT.replace(
            "    g = {gradient}", "    (p * p * q * x).sum().backward()\n    g = p.grad.clone()"
        ),
        {},
    ),
]


@case
def loss_of_gradients_that_backward_left(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, -1)

    @compile
    def f(x):
        (p * p * q * x).sum().backward()
        return torch.autograd.grad((p.grad * p * q * q.grad).sum(), [p, q])

    return [(f(torch.ones(2) * k), gradients([p, q])) for k in (1.0, 2.0, 3.0)]


@case
def loss_of_gradients_that_added_up(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, -1)

    @compile
    def f(x):
        (p * p * x).sum().backward()
        (p * q * x).sum().backward()
        (p.grad * p * p).sum().backward()

    return [(f(torch.ones(2) * k), gradients([p, q])) for k in (1.0, 2.0)]


@case
def steps_of_an_inner_loop_of_first_order(torch, compile):
    w = parameter(torch, 1, 2)

    @compile
    def f(x, y):
        fast = w
        for _ in range(2):
            (g,) = torch.autograd.grad(((fast * x - 1.0) ** 2).sum(), fast)
            fast = fast - 0.1 * g
        ((fast * y - 2.0) ** 2).sum().backward()

    return [(f(torch.ones(2) * k, torch.ones(2)), gradients([w])) for k in (1.0, 2.0)]


@case
def weight_of_a_loss_by_norms_of_gradients(torch, compile):
    net = linear(torch, 2, 2)

    @compile
    def f(x):
        h = net(x)
        a, b = (h**2).sum(), h.abs().sum()
        (of_a,) = torch.autograd.grad(a, net.weight, retain_graph=True)
        (of_b,) = torch.autograd.grad(b, net.weight, retain_graph=True)
        loss = a + torch.norm(of_a) / (torch.norm(of_b) + 1e-4) * b
        net.zero_grad()
        loss.backward()
        return loss.detach()

    return [(f(torch.ones(1, 2) * k), gradients(net.parameters())) for k in (1.0, 2.0)]


@case
def gradients_given_from_outside(torch, compile):
    net = linear(torch, 2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compile
    def f(given):
        for p, g in zip(net.parameters(), given, strict=True):
            p.grad = g
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    made, given = [], []
    for k in range(5):
        given = given if k == 3 else [torch.ones(1, 2) * k, torch.ones(1)]
        f(given)
        made.append([(p.tolist(), p.grad is g, g) for p, g in zip(net.parameters(), given, strict=True)])
    return made


@case
def gradient_given_from_outside_and_added_to(torch, compile):
    w = parameter(torch, 1, 2)

    @compile
    def f(x, g):
        w.grad = g
        (w * x).sum().backward()

    made = []
    for k in range(4):
        g = torch.ones(2) * k
        f(torch.ones(2) * 10.0, g)
        made.append((g, gradients([w]), w.grad is g))
    return made


@case
def gradient_given_to_an_argument(torch, compile):
    @compile
    def f(p, g):
        p.grad = g
        return p.grad

    a, b = parameter(torch, 1), parameter(torch, 2)
    g, h = torch.ones(1), torch.ones(1) * 2.0
    made = []
    for p, given in ((a, g), (b, h), (a, h), (b, g), (a, h), (a, g)):
        made.append((f(p, given) is given, p.grad is given, a.grad is g, a.grad is h))
    return made


@case
def gradient_of_an_argument_returned(torch, compile):
    f = compile(lambda p: p.grad)
    given = [parameter(torch, k) for k in (1, 2, 3)]
    for k, p in enumerate(given[1:]):
        p.grad = torch.ones(1) * k
    return [(f(p), f(p) is p.grad) for p in (*given[::-1], given[1])]


@case
def gradient_that_is_an_argument_too(torch, compile):
    w = parameter(torch, 1, 2)
    f = compile(lambda p, g: p.grad * 2.0 + g)
    w.grad = torch.ones(2)
    other = torch.ones(2) * 5.0
    made = [f(w, w.grad), f(w, other), f(w, w.grad)]
    w.grad = other
    return made, f(w, other), f(w, torch.zeros(2)), w.grad is other


@case
def gradient_that_is_changed_as_an_argument(torch, compile):
    w = parameter(torch, 1, 2)

    @compile
    def f(g):
        g.mul_(2.0)
        return w.grad * 1.0

    w.grad, other = torch.ones(2), torch.ones(2)
    made = [f(other), f(other)]
    w.grad = torch.ones(2) * 3.0
    return made, [f(g) for g in (w.grad, other, w.grad)], gradients([w]), other


@case
def gradient_by_a_tensor_that_is_frozen(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, 4)
    f = compile(lambda x: torch.autograd.grad((p * q * x).sum(), [p, q]))
    made = []
    for frozen in (False, True, False):
        p.requires_grad_(not frozen)
        made.append(fails(lambda: f(torch.ones(2))))
    return made


@refused("history", "no_grad", "detach")
def tensor_from_outside_changed_by_what_has_history(torch, compile):
    w, total = parameter(torch, 1, 2), torch.zeros(2)

    @compile
    def f(x):
        total.add_(w * x)

    f(torch.ones(2))
    total.sum().backward()
    return gradients([w])
