"""Sizes and shapes of windows as users give them, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir import ops
from ir.errors import ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, require_tensors

Sizes = int | Sequence[int]

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}
AXES = {1: "L", 2: "H,W", 3: "D,H,W"}
_NEUTRAL = {"padding": 0}  # of a window that takes single elements of an axis; the rest is 1


def spread(value: Any, dims: int, what: str) -> tuple[int, ...]:
    """`value` for each of `dims` axes: one number for all, or one for each. Raises ValueError otherwise."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    values = values * dims if len(values) == 1 else values
    if len(values) != dims or any(
        isinstance(v, (bool, float)) or not hasattr(v, "__index__") for v in values
    ):
        raise ValueError(f"{what} must be an int or {_WORDS[dims]}, not {value!r}")
    return tuple(index_of(what, v) for v in values)


def is_batch(what: str, x: Tensor, dims: int) -> bool:
    """Whether x is [N,C,...] rather than [C,...], with `dims` axes behind C. Raises ShapeError for neither."""
    require_tensors(what, x)
    if x.ndim not in (dims + 1, dims + 2):
        raise ShapeError(
            f"{what}: expected a {dims + 1}D (unbatched, [C,{AXES[dims]}]) or {dims + 2}D (batched, "
            f"[N,C,{AXES[dims]}]) input, but it is {x.type_text()}"
        ).at(here())
    return x.ndim == dims + 2


def over_batch(build: Callable[..., Node], batched: bool) -> Callable[..., Node]:
    """`build`, which maps nodes [N,C,...] to one, for nodes [C,...] where they are no batch."""
    if batched:
        return build

    def one(*nodes: Node) -> Node:
        y = build(*(ops.reshape(a, shape=(1, *a.shape)) for a in nodes))
        return ops.reshape(y, shape=y.shape[1:])

    return one


def as_image(x: Node) -> Node:
    """A line [A,B,L] as an image [A,B,1,L]."""
    return ops.reshape(x, shape=(*x.shape[:2], 1, x.shape[2]))


def as_line(x: Node) -> Node:
    """An image [A,B,1,L] as a line [A,B,L]."""
    return ops.reshape(x, shape=(*x.shape[:2], x.shape[3]))


def image_attributes(how: dict[str, Any], dims: int) -> dict[str, Any]:
    """Attributes of windows over lines as those of windows over images of height 1."""
    if dims != 1:
        return how
    return {
        key: (_NEUTRAL.get(key, 1), *value) if isinstance(value, tuple) else value
        for key, value in how.items()
    }


def plane_and_depth_attributes(how: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes of windows over volumes as those of windows over their planes, and of windows over images whose height
    is the depth and whose rows are whole planes."""
    each = {key: value for key, value in how.items() if isinstance(value, tuple)}
    planes = {key: value[1:] for key, value in each.items()}
    depth = {key: (value[0], _NEUTRAL.get(key, 1)) for key, value in each.items()}
    return {**how, **planes}, {**how, **depth}
