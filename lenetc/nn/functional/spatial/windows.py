"""What windows see, along one axis after the other."""

from __future__ import annotations

from ir import ops
from ir.dims import Dim
from ir.node import Node


def padded(x: Node, axis: int, low: int, high: int, value: float = 0.0) -> Node:
    """x with `value` before and after it along `axis`."""
    if not low and not high:
        return x
    none = [0] * x.rank
    before, after = list(none), list(none)
    before[axis], after[axis] = low, high
    return ops.pad(x, low=tuple(before), high=tuple(after), value=value)


def part(x: Node, axis: int, start: Dim, stop: Dim, step: int = 1) -> Node:
    """x[start:stop:step] along `axis`."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    starts: list[Dim] = [0] * x.rank
    stops, steps = list(x.shape), [1] * x.rank
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return ops.slice(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def windows(
    x: Node, axis: int, kernel: int, *, stride: int = 1, dilation: int = 1, at: int | None = None
) -> Node:
    """What each position of a kernel sees of x[A,L,B] along `axis`, as a new axis at `at`, before L if None:
    [A,kernel,OL,B]."""
    at = axis if at is None else at
    count = (x.shape[axis] - dilation * (kernel - 1) - 1) // stride + 1
    taps = []
    for k in range(kernel):
        start = k * dilation
        tap = part(x, axis, start, start + (count - 1) * stride + 1, stride)
        taps.append(ops.reshape(tap, shape=(*tap.shape[:at], 1, *tap.shape[at:])))
    return ops.concat(*taps, axis=at) if kernel > 1 else taps[0]
