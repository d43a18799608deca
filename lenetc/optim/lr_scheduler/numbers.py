"""Numbers that Python computes and an exported program computes alike: schedules, written once for both."""

from __future__ import annotations

import functools
import math
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ir import interpret, ops
from ir.errors import LenetcError
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.types import DType, Type
from lenetc.evaluation.tracing import here, is_ours
from passes.rewrite.driver import replaced


class Number:
    """A scalar of a program, for code that is written for Python's numbers. A comparison gives a bool: the code goes
    one way at a time, and `every_way` all of them.

    Raises LenetcError where the code asks for the number itself.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def dtype(self) -> DType:
        return self.node.dtype

    def _refuse(self, *args: Any) -> Any:
        raise LenetcError(
            "an exported program computes this schedule from its own count of steps, and this line asks for the count "
            "as a number. Write the rate with arithmetic, comparisons, min, max and functions of math, or step the "
            "schedule outside of the exported function: lr is then an input of the program"
        ).at(here())

    __float__ = __int__ = __index__ = __round__ = __bool__ = __complex__ = _refuse

    def __add__(self, other: Any) -> Any:
        return _binary(ops.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary(ops.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary(ops.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary(ops.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary(ops.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary(ops.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary(ops.div, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary(ops.div, other, self)

    # Whole numbers up to 2^24 have the right quotient in f32 too: a division is rounded correctly.
    def __floordiv__(self, other: Any) -> Any:
        return (self / other).__floor__()

    def __rfloordiv__(self, other: Any) -> Any:
        return (other / self).__floor__()

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other

    def __rmod__(self, other: Any) -> Any:
        return other - other // self * self

    def __pow__(self, other: Any) -> Any:
        return self * self if isinstance(other, int) and other == 2 else _binary(ops.pow, self, other)

    def __rpow__(self, other: float) -> Any:
        if (
            other > 0
        ):  # by the logarithm in f64: a base that is rounded first would be off by as many roundings
            return (self * math.log(other)).exp()
        return _binary(ops.pow, other, self)

    def __neg__(self) -> Number:
        return Number(-self.node)

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return Number(ops.abs(self.node))

    def __floor__(self) -> Number:
        return Number(ops.floor(self.node))

    def __ceil__(self) -> Number:
        return Number(-ops.floor(-self.node))

    def __trunc__(self) -> Number:
        return Number(ops.sign(self.node) * ops.floor(ops.abs(self.node)))

    def __lt__(self, other: Any) -> bool:
        return _decided(_binary(ops.less, self, other))

    def __gt__(self, other: Any) -> bool:
        return _decided(_binary(ops.greater, self, other))

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        return is_number(other) and _decided(_binary(ops.equal, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    # By the names by which NumPy asks for them.
    def cos(self) -> Number:
        return Number(ops.cos(self.node))

    def sin(self) -> Number:
        return Number(ops.sin(self.node))

    def tan(self) -> Number:
        return Number(ops.sin(self.node) / ops.cos(self.node))

    def tanh(self) -> Number:
        return Number(ops.tanh(self.node))

    def exp(self) -> Number:
        return Number(ops.exp(self.node))

    def log(self, base: float = math.e) -> Number:
        return Number(ops.log(self.node) / math.log(base))

    def sqrt(self) -> Number:
        return Number(ops.sqrt(self.node))

    def floor(self) -> Number:
        return self.__floor__()

    def ceil(self) -> Number:
        return self.__ceil__()

    def trunc(self) -> Number:
        return self.__trunc__()

    def fabs(self) -> Number:
        return abs(self)

    def pow(self, exponent: Any) -> Any:
        return self**exponent


_FUNCTIONS = ("cos", "sin", "tan", "tanh", "exp", "log", "sqrt", "floor", "ceil", "trunc", "fabs", "pow")


def is_number(value: object) -> bool:
    """Whether `value` is a number of either kind."""
    return isinstance(value, (int, float, np.number, Number))


def _binary(op: Callable[..., Node], a: Any, b: Any) -> Any:
    if not (is_number(a) and is_number(b)):
        return NotImplemented
    of = (a if isinstance(a, Number) else b).dtype
    found = op(node_of(a, of), node_of(b, of))
    return Number(found) if found.dtype is of else found


def node_of(value: Any, dtype: DType) -> Node:
    """A number of either kind as a node of `dtype`."""
    if not isinstance(value, Number):
        return scalar(float(value), dtype)
    return value.node if value.dtype is dtype else ops.cast(value.node, dtype=dtype)


# Ways through code.


class _Way(threading.local):
    """How comparisons come out on the way that is being gone; `met` grows by those that nobody has chosen yet."""

    met: dict[Node, bool] | None = None


_way = _Way()
_WAYS = 256


def _decided(comparison: Any) -> bool:
    if comparison is NotImplemented:
        raise TypeError("a number of an exported program is compared with what is no number")
    assert _way.met is not None
    return _way.met.setdefault(comparison, True)


def every_way(run: Callable[[], Sequence[Node]]) -> list[Node]:
    """What `run` gives, whichever way comparisons of Numbers come out: choices between what it gave on each way.

    A way on which it raises ValueError gives NaN. Raises LenetcError where there are too many.
    """
    count = 0
    failure: ValueError | None = None

    def explore(chosen: dict[Node, bool]) -> list[Node] | None:
        nonlocal count, failure
        count += 1
        if count > _WAYS:
            raise LenetcError(
                f"an exported program would have to choose among more than {_WAYS} ways through this schedule; step it "
                "outside of the exported function: lr is then an input of the program"
            ).at(here())
        before, _way.met = _way.met, dict(chosen)
        try:
            found: list[Node] | None = list(run())
        except ValueError as error:
            found, failure = None, failure or error
        finally:
            met, _way.met = _way.met, before
        assert met is not None
        new = [comparison for comparison in met if comparison not in chosen]
        for i in reversed(range(len(new))):
            ahead = {**chosen, **dict.fromkeys(new[:i], True)}
            found = _chosen(new[i], found, explore({**ahead, new[i]: False}))
        return found

    found = explore({})
    if found is None:
        assert failure is not None
        raise failure
    return found


def _chosen(condition: Node, yes: list[Node] | None, no: list[Node] | None) -> list[Node] | None:
    if yes is None or no is None:
        some = yes or no
        if some is None:
            return None
        nothing = [scalar(math.nan, node.dtype) for node in some]
        yes, no = yes or nothing, no or nothing
    return [a if a is b else ops.where(condition, a, b) for a, b in zip(yes, no, strict=True)]


# Functions of math's and of people's.


def _either(name: str) -> Callable[..., Any]:
    of_python = getattr(math, name)

    @functools.wraps(of_python)
    def function(x: Any, *others: Any) -> Any:
        return getattr(x, name)(*others) if isinstance(x, Number) else of_python(x, *others)

    return function


_OF_MATH = {getattr(math, name): _either(name) for name in _FUNCTIONS}
cos, sin, exp = (_OF_MATH[f] for f in (math.cos, math.sin, math.exp))
_math = types.SimpleNamespace(**vars(math))
vars(_math).update((name, _OF_MATH[getattr(math, name)]) for name in _FUNCTIONS)


def _as_float(x: Any = 0.0) -> Any:
    return x if isinstance(x, Number) else float(x)


def _as_int(x: Any = 0, *base: Any) -> Any:
    return math.trunc(x) if isinstance(x, Number) else int(x, *base)


_BUILTINS = {"float": _as_float, "int": _as_int}


def for_numbers(function: Any) -> Any:
    """`function`, of the user's, with what takes Numbers in the place of math's functions, `float` and `int`."""
    if isinstance(function, functools.partial):
        return functools.partial(for_numbers(function.func), *function.args, **function.keywords)
    if isinstance(function, types.MethodType):
        return types.MethodType(for_numbers(function.__func__), function.__self__)
    if not isinstance(function, types.FunctionType):
        method = vars(type(function)).get("__call__")
        return for_numbers(method.__get__(function)) if isinstance(method, types.FunctionType) else function
    if is_ours(function.__code__.co_filename):
        return function
    names = {**_BUILTINS, **function.__globals__}
    made = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    for name, value in function.__globals__.items():
        if value is math:
            names[name] = _math
        elif isinstance(value, types.BuiltinFunctionType) and value in _OF_MATH:
            names[name] = _OF_MATH[value]
        elif (
            isinstance(value, types.FunctionType)
            and value is not function
            and value.__globals__ is function.__globals__
        ):
            names[name] = types.FunctionType(
                value.__code__, names, value.__name__, value.__defaults__, value.__closure__
            )
            names[name].__kwdefaults__ = value.__kwdefaults__
    return made


def called(function: Callable[[Any], Any], epoch: Any) -> Any:
    """`function(epoch)`; for a Number the formula that it is, which is compared with it at many epochs.

    Raises LenetcError where the function is none.
    """
    if not isinstance(epoch, Number):
        return function(epoch)
    changed, dtype = for_numbers(function), epoch.dtype
    x = leaf("epoch", Type(dtype, ()))
    try:
        [formula] = every_way(lambda: [node_of(changed(Number(x)), dtype)])
    except (TypeError, AttributeError, IndexError, KeyError) as error:
        raise LenetcError(
            f"an exported program needs the schedule's function {_name(function)} as a formula of the epoch, and with "
            f"an epoch that is not known it raises {type(error).__name__}: {error}. Write it with arithmetic, "
            "comparisons, min, max and functions of math, or step the schedule outside of the exported function: lr is "
            "then an input of the program"
        ).at(here()) from error
    graph = Graph.make("formula", [x], [("rate", formula)])
    for at in (*range(40), *(2**k + j for k in range(6, 18) for j in (-1, 0, 1))):
        [found] = interpret.run(graph, [np.asarray(at, dtype.numpy)])
        wanted = float(function(at))
        if not math.isclose(float(found), wanted, rel_tol=1e-3, abs_tol=1e-5):
            raise LenetcError(
                f"an exported program would have {float(found):g} for {_name(function)}({at}), which is {wanted:g}: "
                "the function does not only compute from its argument. Step the schedule outside of the exported "
                "function: lr is then an input of the program"
            ).at(here())
    return Number(replaced([formula], {x: epoch.node})[formula])


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
