"""What the functions that make tensors are given alike: sizes, a dtype, where the result goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.dims import Dim, Poly
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.types import DType
from lenetc.evaluation.tracing import here
from lenetc.operations.out import put
from lenetc.operations.shaping import as_shape
from lenetc.tensors.arrays import index_of
from lenetc.tensors.dtypes import need_dtype
from lenetc.tensors.tensor import Tensor, require_tensors

# Keywords that ask for nothing here: values live where programs run, in the one layout that there is.
_IDLE = ("layout", "pin_memory", "memory_format", "names")


checked = need_dtype


def float_dtype(what: str, dtype: Any) -> DType:
    """`dtype`, which must be a floating point one."""
    if not checked(what, dtype).is_float:
        raise DTypeError(f"{what} is not implemented for {dtype!r}; give a floating point dtype").at(here())
    return checked(what, dtype)


def like(what: str, x: Tensor, dtype: DType | None) -> DType:
    """The dtype of a tensor of x's shape: that of x, if none is given."""
    require_tensors(what, x)
    return checked(what, dtype or x.dtype)


def of_out(dtype: DType | None, out: Tensor | None, default: DType) -> DType:
    """The dtype that is asked for, that of `out` where there is none, else the default."""
    return dtype or (default if out is None else out.dtype)


def finished(
    what: str, result: Tensor, requires_grad: bool, device: Any, out: Tensor | None, idle: dict[str, Any]
) -> Tensor:
    """`result` on `device`, requiring grad if it should; or `out` with its values. idle: other keywords.

    Raises TypeError for a keyword that PyTorch has not, DTypeError where `out` has another dtype, UnsupportedError for
    a layout that is not strided.
    """
    for name, value in idle.items():
        if name not in _IDLE:
            raise TypeError(f"{what}() got an unexpected keyword argument {name!r}")
        if name == "layout" and value is not None and "strided" not in str(value):
            raise UnsupportedError(f"{what}: tensors are dense, layout {value} is not there").at(here())
    if device is not None:
        result = result.to(device)
    if out is None:
        return result.requires_grad_() if requires_grad else result
    require_tensors(what, out)
    if out.dtype is not result.dtype:
        raise DTypeError(
            f"{what}: dtype {result.dtype!r} does not match dtype of out parameter ({out.dtype!r})"
        ).at(here())
    put(what, out, result)
    return out


def sizes_of(what: str, sizes: Sequence[Any]) -> tuple[Dim, ...]:
    """`sizes` as a shape. Raises DTypeError for what is no whole number, ShapeError for a negative one."""
    shape = []
    for size in sizes:
        if type(size) is not int and not isinstance(size, Poly):
            size = index_of(f"{what}: a size", size)
        if not isinstance(size, Poly) and size < 0:
            raise ShapeError(f"{what}: the size {size} of a dimension is negative").at(here())
        shape.append(size)
    return tuple(shape)


def given_sizes(what: str, given: Sequence[Any], size: Any) -> tuple[Dim, ...]:
    """The shape that was given as arguments, as one sequence, or as the keyword `size`."""
    if given or size is not None:
        if not given and not isinstance(size, (tuple, list)):
            size = (size,)
        return sizes_of(what, as_shape(given) if given else size)
    raise ShapeError(f"{what}: the sizes are missing; a tensor without dimensions has the size ()").at(here())


def sequence_of_sizes(what: str, size: Any) -> tuple[Dim, ...]:
    """The shape that was given as a sequence. Raises DTypeError for anything else."""
    if not isinstance(size, (tuple, list)):
        raise DTypeError(f"{what}: the size is a sequence of whole numbers, not {size!r}").at(here())
    return sizes_of(what, size)


def refuse_negative(what: str, **numbers: Any) -> None:
    """Raise LenetcError for a number that is negative."""
    for name, number in numbers.items():
        if number < 0:
            raise LenetcError(f"{what} expects {name} >= 0.0, but found {name} {number}").at(here())
