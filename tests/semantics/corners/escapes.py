"""Tensors that leave a compiled function by other ways than its result, and are looked at afterwards."""

from __future__ import annotations

from tests.semantics.another import network, parameter
from tests.semantics.case import case
from tests.semantics.programs import expressions

# What is done with y, which f computes; then an expression for it outside.
_WAYS = {
    "list": ("kept.append(y)", "kept[-1]"),
    "list in a list": ("kept.append([y, 1.0])", "kept[-1][0]"),
    "tuple in a dict": ("table['y'] = (y, y * 2.0)", "table['y'][1]"),
    "attribute": ("c.y = y", "c.y"),
    "class attribute": ("Config.y = y", "c.y"),
    "slot": ("slotted.y = y", "slotted.y"),
    "variable": ("last = y", "last"),
    "global": ("globals()['g'] = y", "globals()['g']"),
    "other file": ("another.k = y", "another.k"),
    "attribute of a function": ("helper.y = y", "helper.y"),
    "default of a function": ("helper.__defaults__ = (y,)", "helper.__defaults__[0]"),
    "closure": ("kept.append(lambda: y)", "kept[-1]()"),
    "partial": ("kept.append(functools.partial(torch.mul, y))", "kept[-1](torch.ones(1) * 2.0)"),
    "bound method": ("kept.append(y.sum)", "kept[-1]()"),
    "generator": ("kept.append(v * 2.0 for v in [y])", "next(kept[-1])"),
    "key of a dict": ("table[y] = 1", "list(table)[-1]"),
    "set": ("seen.clear()\nseen.add(y)", "next(iter(seen))"),
    "deque": ("recent.append(y)", "recent[-1]"),
    "queue": ("waiting.put(y)", "waiting.get_nowait()"),
    "context variable": ("variable.set(y)", "variable.get()"),
    "thread-local": ("local.y = y", "local.y"),
    "array of objects": ("objects[0] = y", "objects[0]"),
    "SimpleNamespace": ("kept.append(types.SimpleNamespace(y=y))", "kept[-1].y"),
    "dataclass made inside": ("kept.append(Pair(y, 1))", "kept[-1].first"),
    "Parameter": ("kept.append(nn.Parameter(y))", "kept[-1]"),
    "module made inside": (
        "m = nn.Linear(1, 1)\nm.weight = nn.Parameter(y.reshape(1, 1))\nkept.append(m)",
        "kept[-1].weight",
    ),
    "module's weight": ("net.weight = nn.Parameter(y.reshape(1, 1))", "net.weight"),
    "module's weight data": ("net.weight.data = y.reshape(1, 1)", "net.weight * 1.0"),
    "module's plain attribute": ("net.last = y", "net.last"),
    "module's buffer": ("net.total = y + net.total", "net.total"),
    "gradient": ("p.grad = y", "p.grad"),
    "gradient of an argument": ("x.grad = y", "x.grad"),
    "optimizer's state": ("optimizer.state[p]['y'] = y", "optimizer.state[p]['y']"),
    "part of a list argument": ("items[:] = [y]", "items[0]"),
    "result of a method": ("c.keep(y)", "c.kept[-1]"),
    "setdefault": ("table.setdefault(len(table), y)", "table[len(table) - 1]"),
    "update": ("table.update(y=y)", "table['y']"),
    "extend": ("kept.extend([y, y + 1.0])", "kept[-2]"),
    "comprehension": ("kept[:] = [v * 2.0 for v in (y, y)]", "kept[-1]"),
    "swapped": ("a, b = b, y", "a + b"),
    "only at even calls": ("n += 1\nif n % 2 == 0:\n    kept.append(y)", "(kept or [torch.zeros(1)])[-1]"),
    "detached": ("kept.append(y.detach())", "kept[-1]"),
    "the argument itself": ("kept.append(x)", "kept[-1]"),
    "a constant made inside": ("kept.append(torch.ones(1) * 7.0)", "kept[-1]"),
    "shape of it": ("kept.append(y.shape)", "torch.ones(kept[-1]) * len(kept)"),
    "random numbers": ("kept.append(torch.rand(3) * 0.0 + y)", "kept[-1]"),
    "a running sum": ("total = total + y", "total"),
    "a running sum in place": ("total += y", "total"),
    "a running list of its own": ("kept.append(kept[-1] + y if kept else y)", "kept[-1]"),
}  # fmt: skip
_TEXT = """
import contextvars, queue as queues
class Config:
    y = None
    def __init__(self):
        self.kept = []
    def keep(self, v):
        self.kept.append(v)
class Slotted:
    __slots__ = ("y",)
@dataclasses.dataclass
class Pair:
    first: object
    second: int
def helper(v=None):
    pass
net = nn.Linear(1, 1)
net.register_buffer("total", torch.zeros(1))
p = nn.Parameter(torch.ones(1))
optimizer = optim.SGD([p], lr=0.1)
c, slotted, last, kept, table, seen, n = Config(), Slotted(), None, [], {}, set(), 0
recent, waiting, variable = collections.deque(maxlen=2), queues.SimpleQueue(), contextvars.ContextVar("v")
local, objects, a, b = threading.local(), np.empty(1, object), torch.zeros(1), torch.zeros(1)
total = torch.zeros(1)
def f(x, items):
    nonlocal last, a, b, n, total
    y = (x * 2.0) * x
    {use}
    return y + 1.0
f = compile(f)
made, early = [], []
for k in (1.0, 2.0, 3.0, 4.0):
    items = [torch.zeros(1)]
    x = torch.ones(1) * k
    result = f(x, items)
    out = {value}
    made += [result, (out + 0.0).tolist()]
    early.append(out.detach())
return made, early
"""
TABLE = [
    made
    for name, (statement, value) in _WAYS.items()
    for made in expressions("escapes", {name: statement}, _TEXT.replace("{value}", value), {})
]


