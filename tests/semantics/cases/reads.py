"""Ways to read what may change: builtins, special methods, comprehensions, the interpreter's own tables, clocks."""

from __future__ import annotations

import time

from tests.semantics.case import case
from tests.semantics.programs import expressions

# What f(x) reads; then a statement that changes it. c is an object, items a list, table a dict, k a number.
_READ = {
    "map": ("x * sum(map(float, items))", "items.append(4)"),
    "map of a function that reads": ("x * sum(map(lambda v: v * k, [1.0, 2.0]))", "k = 5.0"),
    "filter": ("x * len(list(filter(lambda v: v > k, [1.0, 3.0, 7.0])))", "k = 5.0"),
    "sorted by a key": ("x * sorted(items, key=lambda v: v * c.sign)[0]", "c.sign = -1"),
    "zip": ("x * sum(a * b for a, b in zip(items, table.values()))", "table['a'] = 7.0"),
    "enumerate": ("sum(x * v * n for n, v in enumerate(items))", "items[2] = 9.0"),
    "any and all": ("x * (2.0 if any(items) else 3.0) + (1.0 if all(items) else 0.0)", "items[0] = 0"),
    "membership": ("x * (2.0 if 'z' in table else 3.0)", "table['z'] = None"),
    "membership in a list": ("x * (2.0 if 9.0 in items else 3.0)", "items.append(9.0)"),
    "length": ("x * len(table)", "table['z'] = 1.0"),
    "slice": ("x * sum(items[1:])", "items[-1] = 8.0"),
    "unpacking": ("x * (lambda a, *rest: a + len(rest))(*items)", "items.append(5.0)"),
    "unpacking a dict": ("x * (lambda **named: sum(named.values()))(**table)", "table['z'] = 9.0"),
    "star assignment": ("x * [*items, *table.values()][-1]", "table['b'] = 11.0"),
    "list comprehension": ("x * sum([v * k for v in items])", "k = 5.0"),
    "dict comprehension": ("x * {n: v * k for n, v in table.items()}['a']", "k = 5.0"),
    "nested comprehension": ("x * sum(a * b for a in items for b in items if a < k)", "k = 2.5"),
    "f-string": ("x * len(f'{k}{c.sign}')", "k = 12345.0"),
    "join": ("x * len(','.join(table))", "table['long name'] = 1.0"),
    "max of a list": ("x * max(items)", "items.append(50.0)"),
    "reduce": ("x * functools.reduce(operator.mul, items)", "items.append(2.0)"),
    "itemgetter": ("x * operator.itemgetter('a')(table)", "table['a'] = 9.0"),
    "methodcaller": ("x * operator.methodcaller('get', 'a')(table)", "table['a'] = 9.0"),
    "chain": ("x * sum(itertools.chain(items, [1.0]))", "items.append(9.0)"),
    "copy": ("x * sum(__import__('copy').copy(items))", "items.append(9.0)"),
    "json": ("x * sum(__import__('json').loads(text).values())", "text = '{\"a\": 5}'"),
    "literal_eval": ("x * __import__('ast').literal_eval(text)['a']", "text = '{\"a\": 5}'"),
    "regular expression": ("x * len(__import__('re').findall('[0-9]', text))", "text = '123'"),
    "eval of a name": ("x * eval('k', {'k': k})", "k = 5.0"),
    "NumPy of a list": ("x * float(np.mean(items))", "items.append(9.0)"),
    "array of a list as a tensor": ("x.sum() * torch.tensor(items)", "items[0] = 9.0"),
    "isinstance of a changing class": ("x * (2.0 if isinstance(c.value, int) else 3.0)", "c.value = 1.0"),
    "type": ("x * len(type(c.value).__name__)", "c.value = [1]"),
    "identity": ("x * (2.0 if c.value is None else 3.0)", "c.value = None"),
    "identity of two objects": ("x * (2.0 if c.value is items else 3.0)", "c.value = items"),
    "dir": ("x * len([n for n in dir(c) if n.startswith('z')])", "c.zz = 1"),
    "module table": ("x * __import__('sys').modules[another.__name__].scale", "another.scale = 9.0"),
    "import inside": (
        "x * __import__('importlib').import_module(another.__name__).scale",
        "another.scale = 9.0",
    ),
    "environment": ("x * float(os.getenv('SEMANTICS_K', '2'))", "os.environ['SEMANTICS_K'] = '5'"),
    "working directory": ("x * len(os.getcwd().split('/'))", "os.chdir('/usr/bin')"),
    "existence of a file": ("x * (2.0 if os.path.exists(path) else 3.0)", "open(path, 'w').close()"),
    "arguments of the process": ("x * len(__import__('sys').argv)", "__import__('sys').argv.append('more')"),
    "recursion limit": (
        "x * __import__('sys').getrecursionlimit()",
        "__import__('sys').setrecursionlimit(3000)",
    ),
    "weak reference": ("x * (2.0 if weak() is None else 3.0)", "held.clear()"),
    "mapping proxy": ("x * types.MappingProxyType(table)['a']", "table['a'] = 9.0"),
    "counter": ("x * collections.Counter(items)[1.0]", "items.append(1.0)"),
    "bisect": ("x * __import__('bisect').bisect(items, 2.5)", "items.insert(0, 0.5)"),
    "match": ("matched(x, c.value)", "c.value = [1, 2]"),
    "walrus": ("x * (n := c.value) + n", "c.value = 5"),
    "conditional chain": ("x * (1.0 if k < 1 else 2.0 if k < 3 else 3.0)", "k = 3.5"),
    "assertion": ("checked(x, k < 5.0)", "k = 9.0"),
    "number of a tensor's elements": ("x * c.weight.numel()", "c.weight = torch.ones(5)"),
    "shape of a closed-over tensor": ("x * c.weight.shape[0] + len(c.weight)", "c.weight = torch.ones(5)"),
    "dtype of a closed-over tensor": (
        "x * (2.0 if c.weight.dtype == torch.float32 else 3.0)",
        "c.weight = torch.ones(1).double()",
    ),
    "gradient of a closed-over tensor": (
        "x * (2.0 if c.weight.grad is None else c.weight.grad)",
        "c.weight.grad = torch.ones(1) * 7.0",
    ),
    "iteration over a closed-over tensor": (
        "sum(x * row for row in c.weight)",
        "c.weight = torch.ones(3) * 2.0",
    ),
}
_TEXT = """
class Config:
    pass
c, items, table, k, text = Config(), [1.0, 2.0, 3.0], {"a": 2.0, "b": 3.0}, 2.0, '{"a": 3}'
c.sign, c.value, c.weight = 1, 1, torch.ones(1, requires_grad=True)
path = os.path.join(__import__("tempfile").mkdtemp(), "file")
held = {Config(): 1}
weak = __import__("weakref").ref(next(iter(held)))
def matched(x, value):
    match value:
        case int():
            return x * 2.0
        case [a, b]:
            return x * (a + b)
def checked(x, good):
    try:
        assert good
    except AssertionError:
        return x * 9.0
    return x
def f(x):
    return {use}
f = compile(f)
def change():
    nonlocal k, text
    {change}
made = [f(torch.ones(1)), f(torch.ones(1))]
change()
return [y.detach() for y in (*made, f(torch.ones(1)), f(torch.ones(1)))]
"""

