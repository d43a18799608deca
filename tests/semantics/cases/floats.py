"""Numbers as arguments: floats that Python code looks at, integers, bools, NumPy's scalars."""

from __future__ import annotations

from tests.semantics.case import case
from tests.semantics.programs import expressions

# Each is returned by f(x, k) for several k. Whatever reads k may decide what is computed.
LOOKS = {
    "not looked at": "x * k",
    "isinstance float": "x * (k if isinstance(k, float) else 100.0)",
    "type is float": "x * (k if type(k) is float else 100.0)",
    "formatted": 'x * len(f"{k:.2f}") + len(f"{k}")',
    "str and repr": "x * len(str(k)) + len(repr(k))",
    "percent formatted": 'x + len("%.3g" % k)',
    "str.format": 'x * float("{:.1f}".format(k))',
    "key of a table": "x * {2.0: 10.0, 3.0: 20.0}.get(k, 30.0)",
    "in a set": "x * (1.0 if k in {2.0, 0.25} else 5.0)",
    "in a list": "x * (1.0 if k in [3.0, 0.25] else 5.0)",
    "math.sqrt": "x * math.sqrt(k)",
    "math.exp": "x + math.exp(k)",
    "math.floor": "x + math.floor(k)",
    "math.isclose": "x * (7.0 if math.isclose(k, 3.0) else 1.0)",
    "compared": "x * 2.0 if k > 2.0 else x * 3.0",
    "compared equal": "x * 2.0 if k == 3.0 else x * 3.0",
    "truth": "x * 2.0 if k - 2.0 else x * 3.0",
    "conditional and": "x * ((k - 2.0) and 5.0)",
    "f64 arithmetic": "x * ((k * 0.1 + 0.2) / 3.0)",
    "f64 arithmetic returned": "(x, repr(k * 0.1 + 0.2), repr(1.0 / k))",
    "returned": "(x * 2.0, k)",
    "returned in a dict": '{"y": x * k, "lr": k}',
    "int": "x * int(k)",
    "round": "x * round(k) + round(k, 1)",
    "format": 'x + float(format(k, ".1f"))',
    "hash": "x + hash(k) % 7",
    "power of it": "x * k ** 2.0",
    "power to it": "x * 2.0 ** k",
    "floor division": "x * (k // 0.7)",
    "remainder": "x * (k % 0.7)",
    "divmod": "x * sum(divmod(k, 0.7))",
    "negated": "x * -k",
    "method of its class": "x * float.__mul__(k, 2.0)",
    "method of another number": "x * (2.0).__add__(k)",
    "absolute": "x * abs(k - 2.5)",
    "max": "x * max(k, 2.5)",
    "min": "x * min(k, 2.5)",
    "sum": "x * sum([k, 1.0])",
    "sorted": "x * sorted([2.5, k])[0]",
    "NumPy function": "x * float(np.sqrt(k))",
    "NumPy array": "x * torch.tensor(np.array([k, 1.0], np.float32))",
    "np.float32 of it": "x * float(np.float32(k))",
    "as_integer_ratio": "x * k.as_integer_ratio()[0]",
    "is_integer": "x * (2.0 if k.is_integer() else 3.0)",
    "hex": "x + len(k.hex())",
    "json": "x * len(__import__('json').dumps({'k': k}))",
    "pickle": "x * __import__('pickle').loads(__import__('pickle').dumps(k))",
    "deepcopy": "x * __import__('copy').deepcopy(k)",
    "decimal": "x * float(__import__('decimal').Decimal(k) + 1)",
    "struct": "x + __import__('struct').pack('<d', k)[6]",
    "a cached function": "x * functools.lru_cache(lambda v: v + 1.0)(k)",
    "accumulate": "x * list(itertools.accumulate([k, 1.0]))[-1]",
    "slice": "x[int(k) - 1 :].sum() + x.sum()",
    "range": "sum(x * n for n in range(int(k * 2)))",
    "string chosen": 'getattr(torch, "relu" if k > 2.0 else "tanh")(x)',
    "stored in an object": "x * types.SimpleNamespace(k=k).k",
    "stored in a list": "x * [k, 0.0][0]",
    "in a closure": "(lambda v: v * k)(x)",
    "default of a lambda": "(lambda v, s=k: v * s)(x)",
    "torch.tensor": "x * torch.tensor(k)",
    "torch.tensor in a list": "x * torch.tensor([k, 1.0])",
    "torch.full": "x + torch.full((2,), k)",
    "fill_value of a new tensor": "x + torch.full_like(x, k)",
    "divisor": "x / k",
    "dividend": "k / x",
    "tensor power": "x ** k",
    "power of tensor": "k ** x",
    "clamp": "torch.clamp(x, max=k)",
    "where": "torch.where(x > k, x, x * k)",
    "comparison of a tensor": "(x > k)",
    "alpha": "x.add(x, alpha=k)",
    "linspace": "x + torch.linspace(0.0, k, 2)",
    "eps of a normalization": "F.layer_norm(x, (2,), eps=k)",
    "label smoothing": "F.cross_entropy(x.reshape(1, 2), torch.tensor([1]), label_smoothing=k / 10.0)",
    "huber delta": "F.huber_loss(x, x * 3.0, delta=k)",
    "in place": "(x + 0.0).mul_(k).add_(1.0, alpha=k)",
    "item assigned": "another.assigned(x + 0.0, k)",
}

