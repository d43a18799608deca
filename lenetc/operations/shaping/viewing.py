"""The same elements under another shape. PyTorch's functions of the same names.

Every tensor stands in row-major order here, so that a view is never refused for its strides; where PyTorch would copy
(`reshape`, `flatten`, `contiguous` of what is transposed), the result is a tensor of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, Poly, divide, product
from ir.errors import LenetcError, ShapeError, UnsupportedError
from ir.node import Node
from ir.types import DType
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import axis_of, index_of
from lenetc.tensors.layouts import can_show, strides_out_of_order

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "as_strided",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "flatten",
    "numel",
    "ravel",
    "reshape",
    "squeeze",
    "unflatten",
    "unsqueeze",
]


def as_shape(sizes: Sequence[Any]) -> list[Any]:
    """The sizes that PyTorch takes as separate arguments or as one sequence."""
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else list(sizes)


def given(what: str, sizes: Sequence[Any], named: Any) -> Sequence[Any]:
    """What is given as arguments in a row, as one sequence, or by name."""
    if sizes and named is not None:
        raise LenetcError(f"{what}: given twice, as {tuple(sizes)} and as {named}").at(here())
    if not sizes and named is None:
        raise LenetcError(f"{what}: the sizes are missing").at(here())
    return sizes if named is None else (named,)


def whole(what: str, sizes: Sequence[Any]) -> list[Dim]:
    """The sizes as whole numbers. Raises DTypeError for what is none."""
    return [size if isinstance(size, Poly) else index_of(f"{what}: a size", size) for size in as_shape(sizes)]


def distinct_axes(what: str, x: Tensor, dims: Sequence[Any]) -> tuple[int, ...]:
    """`dims` counted from the front. Raises BoundsError for one that x lacks, LenetcError for one named twice."""
    axes = tuple([axis_of(dim, x.ndim, f"{what} of {x.type_text()}") for dim in dims])
    if len(set(axes)) != len(axes):
        raise LenetcError(f"{what}: a dimension appears twice in {tuple(dims)}").at(here())
    return axes


def _resolved(x: Tensor, sizes: Sequence[Any], what: str) -> tuple[Dim, ...]:
    """`sizes` with a -1 worked out."""
    t.require_tensors(what, x)
    shape = whole(what, sizes)
    unknown = [i for i, size in enumerate(shape) if size == -1]
    message = f"{what}: shape {shape} is invalid for a tensor {x.type_text()} with {x.numel()} elements"
    if len(unknown) > 1:
        raise ShapeError(f"{message}: only one dimension can be inferred").at(here())
    if any(isinstance(size, int) and size < -1 for size in shape):
        raise ShapeError(f"{message}: a size is negative").at(here())
    if unknown:
        rest = product(tuple(size for size in shape if size != -1))
        if rest == 0:
            raise ShapeError(f"{message}: beside a size of 0 the -1 could be anything").at(here())
        inferred = divide(x.numel(), rest)
        if inferred is None:
            raise ShapeError(message).at(here())
        shape[unknown[0]] = inferred
    if product(tuple(shape)) != x.numel():
        raise ShapeError(message).at(here())
    return tuple(shape)


def viewed(name: str, x: Tensor, shape: tuple[Dim, ...]) -> Tensor:
    """x under `shape`, which has as many elements."""
    return t.apply(
        name, lambda a: a if a.shape == shape else ops.reshape(a, shape=shape), x, saves=False, view=restored
    )


def restored(base: Node, value: Node) -> Node:
    """A changed view of another shape, as the tensor it was taken from."""
    return value if value.shape == base.shape else ops.reshape(value, shape=base.shape)


def view(x: Tensor, *sizes: Any, size: Any = None, dtype: DType | None = None) -> Tensor:
    """The same elements in another shape; one size may be -1 (torch.Tensor.view).

    Raises UnsupportedError for a dtype, as which PyTorch would read the bits.
    """
    wanted = given("view", sizes, dtype or size)
    if isinstance(wanted[0], DType):
        t.require_tensors("view", x)
        if wanted[0] is x.dtype:
            return viewed("AliasBackward0", x, tuple(x.shape))
        raise UnsupportedError(
            f"view: the bits of {x.type_text()} cannot be read as another dtype; convert values with .to({wanted[0]!r})"
        ).at(here())
    return viewed("ViewBackward0", x, _resolved(x, wanted, "view"))


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; one size may be -1 (torch.reshape). A view where PyTorch's is one."""
    return _reshaped(input, _resolved(input, given("reshape", sizes, shape), "reshape"))


