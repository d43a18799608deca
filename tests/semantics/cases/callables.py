"""Whatever can be compiled: methods, generators, decorated functions, objects, functions without source."""

from __future__ import annotations

import functools

from tests.semantics import another
from tests.semantics.case import case, refused


@case
def compiled_methods_in_a_class(torch, compile):
    class Model:
        count = 0

        def __init__(self, gain):
            self.gain = gain

        @compile
        def scaled(self, x):
            return x * self.gain

        @staticmethod
        @compile
        def twice(x):
            return x * 2.0

        @classmethod
        @compile
        def counted(cls, x):
            cls.count += 1
            return x * cls.count

        @property
        def pair(self):
            return self.scaled(torch.ones(1)), self.gain

    a, b = Model(2.0), Model(3.0)
    x = torch.ones(1)
    made = [
        a.scaled(x),
        b.scaled(x),
        a.twice(x),
        Model.twice(x),
        a.counted(x),
        Model.counted(x),
        a.pair,
        b.pair,
    ]
    a.gain = 5.0
    return made, a.scaled(x), b.scaled(x), Model.count


@case
def compiled_method_decorated_outside(torch, compile):
    class Model:
        gain = 2.0

        @compile
        @staticmethod
        def twice(x):
            return x * 2.0

    return Model.twice(torch.ones(1)), Model().twice(torch.ones(1) * 3.0)


@case
def compiled_forward_of_a_module(torch, compile):
    class Net(torch.nn.Module):
        def __init__(self, gain):
            super().__init__()
            self.w, self.gain = torch.nn.Parameter(torch.ones(2) * gain), gain

        @compile
        def forward(self, x):
            return (self.w * x).detach() + self.gain

    a, b = Net(2.0), Net(3.0)
    made = [a(torch.ones(2)), b(torch.ones(2))]
    a.gain = 10.0
    with torch.no_grad():
        b.w.mul_(2.0)
    return made, a(torch.ones(2)), b(torch.ones(2))


@case
def methods_of_two_objects_compiled_apart(torch, compile):
    class Model:
        def __init__(self, gain):
            self.gain = gain

        def scaled(self, x):
            return x * self.gain

    fs = [compile(Model(k).scaled) for k in (1.0, 2.0, 3.0)]
    return [f(torch.ones(1)) for f in fs], [f(torch.ones(1)) for f in fs]


@case
def lambdas_made_in_a_loop(torch, compile):
    fs = [compile(lambda x, k=k: x * k) for k in (1.0, 2.0)]
    fs += [compile(lambda x: x * k) for k in (3.0, 4.0)]  # noqa: B023  that all see the last is the case
    return [f(torch.ones(1)) for f in fs]


@refused("generator")
def generator_function(torch, compile):
    @compile
    def f(x):
        for k in range(3):
            yield x * k

    return [list(f(torch.ones(1))) for _ in range(2)]


@case
def recursion(torch, compile):
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    f = compile(power)
    return [f(torch.ones(1) * 2.0, n) for n in (0, 1, 3, 1, 5)]


@case
def recursion_of_a_compiled_function(torch, compile):
    @compile
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    return [power(torch.ones(1) * 2.0, n) for n in (0, 1, 3, 1)]


@case
def compiled_functions_call_each_other(torch, compile):
    k = 2.0
    inner = compile(lambda x: x * k)
    outer = compile(lambda x: inner(x) + inner(x * 2.0))
    made = [outer(torch.ones(1)), inner(torch.ones(1))]
    k = 3.0
    return made, outer(torch.ones(1)), inner(torch.ones(1))


@case
def inner_compiled_function_with_effects(torch, compile):
    n, kept = 0, []

    @compile
    def inner(x):
        nonlocal n
        n += 1
        kept.append(x * n)
        return x * n

    @compile
    def outer(x):
        return inner(x) + inner(x)

    return [outer(torch.ones(1)) for _ in range(3)], n, kept


@case
def compiled_twice(torch, compile):
    k = 2.0

    def f(x):
        return x * k

    g = compile(compile(f))
    h = compile(f)
    made = [g(torch.ones(1)), h(torch.ones(1))]
    k = 3.0
    return made, g(torch.ones(1)), h(torch.ones(1)), f(torch.ones(1))


@case
def function_without_source(torch, compile):
    space = {"k": 2.0, "table": [1.0]}
    exec("def f(x):\n    return x * k + table[0]", space)
    f = compile(space["f"])
    made = [f(torch.ones(1))]
    space["k"] = 3.0
    made.append(f(torch.ones(1)))
    space["table"][0] = 5.0
    return made, f(torch.ones(1))


@case
def expression_evaluated_inside(torch, compile):
    text = "x * 2.0"
    f = compile(lambda x: eval(text, {"x": x}))
    made = [f(torch.ones(1))]
    text = "x + 5.0"
    return made, f(torch.ones(1))


