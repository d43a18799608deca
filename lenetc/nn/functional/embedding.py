"""Rows of tables by index, and sums, means and maxima of bags of them."""

from __future__ import annotations

from typing import NamedTuple

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, ShapeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from ir.types import i32, i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.operations import in_place
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _checked(
    what: str,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    sparse: bool,
) -> int | None:
    """padding_idx counted from the front; rows that are taken are scaled down to `max_norm` in place."""
    if input.dtype not in (i64, i32):
        raise DTypeError(
            f"{what}: the indices must be integers, i64 or i32, but they are {input.type_text()}; use .long()"
        ).at(here())
    if weight.ndim != 2:
        raise ShapeError(f"{what}: the weight must have 2 dimensions, but it is {weight.type_text()}").at(
            here()
        )
    if sparse:
        raise UnsupportedError(
            f"{what}: sparse gradients are not supported: leave sparse out, for gradients of the whole table"
        ).at(here())
    rows = int(weight.shape[0])
    require_range(what, "index", input, rows, None, f"{rows} rows in {weight.type_text()}")
    if padding_idx is not None:
        padding_idx = index_of(f"{what}: padding_idx", padding_idx)
        if not -rows <= padding_idx < rows:
            raise ValueError(
                f"{what}: padding_idx {padding_idx} must be within the {rows} rows of {weight.type_text()}"
            )
        padding_idx %= rows
    if max_norm is not None:
        need_number(what, "max_norm", max_norm)
        _scale_down(input, weight, float(max_norm), norm_type)
    return padding_idx