@case
def losses_kept_and_backwarded_later(torch, compile):
    net, losses = network(torch), []

    @compile
    def f(x):
        losses.append(net(x).pow(2).sum())

    for k in range(3):
        f(torch.ones(1, 2) * k)
    sum(losses).backward()
    return losses, [p.grad for p in net.parameters()]


@case
def tensor_in_an_exception(torch, compile):
    class Found(Exception):
        pass

    @compile
    def f(x):
        y = x * 2.0
        if x.shape[0] == 1:
            raise Found(y)
        return y

    made = []
    for n in (1, 2, 1):
        try:
            made.append(f(torch.ones(n) * n))
        except Found as found:
            made.append(found.args[0] + 0.0)
    return made


@case
def hidden_state_with_history_carried_over(torch, compile):
    w, h = parameter(torch, 2), None

    @compile
    def f(x):
        nonlocal h
        h = w * x if h is None else w * x + h.detach()
        return (h * h).sum()

    made = []
    for k in range(1, 4):
        w.grad = None
        f(torch.ones(1) * k).backward()
        made.append(w.grad.clone())
    return made, h.detach()


@case
def hidden_state_with_the_whole_history(torch, compile):
    w, h = parameter(torch, 2), torch.zeros(1)

    @compile
    def f(x):
        nonlocal h
        h = w * x + h
        return h * 1.0

    for k in range(1, 4):
        y = f(torch.ones(1) * k)
    y.sum().backward()
    return w.grad, h.detach()


@case
def cache_that_is_cleared_by_the_caller(torch, compile):
    cache = {}

    @compile
    def f(x, key):
        if key in cache:
            return cache[key] + x
        cache[key] = x * 100.0
        return x

    made = [f(torch.ones(1), "a"), f(torch.ones(1), "a")]
    cache.clear()
    made += [f(torch.ones(1) * 2.0, "a"), f(torch.ones(1), "a")]
    cache["a"] = torch.ones(1) * 7.0
    return made, f(torch.ones(1), "a")
