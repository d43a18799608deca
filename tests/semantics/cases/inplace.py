"""Effects on arguments and on what a function closes over: in-place operations, and gradients of arguments."""

from __future__ import annotations

import copy

import numpy as np

from tests.semantics.another import linear, parameter
from tests.semantics.case import case
from tests.semantics.programs import expressions

# What a function does to its argument x, of shape [2, 2], with a number k and another tensor y.
OPERATIONS = {
    "mul_": "x.mul_(k)",
    "add_": "x.add_(y, alpha=2)",
    "sub_": "x.sub_(k)",
    "div_": "x.div_(k)",
    "pow_": "x.pow_(2)",
    "sqrt_": "x.sqrt_()",
    "relu_": "x.sub_(2.0).relu_()",
    "neg_": "x.neg_()",
    "clamp_": "x.clamp_(max=2.5)",
    "zero_": "x.zero_()",
    "fill_": "x.fill_(k)",
    "copy_": "x.copy_(y * k)",
    "lerp_": "x.lerp_(y, 0.5)",
    "addcmul_": "x.addcmul_(x, y)",
    "addcdiv_": "x.addcdiv_(y, x)",
    "augmented addition": "x += k",
    "augmented multiplication": "x *= y",
    "item assigned": "x[0] = k",
    "element assigned": "x[1, 0] = y[0, 0] * k",
    "column assigned": "x[:, 1] = y[0]",
    "slice assigned": "x[0:1] = y[1:2] * k",
    "all assigned": "x[:] = y",
    "item multiplied": "x[0] *= k",
    "masked assignment": "x[x > 2.0] = k",
    "index assigned": "x[torch.tensor([1, 0])] = y",
    "twice": "x.mul_(k)\nx.add_(1.0)",
    "of a copy": "z = x.clone()\nz.mul_(k)\nx.add_(z)",
    "of a view": "x.view(4).mul_(k)",
    "of a row": "x[1].mul_(k)",
    "of a transposed view": "x.t()[0].add_(k)",
    "of a reshaped view": "x.reshape(-1)[0] = k",
    "of a detached tensor": "x.detach().mul_(k)",
    "of data": "x.data.mul_(k)",
    "data replaced": "x.data = y * k",
    "of each half": "for half in x.chunk(2):\n    half.mul_(k)",
    "out of its own value": "x.copy_(x @ x)",
    "swapped with another": "z = x.clone()\nx.copy_(y)\ny.copy_(z)",
    "undone": "x.mul_(k)\nx.div_(k)",
    "the other": "y.add_(x)",
    "only if small": "if k < 3.0:\n    x.mul_(k)",
}
INPLACE = """
def f(x, y, k):
    {use}
    return x.sum() + y.sum() * 10.0
f = compile(f)
x, y = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
made = []
for k in (2.0, 3.0, 4.0):
    made += [f(x, y, k), x.tolist(), y.tolist()]
    y.add_(1.0)
return made
"""
TABLE = [*expressions("inplace", OPERATIONS, INPLACE, {})]


@case
def same_tensor_for_both_arguments(torch, compile):
    @compile
    def f(x, y):
        x.mul_(2.0)
        y.add_(1.0)
        return x + y

    a, b = torch.ones(1), torch.ones(1) * 10.0
    return f(a, a), a.tolist(), f(a, b), a.tolist(), b.tolist(), f(b, b), b.tolist()


@case
def argument_that_is_also_in_the_closure(torch, compile):
    w = torch.ones(1)

    @compile
    def f(x):
        x.mul_(2.0)
        return w + x

    return f(torch.ones(1)), f(w), w.tolist(), f(w), w.tolist()


@case
def tensors_in_containers(torch, compile):
    @compile
    def f(xs, d):
        xs[0].mul_(2.0)
        d["b"].add_(xs[1])
        return sum(xs)

    a, b, c = torch.ones(1), torch.ones(1) * 5.0, torch.ones(1)
    return [(f([a, b], {"b": c}), a.tolist(), b.tolist(), c.tolist()) for _ in range(3)]