def _scale_down(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Give the rows that `input` names the norm `max_norm`, in place, where theirs is larger."""

    def build(w: Node, indices: Node) -> Node:
        powers = ops.pow(ops.abs(w), scalar(float(norm_type), w.dtype))
        norms = ops.pow(ops.sum(powers, axes=(1,), keepdims=True), scalar(1 / float(norm_type), w.dtype))
        large = ops.logical_and(_named(indices, w), ops.greater(norms, max_norm))
        return ops.where(large, w * (max_norm / (norms + 1e-7)), w)

    with no_grad():
        in_place.copy_(weight, apply("", build, weight.detach(), input))


def _named(indices: Node, w: Node) -> Node:
    """Which rows of w[V,D] the indices name, bool [V,1]."""
    return ops.reshape(ops.greater(_counts(indices, w), 0.0), shape=(w.shape[0], 1))


def _counts(indices: Node, w: Node) -> Node:
    """How often the indices name each row of w[V,D], [V]."""
    flat = ops.reshape(indices, shape=(indices.ty.size,))
    ones = ops.broadcast_to(scalar(1, w.dtype), shape=flat.shape)
    return ops.scatter_add(ones, flat, axis=0, size=w.shape[0])


def _rows(w: Node, indices: Node, padding: int | None, by_frequency: bool) -> Node:
    """Rows of w[V,D] by index, [*,D]: those of `padding` without gradient, `by_frequency` theirs over their number."""
    found = ops.gather(w, indices, axis=0)
    if by_frequency:
        often = ops.reshape(ops.gather(_counts(indices, w), indices, axis=0), shape=(*indices.shape, 1))
        found = ops.with_gradient(found, found / often)
    if padding is None:
        return found
    mask = ops.reshape(ops.equal(indices, padding), shape=(*indices.shape, 1))
    return ops.where(mask, ops.stop_gradient(found), found)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of weight[V,D] by index: input[*] -> [*,D] (torch.nn.functional.embedding).

    The row `padding_idx` gets no gradient. max_norm: rows that are taken and have a larger norm (`norm_type`) are
    scaled down to it, in place. scale_grad_by_freq: gradients are divided by how often a row is taken. Raises
    DTypeError for indices that are not integers, LabelError for one that is out of range, UnsupportedError for
    `sparse`.
    """
    require_tensors("embedding", input, weight)
    padding = _checked("embedding", input, weight, padding_idx, max_norm, norm_type, sparse)

    def build(w: Node, indices: Node) -> Node:
        return _rows(w, indices, padding, scale_grad_by_freq)

    return apply("EmbeddingBackward0", build, weight, input, edges=(weight,))


class _Bags(NamedTuple):
    """Elements in bags: a value for each, [N,D]; which of them count, [N]; the bag of each, [N]; how many bags."""

    values: Node
    counted: Node
    bags: Node
    number: Dim


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of weight[V,D] in each bag of indices, [B,D].

    input[B,N] holds B bags; input[N] those that begin at offsets[B], or end at the next one with
    include_last_offset. Empty bags are zeros. Indices `padding_idx` do not count. per_sample_weights: factors of the
    rows, for the mode "sum". Raises ValueError where they do not fit, UnsupportedError for `sparse`; the rest is as for
    embedding. Source: torch.nn.functional.embedding_bag.
    """
    require_tensors("embedding_bag", input, weight, optional=[offsets, per_sample_weights])
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None:
        if input.shape != per_sample_weights.shape:
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have "
                f"the same shape as the input ({input.shape})"
            )
        if mode != "sum":
            raise UnsupportedError(
                "embedding_bag: per_sample_weights is only supported for mode='sum' (got mode="
                f"{mode!r}), as in PyTorch"
            ).at(here())
        same_dtype("embedding_bag", weight, per_sample_weights)
    if input.ndim == 2 and offsets is not None:
        raise ValueError("if input is 2D, then offsets has to be None, as its rows are the bags")
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        raise ValueError("offsets has to be a 1D Tensor")
    if input.ndim not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    padding = _checked("embedding_bag", input, weight, padding_idx, max_norm, norm_type, sparse)
    operands = [weight, input, *(x for x in (offsets, per_sample_weights) if x is not None)]

    def build(w: Node, given: Node, *rest: Node) -> Node:
        more = list(rest)
        starts = more.pop(0) if offsets is not None else None
        factors = more.pop(0) if more else None
        indices = ops.cast(ops.reshape(given, shape=(given.ty.size,)), dtype=i64)
        rows = _rows(w, indices, padding, scale_grad_by_freq)
        if factors is not None:
            rows = rows * ops.reshape(factors, shape=(indices.shape[0], 1))
        counted = ops.broadcast_to(scalar(1, w.dtype), shape=indices.shape)
        if padding is not None:
            counted = ops.where(ops.equal(indices, padding), scalar(0, w.dtype), counted)
        places = ops.iota(size=indices.shape[0], dtype=i64)
        number: Dim
        if starts is None:
            number, width = given.shape
            bags = ops.div(places, ops.dim(size=width))
        else:
            number = starts.shape[0] - 1 if include_last_offset else starts.shape[0]
            begun = ops.logical_not(
                ops.less(
                    ops.reshape(places, shape=(places.shape[0], 1)),
                    ops.reshape(ops.cast(starts, dtype=i64), shape=(1, starts.shape[0])),
                )
            )
            bags = ops.sum(ops.cast(begun, dtype=i64), axes=(1,)) - 1
        elements = _Bags(rows, counted, bags, number)
        return _largest(elements) if mode == "max" else _summed(elements, mode == "mean")

    return apply("EmbeddingBagBackward0", build, *operands, edges=(weight, per_sample_weights))


def _summed(elements: _Bags, is_mean: bool) -> Node:
    """The sum, or mean, of what counts in each bag, [B,D]."""
    values, counted, bags, number = elements
    # One bag more, for what lies behind the last.
    size = number + 1
    zero = scalar(0, values.dtype)
    kept = ops.where(ops.reshape(ops.equal(counted, 0.0), shape=(counted.shape[0], 1)), zero, values)
    total = _first(ops.scatter_add(kept, bags, axis=0, size=size), number)
    if not is_mean:
        return total
    count = _first(ops.scatter_add(counted, bags, axis=0, size=size), number)
    return total / ops.reshape(ops.maximum(count, scalar(1, count.dtype)), shape=(number, 1))


def _first(x: Node, number: Dim) -> Node:
    """The first `number` rows."""
    return ops.slice(x, starts=(0,) * x.rank, stops=(number, *x.shape[1:]), steps=(1,) * x.rank)


def _largest(elements: _Bags) -> Node:
    """The largest of what counts in each bag, [B,D], of which the first has the gradient."""
    values, counted, bags, number = elements
    count, width = values.shape
    mine = ops.logical_and(
        ops.equal(
            ops.reshape(bags, shape=(1, count)),
            ops.reshape(ops.iota(size=number, dtype=i64), shape=(number, 1)),
        ),
        ops.reshape(ops.greater(counted, 0.0), shape=(1, count)),
    )
    mask = ops.reshape(mine, shape=(number, count, 1))
    spread = ops.where(
        mask, ops.reshape(values, shape=(1, count, width)), scalar(float("-inf"), values.dtype)
    )
    place = ops.argmax(spread, axis=1, keepdims=True)
    best = ops.reshape(ops.take_along_axis(spread, place, axis=1), shape=(number, width))
    some = ops.greater(ops.sum(ops.cast(mine, dtype=values.dtype), axes=(1,), keepdims=True), 0.0)
    return ops.where(some, best, scalar(0, values.dtype))
