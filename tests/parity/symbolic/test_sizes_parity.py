"""Functions traced with sizes that are not known, run by ONNX Runtime at several sizes, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import lenetc
from ir import interpret
from ir.dims import symbol
from ir.errors import LenetcError
from ir.types import Array, Type, f32, i64
from lenetc.compiler.function import CompiledFunction
from lenetc.evaluation.tracing import Exporting
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.target import Target
from tests.parity.symbolic import attention, batches, images_and_graphs, sequences
from tests.parity.symbolic.case import CASES

assert attention and batches and images_and_graphs and sequences  # which note their cases

SIZES = (
    {"B": 6, "T": 7, "N": 5, "E": 9, "M": 3, "H": 8, "W": 10, "S": 3},
    {"B": 3, "T": 4, "N": 4, "E": 6, "M": 5, "H": 6, "W": 6, "S": 5},
    {"B": 9, "T": 11, "N": 7, "E": 3, "M": 2, "H": 12, "W": 4, "S": 2},
)


def parsed(text: str) -> tuple[int | None, list[str]]:
    """("4: B T") -> the number of values of an i64 input, and its sizes."""
    high, _, sizes = text.rpartition(": ")
    return int(high) if high else None, sizes.split()


def drawn(inputs: Sequence[str], sizes: dict[str, int], seed: int) -> list[Array]:
    rng, found = np.random.default_rng(seed), []
    for high, dims in map(parsed, inputs):
        shape = [sizes[dim] if dim in sizes else int(dim) for dim in dims]
        found.append(
            rng.normal(size=shape).astype(np.float32) if high is None else rng.integers(0, high, shape)
        )
    return found


def types_of(inputs: Sequence[str]) -> dict[str, Type]:
    return {
        f"x{i}": Type(f32 if high is None else i64, tuple(int(d) if d.isdigit() else symbol(d) for d in dims))
        for i, (high, dims) in enumerate(map(parsed, inputs))
    }


def flat(found: Any) -> list[Any]:
    return [part for item in found for part in flat(item)] if isinstance(found, (tuple, list)) else [found]


def traced(function: Callable[..., Any], inputs: Sequence[str]) -> Any:
    names = [f"x{i}" for i in range(len(inputs))]
    signature = ", ".join(names)
    compiled = CompiledFunction(
        eval(f"lambda {signature}: function({signature})", {"function": function}), "cpu"
    )
    values = compiled.arguments.bind(tuple(map(lenetc.from_numpy, drawn(inputs, SIZES[0], 0))), {})
    return compiled.capture(values, types_of(inputs), exporting=Exporting())


def run(captured: Any) -> Callable[[Sequence[Array]], list[Array]]:
    """The traced function, by ONNX Runtime."""
    model = to_onnx(run_pipeline(captured.graph, Target(device="cpu"))[-1].graph).model
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    state = {name: cell.numpy() for name, cell in captured.cells.items()}
    asked = [value.name for value in session.get_inputs()]

    def of(arrays: Sequence[Array]) -> list[Array]:
        feeds = {**state, **{f"x{i}": array for i, array in enumerate(arrays)}}
        return list(session.run(None, {name: feeds[name] for name in asked}))

    return of


def interpreted(captured: Any) -> Callable[[Sequence[Array]], list[Array]]:
    """The traced function, by the IR's own references: what a pipeline makes of gradients is tested elsewhere."""
    state = {name: cell.numpy() for name, cell in captured.cells.items()}

    def of(arrays: Sequence[Array]) -> list[Array]:
        feeds = {**state, **{f"x{i}": array for i, array in enumerate(arrays)}}
        return list(
            interpret.run(
                captured.graph, {n.attrs["name"]: feeds[n.attrs["name"]] for n in captured.graph.inputs}
            )
        )

    return of


def all_of(t: Any, cases: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    return [value for case in cases for value in flat(case(t, *arguments))]


def gradients(t: Any, cases: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    leaves = [x.detach().requires_grad_(True) if x.dtype.is_floating_point else x for x in arguments]
    floats = [x for x in leaves if x.requires_grad]
    values = [x for x in all_of(t, cases, leaves) if x.dtype.is_floating_point and x.requires_grad]
    if not values:
        return []
    return list(t.autograd.grad(sum(x.tanh().sum() for x in values), floats, allow_unused=True))


def close(found: Array, wanted: Array, name: str) -> None:
    assert found.shape == wanted.shape, name
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5 * scale, err_msg=name)


@pytest.mark.parametrize("inputs", CASES, ids=", ".join)
def test_values_and_gradients_at_three_sizes(inputs: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    cases = CASES[inputs]
    forward = run(traced(lambda *x: all_of(lenetc, cases, x), inputs))
    backward = None
    if any(high is None for high, _ in map(parsed, inputs)):
        captured = traced(lambda *x: tuple(gradients(lenetc, cases, x)), inputs)
        backward = interpreted(captured) if captured.graph.results else None
    for seed, sizes in enumerate(SIZES, 1):
        arrays = drawn(inputs, sizes, seed)
        arguments = [torch.from_numpy(array) for array in arrays]
        names = [case.__name__ for case in cases for _ in flat(case(torch, *arguments))]
        wanted = [x.detach().numpy() for x in all_of(torch, cases, arguments)]
        for name, value, found in zip(names, wanted, forward(arrays), strict=False):
            close(found, value, name)
        if backward is not None:
            for value, found in zip(gradients(torch, cases, arguments), backward(arrays), strict=False):
                close(found, value.numpy(), f"a gradient of {', '.join(dict.fromkeys(names))}")


# What asks for a number: (the function, words of the message, which also names its line).
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "len": (lambda x: x / len(x), "the size B is symbolic here"),
    "int": (lambda x: x / int(x.shape[0]), "the size B is symbolic here"),
    "chunk": (lambda x: x.chunk(2)[0], "the size B is symbolic here"),
    "split": (lambda x: x.split(2)[0], "the size B is symbolic here"),
    "rows": (lambda x: sum(row.sum() for row in x), "the size B is symbolic here"),
    "half": (lambda x: x[: x.shape[0] // 2], "B // 2 is not a polynomial"),
    "every second": (lambda x: x[::2], r"\(B \+ 1\) // 2 is not a polynomial"),
    "compared": (lambda x: x if x.shape[0] > 3 else -x, "whether 3 is less than B is not known"),
    "equal": (lambda x: x if x.shape[0] == 3 else -x, "whether the size B, which is symbolic here, is 3"),
    "two rows": (lambda x: x[:2], "whether B is less than 2 is not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_a_number_names_the_line(name: str) -> None:
    function, words = REFUSED[name]
    with pytest.raises(LenetcError, match=words) as raised:
        traced(function, ["B 4"])
    line = function.__code__.co_firstlineno
    assert f"{__file__}:{line}" in str(raised.value)


def test_positions_past_the_end_are_noticed() -> None:
    positions = lenetc.arange(36.0).reshape(9, 4)

    def embedded(x: Any) -> Any:
        return x + positions[: x.shape[1]].sum()

    captured = traced(embedded, ["B T 4"])
    assert [wanted.high for wanted in captured.checks] == [10]
    found = run(captured)
    for length, past in ((9, 0), (10, 1)):
        assert found([np.zeros((2, length, 4), np.float32)])[1].sum() == past
