"""Numbers, texts, containers told apart by more than their values: by `is`, by their class, by what keeps them"""

from __future__ import annotations

from tests.semantics.programs import expressions

# What f(x, k) computes; then values for k, of which some are the objects that `setup` makes.
_SETUP = """
D, E = float("2.5"), float("2.5")
T, L, S, N = tuple([1, 2]), [1.0, 2.0], "".join("a b"), 10 ** 6
"""
_COMPARED = {
    "infinity": ("x if k is math.inf else x * k", "math.inf, 2.0, math.inf, 3.0"),
    "NaN": ("x if k is np.nan else x * k", "np.nan, 2.0"),
    "number of a variable": ("x * (2.0 if k is D else 3.0)", "D, E, D, 2.5, 4.0"),
    "number in a list": ("x * (2.0 if any(v is k for v in L) else 3.0)", "L[0], 7.0, float('1'), L[1]"),
    "number by operator.is_": ("x * (2.0 if operator.is_(k, D) else 3.0)", "D, E, 4.0"),
    "number by another name": ("x * (2.0 if operator.is_not(k, D) else 3.0)", "E, D, 4.0"),
    "integer": ("x * (2.0 if k is N else 3.0)", "N, int('1000000'), N"),
    "text": ("x * (2.0 if k is S else 3.0)", "S, ''.join('a b'), S"),
    "tuple": ("x * (2.0 if k is T else 3.0)", "T, tuple([1, 2]), T"),
    "tuple of numbers": ("x * (2.0 if k is P else 3.0)", "P, tuple([1.0, 2.0]), P"),
    "list": ("x * (2.0 if k is L else 3.0)", "L, [1.0, 2.0], L"),
    "dict": ("x * (2.0 if k is G else 3.0)", "G, {'a': 1}, G"),
    "two items of one list": ("x * (2.0 if k[0] is k[1] else 3.0)", "[D, D], [D, E], [E, E], [4.0, 5.0]"),
    "class of a number in a branch": ("looked(x, k) if on else x * k", "2.0, 3.0, turned(), 5.0, 6.0"),
    "items of a frozenset": ("x * len(type(sorted(k)[0]).__name__)", "*map(frozenset, ([1], [True], [1.0]))"),
    "parts of a slice": ("x * len(type(k.stop).__name__)", "slice(1), slice(True), slice(1.0), slice(1)"),
    "signs of a complex number": ("x * math.copysign(1.0, k.imag)", "complex(1, 0.0), complex(1, -0.0)"),
}
_COMPARING = """
{setup}
P, G, on = tuple([1.0, 2.0]), {"a": 1}, False
def looked(x, k):
    return x * k if type(k) is float else x * 100.0
def turned():
    nonlocal on
    on = True
    return 4.0
def f(x, k):
    return {use}
f = compile(f)
made = []
for k in ({values},):
    made.append(f(torch.ones(1), k))
return made
"""

# A variable that f(x) reads, and equal values that it is given between calls.
_READ = {
    "number read twice": ("x * (2.0 if D is E else 3.0)", "D, E = E, E", "D = float('2.5')"),
    "text read twice": ("x * (2.0 if S is R else 3.0)", "S = R = ''.join('a b')", "S = ''.join('a b')"),
    "tuple read twice": ("x * (2.0 if T is U else 3.0)", "T = U = tuple([1, 2])", "T = tuple([1, 2])"),
    "number in two lists": ("x * (2.0 if L[0] is M[0] else 3.0)", "M = [D]\nL[0] = D", "L[0] = E"),
    "frozenset of another type": (
        "x * len(type(sorted(T)[0]).__name__)", "T = frozenset([1])", "T = frozenset([True])",
    ),
    "complex zero": ("x * math.copysign(1.0, D.imag)", "D = complex(1, 0.0)", "D = complex(1, -0.0)"),
}  # fmt: skip
_READING = """
{setup}
M = R = U = None
def f(x):
    return {use}
f = compile(f)
{first}
made = [f(torch.ones(1)), f(torch.ones(1))]
{change}
return made, f(torch.ones(1)), f(torch.ones(1))
"""

# What f(x, k) does with a number; and an expression for what it has kept.
_KEPT = {
    "tuple": ("kept.append((len(kept), (k, [k])))", "kept"),
    "namedtuple": ("kept.append(collections.namedtuple('P', 'k')(k))", "[tuple(v) for v in kept]"),
    "frozen dataclass": ("kept.append(Frozen(k))", "[v.k for v in kept]"),
    "slot": ("kept.append(Slot())\nkept[-1].k = k", "[v.k for v in kept]"),
    "key": ("table[k] = table['x', k] = 1", "list(table)"),
    "set": ("kept.append({k, 7})\nkept.append(frozenset({k}))", "[sorted(v) for v in kept]"),
    "partial": ("kept.append(functools.partial(pow, k, 2))", "[v.args for v in kept]"),
    "exception": ("kept.append(ValueError(k))", "[v.args for v in kept]"),
    "variable": ("kept.append(lambda: k)", "[v() for v in kept]"),
}
_KEEPING = """
kept, table = [], {}
@dataclasses.dataclass(frozen=True)
class Frozen:
    k: float
class Slot:
    __slots__ = ("k", "unused")
def f(x, k):
    {use}
    return x * k
f = compile(f)
made = [f(torch.ones(1), k) for k in (1.5, 2.5, 2.5)]
return made, {kept}
"""

# What a function that is traced at every call asks of a number.
_COUNTING = """
n, log = 0, []
def f(x, k):
    nonlocal n
    n += 1
    {use}
    return x * k if type(k) is float else x * 100.0
f = compile(f)
return [f(torch.ones(1), 1.5 + i) for i in range(9)], log
"""
_COUNTED = {
    "its class": "log.append(type(k) is float)",
    "its kind by name": "log.append(k.__class__.__name__)",
}

# Code that comes after the first call.
_LATER = """
ops = [lambda x, k: x * k]
f = compile(lambda x, k: ops[0](x, k))
made = [f(torch.ones(1), 2.0), f(torch.ones(1), 3.0)]
ops[0] = {use}
return made, f(torch.ones(1), 4.0), f(torch.ones(1), 5.0), f(torch.ones(1), math.inf)
"""
_PUT_IN = {
    "class": "lambda x, k: x * k if type(k) is float else x * 100.0",
    "identity": "lambda x, k: x if k is math.inf else x * k",
}


def _cases():
    for name, (use, values) in _COMPARED.items():
        text = _COMPARING.replace("{setup}", _SETUP).replace("{values}", values)
        yield from expressions("same", {f"{name} given": use}, text, {})
    for name, (use, first, change) in _READ.items():
        text = _READING.replace("{setup}", _SETUP).replace("{first}", first).replace("{change}", change)
        yield from expressions("same", {name: use}, text, {})
    for name, (use, kept) in _KEPT.items():
        yield from expressions(
            "same", {f"number kept in a {name}": use}, _KEEPING.replace("{kept}", kept), {}
        )
    for name, use in _COUNTED.items():
        yield from expressions("same", {f"{name} asked at every call": use}, _COUNTING, {})
    for name, use in _PUT_IN.items():
        yield from expressions("same", {f"{name} asked by code put in later": use}, _LATER, {})


TABLE = list(_cases())
