"""One operator's samples through lenetc and through PyTorch, compared."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lenetc
from ir.errors import LenetcError, UnsupportedError
from tests.parity.operators.database import Foreign, Translation, array, differentiable, function_of, samples
from tests.parity.operators.skipped import NO_VALUES, REFUSED_COMPILED, reason_for

TOLERANCES = {torch.float64: 1e-7, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 1e-1}
_RAISED = (LenetcError, ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Failure:
    """What went wrong with a sample: where ("function", "gradient", "method" ...), which sample, how."""

    what: str
    sample: str
    message: str

    def __str__(self) -> str:
        return f"{self.what}: {self.sample}\n    {self.message}"


@dataclass
class Case:
    """A sample with what PyTorch makes of it."""

    info: Any
    sample: Any
    expected: list[torch.Tensor | Any]
    gradients: list[torch.Tensor | None]
    weights: list[np.ndarray[Any, Any] | None]

    def __str__(self) -> str:
        return shown_call(self.info, self.sample)


def shown_call(info: Any, sample: Any) -> str:
    return " ".join(f"{info.name}({sample.input!r}, {sample.args!r}, {sample.kwargs!r})".split())[:300]


def leaves(value: Any) -> list[Any]:
    """Tensors and numbers in a result, in order."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def _tensors(value: Any, kind: type) -> list[Any]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, kind)]


def _inputs(sample: Any) -> list[Any]:
    return _tensors([sample.input, sample.args, sample.kwargs], torch.Tensor)


def spread(found: list[Any], count: int | None) -> list[Any]:
    """`count` of them, evenly, the first and the last among them; all where it is None."""
    if count is None or len(found) <= count:
        return found
    return [found[round(i * (len(found) - 1) / (count - 1))] for i in range(count)]


