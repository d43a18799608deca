"""Norms of vectors and matrices, and distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import cast
from lenetc.operations.reductions.dims import Axes, axes_of, axis_in, need_elements, need_float, numpy_names
from lenetc.operations.reductions.extremes import amax, amin, largest
from lenetc.operations.reductions.statistics import root
from lenetc.operations.reductions.sums import sum
from passes.autodiff import means

if TYPE_CHECKING:
    from ir.types import DType
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["cdist", "dist", "frobenius_norm", "norm", "renorm"]


@autocasts
@numpy_names
def vector_norm(
    x: Tensor, ord: Number = 2, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The `ord`-norm of the elements over `dim` (all if None), for any number `ord`, computed as `dtype`
    (torch.linalg.vector_norm). Its gradient is 0 where no direction is steepest, as PyTorch's.

    Raises DTypeError for a dtype that is not float and an `ord` that is no number, ShapeError where there are no
    elements and an infinite or negative `ord` asks for one of them.
    """
    need_float("vector_norm", x)
    if isinstance(ord, bool) or not isinstance(ord, (int, float)):
        raise DTypeError(f"vector_norm: ord must be a number, not {ord!r}").at(here())
    axes = axes_of(x, dim, "vector_norm")
    if ord < 0 or ord == math.inf:
        need_elements(f"vector_norm with ord {ord}", x, axes)
    target = dtype or x.dtype
    if not target.is_float:
        raise DTypeError(f"vector_norm: dtype must be floating point, not {target}").at(here())
    power = _norm_of(float(ord), axes, keepdim)
    return t.apply(
        "LinalgVectorNormBackward0", lambda a: cast(power(means.widened(cast(a, target))), target), x
    )


def _norm_of(p: float, axes: tuple[int, ...], keepdim: bool) -> Callable[[Node], Node]:
    """The p-norm as a formula. PyTorch's gradients: of p < 1 none reaches an element that is 0, as infinite as
    it would be; of equal extremes each has its part."""

    def added(a: Node) -> Node:
        return ops.sum(a, axes=axes, keepdims=keepdim)

    def of_power(a: Node) -> Node:
        zero, one = ops.equal(a, 0), scalar(1, a.dtype)
        size = ops.abs(a)
        inner = ops.where(zero, scalar(0, a.dtype), ops.pow(ops.where(zero, one, size), scalar(p, a.dtype)))
        powers = added(ops.with_gradient(ops.pow(size, scalar(p, a.dtype)), inner))
        none = ops.equal(powers, 0)
        found = ops.pow(ops.where(none, one, powers), scalar(1 / p, a.dtype))
        return ops.where(none, scalar(0 if p > 0 else math.inf, a.dtype), found)

    def multiplied(kept: Node, a: Node) -> Node:
        return a * cast(kept, a.dtype)

    formulas: dict[float, Callable[[Node], Node]] = {
        0: lambda a: added(ops.with_gradient(cast(ops.logical_not(ops.equal(a, 0)), a.dtype), ops.sign(a))),
        1: lambda a: added(ops.abs(a)),
        2: lambda a: root(added(a * a)),
        math.inf: lambda a: largest(ops.abs(a), axes, keepdim, pick=multiplied),
        -math.inf: lambda a: -largest(-ops.abs(a), axes, keepdim, pick=multiplied),
    }
    return formulas.get(p, of_power)