FLOATS = """
def f(x, k):
    return {use}
f = compile(f)
x = torch.tensor([1.0, 3.0])
return [f(x, k) for k in (2.0, 3.0, 3.0, 0.25, 2.0, 1e-7, 2.5)]
"""

INTEGERS = {
    "multiplied": "x * k",
    "added": "x + k",
    "index": "x[k] if type(k) is int else x",
    "slice": "x[k:].sum()",
    "range": "sum(x * n for n in range(k + 1))",
    "shape": "x.reshape(1, -1).expand(k + 1, 4)",
    "formatted": 'x + len(f"{k}")',
    "type": "x * (2.0 if type(k) is int else 5.0 if isinstance(k, int) else 7.0)",
    "remainder": "x * 2.0 if k % 2 else x * 3.0",
    "f64 division": "x * (k / 3)",
    "list item": "x * [2.0, 3.0, 5.0, 7.0][k]",
    "axis": "x.reshape(2, 2).sum(k % 2)",
    "string times": 'x + len("ab" * k)',
    "returned": "(x * 2.0, k)",
    "tensor": "x + torch.tensor(k)",
    "compared": "x > k",
    "power": "x ** k",
    "bits": "x * (k << 2 | 1)",
}
INTS = """
def f(x, k):
    return {use}
f = compile(f)
x = torch.tensor([1.0, 3.0, -2.0, 4.0])
return [f(x, k) for k in (1, 2, 2, 0, 3, True, 1, False)]
"""

SCALARS = {
    "multiplied": "x * float(k)",
    "itself": "x * k",
    "type": "x * (2.0 if isinstance(k, np.floating) else 3.0 if isinstance(k, np.integer) else 5.0)",
    "name of its dtype": "x + len(k.dtype.name)",
    "item": "x * k.item()",
    "compared": "x * 2.0 if k > 2 else x * 3.0",
    "returned": "(x * 2.0, k)",
    "NumPy arithmetic": "x * float(k * 0.1 + 0.2)",
}
SCALAR = """
def f(x, k):
    return {use}
f = compile(f)
x = torch.tensor([1.0, 3.0])
return [f(x, k) for k in (np.float32(2.5), np.float32(3.5), np.float64(0.1), np.int64(2), np.int64(3), np.bool_(True))]
"""

TABLE = [
    *expressions("floats", LOOKS, FLOATS, {}),
    *expressions("integers", INTEGERS, INTS, {}),
    *expressions("numpy_scalars", SCALARS, SCALAR, {}),
]


@case
def floats_of_special_value(torch, compile):
    import math

    f = compile(lambda x, k: (x * k, math.copysign(1.0, k), k != k))
    return [
        f(torch.ones(1), k) for k in (0.0, -0.0, math.inf, -math.inf, math.nan, math.nan, 5e-324, 1e300, 0.0)
    ]


@case
def float_then_int_then_bool_of_one_value(torch, compile):
    f = compile(lambda x, k: x * len(repr(k)))
    return [f(torch.ones(1), k) for k in (1.0, 1, True, 1.0, True, 1)]


@case
def float_that_needs_f64(torch, compile):
    f = compile(lambda x, k: x.double() * k)
    return [f(torch.ones(1), k) for k in (0.1, 1.0 + 1e-12, 1e300)]


@case
def float_of_a_subclass(torch, compile):
    class Rate(float):
        def doubled(self):
            return self * 2.0

    f = compile(lambda x, k: x * k.doubled())
    return [f(torch.ones(1), Rate(k)) for k in (1.0, 2.0, 3.0)]


@case
def float_by_keyword_and_default(torch, compile):
    f = compile(lambda x, k=2.0, *, s=1.0: x * k + s)
    x = torch.ones(1)
    return f(x), f(x, 3.0), f(x, k=4.0), f(x, s=5.0), f(x, 3.0, s=6.0), f(x, 2)


@case
def floats_in_a_list(torch, compile):
    f = compile(lambda x, ks: sum(x * k for k in ks))
    x = torch.ones(1)
    return f(x, [1.0, 2.0]), f(x, [1.0, 3.0]), f(x, [1.0]), f(x, [1, 2.0]), f(x, (5.0, 2.0))


@case
def float_sets_the_learning_rate(torch, compile):
    p = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x, lr):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()

    made = []
    for lr in (0.1, 0.2, 0.2, 0.05):
        step(torch.ones(1), lr)
        made.append((p.tolist(), optimizer.param_groups[0]["lr"]))
    return made


@case
def float_kept_by_the_function(torch, compile):
    kept, last = [], None

    @compile
    def f(x, k):
        nonlocal last
        kept.append(k)
        last = k
        return x * k

    made = [f(torch.ones(1), k) for k in (1.0, 2.5, 2.5, 3.5)]
    return made, kept, last, [type(k) is float for k in kept]


@case
def large_integers(torch, compile):
    f = compile(lambda x, k: x + k)
    return [f(torch.tensor([1]), k) for k in (2**40, 2**40 + 1, -(2**62), 0)]
