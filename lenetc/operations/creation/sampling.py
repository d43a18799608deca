"""Random tensors: drawn at once, or by a compiled program anew in each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, Poly
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.node import Node, building_at
from ir.ops.rules import broadcast_shapes
from ir.types import Array, DType, f32, f64, i32, i64
from lenetc.evaluation import bits, random
from lenetc.evaluation.cell import Context, known
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import here, where_now
from lenetc.operations import elementwise, reductions, sorting
from lenetc.operations.creation.arguments import (
    checked,
    finished,
    float_dtype,
    given_sizes,
    of_out,
    refuse_negative,
    sequence_of_sizes,
    sizes_of,
)
from lenetc.tensors.arrays import index_of
from lenetc.tensors.convert import operand_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = ["bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"]

Generator.tensor_of = staticmethod(Tensor._from_array)


def drawn(
    kind: bits.Kind, shape: Sequence[Dim], generator: Generator | None = None, dtype: DType = f32
) -> Tensor:
    """Numbers of `kind`. Floating point ones are f32 whatever the dtype, which is what they are cast to."""
    if Context.trace is not None:
        result = Tensor._from_node(random.node(kind, shape, generator))
    else:
        result = Tensor._from_cell(known(random.values(kind, [int(n) for n in shape], generator)))
    return result.to(dtype)


def rand(
    *given: Any,
    size: Sequence[Any] | None = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Uniform numbers in [0, 1). Raises DTypeError for a dtype that is not float."""
    kind = float_dtype("rand", of_out(dtype, out, get_default_dtype()))
    made = drawn(bits.uniform, given_sizes("rand", given, size), generator, kind)
    return finished("rand", made, requires_grad, device, out, idle)


