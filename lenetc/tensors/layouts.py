"""How a view lies in the memory of what it shows: where PyTorch shows elements in another shape, and where it copies.

Values here have no order in memory; but who changes the copy that `x.t().reshape(-1)` is must not change x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from ir import ops
from ir.node import Node
from ir.op import leaf
from lenetc.evaluation.cell import Context

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Lies: TypeAlias = "tuple[tuple[int, ...], tuple[int, ...]]"  # shape and strides


def can_show(x: Tensor, shape: Sequence[object]) -> bool:
    """Whether the elements of `x` are shown in another shape without a copy."""
    lies = None if _is_plain(x) else _layout(x)
    sizes = [size for size in shape if isinstance(size, int)]
    return lies is None or len(sizes) < len(shape) or _under(lies, tuple(sizes)) is not None


def strides_out_of_order(x: Tensor) -> tuple[int, ...] | None:
    """The strides of what does not lie row by row; None of all else, and where that is not known: of symbolic sizes."""
    lies = None if _is_plain(x) else _layout(x)
    if lies is None:
        return None
    shape, strides = lies
    wanted = _rows(shape)[1]
    is_other = any(size != 1 and a != b for size, a, b in zip(shape, strides, wanted, strict=True))
    return strides if is_other and 0 not in shape else None


def _is_plain(x: Tensor) -> bool:
    """Whether it is no view, of whatever call's arguments."""
    return x._view is None and (Context.trace is None or not Context.trace.is_fed(x._cell))


def _layout(x: Tensor) -> Lies | None:
    """As what `x` is a view of lies row by row."""
    trace, view = Context.trace, x._view
    if trace is not None and trace.is_fed(x._cell):
        trace.laid.append(x)
    sizes = tuple(size for size in x.shape if isinstance(size, int))
    if len(sizes) < x.ndim:
        return None
    base = None if view is None else view.base()
    if view is None or base is None:
        return _rows(sizes)
    below = _layout(base)
    if below is None:
        return None
    probe = leaf("base", base._cell.type)
    return _followed(view.read(probe), probe, below)


def _rows(shape: tuple[int, ...]) -> Lies:
    return shape, tuple(math.prod(max(size, 1) for size in shape[i + 1 :]) for i in range(len(shape)))


def _under(lies: Lies, new: tuple[int, ...]) -> Lies | None:
    """The same memory under another shape, None where strides cannot tell it. Source: PyTorch's computeStride."""
    shape, strides = lies
    if 0 in shape or not shape:
        return _rows(new)
    found, at, base = [0] * len(new), len(new) - 1, strides[-1]
    run = shown = 1  # elements of dimensions that lie one in the other, and of new ones
    for i in reversed(range(len(shape))):
        run *= shape[i]
        if i and (shape[i - 1] == 1 or strides[i - 1] == run * base):
            continue
        while at >= 0 and (shown < run or new[at] == 1):
            found[at], shown, at = shown * base, shown * new[at], at - 1
        if shown != run:
            return None
        base, run, shown = strides[i - 1], 1, 1
    return new, tuple(found)


def _followed(node: Node, base: Node, lies: Lies) -> Lies | None:
    """How `node`, made of `base` by what moves no elements, lies."""
    if node is base:
        return lies
    below = _followed(node.inputs[0], base, lies) if node.op in _MOVES else None
    if below is None or node.op in (ops.stop_gradient, ops.alias):
        return below
    shape, strides = below
    if node.op is ops.reshape:
        return _under(below, node.attrs["shape"])
    if node.op is ops.transpose:
        perm = node.attrs["perm"]
        return tuple(shape[i] for i in perm), tuple(strides[i] for i in perm)
    if node.op is ops.slice:
        steps = node.attrs["steps"]
        return tuple(map(int, node.ty.shape)), tuple(a * b for a, b in zip(strides, steps, strict=True))
    new = node.attrs["shape"]
    added = len(new) - len(shape)
    kept = (
        stride if size == wanted else 0
        for size, wanted, stride in zip(shape, new[added:], strides, strict=True)
    )
    return new, (*[0] * added, *kept)


_MOVES = (ops.transpose, ops.reshape, ops.broadcast_to, ops.slice, ops.stop_gradient, ops.alias)