def _reshaped(x: Tensor, shape: tuple[Dim, ...]) -> Tensor:
    if can_show(x, shape):
        return viewed("ViewBackward0", x, shape)
    return t.apply("UnsafeViewBackward0", lambda a: ops.reshape(a, shape=shape), x, saves=False)


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """view with the shape of `other` (torch.Tensor.view_as)."""
    t.require_tensors("view_as", other)
    return view(x, other.shape)


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """reshape to the shape of `other` (torch.Tensor.reshape_as)."""
    t.require_tensors("reshape_as", other)
    return reshape(x, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim joined into one (torch.flatten)."""
    t.require_tensors("flatten", input)
    if not input.ndim:
        axis_of(start_dim, 0, "flatten"), axis_of(end_dim, 0, "flatten")
        return view(input, 1)
    start, end = (
        axis_of(axis, input.ndim, f"flatten of {input.type_text()}") for axis in (start_dim, end_dim)
    )
    if start > end:
        raise ShapeError(
            f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} for {input.type_text()}"
        ).at(here())
    if start == end:
        return input
    shape = input.shape
    return reshape(input, *shape[:start], product(tuple(shape[start : end + 1])), *shape[end + 1 :])


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension (torch.ravel)."""
    t.require_tensors("ravel", input)
    return view(contiguous(input), input.numel())


def unflatten(input: Tensor, dim: int, sizes: Sequence[Any]) -> Tensor:
    """Dimension `dim` divided into several of `sizes`, of which one may be -1 (torch.unflatten)."""
    t.require_tensors("unflatten", input)
    axis = axis_of(dim, input.ndim, "unflatten")
    parts = whole("unflatten", sizes)
    if not parts or not input.ndim:
        raise ShapeError(f"unflatten: {parts} is no shape for dimension {dim} of {input.type_text()}").at(
            here()
        )
    size = input.shape[axis]
    rest = product(tuple(part for part in parts if part != -1))
    inferred = divide(size, rest) if rest != 0 else None
    wanted = tuple(inferred if part == -1 else part for part in parts)
    if parts.count(-1) > 1 or any(part is None or (isinstance(part, int) and part < 0) for part in wanted):
        raise ShapeError(
            f"unflatten: the sizes {parts} do not make dimension {dim} of {input.type_text()}"
        ).at(here())
    if product(wanted) != size:  # type: ignore[arg-type]
        raise ShapeError(
            f"unflatten: the sizes {parts} don't multiply up to {size}, dimension {dim} of {input.type_text()}"
        ).at(here())
    return view(input, *input.shape[:axis], *wanted, *input.shape[axis + 1 :])


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without dimensions of size 1: all of them, or those of `dim` that are (torch.squeeze)."""
    t.require_tensors("squeeze", input)
    if dim is None:
        axes: tuple[int, ...] = tuple(range(input.ndim))
    else:
        axes = distinct_axes("squeeze", input, dim if isinstance(dim, (tuple, list)) else (dim,))
    kept = tuple(size for i, size in enumerate(input.shape) if not (i in axes and size == 1))
    return viewed("SqueezeBackward0" if dim is None else "SqueezeBackward1", input, kept)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 inserted at `dim`."""
    t.require_tensors("unsqueeze", input)
    axis = axis_of(dim, input.ndim + 1, "unsqueeze")
    return viewed("UnsqueezeBackward0", input, (*input.shape[:axis], 1, *input.shape[axis:]))


def _each(what: str, tensors: tuple[Any, ...], function: Any) -> Any:
    """`function` of one tensor, or of each of several, given in a row or as one sequence, as a tuple."""
    if len(tensors) == 1 and isinstance(tensors[0], t.Tensor):
        return function(tensors[0])
    several = as_shape(tensors)
    t.require_tensors(what, *several)
    return tuple(map(function, several))


def atleast_1d(*tensors: Any) -> Any:
    """Scalars with a dimension; other tensors as they are (torch.atleast_1d)."""
    return _each("atleast_1d", tensors, lambda x: x if x.ndim else view(x, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two dimensions, added in front (torch.atleast_2d)."""
    return _each("atleast_2d", tensors, lambda x: x if x.ndim > 1 else view(x, 1, x.numel()))


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with at least three dimensions: a vector [D] becomes [1,D,1], a matrix [M,N] [M,N,1]
    (torch.atleast_3d)."""

    def raised(x: Tensor) -> Tensor:
        return x if x.ndim > 2 else unsqueeze(x, -1) if x.ndim == 2 else view(x, 1, x.numel(), 1)

    return _each("atleast_3d", tensors, raised)


def contiguous(x: Tensor, memory_format: Any = None) -> Tensor:
    """x itself where its elements lie row by row; a copy of a view that lies otherwise (torch.Tensor.contiguous)."""
    return x if strides_out_of_order(x) is None else t.apply("CloneBackward0", lambda a: a, x, saves=False)


def is_contiguous(x: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie row by row: of results always, of views as in PyTorch (torch.Tensor.is_contiguous)."""
    return strides_out_of_order(x) is None


def stride(x: Tensor, dim: int | None = None) -> Any:
    """How many elements lie between neighbours along each dimension, or along `dim`; in row-major order but of views
    that lie otherwise in what they are views of."""
    strides: tuple[Dim, ...] = strides_out_of_order(x) or tuple(
        product((*(max(n, 1) for n in x.shape[i + 1 :]),)) for i in range(x.ndim)
    )
    return strides if dim is None else strides[axis_of(dim, x.ndim, "stride")]


def storage_offset(x: Tensor) -> int:
    """0: what a view shows is put in front when it is looked at."""
    return 0


def numel(input: Tensor) -> Dim:
    """Number of elements (torch.numel)."""
    t.require_tensors("numel", input)
    return input.numel()


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """Refused: the storage that PyTorch would read depends on how the tensor was made (torch.as_strided).

    Raises UnsupportedError.
    """
    raise UnsupportedError(
        f"as_strided: {input.type_text()} has no strides here; use view, permute, unfold, narrow or x[...]"
    ).at(here())
