"""The table of ONNX operators: a function each, which says by its signature what the operator takes.

    @operator
    def Softmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor: ...

Its name is the operator's. What stands before the slash are inputs: with a default those that may be absent (before
others, with None among its types), with a star the last of any number. The annotation says how an input comes:
`Tensor`; `Buffer`, a tensor that no gradient goes to; `Sizes`, an array of numbers and dims, known when the graph is
traced; `Value`, as it is. What stands after the star are attributes with their defaults, ONNX's (none: it has to be
there), and what the interpreter gives by these names:

    opset      the version of the operator's domain that the file asks for
    count      the number of outputs that are read
    training   whether the module is in training mode
    node       the record of the node
    context    the interpreter's: bodies, sequences of random numbers

The function returns a tensor, an array, or a tuple of them, in the order of ONNX's outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args, get_type_hints, overload

from lenetc.importer.values import Buffer, Sizes, Value
from lenetc.tensors.tensor import Tensor

GIVEN = ("opset", "count", "training", "node", "context")
MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Entry:
    """An operator. inputs: (name, kind, whether it may be absent); rest: the kind of all further ones; attributes:
    defaults by name, `inspect.Parameter.empty` where there is none; given: what the interpreter is asked for."""

    name: str
    domain: str
    function: Callable[..., Any]
    inputs: tuple[tuple[str, str, bool], ...]
    rest: str | None
    attributes: dict[str, Any]
    given: tuple[str, ...]
    differentiable: bool

    def kind(self, position: int) -> str | None:
        """How the input at `position` comes: "Tensor", "Buffer", "Sizes", "Value"; None where there is none."""
        return self.inputs[position][1] if position < len(self.inputs) else self.rest

    def passes_gradient(self, position: int) -> bool:
        """Whether a gradient goes from the operator's outputs to the input at `position`."""
        return self.differentiable and self.kind(position) in ("Tensor", "Value")


@dataclass(frozen=True)
class OnHost:
    """An operator on arrays of numbers and dims, and the keywords that it takes."""

    function: Callable[..., Any]
    keywords: frozenset[str]


TABLE: dict[tuple[str, str], Entry] = {}
# The same for arrays of numbers and dims: what is known of shapes is computed when the graph is traced.
ON_HOST: dict[str, OnHost] = {}


Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def operator(function: Function, /) -> Function: ...
@overload
def operator(*, domain: str = "", differentiable: bool = True) -> Callable[[Function], Function]: ...
def operator(function: Function | None = None, /, *, domain: str = "", differentiable: bool = True) -> Any:
    """Put a function into the table. differentiable: whether it has gradients, which rounding has not."""

    def put(function: Function) -> Function:
        entry = _entry(function, domain, differentiable)
        assert (domain, entry.name) not in TABLE, f"two entries for {entry.name}"
        TABLE[domain, entry.name] = entry
        return function

    return put if function is None else put(function)


def on_host(function: Function) -> Function:
    """Put a function on arrays of numbers and dims beside the operator of its name. It takes what the
    operator takes, of attributes those that matter."""
    parameters = inspect.signature(function).parameters.values()
    keywords = frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    ON_HOST[function.__name__.rstrip("_")] = OnHost(function, keywords)
    return function


_KINDS = {Tensor: "Tensor", Buffer: "Buffer", Sizes: "Sizes", Value: "Value"}


def _kind(annotation: Any) -> str:
    for kind, name in _KINDS.items():
        if annotation in (kind, cast(Any, kind) | None):
            return name
    raise TypeError(f"an input of an operator is Tensor, Buffer, Sizes or Value, not {annotation}")


def _entry(function: Callable[..., Any], domain: str, differentiable: bool) -> Entry:
    signature = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    inputs, rest, attributes, given = [], None, {}, []
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = _kind(hints[name])
        elif parameter.kind is parameter.KEYWORD_ONLY:
            if name in GIVEN:
                given.append(name)
            else:
                attributes[name] = parameter.default
        else:
            is_optional = hints[name] != Value and type(None) in get_args(hints[name])
            may_be_absent = is_optional or parameter.default is not parameter.empty
            inputs.append((name, _kind(hints[name]), may_be_absent))
    name = function.__name__.rstrip("_")
    return Entry(name, domain, function, tuple(inputs), rest, attributes, tuple(given), differentiable)
