"""Operations that appear after lowering only: what the runtime computes in one kernel.

`passes.kernels.fuse` makes them out of differentiated graphs, so they need no gradient rule.
"""

from __future__ import annotations

import numpy as np

from ir.errors import ShapeError
from ir.interpret import run
from ir.node import Graph
from ir.op import op
from ir.ops.rules import broadcast_shapes, need_float, need_rank
from ir.types import Array, TupleType, Type, bool_, f32, i64


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


def _max_unpool2d(y: Type, indices: Type, *, size: tuple[int, int]) -> Type:
    need_rank("max_unpool2d", "y", y, 4)
    if y.dtype is not f32 or indices.dtype is not i64 or indices.shape != y.shape:
        raise ShapeError(
            f"max_unpool2d: y is f32 and the indices i64 of the same shape, not {y} and {indices}"
        )
    return y.with_shape((*y.shape[:2], *size))


@op(infer=_max_unpool2d)
def max_unpool2d(y: Array, indices: Array, *, size: tuple[int, int]) -> Array:
    """y[N,C,OH,OW] put into zeros [N,C,*size], where the indices into the flat result say; they are all different
    (ONNX MaxUnpool)."""
    x = np.zeros((*y.shape[:2], *size), y.dtype)
    x.flat[indices] = y
    return x


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


def _cond(condition: Type, *operands: Type, then: Graph, otherwise: Graph) -> TupleType:
    if condition != Type(bool_, ()):
        raise ShapeError(f"cond: the condition must be one bool, not {condition}")
    for graph in (then, otherwise):
        taken = [node.type for node in graph.inputs]
        if taken != list(operands):
            raise ShapeError(
                f"cond: {graph.name} takes ({', '.join(map(str, taken))}), but is given "
                f"({', '.join(map(str, operands))})"
            )
    first, second = ([node.ty for node in graph.outputs] for graph in (then, otherwise))
    if first != second:
        raise ShapeError(
            f"cond: {then.name} returns ({', '.join(map(str, first))}), "
            f"but {otherwise.name} ({', '.join(map(str, second))})"
        )
    return TupleType(tuple(first))


@op(infer=_cond)
def cond(condition: Array, *operands: Array, then: Graph, otherwise: Graph) -> tuple[Array, ...]:
    """The results of `then` of the operands where the condition holds, else those of `otherwise` (torch.cond,
    ONNX If). Only the one is computed."""
    return run(then if condition else otherwise, operands)