@case
def numpy_array_as_an_argument(torch, compile):
    @compile
    def f(x):
        x *= 2.0
        return torch.as_tensor(x).sum()

    a = np.ones(2, np.float32)
    return f(a), a.tolist(), f(a), a.tolist()


@case
def closure_tensor_in_place(torch, compile):
    total = torch.zeros(2)

    @compile
    def f(x):
        total.add_(x)
        return total * 2.0

    made = [f(torch.ones(2) * k) for k in range(3)]
    total.zero_()
    return made, f(torch.ones(2)), total


@case
def parameter_in_place_without_grad(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(x):
        with torch.no_grad():
            p.sub_(x * 0.1)
            p[0] = 5.0
        return (p * x).sum().detach()

    return [(f(torch.ones(2) * k), p.tolist()) for k in range(3)]


@case
def leaf_that_requires_grad_is_refused_by_pytorch_too(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: p.mul_(x))
    made = []
    for _ in range(2):
        try:
            made.append(f(torch.ones(2)))
        except RuntimeError:
            made.append("RuntimeError")
    return made, p.tolist()


@case
def gradient_of_an_argument(torch, compile):
    @compile
    def f(x):
        loss = (x * x).sum()
        loss.backward()
        return loss.detach()

    x, made = torch.tensor([1.0, 2.0], requires_grad=True), []
    for k in range(4):
        made.append((f(x), x.grad.tolist()))
        if k == 1:
            x.grad = None
        if k == 2:
            x.grad.mul_(10.0)
    y = torch.tensor([5.0], requires_grad=True)
    return made, f(y), y.grad, x.grad


@case
def gradient_of_an_argument_read_and_cleared(torch, compile):
    @compile
    def f(x):
        x.grad = None
        (x * x).sum().backward()
        g = x.grad * 3.0
        x.grad = None
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    made = [f(x), x.grad]
    x.data = torch.tensor([5.0, 6.0])
    return made, f(x), x.grad


@case
def gradient_step_on_an_argument(torch, compile):
    @compile
    def f(x):
        loss = ((x - 3.0) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
            x.grad.zero_()
        return loss.detach()

    x = torch.tensor([1.0, 5.0], requires_grad=True)
    return [(f(x), x.tolist(), x.grad.tolist()) for _ in range(3)]


@case
def gradients_of_arguments_that_take_turns(torch, compile):
    @compile
    def f(x, y):
        (x * y).sum().backward()

    a, b = torch.ones(2, requires_grad=True), torch.tensor([2.0, 3.0], requires_grad=True)
    f(a, b), f(b, a), f(a, a)
    return a.grad, b.grad


@case
def gradient_of_a_parameter_passed_as_an_argument(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def f(w, x):
        (w * x).sum().backward()

    made = []
    for k in range(3):
        f(p, torch.ones(2) * k)
        made.append(p.grad.tolist())
        if k == 1:
            optimizer.step()
            optimizer.zero_grad()
    return made, p


@case
def argument_detached_or_not(torch, compile):
    @compile
    def f(x, flag):
        (x.detach() * x if flag else x * x).sum().backward()
        return x.grad * 1.0

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return f(x, True), f(x, False), f(x, True)


@case
def argument_made_to_require_grad(torch, compile):
    @compile
    def f(x):
        x.requires_grad_(True)
        (x * x).sum().backward()

    x = torch.tensor([1.0, 2.0])
    f(x)
    return x.requires_grad, x.grad, f(x), x.grad


@case
def retained_gradient(torch, compile):
    @compile
    def f(x):
        h = x * 2.0
        h.retain_grad()
        (h * h).sum().backward()
        return h.grad

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return f(x), f(x), x.grad


# What a function does to its arguments, x a view of a tensor and y that or another view.
VIEWS = {
    "written": "x.mul_(2.0)",
    "written by rows": "x[0] = y[0]\nx[1:].add_(1.0)",
    "written, the other read": "x.add_(1.0)\ny = y * 2.0",
    "read, then the base written": "k = x.sum()\nbase.add_(k)\nx.mul_(2.0)",
    "base read, then written": "k = base.sum()\nx.sub_(k)\ny.add_(x.sum())",
    "written, then the base read": "x.mul_(3.0)\ny = y + base.sum()",
    "both written": "x.add_(1.0)\ny.mul_(2.0)",
}
VIEW = """
def f(x, y):
    {use}
    return x.sum() + y.sum() * 10.0
f = compile(f)
base = torch.arange(8.0)
made = []
pairs = (base[:2], torch.ones(2)), (base[2:4], base[3:5]), (base.view(4, 2)[1], base), (torch.ones(4)[:2], base[6:])
for x, y in pairs:
    made += [f(x, y), x.tolist(), y.tolist(), base.tolist()]
return made
"""
TABLE += expressions("views", VIEWS, VIEW, {})


@case
def views_of_an_argument_that_is_a_view_itself(torch, compile):
    def doubled(v, kept):
        kept.append(v[:1])
        parts = v.view(2, 1), v.chunk(2)[1], kept[-1] * 1.0
        v.mul_(2.0)
        return parts

    f = compile(doubled)
    x, kept = torch.ones(4), []
    made = [f(x[:2], kept), f(x[2:], kept), f(x[:2], kept)]
    return made, kept, x


@case
def data_swapped_with_that_of_another(torch, compile):
    p, q = (torch.nn.Parameter(torch.ones(1) * k) for k in (1.0, 2.0))
    weighed, made = compile(lambda x: (x * (p - 10.0 * q)).detach()), []

    def at_once():
        p.data, q.data = q.data, p.data

    def by_a_third():
        kept = p.data
        p.data = q.data
        q.data = kept

    for swap in (at_once, by_a_third, compile(at_once), compile(by_a_third)):
        for _ in range(3):
            swap()
            made.append((p.tolist(), q.tolist(), weighed(torch.ones(1))))
    return made


@case
def data_replaced_while_others_show_what_it_was(torch, compile):
    made = []
    for show in (
        lambda p: p.data,
        lambda p: p.detach(),
        lambda p: p.detach()[:1],
        lambda p: copy.copy(p),
        lambda p: p.detach().view(2, 1),
    ):
        for way in (lambda f: f, compile):
            p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
            f = way(lambda x, p=p: setattr(p, "data", p.data * x))
            f(3.0)
            shown = show(p)
            for k in (2.0, 5.0):
                f(k)
                made.append((p.tolist(), shown.tolist()))
    return made


@case
def data_of_what_a_parameter_was_made_of(torch, compile):
    x = torch.ones(2)
    p = torch.nn.Parameter(x)
    f = compile(lambda k: setattr(p, "data", p.data * k))
    made = []
    for k in (2.0, 3.0):
        f(k)
        made.append((p.tolist(), x.tolist()))
    return made


@case
def data_of_a_detached_tensor_replaced(torch, compile):
    p = torch.nn.Parameter(torch.ones(2))

    @compile
    def f(k):
        d = p.detach()
        before = p.data
        d.data = torch.ones(2) * k
        p.data = p.data + 1.0
        return d * 1.0, before * 1.0

    return [(f(k), p.tolist()) for k in (2.0, 3.0)]


@case
def weights_kept_by_their_data(torch, compile):
    net = linear(torch, 1, 1)
    f = compile(lambda x: net(x).detach())
    kept = {name: value.data for name, value in net.state_dict().items()}
    made = [f(torch.ones(1, 1))]
    for p in net.parameters():
        p.data = p.data + 1.0
    made += [f(torch.ones(1, 1)), {name: value.tolist() for name, value in kept.items()}]
    for name, p in net.named_parameters():
        p.data = kept[name]
    net.double()
    return made, f(torch.ones(1, 1).double()), {name: value.tolist() for name, value in kept.items()}
