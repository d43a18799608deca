"""Which sizes are symbolic: by default, by `axes=`, and why not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn
from lenetc.compiler.structure import ArgumentError
from tests.lenetc.artifact.host import Host

F = nn.functional
Step = Callable[..., Any]


def trained(forward: Callable[..., Any], *modules: nn.Module) -> Callable[..., Any]:
    """A step that trains `modules` on the loss that `forward` gives, with forward's parameters."""
    optimizer = lenetc.optim.SGD([p for module in modules for p in module.parameters()], 0.1)

    def step(*args: Any) -> Any:
        loss = forward(*args)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return step


def floats(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


def labels(*shape: int, below: int) -> Any:
    return np.random.default_rng(sum(shape)).integers(0, below, shape)


def language_model() -> tuple[Step, list[Any]]:
    embedding, head = nn.Embedding(11, 6), nn.Linear(6, 11)

    def forward(tokens: Any, targets: Any) -> Any:
        return F.cross_entropy(head(embedding(tokens)).reshape(-1, 11), targets.reshape(-1))

    return trained(forward, embedding, head), [labels(4, 7, below=11), labels(4, 7, below=11) * 1]


def recurrent() -> tuple[Step, list[Any]]:
    rnn, head = nn.GRU(3, 4), nn.Linear(4, 2)

    def forward(x: Any, y: Any) -> Any:
        return F.cross_entropy(head(rnn(x)[0][-1]), y)

    return trained(forward, rnn, head), [floats(5, 3, 3), labels(3, below=2)]


def graph() -> tuple[Step, list[Any]]:
    first, second = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(adjacency: Any, h: Any, y: Any) -> Any:
        a = adjacency / adjacency.sum(1, keepdim=True)
        return F.cross_entropy(a @ second(F.relu(a @ first(h))), y)

    return trained(forward, first, second), [np.abs(floats(6, 6)), floats(6, 4), labels(6, below=3)]


def zeroed() -> tuple[Step, list[Any]]:
    net = nn.Linear(4, 1)

    def forward(x: Any) -> Any:
        x = x.clone()
        x[:, 0] = 0
        return net(x).square().mean()

    return trained(forward, net), [floats(5, 4)]


def weighted() -> tuple[Step, list[Any]]:
    """10 samples of 10 classes, with a weight for each class."""
    net = nn.Linear(4, 10)

    def forward(x: Any, y: Any, weight: Any) -> Any:
        return F.cross_entropy(net(x), y, weight=weight)

    return trained(forward, net), [floats(10, 4), labels(10, below=10), np.abs(floats(10))]


def unrelated() -> tuple[Step, list[Any]]:
    """Two batches that happen to have one length."""
    net = nn.Linear(4, 1)

    def forward(real: Any, noise: Any) -> Any:
        return net(real).mean() - net(noise).square().mean()

    return trained(forward, net), [floats(5, 4), floats(5, 4)]


def chunked() -> tuple[Step, list[Any]]:
    net = nn.Linear(4, 1)

    def forward(x: Any) -> Any:
        a, b = x.chunk(2)  # here
        return (net(a) - net(b)).square().mean()

    return trained(forward, net), [floats(6, 4)]


def counted() -> tuple[Step, list[Any]]:
    net = nn.Linear(4, 1)

    def forward(x: Any) -> Any:
        return net(x).sum() / len(x)  # here too

    return trained(forward, net), [floats(6, 4)]


CASES: dict[Callable[[], tuple[Step, list[Any]]], tuple[Any, list[Any]]] = {
    # what axes are asked for, shapes of the inputs
    language_model: (None, [["N", 7], ["N", 7]]),
    recurrent: (None, [["N", 3, 3], [3]]),
    graph: (None, [["N", "N"], ["N", 4], ["N"]]),
    zeroed: (None, [["N", 4]]),
    weighted: (None, [["N", 4], ["N"], [10]]),
    unrelated: (None, [["N", 4], ["N_noise", 4]]),
}
ASKED = {
    language_model: (
        {"tokens": {0: "N", 1: "T"}, "targets": {0: "N", -1: "T"}},
        [["N", "T"], ["N", "T"]],
    ),
    recurrent: ({"x": {0: "T", 1: "B"}, "y": {0: "B"}}, [["T", "B", 3], ["B"]]),
    graph: (
        {"adjacency": {0: "V", 1: "V"}, "h": {0: "V"}, "y": {0: "V"}},
        [["V", "V"], ["V", 4], ["V"]],
    ),
}


@pytest.mark.parametrize(
    ("make", "axes", "shapes"), [(m, *case) for cases in (CASES, ASKED) for m, case in cases.items()]
)
def test_symbols(make: Callable[[], tuple[Step, list[Any]]], axes: Any, shapes: list[Any], tmp_path: Path):
    """The shapes; and a run at other sizes is what the step itself gives."""
    lenetc.manual_seed(0)
    step, args = make()
    lenetc.compile(step).lower(*args).export(tmp_path, axes=axes)
    host = Host(tmp_path)
    inputs = host.models["train"]["inputs"]
    assert [entry["shape"] for entry in inputs] == shapes and not host.manifest["notes"]
    sizes: dict[str, int] = {}
    other = []
    for value, shape in zip(args, shapes, strict=True):
        index = [
            np.arange(sizes.setdefault(dim, size + 1 + len(sizes))) % size
            if isinstance(dim, str)
            else np.arange(size)
            for dim, size in zip(shape, value.shape, strict=True)
        ]
        other.append(value[np.ix_(*index)])
    names = [entry["name"] for entry in inputs]
    for given in (args, other):
        (found, _) = host.run("train", host.state, **dict(zip(names, given, strict=True)))
        expected = step(*map(lenetc.from_numpy, given))
        np.testing.assert_allclose(found["loss"], expected.detach().numpy(), rtol=1e-5)
        step, _ = make_again(make)


def test_an_axis_may_be_called_as_the_steps_of_a_scan(tmp_path: Path):
    weight = nn.Parameter(lenetc.ones(()))
    optimizer = lenetc.optim.SGD([weight], 0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = x.sum() * weight / x.shape[0]
        loss.backward()
        optimizer.step()
        return loss

    lenetc.compile(step).lower(floats(4, 3)).export(tmp_path, axes={"x": {0: "K"}})
    host = Host(tmp_path)
    assert host.models["train_scan"]["inputs"][0]["shape"] == ["K_1", "K", 3]
    (found, _) = host.run("train_scan", host.state, x=np.ones((5, 4, 3), np.float32))
    np.testing.assert_allclose(found["loss"], [3, 2.1, 1.2, 0.3, -0.6], rtol=1e-5)


def make_again(make: Callable[[], tuple[Step, list[Any]]]) -> tuple[Step, list[Any]]:
    lenetc.manual_seed(0)
    return make()


@pytest.mark.parametrize(("make", "mark"), [(chunked, "# here"), (counted, "# here too")])
def test_what_asks_for_a_number_is_fixed_with_its_line(make: Any, mark: str, tmp_path: Path):
    step, args = make()
    line = next(i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith(mark))
    with pytest.warns(UserWarning, match=rf"axis 0 of x is fixed at 6: .*test_axes\.py:{line}"):
        lenetc.compile(step).lower(*args).export(tmp_path)
    host = Host(tmp_path)
    assert host.models["train"]["inputs"][0]["shape"] == [6, 4]
    assert f"test_axes.py:{line}" in host.manifest["notes"][0]
    with pytest.raises(LenetcError, match="symbolic"):
        lenetc.compile(step).lower(*args).export(tmp_path, axes={"x": {0: "N"}})


def test_static_is_fixed_without_a_word(tmp_path: Path):
    step, args = language_model()
    lenetc.compile(step).lower(*args).export(tmp_path, static=True)
    host = Host(tmp_path)
    assert [entry["shape"] for entry in host.models["train"]["inputs"]] == [[4, 7], [4, 7]]
    assert host.manifest["notes"] == []
    assert host.models["train_scan"]["inputs"][0]["shape"] == ["K", 4, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": {"words": {0: "N"}}}, "no input 'words'; the inputs are tokens, targets"),
        ({"axes": {"tokens": {2: "N"}}}, r"tokens is i64\[4,7\] and has no axis 2"),
        ({"axes": {"tokens": {0: "N", 1: "N"}}}, "N is 4, axis 0 of tokens, and 7, axis 1"),
        ({"axes": {"tokens": {0: "a b"}}}, "'a b', the name of axis 0 of tokens, is not an identifier"),
        ({"axes": {"tokens": {0: "N"}}, "static": True}, "leaves no axes"),
        ({"operators": "all"}, "operators is 'portable', 'web' or 'ort', not 'all'"),
        ({"lanes": 8}, "with operators='ort'"),
        ({"device": "tpu"}, "device is 'cpu' or 'cuda', not 'tpu'"),
        ({"infer": 3}, "infer takes a function or a module, not 3"),
        ({"infer": lambda y: y}, "takes y, of which the step knows nothing"),
        ({"evaluate": lambda tokens, lr=2.0: tokens.sum() * lr}, "lr is a number of the step's optimizer"),
        ({"batch": 0}, "batch"),
        ({"batch": True}, "batch is a number of samples, not True"),
        ({"opset": 18.0}, "opset is an integer, not 18.0"),
        ({"axes": "tokens"}, "a dict for each input"),
        ({"init": lambda seed: seed}, "init takes seed, and is called without arguments"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, tmp_path: Path):
    step, args = language_model()
    with pytest.raises(ArgumentError, match=message):
        lenetc.compile(step).lower(*args).export(tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()
