"""Values that a program computes itself and that must be checked; and results that are no tensors at all."""

from __future__ import annotations

import enum
import math

from tests.semantics.another import parameter
from tests.semantics.case import case
from tests.semantics.programs import expressions

# f(x, t): logits [2, 3] and labels or indices [2] that the function shifts; t takes good and bad values.
CHECKED = {
    "cross_entropy": "F.cross_entropy(x, t - 1)",
    "cross_entropy of a batch's sum": 'F.cross_entropy(x, t - 1, reduction="sum")',
    "cross_entropy of each row": 'F.cross_entropy(x, t - 1, reduction="none")',
    "cross_entropy with weights": "F.cross_entropy(x, t - 1, weight=torch.tensor([1.0, 2.0, 3.0]))",
    "cross_entropy ignoring": "F.cross_entropy(x, t - 1, ignore_index=2)",
    "cross_entropy smoothed": "F.cross_entropy(x, t - 1, label_smoothing=0.1)",
    "nll_loss": "F.nll_loss(F.log_softmax(x, 1), t - 1)",
    "too large": "F.cross_entropy(x, t + 1)",
    "cast": "F.cross_entropy(x, (t.float() - 1.0).long())",
    "chosen": "F.cross_entropy(x, torch.where(t == 0, t - 1, t - 1))",
    "embedding": "F.embedding(t - 1, x.t())",
    "gather": "x.gather(1, (t - 1).unsqueeze(1))",
    "index_select": "x.index_select(1, t - 1)",
    "one_hot": "F.one_hot(t - 1, 3)",
    "indexed too far": "x.t()[t + 1]",
    "indexed with negative": "x.t()[t - 1]",
    "assigned": "another.assigned_at(x + 0.0, t + 1)",
    "in a loss that is scaled by zero": "F.cross_entropy(x, t - 1) * 0.0",
    "in the second of two": "F.cross_entropy(x, t) + F.cross_entropy(x, t - 1)",
}
CHECK = """
from tests.semantics.case import fails
def f(x, t):
    return {use}
f = compile(f)
x = torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]])
ts = [[1, 2], [2, 1], [0, 1], [2, 2], [1, 0], [1, 1]]
def looked_at(t):
    return f(x, torch.tensor(t)).tolist()
return [fails(lambda: looked_at(t)) for t in ts]
"""
TABLE = expressions("checked", CHECKED, CHECK, {})


@case
def a_bad_label_changes_no_parameter(torch, compile):
    net = torch.nn.Linear(2, 3)
    with torch.no_grad():
        net.weight.fill_(0.1)
        net.bias.zero_()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compile
    def step(x, t):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), t - 1)
        loss.backward()
        optimizer.step()
        return loss.detach()

    made = []
    for t in ([1, 2], [0, 1], [3, 2], [1, 4]):
        try:
            made.append(step(torch.ones(2, 2), torch.tensor(t)).item())
        except (RuntimeError, IndexError):
            made.append("raised")
        made.append(net.weight.tolist())
    return made


@case
def a_bad_index_is_an_index_error(torch, compile):
    """Which the runtime itself meets before the count of bad indices is looked at."""
    F = torch.nn.functional
    net = torch.nn.Linear(3, 2, bias=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]]))
    made = []
    for pick in (
        lambda x, t: x[:, t + 1],
        lambda x, t: F.embedding(t + 1, x.t()),
        lambda x, t: x.take(t + 4),
        lambda x, t: x[[0, 1], t + 1],
        lambda x, t: x.t()[(t + 1).unsqueeze(1), 0],
    ):

        @compile
        def step(t, pick=pick):
            optimizer.zero_grad()
            loss = pick(net.weight, t).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        for t in ([0, 1], [1, 2], [1, 0]):
            try:
                made.append(step(torch.tensor(t)).item())
            except IndexError:
                made.append("out of bounds")
            made.append(net.weight.tolist())
    return made


@case
def a_bad_label_in_evaluation(torch, compile):
    F = torch.nn.functional
    f = compile(lambda x, t: (F.cross_entropy(x, t - 1), x * 2.0))
    made = []
    for t in ([1], [0], [2]):
        try:
            loss, double = f(torch.ones(1, 2), torch.tensor(t))
            made.append([loss.item(), double.tolist()])
        except (RuntimeError, IndexError):
            made.append("raised")
    return made


