"""Reading and changing by ways that Python tells nobody of, or that name nothing; and what is set anew at each call"""

from __future__ import annotations

from unittest import mock

from tests.semantics.case import case
from tests.semantics.programs import expressions

# setup; what f reads; a statement that changes it.
_READS = {
    "next of a counter kept": ("tick = itertools.count(1).__next__", "x * tick()", ""),
    "length of a list kept": ("l = [1.0]\nsize = l.__len__", "x * size()", "l.append(1.0)"),
    "contains of a list kept": (
        "l = [1]\nhas = l.__contains__",
        "x * sum(filter(has, (1, 5)))",
        "l.append(5)",
    ),
    "module by import_module": (
        "import importlib\nanother.scale = 2.0",
        "x * importlib.import_module('tests.semantics.another').scale",
        "another.scale = 5.0",
    ),
    "derived from UserDict": (
        "class C(collections.UserDict):\n    pass\nc = C(a=2.0)",
        "x * c['a']",
        "c['a'] = 5.0",
    ),
    "derived from ChainMap": (
        "class C(collections.ChainMap):\n    pass\nc = C({}, {'a': 2.0})",
        "x * c['a']",
        "c.maps[1]['a'] = 5.0",
    ),
    "match args": (
        "class P:\n    __match_args__ = ('a',)\n    a, b = 2.0, 3.0\np = P()\n"
        "def g():\n    match p:\n        case P(v):\n            return v",
        "x * g()",
        "P.__match_args__ = ('b',)",
    ),
    "special method that was None": (
        "class C:\n    __iter__ = None\n    def __getitem__(self, i):\n        return [2.0][i]\nc = C()\n"
        "def g():\n    try:\n        return sum(c)\n    except TypeError:\n        return 7.0",
        "x * g()",
        "C.__iter__ = lambda self: iter([5.0])",
    ),
    "asdict by another name": (
        "to_dict = dataclasses.asdict\n@dataclasses.dataclass\nclass C:\n    k: float = 2.0\nc, key = C(), 'k'",
        "x * to_dict(c)[key]",
        "c.k = 5.0",
    ),
    "metadata of a field": (
        "m = {'k': 2.0}\nC = dataclasses.make_dataclass('C', [('a', int, dataclasses.field(metadata=m))])",
        "x * dataclasses.fields(C)[0].metadata['k']",
        "m['k'] = 5.0",
    ),
    "annotations of a function": (
        "def h(a: int):\n    pass",
        "x * len(h.__annotations__)",
        "h.__annotations__['b'] = int",
    ),
    "type hints": (
        "import typing\nC = type('C', (), {'__annotations__': {'a': int}})",
        "x * len(typing.get_type_hints(C))",
        "C.__annotations__['b'] = int",
    ),
    "defaults of a function that does not run": (
        "def h(a=2.0):\n    pass",
        "x * h.__defaults__[0]",
        "h.__defaults__ = (5.0,)",
    ),
    "closure of a function that does not run": (
        "def make(k):\n    return lambda: k\nh = make(2.0)",
        "x * h.__closure__[0].cell_contents",
        "h.__closure__[0].cell_contents = 5.0",
    ),
    "builtins of its own": (
        "b = {'half': 2.0}\nspace = {'__builtins__': b}\nexec('def h(): return half', space)\nh = space['h']",
        "x * h()",
        "b['half'] = 5.0",
    ),
    "C function that an object is called by": (
        "class C:\n    __call__ = staticmethod(__import__('itertools').count(1).__next__)\nc = C()",
        "x * c()",
        "",
    ),
    "method called by its name": (
        "c = types.SimpleNamespace(tick=itertools.count(1).__next__)",
        "x * operator.methodcaller('tick')(c)",
        "",
    ),
    "attribute that a text names": (
        "class C:\n    k = 2\nc = C()\nc.k = 2\ntexts = ['{0.k}']",
        "x * float(texts[0].format(c))",
        "c.k = 5",
    ),
    "name added to a class that is listed": (
        "class C:\n    a = 1",
        "x * len([n for n in vars(C) if not n.startswith('_')])",
        "C.b = 2",
    ),
    "name of an object's class": (
        "class C:\n    pass\nc = C()",
        "x * len(type(c).__name__)",
        "C.__name__ = 'longer'",
    ),
    "getattr of a module added": (
        "m = types.ModuleType('m')\n"
        "def g():\n    try:\n        return m.k\n    except AttributeError:\n        return 2.0",
        "x * g()",
        "m.__getattr__ = lambda name: 5.0",
    ),
    "name added to a module that is listed": (
        "m = types.ModuleType('m')\nm.op_a = 2.0",
        "x * sum(getattr(m, n) for n in dir(m) if n.startswith('op_'))",
        "m.op_b = 3.0",
    ),
    "step put over an optimizer's own": (
        "p = nn.Parameter(torch.ones(1))\no = optim.SGD([p], lr=0.5)\n"
        "def g():\n    p.sum().backward()\n    o.step()\n    return p",
        "x * g()",
        "o.step = lambda: None",
    ),
    "backward of a function of one's own": (
        "class G(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x * 1.0\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g * 2.0\np = nn.Parameter(torch.ones(1))",
        "torch.autograd.grad(G.apply(p * x).sum(), p)[0]",
        "G.backward = staticmethod(lambda ctx, g: g * 5.0)",
    ),
    "history of a tensor": (
        "c, p = torch.zeros(1), nn.Parameter(torch.ones(1))\ndef g(y):\n    return y.requires_grad",
        "[x, (c * x).requires_grad]",
        "c.add_(p)",
    ),
    "product with an object of the user's": (
        "class N:\n    k = 2.0\n    def __rmatmul__(self, other):\n        return other * self.k\nn = N()",
        "x @ n",
        "n.k = 5.0",
    ),
}
# setup; what f does; a statement that puts back what was, and an expression for what there is.
_WRITES = {
    "item by a method kept": ("l = [0]\nput = l.__setitem__", "put(0, 7)", "l[0] = 0", "l[0]"),
    "attribute by a computed name": (
        "class C:\n    k = 0\nc, n = C(), 'k'",
        "object.__setattr__(c, n, 7)",
        "c.k = 0",
        "c.k",
    ),
    "attribute by a computed name of a class that sets so": (
        "class C:\n    k = 0\n    def __setattr__(self, name, value):\n        super().__setattr__(name[1:], value)\n"
        "c = C()",
        "c.xk = 7",
        "vars(c).clear()",
        "c.k",
    ),
    "attribute deleted by a computed name": (
        "class C:\n    def __delattr__(self, name):\n        super().__delattr__(name[1:])\nc = C()\nvars(c)['k'] = 1",
        "del c.xk",
        "vars(c)['k'] = 1",
        "hasattr(c, 'k')",
    ),
    "variable of a function that does not run": (
        "def make(k):\n    return lambda: k\nh = make(0)",
        "h.__closure__[0].cell_contents = 7",
        "h.__closure__[0].cell_contents = 0",
        "h()",
    ),
    "folder made by a C function in a container": (
        "import contextlib, tempfile\np = os.path.join(tempfile.mkdtemp(), 'a')\nfns = [os.mkdir]\n"
        "def g():\n    with contextlib.ExitStack() as s:\n        s.callback(fns[0], p)",
        "g()",
        "os.rmdir(p) if os.path.isdir(p) else None",
        "os.path.isdir(p)",
    ),
    "attribute of an argument deleted": ("x.mark = 1", "del x.mark", "x.mark = 1", "hasattr(x, 'mark')"),
    "number of threads": (
        "n = torch.get_num_threads()",
        "torch.set_num_threads(2)",
        "torch.set_num_threads(n)",
        "torch.get_num_threads()",
    ),
    "precision of products": (
        "",
        "torch.set_float32_matmul_precision('high')",
        "torch.set_float32_matmul_precision('highest')",
        "torch.get_float32_matmul_precision()",
    ),
    "default dtype": (
        "",
        "torch.set_default_dtype(torch.float64)",
        "torch.set_default_dtype(torch.float32)",
        "torch.ones(1)",
    ),
    "setting": (
        "",
        "torch.use_deterministic_algorithms(True)",
        "torch.use_deterministic_algorithms(False)",
        "torch.are_deterministic_algorithms_enabled()",
    ),
    "gradient that was none": ("", "p.grad = None", "p.grad = torch.ones(1)", "p.grad"),
    "gradient deleted": ("", "del p.grad", "p.grad = torch.ones(1)", "p.grad"),
    "gradients that were none": ("o = optim.SGD([p])", "o.zero_grad()", "p.grad = torch.ones(1)", "p.grad"),
    "gradient set to another tensor": (
        "q = torch.ones(1) * 7",
        "p.grad = q",
        "p.grad = None",
        "[p.grad, p.grad is q]",
    ),
    "gradient set to one that was there": (
        "q = torch.ones(1) * 7\np.grad = q",
        "p.grad = q",
        "p.grad = torch.ones(1)",
        "p.grad",
    ),
    "gradients exchanged": (
        "q = nn.Parameter(torch.ones(1))\nq.grad = torch.ones(1) * 7",
        "p.grad, q.grad = q.grad, p.grad",
        "",
        "[p.grad, q.grad]",
    ),
}
_READ = """
seen = {2}
{setup}
f = compile(lambda x: {use})
made = [f(torch.ones(1)) for _ in range(3)]
{change}
return made, [f(torch.ones(1)) for _ in range(3)]
"""
_WRITTEN = """
x, p = torch.ones(1), nn.Parameter(torch.ones(1))
{setup}
@compile
def f(x):
    {use}
    return x * 2.0
made = []
for _ in range(4):
    f(x)
    made.append({shown})
    {change}
return made
"""


