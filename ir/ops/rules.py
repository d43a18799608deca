"""Type rules shared by the op records."""

from __future__ import annotations

from typing import Any

from ir.dims import Dim, Shape
from ir.errors import DTypeError, ShapeError
from ir.op import Infer
from ir.types import DType, Type, bool_, u8


def broadcast_shapes(what: str, *shapes: Shape) -> Shape:
    """NumPy's broadcasting over symbolic shapes. Raises ShapeError naming all the shapes and the axis."""
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    rank = max(map(len, shapes))
    result: list[Dim] = []
    for axis in range(-rank, 0):
        dims = [shape[axis] for shape in shapes if len(shape) >= -axis]
        size = next((dim for dim in dims if dim != 1), 1)
        if any(dim not in (1, size) for dim in dims):
            listed = " and ".join(show(shape) for shape in shapes)
            raise ShapeError(
                f"{what}: shapes {listed} do not broadcast: axis {axis} has sizes {' and '.join(map(str, dims))}"
            )
        result.append(size)
    return tuple(result)


def show(shape: Shape) -> str:
    """A shape as text: [N,3]."""
    return f"[{', '.join(map(str, shape))}]"


def same_dtype(what: str, *types: Type) -> DType:
    """The dtype of all. Raises DTypeError, in the name of the op `what`, where they differ."""
    if any(t.dtype is not types[0].dtype for t in types):
        listed = " and ".join(map(str, types))
        raise DTypeError(
            f"{what}: operands {listed} have different dtypes; cast one of them, e.g. with .to(dtype)"
        )
    return types[0].dtype


def elementwise(
    what: str, *, kinds: tuple[str, ...] = ("float", "int"), result: DType | None = None
) -> Infer:
    """Broadcast operands of one dtype whose kind is among `kinds`; the result has it, or `result`.

    The kind "signed" stands for the integers but u8.
    """

    def infer(*types: Type, **_: Any) -> Type:
        dtype = same_dtype(what, *types)
        if dtype.kind not in kinds and not ("signed" in kinds and dtype.kind == "int" and dtype is not u8):
            raise DTypeError(
                f"{what}: dtype {dtype} is not allowed here, only {' or '.join(kinds)} dtypes are"
            )
        return Type(result or dtype, broadcast_shapes(what, *(t.shape for t in types)))

    return infer


def unary(what: str, *, kinds: tuple[str, ...] = ("float",), result: DType | None = None) -> Infer:
    """The rule of an op of one operand."""
    return elementwise(what, kinds=kinds, result=result)


def comparison(what: str) -> Infer:
    """The rule of an op that gives bools."""
    return elementwise(what, kinds=("float", "int", "bool"), result=bool_)


def logical(what: str) -> Infer:
    """The rule of an op on bools."""
    return elementwise(what, kinds=("bool",))


def integral(what: str) -> Infer:
    """The rule of an op on integers."""
    return elementwise(what, kinds=("int",))


def need_axis(what: str, type: Type, *axes: int) -> None:
    """Raises ShapeError, in the name of the op `what`, unless these are axes of `type`, each once."""
    if any(not 0 <= axis < type.rank for axis in axes) or len(set(axes)) != len(axes):
        raise ShapeError(
            f"{what}: {', '.join(map(str, axes))} are not distinct axes of {type}, counted from 0"
        )


def need_rank(what: str, operand: str, type: Type, rank: int) -> None:
    """Raises ShapeError, in the name of the op `what`, unless the operand has `rank` dimensions."""
    if type.rank != rank:
        raise ShapeError(f"{what}: {operand} must have {rank} dimensions, but it is {type}")


def need_float(what: str, *types: Type) -> None:
    """Raises DTypeError, in the name of the op `what`, unless all are of one floating-point dtype."""
    for type in types:
        if not type.dtype.is_float:
            raise DTypeError(f"{what}: needs floating point operands, not {type}")
    same_dtype(what, *types)