# Special methods of a user's class, each of which reads what may change.
SPECIAL = {
    "__call__": ("def __call__(self, x):\n    return x * k", "thing(x)"),
    "__len__": ("def __len__(self):\n    return int(k)", "x * len(thing)"),
    "__bool__": ("def __bool__(self):\n    return k > 3.0", "x * 2.0 if thing else x * 3.0"),
    "__iter__": ("def __iter__(self):\n    return iter([k, 1.0])", "x * sum(thing)"),
    "__getitem__": ("def __getitem__(self, n):\n    return k + n", "x * thing[1]"),
    "__contains__": ("def __contains__(self, v):\n    return v < k", "x * 2.0 if 4.0 in thing else x * 3.0"),
    "__eq__": ("def __eq__(self, other):\n    return other == k", "x * 2.0 if thing == 5.0 else x * 3.0"),
    "__lt__": ("def __lt__(self, other):\n    return k < other", "x * 2.0 if thing < 4.0 else x * 3.0"),
    "__float__": ("def __float__(self):\n    return k", "x * float(thing)"),
    "__index__": ("def __index__(self):\n    return int(k)", "x * range(10)[thing]"),
    "__str__": ("def __str__(self):\n    return 'a' * int(k)", "x * len(str(thing))"),
    "__format__": ("def __format__(self, spec):\n    return 'a' * int(k)", "x * len(f'{thing}')"),
    "__mul__": ("def __rmul__(self, other):\n    return other * k", "thing.__rmul__(x)"),
    "__add__": ("def __add__(self, other):\n    return other + k", "thing + x"),
    "__enter__": (
        "def __enter__(self):\n    return k\ndef __exit__(self, *error):\n    pass",
        "another.entered(thing, x)",
    ),
    "__getattribute__": ("def __getattribute__(self, name):\n    return k", "x * thing.anything"),
    "__missing__ of a dict": ("def __missing__(self, name):\n    return k", "x * thing['z']"),
    "descriptor": ("class D:\n    def __get__(self, owner, kind):\n        return k\nd = D()", "x * thing.d"),
    "metaclass": ("class M(type):\n    def __len__(cls):\n        return int(k)\n"
                  "class C(metaclass=M):\n    pass", "x * len(thing.C)"),
    "cached_property": ("@functools.cached_property\ndef v(self):\n    return k", "x * type(thing)().v + thing.v"),
}  # fmt: skip
_SPECIAL = """
k = 2.0
class Thing(dict):
    {method}
thing = Thing()
def f(x):
    return {use}
f = compile(f)
made = [f(torch.ones(1)), f(torch.ones(1))]
k = 5.0
return made, f(torch.ones(1)), f(torch.ones(1))
"""


def _cases():
    for name, (use, change) in _READ.items():
        yield from expressions("reads", {name: use}, _TEXT.replace("{change}", change), {})
    for name, (method, use) in SPECIAL.items():
        text = _SPECIAL.replace("    {method}", "\n".join(f"    {line}" for line in method.split("\n")))
        yield from expressions("special_methods", {name: use}, text, {})


TABLE = list(_cases())


@case
def clock(torch, compile):
    seen = []

    @compile
    def f(x):
        seen.append(time.perf_counter())
        return x * (1.0 if seen[-1] > seen[0] else 0.0)

    return [f(torch.ones(1)) for _ in range(4)], len(set(seen)), seen == sorted(seen)


@case
def identity_numbers(torch, compile):
    objects = [object() for _ in range(3)]
    f = compile(lambda x: x * (2.0 if id(objects[0]) in known else 3.0))
    known = {id(objects[1])}
    made = [f(torch.ones(1))]
    objects.pop(0)
    return made, f(torch.ones(1))


@case
def the_callers_local_variables(torch, compile):
    import sys

    def scale():
        return sys._getframe(1).f_code.co_argcount * k

    k = 2.0
    f = compile(lambda x: x * scale())
    made = [f(torch.ones(1))]
    k = 3.0
    return made, f(torch.ones(1))
