"""Arguments: their structure, names, order, identity and types."""

from __future__ import annotations

import enum

from tests.semantics.another import parameter, three
from tests.semantics.case import case


@case
def lists_split_differently(torch, compile):
    f = compile(lambda plus, minus: sum(plus) - sum(minus))
    a, b, c = three(torch)
    return f([a], [b, c]), f([a, b], [c]), f([a, b, c], []), f([], [a, b, c]), f([a], [b, c])


@case
def list_in_a_list(torch, compile):
    f = compile(lambda parts: sum(sum(part) * 10.0**n for n, part in enumerate(parts)))
    a, b, c = three(torch)
    return f([[a], [b, c]]), f([[a, b], [c]]), f([[a, b, c]]), f([[a], [b], [c]])


@case
def list_or_tuple_or_tensors(torch, compile):
    f = compile(lambda xs: sum(xs) * {list: 1.0, tuple: 2.0}[type(xs)])
    a, b, _ = three(torch)
    return f([a, b]), f((a, b)), f([a, b])


@case
def dict_keys(torch, compile):
    f = compile(lambda d: d.get("a", 0.0) + d.get("b", 0.0) * 2.0)
    a, b, _ = three(torch)
    return f({"a": a}), f({"b": a}), f({"a": a, "b": b}), f({"b": a, "a": b}), f({"c": a, "b": b})


@case
def dict_order(torch, compile):
    f = compile(lambda d: next(iter(d.values())) * 3.0 + len("".join(d)[:2]) * list(d).index("a"))
    a, b, _ = three(torch)
    return f({"aa": a, "a": b}), f({"a": b, "aa": a}), f({"a": a, "aa": b})


@case
def dict_with_numbers_as_keys(torch, compile):
    f = compile(lambda d: sum(k * v for k, v in d.items()))
    a, b, _ = three(torch)
    return f({1: a, 2: b}), f({1: b, 2: a}), f({1: a, 3: b}), f({1.5: a, 2: b}), f({True: a, 2: b})


@case
def dict_in_and_out(torch, compile):
    f = compile(lambda d: {f"{k}2": v * 2.0 for k, v in d.items()})
    a, b, _ = three(torch)
    return f({"a": a, "b": b}), f({"b": a, "a": b}), f({"x": a})


@case
def keyword_names(torch, compile):
    f = compile(lambda **named: sum(v * len(k) for k, v in named.items()))
    a, b, _ = three(torch)
    return f(a=a), f(aaa=a), f(a=a, bb=b), f(bb=b, a=a), f(a=b, bb=a)


@case
def keyword_order(torch, compile):
    f = compile(lambda **named: next(iter(named.values())) * 2.0)
    a, b, _ = three(torch)
    return f(a=a, b=b), f(b=b, a=a)


@case
def positional_or_by_keyword(torch, compile):
    f = compile(lambda a, b, c=5.0: a - b * c)
    x, y, _ = three(torch)
    return f(x, y), f(b=x, a=y), f(x, b=y), f(x, y, 2.0), f(x, y, c=3.0), f(x, y, c=x)


@case
def number_of_positional_arguments(torch, compile):
    f = compile(lambda *xs: sum(xs) * len(xs))
    a, b, c = three(torch)
    return f(a), f(a, b), f(a, b, c), f(c), f()


@case
def tensor_or_none(torch, compile):
    f = compile(lambda x, mask=None: x if mask is None else x * mask)
    a, b, _ = three(torch)
    return f(b), f(b, b), f(b, None), f(a, mask=b), f(b)


@case
def tensor_or_number(torch, compile):
    f = compile(lambda x, k: x * k if isinstance(k, torch.Tensor) else x + k)
    a, b, _ = three(torch)
    return f(a, b), f(a, 2.0), f(a, 3), f(a, True), f(a, b)


@case
def missing_and_surplus_arguments(torch, compile):
    f = compile(lambda a, b: a + b)
    made = []
    for arguments in ((), (1,), (1, 2, 3)):
        try:
            made.append(f(*(torch.ones(1) for _ in arguments)))
        except TypeError:
            made.append("TypeError")
    return made, f(torch.ones(1), torch.ones(1))


@case
def strings_and_bytes(torch, compile):
    f = compile(lambda x, how: getattr(torch, how)(x) if isinstance(how, str) else x * how[0])
    x = torch.ones(1) * 2.0
    return [f(x, how) for how in ("relu", "tanh", b"\x02", "relu", b"\x03")]


@case
def dtypes_and_shapes_as_values(torch, compile):
    f = compile(lambda x, dtype, shape: torch.zeros(shape, dtype=dtype) + x.sum().to(dtype))
    x = torch.ones(2)
    return (
        f(x, torch.float32, (2,)),
        f(x, torch.float64, (2,)),
        f(x, torch.int64, (1, 3)),
        f(x, torch.float32, x.shape),
    )


class Mode(enum.Enum):
    slow = 1
    fast = 2


@case
def enum_members(torch, compile):
    f = compile(lambda x, mode: x * 2.0 if mode is Mode.fast else x * 3.0)
    x = torch.ones(1)
    return f(x, Mode.fast), f(x, Mode.slow), f(x, Mode.fast)


