"""What is put over the library's methods, tables and functions between calls; attributes of computed names"""

from __future__ import annotations

from tests.semantics.programs import expressions

# What it takes; what f(x) computes; then what is changed, and put back.
_READS = {
    "method of tensors": (
        "old = torch.Tensor.tanh",
        "x.tanh()",
        "torch.Tensor.tanh = lambda self: self * 100.0",
        "torch.Tensor.tanh = old",
    ),
    "call of modules": (
        "old, net = nn.Module.__call__, nn.ReLU()",
        "net(x)",
        "nn.Module.__call__ = lambda self, x: old(self, x) * 5.0",
        "nn.Module.__call__ = old",
    ),
    "step of optimizers": (
        "old, p = optim.SGD.step, another.parameter(torch, 1)\no = optim.SGD([p], lr=1.0)",
        "(p.sum().backward(), o.step(), o.zero_grad(), p * x)[-1]",
        "optim.SGD.step = lambda self: None",
        "optim.SGD.step = old",
    ),
    "function by a computed name": (
        "old, name = torch.sigmoid, ['sigmoid']",
        "getattr(torch, name[0])(x)",
        "torch.sigmoid = lambda x: x * k\nk = 9.0",
        "torch.sigmoid = old",
    ),
    "function of math by a computed name": (
        "old, name = math.sqrt, ['sqrt']",
        "x * getattr(math, name[0])(4.0)",
        "math.sqrt = lambda x: 7.0",
        "math.sqrt = old",
    ),
    "table of modules": (
        "net = nn.Sequential(nn.ReLU(), nn.Tanh())\nold = net._modules",
        "net(x)",
        "net._modules = {'0': nn.Sigmoid()}",
        "net._modules['1'] = nn.Tanh()",
    ),
    "table of parameters": (
        "net = another.linear(torch, 1, 1)",
        "net(x)",
        "net._parameters = {'weight': nn.Parameter(torch.ones(1, 1) * 3.0), 'bias': None}",
        "net._parameters['weight'] = nn.Parameter(torch.ones(1, 1) * 8.0)",
    ),
    "digits of a text": (
        "import sys\nold = sys.get_int_max_str_digits()",
        "x * lengths(10 ** 4000)",
        "sys.set_int_max_str_digits(1000)",
        "sys.set_int_max_str_digits(old)",
    ),
    "attribute of a computed name": (
        "c, name = types.SimpleNamespace(a=2.0, b=3.0), ['a']",
        "x * getattr(c, name[0])",
        "c.a = 5.0",
        "name[0] = 'b'",
    ),
    "attribute of a computed name of one of two": (
        "c, d = types.SimpleNamespace(a=2.0), types.SimpleNamespace(a=3.0)\nname, which = ['a'], ['c']",
        "x * chosen(c if which[0] == 'c' else d, name[0])",
        "which[0] = 'd'",
        "d.a = 7.0",
    ),
    "attribute of a computed name two objects down": (
        "c, name = types.SimpleNamespace(d=types.SimpleNamespace(a=2.0)), ['a']",
        "x * getattr(c.d, name[0])",
        "c.d.a = 5.0",
        "c.d = types.SimpleNamespace(a=9.0)",
    ),
    "attribute of a computed name of a class": (
        "class C:\n    a = 2.0\nname = ['a']",
        "x * getattr(C, name[0])",
        "C.a = 5.0",
        "del C.a",
    ),
    "attribute that an expression gives": (
        "c, d, name = types.SimpleNamespace(a=2.0), None, ['a']",
        "x * getattr(c or d, name[0])",
        "c.a = 5.0",
        "d, c = c, None\nd.a = 6.0",
    ),
    "attribute whose absence is asked for": (
        "c, name = types.SimpleNamespace(), ['a']",
        "x * (2.0 if hasattr(c, name[0]) else 3.0)",
        "c.a = None",
        "del c.a",
    ),
    "layer of a computed name": (
        "net, n = nn.Module(), ['1']\nnet.l1, net.l2 = nn.ReLU(), nn.Tanh()",
        "getattr(net, f'l{n[0]}')(x)",
        "net.l1 = nn.Sigmoid()",
        "n[0] = '2'",
    ),
    "manager around a variable": (
        "import contextlib\nk = [2.0]\n@contextlib.contextmanager\ndef scaled():\n    yield k[0]",
        "another.entered(scaled(), x)",
        "k[0] = 5.0",
        "k.insert(0, 6.0)",
    ),
    "pattern": (
        "import re\np, n = re.compile('a+'), 2",
        "x * len(p.search('caab')[0]) * len(p.sub(lambda m: 'b' * n, 'ca'))",
        "p = re.compile('[a-c]+')",
        "p = re.compile('b')",
    ),
}
_TEXT = """
{setup}
def chosen(owner, name):
    return getattr(owner, name)
def lengths(n):
    try:
        return len(str(n)) + len(f"{n}") + len("%d" % n)
    except ValueError:
        return 1
def f(x):
    return {use}
f = compile(f)
x = torch.ones(1)
made = [another.detached(f, x) for _ in range(10)]
try:
    {change}
    made += [another.detached(f, x), another.detached(f, x)]
finally:
    {back}
return made, another.detached(f, x), another.detached(f, x)
"""


def _text(setup, change, back):
    text = _TEXT.replace("{setup}", setup)
    for name, lines in (("{change}", change), ("{back}", back)):
        text = text.replace(name, lines.replace("\n", "\n    "))
    return text


TABLE = [
    made
    for name, (setup, use, change, back) in _READS.items()
    for made in expressions("replaced", {name: use}, _text(setup, change, back), {})
]
