"""Padding: with a constant, and with what the tensor holds."""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial.windows import part
from lenetc.operations.autocast import operand
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.convert import element_for
from lenetc.tensors.tensor import Tensor, apply, require_tensors

_MODES = {"reflect": "reflection", "replicate": "replication", "circular": "circular"}


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`value` (0 if None) added around x: (before, after) for the last dimension, then the one before, ...

    mode: "constant"; or, for the dimensions behind the channels of [N,C,...] or [C,...], "reflect" for what a mirror
    at the first and last element shows, "replicate" for these elements themselves, "circular" for those of the other
    end. Negative amounts take elements away. Raises UnsupportedError for other modes and numbers of dimensions,
    ShapeError for amounts that do not fit. Source: torch.nn.functional.pad.
    """
    require_tensors("pad", input)
    if not isinstance(pad, (tuple, list)):
        raise DTypeError(f"pad: the amounts are a sequence of whole numbers, not {pad!r}").at(here())
    amounts = [index_of("pad: an amount", amount) for amount in pad]
    if len(amounts) % 2 or len(amounts) > 2 * input.ndim:
        raise ShapeError(
            f"pad: needs two amounts for each of the last dimensions, but got {len(amounts)} "
            f"for {input.type_text()}"
        ).at(here())
    sides = list(zip(amounts[::2], amounts[1::2], strict=True))
    if mode != "constant":
        return _padded_with_itself(input, sides, mode, value)
    need_number("pad", "value", value or 0)
    fill = float(element_for(input.dtype, float(value or 0)))
    none = [(0, 0)] * (input.ndim - len(sides))
    before, after = zip(*none, *reversed(sides), strict=True) if input.ndim else ((), ())

    def build(a: Node) -> Node:
        starts = tuple(max(-amount, 0) for amount in before)
        stops = tuple(size - max(-amount, 0) for size, amount in zip(a.shape, after, strict=True))
        if stops != a.shape or any(starts):
            a = ops.slice(a, starts=starts, stops=stops, steps=(1,) * a.rank)
        low, high = (tuple(max(amount, 0) for amount in side) for side in (before, after))
        return ops.pad(a, low=low, high=high, value=fill) if any(low + high) else a

    return apply("ConstantPadNdBackward0", build, input, saves=False)


def _padded_with_itself(x: Tensor, sides: list[tuple[int, int]], mode: str, value: float | None) -> Tensor:
    """x padded by `sides`, those of the last dimension first."""
    if not isinstance(mode, str) or mode not in _MODES:
        raise UnsupportedError(
            f"pad: unrecognised padding mode {mode!r}; use 'constant', 'reflect', 'replicate' or 'circular'"
        ).at(here())
    dims = len(sides)
    if dims not in (1, 2, 3) or x.ndim not in (dims + 1, dims + 2):
        raise UnsupportedError(
            f"pad: {2 * dims} amounts are not supported for {x.type_text()} in mode {mode!r}: it takes 2 amounts "
            "for 2D and 3D inputs, 4 for 3D and 4D, 6 for 4D and 5D"
        ).at(here())
    if value:
        raise LenetcError(f"pad: mode {mode!r} doesn't take in value argument, but it is {value}").at(here())
    if 0 in x.shape[1 if x.ndim > dims + 1 else 0 :]:
        raise ShapeError(f"pad: of the sizes of {x.type_text()} only the batch's may be 0").at(here())

    def build(a: Node) -> Node:
        for axis, (low, high) in enumerate(reversed(sides), a.rank - dims):
            a = _CUTS[mode](a, axis, low, high)
        return a

    kind = _MODES[mode]
    name = "CopySlices" if mode == "circular" else f"{kind.title()}Pad{dims}DBackward0"
    return apply(name, build, operand(f"{kind}_pad{dims}d", x), saves=mode == "reflect")


def _cut(x: Node, axis: int, low: int, high: int, least: int = 1) -> Node:
    """x without as many elements as are negative of `low` and `high`; `least` must be left."""
    start, stop = max(-low, 0), x.shape[axis] - max(-high, 0)
    if isinstance(stop, int) and stop - start < least:
        raise ShapeError(f"pad: of dimension {axis} of {x.type} the amounts {low} and {high} leave nothing")
    return part(x, axis, start, stop)


def _around(before: Node | None, x: Node, after: Node | None, axis: int) -> Node:
    parts = [node for node in (before, x, after) if node is not None]
    return ops.concat(*parts, axis=axis) if len(parts) > 1 else x


def _reflected(x: Node, axis: int, low: int, high: int) -> Node:
    size = x.shape[axis]
    if isinstance(size, int) and max(low, high) >= size:
        raise ShapeError(
            f"pad: padding size should be less than the corresponding input dimension, but got padding "
            f"({low}, {high}) at dimension {axis} of input {x.type}"
        )
    before = ops.reverse(part(x, axis, 1, 1 + low), axes=(axis,)) if low > 0 else None
    after = ops.reverse(part(x, axis, size - 1 - high, size - 1), axes=(axis,)) if high > 0 else None
    return _cut(_around(before, x, after, axis), axis, min(low, 0), min(high, 0))


def _replicated(x: Node, axis: int, low: int, high: int) -> Node:
    def repeated(first: Node, count: int) -> Node | None:
        shape = tuple(count if i == axis else size for i, size in enumerate(x.shape))
        return ops.broadcast_to(first, shape=shape) if count > 0 else None

    size = x.shape[axis]
    before, after = repeated(part(x, axis, 0, 1), low), repeated(part(x, axis, size - 1, size), high)
    return _cut(_around(before, x, after, axis), axis, min(low, 0), min(high, 0))


def _wrapped(x: Node, axis: int, low: int, high: int) -> Node:
    x = _cut(x, axis, low, high, least=0)
    size = x.shape[axis]
    if isinstance(size, int) and max(low, high) > size:
        raise ShapeError(
            f"pad: padding value causes wrapping around more than once: ({low}, {high}) at dimension {axis} of {x.type}"
        )
    before = part(x, axis, size - low, size) if low > 0 else None
    return _around(before, x, part(x, axis, 0, high) if high > 0 else None, axis)


_CUTS = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