def randn(
    *given: Any,
    size: Sequence[Any] | None = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Standard normal numbers. Raises DTypeError for a dtype that is not float."""
    kind = float_dtype("randn", of_out(dtype, out, get_default_dtype()))
    made = drawn(bits.normal, given_sizes("randn", given, size), generator, kind)
    return finished("randn", made, requires_grad, device, out, idle)


def integers(first: int, last: int, shape: Sequence[Dim], generator: Generator | None) -> Tensor:
    """Integers in [first, last), i64."""
    return drawn(bits.integers(last - first), shape, generator, i64) + first


def check_limits(what: str, first: int, last: int) -> None:
    """Raise LenetcError where there is no integer in [first, last)."""
    if first >= last:
        raise LenetcError(f"{what}: there is no integer from {first} up to, but not including, {last}").at(
            here()
        )


def randint(
    *limits: Any,
    low: int = 0,
    high: int | None = None,
    size: Sequence[Any] | None = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Integers in [low, high): randint(high, size) or randint(low, high, size).

    Raises LenetcError where there is none, DTypeError for limits that are no whole numbers.
    """
    given = list(limits)
    if size is None:
        size = given.pop() if given else None
    shape = sequence_of_sizes("randint", size)
    if given and high is None:
        high = given.pop()
    if given:
        low = given.pop()
    if given:
        raise DTypeError("randint takes whole numbers: randint(high, size) or randint(low, high, size)").at(
            here()
        )
    first, last = (index_of("randint: a limit", limit) for limit in (low, high))
    kind = checked("randint", of_out(dtype, out, i64))
    check_limits("randint", first, last)
    check_fits("randint", first, last, kind)
    made = integers(first, last, shape, generator).to(kind)
    return finished("randint", made, requires_grad, device, out, idle)


def check_fits(what: str, first: int, last: int, kind: DType) -> None:
    """Raise DTypeError where integers in [first, last) are beyond an integer dtype."""
    if kind.kind == "int":
        limits: Any = np.iinfo(kind.numpy.type)
        if first < limits.min or last - 1 > limits.max:
            raise DTypeError(
                f"{what}: integers from {first} to {last - 1} are out of bounds for {kind!r}"
            ).at(here())


_RANKED = 2048  # numbers of a permutation that a program orders by comparing all pairs


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """A random order of 0..n-1. In a compiled function one of more than 2048 is drawn when it is traced, which it then
    is at every call."""
    (size,) = sizes_of("randperm", (n,))
    kind = checked("randperm", of_out(dtype, out, i64))
    if Context.trace is not None and (isinstance(size, Poly) or size <= _RANKED):
        made = Tensor._from_node(_ranks(random.node(bits.plain, (size,), generator), size))
    else:
        made = Tensor._from_array(random.permutation(int(size), generator))
    return finished("randperm", made.to(kind), requires_grad, device, out, idle)


def _ranks(keys: Node, count: Dim) -> Node:
    """The place of each key among all; of equal ones the first comes first."""
    with building_at(where_now()):
        mine, other = ops.reshape(keys, shape=(count, 1)), ops.reshape(keys, shape=(1, count))
        places = ops.iota(size=count, dtype=i32)
        earlier = ops.less(ops.reshape(places, shape=(1, count)), ops.reshape(places, shape=(count, 1)))
        before = ops.logical_or(ops.less(other, mine), ops.logical_and(ops.equal(other, mine), earlier))
        return ops.cast(ops.sum(ops.cast(before, dtype=i32), axes=(1,)), dtype=i64)


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Sequence[Any] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Normal numbers of which each has a mean and a deviation of its own, where one is a tensor; else of `size`. They
    have a gradient as PyTorch's have, which is zero: use mean + std * randn(size) for one that is not.

    Raises LenetcError for a negative deviation, DTypeError for tensors that are not floating point.
    """
    mean, std = operand_of("normal", mean), operand_of("normal", std)
    tensors = [x for x in (mean, std) if isinstance(x, t.Tensor)]
    if not isinstance(std, t.Tensor):
        refuse_negative("normal", std=std)
    for tensor in tensors:
        float_dtype("normal", tensor.dtype)
    if tensors:
        if size is not None:
            raise DTypeError("normal: the size is that of the tensors, and not given with them").at(here())
        try:
            shape = broadcast_shapes("normal", *(tuple(x.shape) for x in tensors))
        except ShapeError as error:
            raise error.at(here()) from None
        kind = tensors[0].dtype
    elif size is None:
        raise DTypeError("normal: of two numbers a size is needed as well").at(here())
    else:
        shape, kind = sequence_of_sizes("normal", size), float_dtype("normal", dtype or get_default_dtype())
    found = drawn(bits.normal, shape, generator, kind)
    made = (found * std + mean).to(kind)
    if tensors:
        form = 3 if len(tensors) == 2 else 1 if isinstance(mean, t.Tensor) else 2
        made = t.apply(f"NormalBackward{form}", ops.stop_gradient, made)
    return finished("normal", made, requires_grad, device, None, idle)


def chosen(p: Any, shape: Sequence[Dim], generator: Generator | None, dtype: DType) -> Tensor:
    """1 with probability p, a number or a tensor that broadcasts to `shape`, else 0."""
    found = drawn(bits.uniform, shape, generator)
    limit = p.detach() if isinstance(p, t.Tensor) else p
    return elementwise.lt(found, limit.to(f32) if isinstance(limit, t.Tensor) else limit).to(dtype)


def check_share(what: str, p: Any) -> None:
    """Raise LenetcError for a number that is no probability."""
    if not isinstance(p, t.Tensor) and not 0 <= p <= 1:
        raise LenetcError(f"{what} expects p to be in [0, 1], but got p={p}").at(here())


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that `input` tells, or with p, else 0, in the dtype of `input`.

    Raises DTypeError for probabilities that are not floating point.
    """
    require_tensors("bernoulli", input)
    if p is None:
        float_dtype("bernoulli", input.dtype)
    else:
        check_share("bernoulli", p)
    if p is not None:
        return chosen(p, tuple(input.shape), generator, input.dtype)
    found = drawn(bits.uniform, tuple(input.shape), generator)

    def build(share: Node, uniform: Node) -> Node:
        return ops.cast(ops.less(uniform, ops.cast(share, dtype=f32)), dtype=share.dtype)

    return t.apply("BernoulliBackward0", build, input, found)


def exponentials(shape: Sequence[Dim], generator: Generator | None, dtype: DType = f32) -> Tensor:
    """Exponential numbers, which are not 0."""
    found = -elementwise.log(1.0 - drawn(bits.uniform, shape, generator))
    return elementwise.clamp(found, min=2.0**-25).to(dtype)


_RACES = 1 << 22  # times that are drawn at once
_CATEGORIES = 1 << 24


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """`num_samples` categories for each row of weights [C] or [R,C], i64.

    Of exponential times, each divided by its weight, the first one is that of a category with a probability in
    proportion to its weight; the next ones are those of draws without replacement.

    Raises LenetcError for more samples without replacement than categories and, outside of compiled functions, for
    weights that are negative, not finite or all 0; DTypeError for weights that are not floating point,
    UnsupportedError for very many samples with replacement in a compiled function.
    """
    require_tensors("multinomial", input)
    count = index_of("multinomial: num_samples", num_samples)
    if input.ndim not in (1, 2):
        raise ShapeError(f"multinomial: the weights must have 1 or 2 dimensions, not {input.type_text()}").at(
            here()
        )
    float_dtype("multinomial", input.dtype)
    if count <= 0:
        raise LenetcError(f"multinomial: cannot sample {count} samples").at(here())
    categories = input.shape[-1]
    if not replacement and count > int(categories):
        raise LenetcError(
            f"multinomial: cannot sample {count} of {categories} categories without replacement"
        ).at(here())
    if int(categories) > _CATEGORIES:
        raise LenetcError(f"multinomial: {categories} categories are more than 2^24").at(here())
    if Context.trace is None:
        weights = input.detach().to(f64).numpy()
        _check_weights(weights)
        return Tensor._from_array(_of_values(weights, count, replacement, generator))
    if replacement and count * int(categories) > _RACES:
        raise UnsupportedError(
            f"multinomial: {count} samples of {categories} are too many for a compiled function; draw them before"
        ).at(here())
    scores = input.detach().to(f64 if input.dtype is f64 else f32)
    rows = tuple(input.shape[:-1])
    if replacement:
        times = exponentials((*rows, count, categories), generator, scores.dtype)
        return reductions.argmax(scores.unsqueeze(-2) / times, -1)
    times = exponentials((*rows, categories), generator, scores.dtype)
    return sorting.topk(scores / times, count).indices


def _check_weights(weights: Array) -> None:
    """Raise LenetcError for weights that tell no probabilities."""
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise LenetcError("multinomial: a weight among them is infinite, NaN or negative").at(here())
    if (weights.sum(-1) <= 0).any():
        raise LenetcError("multinomial: the weights of a row add up to 0").at(here())


def _of_values(weights: Array, count: int, replacement: bool, generator: Generator | None) -> Array:
    """The same of known weights; very many samples with replacement by cumulative sums."""
    if replacement and count * weights.shape[-1] > _RACES:
        table = weights.reshape(-1, weights.shape[-1])
        uniform = random.values(bits.uniform, (len(table), count), generator)
        edges = np.cumsum(table, axis=-1)
        found = [
            np.searchsorted(row, u * row[-1], side="right") for row, u in zip(edges, uniform, strict=True)
        ]
        return np.stack(found).reshape(*weights.shape[:-1], count)
    shape = (*weights.shape[:-1], count, weights.shape[-1]) if replacement else weights.shape
    times = np.maximum(-np.log(1.0 - random.values(bits.uniform, shape, generator)), np.float32(2.0**-25))
    if replacement:
        return np.asarray(np.argmax(weights[..., None, :] / times, axis=-1))
    return np.argsort(-weights / times, axis=-1, kind="stable")[..., :count]
