"""One or more samples for each op of the IR: operands to try it with, and attributes.

A sample is written once, for a batch of size N, and made for a fixed or for a symbolic N, in any dtype.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir import Graph, ops
from ir.dims import Dim, Shape, evaluate, symbol, symbols
from ir.op import Op, leaf
from ir.types import Array, DType, TupleType, Type, bool_, f32, f64, i32, i64, u8
from lenetc.runtime import lanes
from tests.support import graph_to

N = symbol("N")
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Values of either sign, none nearer to zero than 0.05 (a kink of abs, relu, sign)."""
    x = rng.standard_normal(shape)
    return np.asarray(x + np.copysign(0.05, x))


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.5, 2.0, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All different by at least 0.1, so that no maximum ties and small steps change no winner."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2 + 0.25) * 0.1


def ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Few different values, so that maxima tie everywhere."""
    return rng.integers(-1, 2, shape)


def small(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-7, 8, shape)


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([-7, -3, -2, 1, 2, 5], shape)


def regular(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Matrices far from singular, whose largest elements are not on the diagonal."""
    return rng.uniform(-0.2, 0.2, shape) + np.flip(np.eye(shape[-1]), 0)


def definite(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Symmetric positive definite matrices."""
    x = rng.uniform(-1, 1, shape)
    return np.asarray(x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1]))


def places(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Indices into something four times as large, all different."""
    count = int(np.prod(shape))
    return np.asarray(rng.permutation(4 * count)[:count].reshape(shape))


def up_to(size: int) -> Draw:
    """Indices into an axis of `size`, with repetitions."""

    def index(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.asarray(rng.integers(0, size, shape))

    return index


def apart(size: int) -> Draw:
    """Indices into an axis of `size`, all different along the last axis."""

    def index(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.permuted(np.tile(np.arange(size), (*shape[:-1], 1)), axis=-1)[..., : shape[-1]]

    return index


def flags(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 2, shape)


@dataclass(frozen=True)
class Operand:
    """An operand of a sample. dtype None is the floating point dtype that the test asks for."""

    shape: Shape
    draw: Draw = normal
    dtype: DType | None = None


def F(*shape: Dim, draw: Draw = normal) -> Operand:
    return Operand(shape, draw)


def I(*shape: Dim, draw: Draw = small, dtype: DType = i64) -> Operand:  # noqa: E743
    return Operand(shape, draw, dtype)


def B(*shape: Dim) -> Operand:
    return Operand(shape, flags, bool_)


@dataclass(frozen=True)
class Sample:
    """An op, operands and attributes. `kinks` marks samples where finite differences would be wrong."""

    op: Op
    operands: tuple[Operand, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    kinks: bool = False

    def graph(self, dtype: DType = f32, batch: Dim = N) -> Graph:
        """The op applied to inputs x0, x1, ...; one result y0, y1, ... for each of the op's."""
        env = {"N": batch}
        inputs = [
            leaf(f"x{i}", Type(x.dtype or dtype, tuple(evaluate(d, env) for d in x.shape)))
            for i, x in enumerate(self.operands)
        ]
        if not self.tells_batch:
            inputs.append(leaf("sizes", Type(f32, (batch,))))
        operands = inputs[: len(self.operands)]
        node = self.op(*operands, **{key: _at(value, dtype, batch) for key, value in self.attrs.items()})
        if isinstance(node.type, TupleType):
            return graph_to(*(ops.get(node, index=i) for i in range(len(node.type.items))), inputs=inputs)
        return graph_to(node, inputs=inputs)

    def values(self, dtype: DType = f32, batch: int = 2) -> list[Array]:
        """Random operands, the same at every call."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        env = {"N": batch}
        shapes = [tuple(int(evaluate(d, env)) for d in x.shape) for x in self.operands]
        values = [
            np.asarray(x.draw(rng, shape), (x.dtype or dtype).numpy)
            for x, shape in zip(self.operands, shapes, strict=True)
        ]
        return values if self.tells_batch else [*values, np.zeros(batch, np.float32)]

    @property
    def tells_batch(self) -> bool:
        """Whether an operand's shape holds N; where none does, an input that nobody reads tells its size."""
        return any("N" in symbols(d) for x in self.operands for d in x.shape)

    @property
    def id(self) -> str:
        operands = " ".join(f"{x.draw.__name__}:{x.dtype or 'f'}{list(x.shape)}" for x in self.operands)
        attrs = " ".join(f"{k}={v}" for k, v in self.attrs.items() if not callable(v))
        return f"{self.op.name} {operands} {attrs}".strip().replace(", ", ",")

    @property
    def differentiable(self) -> bool:
        return not self.kinks and any(x.dtype is None for x in self.operands)


def _at(value: Any, dtype: DType, batch: Dim) -> Any:
    """An attribute with N put in; a function (dtype, N) makes what depends on more."""
    if callable(value):
        return value(dtype, batch)
    if isinstance(value, tuple):
        return tuple(_at(item, dtype, batch) for item in value)
    return evaluate(value, {"N": batch}) if value is not True and isinstance(value, type(N)) else value


SAMPLES: list[Sample] = []


def sample(name: str, *operands: Operand, kinks: bool = False, **attrs: Any) -> None:
    SAMPLES.append(Sample(ops.OPS[name], operands, attrs, kinks))


def _windows(**changes: Any) -> dict[str, Any]:
    return {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1} | changes


# -- elementwise ---------------------------------------------------------------------------------------------
for name in ("neg", "abs", "relu"):
    sample(name, F(N, 3))
    sample(name, F())
    sample(name, I(N, 3))
sample("sign", F(N, 3))
sample("sign", I(N, 3))
for name in ("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "erf"):
    sample(name, F(N, 3))
for name in ("log", "sqrt"):
    sample(name, F(N, 3, draw=positive))
sample("floor", F(N, 3))
sample("is_nan", F(N, 3))
sample("relu_grad", F(N, 3), F(N, 3))
sample("relu_grad", F(N, 3), F(N, 3, draw=ties))
sample("relu_grad", F(3), F(N, 1, draw=ties))
for name in ("add", "sub", "mul", "div"):
    sample(name, F(N, 3), F(N, 3))
    sample(name, F(N, 1, 3), F(4, 1))
    sample(name, F(N, 3), F())
    sample(name, F(1), F(N, 1))
    sample(name, I(N, 3), I(N, 3, draw=nonzero))
    sample(name, I(N, 3, dtype=i32), I(3, draw=nonzero, dtype=i32))
sample("pow", F(N, 3, draw=positive), F(N, 3))
sample("pow", F(N, 3, draw=positive), F())
for name in ("maximum", "minimum"):
    sample(name, F(N, 3), F(N, 3))
    sample(name, F(N, 1, 3), F(4, 1))
    sample(name, F(N, 3, draw=ties), F(3, draw=ties), kinks=True)
    sample(name, I(N, 3), I(N, 3))
for name in ("equal", "less", "greater"):
    sample(name, F(N, 3, draw=ties), F(3, draw=ties))
    sample(name, I(N, 3), I(N, 3))
sample("equal", B(N, 3), B(3))
sample("logical_not", B(N, 3))
for name in ("logical_and", "logical_or"):
    sample(name, B(N, 3), B(3))
sample("mod", I(N, 5), I(N, 5, draw=nonzero))
sample("mod", I(N, 5, dtype=i32), I(draw=nonzero, dtype=i32))
for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    sample(name, I(N, 5), I(5))
    sample(name, I(N, 5, dtype=i32), I(N, 1, dtype=i32))
    sample(name, I(N, 5, draw=up_to(256), dtype=u8), I(N, 5, draw=up_to(256), dtype=u8))
sample("where", B(N, 3), F(N, 3), F(N, 3))
sample("where", B(N, 1), F(3), F())
sample("where", B(N, 3), I(N, 3), I(1))
sample("where", B(N, 3), B(N, 3), B(3))
sample("cast", F(N, 3), dtype=f32, kinks=True)  # differences need the precision of f64
sample("cast", F(N, 3), dtype=f64)
sample("cast", F(N, 3), dtype=i64)
sample("cast", F(N, 3), dtype=bool_)
sample("cast", I(N, 3), dtype=f32)
sample("cast", I(N, 3), dtype=i32)
sample("cast", B(N, 3), dtype=f32)
sample("cast", I(N, 3, draw=up_to(200), dtype=u8), dtype=f32)
sample("stop_gradient", F(N, 3))
sample("alias", F(N, 3), uid=7)
sample("with_gradient", F(N, 3), F(N, 3), kinks=True)
sample("with_slope", F(N, 3), F(3), F(N, 1), kinks=True)
sample("fmod", F(N, 3), F(3))
sample(
    "const", value=lambda dtype, n: ops.literal(np.arange(6, dtype=dtype.numpy).reshape(2, 3)).attrs["value"]
)

# -- shape ---------------------------------------------------------------------------------------------------
sample("reshape", F(N, 6), shape=(N, 2, 3))
sample("reshape", F(N, 6), shape=(N * 6,))
sample("reshape", F(N, 2, 3), shape=(2, N, 3))
sample("reshape", F(), shape=(1, 1))
sample("reshape", F(3, 1), shape=(3,))
sample("reshape", F(N, 0), shape=(0, N))
sample("reshape", B(N, 4), shape=(N * 2, 2))
sample("transpose", F(N, 3), perm=(1, 0))
sample("transpose", F(N, 3, 2, 4), perm=(3, 1, 0, 2))
sample("transpose", F(), perm=())
sample("transpose", I(N, 3), perm=(1, 0))
sample("broadcast_to", F(3), shape=(N, 3))
sample("broadcast_to", F(N, 1), shape=(2, N, 4))
sample("broadcast_to", F(), shape=(N, 3))
sample("broadcast_to", F(N, 3), shape=(N, 3))
sample("broadcast_to", B(1, 3), shape=(N, 3))
sample("slice", F(N, 6), starts=(0, 1), stops=(N, 4), steps=(1, 1))
sample("slice", F(N, 6), starts=(0, 0), stops=(N, 6), steps=(1, 1))
sample("slice", F(N, 7), starts=(0, 1), stops=(N, 7), steps=(1, 2))
sample("slice", F(N, 7), starts=(0, 1), stops=(N, 6), steps=(1, 3))
sample("slice", F(N * 2, 3), starts=(N, 0), stops=(N * 2, 3), steps=(1, 1))
sample("slice", F(N, 3), starts=(N - 1, 0), stops=(N, 3), steps=(1, 1))
sample("slice", F(N, 5), starts=(0, 2), stops=(N, 2), steps=(1, 1))
sample("slice", F(), starts=(), stops=(), steps=())
sample("slice", I(N, 6), starts=(0, 5), stops=(N, 6), steps=(1, 1))
sample("reverse", F(N, 3), axes=(0,))
sample("reverse", F(N, 3, 4), axes=(0, 2))
sample("reverse", F(N, 3), axes=())
sample("reverse", F(), axes=())
sample("reverse", I(N, 3), axes=(1,))
sample("pad", F(N, 3), low=(0, 1), high=(0, 2))
sample("pad", F(N, 3), low=(1, 0), high=(2, 0), value=-1.5)
sample("pad", F(N, 3), low=(N, 0), high=(0, 0))
sample("pad", F(N, 3), low=(0, 0), high=(0, 0))
sample("pad", F(), low=(), high=())
sample("pad", I(N, 3), low=(0, 1), high=(0, 1), value=2.0)
sample("pad", B(N, 3), low=(0, 1), high=(0, 1))
sample("concat", F(N, 3), F(N, 2), axis=1)
sample("concat", F(N, 3), F(2, 3), F(N * 2, 3), axis=0)
sample("concat", F(N, 3), axis=0)
sample("concat", I(N, 3), I(N, 1), axis=1)
sample("concat", B(N, 3), B(N, 1), axis=1)
sample("gather", F(5, 3), I(N, draw=up_to(5)), axis=0)
sample("gather", F(N, 5, 3), I(2, 4, draw=up_to(5)), axis=1)
sample("gather", F(N, 5), I(draw=up_to(5)), axis=1)
sample("gather", F(N, 5), I(3, draw=up_to(5), dtype=i32), axis=1)
sample("gather", I(N, 5), I(3, draw=up_to(5)), axis=1)
sample("scatter_add", F(N, 3), I(N, draw=up_to(4)), axis=0, size=4)
sample("scatter_add", F(N, 2, 4, 3), I(2, 4, draw=up_to(5)), axis=1, size=5)
sample("scatter_add", F(N, 3), I(draw=up_to(4)), axis=1, size=4)
sample("scatter_add", F(N, 6), I(6, draw=up_to(3), dtype=i32), axis=1, size=3)
sample("scatter_add", F(N, 3), I(3, draw=up_to(2)), axis=1, size=N + 1)
sample("take_along_axis", F(N, 5), I(N, 1, draw=up_to(5)), axis=1)
sample("take_along_axis", F(4, 3), I(N, 3, draw=up_to(4)), axis=0)
sample("take_along_axis", F(N, 5), I(N, 2, draw=up_to(5), dtype=i32), axis=1)
sample("put_along_axis", F(N, 2), I(N, 2, draw=up_to(5)), axis=1, size=5)
sample("put_along_axis", F(N, 3), I(N, 3, draw=up_to(4)), axis=0, size=4)
sample("scatter", F(N, 5), I(N, 2, draw=apart(5)), F(N, 2), axis=1)
sample("scatter", F(4, N), I(6, N, draw=up_to(4)), F(6, N), axis=0, kinks=True)
sample("scatter", I(N, 5), I(N, 7, draw=up_to(5), dtype=i32), I(N, 7), axis=1)
sample("scatter", B(N, 5), I(N, 7, draw=up_to(5)), B(N, 7), axis=1)
sample("scatter", F(N, 3), I(N, 4, draw=up_to(3)), F(N, 4), axis=1, reduction="mul")
sample("scatter", F(N, 3), I(N, 4, draw=up_to(3)), F(N, 4), axis=1, reduction="add")
for reduction in ("max", "min"):
    sample("scatter", F(N, 3), I(N, 4, draw=up_to(3)), F(N, 4), axis=1, reduction=reduction)
    sample(
        "scatter",
        F(4, 3, draw=ties),
        I(5, 3, draw=up_to(4)),
        F(5, 3, draw=ties),
        axis=0,
        reduction=reduction,
        kinks=True,
    )
    sample("scatter", I(N, 3), I(N, 4, draw=up_to(3)), I(N, 4), axis=1, reduction=reduction)
sample("iota", size=5)
sample("iota", size=N)
sample("iota", size=N * 2, dtype=f32)
sample("iota", size=4, dtype=i32)
sample("dim", size=N)
sample("dim", size=7)
sample("dim", size=N * N * 3 + N)

# -- dense matrices ------------------------------------------------------------------------------------------
sample("solve", F(N, 3, 3, draw=regular), F(N, 3, 2))
sample("solve", F(4, 4, draw=regular), F(4, N))
sample("cholesky", F(N, 3, 3, draw=definite))

# -- reductions ----------------------------------------------------------------------------------------------
for name in ("sum", "reduce_max"):
    sample(name, F(N, 3, 4, draw=distinct), axes=(0,))
    sample(name, F(N, 3, 4, draw=distinct), axes=(0, 2), keepdims=True)
    sample(name, F(N, 3, 4, draw=distinct), axes=(0, 1, 2))
    sample(name, F(N, 3, draw=distinct), axes=())
    sample(name, F(draw=distinct), axes=())
    sample(name, I(N, 3), axes=(1,))
    sample(name, I(N, 3, dtype=i32), axes=(1,))
sample("sum", F(N, 0), axes=(1,))
sample("reduce_max", F(N, 6, draw=ties), axes=(1,), kinks=True)
sample("cumsum", F(N, 5), axis=1)
sample("cumsum", F(N, 3, 2), axis=1, reverse=True)
sample("cumsum", I(N, 3), axis=0)
sample("argmax", F(N, 5), axis=1)
sample("argmax", F(N, 5, draw=ties), axis=1, keepdims=True)
sample("argmax", I(N, 5), axis=0)
sample("argsort", F(N, 5, draw=ties), axis=1, count=5)
sample("argsort", F(N, 5, draw=ties), axis=0, count=N, descending=True)
sample("argsort", F(2, 5, N), axis=1, count=2, descending=True)
sample("argsort", I(N, 5), axis=1, count=3)
sample("argsort", I(N, 5, dtype=i32), axis=1, count=5, descending=True)
sample("argsort", I(N, 5, draw=up_to(256), dtype=u8), axis=1, count=5)

# -- linear algebra and images -------------------------------------------------------------------------------
sample("split", F(N, 6), axis=1, sizes=(1, 3, 2))
sample("matmul", F(N, 3), F(3, 4))
sample("matmul", F(N, 2, 3), F(3, 4))
sample("matmul", F(2, 3), F(N, 3, 4))
sample("matmul", F(N, 1, 2, 3), F(4, 3, 2))
sample("matmul", F(N, 2, 3), F(N, 3, 2))
sample("gemm", F(N, 3), F(3, 4))
sample("gemm", F(N, 3), F(3, 4), F(4), alpha=0.5, beta=-2.0)
sample("gemm", F(3, N), F(4, 3), F(N, 1), trans_a=True, trans_b=True)
sample("gemm", F(N, 3), F(4, 3), F(N, 4), trans_b=True, beta=0.9)
LANES = lanes("cpu") or 16  # of the machine that runs the tests
IMAGE = (N, 2 * LANES, 3, 4)
for name, shapes, attrs in (
    ("to_lanes", (IMAGE,), {"lanes": LANES}),
    ("from_lanes", (IMAGE,), {"lanes": LANES}),
    ("mean_lanes", (IMAGE,), {"lanes": LANES}),
    ("conv2d_lanes", (IMAGE, (1, 2, 3, 2, LANES, LANES)), {"padding": (1, 0)}),
    (
        "conv2d_lanes",
        ((N, 3, 5, 6), (2, 3, 3, 3, LANES), (2 * LANES,)),
        {"stride": (2, 1), "padding": (1, 1)},
    ),
    ("conv2d_lanes", ((N, LANES, 5, 9), (1, 1, 2, 3, LANES, LANES)), {"dilation": (2, 3)}),
    ("conv2d_lanes", (IMAGE, (2, 1, 2, 2, LANES, LANES)), {"groups": 2}),
    (
        "conv2d_samples_lanes",
        ((2, N, 5, 9), (N, 2 * LANES, 3, 2)),
        {"lanes": LANES, "padding": (1, 0), "dilation": (1, 4)},
    ),
    ("affine_lanes", (IMAGE, (2 * LANES,), (2 * LANES,)), {"lanes": LANES}),
    ("affine_lanes", (IMAGE, (2 * LANES,), (2 * LANES,)), {"lanes": LANES, "side": 2, "stride": (2, 1)}),
    ("affine_lanes", (IMAGE, (2 * LANES,), (2 * LANES,), IMAGE), {"lanes": LANES, "relu": True}),
):
    sample(name, *(Operand(shape, normal, f32) for shape in shapes), **attrs)
WINDOWS = [
    # (input channels, height, width), (outputs, inputs per group, kernel), attributes
    ((1, 6, 6), (2, 1, 3, 3), {}),
    ((2, 6, 7), (3, 2, 3, 2), {"stride": (2, 1)}),
    ((2, 6, 6), (3, 2, 3, 3), {"padding": (1, 2)}),
    ((2, 7, 7), (3, 2, 2, 3), {"dilation": (2, 3)}),
    ((4, 5, 5), (6, 2, 3, 3), {"groups": 2}),
    ((3, 5, 5), (3, 1, 3, 3), {"groups": 3, "padding": (1, 1)}),
    ((2, 8, 9), (2, 1, 3, 2), {"stride": (3, 2), "padding": (1, 1), "dilation": (2, 1), "groups": 2}),
    ((2, 8, 8), (2, 2, 3, 3), {"stride": (2, 2)}),
    ((2, 5, 5), (3, 2, 1, 1), {"stride": (2, 2)}),
]
for (channels, *size), weight, how in WINDOWS:
    attrs = _windows(**how)
    sample("conv2d", F(N, channels, *size), F(*weight), **attrs)
    out = ops.conv2d(leaf("x", Type(f32, (2, channels, *size))), leaf("w", Type(f32, weight)), **attrs).shape[
        2:
    ]
    y = F(N, weight[0], *out)
    sample("conv2d_input_grad", y, F(*weight), size=tuple(size), **attrs)
    sample("conv2d_weight_grad", F(N, channels, *size), y, kernel=weight[2:], **attrs)
sample("conv2d", F(N, 2, 5, 5), F(3, 2, 3, 3), F(3))
sample("conv2d", F(N, 2, 5, 5), F(4, 1, 3, 3), F(4), groups=2, stride=(2, 2), padding=(1, 1))

POOLS = [
    ((6, 6), {"kernel": (2, 2), "stride": (2, 2)}),
    ((7, 6), {"kernel": (3, 2), "stride": (1, 1)}),
    ((7, 7), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
    ((7, 6), {"kernel": (2, 3), "stride": (2, 2), "padding": (1, 0), "ceil_mode": True}),
    ((5, 8), {"kernel": (2, 2), "stride": (3, 3), "ceil_mode": True}),
    ((6, 6), {"kernel": (3, 3), "stride": (3, 3), "padding": (1, 1), "ceil_mode": True}),
]
for size, how in POOLS:
    for dilation in ((1, 1), (2, 1)):
        attrs = how | {"dilation": dilation}
        shape = (N, 2, *size)
        out = ops.max_pool2d(leaf("x", Type(f32, (2, 2, *size))), **attrs).shape[2:]
        sample("max_pool2d", F(*shape, draw=distinct), **attrs)
        sample("max_pool2d", F(*shape, draw=ties), kinks=True, **attrs)
        for draw in (distinct, ties):
            sample("max_pool2d_with_indices", F(*shape, draw=draw), kinks=draw is ties, **attrs)
            sample("max_pool2d_grad", F(N, 2, *out), F(*shape, draw=draw), kinks=draw is ties, **attrs)
            sample("max_pool2d_pick", F(*shape), F(*shape, draw=draw), kinks=draw is ties, **attrs)
sample("max_unpool2d", Operand((N, 2, 3, 2), normal, f32), I(N, 2, 3, 2, draw=places), size=(6, 4))
for size, how in POOLS:
    for include in (True, False):
        attrs = how | {"count_include_pad": include}
        out = ops.avg_pool2d(leaf("x", Type(f32, (2, 2, *size))), **attrs).shape[2:]
        sample("avg_pool2d", F(N, 2, *size), **attrs)
        sample("avg_pool2d_grad", F(N, 2, *out), size=size, **attrs)
sample("standardize", F(N, 3, 2, 4), F(3), eps=1e-5)
sample("standardize", F(4, 3), F(3), eps=0.1)
sample("standardize_along", F(N, 3, 4), axes=(1, 2), eps=1e-5)
sample("standardize_along", F(N, 5), axes=(1,), eps=0.1)
for name in ("softmax", "log_softmax"):
    sample(name, F(N, 5), axis=1)
    sample(name, F(N, 5), axis=0)
    sample(name, F(N, 3, 4), axis=1)


# -- control -------------------------------------------------------------------------------------------------
def cumulative(dtype: DType, n: Dim) -> Graph:
    """c, x, w -> c * w + tanh(x), and the new c as an item."""
    c, x, w = (leaf(name, Type(dtype, (n, 3))) for name in "cxw")
    new = c * w + ops.tanh(x)
    return Graph.make("cumulative", (c, x, w), [("c", new), ("item", new * x)])


def fold(dtype: DType, n: Dim) -> Graph:
    """A body without carries: x, i -> x * w[i]."""
    x, i, w = leaf("x", Type(dtype, (3,))), leaf("i", Type(i64, ())), leaf("w", Type(dtype, (4, 3)))
    return Graph.make("fold", (x, i, w), [("y", x * ops.gather(w, i, axis=0))])


def squares(dtype: DType, n: Dim) -> Graph:
    """A body without sequences: c -> sin(c) + c, and c."""
    c = leaf("c", Type(dtype, (3,)))
    return Graph.make("squares", (c,), [("c", ops.sin(c) + c), ("c_before", c)])


def tile_of(dtype: DType, n: Dim) -> Graph:
    """sum, some rows, w -> sum + rows * w, rows * w."""
    total, w = leaf("total", Type(dtype, (3,))), leaf("w", Type(dtype, (3,)))
    rows = leaf("rows", Type(dtype, (symbol("tile"), 3)))
    return Graph.make(
        "tile_of", (total, rows, w), [("total", total + ops.sum(rows * w, axes=(0,))), ("y", rows * w)]
    )


def turned(dtype: DType, n: Dim) -> Graph:
    """x, w -> -x, and x * w."""
    x, w = leaf("x", Type(dtype, (n, 3))), leaf("w", Type(dtype, (3,)))
    return Graph.make("turned", (x, w), [("y", -x), ("z", x * w)])


def kept(dtype: DType, n: Dim) -> Graph:
    """x, w -> x as it is, and ones."""
    x, w = leaf("x", Type(dtype, (n, 3))), leaf("w", Type(dtype, (3,)))
    return Graph.make("kept", (x, w), [("y", x), ("z", ops.broadcast_to(ops.scalar(1, dtype), shape=(n, 3)))])


sample("cond", B(), F(N, 3), F(3), then=turned, otherwise=kept)
sample("cond", B(), F(N, 3, draw=positive), F(3), then=kept, otherwise=turned)
for reverse in (False, True):
    sample(
        "scan",
        F(N, 3),
        F(4, N, 3),
        F(N, 3),
        body=cumulative,
        carries=1,
        sequences=1,
        length=4,
        reverse=reverse,
    )
    sample(
        "scan",
        F(N, 3),
        I(N, draw=up_to(4)),
        F(4, 3),
        body=fold,
        carries=0,
        sequences=2,
        length=N,
        reverse=reverse,
    )
sample("scan", F(3), body=squares, carries=1, sequences=0, length=3)
# Not differentiated: gradients are made before tiles.
sample("scan", F(3), F(N, 3), F(3), kinks=True, body=tile_of, carries=1, sequences=1, length=N, tile=2)
sample("custom", F(N, 3), F(N, 3), kinks=True, backward="never differentiated")
