"""Views that PyTorch copies as they lie otherwise in memory, and views that were made without recording"""

from __future__ import annotations

from tests.semantics.another import linear, parameter
from tests.semantics.case import case, fails
from tests.semantics.programs import expressions

SHAPES = {
    "contiguous": "x.contiguous()",
    "transposed, contiguous": "x.t().contiguous()",
    "permuted, contiguous, viewed": "x.permute(1, 0).contiguous().view(4)",
    "every other row, contiguous": "x[::2].contiguous()",
    "a row, contiguous": "x.t()[0].contiguous()",
    "of size one, contiguous": "x.unsqueeze(0).transpose(0, 1).contiguous()",
    "reshaped": "x.reshape(-1)",
    "transposed, reshaped": "x.t().reshape(-1)",
    "transposed twice, reshaped": "x.t().t().reshape(4)",
    "transposed, reshaped to its own shape": "x.t().reshape(2, 2)",
    "a column, reshaped": "x[:, 0].reshape(2, 1)",
    "two columns, reshaped": "x[:, :1].reshape(-1)",
    "a part, reshaped": "x.reshape(4)[1:3].reshape(2, 1)",
    "expanded, reshaped": "x.unsqueeze(1).expand(2, 2, 2).reshape(-1)",
    "of a chunk, reshaped": "x.chunk(2, 1)[1].reshape(-1)",
    "flattened": "x.flatten()",
    "transposed, flattened": "x.t().flatten()",
    "in part flattened": "x.t().unsqueeze(0).flatten(1)",
    "raveled": "x.ravel()",
    "transposed, raveled": "x.t().ravel()",
}
# The argument lies as it should, transposed, with gaps, as a part of another, and as it should again.
SHAPED = """
f = compile(lambda x: {use})
made = []
for x in (
    torch.arange(4.0).view(2, 2),
    torch.arange(4.0).view(2, 2).t(),
    torch.arange(8.0).view(2, 4)[:, ::2],
    torch.arange(8.0).view(4, 2)[1:3],
    torch.arange(4.0).view(2, 2),
):
    shown = f(x)
    before = x.clone()
    shown.add_(100.0)
    made += [shown is x, shown, x - before]
return made
"""
TABLE = expressions("copied or shown", SHAPES, SHAPED, {})


@case
def copies_changed_inside(torch, compile):
    @compile
    def f(x):
        copy = x.t().contiguous()
        copy.mul_(2.0)
        flat = x.reshape(-1)
        flat[0] = 9.0
        zeros = x.t().flatten()
        zeros.zero_()
        return x * 1.0, copy, flat, zeros

    made = []
    for x in (torch.arange(4.0).view(2, 2), torch.arange(4.0).view(2, 2).t(), torch.ones(2, 2)):
        made += [f(x), x.tolist(), f(x), x.tolist()]
    return made


@case
def layout_asked_for(torch, compile):
    f = compile(
        lambda x: (x.is_contiguous(), x.stride(), x.t().stride(), x[:, 0].stride(), x.t()[:1].is_contiguous())
    )
    return [f(x) for x in (torch.ones(2, 2), torch.ones(2, 2).t(), torch.ones(4, 2)[::2], torch.ones(2, 2))]


@case
def gradients_of_copies(torch, compile):
    w = torch.nn.Parameter(torch.arange(4.0).view(2, 2))
    f = compile(lambda x: (w.t().contiguous().view(4) * x + w.t().reshape(-1) ** 2).sum())
    made = []
    for k in range(3):
        w.grad = None
        f(torch.arange(4.0) * k).backward()
        made.append(w.grad)
    return made


@case
def views_made_without_recording(torch, compile):
    p = parameter(torch, 1, 2, 3, 4)
    f = compile(
        lambda: (p.view(2, 2), p[0], p[1:], p.detach()[0], p.data.view(4), p * 1.0, p.view(2, 2).reshape(4))
    )
    made = []
    for _ in range(2):
        made.append([(x, x.requires_grad, x.is_leaf) for x in f()])
        with torch.no_grad():
            made.append([(x, x.requires_grad, x.is_leaf) for x in f()])
    return made


@case
def view_made_without_recording_used(torch, compile):
    p = parameter(torch, 1, 2)
    with torch.no_grad():
        v = p.view(2, 1)
    f, made = compile(lambda v: (v * 3.0).sum()), []
    for given in (v, p.detach().view(2, 1), torch.ones(2, 1), p.view(2, 1), v):
        loss = f(given)
        made.append((loss, loss.requires_grad))
        if loss.requires_grad:
            loss.backward()
        made.append((v.grad, p.grad))
    return made


@case
def view_made_without_recording_changed(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(k):
        with torch.no_grad():
            v = p.view(2, 1)
            v.mul_(k)
        return v.requires_grad

    made = [(f(2.0), p.tolist()) for _ in range(3)]
    with torch.no_grad():
        v = p.view(2, 1)
    return made, fails(lambda: v.add_(1.0)), fails(compile(lambda: v.add_(1.0))), p


@case
def averages_by_views_of_weights(torch, compile):
    net = linear(torch, 2, 2)
    kept = [p.detach().clone() for p in net.parameters()]

    @compile
    def f(x):
        net.zero_grad()
        net(x).pow(2).sum().backward()
        with torch.no_grad():
            for mean, p in zip(kept, net.parameters(), strict=True):
                p.view(-1).sub_(p.grad.reshape(-1), alpha=0.1)
                mean.view(-1).mul_(0.9).add_(p.view(-1), alpha=0.1)
                p[:1].clamp_(-1.0, 1.0)

    return [(f(torch.ones(1, 2) * k), [t.tolist() for t in (*kept, *net.parameters())]) for k in range(3)]


@case
def two_arguments_of_one_storage(torch, compile):
    f = compile(lambda x, y: (x[:], y[:], x.view(2, 1), y * 1.0))
    made = []
    for _ in range(3):
        y = torch.ones(2)
        x = y.detach().requires_grad_()
        for pair in ((x, y), (y, x), (y, y), (x, x)):
            shown = f(*pair)
            y.add_(1.0)
            made.append([(t, t.requires_grad, t.is_leaf) for t in shown])
    return made


@case
def data_replaced_before_anybody_shows_it(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(k):
        p.data = p.data * k

    for k in (2.0, 3.0, 2.0):
        f(k)
    shown, made = p.data, []
    for k in (2.0, 3.0):
        f(k)
        made.append((p.tolist(), shown.tolist()))
    return made
