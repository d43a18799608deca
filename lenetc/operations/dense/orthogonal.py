"""QR factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import LenetcError, UnsupportedError
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.types import Type, i64
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.dense.stacks import diagonal, need_matrices
from lenetc.tensors.grad_fn import is_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["qr"]


class Factors(NamedTuple):
    """What linalg.qr returns (torch.return_types.linalg_qr)."""

    Q: Tensor
    R: Tensor


def linalg_qr(A: Tensor, mode: str = "reduced") -> Factors:
    """(Q, R) with Q R = A, Q orthogonal and R upper triangular, by Householder's reflections (torch.linalg.qr).

    mode: "reduced" ([M, K] and [K, N], K the smaller of both), "complete" ([M, M] and [M, N]) or "r" (no Q). Raises
    DTypeError for dtypes other than f32 and f64, LenetcError for other modes, UnsupportedError for a gradient where
    PyTorch has none: of mode "r", and of a complete Q with more rows than columns.
    """
    need_matrices("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise LenetcError(f"qr: mode must be 'reduced', 'complete' or 'r', not {mode!r}").at(here())
    rows, columns = int(A.shape[-2]), int(A.shape[-1])
    if A.requires_grad and is_grad_enabled() and (mode == "r" or (mode == "complete" and rows > columns)):
        raise UnsupportedError(
            f"qr: there is no gradient of mode {mode!r} for {A.type_text()}; use 'reduced', or detach the matrix"
        ).at(here())
    size = rows if mode == "complete" else min(rows, columns)

    def factor(index: int, name: str) -> Tensor:
        return t.apply(name, lambda a: _factors(a, size)[index], A)

    r = factor(1, "LinalgQrBackward0")
    if mode == "r":
        empty = t.apply("", lambda a: ops.literal(np.zeros(0, np.float64), a.dtype), A.detach())
        return Factors(empty, r)
    return Factors(factor(0, "LinalgQrBackward0"), r)


@autocasts
def qr(input: Tensor, some: bool = True) -> Factors:
    """(Q, R) as `linalg.qr`, reduced if `some`."""
    return linalg_qr(input, "reduced" if some else "complete")


def _factors(a: Node, size: int) -> tuple[Node, Node]:
    """Q [..., M, size] and R [..., size, N] of reflections, with the gradient of what they are without any: R^T is the
    Cholesky factor of A^T A, and Q is A R^-1, up to the signs of R's diagonal."""
    whole, upper = _reflected(ops.stop_gradient(a))
    q, r = _block(whole, None, size), _block(upper, size, None)
    rank = min(int(a.shape[-2]), int(a.shape[-1]))
    if not rank or size > rank:
        return q, r
    square = _block(a, None, rank)
    signs = diagonal(_block(ops.stop_gradient(r), None, rank))
    signs = ops.where(ops.less(signs, 0), scalar(-1, a.dtype), scalar(1, a.dtype))
    lower = ops.cholesky(_turned(square) @ square) * ops.reshape(signs, shape=(*signs.shape[:-1], 1, rank))
    smooth_q = _turned(ops.solve(lower, _turned(square)))
    return ops.with_gradient(q, smooth_q), ops.with_gradient(r, _turned(smooth_q) @ a)


def _turned(x: Node) -> Node:
    return ops.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def _block(x: Node, rows: int | None, columns: int | None) -> Node:
    """The first rows and columns of matrices, all for None."""
    stops = (
        *x.shape[:-2],
        x.shape[-2] if rows is None else rows,
        x.shape[-1] if columns is None else columns,
    )
    return x if stops == x.shape else ops.slice(x, starts=(0,) * x.rank, stops=stops, steps=(1,) * x.rank)


def _reflected(a: Node) -> tuple[Node, Node]:
    """Q [..., M, M] and R [..., M, N], with LAPACK's signs: one reflection a column, none where nothing is below."""
    rows, columns, lead = int(a.shape[-2]), int(a.shape[-1]), a.shape[:-2]
    eye = ops.broadcast_to(ops.literal(np.eye(rows), a.dtype), shape=(*lead, rows, rows))
    steps = min(rows, columns)
    if 0 in (*lead, rows, columns):
        return eye, a
    q, r, column = leaf("q", eye.ty), leaf("r", a.ty), leaf("column", Type(i64, ()))
    zero, one = scalar(0, a.dtype), scalar(1, a.dtype)
    places = ops.iota(size=rows)
    values = ops.gather(r, column, axis=a.rank - 1)
    below = ops.where(ops.greater(places, column), values, zero)
    head = ops.reshape(ops.gather(values, column, axis=a.rank - 2), shape=(*lead, 1))
    rest = ops.sum(below * below, axes=(a.rank - 2,), keepdims=True)
    turns = ops.greater(rest, 0)
    length = ops.sqrt(head * head + rest)
    pivot = ops.where(ops.less(head, 0), length, -length)
    # (1, below / (head - pivot)) is the direction that is reflected.
    scale = ops.where(turns, head - pivot, one)
    direction = ops.where(ops.equal(places, column), one, below / scale)
    factor = ops.where(turns, (pivot - head) / ops.where(turns, pivot, one), zero)
    tall = ops.reshape(direction, shape=(*lead, rows, 1))
    wide = ops.reshape(direction, shape=(*lead, 1, rows))
    factor = ops.reshape(factor, shape=(*lead, 1, 1))
    turned_r = r - tall * factor * (wide @ r)
    flat = ops.logical_and(
        ops.reshape(ops.greater(places, column), shape=(rows, 1)),
        ops.reshape(ops.equal(ops.iota(size=columns), column), shape=(1, columns)),
    )
    turned_q = q - (q @ tall) * factor * wide
    results = (("q", turned_q), ("r", ops.where(flat, zero, turned_r)))
    body = Graph.make("reflection", (q, r, column), results)
    run = ops.scan(eye, a, ops.iota(size=steps), body=body, carries=2, sequences=1, length=steps)
    return ops.get(run, index=0), ops.get(run, index=1)
