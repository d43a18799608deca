"""What Python's versions compile in ways of their own is read by a compiled function as it is uncompiled: each program
is called, changed and called again."""

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError

pytestmark = pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")

# A program, which defines f, and what is done between the calls, one after the other: `;;` between them. `folder` is an
# empty one, `c` an object with nothing in it.
PROGRAMS = {
    "comprehension of a global": ("k = 2.0\ndef f(x): return x * sum([k * i for i in range(3)])", "k = 5.0"),
    "comprehensions of attributes": (
        "c.k, c.items = 2.0, [1.0, 2.0]\n"
        "def f(x): return x * sum({i * c.k for i in c.items}) + len({i: c.k for i in c.items})",
        "c.k = 5.0;; c.items.append(9.0)",
    ),
    "comprehension in a comprehension": (
        "c.rows = [[1.0], [2.0, 3.0]]; k = 1.0\n"
        "def f(x):\n    i = 7.0\n    return x * sum([sum([i * k for i in row]) for row in c.rows]) + i",
        "k = 2.0;; c.rows[1][0] = 9.0",
    ),
    "comprehension whose variable hides a global": (
        "k = 2.0\ndef f(x):\n    r = [k for k in (1.0, 3.0)]\n    return x * r[-1] * g()\ndef g(): return k",
        "k = 5.0",
    ),
    "comprehension in a class": (
        "k = 2.0\ndef f(x):\n    class A:\n        z = k\n        v = [i * k for i in range(3)]\n"
        "    return x * sum(A.v) + A.z",
        "k = 5.0",
    ),
    "functions made in a comprehension": (
        "k = 2.0\ndef f(x): return sum([g(x) for g in [lambda y, i=i: y * i * k for i in range(3)]])",
        "k = 5.0",
    ),
    "assignment in a comprehension": (
        "c.k = 2.0\ndef f(x): return x * sum([(z := i * c.k) for i in range(3)]) + z",
        "c.k = 5.0",
    ),
    "two variables, one of them a function of C": (
        "import os\ndef f(x, fn=os.listdir, items=(folder,)): return x * sum(len(e) for e in map(fn, items))",
        "open(folder + '/a', 'w').close()",
    ),
    "two variables in turn": (
        "import os\ndef f(x, a=os.listdir, b=(folder,)):\n    b, a = a, b\n    return x * len([*map(b, a)][0])",
        "open(folder + '/a', 'w').close()",
    ),
    "key of max": (
        "import os\nos.mkdir(folder + '/a'), os.mkdir(folder + '/b'), os.mkdir(folder + '/a/1')\n"
        "def f(x, key=os.listdir, items=(folder + '/a', folder + '/b')):\n"
        "    return x * (2.0 if max(items, key=key).endswith('a') else 3.0)",
        "os.rmdir(folder + '/a/1'), os.mkdir(folder + '/b/1')",
    ),
    "__call__ of a function of C": (
        "import os\ndef f(x, fn=os.listdir, items=(folder,)): return x * len(fn.__call__(*items))",
        "open(folder + '/a', 'w').close()",
    ),
    "global that is called NULL": (
        "import os\nNULL = os.listdir\ndef f(x): return x * len([*map(NULL, [folder])][0])",
        "open(folder + '/a', 'w').close()",
    ),
    "function of C by keyword": (
        "import os\ndef f(x): return x * len(os.listdir(path=folder)) + len(os.listdir(**{'path': folder}))",
        "open(folder + '/a', 'w').close()",
    ),
    "getattr of what a constant finds": (
        "c.scale, table = 2.0, {'c': c}\n"
        "def f(x, name=chr(115) + 'cale', default=7.0): return x * getattr(table['c'], name, default)",
        "c.scale = 5.0;; del c.scale",
    ),
    "getattr in a class": (
        "c.scale, c.shift, name = 2.0, 3.0, 'scale'\n"
        "def f(x):\n    class A:\n        a = getattr(c, 'scale')\n        b = getattr(c, name)\n"
        "    return x * A.a + A.b",
        "c.scale = 4.0;; name = 'shift';; c.shift = 9.0",
    ),
    "super": (
        "class A:\n    scale = 2.0\n    def k(self): return self.n * 2\n    p = property(lambda self: self.n + 100.0)\n"
        "class B(A):\n    scale = 7.0\n    def k(self): return super().k() + super().scale + super().p\n"
        "    @classmethod\n    def made(cls): return super().scale + super(B, cls).scale\n"
        "b = B(); b.n = 1.0\ndef f(x): return x * b.k() + B.made()",
        "A.scale = 3.0;; b.n = 9.0;; A.p = 5.0;; A.k = lambda self: 1.0",
    ),
    "super by name": (
        "class A:\n    def __getattr__(self, name): return k\n"
        "class B(A):\n    def both(self): return super().__getattribute__('n') + super().__getattr__('z')\n"
        "k, b = 2.0, B(); b.n = 1.0\ndef f(x): return x * b.both()",
        "b.n = 9.0;; k = 5.0",
    ),
    "list that is added to by super": (
        "class L(list):\n    def add(self, *v):\n"
        "        super().append(v[0]), super().extend([*v]), super().__setitem__(0, 9.0)\n"
        "l = L()\ndef f(x):\n    l.add(1.0, 2.0)\n    return x * sum(l) + len(l)",
        "l[1:] = [3.0, 5.0]",
    ),
    "text with values": (
        "c.v, c.w = 3.14159, 5\ndef f(x): return x * float(t := f'{c.v:{c.w}.2f}') + len(t) + len(f'{c.v=}')",
        "c.v = 2.5;; c.w = 70",
    ),
    "pattern of a class": (
        "class P:\n    __match_args__ = ('a',)\np = P(); p.a, p.b = 2.0, 3.0\n"
        "def f(x):\n    match p:\n        case P(v) if v > 0: return x * v\n        case _: return -x",
        "p.a = 4.0;; P.__match_args__ = ('b',);; p.b = 9.0;; p.b = -1.0",
    ),
    "pattern of a dict": (
        "class Keys: KEY = 'k'\nd = {'k': 2.0, 'o': [1.0, 2.0]}\n"
        "def f(x):\n    match d:\n        case {Keys.KEY: v, 'o': [a, *rest]}: return x * v * a + len(rest)\n"
        "        case {'z': v, **other}: return x * v + len(other)\n        case _: return -x",
        "d['k'] = 3.0;; d['o'].append(1.0);; Keys.KEY = 'q';; d['z'] = 4.0",
    ),
    "group of exceptions": (
        "k = 2.0\ndef f(x):\n    try: raise ExceptionGroup('g', [ValueError('a' * int(k)), TypeError(k)])\n"
        "    except* ValueError as g: x = x * len(g.exceptions[0].args[0])\n"
        "    except* TypeError as g: x = x + g.exceptions[0].args[0]\n    return x",
        "k = 5.0",
    ),
    "generators": (
        "k = 2.0\ndef gen(n):\n    for i in range(n): yield i * k\ndef outer(n): yield from gen(n)\n"
        "def f(x): return x * sum(outer(3)) + sum(v for v in gen(2))",
        "k = 5.0",
    ),
    "generator that goes on": (
        "k = 2.0\ndef gen():\n    i = 0\n    while True:\n        yield i * k\n        i += 1\ng = gen()\n"
        "def f(x): return x * next(g)",
        "k = 5.0",
    ),
    "coroutine": (
        "k = 2.0\nclass M:\n    async def __aenter__(self): return k\n    async def __aexit__(self, *a): return False\n"
        "async def agen():\n    for i in range(3): yield i * k\n"
        "async def outer(x):\n    async with M() as a: return x * a + sum([v async for v in agen()])\n"
        "def f(x):\n    try: outer(x).send(None)\n    except StopIteration as e: return e.value",
        "k = 5.0",
    ),
    "locals": (
        "k = 2.0\ndef f(x):\n    z = k\n    d = locals()\n"
        "    return x * d['z'] + sum([locals().get('z', 9.0) for i in (1, 2)])",
        "k = 5.0",
    ),
    "locals of a frame": (
        "import sys\nk = 2.0\ndef peek(): return sys._getframe(1).f_locals['v']\n"
        "def f(x):\n    v = k * 2\n    return x * peek()",
        "k = 5.0",
    ),
    "defaults of a lambda": (
        "k, c.b = 2.0, [1.0]\ndef f(x): return (lambda y, a=k, *, b=c.b: y * a + b[0])(x)",
        "k = 5.0;; c.b[0] = 3.0",
    ),
    "arguments with stars": (
        "items, opts = [1.0, 2.0], {'b': 3.0}\ndef g(x, *a, b=1.0, **kw): return x * sum(a) * b + sum(kw.values())\n"
        "def f(x): return g(x, *items, *[4.0], **opts) + sum([*items, *opts.values()])",
        "items.append(9.0);; opts['b'] = 1.5;; opts['n'] = 1.0",
    ),
    "with": (
        "import contextlib\nc.k = 2.0\n@contextlib.contextmanager\ndef man(n): yield c.k * n\n"
        "class M:\n    def __enter__(self): return c.k\n    def __exit__(self, *a): return False\n"
        "def f(x):\n    with man(2) as a, M() as b: return x * a + b",
        "c.k = 5.0;; M.__enter__ = lambda self: 100.0",
    ),
    "what an object says for itself": (
        "class B:\n    v, n = True, 3\n    def __bool__(self): return self.v\n"
        "    def __lt__(self, o): return self.n < o\n"
        "    def __contains__(self, i): return i < self.n\n"
        "    def __getitem__(self, i): return i.stop if isinstance(i, slice) else self.n\nb = B()\n"
        "def f(x): return x * (1.0 if b else 2.0) + (10 if 3 in b else 20) + (100 if b < 3 else 200) + b[0] + b[1:b.n]",
        "b.v = False;; b.n = 4;; B.__bool__ = lambda self: True",
    ),
    "attributes by the dict of an object": (
        "class A: k = 7.0\na = A(); a.k = 2.0\ndef f(x): return x * a.k",
        "a.__dict__['k'] = 3.0;; a.__dict__ = {'k': 4.0};; vars(a).update(k=5.0);; del a.k;; A.k = 9.0",
    ),
    "more names than a byte counts": (
        "import sys, types\nsys.modules['program_of_names'] = m = types.ModuleType('program_of_names')\n"
        "m.k, c.zeta, c.rest = 2.0, 1.0, 4.0\nfor i in range(300): setattr(c, f'n{i}', 0.0)\n"
        "exec('def f(x):\\n' + ''.join(f'    v{i} = c.n{i} + {i}.5\\n' for i in range(300)) + '''"
        "    import program_of_names\n    from program_of_names import k\n"
        "    return x * program_of_names.k * k + getattr(c, 'zeta', 0.0) + float('{0.rest}'.format(c)) + c.n299''')",
        "m.k = 3.0;; c.zeta = 4.0;; c.n299 = 9.0;; c.rest = 7.0;; del c.zeta",
    ),
}
# Those that Python 3.11 cannot read.
PROGRAMS_312 = {
    "functions and classes of types": (
        "k = 2.0\nclass A[T]:\n    scale: T = 3.0\n    def g[U](self, v: U) -> T: return v * k * self.scale\n"
        "class B(A[float]):\n    def g(self, v): return super().g(v) + super().scale\n"
        "def f[S: (int, float)](x: S) -> S:\n    def inner[V](y: V) -> list[V]: return [y * k]\n"
        "    return inner(x)[0] + B().g(x)",
        "k = 5.0;; A.scale = 1.0",
    ),
    "alias of a type in a class": (
        "k = 2.0\ndef f(x):\n    class A:\n        type V = k\n    return x * A.V.__value__",
        "k = 5.0",
    ),
    "bound of a type in a class": (
        "k = 2.0\ndef f(x):\n    class A:\n        def g[T: k](self): pass\n"
        "    return x * A.g.__type_params__[0].__bound__",
        "k = 5.0",
    ),
    "text in a text": (
        "d = {'a': 2.5}\ndef f(x): return x * float(f'{d['a']:.{len(f'{'x' * 2}')}f}') + len(f'{[f'{k}' for k in d]}')",
        "d['a'] = 3.25;; d['bcd'] = 1.0",
    ),
}
PROGRAMS_313 = {
    "default of a type": (
        "k = 2.0\ndef f(x):\n    def g[T = k](v: T): pass\n    class A:\n        def h[Q = k](self): pass\n"
        "    return x * g.__type_params__[0].__default__ + A.h.__type_params__[0].__default__",
        "k = 5.0",
    ),
    "copy.replace": (
        "import copy, dataclasses\nk = 2.0\n@dataclasses.dataclass\nclass C:\n    a: float = 1.0\n    b: float = 2.0\n"
        "o = C()\ndef f(x):\n    d = copy.replace(o, a=k)\n    return x * d.a * d.b",
        "o.b = 5.0;; k = 4.0",
    ),
}
if sys.version_info >= (3, 12):
    PROGRAMS |= PROGRAMS_312