def _text(text, setup, change, shown=""):
    text = text.replace("{shown}", shown).replace("{setup}", setup)
    return text.replace("{change}", change or "pass")


READS = [
    made
    for name, (setup, use, change) in _READS.items()
    for made in expressions("indirect", {name: use}, _text(_READ, setup, change), {})
]
WRITES = [
    made
    for name, (setup, use, change, shown) in _WRITES.items()
    for made in expressions("indirect", {name: use}, _text(_WRITTEN, setup, change, shown), {})
]


@case
def number_that_an_argument_is_told_by(torch, compile):
    a, b = torch.ones(1), torch.ones(1)
    known = {id(a): 2.0}
    f = compile(lambda x: x * known.get(id(x), 1.0))
    return [f(a), f(a), f(a), f(b), f(b), f(a)]


@case
def number_that_a_list_is_told_by(torch, compile):
    a, b = [torch.ones(1)], [torch.ones(1)]
    known = {id(a): 2.0}
    f = compile(lambda x: x[0] * known.get(id(x), 1.0))
    return [f(a), f(a), f(a), f(b), f(b), f(a)]


@case
def hash_of_an_argument(torch, compile):
    a, b = torch.ones(1), torch.ones(1)
    known = hash(a)
    f = compile(lambda x: x * (2.0 if hash(x) == known else 1.0))
    return [f(a), f(a), f(a), f(b), f(b), f(a)]