@autocasts
@numpy_names
def matrix_norm(
    A: Tensor,
    ord: Number | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A norm of the matrices in two dimensions (torch.linalg.matrix_norm): "fro", or the largest (inf, 1) or smallest
    (-inf, -1) sum of absolute values of a row (inf) or a column (1).

    Raises UnsupportedError for those that need singular values: "nuc", 2 and -2; LenetcError for others.
    """
    need_float("matrix_norm", A)
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ShapeError(f"matrix_norm: dim must be two dimensions, not {dim!r}").at(here())
    rows, columns = (axis_in(A, d, "matrix_norm") for d in dim)
    if A.ndim < 2 or rows == columns:
        raise ShapeError(
            f"matrix_norm: dim must be two different dimensions, not {tuple(dim)} of {A.type_text()}"
        ).at(here())
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    refuse_singular_values("matrix_norm", ord)
    if isinstance(ord, str) or abs(ord) not in (1, math.inf):
        raise LenetcError(f"matrix_norm: there is no order {ord!r}; use 'fro', 1, -1, inf or -inf").at(here())
    along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    need_elements("matrix_norm", A, (over,))
    sums = vector_norm(A, 1, along, True, dtype=dtype)
    found = (amax if ord > 0 else amin)(sums, over, True)
    return (
        found if keepdim else shaping.squeeze(shaping.squeeze(found, max(rows, columns)), min(rows, columns))
    )


@numpy_names
def linalg_norm(
    A: Tensor,
    ord: Number | str | None = None,
    dim: Axes = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A norm of matrices where two dimensions or a matrix, and an `ord`, are given, else of vectors
    (torch.linalg.norm).

    Raises as vector_norm and matrix_norm.
    """
    need_float("linalg.norm", A)
    if dim is not None:
        pair = isinstance(dim, (tuple, list)) and len(dim) == 2
        if ord is None or not pair:
            return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)
        return matrix_norm(A, ord, dim, keepdim, dtype=dtype)
    if ord is None:
        return vector_norm(A, 2, None, keepdim, dtype=dtype)
    if A.ndim == 2:
        return matrix_norm(A, ord, (0, 1), keepdim, dtype=dtype)
    if A.ndim != 1:
        raise ShapeError(
            f"linalg.norm: if dim is not specified but ord is, the input must be 1D or 2D, but it is {A.type_text()}"
        ).at(here())
    return vector_norm(A, ord, None, keepdim, dtype=dtype)


def refuse_singular_values(what: str, ord: Any) -> None:
    if ord in ("nuc", 2, -2):
        raise UnsupportedError(
            f"{what}: the order {ord!r} of a matrix needs its singular values, which are not computed here; "
            "use 'fro', 1 or inf"
        ).at(here())


@autocasts
def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: Axes = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """p-norm of the elements over `dim` (all if None), for any number p; "fro" is 2 (torch.norm).

    Raises DTypeError for a dtype that is not float, UnsupportedError for "nuc", LenetcError for other words.
    """
    need_float("norm", input)
    if p == "nuc":
        refuse_singular_values("norm", p)
    if isinstance(p, str) and p != "fro":
        raise LenetcError(f"norm: there is no order {p!r}; use 'fro' or a number").at(here())
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


@numpy_names
def frobenius_norm(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """The square root of the sum of squares over `dim` (all for none)."""
    need_float("frobenius_norm", input)
    return vector_norm(input, 2, dim, keepdim)


@autocasts
def dist(input: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """The p-norm of input - other, broadcast."""
    t.require_tensors("dist", input, other)
    return vector_norm(input - other, p)


@autocasts
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """p-norms of the differences of every row of x1[..., P, M] and every row of x2[..., R, M], as [..., P, R].

    Every `compute_mode` of PyTorch is accepted and computes the differences. Raises ShapeError where M differs or there
    is no matrix, DTypeError where a dtype is not float, LenetcError for a negative p.
    """
    need_float("cdist", x1)
    need_float("cdist", x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            "cdist: both operands need two dimensions or more and rows of one length, but they are "
            f"{x1.type_text()} and {x2.type_text()}"
        ).at(here())
    if p < 0:
        raise LenetcError(f"cdist: p must not be negative, but it is {p}").at(here())
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"cdist: {compute_mode!r} is not a valid value for compute_mode; use one of {modes}")
    differences = shaping.unsqueeze(x1, -2) - shaping.unsqueeze(x2, -3)
    if not x1.shape[-1]:
        return sum(differences, -1)
    return vector_norm(differences, p, -1)


@autocasts
def renorm(input: Tensor, p: Number, dim: int, maxnorm: Number) -> Tensor:
    """Slices along `dim` whose p-norm is larger than `maxnorm` scaled down to it."""
    need_float("renorm", input)
    if input.ndim < 2:
        raise ShapeError(f"renorm: needs two dimensions or more, but it is {input.type_text()}").at(here())
    if p <= 0:
        raise LenetcError(f"renorm: p must be positive, but it is {p}").at(here())
    if maxnorm < 0:
        raise LenetcError(f"renorm: maxnorm must not be negative, but it is {maxnorm}").at(here())
    axis = axis_in(input, dim, "renorm")
    lengths = vector_norm(input, p, [i for i in range(input.ndim) if i != axis], True)

    def factor(length: Node) -> Node:
        limit = scalar(maxnorm, length.dtype)
        return ops.where(ops.greater(length, limit), limit / (length + 1e-7), scalar(1, length.dtype))

    return input * t.apply("RenormBackward0", factor, lengths)
