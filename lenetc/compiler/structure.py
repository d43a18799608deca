"""Arguments and results of a compiled function: nested tuples, lists and dicts of tensors, taken apart and
put back."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ir.errors import DTypeError, LenetcError
from ir.types import Array, Type, dtype_of
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor


def is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def type_of(value: Tensor | Array, name: str = "an argument") -> Type:
    """The type of a tensor or array. Raises DTypeError, with its `name`, for a dtype that the IR lacks."""
    if isinstance(value, Tensor):
        return value._cell.type
    try:
        return Type(dtype_of(value), value.shape)
    except TypeError as error:
        raise DTypeError(f"{name} of shape {list(value.shape)}: {error}").at(here()) from None


def flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of `value`, each with a name built from its path: an identifier."""
    if isinstance(value, (tuple, list)):
        for i, item in enumerate(value):
            yield from flatten(item, f"{name}_{i}" if name else f"result{i}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{name}_{key}" if name else str(key))
    else:
        yield name, value


def rebuild(value: Any, leaves: Iterator[Any]) -> Any:
    """`value` with its leaves replaced, in the order of `flatten`."""
    if isinstance(value, tuple):
        items = [rebuild(item, leaves) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [rebuild(item, leaves) for item in value]
    if isinstance(value, dict):
        return {key: rebuild(item, leaves) for key, item in value.items()}
    return next(leaves)


def signature_key(leaves: Sequence[Any]) -> tuple[Any, ...]:
    """What a specialization depends on: types of arrays, values of everything else but floats."""
    key: list[Any] = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            key.append(leaf._cell.type)
        elif isinstance(leaf, np.ndarray):
            key.append((leaf.dtype, leaf.shape))
        elif isinstance(leaf, float):
            key.append(float)
        else:
            key.append((type(leaf), leaf))
    return tuple(key)


class ArgumentError(LenetcError, TypeError):
    """A compiled function was called with arguments that it does not take."""


class Arguments:
    """Binds calls of `function` to flat, named leaves."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.signature = inspect.signature(function)
        parameters = self.signature.parameters.values()
        self.names = [p.name for p in parameters]
        self.is_plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Argument values by parameter name, defaults filled in."""
        if self.is_plain and not kwargs and len(args) == len(self.names):
            return dict(zip(self.names, args, strict=True))
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            bare = [p.replace(annotation=p.empty) for p in self.signature.parameters.values()]
            raise ArgumentError(
                f"{self.name}{inspect.Signature(bare)} was called with the wrong arguments: {error}"
            ).at(here()) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def call(self, function: Callable[..., Any], values: dict[str, Any]) -> Any:
        bound = inspect.BoundArguments(self.signature, values)
        return function(*bound.args, **bound.kwargs)

    def leaves(self, values: dict[str, Any]) -> list[tuple[str, Any]]:
        return [leaf for name, value in values.items() for leaf in flatten(value, name)]


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
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return []
    value = max(returns, key=lambda node: node.lineno).value
    items = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
    return [item.id if isinstance(item, ast.Name) else "" for item in items]


def _unique(names: Sequence[str]) -> list[str]:
    result: list[str] = []
    for name in names:
        candidate, n = name, 1
        while candidate in result:
            candidate, n = f"{name}_{n}", n + 1
        result.append(candidate)
    return result


def check_static(name: str, value: Any) -> None:
    """Raise LenetcError for an argument that is neither a tensor nor a hashable constant."""
    try:
        hash(value)
    except TypeError:
        raise ArgumentError(
            f"the argument {name} of a compiled function is a {type(value).__name__}, which can "
            "neither be an input "
            "nor a constant; pass tensors, numbers, strings, or tuples, lists and dicts of these"
        ).at(here()) from None
