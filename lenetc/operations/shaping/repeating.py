"""Elements repeated. PyTorch's functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, product
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.ops import rules
from ir.types import i32, i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations.data_dependent import looked_at
from lenetc.operations.shaping.viewing import as_shape, given, restored, whole
from lenetc.tensors.arrays import axis_of, index_of
from lenetc.tensors.size import Size

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["broadcast_shapes", "broadcast_tensors", "broadcast_to", "repeat_interleave", "tile"]


def expand(x: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Dimensions of size 1 repeated; -1 keeps a size (torch.Tensor.expand)."""
    t.require_tensors("expand", x)
    wanted = whole("expand", given("expand", sizes, size))
    added = len(wanted) - x.ndim
    if added < 0 or any(size == -1 for size in wanted[:added]):
        raise ShapeError(
            f"expand: the sizes {wanted} must cover every dimension of {x.type_text()}, and -1 stand for one of them"
        ).at(here())
    own = (*wanted[:added], *x.shape)
    shape = tuple(have if size == -1 else size for size, have in zip(wanted, own, strict=True))
    if any(isinstance(size, int) and size < 0 for size in shape):
        raise ShapeError(f"expand: a size among {wanted} is negative").at(here())
    # What stands for several elements at once is not changed in place, in PyTorch either.
    way: Any = restored if product(shape) == x.numel() else True
    return t.apply("ExpandBackward0", lambda a: ops.broadcast_to(a, shape=shape), x, saves=False, view=way)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """expand to the shape of `other` (torch.Tensor.expand_as)."""
    t.require_tensors("expand_as", other)
    return expand(x, size=tuple(other.shape))


def broadcast_to(input: Tensor, size: Sequence[Any]) -> Tensor:
    """As expand (torch.broadcast_to)."""
    return expand(input, size=tuple(size))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of `shapes` broadcast to (torch.broadcast_shapes). Raises ShapeError for others."""
    wanted = [
        tuple(whole("broadcast_shapes", shape if isinstance(shape, (tuple, list)) else (shape,)))
        for shape in shapes
    ]
    for shape in wanted:
        if any(isinstance(size, int) and size < 0 for size in shape):
            raise ShapeError(f"broadcast_shapes: a size among {shape} is negative").at(here())
    try:
        return Size(rules.broadcast_shapes("broadcast_shapes", *wanted) if wanted else ())
    except ShapeError as error:
        raise error.at(here()) from None


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to the shape that they broadcast to (torch.broadcast_tensors)."""
    several = as_shape(tensors)
    t.require_tensors("broadcast_tensors", *several)
    shape = broadcast_shapes(*(tuple(tensor.shape) for tensor in several))
    return tuple([expand(tensor, size=tuple(shape)) for tensor in several])


