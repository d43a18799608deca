"""Tensors given as arguments that take turns: their gradients, what requires grad; leaves that are given back."""

from __future__ import annotations

from tests.semantics.case import case


def gradients(tensors):
    return [None if t.grad is None else t.grad.tolist() for t in tensors]


@case
def gradients_that_are_there_already(torch, compile):
    given = [torch.ones(1, requires_grad=True) for _ in range(3)]
    f = compile(lambda p, k: (p * k).sum().backward())
    made = []
    for turn, k in ((0, 1.0), (0, 2.0), (1, 3.0), (2, 5.0), (1, 1.0), (0, 1.0)):
        f(given[turn], k)
        made.append(gradients(given))
    given[0].grad = None
    for turn in (0, 1, 0):
        f(given[turn], 7.0)
        made.append(gradients(given))
    return made


@case
def gradients_read_and_set(torch, compile):
    given = [torch.nn.Parameter(torch.ones(1) * k) for k in (1.0, 2.0)]

    @compile
    def f(p, x):
        before = 0.0 if p.grad is None else p.grad * 1.0
        (p * x).sum().backward()
        p.grad = p.grad * 2.0
        return before + p.grad

    made = []
    for turn in (0, 0, 1, 0, 1, 1):
        made.append((f(given[turn], torch.ones(1)), gradients(given)))
    return made


@case
def gradient_that_is_another_argument(torch, compile):
    p = torch.nn.Parameter(torch.ones(2))

    def f(x):
        p.grad = x

    f, made = compile(f), []
    for k in range(3):
        x = torch.ones(2) * k
        f(x)
        made.append((p.grad is x, gradients([p])))
    return made


@case
def gradients_swapped(torch, compile):
    p, q = (torch.nn.Parameter(torch.ones(1) * k) for k in (1.0, 2.0))

    @compile
    def f(p, q):
        (p * q).sum().backward()
        p.grad, q.grad = q.grad, p.grad

    made = []
    for _ in range(4):
        f(p, q)
        made.append(gradients([p, q]))
    return made


@case
def requires_grad_turned_over(torch, compile):
    f = compile(lambda x: x.requires_grad_(not x.requires_grad).sum().detach())
    x, made = torch.ones(1), []
    for _ in range(3):
        f(x)
        made.append(x.requires_grad)
    y = torch.ones(1)
    f(y)
    return made, y.requires_grad


@case
def requires_grad_only_inside(torch, compile):
    @compile
    def f(x):
        x.requires_grad_()
        (x**2).sum().backward()
        x.requires_grad_(False)
        return x.grad * 1.0

    x, y = torch.ones(1), torch.ones(1) * 3.0
    return f(x), f(x), f(y), gradients([x, y]), x.requires_grad


@case
def argument_whose_history_ends_inside(torch, compile):
    w = torch.nn.Parameter(torch.ones(1))
    f = compile(lambda h: (h.detach_() * 2.0).sum())
    made = []
    for _ in range(3):
        h = w * 3.0
        f(h)
        made.append((h.requires_grad, h.is_leaf))
    return made


@case
def leaf_made_inside_and_given_back(torch, compile):
    made = []
    for f in (
        lambda x: (x * 2.0).detach().requires_grad_(),
        lambda x: torch.nn.Parameter(x * 2.0),
        lambda x: torch.ones(2, requires_grad=True),
    ):
        f = compile(f)
        for k in range(3):
            leaf = f(torch.ones(2) * k)
            (leaf**2).sum().backward()
            made.append((leaf, leaf.grad, type(leaf).__name__, leaf.is_leaf))
    return made


@case
def leaf_given_back_with_its_gradient(torch, compile):
    @compile
    def f(x):
        h = (x * 2.0).detach().requires_grad_()
        (h**2).sum().backward()
        return h, h.grad

    made = []
    for k in range(3):
        h, gradient = f(torch.ones(1) * k)
        (h * 3.0).sum().backward()
        made.append((gradient, h.grad))
    return made


@case
def gradients_deleted(torch, compile):
    p = torch.nn.Parameter(torch.ones(1))

    @compile
    def f(x):
        (p * x).sum().backward()
        found = p.grad * 1.0
        del p.grad
        return found

    made = [(f(torch.ones(1) * k), gradients([p])) for k in (1.0, 2.0)]
    (p * 3.0).sum().backward()
    return made, f(torch.ones(1)), gradients([p])