def times(k):
    def decorate(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return f(*args, **kwargs) * k[0]

        return wrapper

    return decorate


@case
def decorated_with_functools_wraps(torch, compile):
    k, s = [2.0], 1.0

    @compile
    @times(k)
    def f(x):
        return x + s

    made = [f(torch.ones(1))]
    k[0] = 3.0
    made.append(f(torch.ones(1)))
    s = 10.0
    return made, f(torch.ones(1)), f.__name__


@case
def cached_function_called_inside(torch, compile):
    k = 2.0

    @functools.lru_cache
    def scale(n):
        return n * k

    f = compile(lambda x, n: x * scale(n))
    made = [f(torch.ones(1), n) for n in (1, 2)]
    k = 3.0
    made += [f(torch.ones(1), n) for n in (1, 2, 4)]
    scale.cache_clear()
    return made, [f(torch.ones(1), n) for n in (1, 2)]


@case
def single_dispatch_by_type(torch, compile):
    @functools.singledispatch
    def scale(k):
        return 2.0

    f = compile(lambda x, k: x * scale(k))
    made = [f(torch.ones(1), 1)]
    scale.register(int)(lambda k: 5.0)
    return made, f(torch.ones(1), 1), f(torch.ones(1), "text")


@case
def callable_object_with_state(torch, compile):
    class Counter:
        def __init__(self):
            self.n = 0

        def __call__(self, x):
            self.n += 1
            return x * self.n

    counter = Counter()
    f = compile(counter)
    return [f(torch.ones(1)) for _ in range(3)], counter.n


@case
def partial_of_a_method(torch, compile):
    class Model:
        gain = 2.0

        def scaled(self, s, x, *, bias=0.0):
            return x * s * self.gain + bias

    model, box = Model(), [1.0]
    f = compile(functools.partial(model.scaled, 3.0, bias=10.0))
    g = compile(functools.partial(lambda b, x: x * b[0], box))
    made = [f(torch.ones(1)), g(torch.ones(1))]
    model.gain, box[0] = 5.0, 7.0
    return made, f(torch.ones(1)), g(torch.ones(1))


@case
def builtin_and_library_functions(torch, compile):
    fs = [compile(torch.relu), compile(torch.nn.functional.softplus), compile(abs), compile(torch.nn.Tanh())]
    return [[f(torch.ones(1) * k) for k in (-1.0, 2.0)] for f in fs]


@case
def methods_of_another_files_class(torch, compile):
    scaler = another.Scaler(3.0)
    f = compile(scaler.apply)
    g = compile(another.looked_up)
    made = [f(torch.ones(1)), g(torch.ones(1))]
    another.scale, another.table["scale"] = 5.0, 7.0
    made += [f(torch.ones(1)), g(torch.ones(1))]
    another.table["steps"].append(1.0)
    scaler.gain = 1.0
    return made, f(torch.ones(1)), g(torch.ones(1))


@case
def name_and_documentation_stay(torch, compile):
    def step(x):
        """One step."""
        return x

    f = compile(step)
    return f.__name__, f.__doc__, f.__wrapped__ is step if hasattr(f, "__wrapped__") else True


@case
def code_replaced(torch, compile):
    def f(x):
        return x * 2.0

    def g(x):
        return x * 3.0

    c = compile(f)
    made = [c(torch.ones(1))]
    f.__code__ = g.__code__
    return made, c(torch.ones(1))


@refused("async")
def coroutine_function(torch, compile):
    @compile
    async def f(x):
        return x * 2.0

    running = f(torch.ones(1))
    try:
        running.send(None)
    except StopIteration as done:
        return done.value


def scan(torch, f, xs):
    """What `f.scan` is documented to be: the stacked results of a call for each row."""
    return f.scan(xs) if hasattr(f, "scan") else torch.stack([f(x) for x in xs])


@case
def scan_of_a_function_that_reads(torch, compile):
    k = 2.0
    f = compile(lambda x: x * k)
    xs = torch.tensor([[1.0], [2.0], [3.0]])
    made = [scan(torch, f, xs), f(torch.ones(1))]
    k = 3.0
    return made, scan(torch, f, xs), f(torch.ones(1))


@case
def scan_of_a_function_that_counts(torch, compile):
    n = 0

    @compile
    def f(x):
        nonlocal n
        n += 1
        return x * n

    xs = torch.tensor([[1.0], [2.0], [3.0]])
    return scan(torch, f, xs), n, scan(torch, f, xs), n


@case
def scan_of_a_function_that_changes_a_tensor(torch, compile):
    total = torch.zeros(1)

    @compile
    def f(x):
        total.add_(x)
        return total * 2.0

    xs = torch.tensor([[1.0], [2.0], [3.0]])
    return scan(torch, f, xs), total.tolist(), scan(torch, f, xs), total
