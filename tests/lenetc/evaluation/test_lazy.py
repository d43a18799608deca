"""Lazy evaluation: programs are cached by structure, and numbers that change become inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir import ops
from ir.errors import LenetcError
from lenetc import optim
from lenetc.evaluation import lazy
from lenetc.evaluation.lazy import CompilerError
from lenetc.evaluation.ranges import LabelError
from passes.emit import model as emit


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for each program that lazy evaluation compiles from now on."""
    made: list[Any] = []
    compile_program = lazy.load_program

    def counted(*args: Any) -> Any:
        made.append(args)
        return compile_program(*args)

    monkeypatch.setattr(lazy, "load_program", counted)
    return made


def test_indices_out_of_known_ones_are_checked_without_a_program(compilations: list[Any]) -> None:
    x, edges = lenetc.ones(3, 2), lenetc.tensor([[0, 1, 2], [2, 0, 1]])
    found = x[edges[0]] + x[edges[1].view(3, 1).expand(-1, 2)].sum(1)
    assert not compilations
    assert found.numpy().tolist() == [[3.0, 3.0]] * 3 and len(compilations) == 1
    with pytest.raises(LabelError, match="index 3 is out of bounds"):
        x[edges[0] + 1]
    with pytest.raises(LabelError, match="index 2 is out of bounds"):
        x[:2][edges[1]]


def test_a_number_that_changes_costs_one_more_compilation(compilations: list[Any]) -> None:
    x = lenetc.tensor(np.arange(7, dtype=np.float32))
    for i in range(8):
        found = (x * (0.1 * (i + 1)) + 2.5).exp().numpy()
        np.testing.assert_allclose(found, np.exp(np.arange(7) * 0.1 * (i + 1) + 2.5), rtol=1e-5)
    assert len(compilations) == 2


def test_the_second_iteration_of_a_training_loop_compiles_nothing(compilations: list[Any]) -> None:
    net = lenetc.nn.Linear(9, 4)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = np.ones((3, 9), np.float32)
    after = []
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        optimizer.zero_grad()
        loss = net(lenetc.tensor(x)).square().mean()
        loss.backward()
        optimizer.step()
        after.append(len(compilations))
    assert after == [after[0]] * 5


def test_what_is_computed_is_not_computed_again(compilations: list[Any]) -> None:
    x = lenetc.tensor(np.ones((2, 3), np.float32)) * 3.25
    first = x.numpy()
    assert len(compilations) == 1
    np.testing.assert_array_equal(x.numpy(), first)
    assert len(compilations) == 1


ERRORS = (ZeroDivisionError, KeyError, IndexError, AssertionError, MemoryError, RecursionError, LenetcError)
PLACES = ("run_split", "run_pipeline", "to_onnx", "Session", "run")


def break_at(place: str, error: type[BaseException], patch: pytest.MonkeyPatch) -> None:
    """Let a part of the compiler raise `error` for whatever computes a tanh."""

    def fail(graph: Any) -> None:
        if any(node.op is ops.tanh for node in graph.nodes()):
            raise error("injected")

    def checked(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(graph: Any, *args: Any, **kwargs: Any) -> Any:
            fail(graph)
            return function(graph, *args, **kwargs)

        return call

    if place in ("run_split", "run_pipeline"):
        patch.setattr(lazy, place, checked(getattr(lazy, place)))
    elif place == "to_onnx":
        patch.setattr(emit, place, checked(emit.to_onnx))
    else:
        compile_program = lazy.load_program

        def compiled(roots: Any, inputs: Any, device: str) -> Any:
            graph = lazy.graph_of(roots, inputs)
            if place == "Session":
                fail(graph)
            session = compile_program(roots, inputs, device)
            run = session.run
            session.run = lambda *args: (fail(graph), run(*args))[1]
            return session

        patch.setattr(lazy, "load_program", compiled)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_raised_fails_its_own_computation_only(
    place: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy.kept_programs.clear()
    x = lenetc.tensor([0.5, 1.0])
    before, broken, after = x * 3.0, x.tanh() * 5.0, x + 7.0
    with monkeypatch.context() as patch:
        break_at(place, error, patch)
        assert (before - after).shape == (2,)
        np.testing.assert_allclose(after.numpy(), x.numpy() + 7)
        for _ in range(2):
            with pytest.raises(LenetcError, match="injected") as raised:
                broken.numpy()
            cause = raised.value.__cause__
            assert error is LenetcError or (type(raised.value) is CompilerError and type(cause) is error)
            assert "test_lazy.py" in str(raised.value)
        with pytest.raises(LenetcError, match="injected"):
            (broken + 1).numpy()  # which computes it again
    # `broken` is still there, and neither what came with it nor what comes later minds.
    np.testing.assert_allclose(before.numpy(), x.numpy() * 3)
    np.testing.assert_allclose(x.tanh().numpy(), np.tanh(x.numpy()), rtol=1e-6)
    assert lenetc.ones(3).sum().item() == 3


def test_a_step_that_cannot_be_computed_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    w = lenetc.nn.Parameter(lenetc.tensor([2.0, 3.0]))
    optimizer = optim.SGD([w], lr=0.5, momentum=0.9)
    with monkeypatch.context() as patch:
        break_at("run_pipeline", ZeroDivisionError, patch)
        w.tanh().sum().backward()
        with pytest.raises(CompilerError, match=r"ZeroDivisionError.*injected"):
            optimizer.step()
        assert w.tolist() == [2, 3]
    optimizer.zero_grad()
    w.sum().backward()
    optimizer.step()
    assert w.tolist() == [1.5, 2.5]


def test_ctrl_c_ends_the_look_and_not_the_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    x = lenetc.tensor([0.25, 0.75])
    first, second = x.tanh() * 2.5, x * 4.5
    with monkeypatch.context() as patch:
        break_at("run_pipeline", KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            second.numpy()
    np.testing.assert_allclose(second.numpy(), x.numpy() * 4.5)
    np.testing.assert_allclose(first.numpy(), np.tanh(x.numpy()) * 2.5, rtol=1e-6)
