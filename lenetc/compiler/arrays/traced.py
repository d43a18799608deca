"""The stand-in for an array: whoever asks for its class, an attribute or an operator is told by where the asking code
stands."""

from __future__ import annotations

import dis
import sys
import weakref
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from ir.errors import LenetcError
from lenetc.compiler.reads.kinds import LIBRARY
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import ValueDependentError, here, is_ours
from lenetc.tensors.tensor import Tensor

# What NumPy's members are inside: filled by the files of this folder.
ATTRIBUTES: dict[str, Callable[[TracedArray], Any]] = {}
METHODS: dict[str, Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}


class Memory:
    """What arrays that may lie in the same memory have in common: which they are, and which surely do."""

    def __init__(self) -> None:
        self.members: list[tuple[weakref.ref[TracedArray], object]] = []

    def is_known(self, part: object) -> bool:
        """Whether whoever else is there surely shows a change of `part`."""
        return all(other is part or ref() is None for ref, other in self.members)


class Parts:
    """What a stand-in is made of. source: the argument that it comes from; part: the same for arrays that surely share
    memory; is_scalar: whether NumPy has a number here, rather than an array without axes."""

    __slots__ = ("is_readonly", "is_scalar", "memory", "part", "source", "tensor")

    def __init__(self, tensor: Tensor, source: str, is_scalar: bool) -> None:
        self.tensor, self.source, self.is_scalar = tensor, source, is_scalar
        self.memory, self.part = Memory(), object()
        self.is_readonly = False

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.tensor.dtype.numpy


class _Kind(type):
    """The class of stand-ins. What code looks up by it, `TABLE[type(a)]`, would not be found: it is refused. Python's
    own library and NumPy look for ways to treat a class, and go on without."""

    def __hash__(cls) -> int:
        code = sys._getframe(1).f_code
        is_python = code.co_filename.startswith((LIBRARY, "<frozen"))
        if (
            Context.trace is not None
            and "type" in code.co_names
            and not is_python
            and not is_ours(code.co_filename)
        ):
            raise refused(
                "a compiled function looks something up by type(...), and what stands for a NumPy array among its "
                "arguments is of another class: write a.__class__, or isinstance(a, numpy.ndarray)"
            ).at(here())
        return type.__hash__(cls)


