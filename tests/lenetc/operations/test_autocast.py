"""Mixed precision: which operations are in half precision, that it trains, and that CUDA takes all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import Graph
from ir.errors import DTypeError
from ir.interpret import run
from ir.types import bf16, f16, f32
from lenetc.compiler.structure import type_of
from lenetc.lenet import LeNet
from passes.emit.cuda import obstacles
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.target import Target


def digits(batch: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, batch)


def step_of(net: Any, **options: Any) -> Any:
    """A training step of `net` in mixed precision, loss scaled by 256 and gradients back."""
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        with lenetc.autocast(**options):
            loss = F.cross_entropy(net(x), y)
        (loss * 256).backward()
        for parameter in net.parameters():
            parameter.grad = parameter.grad / 256
        optimizer.step()
        return loss

    return lenetc.compile(step, device="cpu")


def traced(options: dict[str, Any], net: Any = None) -> Graph:
    lenetc.manual_seed(0)
    values = dict(zip("xy", digits(4), strict=True))
    types = {name: type_of(value) for name, value in values.items()}
    graph: Graph = step_of(net or LeNet(), **options).capture(values, types).graph
    return graph


def operations(graph: Graph, *names: str) -> list[Any]:
    return [node for node in graph.operations() if node.op.name in names]


@pytest.mark.parametrize("dtype", [f16, bf16], ids=str)
def test_products_are_in_half_precision_and_losses_and_state_in_full(dtype: Any) -> None:
    graph = traced({"device_type": "cuda", "dtype": dtype})
    products = operations(graph, "matmul", "conv2d", "conv2d_weight_grad", "conv2d_input_grad")
    assert len(products) >= 3 * 5 - 1 and {node.dtype for node in products} == {dtype}
    assert {node.dtype for node in operations(graph, "log_softmax", "exp")} <= {f32}
    assert operations(graph, "log_softmax")
    assert {node.dtype for _, node in graph.updates} == {f32}
    assert {node.dtype for _, node in graph.results} == {f32}


@pytest.mark.parametrize(("device", "dtype"), [("cpu", bf16), ("cuda", f16)])
def test_the_default_is_that_of_the_device_and_it_can_be_off(device: str, dtype: Any) -> None:
    found = operations(traced({"device_type": device}), "matmul", "conv2d")
    assert {node.dtype for node in found} == {dtype}
    assert {n.dtype for n in operations(traced({"device_type": "cpu", "enabled": False}), "matmul")} == {f32}


def test_it_trains_about_as_full_precision_does() -> None:
    losses = []
    for enabled in (False, True):
        lenetc.manual_seed(0)
        step, batch = step_of(LeNet(), device_type="cpu", enabled=enabled), digits(16)
        losses.append([step(*batch).item() for _ in range(30)])
    full, half = losses
    assert full[-1] < 0.8 * full[0] and half[-1] < 0.8 * half[0]
    np.testing.assert_allclose(half[:15], full[:15], rtol=0.02)
    assert half != full


def test_residuals_and_what_normalizations_divide_by_are_in_full_precision() -> None:
    nn = lenetc.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.conv2, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.bn(self.conv1(x)))
            x = x + self.conv2(x)  # f32 and f16 make f32
            return self.fc(x.mean(dim=(2, 3)))

    graph = traced({"device_type": "cuda"}, Net())
    convolutions = operations(graph, "conv2d")
    assert len(convolutions) == 2 and {node.dtype for node in convolutions} == {f16}
    assert not [n for n in operations(graph, "sqrt") if n.dtype is not f32]
    assert {node.dtype for _, node in graph.updates} <= {f32, lenetc.int64}


@pytest.mark.parametrize("dtype", [f16, bf16], ids=str)
def test_cuda_has_kernels_for_all_of_it(dtype: Any) -> None:
    graph = traced({"device_type": "cuda", "dtype": dtype})
    final = run_pipeline(graph, Target(device="cuda"))[-1].graph
    assert obstacles(to_onnx(final).model) == []
    rng = np.random.default_rng(1)
    values = [
        np.asarray(
            rng.integers(0, 10, x.shape) if x.dtype is lenetc.int64 else rng.normal(0, 0.1, x.shape),
            x.dtype.numpy,
        )
        for x in graph.inputs
    ]
    # The interpreter rounds bf16 at casts only, of which the two graphs have others: pools pick other maxima.
    compared = graph.results if dtype is bf16 else graph.results + graph.updates
    for (name, _), got, want in zip(compared, run(final, values), run(graph, values), strict=False):
        np.testing.assert_allclose(got, want, rtol=0.02, atol=0.02, err_msg=name)


def test_it_is_a_decorator_and_nests() -> None:
    weight = lenetc.ones(3, 2)

    @lenetc.autocast("cpu")
    def product(x: Any) -> Any:
        with lenetc.autocast("cpu", enabled=False):
            exact = F.linear(x, weight)
        return exact, F.linear(x, weight), x @ weight.T, x + 1

    found = product(lenetc.ones(1, 2))
    assert [y.dtype for y in found] == [f32, bf16, bf16, f32]
    assert F.linear(lenetc.ones(1, 2), weight).dtype is f32
    assert F.linear(lenetc.ones(1, 2, dtype=lenetc.float64), weight.double()).dtype is lenetc.float64


def test_a_function_compiled_outside_follows_the_context_it_is_called_in() -> None:
    weight = lenetc.full((3, 2), 1.0009765)
    compiled = lenetc.compile(lambda x: F.linear(x, weight), device="cpu")
    x = np.ones((1, 2), np.float32)
    assert compiled(x).dtype is f32
    with lenetc.autocast("cpu"):
        assert compiled(x).dtype is bf16
        assert compiled(x).dtype is bf16
    assert compiled(x).dtype is f32


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown device_type 'tpu'"):
        lenetc.autocast("tpu")
    with pytest.raises(DTypeError, match="not half precision"):
        lenetc.autocast("cuda", dtype=lenetc.float64)
    with lenetc.autocast("cpu", dtype=bf16):
        product = lenetc.ones(2, 3) @ lenetc.full((3, 2), 1.001)
    assert product.dtype is bf16 and product.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_within_autocast_is_told_by_device() -> None:
    assert not lenetc.is_autocast_enabled("cpu")
    with lenetc.autocast("cpu", bf16):
        assert lenetc.is_autocast_enabled("cpu") and not lenetc.is_autocast_enabled()
        assert lenetc.get_autocast_dtype("cpu") is bf16
        with lenetc.autocast("cpu", enabled=False):
            assert not lenetc.is_autocast_enabled("cpu")
