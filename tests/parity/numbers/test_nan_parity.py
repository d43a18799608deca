"""NaN and infinities, wherever they stand: values and gradients are PyTorch's, number by number.

Each function is computed lazily and compiled. Pools are tried with every strategy that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import ops
from ir.interpret import run
from ir.op import leaf
from ir.types import Array, Type, f32
from lenetc import nn
from passes.strategies.choice import choose_strategies
from passes.strategies.table import TABLE
from passes.target import Target
from tests.parity.torch_functions import torch
from tests.support import graph_to

TF = torch.nn.functional
NAN, INF = np.nan, np.inf
DTYPES = [np.float32, np.float64, np.float16]
# What stands beside NaN: ordinary numbers, ties, infinities.
COMPANY = {"numbers": (1.0, -2.0, 0.5, 3.0), "ties": (2.0, 2.0, 0.0), "infinities": (INF, -INF, 1.0, 0.0)}

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "max": (lambda x: x.max(), lambda x: x.max()),
    "min": (lambda x: x.min(), lambda x: x.min()),
    "max of rows": (lambda x: x.max(1).values, lambda x: x.max(1).values),
    "min of columns": (lambda x: x.min(0).values, lambda x: x.min(0).values),
    "amax": (lambda x: x.amax(1), lambda x: x.amax(1)),
    "amin": (lambda x: x.amin((0, 1)), lambda x: x.amin((0, 1))),
    "norm inf": (lambda x: x.norm(INF), lambda x: torch.linalg.vector_norm(x, INF)),
    "norm 2": (lambda x: x.norm(2, 1), lambda x: torch.linalg.vector_norm(x, 2, 1)),
    "norm 1": (lambda x: x.norm(1), lambda x: torch.linalg.vector_norm(x, 1)),
    "sum": (lambda x: x.sum(0), lambda x: x.sum(0)),
    "mean": (lambda x: x.mean(1), lambda x: x.mean(1)),
    "relu": (lambda x: x.relu(), lambda x: x.relu()),
    "relu of a product": (lambda x: (x * 0.5).relu() * 2, lambda x: (x * 0.5).relu() * 2),
    "clamp": (lambda x: x.clamp(-1, 1), lambda x: x.clamp(-1, 1)),
    "clamp from below": (lambda x: x.clamp(min=0), lambda x: x.clamp(min=0)),
    "clamp from above": (lambda x: x.clamp(max=0.5), lambda x: x.clamp(max=0.5)),
    "clamp to nothing": (lambda x: x.clamp(1, -1), lambda x: x.clamp(1, -1)),
    "abs": (lambda x: x.abs(), lambda x: x.abs()),
    "sign": (lambda x: x.sign() * x, lambda x: x.sign() * x),
    "maximum": (
        lambda x: lenetc.maximum(x, lenetc.zeros_like(x)),
        lambda x: torch.maximum(x, torch.zeros_like(x)),
    ),
    "minimum": (
        lambda x: lenetc.minimum(lenetc.ones_like(x), x),
        lambda x: torch.minimum(torch.ones_like(x), x),
    ),
    "where": (
        lambda x: lenetc.where(x > 0.5, x * x, x / 2),
        lambda x: torch.where(x > 0.5, x * x, x / 2),
    ),
    "tril": (lambda x: lenetc.tril(x), lambda x: torch.tril(x)),
    "softmax": (lambda x: F.softmax(x, 1), lambda x: TF.softmax(x, 1)),
    "softmax of columns": (lambda x: F.softmax(x, 0), lambda x: TF.softmax(x, 0)),
    "log_softmax": (lambda x: F.log_softmax(x, 1), lambda x: TF.log_softmax(x, 1)),
    "huber": (
        lambda x: F.huber_loss(x, lenetc.zeros_like(x), reduction="sum"),
        lambda x: TF.huber_loss(x, torch.zeros_like(x), reduction="sum"),
    ),
    "smooth l1": (
        lambda x: F.smooth_l1_loss(x, lenetc.zeros_like(x), beta=0.75),
        lambda x: TF.smooth_l1_loss(x, torch.zeros_like(x), beta=0.75),
    ),
    "l1": (
        lambda x: F.l1_loss(x, lenetc.ones_like(x)),
        lambda x: TF.l1_loss(x, torch.ones_like(x)),
    ),
    "tanh": (lambda x: lenetc.tanh(x), torch.tanh),
    "sigmoid": (lambda x: lenetc.sigmoid(x), torch.sigmoid),
    "softplus": (F.softplus, TF.softplus),
}
INDICES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "argmax": (lambda x: lenetc.argmax(x), torch.argmax),
    "argmax of rows": (lambda x: lenetc.argmax(x, 1), lambda x: torch.argmax(x, 1)),
    "argmax of columns": (lambda x: x.argmax(0, keepdim=True), lambda x: x.argmax(0, keepdim=True)),
    "max": (lambda x: x.max(1).indices, lambda x: x.max(1).indices),
    "min": (lambda x: x.min(0).indices, lambda x: x.min(0).indices),
    "isnan": (lenetc.isnan, torch.isnan),
    "signs": (lambda x: x.sign(), torch.sign),
    "less": (lambda x: x < 1, lambda x: x < 1),
    "at most": (lambda x: x <= 1, lambda x: x <= 1),
    "unlike": (lambda x: x != x, lambda x: x != x),
}


def arrays(dtype: Any, company: str, rows: int = 3, columns: int = 5) -> list[Array]:
    """A NaN at each place, many NaN, none; random company."""
    rng = np.random.default_rng(len(company))
    found = []
    for place in range(rows * columns + 3):
        x = rng.choice(np.array(COMPANY[company], dtype), (rows, columns))
        if place < x.size:
            x.flat[place] = NAN
        elif place == x.size:
            x[rng.random(x.shape) < 0.5] = NAN
        elif place == x.size + 1:
            x[...] = NAN
        found.append(x)
    return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two runtimes whose idle threads spin hold each other up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same(got: Any, want: Any, what: str) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape and got.dtype == want.dtype, what
    rtol = {"f2": 4e-3, "f4": 1e-5, "f8": 1e-12}.get(got.dtype.str[1:], 0)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, err_msg=what)


def theirs(function: Callable[[Any], Any], x: Array, upstream: tuple[float, ...]) -> tuple[Any, Any, Array]:
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    shape = tuple(function(tensor).shape)
    g = np.resize(np.array(upstream, x.dtype), shape)
    y = function(tensor)
    y.backward(torch.from_numpy(g))
    return y.detach().numpy(), tensor.grad.numpy(force=True), g


def both_ways(
    function: Callable[[Any], Any], shape: tuple[int, ...], dtype: Any, **how: Any
) -> list[Callable[[Any, Any], tuple[Any, Any]]]:
    """Value and gradient of `function`, lazily and compiled."""
    zeros = lenetc.tensor(np.zeros(shape, dtype)).requires_grad_()

    def traced(x: Any, g: Any) -> tuple[Any, Any]:
        zeros.grad = None
        y = function(x + zeros)
        y.backward(g)
        return y.detach(), zeros.grad

    return [traced, lenetc.compile(traced, device="cpu", **how)]


@pytest.mark.parametrize("company", COMPANY)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name: str, dtype: Any, company: str) -> None:
    mine, reference = FUNCTIONS[name]
    ways = both_ways(mine, (3, 5), dtype)
    for x in arrays(dtype, company):
        y, gradient, g = theirs(reference, x, (1.0, -2.0, 0.5))
        for way in ways:
            found, slope = way(lenetc.tensor(x), lenetc.tensor(g))
            assert_same(found.numpy(), y, f"{name} of {x.tolist()}")
            assert_same(slope.numpy(), gradient, f"the gradient of {name} of {x.tolist()}")


@pytest.mark.parametrize("name", ["max", "max of rows", "relu", "clamp", "maximum", "where", "amax", "tril"])
def test_gradients_that_are_not_finite(name: str) -> None:
    """A unit that is inactive gets 0, whatever comes from above."""
    mine, reference = FUNCTIONS[name]
    ways = both_ways(mine, (3, 5), np.float32)
    for x in [x for company in COMPANY for x in arrays(np.float32, company)]:
        y, gradient, g = theirs(reference, x, (NAN, INF, 1.0, -INF))
        for way in ways:
            found, slope = way(lenetc.tensor(x), lenetc.tensor(g))
            assert_same(found.numpy(), y, name)
            assert_same(slope.numpy(), gradient, f"the gradient of {name} of {x.tolist()} for {g.tolist()}")


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("name", INDICES)
def test_indices_and_comparisons(name: str, dtype: Any) -> None:
    mine, reference = INDICES[name]
    compiled = lenetc.compile(mine, device="cpu")
    for x in [x for company in COMPANY for x in arrays(dtype, company)]:
        want = reference(torch.from_numpy(x)).numpy()
        for way in (mine, compiled):
            assert_same(way(lenetc.tensor(x)).numpy(), want, f"{name} of {x.tolist()}")


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 16, 17, 33, 64, 65])
def test_every_place_of_long_rows(length: int) -> None:
    """Kernels take so many numbers at once, and the rest one by one."""
    rng = np.random.default_rng(length)
    x = rng.standard_normal((length, length)).astype(np.float32)
    np.fill_diagonal(x, NAN)
    for mine, reference in (
        (lambda x: x.amax(1), lambda x: x.amax(1)),
        (lambda x: x.amin(0), lambda x: x.amin(0)),
        (lambda x: x.argmax(1), lambda x: x.argmax(1)),
        (lambda x: x.relu(), lambda x: x.relu()),
        (lambda x: x.clamp(-1, 1), lambda x: x.clamp(-1, 1)),
        (lambda x: F.softmax(x, 1), lambda x: TF.softmax(x, 1)),
        (lambda x: F.log_softmax(x, 0), lambda x: TF.log_softmax(x, 0)),
        (lambda x: x.sigmoid(), lambda x: x.sigmoid()),
        (lambda x: x.tanh(), lambda x: x.tanh()),
    ):
        for rows in (x, x.astype(np.float64)):
            assert_same(mine(lenetc.tensor(rows)).numpy(), reference(torch.from_numpy(rows)).numpy(), "")
            reshaped = rows.reshape(-1)
            assert_same(
                mine(lenetc.tensor(reshaped[None].repeat(2, 0))).numpy(),
                reference(torch.from_numpy(reshaped[None].repeat(2, 0))).numpy(),
                "",
            )


# -- pools ---------------------------------------------------------------------------------------------------

WINDOWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "side by side": ((3, 2, 6, 6), {"kernel": (2, 2), "stride": (2, 2)}),
    "one sample": ((1, 2, 6, 6), {"kernel": (2, 2), "stride": (2, 2)}),
    "rows and columns left over": ((2, 1, 7, 5), {"kernel": (3, 2), "stride": (3, 2)}),
    "overlapping, padded": ((2, 2, 7, 7), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
    "one sample, padded": ((1, 1, 7, 7), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
    "dilated": ((2, 1, 9, 8), {"kernel": (3, 2), "stride": (1, 2), "dilation": (2, 3)}),
    "over the end": ((2, 2, 8, 7), {"kernel": (3, 2), "stride": (3, 2), "ceil_mode": True}),
}
IMAGES = {
    "few": (1.0, 2.0, -1.0, 0.5, 3.0, NAN),
    "ties": (0.0, 1.0, NAN),
    "infinities": (NAN, INF, -INF, 1.0),
    "least": (-INF, -INF, -INF, NAN),
    "without": (-INF, INF, 0.0, 1.0),
}


def pool(x: Any, how: dict[str, Any]) -> Any:
    library = TF if isinstance(x, torch.Tensor) else F
    kept = {"dilation": (1, 1), "ceil_mode": False, "padding": (0, 0)} | how
    return library.max_pool2d(
        x, kept["kernel"], kept["stride"], kept["padding"], kept["dilation"], kept["ceil_mode"]
    )


def images(shape: tuple[int, ...], dtype: Any, kind: str) -> list[Array]:
    """Batches of images; among those of few numbers, a NaN at each pixel of one."""
    rng = np.random.default_rng(1)
    found = [rng.choice(np.array(IMAGES[kind], dtype), shape) for _ in range(4)]
    planes, pixels = shape[0] * shape[1], shape[2] * shape[3]
    for first in range(0, pixels if kind == "few" else 0, planes):
        x = rng.standard_normal((planes, pixels)).astype(dtype)
        for plane in range(planes):
            x[plane, (first + plane) % pixels] = NAN
        found.append(x.reshape(shape))
    return found


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_max_pooling(name: str, dtype: Any, kind: str) -> None:
    shape, how = WINDOWS[name]
    pairs = [("max_pool", "indices"), ("slices", "slices"), ("knockout", "knockout")]
    ways = both_ways(lambda x: pool(x, how), shape, dtype)[:1]
    for forward, backward in pairs:
        chosen = {"max_pool2d": forward, "max_pool2d_grad": backward}
        ways.append(both_ways(lambda x: pool(x, how), shape, dtype, strategies=chosen)[1])
    for x in images(shape, dtype, kind):
        y, gradient, g = theirs(lambda x: pool(x, how), x, (1.0, NAN, 2.0, INF, 0.5))
        for way in ways:
            found, slope = way(lenetc.tensor(x), lenetc.tensor(g))
            assert_same(found.numpy(), y, f"max_pool2d of {x.tolist()}")
            assert_same(slope.numpy(), gradient, f"the gradient of max_pool2d of {x.tolist()}")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", WINDOWS)
def test_every_strategy_of_max_pooling(name: str, device: str) -> None:
    """As the interpreter computes what it is lowered to: what is made for CUDA too."""
    shape, how = WINDOWS[name]
    attrs = {"padding": (0, 0), "dilation": (1, 1), "ceil_mode": False} | how
    image = leaf("x", Type(f32, shape))
    pooled = ops.max_pool2d(image, **attrs)
    cotangent = leaf("g", pooled.ty)
    lowered = []
    for node in (pooled, ops.max_pool2d_grad(cotangent, image, **attrs)):
        for strategy in TABLE:
            target = Target(device=device, overrides=((node.op.name, strategy.name),))
            if strategy.op == node.op.name and not strategy.lacks(node, target):
                graph = choose_strategies(graph_to(node, inputs=[image, cotangent]), target)[0]
                lowered.append((node is pooled, strategy.name, graph))
    for x in [x for kind in IMAGES for x in images(shape, np.float32, kind)]:
        y, gradient, g = theirs(lambda x: pool(x, how), x, (1.0, NAN, 2.0, INF, 0.5))
        for forward, strategy_name, graph in lowered:
            (found,) = run(graph, [x, g])
            assert_same(found, y if forward else gradient, f"{strategy_name} of {x.tolist()}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("shape", [(1, 2, 6, 6), (4, 3, 6, 6), (2, 16, 8, 8)], ids=str)
def test_average_pooling_spreads_nothing(shape: tuple[int, ...], dtype: Any) -> None:
    ways = both_ways(lambda x: F.avg_pool2d(x, 2), shape, dtype)
    for backward in ("matrix", "conv_transpose", "slices", "gather"):
        if backward != "conv_transpose" or dtype is np.float32:
            chosen = {"avg_pool2d_grad": backward}
            ways.append(both_ways(lambda x: F.avg_pool2d(x, 2), shape, dtype, strategies=chosen)[1])
    for kind in ("few", "infinities"):
        for x in images(shape, dtype, kind)[:6]:
            y, gradient, g = theirs(lambda x: TF.avg_pool2d(x, 2), x, (1.0, NAN, 2.0, INF, 0.5))
            for way in ways:
                found, slope = way(lenetc.tensor(x), lenetc.tensor(g))
                assert_same(found.numpy(), y, f"avg_pool2d of {x.tolist()}")
                assert_same(slope.numpy(), gradient, f"the gradient of avg_pool2d of {x.tolist()}")


# -- what is made of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [INF, 2.0, 1.0])
@pytest.mark.parametrize("value", [NAN, INF])
def test_clipping_a_gradient_that_is_not_finite(value: float, kind: float) -> None:
    mine, reference = lenetc.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    mine.grad, reference.grad = lenetc.tensor([1.0, value, 3.0]), torch.tensor([1.0, value, 3.0])
    total = nn.utils.clip_grad_norm_([mine], 1.0, kind)
    expected = torch.nn.utils.clip_grad_norm_([reference], 1.0, kind)
    assert_same(total.numpy(), expected.numpy(), "the norm")
    assert_same(mine.grad.numpy(), reference.grad.numpy(), "the clipped gradient")


def test_a_diverged_network_looks_diverged() -> None:
    """A convolution, ReLU, pooling, a loss: NaN in one image comes out of the loss and of every gradient of it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 1, 8, 8)).astype(np.float32)
    x[2, 0, 3, 3] = NAN
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))

    @lenetc.compile(device="cpu")
    def step(x: Any, labels: Any) -> tuple[Any, ...]:
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        return (loss, *(p.grad for p in net.parameters()))

    found = step(x, np.array([0, 1, 2, 1]))
    assert all(np.isnan(value.detach().numpy()).any() for value in found)
