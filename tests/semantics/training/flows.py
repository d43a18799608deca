"""What gradients meet on their way: hooks, `inputs=`, gradients given for outputs, gradients of gradients, views."""

from __future__ import annotations

from tests.semantics.programs import expressions

# Statements on a parameter p, a leaf v and a constant c; what is told of gradients is put into `seen`.
FLOWS = {
    "a given gradient has one of its own": (
        "g, = torch.autograd.grad(p ** 2, [p], grad_outputs=v, create_graph=True)\n(g * c).sum().backward()"
    ),
    "a given gradient that is computed": (
        "g, = torch.autograd.grad(p ** 3, [p], v * 2.0, create_graph=True)\n(g * g).sum().backward()"
    ),
    "a given gradient of backward": (
        "p.backward(v, create_graph=True)\ng, p.grad = p.grad, None\n"
        "seen.append(g.requires_grad)\n(g * c).sum().backward()"
    ),
    "more is added to a gradient with history": (
        "(p * v).sum().backward(create_graph=True)\n(p ** 2).sum().backward(create_graph=True)\n"
        "g, p.grad, v.grad = p.grad, None, None\n(g * g).sum().backward()"
    ),
    "a gradient that depends on nothing": (
        "g, = torch.autograd.grad((p * c).sum(), [p], create_graph=True)\nseen.append(g.requires_grad)"
    ),
    "a gradient of what depends on itself": (
        "g, = torch.autograd.grad((p * p).sum(), [p], create_graph=True)\nseen.append(g.requires_grad)"
    ),
    "a hook is given history": (
        "h = p.register_hook(seen.append)\n(p ** 3).sum().backward(create_graph=True)\nh.remove()\n"
        "p.grad = None\nseen.pop().pow(2).sum().backward()"
    ),
    "a hook without history": (
        "h = p.register_hook(lambda g: seen.append(g.requires_grad))\n(p ** 3).sum().backward()\nh.remove()"
    ),
    "a hook computes with history": (
        "y = p ** 2\ny.register_hook(lambda g: g * p)\n(y * v).sum().backward(create_graph=True)\n"
        "g, p.grad, v.grad = p.grad, None, None\n(g * g).sum().backward()"
    ),
    "a hook is met again by gradients of gradients": (
        "y = p ** 2\ny.register_hook(lambda g: g * 3.0)\n(y * p).sum().backward(create_graph=True)\n"
        "g, p.grad = p.grad, None\n(g * g).sum().backward()"
    ),
    "a leaf read before and after a change": (
        "y = p * 3.0\nwith torch.no_grad():\n    p.add_(0.0)\nz = p * c\n"
        "h = p.register_hook(lambda g: seen.append(g) or g + 1.0)\n(y + z).sum().backward()\nh.remove()"
    ),
    "inputs read before and after a change": (
        "y = p * 3.0\nwith torch.no_grad():\n    p.add_(1.0)\nz = p * c\n(y + z).sum().backward(inputs=[p])"
    ),
    "grad of what is read before and after a change": (
        "h = p.register_hook(lambda g: g + 1.0)\ny = p * 3.0\nwith torch.no_grad():\n    p.add_(1.0)\nz = p * c\n"
        "seen.append(torch.autograd.grad((y + z).sum(), [p])[0])\nh.remove()"
    ),
    "inputs that are no leaves": (
        "y = p * 2.0\n(y * y).sum().backward(inputs=[y])\nseen.extend([y.grad, y.retains_grad])"
    ),
    "kept of what is changed in place afterwards": (
        "y = p * 2.0\ny.retain_grad()\ny.mul_(3.0)\n(y * y).sum().backward()\nseen.extend([y.grad, y.retains_grad])"
    ),
    "kept of a view that is changed through its base": (
        "b = p * 2.0\ny = b[:1]\ny.retain_grad()\nb.mul_(3.0)\n(y * y).sum().backward()\n"
        "seen.extend([y.grad, y.retains_grad])"
    ),
    "copied with what it has": (
        "import copy\n(p * p * v).sum().backward()\nseen.extend([copy.deepcopy(v).grad, copy.deepcopy(p).grad])"
    ),
    "retain_grad of a constant": (
        "try:\n    c.retain_grad()\nexcept RuntimeError:\n    seen.append('raised')"
    ),
    "a hook that gives what it may not": (
        "q = p.detach().clone().requires_grad_()\nq.register_post_accumulate_grad_hook(lambda u: u.grad)\n"
        "try:\n    (q * c).sum().backward()\nexcept RuntimeError:\n    seen.append('raised')"
    ),
    "a view whose base stops to require gradients": (
        "q = c.clone().requires_grad_()\ny = q[:1]\nq.requires_grad_(False)\nq.mul_(2.0)\n"
        "seen.extend([y.requires_grad, y * 1.0])"
    ),
    "a view whose base begins to require gradients": (
        "q = c.clone()\ny = q[:1]\nq.requires_grad_()\nseen.extend([y.requires_grad, (y * 1.0).requires_grad])"
    ),
}
FLOWING = """
p, v = nn.Parameter(torch.tensor([1.0, 2.0])), torch.tensor([0.5, 1.5], requires_grad=True)
def f(c):
    seen = []
    {use}
    return [p.grad, v.grad, *seen]
f = compile(f)
made = []
for k in (1.0, 2.0):
    p.grad = v.grad = None
    made += [f(torch.tensor([3.0, -1.0]) * k), p.grad, v.grad]
return made
"""
# The same, with values that are looked at in between.
LOOKED = """
def f(p, c):
    return p * c
f = compile(f)
p, seen, made = nn.Parameter(torch.tensor([1.0, 2.0])), [], []
with torch.no_grad():
    p.mul_(2.0)
y, c = f(p, torch.tensor([3.0, -1.0])), torch.ones(2)
p.tolist()
z = p * p
{use}
made += [p.grad, *seen]
return made
"""
LOOKS = {
    "a hook is called once": (
        "p.register_hook(lambda g: seen.append(g) or g + 1.0)\n(y + z).sum().backward()"
    ),
    "a hook is called once with what was added": (
        "p.register_post_accumulate_grad_hook(lambda u: seen.append(u.grad * 1.0))\n(y + z).sum().backward()"
    ),
    "inputs": "(y + z).sum().backward(inputs=[p])",
    "grad": "p.register_hook(lambda g: g + 1.0)\nseen.append(torch.autograd.grad((y + z).sum(), [p])[0])",
}
# Two results, one a view of the other, which was changed through a third.
SHOWN = """
p, q = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.full((2, 2), 3.0))
def f(k):
    y = q.detach().clone()
    z = {use}
    z[0].add_(p[1] * k)
    return y, z
f = compile(f)
made = []
for k in (1.0, 2.0):
    p.grad = None
    y, z = f(k)
    made += [y.requires_grad, z.requires_grad]
    (z * 2.0).sum().backward()
    made += [y, z, p.grad]
return made
"""
SHOWS = {"with an axis more": "y.unsqueeze(0)", "turned": "y.t()", "in another shape": "y.view(2, 2)"}
# Parts of what gradients reach stand outside: a parameter with hooks, and what was computed from it.
PARTLY = {
    "met twice": "p.register_hook(lambda g: g + 1.0)\nf(p * 2.0)",
    "told twice": "p.register_post_accumulate_grad_hook(lambda u: seen.append(u.grad * 1.0))\nf(p * 2.0)",
    "registered afterwards": "g = compile(lambda x: (f(x), p.register_hook(lambda g: g * 3.0))[0])\ng(p * 2.0)",
}
OUTSIDE = """
p, seen = nn.Parameter(torch.tensor([1.0, 2.0])), []
f = compile(lambda x: (x * p).sum().backward())
{use}
return p.grad, seen
"""
# An optimizer steps before backward, and an argument shows the storage of what it changes.
STEPPED = """
p = nn.Parameter(torch.tensor([1.0, 2.0]))
x = {use}
o = optim.SGD([p], lr=0.1)
def f(x):
    o.step()
    (p ** 2 * x).sum().backward()
    return x * 1.0
f = compile(f)
return [f(x) for _ in range(3)], p.grad, p, x
"""
STEPS = {
    "detached": "p.detach()",
    "data": "p.data",
    "a copy": "p.detach().clone()",
    "a view": "p.detach()[:]",
}
# Hooks of an argument that come and go between calls.
ARGUMENTS = {
    "its gradient": "x.register_hook(lambda g: g * 2.0)",
    "told": "x.register_hook(seen.append)",
    "its .grad": "x.register_post_accumulate_grad_hook(lambda u: seen.append(u.grad * 1.0))",
}
CALLED = """
w, x, seen, made = nn.Parameter(torch.tensor([3.0, 4.0])), torch.tensor([1.0, 2.0], requires_grad=True), [], []
f = compile(lambda x: (x * x * w).sum().backward())
for k in range(6):
    if k == 2:
        handle = {use}
    if k == 4:
        handle.remove()
    x.grad = None
    f(x)
    made.append(x.grad)
return made, seen
"""
TABLE = [
    *expressions("flows into arguments", ARGUMENTS, CALLED, {}),
    *expressions("flows after a step", STEPS, STEPPED, {}),
    *expressions("flows partly outside", PARTLY, OUTSIDE, dict.fromkeys(PARTLY, ("backward", "outside"))),
    *expressions("flows", FLOWS, FLOWING, {}),
    *expressions("flows when looked at", LOOKS, LOOKED, {}),
    *expressions("flows into views", SHOWS, SHOWN, {}),
]