@case
def labels_that_are_fed(torch, compile):
    f = compile(torch.nn.functional.cross_entropy)
    made = []
    for t in ([1, 2], [0, 3], [-1, 1], [-100, 1]):
        try:
            made.append(f(torch.ones(2, 3), torch.tensor(t)).item())
        except (RuntimeError, IndexError):
            made.append("raised")
    return made


@case
def nothing_returned(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def f(x):
        (p * x).sum().backward()

    return f(torch.ones(2)), p.grad, f(torch.ones(2)), p.grad


@case
def nothing_at_all(torch, compile):
    @compile
    def f(x):
        pass

    g = compile(lambda: None)
    h = compile(lambda *args: args)
    return f(torch.ones(1)), g(), g(), h(), h(1, None)


@case
def constants_of_every_type(torch, compile):
    class Kind(enum.Enum):
        one = 1

    f = compile(lambda x: None)
    made = [f(torch.ones(1))]
    for value in (
        3,
        2.5,
        True,
        "text",
        b"raw",
        1 + 2j,
        (1, 2),
        [],
        {},
        {1, 2},
        Kind.one,
        math.inf,
        range(3),
        len,
        slice(2),
    ):
        f = compile(lambda x, value=value: value)
        made += [str(f(torch.ones(1))), f(torch.ones(1)) is value or f(torch.ones(1)) == value]
    return made


@case
def structures_of_tensors_and_constants(torch, compile):
    @compile
    def f(x):
        return {
            "loss": x.sum(),
            "n": x.shape[0],
            "both": (x * 2.0, [None, "text", {"deep": x + 1.0}]),
            3: [],
            "t": (),
        }

    return f(torch.ones(2)), f(torch.ones(3)), list(f(torch.ones(1)))


@case
def shapes_and_dtypes_returned(torch, compile):
    f = compile(
        lambda x: (tuple(x.shape), x.numel(), x.dim(), x.dtype == torch.float32, len(x), x.shape[-1] * 2)
    )
    return f(torch.ones(2, 3)), f(torch.ones(4, 1)), f(torch.ones(2, 2).double())


@case
def a_mutable_result_is_new_at_every_call(torch, compile):
    f = compile(lambda x: {"items": [x * 2.0], "n": [1]})
    a = f(torch.ones(1))
    a["items"].append("more")
    a["n"].append(2)
    b = f(torch.ones(1))
    return a is b, b, len(a["items"])


@case
def an_object_that_is_the_same_at_every_call(torch, compile):
    kept = object()
    table = {"x": 1}
    f = compile(lambda x: (kept, table, x * 1.0))
    a, b = f(torch.ones(1)), f(torch.ones(1))
    b[1]["y"] = 2
    return a[0] is kept, a[1] is table, b[1] is table, table


@case
def tensor_constants(torch, compile):
    w = torch.tensor([5.0, 6.0])
    f = compile(lambda x: (torch.zeros(2), torch.ones(1) * 3.0, torch.tensor([1, 2]), w))
    made = f(torch.ones(1))
    w.add_(1.0)
    return made[:3], f(torch.ones(1)), f(torch.ones(1))[3] is w


@case
def integer_and_bool_results(torch, compile):
    f = compile(lambda x: (x.argmax(), x > 1.0, (x > 1.0).any(), x.long(), x.numel()))
    return f(torch.tensor([1.0, 3.0, 2.0])), f(torch.tensor([0.0, 0.5, 0.25]))


@case
def a_function_returned(torch, compile):
    f = compile(lambda x, k: lambda y: y * k)
    one, other = f(torch.ones(1), 2.0), f(torch.ones(1), 3.0)
    return one(torch.ones(1)), other(torch.ones(1))


@case
def a_function_returned_that_holds_a_traced_tensor(torch, compile):
    @compile
    def f(x):
        y = x * 2.0
        return lambda z: z + y

    one, other = f(torch.ones(1)), f(torch.ones(1) * 5.0)
    return one(torch.ones(1)), other(torch.ones(1))


@case
def no_arguments(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step():
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
        return p.detach() * 1.0

    return [step() for _ in range(3)]


@case
def arguments_that_nothing_depends_on(torch, compile):
    w = torch.ones(2)
    f = compile(lambda x, y, k: w * 2.0)
    made = [f(torch.ones(1), torch.ones(3), 1.0)]
    w.mul_(3.0)
    return made, f(torch.ones(2), torch.ones(1), 2.0)


@case
def empty_batches(torch, compile):
    f = compile(lambda x: (x * 2.0, x.sum(), x.shape[0]))
    return f(torch.ones(2, 3)), f(torch.ones(0, 3)), f(torch.ones(2, 0))
