"""Ways to change what is read: statements, methods and C functions that a compiled function runs at every call."""

from __future__ import annotations

from tests.semantics.case import case
from tests.semantics.programs import expressions

# What f does at every call before it computes x * (value + 1); then value is looked at.
_WRITES = {
    "augmented nonlocal": ("n += 1", "n"),
    "assigned from itself": ("n = n * 2 + 1", "n"),
    "augmented attribute": ("c.n += 1", "c.n"),
    "augmented item": ("items[0] += 1", "items[0]"),
    "augmented entry": ("table['n'] += 1", "table['n']"),
    "augmented class attribute": ("Config.total += 1", "c.total"),
    "augmented list": ("items += [1]", "len(items)"),
    "list in a tuple": ("pair[1].append(1)", "len(pair[1])"),
    "setattr": ("setattr(c, 'n', c.n + 1)", "c.n"),
    "attributes updated": ("vars(c).update(n=c.n + 2)", "c.n"),
    "object.__setattr__": ("object.__setattr__(frozen, 'n', frozen.n + 1)", "frozen.n"),
    "property setter": ("c.twice = c.n + 1", "c.n"),
    "a __setattr__ that logs": ("logged.n = 1", "len(logged.log)"),
    "globals": ("globals()['g'] = globals().get('g', 0) + 1", "globals().get('g', 0)"),
    "another file": ("another.count += 1", "another.count"),
    "function attribute": ("helper.n = getattr(helper, 'n', 0) + 1", "getattr(helper, 'n', 0)"),
    "mutable default": ("collect(1)", "len(collect.__defaults__[0])"),
    "cell of another function": ("step_up()", "level()"),
    "extend": ("items.extend((1, 2))", "len(items)"),
    "insert": ("items.insert(0, items[0] + 1)", "items[0]"),
    "pop": ("items.pop()", "len(items)"),
    "pop and append": ("items.append(items.pop(0))", "items[0]"),
    "sort": ("items.append(-items[-1])\nitems.sort()", "items[0]"),
    "reverse": ("items.reverse()", "items[0]"),
    "slice assigned": ("items[:1] = [items[0] + 1, 0]", "items[0] + len(items)"),
    "deleted": ("del items[0]", "items[0]"),
    "setdefault": ("table.setdefault(len(table), 1)", "len(table)"),
    "update": ("table.update({len(table): 1})", "len(table)"),
    "popitem": ("table.popitem()", "len(table)"),
    "merged": ("table |= {len(table): 1}", "len(table)"),
    "set": ("seen.add(len(seen))", "len(seen)"),
    "set merged": ("seen |= {len(seen)}", "len(seen)"),
    "heap": ("__import__('heapq').heappush(items, -len(items))", "items[0]"),
    "insort": ("__import__('bisect').insort(items, 1.5)", "items.index(3) + len(items)"),
    "operator.setitem": ("operator.setitem(items, 0, items[0] + 1)", "items[0]"),
    "operator.iadd": ("operator.iadd(items, [1])", "len(items)"),
    "shuffle": ("random.shuffle(items)", "items[0] * 10 + items[1]"),
    "rotate": ("queue.rotate(1)", "queue[0]"),
    "appendleft": ("queue.appendleft(queue[0] + 1)", "queue[0]"),
    "counter updated": ("counts.update('ab')", "counts['a']"),
    "queue": ("waiting.put(1)", "waiting.qsize()"),
    "array module": ("numbers.append(len(numbers))", "numbers[-1]"),
    "NumPy item": ("history[0] += 1", "int(history[0])"),
    "NumPy ufunc with out": ("np.add(history, 1, out=history)", "int(history[1])"),
    "NumPy fill": ("history.fill(history[0] + 1)", "int(history[2])"),
    "NumPy ufunc at": ("np.add.at(history, [1, 1], 1)", "int(history[1])"),
    "context variable": ("variable.set(variable.get() + 1)", "variable.get()"),
    "thread-local": ("local.n += 1", "local.n"),
    "next of a counter": ("n = next(counter)", "n"),
    "send to a generator": ("n = accumulator.send(2)", "n"),
    "exec": ("exec('items.append(1)', {'items': items})", "len(items)"),
    "loop that appends": ("for v in (1, 2):\n    items.append(v)", "len(items)"),
    "comprehension that appends": ("[items.append(v) for v in (1, 2)]", "len(items)"),
    "map that appends": ("list(map(items.append, (1, 2)))", "len(items)"),
    "a callback that appends": ("hook(1)", "len(items)"),
    "only at the second call": ("n += 1\nif n == 2:\n    items.append(5)", "len(items)"),
    "only if it is not there": ("if 'z' not in table:\n    table['z'] = 7", "table.get('z', 0)"),
    "undone before the end": ("items.append(1)\nitems.pop()", "len(items)"),
    "swapped": ("a, b = b, a", "a * 2 + b"),
    "swapped attributes": ("c.n, c.m = c.m, c.n", "c.n"),
    "class replaced": ("c.__class__ = Other if type(c) is Config else Config", "c.kind"),
    "bound method replaced": ("c.get = (lambda v: lambda: v + 1)(c.get())", "c.get()"),
}
_TEXT = """
import contextvars, queue as queues, array
class Config:
    total, kind = 0, 1
    def __init__(self):
        self.n, self.m, self.get = 0, 5, lambda: 0
    @property
    def twice(self):
        return self.n * 2
    @twice.setter
    def twice(self, value):
        self.n = value
class Other(Config):
    kind = 2
class Logged:
    def __setattr__(self, name, value):
        self.log.append(name)
Logged.log = []
@dataclasses.dataclass(frozen=True)
class Frozen:
    n: int = 0
def collect(v, seen=[]):
    seen.append(v)
def helper():
    pass
def cell():
    state = 0
    def up():
        nonlocal state
        state += 1
    return up, lambda: state
def accumulate():
    total = 0
    while True:
        total += (yield total) or 1
step_up, level = cell()
accumulator, counter = accumulate(), itertools.count(1)
next(accumulator)
n, a, b, c, frozen, logged = 0, 1, 2, Config(), Frozen(), Logged()
items, table, seen, pair = [3, 1, 2, 9, 8, 7], {"n": 0, 1: 1, 2: 2, 3: 3, 4: 4}, set(), (1, [])
queue, counts, waiting = collections.deque([1, 2, 3]), collections.Counter(), queues.SimpleQueue()
numbers, history = array.array("i", [0]), np.zeros(3)
variable, local = contextvars.ContextVar("v", default=0), threading.local()
local.n = 0
hook = items.append
def f(x):
    nonlocal n, a, b, items, table, seen
    {use}
    return x * ({value} + 1)
f = compile(f)
made = []
for _ in range(4):
    made += [f(torch.ones(1)), {value}]
return made
"""
TABLE = [
    made
    for name, (statement, value) in _WRITES.items()
    for made in expressions("writes", {name: statement}, _TEXT.replace("{value}", value), {})
]


