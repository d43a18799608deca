"""Objects that are made anew, perhaps where another was; and special methods that only the function itself may run."""

from __future__ import annotations

import types

from tests.semantics.case import case, fails
from tests.semantics.programs import expressions

# What stands in k is replaced by a new one before every call, and the old one dies: its address may be used again.
ANEW = {
    "objects": ("types.SimpleNamespace(n=n)", "x * k.n"),
    "lists": ("[n]", "x * k[0]"),
    "dicts": ("{'n': n}", "x * k['n']"),
    "tuples": ("(n, n + 1.0)", "x * k[0]"),
    "floats": ("n + 0.5", "x * k"),
    "strings": ("'a' * int(n)", "x * len(k)"),
    "lambdas": ("(lambda v: lambda x: x * v)(n)", "k(x)"),
    "partials": ("functools.partial(another.times, n)", "k(x)"),
    "arrays": ("np.array([n], np.float32)", "x * torch.as_tensor(k)"),
    "tensors": ("torch.tensor([n])", "x * k"),
    "Parameters": ("nn.Parameter(torch.tensor([n]))", "(x * k).detach()"),
    "modules": ("another.linear(torch, 1, 1, start=n)", "k(x).detach()"),
    "lists of modules": ("[another.linear(torch, 1, 1, start=n)]", "k[0](x).detach()"),
    "classes": ("type('Made', (), {'n': n})", "x * k.n"),
    "bound methods": ("another.Scaler(n).apply", "k(x)"),
    "iterators": ("iter([n, n])", "x * next(k)"),
}
TEXT = """
import gc
k = None
def f(x):
    return {use}
f = compile(f)
made = []
for n in (1.0, 2.0, 3.0, 2.0, 5.0):
    k = None
    gc.collect()
    k = {make}
    made.append(f(torch.ones(1)))
return made
"""
ARGUMENTS = TEXT.replace("def f(x)", "def f(x, k)").replace("f(torch.ones(1))", "f(torch.ones(1), k)")
TABLE = [
    made
    for where, text in (("made_anew", TEXT), ("arguments_made_anew", ARGUMENTS))
    for name, (make, use) in ANEW.items()
    for made in expressions(where, {name: use}, text.replace("{make}", make), {})
]


@case
def functions_compiled_anew(torch, compile):
    made = []
    for n in range(5):
        f = compile(lambda x, n=n: x * n)
        made.append(f(torch.ones(1)))
        del f
    return made


@case
def property_read_once_a_call(torch, compile):
    class Config:
        reads = 0

        @property
        def scale(self):
            self.reads += 1
            return 2.0

    c, f = Config(), None
    f = compile(lambda x: x * c.scale)
    return [(f(torch.ones(1)), c.reads) for _ in range(4)]


@case
def getattr_run_once_a_call(torch, compile):
    asked = []

    class Config:
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            asked.append(name)
            return 2.0

    c = Config()
    f = compile(lambda x: x * c.scale)
    return [f(torch.ones(1)) for _ in range(4)], asked


@case
def getitem_run_once_a_call(torch, compile):
    asked = []

    class Table(dict):
        def __getitem__(self, key):
            asked.append(key)
            return super().__getitem__(key)

    table = Table(scale=2.0)
    f = compile(lambda x: x * table["scale"])
    made = [f(torch.ones(1)) for _ in range(3)]
    table["scale"] = 3.0
    return made, f(torch.ones(1)), asked


@case
def equality_and_hash_not_asked(torch, compile):
    asked = []

    class Value:
        n = 2.0

        def __eq__(self, other):
            asked.append("eq")
            return True

        def __hash__(self):
            asked.append("hash")
            return 1

        def __bool__(self):
            asked.append("bool")
            return True

        def __len__(self):
            asked.append("len")
            return 1

    value = Value()
    f = compile(lambda x: x * value.n)
    g = compile(lambda x, v: x * v.n)
    made = [f(torch.ones(1)), f(torch.ones(1)), g(torch.ones(1), value)]
    value = Value()
    value.n = 3.0
    return made, f(torch.ones(1)), g(torch.ones(1), value), asked


@case
def iterator_of_the_users_own_not_drawn_from(torch, compile):
    class Numbers:
        drawn = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.drawn += 1
            return self.drawn

    numbers = Numbers()
    f = compile(lambda x: x * next(numbers))
    g = compile(lambda x, it: x * 2.0)
    made = [f(torch.ones(1)), f(torch.ones(1)), g(torch.ones(1), numbers)]
    return made, f(torch.ones(1)), numbers.drawn


@case
def name_deleted(torch, compile):
    module = types.ModuleType("semantics_deleted")
    exec("k = 2.0\ndef f(x):\n    return x * k", vars(module))
    f = compile(module.f)
    made = [f(torch.ones(1))]
    del module.k
    made.append(fails(lambda: f(torch.ones(1))))
    module.k = 3.0
    return made, f(torch.ones(1))


@case
def name_defined_later(torch, compile):
    module = types.ModuleType("semantics_later")
    exec("def f(x):\n    return x * k + abs(2.0)", vars(module))
    f = compile(module.f)
    made = [fails(lambda: f(torch.ones(1)))]
    module.k = 3.0
    made.append(f(torch.ones(1)))
    module.abs = lambda v: 100.0  # a global now stands before the builtin
    return made, f(torch.ones(1))


@case
def attribute_shadowed_by_an_instance(torch, compile):
    class Config:
        scale = 2.0

        def apply(self, x):
            return x * self.scale

    c = Config()
    f = compile(lambda x: c.apply(x))
    made = [f(torch.ones(1))]
    c.scale = 3.0
    made.append(f(torch.ones(1)))
    c.apply = lambda x: x * 100.0
    made.append(f(torch.ones(1)))
    del c.apply, c.scale
    Config.scale = property(lambda self: 7.0)
    return made, f(torch.ones(1))


@case
def library_function_patched(torch, compile):
    F = torch.nn.functional
    before = F.softplus
    f = compile(lambda x: F.softplus(x))
    made = [f(torch.ones(1))]
    F.softplus = lambda x: x * 100.0
    try:
        made.append(f(torch.ones(1)))
    finally:
        F.softplus = before
    return made, f(torch.ones(1))


@case
def method_of_a_library_class_patched(torch, compile):
    before = torch.nn.Tanh.forward
    net = torch.nn.Sequential(torch.nn.Tanh())
    f = compile(lambda x: net(x))
    made = [f(torch.ones(1))]
    torch.nn.Tanh.forward = lambda self, x: x * 100.0
    try:
        made.append(f(torch.ones(1)))
    finally:
        torch.nn.Tanh.forward = before
    return made, f(torch.ones(1))


@case
def class_of_no_module(torch, compile):
    space = {}
    exec("def made(base, k): return type('Made', (base,), {'k': k})", {}, space)

    class Model:
        k = 1.0

    model, made = Model(), []
    f = compile(lambda x: x * model.k)
    for k in (2.0, 3.0):
        made.append(f(torch.ones(1)))
        model.__class__ = space["made"](Model, k)
        made.append(f(torch.ones(1)))
    return made