@case
def attribute_of_a_result(torch, compile):
    @compile
    def f(x):
        y = x * 2.0
        y.mark = 5
        return y

    return [getattr(f(torch.ones(1)), "mark", None) for _ in range(4)]


@case
def gradients_cleared_that_come_from_elsewhere(torch, compile):
    frozen, weight = torch.nn.Parameter(torch.ones(1), requires_grad=False), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([frozen, weight], lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        loss = (weight * frozen * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    made = []
    for k in range(6):
        if k == 3:
            frozen.grad = torch.ones(1)
        made += [step(torch.ones(1)), frozen.detach().clone(), weight.detach().clone(), frozen.grad]
    return made


@case
def name_put_into_the_library(torch, compile):
    f = compile(lambda x: x * getattr(torch, "my_gain", 2.0))
    made = [f(torch.ones(1)) for _ in range(3)]
    torch.my_gain = 5.0
    made += [f(torch.ones(1)) for _ in range(2)]
    del torch.my_gain
    return made, f(torch.ones(1))


@case
def functions_that_layers_call_are_patched(torch, compile):
    functional, net = torch.nn.functional, torch.nn.ReLU()
    relu, f, g = functional.relu, compile(net), compile(lambda x: functional.relu(x))
    made = [[f(torch.ones(1)), g(torch.ones(1))] for _ in range(3)]
    with mock.patch.object(functional, "relu", wraps=relu) as patched:
        made += [[f(torch.ones(1)), g(torch.ones(1)), patched.call_count] for _ in range(3)]
    return made, f(torch.ones(1)), patched.call_count
