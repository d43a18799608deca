"""Leaves that have their values from other tensors: copies, detached tensors, parameters of one storage"""

from __future__ import annotations

from tests.semantics.programs import expressions

# A leaf, and what is used beside it, which has the same values and perhaps the same storage.
LEAVES = {
    "detached and detached": "x.detach().requires_grad_(), x.detach()",
    "detached and itself": "x.detach().requires_grad_(), x",
    "detached and computed with": "x.detach().requires_grad_(), x * 1.0",
    "detached twice": "x.detach().requires_grad_(), x.detach().requires_grad_()",
    "copied and copied": "x.clone().requires_grad_(), x.clone()",
    "copied and itself": "x.clone().requires_grad_(), x",
    "copied twice": "x.clone().requires_grad_(), x.clone().requires_grad_()",
    "copied and detached": "x.clone().detach().requires_grad_(), x.clone().detach()",
    "detached and copied": "x.detach().clone().requires_grad_(), x.detach().clone()",
    "reshaped and copied": "x.reshape(2).clone().requires_grad_(), x.reshape(2).clone()",
    "a weight detached and itself": "w.detach().requires_grad_(), w",
    "a weight detached and detached": "w.detach().requires_grad_(), w.detach()",
    "data and data": "w.data.requires_grad_(), w.data",
    "a weight copied and itself": "w.detach().clone().requires_grad_(), w",
    "computed and detached": "(x * w).detach().requires_grad_(), (x * w).detach()",
    "computed, detached and itself": "(x * w).detach().requires_grad_(), x * w",
    "a view detached and a view": "x.view(2).detach().requires_grad_(), x.view(2)",
    "a slice detached and a slice": "x[:].detach().requires_grad_(), x[:]",
    "a variable": "torch.autograd.Variable(x, requires_grad=True), x",
    "a parameter and what it was made of": "nn.Parameter(x), x",
    "a parameter of a detached tensor": "nn.Parameter(x.detach()), x.detach()",
    "a parameter of a copy": "nn.Parameter(x.clone()), x",
    "a parameter of the data of a weight": "nn.Parameter(w.data), w",
    "two parameters of one tensor": "nn.Parameter(x), nn.Parameter(x)",
    "constants": "torch.ones(2).requires_grad_(), torch.ones(2).requires_grad_()",
    "filled by copy_": "torch.zeros(2).copy_(x).requires_grad_(), torch.zeros(2).copy_(x)",
    "joined": "torch.cat([x]).requires_grad_(), torch.cat([x])",
    "converted and back": "x.double().float().requires_grad_(), x.double().float()",
}
USED = """
w = nn.Parameter(torch.tensor([3.0, -1.0]))
def f(x):
    a, b = {use}
    ((a * 2.0 + 1.0) * (b * b + 3.0) * w).sum().backward()
    return a.grad, b.grad, a.requires_grad, b.requires_grad
f = compile(f)
made = []
for k in (1.0, 2.0):
    w.grad = None
    x = torch.tensor([1.0, 2.0]) * k
    made += [f(x), w.grad, x, x.requires_grad]
made += [f(x), f(x.clone()), w.grad]
return made
"""
TABLE = expressions("leaves", LEAVES, USED, {})
# Of what stands outside, w and b: each call gives another tensor, whose gradient is its own.
RETURNED = {
    "a detached weight": "w.detach().requires_grad_()",
    "a detached buffer": "b.detach().requires_grad_()",
    "a detached argument": "x.detach().requires_grad_()",
    "a parameter of a weight": "nn.Parameter(w)",
    "a parameter of a detached weight": "nn.Parameter(w.detach())",
    "a parameter of a buffer": "nn.Parameter(b)",
    "a parameter of an argument": "nn.Parameter(x)",
    "a tensor of a buffer": "torch.Tensor(b).requires_grad_()",
    "a copy of a buffer": "copy.copy(b)",
}
RETURNS = """
import copy
w, b, x = nn.Parameter(torch.tensor([3.0, -1.0])), torch.ones(2), torch.ones(2)
f = compile(lambda x: {use})
given = [f(x) for _ in range(3)]
made = [[a is b for a in given for b in given], [v.requires_grad for v in given]]
for k, v in enumerate(given):
    if v.requires_grad:
        (v * v * k).sum().backward()
return made, given, [v.grad for v in given], w.grad, b.requires_grad
"""
RETURNED_LEAVES = expressions("leaves returned", RETURNED, RETURNS, {})
