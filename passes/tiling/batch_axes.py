"""Where the batch goes: for each node the axis along which its slices belong to samples, or that it sums over them.

A rule says of one op what becomes of its operands' axes. An op without a rule is taken to mix samples, which is
always right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ir.dims import Dim, product
from ir.errors import LenetcError
from ir.node import Graph, Node
from passes.rewrite.match import ELEMENTWISE

FIXED = "fixed"  # the same for all samples, or computed for all of them at once
SUM = "sum"  # a sum over samples: the values for parts of a batch add up to it
AFTER = "after"  # known when the whole batch is: made from sums, or from samples that were mixed
Place: TypeAlias = "int | str"
Cuts: TypeAlias = dict[int, int]  # operands that are FIXED and read slice by slice, each with its axis
Rule: TypeAlias = Callable[[Node, tuple[Place, ...]], "tuple[Place, Cuts]"]

HEAVY = ("matmul", "conv2d", "conv2d_input_grad", "conv2d_weight_grad")
_LINEAR = ("neg", "reshape", "transpose")  # of a sum: a sum as well
_MIXED: tuple[Place, Cuts] = (AFTER, {})


class Inseparable(LenetcError):
    """Samples depend on each other through more than sums, as in a network with batch normalization."""


@dataclass
class Places:
    """What `find` found. cuts: for a node the operands (by position) that it reads slice by slice, and the axis."""

    of: dict[Node, Place]
    cuts: dict[Node, Cuts] = field(default_factory=dict)

    def is_within(self, node: Node) -> bool:
        """Whether `node` is computed for each part of the batch."""
        return isinstance(self.of[node], int) or self.of[node] == SUM


def find(graph: Graph, batch: Mapping[Node, int]) -> Places:
    """The place of every node of `graph`, where `batch` gives the axis of each input that is cut into samples.

    Cheap sums that samples need (how many labels count) become FIXED. Raises Inseparable where samples need a sum
    that takes a heavy op.
    """
    fixed: set[Node] = set()
    cheap: set[Node] = set()
    places = Places({})
    nodes = graph.nodes()
    position = {node: i for i, node in enumerate(nodes)}
    done = 0
    while done < len(nodes):
        blocked = _place(nodes[done], batch, fixed, places)
        if blocked is None:
            done += 1
            continue
        _check_cheap(blocked, places, cheap)
        fixed.add(blocked)
        start = position[blocked]
        for node in nodes[start:done]:
            del places.of[node]
            places.cuts.pop(node, None)
        done = start
    return places


def _place(node: Node, batch: Mapping[Node, int], fixed: Collection[Node], places: Places) -> Node | None:
    """Note the place of `node`; or the operand that has to be known before the samples are gone through."""
    at = tuple(places.of[x] for x in node.inputs)
    if node in fixed or not any(place != FIXED for place in at):
        places.of[node] = batch.get(node, FIXED)
        return None
    if SUM in at or AFTER in at:
        by_sample = any(isinstance(place, int) for place in at)
        if by_sample and node.op.name in RULES:
            return next(x for x, place in zip(node.inputs, at, strict=True) if place in (SUM, AFTER))
        places.of[node] = SUM if node.op.name in _LINEAR and at[0] == SUM else AFTER
        return None
    place, cuts = RULES[node.op.name](node, at) if node.op.name in RULES else _MIXED
    places.of[node] = place
    if cuts:
        places.cuts[node] = cuts
    return None


def _check_cheap(node: Node, places: Places, seen: set[Node]) -> None:
    """seen: nodes that were found cheap; those of `node` are put in there."""
    stack = [] if node in seen else [node]
    seen.add(node)
    while stack:
        x = stack.pop()
        if x in places.of and places.of[x] == FIXED:
            continue
        if x.op.name in HEAVY:
            raise Inseparable(f"every sample depends on {node!r}, a sum over all of them").at(str(node.where))
        stack.extend(y for y in x.inputs if y not in seen)
        seen.update(x.inputs)


_SIZED = {"reshape": "shape", "broadcast_to": "shape", "slice": "stops"}


def resized(node: Node, axis: int, size: Dim) -> Mapping[str, Any]:
    """The attributes of `node` with its batch at `axis` of another size."""
    key = _SIZED.get(node.op.name)
    if key is None:
        return node.attrs
    sizes = node.attrs[key]
    return {**node.attrs, key: (*sizes[:axis], size, *sizes[axis + 1 :])}


# The rules. Each is given the node and its operands' places, of which at least one is an axis and none a sum.


def _aligned(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    """Operands broadcast from the right."""
    axes = {
        place + node.rank - x.rank for x, place in zip(node.inputs, at, strict=True) if isinstance(place, int)
    }
    if len(axes) > 1:
        return _MIXED
    (axis,) = axes
    cuts = {}
    for i, (x, place) in enumerate(zip(node.inputs, at, strict=True)):
        own = axis - (node.rank - x.rank)
        if place == FIXED and own >= 0 and x.shape[own] != 1:
            cuts[i] = own
    return axis, cuts


def _sum(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    return (SUM, {}) if at[0] in node.attrs["axes"] else _reduced(node, at)


def _reduced(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    axis = at[0]
    axes = node.attrs["axes"] if "axes" in node.attrs else (node.attrs["axis"],)
    assert isinstance(axis, int)
    if axis in axes:
        return _MIXED
    return axis if node.attrs.get("keepdims", False) else axis - sum(other < axis for other in axes), {}


def _along(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    """Works along an axis, operands of one shape otherwise."""
    place, cuts = _aligned(node, at)
    return _MIXED if place == node.attrs["axis"] else (place, cuts)


def _put(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    place, cuts = _aligned(node, at)
    return (SUM, cuts) if place == node.attrs["axis"] else (place, cuts)


def _reshape(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    (x,), axis = node.inputs, at[0]
    assert isinstance(axis, int)
    for i, dim in enumerate(node.shape):
        if dim == x.shape[axis] and product(node.shape[:i]) == product(x.shape[:axis]):
            return i, {}
    return _MIXED


def _transpose(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    return node.attrs["perm"].index(at[0]), {}


def _slice(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    axis = at[0]
    assert isinstance(axis, int)
    return (axis, {}) if node.shape[axis] == node.inputs[0].shape[axis] else _MIXED


def _reverse(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    return _MIXED if at[0] in node.attrs["axes"] else (at[0], {})


def _gather(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    axis, (x, indices) = node.attrs["axis"], at
    if x == FIXED and isinstance(indices, int):
        return axis + indices, {}
    if indices != FIXED or x == axis or not isinstance(x, int):
        return _MIXED
    return x if x < axis else x + node.inputs[1].rank - 1, {}


def _scatter_add(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    axis, rank, (x, indices) = node.attrs["axis"], node.inputs[1].rank, at
    inner = isinstance(indices, int) or (isinstance(x, int) and axis <= x < axis + rank)
    if inner:  # summed over: both operands are cut along the same axis
        own = indices if isinstance(indices, int) else x - axis
        if x not in (FIXED, axis + own):
            return _MIXED
        return SUM, {i: own + (0 if i else axis) for i, place in enumerate(at) if place == FIXED}
    assert isinstance(x, int)
    return x if x < axis else x - rank + 1, {}


def _matmul(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    (x, y), (a, b) = node.inputs, at
    if x.rank < 2 or y.rank < 2:
        return _MIXED
    inner = (x.rank - 1, y.rank - 2)
    if a == inner[0] or b == inner[1]:
        if any(place not in (FIXED, axis) for place, axis in zip(at, inner, strict=True)):
            return _MIXED
        return SUM, {i: axis for i, (place, axis) in enumerate(zip(at, inner, strict=True)) if place == FIXED}
    if a == x.rank - 2:
        return (node.rank - 2, {}) if b == FIXED else _MIXED
    if b == y.rank - 1:
        return (node.rank - 1, {}) if a == FIXED else _MIXED
    return _aligned(node, at)  # an axis of the stack of matrices


def _images(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    """Operands are images, batch first."""
    if any(place not in (0, FIXED) for place in at):
        return _MIXED
    return 0, {i: 0 for i, place in enumerate(at) if place == FIXED}


def _conv(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    return (0, {}) if at[0] == 0 and all(place == FIXED for place in at[1:]) else _MIXED


def _conv_weight_grad(node: Node, at: tuple[Place, ...]) -> tuple[Place, Cuts]:
    place, cuts = _images(node, at)
    return (SUM, cuts) if place == 0 else _MIXED


RULES: dict[str, Rule] = {
    **dict.fromkeys((*ELEMENTWISE, "stop_gradient", "broadcast_to"), _aligned),
    "sum": _sum,
    **dict.fromkeys(("reduce_max", "argmax"), _reduced),
    **dict.fromkeys(
        ("softmax", "log_softmax", "take_along_axis", "argsort", "cumsum", "scatter", "concat"), _along
    ),
    "reshape": _reshape,
    "transpose": _transpose,
    **dict.fromkeys(("slice", "pad"), _slice),
    "reverse": _reverse,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "put_along_axis": _put,
    "matmul": _matmul,
    **dict.fromkeys(("conv2d", "conv2d_input_grad"), _conv),
    "conv2d_weight_grad": _conv_weight_grad,
    **dict.fromkeys(
        ("max_pool2d", "max_pool2d_grad", "max_pool2d_pick", "avg_pool2d", "avg_pool2d_grad"), _images
    ),
}
