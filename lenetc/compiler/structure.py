"""Arguments and results of a compiled function: nested tuples, lists and dicts of tensors, taken apart and
put back."""

from __future__ import annotations

import ast
import collections
import enum
import functools
import inspect
import linecache
import operator
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from ir.errors import DTypeError, LenetcError
from ir.types import Array, Type, dtype_of
from lenetc.compiler.reads.entries import PARTS, is_plain
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.lazy import default_device
from lenetc.evaluation.scalars import is_float
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocast_modes
from lenetc.runtime.precision import get_float32_matmul_precision
from lenetc.runtime.threads import threads_set
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.grad_fn import is_grad_enabled
from lenetc.tensors.tensor import Tensor


def is_array(value: Any) -> bool:
    """Whether `value` is an input of a program: a tensor, or an array of numbers."""
    return isinstance(value, Tensor) or (
        isinstance(value, np.ndarray) and value.dtype.kind not in _NO_NUMBERS
    )


_ARRAY = np.ndarray
_NO_NUMBERS = frozenset("OSUVMm")  # kinds of NumPy's: objects, texts, records, times


def type_of(value: Tensor | Array, name: str = "an argument") -> Type:
    """The type of a tensor or array. Raises DTypeError, with its `name`, for a dtype that the IR lacks, and for another
    class of arrays."""
    if isinstance(value, Tensor):
        return value._cell.type
    if type(value) not in (np.ndarray, np.memmap):
        raise DTypeError(
            f"{name} is a {type(value).__module__}.{type(value).__name__}, whose operations may be others than an "
            "array's; pass numpy.asarray of it"
        ).at(here())
    try:
        return Type(dtype_of(value), value.shape)
    except TypeError as error:
        raise DTypeError(f"{name} of shape {list(value.shape)}: {error}").at(here()) from None