@case
def classes(torch, compile):
    f = compile(lambda x, made: made()(x - 0.5))
    x = torch.ones(1)
    return f(x, torch.nn.ReLU), f(x, torch.nn.Tanh), f(-x, torch.nn.ReLU)


@case
def slices_and_ranges(torch, compile):
    f = compile(lambda x, where: x[where] if isinstance(where, slice) else sum(x[k] * k for k in where))
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    return f(x, slice(0, 2)), f(x, slice(1, 4, 2)), f(x, range(3)), f(x, range(1, 4, 2)), f(x, slice(0, 2))


@case
def same_tensor_twice(torch, compile):
    f = compile(lambda x, y: x * 2.0 if x is y else x * 3.0 + y)
    a, b, _ = three(torch)
    return f(a, a), f(a, b), f(b, b), f(b, a)


@case
def same_tensor_in_a_list_and_alone(torch, compile):
    f = compile(lambda x, xs: sum(n + 1.0 for n, y in enumerate(xs) if y is x) * x)
    a, b, c = three(torch)
    return f(a, [a, b]), f(a, [b, a]), f(a, [b, c]), f(a, [a, a])


@case
def same_list_twice(torch, compile):
    def f(xs, ys):
        ys.append(xs[0] * 2.0)
        return sum(xs) + len(xs)

    f = compile(f)
    a, b, _ = three(torch)
    one, other = [a], [b]
    return f(one, one), f(one, other), len(one), len(other), f(other, other)


@case
def argument_that_the_function_also_closes_over(torch, compile):
    w = torch.ones(2)
    f = compile(lambda x: (x * w, x is w))
    return f(torch.ones(2) * 3.0), f(w), f(torch.ones(2))


@case
def requires_grad_of_an_argument(torch, compile):
    f = compile(lambda x: x * (2.0 if x.requires_grad else 3.0))
    x, y = torch.ones(1), torch.ones(1)
    made = [f(x), f(y.requires_grad_(True)), f(x)]
    return made, f(y.requires_grad_(False)), f(x.requires_grad_(True))


@case
def parameter_or_tensor(torch, compile):
    f = compile(lambda x: x * (2.0 if isinstance(x, torch.nn.Parameter) else 3.0))
    p = parameter(torch, 1)
    return f(p), f(torch.ones(1)), f(p.detach()), f(p)


@case
def leaf_or_not(torch, compile):
    f = compile(lambda x: x * (2.0 if x.is_leaf else 3.0))
    p = parameter(torch, 1)
    return f(p), f(p * 1.0), f(torch.ones(1))


@case
def dtypes_of_an_argument(torch, compile):
    f = compile(lambda x: (x * 2, str(x.dtype).rpartition(".")[2]))
    made = [
        f(torch.tensor([1, 2], dtype=d))[0] for d in (torch.float32, torch.float64, torch.int64, torch.int32)
    ]
    return made, f(torch.tensor([1.5]))[0]


@case
def shapes_of_an_argument(torch, compile):
    f = compile(lambda x: x.sum() * x.shape[0] + len(x.shape) * 100.0 + x.numel())
    return [f(torch.ones(*s)) for s in ((2,), (3,), (2, 2), (3, 1), (1,), (2,))]


@case
def list_that_the_function_turns_around(torch, compile):
    @compile
    def f(xs):
        xs.reverse()
        return xs[0] * 2.0

    a, b, _ = three(torch)
    xs = [a, b]
    return [(f(xs), xs[0] is a) for _ in range(3)]


@case
def dict_that_is_known_by_another_name_too(torch, compile):
    options = {"k": 2.0}

    @compile
    def f(x, given):
        given["k"] += 1.0
        return x * options["k"], given is options, given

    x = torch.ones(1)
    made = [f(x, options)[:2], f(x, {"k": 9.0})[:2], f(x, options)[2] is options]
    return made, options, type(options["k"]).__name__


@case
def dict_keys_that_are_equal(torch, compile):
    class Name(enum.StrEnum):
        A = "a"

    f = compile(lambda d: [(type(key).__name__, str(key), value * 2.0) for key, value in d.items()])
    x = torch.ones(1)
    return [f({key: x}) for key in (1, True, 1.0, "a", Name.A, 0.0, -0.0, (1, 2), (True, 2), 1)]


@case
def dict_keys_that_are_tensors(torch, compile):
    p, q = (torch.nn.Parameter(torch.ones(1) * k) for k in (1.0, 2.0))

    @compile
    def f(rates):
        sum((p**2).sum() for p in rates).backward()
        with torch.no_grad():
            for p, rate in rates.items():
                p -= rate * p.grad
                p.grad = None

    made = []
    for rates in ({p: 0.1, q: 0.2}, {p: 0.1, q: 0.5}, {q: 0.5}, {q: 0.5, p: 0.1}):
        f(rates)
        made.append((p.tolist(), q.tolist()))
    return made


@case
def dict_keys_that_are_objects(torch, compile):
    class Key:
        asked = 0

        def __init__(self, k):
            self.k = k

        def __str__(self):
            Key.asked += 1
            return "key"

    f = compile(lambda d: sum(value * key.k for key, value in d.items()))
    a, b, x = Key(1.0), Key(2.0), torch.ones(1)
    made = [f({a: x}), f({b: x}), f({a: x, b: x})]
    b.k = 7.0
    return made, f({b: x}), f({a: x, b: x}), Key.asked