@case
def effects_happen_once_for_each_new_float(torch, compile):
    n = 0

    @compile
    def f(x, k):
        nonlocal n
        n += 1
        return x * (2.0 if k > 2.0 else 3.0)

    made = [(f(torch.ones(1), k), n) for k in (1.0, 2.0, 3.0, 1.0, 3.0, 4)]
    return made, n


@case
def effects_happen_once_for_each_new_shape(torch, compile):
    seen = []

    @compile
    def f(x):
        seen.append(x.shape[0])
        return x.sum()

    return [f(torch.ones(k)) for k in (1, 2, 1, 3, 2)], seen


@case
def effects_happen_once_for_each_change(torch, compile):
    calls, scale = [], 1.0

    @compile
    def f(x):
        calls.append(scale)
        return x * scale

    made = []
    for scale in (1.0, 2.0, 2.0, 1.0, 3.0):  # noqa: B007  the function reads it
        made.append(f(torch.ones(1)))
    return made, calls


@case
def effects_of_a_method_that_is_compiled_for_two_objects(torch, compile):
    class Model:
        def __init__(self):
            self.n = 0

        @compile
        def step(self, x):
            self.n += 1
            return x * self.n

    a, b = Model(), Model()
    return [m.step(torch.ones(1)) for m in (a, b, a, a, b)], a.n, b.n


@case
def a_profiler_of_the_users_own_stays(torch, compile):
    import sys

    calls = []

    def profiler(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "profiled_by_the_user":
            calls.append(event)

    def profiled_by_the_user(x):
        return x * 2.0

    f = compile(lambda x: profiled_by_the_user(x))
    sys.setprofile(profiler)
    made = [f(torch.ones(1))]
    stays = sys.getprofile() is profiler
    sys.setprofile(None)
    made.append(f(torch.ones(1)))
    return made, stays, calls[:1], sys.getprofile()


@case
def a_tracer_of_the_users_own_stays(torch, compile):
    import sys

    def tracer(frame, event, argument):
        return None

    f = compile(lambda x: x * 2.0)
    before = sys.gettrace()
    sys.settrace(tracer)
    made = [f(torch.ones(1)), f(torch.ones(1))]
    stays = sys.gettrace() is tracer
    sys.settrace(before)
    return made, stays
