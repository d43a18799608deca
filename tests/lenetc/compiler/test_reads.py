"""What a compiled function reads and changes outside: values, layers, optimizers, attributes, views."""

import enum
import types
from typing import Any, NamedTuple

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn, optim
from lenetc.compiler.guard import Guard
from lenetc.compiler.reads import names
from tests.lenetc.compiler.regression import Regression, X, traces

FACTOR = 1.0


def scaled_by_global(x: Any) -> Any:
    return x * FACTOR


def test_python_values_that_change_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    closure, options, tensor = 1.0, {"factor": 1.0}, lenetc.tensor(1.0)
    module = nn.Dropout(0.0)

    class Trainer:
        factor = 1.0

        def __init__(self) -> None:
            self.factor = 1.0

        def step(self, x: Any) -> Any:
            return x * self.factor

    trainer = Trainer()
    functions = [
        lenetc.compile(function)
        for function in (
            lambda x: x * closure,
            lambda x: x * options["factor"],
            lambda x: x * tensor,
            lambda x: scaled_by_global(x),
            trainer.step,
            lambda x: module(x) * 1.0,
        )
    ]
    x = np.ones(3, np.float32)
    for function in functions:
        np.testing.assert_array_equal(function(x).numpy(), x)
        function(x)
        assert traces(function) == 1
    closure, options["factor"], tensor, trainer.factor = 2.0, 2.0, lenetc.tensor(2.0), 2.0
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    module.p = 1.0
    for function, factor in zip(functions, (2, 2, 2, 2, 2, 0), strict=True):
        np.testing.assert_array_equal(function(x).numpy(), factor * x)


def test_a_replaced_layer_or_optimizer_is_trained() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).mean()
        loss.backward()
        optimizer.step()
        return loss

    step(X)
    net[1] = nn.Linear(4, 1)
    optimizer = optim.SGD(net.parameters(), lr=0.2)
    before = net[1].bias.detach().numpy()
    expected = net(lenetc.tensor(X)).mean().item()
    assert step(X).item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(net[1].bias.detach().numpy(), before - 0.2, rtol=1e-5)