def repeat(x: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """The whole tensor so many times along each dimension; there may be more in front (torch.Tensor.repeat)."""
    t.require_tensors("repeat", x)
    return _repeated("repeat", x, whole("repeat", given("repeat", sizes, repeats)))


def _repeated(what: str, x: Tensor, times: Sequence[Dim]) -> Tensor:
    if len(times) < x.ndim:
        raise ShapeError(
            f"{what}: {times} must have a number for each dimension of {x.type_text()}, and may have more"
        ).at(here())
    if any(isinstance(n, int) and n < 0 for n in times):
        raise ShapeError(f"{what}: a number among {times} is negative").at(here())
    own = (1,) * (len(times) - x.ndim) + tuple(x.shape)
    apart = tuple(d for size in own for d in (1, size))
    spread = tuple(d for n, size in zip(times, own, strict=True) for d in (n, size))
    shape = tuple(n * size for n, size in zip(times, own, strict=True))

    def build(a: Node) -> Node:
        if spread == apart:
            return ops.reshape(a, shape=shape)
        return ops.reshape(ops.broadcast_to(ops.reshape(a, shape=apart), shape=spread), shape=shape)

    return t.apply("RepeatBackward0", build, x, saves=False)


def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """As repeat; dimensions that `dims` does not reach, in front, stay as they are (torch.tile)."""
    t.require_tensors("tile", input)
    times = whole("tile", given("tile", sizes, dims))
    return _repeated("tile", input, [*(1,) * (input.ndim - len(times)), *times])


def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each element so many times in a row, along `dim` or of the flattened tensor (torch.repeat_interleave). Of a
    single tensor of numbers: each place as often as its number says.

    repeats: a number, or integers, one for each element along `dim`; the shape then depends on their values, which
    raises UnsupportedError in a compiled function, unless it is told `output_size`.
    """
    t.require_tensors("repeat_interleave", input)
    if repeats is None:
        if input.ndim != 1:
            raise ShapeError(f"repeat_interleave: the numbers must be a vector, not {input.type_text()}").at(
                here()
            )
        return t.Tensor._from_array(_in_a_row(input, int(input.shape[0])))
    axis = axis_of(0 if dim is None else dim, input.ndim if dim is not None else 1, "repeat_interleave")
    x = input.reshape(input.numel()) if dim is None or not input.ndim else input
    if isinstance(repeats, t.Tensor):
        if Context.trace is not None and output_size is not None and repeats.node.op is not ops.const:
            _check_repeats(repeats, x.shape[axis])
            count = index_of("repeat_interleave: output_size", output_size)
            return t.apply(
                "IndexSelectBackward0",
                lambda a, r: ops.gather(a, _places(r, a.shape[axis], count), axis=axis),
                x,
                repeats,
                saves=False,
            )
        places = _in_a_row(repeats, int(x.shape[axis]))
        if output_size is not None and output_size != len(places):
            raise ShapeError(
                f"repeat_interleave: output_size is {output_size}, but {len(places)} elements result"
            ).at(here())
        return t.apply(
            "IndexSelectBackward0", lambda a: ops.gather(a, literal(places), axis=axis), x, saves=False
        )
    times = index_of("repeat_interleave: repeats", repeats)
    if times < 0:
        raise ShapeError(f"repeat_interleave: repeats must not be negative, but is {times}").at(here())

    def build(a: Node) -> Node:
        head, size, tail = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
        apart = ops.reshape(a, shape=(*head, size, 1, *tail))
        spread = ops.broadcast_to(apart, shape=(*head, size, times, *tail))
        return ops.reshape(spread, shape=(*head, size * times, *tail))

    return t.apply("RepeatInterleaveBackward0", build, x, saves=False)


def _check_repeats(repeats: Tensor, size: Dim) -> None:
    if repeats.dtype not in (i64, i32):
        raise DTypeError(f"repeat_interleave: repeats must be i64 or i32, not {repeats.type_text()}").at(
            here()
        )
    if repeats.ndim > 1 or (repeats.ndim and repeats.shape[0] not in (1, size)):
        raise ShapeError(
            f"repeat_interleave: repeats {repeats.type_text()} must be a number, or one for each of {size} elements"
        ).at(here())


_NOWHERE = 2**31 - 1  # more than any size


def _places(repeats: Node, size: Dim, count: int) -> Node:
    """Each of 0..size-1 as often as `repeats` says, `count` in all. Where that is not their sum, or one is negative, no
    place there is, so that the runtime raises."""
    given = ops.broadcast_to(ops.cast(repeats, dtype=i64), shape=(size,))
    numbers = ops.where(ops.less(given, 0), scalar(count + 1, i64), given)
    ends = ops.minimum(ops.cumsum(numbers, axis=0), count)
    ended = ops.scatter_add(ops.broadcast_to(scalar(1, i64), shape=(size,)), ends, axis=0, size=count + 1)
    found = ops.slice(ops.cumsum(ended, axis=0), starts=(0,), stops=(count,), steps=(1,))
    total = ops.sum(numbers, axes=(0,), keepdims=True)
    return ops.where(ops.equal(total, count), found, scalar(_NOWHERE, i64))


def _in_a_row(repeats: Tensor, size: int) -> Any:
    """Each of 0..size-1 as often as `repeats` says."""
    _check_repeats(repeats, size)
    numbers = looked_at("repeat_interleave", repeats)
    if (numbers < 0).any():
        raise ShapeError("repeat_interleave: repeats can not be negative").at(here())
    return np.repeat(np.arange(size), np.broadcast_to(numbers, (size,)))
