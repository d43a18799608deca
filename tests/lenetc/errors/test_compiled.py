"""Code that cannot be compiled: the error names the user's line and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc import nn
from lenetc.compiler.structure import ArgumentError
from lenetc.evaluation.tracing import ValueDependentError
from tests.lenetc.errors.small import IMAGES, LABELS, Training, line_with


def _if(x: Any) -> Any:
    return x if x.sum() > 0 else -x  # if line


def _while(x: Any) -> Any:
    while x.sum() > 3:  # while line
        x = x - 1
    return x


def _float(x: Any) -> Any:
    return x * float(x.sum())  # float line


def _item(x: Any) -> Any:
    return x * x.sum().item()  # item line


def _numpy(x: Any) -> Any:
    return x + x.numpy().mean()  # numpy line


def _array(x: Any) -> Any:
    return np.asarray(x)  # array line


def _format(x: Any) -> Any:
    return x, f"{x.sum():.3f}"  # format line


def _range(x: Any) -> Any:
    return sum(x * i for i in range(x.argmax()))  # range line


def _index(x: Any) -> Any:
    return [1, 2][x.argmax()]  # index line


def _list(x: Any) -> Any:
    return x.tolist()  # list line


def _assert(x: Any) -> Any:
    assert (x > 0).all()  # assert line
    return x


@pytest.mark.parametrize(
    "function", [_if, _while, _float, _item, _numpy, _array, _format, _range, _index, _list, _assert]
)
def test_looking_at_a_value_inside_of_compile(function: Callable[[Any], Any]) -> None:
    with pytest.raises(
        ValueDependentError,
        match=r"the value of a tensor (f32|i64|bool).* inside a compiled function.*lenetc.where",
    ) as raised:
        lenetc.compile(function)(IMAGES)
    assert f"at {line_with(function.__name__[1:] + ' line', __file__)}" in str(raised.value)
    assert lenetc.ones(2).sum().item() == 2  # the trace is over


def test_a_branch_in_a_module_names_the_module() -> None:
    class Gate(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.mean() > 0 else -x  # gate line

    net = nn.Sequential(nn.Linear(12, 2), nn.Sequential(nn.ReLU(), Gate()))
    with pytest.raises(ValueDependentError) as raised:
        lenetc.compile(net)(IMAGES)
    assert str(raised.value).endswith(f"at 1.1, {line_with('gate line', __file__)}")


def test_what_depends_on_shapes_only_compiles() -> None:
    @lenetc.compile
    def rows(x: Any) -> Any:
        total = x[0] if x.shape[0] > 1 else x
        for row in x:  # as many as there are
            total = total + row
        return total, x.type_text(), lenetc.tensor([1.0, 2.0]).sum() + lenetc.arange(3.0).sum()

    total, text, constant = rows(IMAGES)
    np.testing.assert_allclose(total.numpy(), IMAGES[0] + IMAGES.sum(0), rtol=1e-5, atol=1e-6)
    assert text == "f32[4,1,12,12]" and constant.item() == 6


def test_a_mask_as_an_index() -> None:
    with pytest.raises(LenetcError, match=r"the shape of the result depends on the values.*lenetc.where"):
        lenetc.compile(lambda x: x[x > 0])(IMAGES)


def test_arguments_that_a_compiled_function_does_not_take() -> None:
    training = Training(compiled=True)
    for arguments, says in (
        (
            (IMAGES,),
            r"step\(images, labels\) was called with the wrong arguments: missing a required "
            r"argument: 'labels'",
        ),
        ((IMAGES, LABELS, 3), "too many positional arguments"),
        ((IMAGES, {1, 2}), "cannot make a tensor of this set, whose values are no numbers"),
        (
            (IMAGES.astype(complex), LABELS),
            r"the argument images of shape \[4, 1, 12, 12\]: arrays of dtype complex128",
        ),
        (
            (IMAGES.astype(object), LABELS),
            r"cannot make a tensor of this ndarray, .* \(NumPy's dtype for them is object\)",
        ),
    ):
        with pytest.raises((ArgumentError, DTypeError), match=says) as raised:
            training.step(*arguments)
        assert f"\n  at {Path(__file__).parent}" in str(raised.value)
    with pytest.raises(ArgumentError, match="missing a required argument: 'labels'"):
        training.step(IMAGES, labelz=LABELS)
    with pytest.raises(TypeError, match="3 is not a callable object"):
        lenetc.compile(3)  # type: ignore[call-overload]
    with pytest.raises(
        ShapeError,
        match=r"scan: every array needs the same leading axis.*images f32\[4,1,12,12\], labels i64\[2\]",
    ):
        training.step.scan(IMAGES, LABELS[:2])  # type: ignore[attr-defined]
    training.assert_unchanged()


def test_what_leaves_a_compiled_function_by_a_side_door() -> None:
    """Where nothing is run, what a trace has left behind has no value."""
    kept: list[Any] = []

    @lenetc.compile
    def leak(x: Any) -> Any:
        kept.append(x * 2)  # leak line
        return x

    leak.lower(IMAGES)
    says = r"the value of this f32\[4,1,12,12\] is not stored: it was made inside a compiled function"
    for look in (kept[0].numpy, lambda: print(kept[0])):
        with pytest.raises(LenetcError, match=says) as raised:
            look()
        assert f"at {line_with('leak line', __file__)}" in str(raised.value)
    later = kept[0] + 1
    other = lenetc.ones(3) * 2
    assert other.sum().item() == 6  # what waits beside it is computed all the same
    with pytest.raises(LenetcError, match=says):
        later.sum().item()
