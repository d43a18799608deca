"""NumPy's ufuncs and Python's operators on arrays, in the dtypes of NumPy's loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.types import DType, bool_, i64
from lenetc.compiler.arrays import indexing, reductions
from lenetc.compiler.arrays.dtypes import arrayed, asked, dtype_here, first_traced, operand, small
from lenetc.compiler.arrays.traced import (
    FUNCTIONS,
    TracedArray,
    change,
    is_tensor,
    is_traced,
    look,
    operator,
    parts_of,
    refuse,
)
from lenetc.evaluation.scalars import Scalar
from lenetc.operations import elementwise
from lenetc.operations.autocast import autocast_as
from lenetc.tensors.tensor import Tensor

# Ufuncs for which tensors have a function of the same name that gives the same.
_SAME = (
    "add subtract multiply divide maximum minimum fmax fmin float_power negative square sqrt exp exp2 expm1 "
    "log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot "
    "isnan isinf isfinite signbit logical_and logical_or logical_xor logical_not bitwise_and bitwise_or "
    "bitwise_xor greater greater_equal less less_equal not_equal copysign logaddexp logaddexp2 deg2rad rad2deg "
    "positive"
).split()


def _divided(function: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A division that of integers by 0 gives 0."""

    def build(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype.is_float:
            return function(x, y)
        is_zero = y == 0
        found = function(x, elementwise.where(is_zero, operand(1, x.dtype), y))
        return elementwise.where(is_zero, operand(0, x.dtype), found)

    return build


def _shifted(function: Callable[..., Tensor], fill: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A shift that by as many bits as there are, or by less than none, leaves only what `fill` gives."""

    def build(x: Tensor, by: Tensor) -> Tensor:
        is_out = (by < 0) | (by >= 8 * x.dtype.itemsize)
        found = function(x, elementwise.where(is_out, operand(0, x.dtype), by))
        return elementwise.where(is_out, fill(x), found)

    return build


def _filled(x: Tensor) -> Tensor:
    return elementwise.where(x < 0, operand(-1, x.dtype), operand(0, x.dtype)) if x.dtype.is_signed else x * 0


def _kept(function: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    """A function that gives bools as they are."""
    return lambda x: x.clone() if x.dtype is bool_ else function(x)


def _sign(x: Tensor) -> Tensor:
    found = elementwise.sign(x)
    return elementwise.where(elementwise.isnan(x), x, found) if x.dtype.is_float else found


UFUNCS: dict[np.ufunc, Callable[..., Tensor]] = {
    **{getattr(np, name): getattr(elementwise, name) for name in _SAME},
    np.equal: elementwise.eq,
    np.absolute: _kept(elementwise.abs),
    np.floor: _kept(elementwise.floor),
    np.ceil: _kept(elementwise.ceil),
    np.trunc: _kept(elementwise.trunc),
    np.power: elementwise.pow,
    np.floor_divide: _divided(elementwise.floor_divide),
    np.remainder: _divided(elementwise.remainder),
    np.fmod: _divided(elementwise.fmod),
    np.sign: _sign,
    np.fabs: elementwise.abs,
    np.rint: elementwise.round,
    np.conjugate: elementwise.positive,
    np.degrees: elementwise.rad2deg,
    np.radians: elementwise.deg2rad,
    np.invert: elementwise.bitwise_not,
    np.left_shift: _shifted(elementwise.bitwise_left_shift, lambda x: x * 0),
    np.right_shift: _shifted(elementwise.bitwise_right_shift, _filled),
    np.matmul: reductions.matmul,
}


def computed(ufunc: np.ufunc, inputs: tuple[Any, ...], out: TracedArray | None = None) -> TracedArray:
    """A ufunc of arrays and numbers, in the dtypes that NumPy's has; with `out`, in place of what that holds."""
    array = first_traced((*inputs, out))
    assert array is not None
    what = f"numpy.{ufunc.__name__}"
    if ufunc not in UFUNCS:
        refuse(array, what)
    for value in inputs:
        if type(value) in (list, tuple) and first_traced(value):
            refuse(array, f"{what} of a list of arrays", "make it an array with numpy.stack")
    _check_power(ufunc, inputs, array)
    stand = [small(value) for value in inputs]
    found = asked(ufunc, *stand) if out is None else asked(ufunc, *stand, out=small(out))
    loop = ufunc.resolve_dtypes((*map(_kind, inputs), *(None,) * ufunc.nout))
    types = [dtype_here(what, array, dtype) for dtype in loop]
    types = _wide(inputs, types)
    build = UFUNCS[ufunc]
    if ufunc is np.power and isinstance(found, np.ndarray) and _is_half(inputs[1]):
        build = _root  # which differs at -inf and at -0.0
    with autocast_as(()):  # which is for tensors
        result = build(*(operand(value, dtype) for value, dtype in zip(inputs, types, strict=False)))
    if out is None:
        if result.dtype is not types[-1]:
            refuse(array, what, f"a tensor's is {result.type_text()}, NumPy's {loop[-1]}")
        return arrayed(result, array, not isinstance(found, np.ndarray))
    into = parts_of(out).tensor
    result = result.to(into.dtype)
    if tuple(result.shape) != tuple(into.shape):
        result = _spread(result, into)
    change(out, what, result)
    return out


def _root(x: Tensor, exponent: Tensor) -> Tensor:
    return elementwise.sqrt(x)


def _is_half(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and not isinstance(value, Scalar) and value == 0.5


def _spread(result: Tensor, into: Tensor) -> Tensor:
    if np.broadcast_shapes(result.shape, into.shape) != tuple(into.shape):
        raise ValueError(
            f"non-broadcastable output operand with shape {tuple(into.shape)} doesn't match the broadcast shape "
            f"{tuple(result.shape)}"
        )
    return result.expand(into.shape)


def _kind(value: Any) -> Any:
    """What NumPy's promotion looks at: a dtype, or that it is a number of Python's."""
    if is_traced(value):
        return parts_of(value).dtype
    value = small(value) if isinstance(value, (Scalar, Poly)) else value
    if type(value) in (int, float, complex):
        return type(value)
    return np.asarray(value).dtype


def _wide(inputs: tuple[Any, ...], types: list[DType]) -> list[DType]:
    """The dtypes of a comparison with a number that the array's cannot hold, which NumPy compares all the same."""
    if types[-1] is bool_ and any(
        type(value) is int and dtype.kind == "int" and not _fits(value, dtype)
        for value, dtype in zip(inputs, types, strict=False)
    ):
        return [i64, i64, bool_]
    return types


def _fits(value: int, dtype: DType) -> bool:
    limits: Any = np.iinfo(dtype.numpy)
    return bool(limits.min <= value <= limits.max)


def _check_power(ufunc: np.ufunc, inputs: tuple[Any, ...], array: TracedArray) -> None:
    """Integers have no negative powers, so that a power that is not known cannot be taken."""
    if ufunc is not np.power or any(np.dtype(_kind(value)).kind == "f" for value in inputs):
        return
    exponent = inputs[1]
    if is_traced(exponent):
        if parts_of(exponent).dtype.kind == "i":
            refuse(
                array,
                "numpy.power of integers by an exponent that is not known",
                "NumPy raises ValueError where that is negative; take an exponent that is a number, or of floats",
            )
    elif np.any(np.asarray(exponent) < 0):
        raise ValueError("Integers to negative integer powers are not allowed.")


# What Python and NumPy call.


def _is_operand(value: Any) -> bool:
    return is_traced(value) or isinstance(
        value, (bool, int, float, complex, np.generic, np.ndarray, list, tuple, Poly)
    )


def _binary(ufunc: Any, is_reversed: bool = False) -> Callable[[TracedArray, Any], Any]:
    def method(self: TracedArray, other: Any, *rest: Any) -> Any:
        if not _is_operand(other) or rest:
            return NotImplemented  # a tensor takes the array for a tensor, as it does outside
        pair = (other, self) if is_reversed else (self, other)
        if ufunc is np.divmod:
            return computed(np.floor_divide, pair), computed(np.remainder, pair)
        if ufunc is np.power and not is_reversed and type(other) is int and other == 2:
            return computed(np.square, (self,))  # as the operator has it
        return computed(ufunc, pair)

    return method


def _in_place(ufunc: np.ufunc) -> Callable[[TracedArray, Any], Any]:
    def method(self: TracedArray, other: Any) -> Any:
        if parts_of(self).is_scalar or not _is_operand(other):
            return NotImplemented
        return computed(ufunc, (self, other), self)

    return method


def _compared(ufunc: np.ufunc) -> Callable[[TracedArray, Any], Any]:
    method = _binary(ufunc)

    def compared(self: TracedArray, other: Any) -> Any:
        if not _is_operand(other) and not is_tensor(other):
            refuse(self, f"a comparison with a {type(other).__name__}", "compare it with numbers or arrays")
        return method(self, other)

    return compared


def _unary(ufunc: np.ufunc) -> Callable[[TracedArray], Any]:
    return lambda self: computed(ufunc, (self,))


def _ours(name: str) -> Callable[..., Any]:
    return getattr(Tensor, name, lambda *_: NotImplemented)


_BINARY: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "divmod": np.divmod,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
for _name, _ufunc in _BINARY.items():
    operator(f"__{_name}__", _ours(f"__{_name}__"), _binary(_ufunc))
    operator(f"__r{_name}__", _ours(f"__r{_name}__"), _binary(_ufunc, is_reversed=True))
    if _name != "divmod":
        operator(f"__i{_name}__", _ours(f"__i{_name}__"), _in_place(_ufunc))
for _name, _ufunc in {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}.items():
    operator(f"__{_name}__", _ours(f"__{_name}__"), _compared(_ufunc))
for _name, _ufunc in {
    "neg": np.negative,
    "pos": np.positive,
    "abs": np.absolute,
    "invert": np.invert,
}.items():
    operator(f"__{_name}__", _ours(f"__{_name}__"), _unary(_ufunc))


def _looking(what: str) -> Callable[..., Any]:
    def method(self: TracedArray, *_: Any, **__: Any) -> Any:
        look(self, what)

    return method


def _truth(self: TracedArray) -> Any:
    parts = parts_of(self)
    if parts.tensor.ndim and parts.tensor.numel() != 1:
        return bool(np.ones(2))  # raises what NumPy says of all that have several
    return look(self, "bool()")


def _hashed(self: TracedArray) -> Any:
    return look(self, "hash()") if parts_of(self).is_scalar else hash(np.ones(1))  # which raises


def _length(self: TracedArray) -> Any:
    parts = parts_of(self)
    if not parts.tensor.ndim:
        raise TypeError("len() of unsized object")
    return len(parts.tensor)


def _by_ufunc(self: TracedArray, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.pop("out", (None,))
    array = first_traced((*inputs, *out))
    assert array is not None
    called = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if method != "__call__" or kwargs or any(is_tensor(value) for value in inputs):
        refuse(array, f"{called} with {', '.join(kwargs) or 'tensors'}" if method == "__call__" else called)
    if out[0] is not None and not is_traced(out[0]):
        refuse(array, f"{called} into an array from elsewhere")
    if ufunc is np.divmod:
        return computed(np.floor_divide, inputs), computed(np.remainder, inputs)
    return computed(ufunc, inputs, out[0])


def _by_function(self: TracedArray, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if function not in FUNCTIONS:
        refuse(self, f"{function.__module__}.{function.__name__}")
    return FUNCTIONS[function](*args, **kwargs)


for _name, _what in {
    "float": "float()",
    "int": "int()",
    "index": "a number that is asked of an array",
    "complex": "complex()",
    "round": "round()",
    "repr": "repr()",
    "str": "str()",
    "format": "a format",
    "array": "numpy.asarray()",
    "contains": "`in`",
    "reduce_ex": "pickle",
}.items():
    operator(f"__{_name}__", _ours(f"__{_name}__"), _looking(_what))
operator("__bool__", _ours("__bool__"), _truth)
operator("__hash__", Tensor.__hash__, _hashed)
operator("__len__", Tensor.__len__, _length)
operator("__getitem__", _ours("__getitem__"), indexing.getitem)
operator("__setitem__", _ours("__setitem__"), indexing.setitem)
operator("__delitem__", _ours("__delitem__"), lambda self, index: refuse(self, "del array[...]"))
operator("__iter__", _ours("__iter__"), indexing.Rows)
for _name, _method in {"__array_ufunc__": _by_ufunc, "__array_function__": _by_function}.items():
    setattr(TracedArray, _name, _method)
