"""Systems of equations and Cholesky factors, for which the runtime has no kernels: one step of a scan a column."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import Type, bf16, f16, f32, i64


def solve(a: Node, b: Node) -> Node:
    """The X with a X = b, by elimination; each column is eliminated by the row, of those that are left, in which it is
    largest (C. F. Gauss and W. Jordan, with partial pivoting)."""
    if a.dtype in (f16, bf16):
        return ops.cast(solve(ops.cast(a, dtype=f32), ops.cast(b, dtype=f32)), dtype=b.dtype)
    size, rank = a.shape[-1], a.rank
    if 0 in b.shape:
        return b
    used = ops.broadcast_to(ops.literal(np.asarray(False)), shape=a.shape[:-1])
    joined = ops.concat(a, b, axis=rank - 1)
    run = ops.scan(
        joined, used, ops.iota(size=size), body=_step(joined.ty, used.ty), carries=2, sequences=1, length=size
    )
    # The row that eliminated column k has the k-th unknowns.
    places = ops.transpose(ops.get(run, index=2), perm=(*range(1, rank - 1), 0, rank - 1))
    starts, stops = (0,) * (rank - 1), joined.shape[:-1]
    found = ops.slice(
        ops.get(run, index=0), starts=(*starts, size), stops=(*stops, joined.shape[-1]), steps=(1,) * rank
    )
    return ops.take_along_axis(found, ops.broadcast_to(places, shape=b.shape), axis=rank - 2)


def _step(joined: Type, used: Type) -> Graph:
    """(rows, which were used, a column) -> (rows, which were used, and the place of the one used for the column)."""
    rows, done, column = leaf("rows", joined), leaf("used", used), leaf("column", Type(i64, ()))
    rank, lead = joined.rank, used.shape
    zero = ops.scalar(0, joined.dtype)
    values = ops.gather(rows, column, axis=rank - 1)
    size = ops.where(done, ops.scalar(-1, joined.dtype), ops.abs(values))
    place = ops.argmax(size, axis=rank - 2, keepdims=True)
    chosen = ops.equal(ops.iota(size=lead[-1]), place)
    beside = ops.reshape(chosen, shape=(*lead, 1))
    row = ops.sum(ops.where(beside, rows, zero), axes=(rank - 2,), keepdims=True)
    pivot = ops.reshape(ops.gather(row, column, axis=rank - 1), shape=(*lead[:-1], 1, 1))
    scaled = row / pivot
    following = ops.where(beside, scaled, rows - ops.reshape(values, shape=(*lead, 1)) * scaled)
    results = (("rows", following), ("used", ops.logical_or(done, chosen)), ("place", place))
    return Graph.make("elimination", (rows, done, column), results)


def cholesky(a: Node) -> Node:
    """The lower triangular L with L L^T = a, column by column: what is left of a is less each one's products."""
    if a.dtype in (f16, bf16):
        return ops.cast(cholesky(ops.cast(a, dtype=f32)), dtype=a.dtype)
    if 0 in a.shape:
        return a
    size, rank = a.shape[-1], a.rank
    rest, column = leaf("rest", a.ty), leaf("column", Type(i64, ()))
    values = ops.gather(rest, column, axis=rank - 1)
    pivot = ops.reshape(ops.gather(values, column, axis=rank - 2), shape=(*a.shape[:-2], 1))
    above = ops.less(ops.iota(size=size), column)
    factor = ops.where(above, ops.scalar(0, a.dtype), values / ops.sqrt(pivot))
    across = ops.reshape(factor, shape=(*a.shape[:-1], 1)) * ops.reshape(
        factor, shape=(*a.shape[:-2], 1, size)
    )
    body = Graph.make("cholesky", (rest, column), (("rest", rest - across), ("factor", factor)))
    run = ops.scan(a, ops.iota(size=size), body=body, carries=1, sequences=1, length=size)
    return ops.transpose(ops.get(run, index=1), perm=(*range(1, rank), 0))