if sys.version_info >= (3, 13):
    PROGRAMS |= PROGRAMS_313


def values(program: str, changes: str, folder: Path, compiles: bool) -> list[list[float]]:
    """What two calls gave, before and after each of the changes."""
    folder.mkdir()
    space: dict[str, Any] = {"__name__": "program", "folder": str(folder), "c": type("C", (), {})()}
    exec(program, space)
    f = lenetc.compile(space["f"]) if compiles else space["f"]
    made = []
    for change in ("pass", *changes.split(";; ")):
        exec(change, space)
        made.append([float(f(lenetc.ones(1))) for _ in range(2)])
    return made


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_as_uncompiled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "program_of_names", None)  # gone afterwards
    wanted = values(*PROGRAMS[name], tmp_path / "uncompiled", False)
    assert all(before != after for before, after in itertools.pairwise(wanted))  # so that it can tell
    assert values(*PROGRAMS[name], tmp_path / "compiled", True) == wanted


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a grammar of Python 3.12")
@pytest.mark.filterwarnings("error::lenetc.RetraceWarning")
def test_variables_of_types_are_nothing_that_changes() -> None:
    space: dict[str, Any] = {}
    exec(
        "from typing import cast\ntype Number = float\nclass A[T]:\n    def g(self, v: T) -> T: return cast(T, v * 2)\n"
        "def f[T](x: T) -> T: return cast(T, A().g(x)) + cast(Number, 1.0)",
        space,
    )
    f = lenetc.compile(space["f"])
    assert [f(lenetc.ones(1)).item() for _ in range(2)] == [3.0, 3.0]
    assert "traced 1 times" in f.explain()


