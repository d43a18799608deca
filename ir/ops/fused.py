"""Operations that appear after lowering only: what the runtime computes in one kernel.

`passes.fuse` makes them out of differentiated graphs, so they need no gradient rule.
"""

from __future__ import annotations

import numpy as np

from ir.errors import DTypeError, ShapeError
from ir.op import op
from ir.ops.nn import Pair, conv2d
from ir.ops.rules import broadcast_shapes, need_float, need_rank
from ir.types import Array, TupleType, Type, f32


def _gemm(
    a: Type, b: Type, c: Type | None = None, *, trans_a: bool, trans_b: bool, alpha: float, beta: float
) -> Type:
    need_float("gemm", *(t for t in (a, b, c) if t is not None))
    need_rank("gemm", "a", a, 2)
    need_rank("gemm", "b", b, 2)
    (m, k), (k_b, n) = a.shape[:: -1 if trans_a else 1], b.shape[:: -1 if trans_b else 1]
    if k != k_b:
        turned = f"{' transposed' * trans_a} and {b}{' transposed' * trans_b}"
        raise ShapeError(f"gemm: {a}{turned} do not multiply: {k} columns meet {k_b} rows")
    if c is not None and (c.rank > 2 or broadcast_shapes("gemm", c.shape, (m, n)) != (m, n)):
        raise ShapeError(f"gemm: c {c} does not broadcast to the product's shape [{m}, {n}]")
    return a.with_shape((m, n))


@op(infer=_gemm)
def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    trans_a: bool = False,
    trans_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Array:
    """alpha * a[M,K] @ b[K,L] + beta * c -> [M,L], c broadcast (ONNX Gemm); a and b transposed where told."""
    product = (a.T if trans_a else a) @ (b.T if trans_b else b)
    product = product if alpha == 1 else product * product.dtype.type(alpha)
    if c is None:
        return product
    return product + (c if beta == 1 else c * product.dtype.type(beta))


def _positive(x: Type) -> Type:
    if x.dtype is not f32:
        raise DTypeError(f"positive: is made for f32 only, not for {x}")
    return x


@op(infer=_positive)
def positive(x: Array) -> Array:
    """1 where x > 0, else 0: the gradient of relu.

    It runs as ONNX HardSigmoid, clip(x * 3.4e38, 0, 1), in about half the time of Greater and Cast; that
    gives less than 1 for x below 3e-39, a subnormal number that no activation needs to be told from 0.
    """
    return np.greater(x, 0).astype(x.dtype)


def _split(x: Type, *, axis: int, sizes: tuple[int, ...]) -> TupleType:
    if not 0 <= axis < x.rank or sum(sizes) != x.shape[axis] or len(sizes) < 2:
        raise ShapeError(
            f"split: {x} does not split along axis {axis} into two or more parts of sizes {sizes}"
        )
    return TupleType(tuple(x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes))


@op(infer=_split)
def split(x: Array, *, axis: int, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """x[A,D,B] in parts [A,size,B] along `axis`; the sizes add up to D (torch.split, ONNX Split)."""
    return tuple(part.copy() for part in np.split(x, np.cumsum(sizes)[:-1], axis))


def _plain_weight(w: Type) -> Type:
    """The type [O,I,KH,KW] of a weight in lanes."""
    outputs, inputs, *kernel = w.shape[:4]
    lanes = w.shape[4:]
    return w.with_shape((outputs * lanes[-1], inputs * (lanes[0] if len(lanes) == 2 else 1), *kernel))


def _conv2d_lanes(x: Type, w: Type, bias: Type | None = None, *, stride: Pair, padding: Pair) -> Type:
    if x.dtype is not f32 or w.rank not in (5, 6):
        raise ShapeError(
            f"conv2d_lanes: {x} and weight {w}; it takes f32, and a weight [O/L,I/L,KH,KW,L,L] or [O/L,I,KH,KW,L]"
        )
    operands = (x, _plain_weight(w), *([] if bias is None else [bias]))
    return conv2d.infer(*operands, stride=stride, padding=padding, dilation=(1, 1), groups=1)  # type: ignore[return-value]


@op(infer=_conv2d_lanes)
def conv2d_lanes(
    x: Array, w: Array, bias: Array | None = None, *, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Array:
    """conv2d of x[N,I,H,W] with a weight whose channels are in lanes of L: w[O/L,I/L,KH,KW,L of I,L of O], or
    w[O/L,I,KH,KW,L of O] for fewer inputs than L. -> [N,O,OH,OW]

    It runs as Conv of the domain com.microsoft.nchwc, ONNX Runtime's direct convolution for CPUs, which works
    on as many channels at once as a vector register has lanes.
    """
    perm = (0, 5, 1, 4, 2, 3) if w.ndim == 6 else (0, 4, 1, 2, 3)
    shape = _plain_weight(Type(f32, w.shape)).shape
    plain = np.ascontiguousarray(w.transpose(perm)).reshape([int(d) for d in shape])
    return np.asarray(conv2d.reference(x, plain, bias, stride=stride, padding=padding))
