"""Objects as arguments: arrays, containers, configurations, iterators, functions, networks, optimizers."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.semantics.another import linear, parameter, three
from tests.semantics.case import case, refused


@case
def numpy_arrays(torch, compile):
    f = compile(lambda x: torch.as_tensor(x) * 2.0)
    return [f(np.array(a, np.float32)) for a in ([1.0, 2.0], [3.0, 4.0], [5.0])]


@refused("numpy")
def numpy_array_looked_at(torch, compile):
    f = compile(lambda x, a: x * float(np.sum(a)) + len(a))
    x, a = torch.ones(1), np.array([1.0, 2.0])
    made = [f(x, a)]
    a[0] = 5.0
    return made, f(x, a), f(x, np.array([3.0])), f(x, np.array([1, 2]))


@case
def list_of_numbers_changed(torch, compile):
    f = compile(lambda x, ks: x * ks[0] + len(ks))
    x, ks = torch.ones(1), [1.0, 2]
    made = [f(x, ks)]
    for change in (
        lambda: ks.append(3),
        lambda: ks.__setitem__(0, 5),
        lambda: ks.__setitem__(0, 5.0),
        lambda: ks.pop(),
    ):
        change()
        made.append(f(x, ks))
    return made


@dataclasses.dataclass
class Config:
    scale: float = 2.0
    sizes: list = dataclasses.field(default_factory=lambda: [1.0])
    name: str = "relu"
    weight: Any = None
    then: Callable | None = None


@case
def config_changed(torch, compile):
    f = compile(
        lambda x, c: (
            getattr(torch, c.name)(x) * c.scale * sum(c.sizes) + (0.0 if c.then is None else c.then(x))
        )
    )
    x, c = torch.ones(1) * 0.5, Config()
    made = [f(x, c)]
    for name, value in (
        ("scale", 3.0),
        ("scale", 4),
        ("sizes", [2.0, 3.0]),
        ("name", "tanh"),
        ("then", torch.sigmoid),
    ):
        setattr(c, name, value)
        made.append(f(x, c))
    c.sizes.append(4.0)
    return made, f(x, c), f(x, Config()), f(x, Config(scale=7.0))


@case
def dataclass_that_holds_tensors(torch, compile):
    f = compile(lambda c: c.weight * c.scale)
    made = [f(Config(k + 1.0, weight=torch.ones(1) * k)) for k in range(3)]
    c = Config(weight=torch.ones(1))
    made.append(f(c))
    c.weight.mul_(7.0)
    made.append(f(c))
    c.weight = torch.ones(2)
    return made, f(c)


@case
def dataclass_returned(torch, compile):
    f = compile(lambda x, c: dataclasses.replace(c, weight=x * c.scale))
    made = [f(torch.ones(1) * k, Config(k + 1.0)) for k in range(3)]
    return [(type(c).__name__, c.scale, c.weight) for c in made]


Pair = collections.namedtuple("Pair", "first second")


@case
def namedtuples(torch, compile):
    f = compile(lambda p: Pair(p.second * 2.0, p[0]))
    a, b, _ = three(torch)
    made = [f(Pair(a, b)), f(Pair(b, a))]
    return made, [(p.first, p.second) for p in made]


@case
def iterators(torch, compile):
    f = compile(lambda x, items: x * next(items))
    x, items = torch.ones(1), iter([1.0, 2.0, 3.0, 4.0])
    return [f(x, items) for _ in range(3)], next(items), f(x, iter([9.0]))


@case
def generator_of_tensors(torch, compile):
    f = compile(lambda xs: sum(x * (k + 1.0) for k, x in enumerate(xs)))
    a, b, c = three(torch)
    return f(x for x in (a, b)), f(x for x in (b, c)), f(x for x in (a, b, c))


@case
def functions(torch, compile):
    f = compile(lambda x, then: then(x) + 1.0)
    x, k = torch.ones(1), 2.0
    doubled = lambda v: v * k  # noqa: E731
    made = [f(x, doubled), f(x, torch.tanh), f(x, lambda v: v * 5.0), f(x, lambda v: v * 6.0)]
    k = 7.0
    return made, f(x, doubled), f(x, functools.partial(torch.add, x))


@case
def two_closures_of_one_function(torch, compile):
    def times(k):
        return lambda v: v * k

    f = compile(lambda x, then: then(x))
    return [f(torch.ones(1), times(k)) for k in (1.0, 2.0, 3, 3.0)]


@case
def networks_in_turn(torch, compile):
    one, other = linear(torch, 2, 2), linear(torch, 2, 2, start=0.7)
    f = compile(lambda net, x: net(x).detach())
    x = torch.ones(1, 2)
    made = [f(one, x), f(other, x), f(one, x)]
    with torch.no_grad():
        one.weight.mul_(3.0)
    return made, f(one, x), f(other, x), f(torch.nn.ReLU(), x)


@case
def network_in_a_dict_argument(torch, compile):
    f = compile(lambda parts, x: parts["head"](parts["body"](x)).detach())
    parts = {"body": linear(torch, 2, 2), "head": torch.nn.Tanh()}
    x = torch.ones(1, 2)
    made = [f(parts, x)]
    parts["head"] = torch.nn.ReLU()
    made.append(f(parts, x))
    parts["body"] = linear(torch, 2, 2, start=0.5)
    return made, f(parts, x)


@case
def optimizer_as_an_argument(torch, compile):
    p = parameter(torch, 1, 2)
    slow, fast = torch.optim.SGD([p], lr=0.1), torch.optim.SGD([p], lr=1.0, momentum=0.5)

    @compile
    def step(x, optimizer):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return p.detach() * 1.0

    return [step(torch.ones(2), o) for o in (slow, fast, fast, slow, fast)]


@case
def argument_that_is_not_equal_to_itself(torch, compile):
    class Odd:
        scale = 2.0

        def __eq__(self, other):
            raise TypeError("not comparable")

        __hash__ = None

    f = compile(lambda x, odd: x * odd.scale)
    odd = Odd()
    made = [f(torch.ones(1), odd), f(torch.ones(1), odd)]
    odd.scale = 3.0
    return made, f(torch.ones(1), odd), f(torch.ones(1), Odd())


@case
def object_with_tensors_in_slots_and_properties(torch, compile):
    class Batch:
        __slots__ = ("_items", "size")

        def __init__(self, items):
            self._items, self.size = items, len(items)

        @property
        def total(self):
            return sum(self._items)

    a, b, c = three(torch)
    f = compile(lambda batch: batch.total * batch.size)
    return f(Batch([a, b])), f(Batch([b, c])), f(Batch([c]))


@case
def containers_of_every_kind(torch, compile):
    f = compile(lambda xs: sum(xs) * len(xs))
    a, b, c = three(torch)
    return f(collections.deque([a, b])), f({"a": a, "b": c}.values()), f(collections.deque([c])), f([b, c])


@case
def a_list_that_the_function_fills(torch, compile):
    @compile
    def f(x, out):
        out.append(x * 2.0)
        out.append(len(out))
        return x + len(out)

    out = []
    return [f(torch.ones(1) * k, out) for k in range(3)], out


@case
def a_dict_that_the_function_fills(torch, compile):
    @compile
    def f(x, out):
        out["y"] = x * 2.0
        out["calls"] = out.get("calls", 0) + 1
        return out["calls"]

    out = {}
    return [f(torch.ones(1) * k, out) for k in range(3)], out


@case
def an_object_whose_attributes_the_function_sets(torch, compile):
    @compile
    def f(x, c):
        c.scale = c.scale * 2.0
        c.weight = x * c.scale
        return c.weight.sum()

    c = Config()
    return [f(torch.ones(1) * k, c) for k in range(1, 4)], c.scale, c.weight