def swapped(a: Any) -> Any:
    a[0:1] = a[1:2]
    a[0], a[1] = a[1] + 1, a[0] + 0
    return a * sum(a.size for _ in range(2))


def by_name(a: Any) -> Any:
    """A tensor's words, at a line that runs often."""
    for _ in range(40):
        a = a * a.size(0) / a.float().size(0)
    return a.view(-1) + len([a.size(0) for _ in range(2)])


def test_an_array_is_told_what_asks_it() -> None:
    a, b = np.arange(4.0, dtype=np.float32).reshape(2, 2), np.arange(4.0, dtype=np.float32).reshape(2, 2)
    np.testing.assert_array_equal(lenetc.compile(swapped)(a).numpy(), swapped(b))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(lenetc.compile(by_name)(a).numpy(), a.reshape(-1) + 2, rtol=1e-5)


def test_an_array_is_told_what_asks_it_where_somebody_steps_through_the_code() -> None:
    def tracer(frame: Any, event: str, arg: Any) -> Any:
        frame.f_trace_opcodes = True
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        test_an_array_is_told_what_asks_it()
    finally:
        sys.settrace(before)


def test_the_class_of_an_array_is_asked_for_in_any_variable() -> None:
    from numpy import ndarray

    with pytest.raises(LenetcError, match="isinstance"):
        lenetc.compile(lambda a: a * (2 if type(a) is ndarray else 3))(np.ones(2, np.float32))