def _is_record(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_container(value: Any) -> bool:
    """Whether `value` is taken apart: a tuple (a named one too), list or dict, but no other subclass of these."""
    return type(value) in (tuple, list, dict, collections.OrderedDict) or _is_record(value)


def flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of `value`, each with a name built from its path: an identifier."""
    if not is_container(value):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{name}_{_word(key)}" if name else _word(key))
    else:
        for i, item in enumerate(value):
            yield from flatten(item, f"{name}_{i}" if name else f"result{i}")


def _word(key: Any) -> str:
    """A key of a dict as a part of an identifier: of an object its class, as its text may be the user's code."""
    is_known = is_plain(key) or isinstance(key, enum.Enum)
    return re.sub(r"\W", "_", str(key) if is_known else type(key).__name__)


def rebuild(value: Any, leaves: Iterator[Any]) -> Any:
    """`value` with its leaves replaced, in the order of `flatten`."""
    if not is_container(value):
        return next(leaves)
    if isinstance(value, dict):
        return type(value)((key, rebuild(item, leaves)) for key, item in value.items())
    items = [rebuild(item, leaves) for item in value]
    return type(value)(*items) if _is_record(value) else type(value)(items)


def containers(value: Any) -> Iterator[Any]:
    """`value` and what it holds, as far as they are containers."""
    if is_container(value):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def objects_as_keys(value: Any) -> Iterator[Any]:
    """Keys of the dicts in `value` that are more than numbers and strings."""
    for found in containers(value):
        yield from (key for key in found if isinstance(found, dict) and not is_plain(key))


def shape_of(value: Any, seen: dict[int, int]) -> Any:
    """What tells the structure of `value` from another: kinds, lengths and keys of its containers, in order, and which
    of the lists and dicts are one. seen: those before."""
    if not is_container(value):
        return None
    number = -1 if isinstance(value, tuple) else seen.setdefault(id(value), len(seen))
    if isinstance(value, dict):
        return type(value), number, tuple((_told(key), shape_of(item, seen)) for key, item in value.items())
    return type(value), number, tuple(shape_of(item, seen) for item in value)


def _told(key: Any) -> Any:
    """What tells a key of a dict from others, equal ones of another type too."""
    if type(key) is str:
        return key
    if type(key) is tuple:
        return tuple, *map(_told, key)
    return (type(key), repr(key)) if is_plain(key) else (type(key), id(key))


def signature_key(leaves: Sequence[Any]) -> tuple[Any, ...]:
    """What a program depends on: of tensors type and whether gradients are wanted, types of arrays and of numbers that
    are inputs, values of other numbers and strings, identity of everything else; and which of the tensors, and of the
    arrays, are one."""
    key: list[Any] = []
    cells: dict[Cell, int] = {}
    arrays: dict[int, int] = {}
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            leaf._refresh()
            cell = leaf._cell
            key += (type(leaf), cell.type, leaf._requires_grad, leaf._grad_fn is None, leaf._is_detached)
            key.append(bool(leaf.__dict__ or leaf.hooks or leaf.after_grad))
            if leaf._view is not None:
                key.append(leaf._is_leaf_view())
            if len(leaves) > 1:
                key.append(cells.setdefault(cell, len(cells)))
                if leaf._view is not None:
                    key.append(cells.setdefault(leaf._root()._cell, len(cells)))
        elif isinstance(leaf, np.ndarray) and is_array(leaf):
            key += (type(leaf), leaf.dtype, leaf.shape)
            if len(leaves) > 1:
                key.append(arrays.setdefault(id(leaf), len(arrays)))
        elif is_float(leaf):
            key.append(type(leaf))
        elif is_plain(leaf):
            key += (type(leaf), _hashable(leaf))
        else:
            key += (type(leaf), id(leaf))
    return tuple(key)


def _hashable(value: Any) -> Any:
    """A plain value as a part of a key."""
    if type(value) in PARTS:
        return tuple((type(part), repr(part)) for part in PARTS[type(value)](value))
    return value.tobytes() if isinstance(value, np.generic) else value


def modes() -> tuple[Any, ...]:
    """What this thread is set to that a trace depends on."""
    return (
        is_grad_enabled(),
        autocast_modes(),
        get_default_dtype(),
        get_float32_matmul_precision(),
        default_device(),
        threads_set(),
    )


def quick_key(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """What tells calls with plain positional arguments apart: modes and, for each argument, as much as `signature_key`
    has. None where the arguments are not plain: containers, one tensor or array twice, views of one. Of an array of
    other things than numbers it says too little to be kept."""
    key: list[Any] = [*modes()]
    cell = array = None
    is_view = False
    for arg in args:
        kind = type(arg)
        if kind is _ARRAY:
            if arg is array:
                return None
            array = arg
            key += (arg.dtype, arg.shape)
        elif issubclass(kind, Tensor):
            if arg._view is not None:
                arg._refresh()
                is_view = True
                key.append(arg._is_leaf_view())
            if cell is arg._cell:
                return None
            cell = arg._cell
            key += (
                kind,
                cell.type,
                arg._requires_grad,
                arg._grad_fn is None,
                arg._is_detached,
                bool(arg.__dict__ or arg.hooks or arg.after_grad),
            )
        elif is_container(arg):
            return None
        elif is_float(arg):
            key.append(kind)
        elif is_plain(arg):
            key += (kind, _hashable(arg))
        else:
            key += (kind, id(arg))
    return None if (len(args) > 2 or is_view) and _is_twice(args) else tuple(key)


def _is_twice(args: tuple[Any, ...]) -> bool:
    """Whether one tensor, views of one, or one array stand twice among `args`."""
    given: list[Any] = [arg._root()._cell for arg in args if isinstance(arg, Tensor)]
    given += [id(arg) for arg in args if isinstance(arg, np.ndarray)]
    return len(set(given)) < len(given)


class ArgumentError(LenetcError, TypeError):
    """A compiled function was called with arguments that it does not take."""


class Arguments:
    """Binds calls of `function` to flat, named leaves."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self._function = function
        self._defaults = self._default_values()
        try:
            self.signature = inspect.signature(function)
        except ValueError as error:  # a builtin
            raise ArgumentError(f"{self.name} cannot be compiled: {error}").at(here()) from None
        parameters = self.signature.parameters.values()
        self.names = [p.name for p in parameters]
        self.is_plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Argument values by parameter name, defaults filled in."""
        if self.is_plain and not kwargs and len(args) == len(self.names):
            return dict(zip(self.names, args, strict=True))
        if not self.is_plain:
            self._renew()
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            bare = [p.replace(annotation=p.empty) for p in self.signature.parameters.values()]
            raise ArgumentError(
                f"{self.name}{inspect.Signature(bare)} was called with the wrong arguments: {error}"
            ).at(here()) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _default_values(self) -> Any:
        function = getattr(self._function, "__func__", self._function)
        if isinstance(function, functools.partial):
            return dict(function.keywords), function.args
        return getattr(function, "__defaults__", None), dict(getattr(function, "__kwdefaults__", None) or {})

    def _renew(self) -> None:
        """Take over defaults that have been replaced."""
        now = self._default_values()
        if not all(map(operator.is_, _items(now), _items(self._defaults))):
            self._defaults, self.signature = now, inspect.signature(self._function)

    def call(self, function: Callable[..., Any], values: dict[str, Any]) -> Any:
        bound = inspect.BoundArguments(self.signature, values)
        return function(*bound.args, **bound.kwargs)

    def with_leaves(self, values: dict[str, Any], leaves: Sequence[Any]) -> dict[str, Any]:
        """`values` with other leaves."""
        rest = iter(leaves)
        return {name: rebuild(value, rest) for name, value in values.items()}

    def leaves(self, values: dict[str, Any]) -> list[tuple[str, Any]]:
        """The leaves of all arguments, each with a name of its own."""
        try:
            found = [leaf for name, value in values.items() for leaf in flatten(value, name)]
        except RecursionError:
            raise ArgumentError(
                f"{self.name}: an argument is a list or dict that holds itself, or is nested too deep; put it into an "
                "attribute of an object, or pass what it holds"
            ).at(here()) from None
        names = _unique([name for name, _ in found])
        return [(name, leaf) for name, (_, leaf) in zip(names, found, strict=True)]


def _items(defaults: Any) -> list[Any]:
    """The values of both kinds of defaults, and how many there are."""
    found = [item for part in defaults for item in (part.values() if isinstance(part, dict) else part or ())]
    return [*found, len(found)]


def result_names(function: Callable[..., Any], value: Any) -> list[str]:
    """Names of the tensors in a result: dict keys, or the variables of the function's return statement."""
    named = list(flatten(value, ""))
    if isinstance(value, dict):
        return _unique([name for name, _ in named])
    written = _returned_names(function)
    if isinstance(value, (tuple, list)):
        if written and len(written) == len(value) == len(named):
            return _unique([w or n for w, (n, _) in zip(written, named, strict=True)])
        return _unique([name for name, _ in named])
    return [written[0] if written and len(written) == 1 and written[0] else "result"]


def _returned_names(function: Callable[..., Any]) -> list[str]:
    """Variable names in the last `return` of `function`'s source; "" for what is not a plain name."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return []
    scope = getattr(function, "__globals__", {})
    if scope.get("__file__") == code.co_filename:
        linecache.lazycache(code.co_filename, scope)  # which may be in an archive
    return _returned_by(code)


@functools.lru_cache(maxsize=256)
def _returned_by(code: CodeType) -> list[str]:
    if code.co_name == "<lambda>":  # whose line may have a `return` that is another function's
        return []
    # inspect.getsource would look for the module of what has no source through all that are imported: with PyTorch
    # among them that takes 40 ms.
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getblock(lines))))
    except (SyntaxError, ValueError, SystemError, tokenize.TokenError):  # the file is another by now
        return []
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return []
    value = max(returns, key=lambda node: node.lineno).value
    items = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
    return [item.id if isinstance(item, ast.Name) else "" for item in items]


def _unique(names: Sequence[str]) -> list[str]:
    result: dict[str, None] = {}
    for name in names:
        candidate, n = name, 1
        while candidate in result:
            candidate, n = f"{name}_{n}", n + 1
        result[candidate] = None
    return list(result)
