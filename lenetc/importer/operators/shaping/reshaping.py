"""Other shapes for the same elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.dims import product
from ir.errors import ShapeError
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, as_host, listed, numbers
from lenetc.tensors.tensor import Tensor


@operator
def Identity(x: Value, /) -> Value:
    return x


@operator(differentiable=False)
def Shape(x: Value, /, *, start: int = 0, end: int | None = None) -> Host:
    assert isinstance(x, (Tensor, np.ndarray))
    return as_host(np.array([*x.shape][slice(start, end)], object))


@operator(differentiable=False)
def Size(x: Value, /) -> Host:
    assert isinstance(x, (Tensor, np.ndarray))
    return as_host(np.asarray(product(tuple(x.shape))))


@operator
def Reshape(x: Tensor, shape: Sizes, /, *, allowzero: int = 0) -> Tensor:
    """A 0 stands for the input's size there, unless allowzero; a -1 for what is left."""
    return x.reshape(wanted(x.shape, numbers(shape), allowzero))


def wanted(own: Sequence[int], sizes: list[int], allowzero: int) -> list[int]:
    """`sizes` with the zeros replaced that stand for `own` ones."""
    if allowzero:
        return sizes
    if any(size == 0 for size in sizes[len(own) :]):
        raise ShapeError(
            f"the 0 in the shape {sizes} stands for a size that the input of {len(own)} axes lacks"
        )
    return [own[i] if size == 0 else size for i, size in enumerate(sizes)]


@operator
def Flatten(x: Tensor, /, *, axis: int = 1) -> Tensor:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape([product(tuple(x.shape[:axis])), product(tuple(x.shape[axis:]))])


@operator
def Transpose(x: Tensor, /, *, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(*(range(x.ndim)[::-1] if perm is None else perm))


@operator
def Squeeze(x: Tensor, axes_: Sizes | None = None, /, *, axes: Sequence[int] | None = None) -> Tensor:
    return x.reshape(squeezed(x.shape, listed(axes_, axes)))


def squeezed(sizes: Sequence[int], axes: list[int]) -> list[int]:
    """`sizes` without those of `axes`, which are 1; without any 1 where no axes are given."""
    if not axes:
        return [size for size in sizes if size != 1]
    which = {axis % len(sizes) for axis in axes}
    if any(sizes[axis] != 1 for axis in which):
        raise ShapeError(f"the axes {sorted(which)} of [{', '.join(map(str, sizes))}] are not all of size 1")
    return [size for axis, size in enumerate(sizes) if axis not in which]


@operator
def Unsqueeze(x: Tensor, axes_: Sizes | None = None, /, *, axes: Sequence[int] | None = None) -> Tensor:
    return x.reshape(unsqueezed(x.shape, listed(axes_, axes)))


def unsqueezed(sizes: Sequence[int], axes: list[int]) -> list[int]:
    """`sizes` with a 1 at each of `axes` of the result."""
    rank = len(sizes) + len(axes)
    which = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(which) != len(axes):
        raise ShapeError(f"the axes {axes} are not {len(axes)} different ones of a result of {rank} axes")
    left = iter(sizes)
    return [1 if axis in which else next(left) for axis in range(rank)]


@operator
def DepthToSpace(x: Tensor, /, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """[N, C*b*b, H, W] to [N, C, H*b, W*b]. mode: whether the depth of a block (DCR) or the channels (CRD) go first."""
    n, c, h, w = x.shape
    b = blocksize
    if _is_depth_first(mode):
        turned = x.reshape([n, b, b, c // (b * b), h, w]).permute(0, 3, 4, 1, 5, 2)
    else:
        turned = x.reshape([n, c // (b * b), b, b, h, w]).permute(0, 1, 4, 2, 5, 3)
    return turned.reshape([n, c // (b * b), h * b, w * b])


@operator
def SpaceToDepth(x: Tensor, /, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """[N, C, H*b, W*b] to [N, C*b*b, H, W], the inverse of DepthToSpace."""
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if _is_depth_first(mode) else (0, 1, 3, 5, 2, 4)
    turned = x.reshape([n, c, h // b, b, w // b, b]).permute(*order)
    return turned.reshape([n, c * b * b, h // b, w // b])


def _is_depth_first(mode: str) -> bool:
    if mode not in ("DCR", "CRD"):
        raise OnnxOperatorError(f"mode is DCR or CRD, not {mode!r}")
    return mode == "DCR"