def test_what_the_function_itself_assigns_happens_at_every_call() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * 2

    net, calls = Counting(), 0

    @lenetc.compile
    def step(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return net(x)

    with pytest.warns(
        lenetc.RetraceWarning, match=r"it changes calls, .*test_reads.py:\d+.*it changes net.calls"
    ):
        for rows in (6, 2, 6, 2, 6):
            step(X[:rows])
    assert calls == net.calls == 5
    assert traces(step) == 2


def test_a_view_shows_what_its_base_has_become() -> None:
    model = Regression()
    row = model.w.detach()[0]
    read = lenetc.compile(lambda: row * 1)
    for _ in range(2):
        model.step(X)
        now = model.w.detach().numpy()[0]
        for found in (row, row + 0, row.detach(), read()):
            np.testing.assert_array_equal(found.numpy(), now)

    def inside(x: Any) -> Any:
        y = x.clone()
        flat = y.view(-1)
        first = flat[0] * 1
        y.add_(1)
        return (first, flat.sum())

    for function in (inside, lenetc.compile(inside)):
        first, total = function(lenetc.tensor(X))
        np.testing.assert_allclose(first.numpy(), X.reshape(-1)[0])
        np.testing.assert_allclose(total.numpy(), (X + 1).sum(), rtol=1e-5)


def test_a_view_from_outside_writes_the_state_it_is_of() -> None:
    w = lenetc.zeros(3)
    tail = w[1:]

    @lenetc.compile
    def write(x: Any) -> Any:
        tail.add_(x)
        return w.sum()

    for i in range(1, 4):
        assert write(lenetc.ones(2)).item() == 2 * i
        assert (w.tolist(), tail.tolist()) == ([0, i, i], [i, i])


def test_an_argument_that_is_a_view_is_read_anew_and_writes_where_it_is_of() -> None:
    x = lenetc.ones(4)
    head = x[:2]
    twice, change = lenetc.compile(lambda y: y * 2), lenetc.compile(lambda y: y.add_(1))
    assert twice(head).tolist() == [2, 2]
    x.mul_(5)
    assert twice(head).tolist() == [10, 10]
    for k in range(1, 4):
        change(head)
        assert x.tolist() == [5 + k, 5 + k, 5, 5]
    both = lenetc.compile(lambda x, y: (x.add_(1), y * 1))
    with pytest.warns(lenetc.RetraceWarning, match="a view of"):
        assert both(x, head)[1].tolist() == [9, 9]
    assert both(x, lenetc.ones(2))[1].tolist() == [1, 1]
    assert both(x, x[2:])[1].tolist() == [8, 8]


def test_the_forward_of_every_class_of_a_module_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions and normalizations inherit theirs from a class that several share."""
    net = nn.Sequential(nn.Conv1d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU())
    used = lenetc.compile(lambda x: net[3](net[1](x)))
    x = lenetc.ones(1, 1, 2, 2)
    used(x)
    for module in (net[1], net[3]):
        owner = next(base for base in type(module).__mro__ if "forward" in base.__dict__)
        with monkeypatch.context() as replaced:
            replaced.setattr(owner, "forward", lambda self, x: x * 0.0 + 7.0)
            assert used(x).flatten().tolist() == [7.0] * 4
        assert used(x).flatten().tolist() != [7.0] * 4


class Scaler:
    """What functions read, in several places."""

    factor = 1.0

    def __init__(self) -> None:
        self.own = 1.0
        self.items = [1.0]
        self.weight = lenetc.ones(1, requires_grad=True)
        self.optimizer = optim.SGD([self.weight], lr=1.0)

    def scaled(self, x: Any) -> Any:
        return x * 1.0

    def stepped(self, x: Any) -> Any:
        """x * 1 after a step, or x * 2 after one with weight decay, or none."""
        before = self.weight.detach() * 1.0
        self.optimizer.zero_grad()
        (self.weight * 0.0).sum().backward()
        self.optimizer.step()
        return x * (1.0 + (self.weight.detach() != before).sum())


class Other(Scaler):
    factor = 2.0


def twice(self: Any, x: Any) -> Any:
    return x * 2.0


CHANGES: dict[str, tuple[Any, Any]] = {
    "an attribute": (lambda x, s: x * s.own, lambda s, _: setattr(s, "own", 2.0)),
    "one of the class": (lambda x, s: x * s.factor, lambda s, patch: patch.setattr(Scaler, "factor", 2.0)),
    "one before the class's": (lambda x, s: x * s.factor, lambda s, _: setattr(s, "factor", 2.0)),
    "one that goes": (
        lambda x, s: x * (1.0 if hasattr(s, "own") else 2.0),
        lambda s, _: delattr(s, "own"),
    ),
    "a class": (lambda x, s: x * s.factor, lambda s, _: setattr(s, "__class__", Other)),
    "a method": (lambda x, s: s.scaled(x), lambda s, patch: patch.setattr(Scaler, "scaled", twice)),
    "its code": (
        lambda x, s: s.scaled(x),
        lambda s, patch: patch.setattr(Scaler.scaled, "__code__", twice.__code__),
    ),
    "an item": (lambda x, s: x * s.items[-1], lambda s, _: s.items.__setitem__(0, 2.0)),
    "one more item": (lambda x, s: x * s.items[-1], lambda s, _: s.items.append(2.0)),
    "a global": (
        lambda x, s: scaled_by_global(x),
        lambda s, patch: patch.setitem(globals(), "FACTOR", 2.0),
    ),
    "a gradient": (
        lambda x, s: x * (1.0 if s.weight.grad is None else 2.0),
        lambda s, _: setattr(s.weight, "grad", lenetc.ones(1)),
    ),
    "a tensor's attribute": (
        lambda x, s: x * (2.0 if hasattr(s.weight, "own") else 1.0),
        lambda s, _: setattr(s.weight, "own", 1),
    ),
    "an option": (
        lambda x, s: s.stepped(x),
        lambda s, _: s.optimizer.param_groups[0].update(weight_decay=0.5),
    ),
    "a group that goes": (
        lambda x, s: s.stepped(x) + len(s.optimizer.param_groups) - 1.0,
        lambda s, _: (s.optimizer.param_groups.clear(), setattr(s, "own", 3.0)),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_guard_that_has_held_often_tells_what_changes(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holds, looks, scaler = Guard.holds, [], Scaler()
    monkeypatch.setattr(Guard, "holds", lambda guard: looks.append(guard) or holds(guard))
    function, change = CHANGES[what]
    compiled = lenetc.compile(lambda x: function(x, scaler))
    x = np.ones(1, np.float32)
    for _ in range(20):
        assert compiled(x).tolist() == [1.0]
    assert 0 < len(looks) < 12  # and then it is written out
    change(scaler, monkeypatch)
    want = function(lenetc.ones(1), scaler).tolist()
    assert compiled(x).tolist() == want and want != [1.0]


def test_an_enum_of_a_configuration_is_followed_without_a_trace_at_every_call() -> None:
    """An enum's class has a __reduce_ex__ of its own, which nothing here calls."""
    kind = enum.Enum("kind", "relu tanh")
    config = types.SimpleNamespace(act=kind.relu)
    f = lenetc.compile(lambda x: lenetc.relu(x) if config.act is kind.relu else lenetc.tanh(x))
    for act, wanted in ((kind.relu, 0.0), (kind.relu, 0.0), (kind.tanh, np.tanh(-1.0))):
        config.act = act  # a RetraceWarning would be an error
        np.testing.assert_allclose(f(-lenetc.ones(1)).tolist(), [wanted], rtol=1e-6)


def test_only_code_that_names_it_is_taken_apart_for_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def counts(x: Any) -> Any:
        total = 0.0
        total += 1.0
        return x * total

    code = counts.__code__
    assert names.line_of(code, "total") == code.co_firstlineno + 2
    monkeypatch.setattr(names.dis, "get_instructions", None)
    assert names.line_of(code, "losses") is None
    assert names.line_of(code, "total") == code.co_firstlineno + 2  # as it was found


class Batch(NamedTuple):
    x: Any
    scale: float = 2.0


def test_ordinary_reads_need_no_trace_at_every_call() -> None:
    """Fields of named tuples, functions that func.grad differentiates, gradients that are given: a RetraceWarning would
    be an error."""
    w = nn.Parameter(lenetc.ones(1))

    def given(g: Any) -> Any:
        w.grad = g
        return g * 2.0

    for function, argument in (
        (lambda b: b.x * b.scale, lambda k: Batch(lenetc.ones(1) * k)),
        (lenetc.func.grad(lambda x: (x * w * w).sum()), lambda k: lenetc.ones(1) * k),
        (lenetc.vmap(lambda x: x * w), lambda k: lenetc.ones(2) * k),
        (given, lambda k: lenetc.ones(1) * k),
    ):
        compiled = lenetc.compile(function)
        for k in range(5):
            assert compiled(argument(float(k))).tolist() == function(argument(float(k))).tolist()
        assert "traced at every call" not in compiled.explain()


def test_many_shapes_are_told_apart_from_numbers_that_change() -> None:
    compiled = lenetc.compile(lambda x: x * 2.0)
    with pytest.warns(lenetc.RetraceWarning, match="ever new shapes"):
        for n in range(1, 10):
            compiled(lenetc.ones(n))


def test_a_refusal_at_the_end_of_a_trace_names_the_users_line() -> None:
    total, w = lenetc.zeros(2), nn.Parameter(lenetc.ones(2))
    compiled = lenetc.compile(lambda x: total.add_(w * x))
    with pytest.raises(LenetcError, match="history") as caught:
        compiled(lenetc.ones(2))
    assert "contextlib" not in str(caught.value)


def test_data_that_is_replaced_needs_a_trace_only_where_somebody_shows_it() -> None:
    p = nn.Parameter(lenetc.ones(1))

    @lenetc.compile
    def scale(k: Any) -> None:
        p.data = p.data * k

    for _ in range(4):
        scale(2.0)
    assert "traced 1 times" in scale.explain()
    shown = p.data
    scale(2.0)
    assert (shown.tolist(), p.tolist()) == ([16.0], [32.0])