class TracedArray(metaclass=_Kind):
    """An array, or one of NumPy's numbers, of the function that is being traced."""

    __slots__ = ("__weakref__", "_parts")
    __lenetc_array__ = True
    _parts: Parts

    def __getattribute__(self, name: str) -> Any:
        parts = parts_of(self)
        if asked_by_us():
            return parts.is_scalar if name == "_is_number" else getattr(parts.tensor, name)
        if name == "__class__":
            return parts.dtype.type if parts.is_scalar else np.ndarray
        if name == "size" and _is_called(sys._getframe(1)):
            return parts.tensor.size  # x.size(0), which NumPy has not
        if name in ATTRIBUTES:
            return ATTRIBUTES[name](self)
        if name in METHODS:
            return _Bound(self, name)
        if name in _OPERATORS:
            return object.__getattribute__(self, name)
        if name in ("__array_struct__", "__array_interface__"):
            raise AttributeError(name)  # so that NumPy asks for __array__
        if hasattr(np.ndarray, name):
            refuse(self, f"ndarray.{name}")
        if name.startswith("__") or not _is_written(sys._getframe(1)) or not hasattr(Tensor, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'", name=name, obj=self)
        return getattr(parts.tensor, name)  # a tensor's, which arrays do not have

    def __setattr__(self, name: str, value: Any) -> None:
        if not asked_by_us():
            if hasattr(np.ndarray, name):
                refuse(self, f"an assignment to ndarray.{name}")
            if not hasattr(Tensor, name):
                raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'", name=name, obj=self)
        setattr(parts_of(self).tensor, name, value)

    def __dir__(self) -> Iterable[str]:
        return dir(np.ndarray)


# What messages of Python's, and the user's code, call its class.
TracedArray.__name__, TracedArray.__qualname__, TracedArray.__module__ = "ndarray", "ndarray", "numpy"


class _Bound:
    """A method of an array, with its array."""

    __slots__ = ("__self__", "name")

    def __init__(self, array: TracedArray, name: str) -> None:
        self.__self__, self.name = array, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return METHODS[self.name](self.__self__, *args, **kwargs)

    @property
    def __name__(self) -> str:
        return self.name


_slot: Any = vars(TracedArray)["_parts"]
# What `lenetc.compiler.arrays.operators` puts into the class.
_OPERATORS: set[str] = {"__dir__", "__setattr__"}


def operator(name: str, ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    """Define an operator: what it is to this package's code, and what to all other."""

    def method(self: TracedArray, *args: Any, **kwargs: Any) -> Any:
        if asked_by_us():
            return ours(parts_of(self).tensor, *map(tensor_in, args), **kwargs)
        return theirs(self, *args, **kwargs)

    method.__name__ = name
    setattr(TracedArray, name, method)
    _OPERATORS.add(name)


def parts_of(array: TracedArray) -> Parts:
    found: Parts = _slot.__get__(array)
    return found


def asked_by_us() -> bool:
    """Whether the caller of what calls this is code of this package."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == "<frozen abc>":
        frame = frame.f_back
    return frame is not None and is_ours(frame.f_code.co_filename)


def _is_written(frame: FrameType) -> bool:
    """Whether the code that asks for an attribute says `x.name`, rather than hasattr or getattr, which look what kind
    of thing `x` is."""
    return _instruction(frame)[0] in ("LOAD_ATTR", "LOAD_METHOD")


def is_assigned(frame: FrameType) -> bool:
    """Whether it says `x[...] = value`, rather than a function of C doing so."""
    return _instruction(frame)[0] in ("STORE_SUBSCR", "STORE_SLICE")


def _is_called(frame: FrameType) -> bool:
    """Whether it says `x.name(...)`."""
    name, argument = _instruction(frame)
    if sys.version_info >= (3, 12):  # since then one instruction has both meanings
        return name == "LOAD_ATTR" and bool(argument & 1)
    return name == "LOAD_METHOD"


def _instruction(frame: FrameType) -> tuple[str, int]:
    """The instruction where `frame` stands, with the last part of its argument. Python 3.12 stands behind it, among
    what it keeps for the next time, once it has seen that instances of a class answer for themselves."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while at > 0 and dis.opname[code[at]] == "CACHE":
        at -= 2
    return dis.opname[code[at]], code[at + 1]


def traced(tensor: Tensor, source: str, is_scalar: bool = False) -> TracedArray:
    """A new array, of memory of its own."""
    made: TracedArray = object.__new__(TracedArray)
    parts = Parts(tensor, source, is_scalar)
    _slot.__set__(made, parts)
    _join(made, parts)
    if Context.trace is not None:
        Context.trace.arrays.append(weakref.ref(made))
    return made


def sharing(made: TracedArray, base: TracedArray, surely: bool) -> TracedArray:
    """`made`, which shares the memory of `base`, or may."""
    parts, of = parts_of(made), parts_of(base)
    parts.memory, parts.is_readonly = of.memory, of.is_readonly
    if surely:
        parts.part = of.part
    _join(made, parts)
    return made


def _join(made: TracedArray, parts: Parts) -> None:
    parts.memory.members.append((weakref.ref(made), parts.part))


def is_traced(value: Any) -> bool:
    return type(value) is TracedArray


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor to the user too, which an array is not."""
    return not is_traced(value) and isinstance(value, Tensor)


def tensor_in(value: Any) -> Any:
    """The tensor of a stand-in; anything else as it is."""
    return parts_of(value).tensor if type(value) is TracedArray else value


def named(tensor: Tensor, name: str) -> TracedArray:
    """The stand-in for the argument `name`."""
    return traced(tensor, f"the argument {name}")


def live(arrays: Iterable[weakref.ref[TracedArray]]) -> list[TracedArray]:
    """Those that somebody still holds."""
    return [array for ref in arrays if (array := ref()) is not None]


def derived(source: str) -> str:
    """What messages call what is computed from `source`."""
    return source if source.startswith("an array") else f"an array made of {source}"


def refuse(array: TracedArray, what: str, instead: str = "") -> NoReturn:
    """Raise LenetcError for a member of NumPy's that is not given."""
    parts = parts_of(array)
    raise refused(
        f"{what} of {parts.source}, a NumPy array {parts.tensor.type_text()}, is not there inside a compiled function, "
        "which knows its shape and dtype, but neither its values nor its memory: "
        + (
            instead
            or "do this outside, or take a tensor of it, lenetc.from_numpy(array), with a tensor's methods"
        )
    )


def look(array: TracedArray, what: str) -> NoReturn:
    """Raise ValueDependentError for what looks at the numbers."""
    parts = parts_of(array)
    raise refused(
        f"{what} looks at the value of a tensor {parts.tensor.type_text()} (as an `if` or `while`, item, float, "
        f"numpy.asarray, a formatted or printed number do), which stands for {parts.source}, a NumPy array, inside a "
        "compiled function, where only shapes and dtypes are known. Pass numbers that decide as numbers, return the "
        "result and look at it outside, or write the choice with numpy.where or lenetc.where",
        ValueDependentError,
    )


def refused(message: str, kind: type[LenetcError] = LenetcError) -> LenetcError:
    """The error for `message`, which no code of the user's can swallow."""
    error = kind(message)
    return error if Context.trace is None else Context.trace.refused(error)


def change(array: TracedArray, what: str, value: Tensor) -> None:
    """Let `value` be what the array holds from now on; of a number NumPy changes a copy that nobody sees."""
    if parts_of(array).is_scalar:
        return
    need_writable(array, what)
    parts = parts_of(array)
    parts.tensor._change(what, value)


def need_writable(array: TracedArray, what: str) -> None:
    """Raise what NumPy raises for an array that is read-only, and LenetcError where nobody knows who sees a change."""
    parts = parts_of(array)
    if parts.is_readonly:
        place = "output array" if what.startswith("numpy.") else "assignment destination"
        raise ValueError(f"{place} is read-only")
    if not parts.memory.is_known(parts.part):
        refuse(
            array,
            f"{what} in place",
            "another array that is still used may lie in the same memory or be a copy, as reshape, ravel and negative "
            "steps give it; write `array = array + ...`, or take a copy() first",
        )