@case
def backward_inside_from_an_argument_changed_in_place(torch, compile):
    g, p = torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    @compile
    def f(a, k):
        (a * p).sum().backward(retain_graph=True)
        a.mul_(k)
        (a * p * 10.0).sum().backward()

    made = []
    for k in (1.0, 2.0, 3.0):
        given = g * 2.0 + 1.0
        f(given, k)
        made.append((gradients([g, p]), given.detach()))
    return made


@case
def leaf_frozen_before_backward(torch, compile):
    p = torch.nn.Parameter(torch.ones(2))
    f, made = compile(lambda x: (p * x).sum()), []
    for frozen in (False, True, False):
        loss = f(torch.ones(2))
        p.requires_grad_(not frozen)
        loss.backward()
        p.requires_grad_(True)
        made.append(gradients([p]))
    return made


@case
def gradient_that_does_not_pass_what_is_freed(torch, compile):
    g, p = torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    @compile
    def f(x):
        h = g * 2.0
        (h * x).sum().backward()
        (found,) = torch.autograd.grad((p * p * h).sum(), p)
        return found

    return f(torch.ones(2)), f(torch.ones(2) * 2.0), gradients([g, p])


@case
def storage_of_a_leaf_changed_by_what_has_history(torch, compile):
    g, p = torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    @compile
    def f(data):
        h = g * 2.0
        (p * h).sum().backward()
        data.sub_(h)

    made = []
    for _ in range(3):
        f(p.data)
        made.append((gradients([g, p]), p.tolist()))
    return made


@case
def detached_arguments_given_back(torch, compile):
    p = torch.nn.Parameter(torch.ones(1))

    @compile
    def f(x, d):
        found = x.detach()
        return found, found, d["x"].data, p.detach()

    made = []
    for k in range(3):
        x, y = torch.ones(1, requires_grad=True), torch.ones(1) * k
        a, b, c, d = f(x * k, {"x": y})
        made.append((a is b, a.tolist(), c.tolist(), d is f(x, {"x": y})[3], a.requires_grad))
        c.add_(5.0)
        d.add_(1.0)
        made.append((y.tolist(), p.tolist()))
    return made


@case
def detached_argument_that_outlives_it(torch, compile):
    g = torch.ones(2, requires_grad=True)

    @compile
    def f(a):
        shown = a.detach()
        shown.add_(1.0)
        return shown

    made = []
    for _ in range(3):
        shown = f(g * 2.0)
        shown.mul_(1.5)
        made.append(shown.tolist())
    return made


@case
def gradients_cleared_that_were_not_there_at_first(torch, compile):
    made = []
    for clear in (lambda o, p: o.zero_grad(), lambda o, p: setattr(p, "grad", None)):
        p = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([p], lr=0.1)

        @compile
        def f(x, p=p, optimizer=optimizer, clear=clear):
            clear(optimizer, p)
            return x * 2.0

        for k in range(6):
            f(torch.ones(1))
            made.append(gradients([p]))
            if k % 2:
                p.grad = torch.ones(1)
                made.append(gradients([p]))
    return made


@case
def gradient_that_is_set_to_what_it_was(torch, compile):
    p, kept = torch.nn.Parameter(torch.ones(1)), torch.ones(1) * 5.0

    @compile
    def f(x):
        p.grad = kept
        return x * 2.0

    made = []
    for k in range(6):
        f(torch.ones(1))
        made.append((gradients([p]), p.grad is kept))
        if k % 3 == 1:
            p.grad = None
    return made


@case
def backward_inside_from_an_argument_that_was_overwritten(torch, compile):
    g, p = torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    @compile
    def f(a, b, whole):
        if whole:
            a.copy_(b)
        else:
            a[0] = b[0]
        (a * a * p).sum().backward()

    made = []
    for whole in (True, False, True, False):
        f(g * 2.0, torch.ones(2) * 5.0, whole)
        made.append(gradients([g, p]))
    return made


@case
def detached_view_of_an_argument_that_changes(torch, compile):
    whole = torch.arange(6.0).view(3, 2)

    @compile
    def f(a):
        shown = a.detach()
        a[0] = 9.0
        return shown

    made = []
    for _ in range(3):
        shown = f(whole[:2])
        made.append(shown.tolist())
        whole.add_(1.0)
        made.append(shown.tolist())
    return made


@case
def detached_views_of_arguments_that_show_other_places(torch, compile):
    whole = torch.arange(6.0).view(3, 2)
    f, made = compile(lambda a: a.detach()), []
    for view in (whole.t()[:2, :2], whole[::2], whole[1:], whole[:2]):
        shown = f(view)
        whole.add_(1.0)
        shown.mul_(2.0)
        made.append((shown.tolist(), whole.tolist()))
    return made