def cases(info: Any, dtype: str, count: int | None = None) -> Iterator[Case]:
    """The samples that are neither skipped nor of a foreign kind, with PyTorch's results and gradients. count: how
    many of them, all where it is None."""
    with_gradient = differentiable(info, dtype)
    taken = [s for s in samples(info, dtype, with_gradient) if reason_for(info, s, dtype) is None]
    for sample in spread(taken, count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = info.op(sample.input, *sample.args, **sample.kwargs)
            expected = leaves(result)
            if any(
                isinstance(x, torch.Tensor) and (x.is_complex() or x.layout is not torch.strided)
                for x in expected
            ):
                continue
            weights, gradients = _gradients(sample, expected) if with_gradient else ([], [])
        yield Case(info, sample, expected, gradients, weights)


def _gradients(sample: Any, expected: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    draw = np.random.default_rng(7)
    weights: list[Any] = []
    total: Any = 0
    for x in expected:
        weight = None
        if isinstance(x, torch.Tensor) and x.requires_grad:
            weight = draw.uniform(0.5, 1.5, tuple(x.shape)).astype(array(x).dtype)
            total = total + (x * torch.from_numpy(np.asarray(weight))).sum()
        weights.append(weight)
    wanted = [x for x in _inputs(sample) if x.requires_grad]
    if not isinstance(total, torch.Tensor) or not total.requires_grad or not wanted:
        return weights, []
    return weights, list(torch.autograd.grad(total, wanted, allow_unused=True))


def attempt(case: Case, function: Callable[..., Any], with_gradient: bool = True) -> list[Any]:
    """lenetc's results and gradients of a case, not yet looked at."""
    translate = Translation()
    sample = case.sample
    # Gradients are for the sample's own tensors, also where an operator changes one in place.
    args, kwargs = translate([sample.input, *sample.args]), translate(sample.kwargs)
    results = leaves(function(*args, **kwargs))
    if not with_gradient or not case.gradients:
        return [results, []]
    total: Any = 0
    for y, weight in zip(results, case.weights, strict=False):
        if weight is not None:
            total = total + (y * lenetc.from_numpy(np.asarray(weight))).sum()
    total.backward()
    inputs = [translate.made[id(x)] for x in _inputs(sample) if x.requires_grad]
    return [results, [x.grad for x in inputs]]


def failures(info: Any, dtype: str, count: int | None = None) -> list[Failure]:
    """What is wrong with an operator, function and gradients, over all its samples; [] where nothing is."""
    function = function_of(info)
    assert function is not None
    found: list[Failure] = []
    waiting: list[tuple[Case, list[Any]]] = []
    for case in cases(info, dtype, count):
        try:
            waiting.append((case, attempt(case, function)))
        except Foreign:
            continue
        except Exception as error:
            found.append(Failure("function", str(case), _told(error)))
    for case, made in waiting:
        found += _compared(case, made, function)
    return found


def _compared(case: Case, made: list[Any], function: Callable[..., Any]) -> list[Failure]:
    results, gradients = made
    try:
        looked = [_looked(x) for x in results]
        slopes = [_looked(x) for x in gradients]
    except Exception:
        try:  # something else that waited may have failed
            results, gradients = attempt(case, function)
            looked = [_looked(x) for x in results]
            slopes = [_looked(x) for x in gradients]
        except Exception as error:
            return [Failure("function", str(case), _told(error))]
    found = []
    if len(looked) != len(case.expected):
        return [Failure("function", str(case), f"{len(looked)} results for {len(case.expected)}")]
    values = case.info.name not in NO_VALUES
    for mine, reference in zip(looked, case.expected, strict=True):
        message = difference(mine, reference, values=values)
        if message:
            found.append(Failure("function", str(case), message))
            return found
    for mine, reference in zip(slopes if values else (), case.gradients if values else (), strict=True):
        if reference is None and mine is None:
            continue
        shape = mine.shape if mine is not None else tuple(reference.shape)
        left = mine if mine is not None else np.zeros(shape)
        right = reference if reference is not None else torch.zeros(shape, dtype=torch.float64)
        message = difference(left, right, same_dtype=False)
        if message:
            found.append(Failure("gradient", str(case), message))
            return found
    return found


def _looked(x: Any) -> Any:
    if not isinstance(x, lenetc.Tensor):
        return x
    return np.asarray(x.detach()._array()) if x.dtype is lenetc.bfloat16 else x.detach().numpy()


def difference(mine: Any, reference: Any, same_dtype: bool = True, values: bool = True) -> str:
    """How a value differs from PyTorch's; "" where it does not. values: whether more than dtype and shape count."""
    if not isinstance(reference, torch.Tensor):
        plain = mine.item() if isinstance(mine, np.ndarray) and mine.shape == () else mine
        same = plain == reference or (plain != plain and reference != reference)
        return "" if same or str(plain) == str(reference) else f"{plain!r} for {reference!r}"
    if not isinstance(mine, np.ndarray):
        return f"{type(mine).__name__} for a tensor"
    tolerance = TOLERANCES.get(reference.dtype, 0.0)
    expected = array(reference)
    if same_dtype and str(mine.dtype) != str(reference.dtype).removeprefix("torch."):
        return f"dtype {mine.dtype} for {reference.dtype}"
    mine = mine.astype(expected.dtype) if reference.dtype is torch.bfloat16 else mine
    if mine.shape != expected.shape:
        return f"shape {mine.shape} for {expected.shape}"
    if not values:
        return ""
    if not tolerance:
        wrong = np.argwhere(mine != expected)
    else:
        finite = np.abs(expected[np.isfinite(expected)])
        size = min(float(finite.max()), 1e6) if finite.size else 1.0
        with np.errstate(invalid="ignore"):
            close = np.isclose(
                mine, expected, rtol=tolerance, atol=tolerance * max(size, 1.0), equal_nan=True
            )
        wrong = np.argwhere(~close)
    if not len(wrong):
        return ""
    at = tuple(int(i) for i in wrong[0])
    return f"{len(wrong)} of {mine.size} differ, at {at} {mine[at]} for {expected[at]}"


def _told(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    raw = "" if isinstance(error, LenetcError) else f" [{where}]"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{raw}"[:300]


def compiled_failures(info: Any, dtype: str, count: int | None = None) -> list[Failure]:
    """The same with all samples in one compiled function, forward only."""
    function = function_of(info)
    assert function is not None
    arguments, used = [], []
    for case in cases(
        info, dtype, count
    ):  # translated at once: some operators change tensors of later samples
        if not _tensors(
            case.expected, torch.Tensor
        ):  # values for Python, which a compiled function has none of
            continue
        if reason_for(info, case.sample, "compiled") is not None:
            continue
        translate = Translation()
        try:
            arguments.append(
                (translate([case.sample.input, *case.sample.args]), translate(case.sample.kwargs))
            )
        except Foreign:
            continue
        used.append(case)
    if not used:
        return []

    def run(cases: list[Any]) -> list[Any]:
        return [
            [x for x in leaves(function(*args, **kwargs)) if isinstance(x, lenetc.Tensor)]
            for args, kwargs in cases
        ]

    try:
        results = lenetc.compile(run)(arguments)
        looked = [[_looked(x) for x in made] for made in results]
    except UnsupportedError as error:
        return [] if info.name in REFUSED_COMPILED else [Failure("compiled", info.name, _told(error))]
    except Exception as error:
        return [Failure("compiled", info.name, _told(error))]
    failed = []
    for case, made in zip(used, looked, strict=True):
        expected = _tensors(case.expected, torch.Tensor)
        message = f"{len(made)} results for {len(expected)}" if len(made) != len(expected) else ""
        for mine, reference in zip(made, expected, strict=False):
            message = message or difference(mine, reference, values=info.name not in NO_VALUES)
        if message:
            failed.append(Failure("compiled", str(case), message))
    return failed


def variant_failures(info: Any, dtype: str = "f32", count: int = 6) -> list[Failure]:
    """The method, the operator, the change in place and `out=`, of the first few samples for which PyTorch has them."""
    waiting = [
        _varied(case, what, mine, theirs)
        for case in cases(info, dtype, count)
        for what, mine, theirs in _variants(info)
    ]
    return [failure for look in waiting for failure in look()]


def _variants(info: Any) -> Iterator[tuple[str, Callable[..., Any] | None, Callable[..., Any]]]:
    for what, variant in (
        ("method", info.get_method()),
        ("operator", info.get_operator()),
        ("in place", info.get_inplace()),
        ("in-place operator", info.get_inplace_operator()),
    ):
        name = getattr(variant, "__name__", "")
        if variant is not None and name and name != "<lambda>":
            mine = getattr(lenetc.Tensor, name, None)
            if what.endswith("operator"):
                mine = variant  # of Python's module operator, which asks the tensor
            yield what, mine, variant
    if info.supports_out and not info.is_factory_function:
        yield "out=", function_of(info), info.op


def _varied(
    case: Case, what: str, mine: Callable[..., Any] | None, theirs: Callable[..., Any]
) -> Callable[[], list[Failure]]:
    """Calls it both ways; what is returned looks at the values, so that several wait to be computed together."""
    sample = case.sample
    if not isinstance(sample.input, torch.Tensor) or reason_for(case.info, sample, what) is not None:
        return list

    def detached(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.detach().clone()
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(map(detached, value))
        return value

    args = [detached(x) for x in (sample.input, *sample.args)]
    kwargs = {key: detached(x) for key, x in sample.kwargs.items()}
    translate = Translation()
    try:
        own, own_kwargs = (
            translate([x.clone() if isinstance(x, torch.Tensor) else x for x in args]),
            translate(kwargs),
        )
    except Foreign:
        return list
    if what == "out=":
        if any(not isinstance(x, torch.Tensor) for x in case.expected):
            return list
        into = [torch.empty_like(x.detach()) for x in case.expected]
        kwargs["out"] = tuple(into) if len(into) > 1 else into[0]
        own_kwargs["out"] = translate(kwargs["out"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = leaves(theirs(*args, **kwargs))
        except Exception:
            return list  # PyTorch has it for other samples only
    pairs: list[tuple[Any, Any]] = []
    failed: list[Failure] = []
    try:
        if mine is None:
            failed.append(Failure(what, str(case), "missing"))
        else:
            pairs += zip(leaves(mine(*own, **own_kwargs)), expected, strict=True)
            if "in" in what.split("-")[0].split():
                pairs.append((own[0], args[0]))
            if what == "out=":
                pairs += zip(leaves(own_kwargs["out"]), leaves(kwargs["out"]), strict=True)
    except Exception as error:
        failed.append(Failure(what, str(case), _told(error)))

    def look() -> list[Failure]:
        values = case.info.name not in NO_VALUES
        try:
            messages = [difference(_looked(x), y, values=values) for x, y in pairs]
        except Exception as error:
            return [Failure(what, str(case), _told(error))]
        return [*failed, *(Failure(what, str(case), message) for message in messages if message)][:1]

    return look


def error_failures(info: Any) -> list[Failure]:
    """Wrong inputs of the database that raise nothing here, or something raw."""
    function = function_of(info)
    assert function is not None
    if info.error_inputs_func is None:
        return []
    found = []
    for wrong in info.error_inputs("cpu"):
        sample = wrong.sample_input
        if reason_for(info, sample, "wrong") is not None:
            continue
        if (
            "unsupported operation" in wrong.error_regex or "single memory location" in wrong.error_regex
        ):  # out= that overlaps an input, or itself: copies do not
            continue
        try:
            shown = shown_call(info, sample)
        except RuntimeError:  # a tensor that goes beyond its storage, which nobody can look at
            continue
        try:
            info.op(sample.input, *sample.args, **sample.kwargs)
            continue  # PyTorch takes it
        except Exception:
            pass
        try:
            translate = Translation()
            args, kwargs = translate([sample.input, *sample.args]), translate(sample.kwargs)
        except (Foreign, AttributeError):
            continue
        try:
            for x in leaves(function(*args, **kwargs)):
                _looked(x)
        except _RAISED:
            continue
        except Exception as error:
            found.append(Failure("wrong input", shown, "raw " + _told(error)))
            continue
        found.append(Failure("wrong input", shown, f"nothing raised; PyTorch: {wrong.error_regex[:120]}"))
    return found
