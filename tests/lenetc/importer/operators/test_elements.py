"""Operators of single elements: what ONNX's suite has no cases of, as ONNX Runtime computes it; the forms of opset 6,
which it does not run, as NumPy does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

import lenetc
import tests.lenetc.importer.suite as suite
from ir.errors import LenetcError
from ir.types import Array
from lenetc.importer.errors import OnnxOperatorError
from tests.lenetc.importer.operators.single import assert_same, here, node_model, runtimes

RNG = np.random.default_rng(0)


def floats(*shape: int, dtype: Any = np.float32) -> Array:
    return np.asarray(RNG.standard_normal(shape) * 2, dtype)


def whole(*shape: int, low: int = -9, high: int = 9, dtype: Any = np.int32) -> Array:
    return RNG.integers(low, high, shape).astype(dtype)


def number(value: float, dtype: Any = np.float32) -> Array:
    return np.asarray(value, dtype)


EDGES = np.array([0.5, 1.5, -0.5, -2.5, 0, 20, -20, 90, -90, np.inf, -np.inf, np.nan], np.float32)
LABELS = whole(5, 4, low=0, high=3, dtype=np.int64)
MASK = RNG.random((3, 4)) > 0.5

# operator, inputs, attributes, opset, outputs, constants
ROWS: list[tuple[str, Sequence[Array | None], dict[str, Any], int, str, Sequence[int]]] = [
    *((op, [EDGES], {}, 7, "y", ()) for op in ("Exp", "Tanh", "Sigmoid", "Softplus", "Softsign", "Elu", "Ceil")),
    *((op, [EDGES], {}, 16, "y", ()) for op in ("Round", "Celu", "HardSwish", "Acosh", "Asinh", "IsNaN", "Erf")),
    ("Add", [whole(3, 4, dtype=np.int8) * 14, whole(4, dtype=np.int8) * 14], {}, 14, "y", ()),
    ("Div", [whole(3, 4, dtype=np.int64), whole(4, low=1, dtype=np.int64)], {}, 7, "y", ()),
    ("Mod", [whole(30), whole(30, low=1) * -1], {}, 10, "y", ()),
    ("Mod", [whole(30), whole(30, low=1) * -1], {"fmod": 1}, 13, "y", ()),
    ("Mod", [floats(30), floats(30)], {"fmod": 1}, 13, "y", ()),
    ("Pow", [floats(3, 4), number(2)], {}, 7, "y", (1,)),
    ("Pow", [floats(3, 4), number(3, np.int64)], {}, 13, "y", (1,)),
    ("Pow", [whole(3, 4, low=1), number(0.5)], {}, 13, "y", (1,)),
    ("Pow", [whole(3, 4), whole(4, low=0, high=3, dtype=np.int64)], {}, 13, "y", ()),
    ("Pow", [floats(4), np.full((1, 1, 1), 2, np.float32)], {}, 13, "y", (1,)),
    ("Max", [EDGES, EDGES[::-1].copy()], {}, 13, "y", ()),
    ("Max", [floats(3, 4), floats(4), floats(2, 1, 1)], {}, 8, "y", ()),
    ("Mean", [floats(3, 4), floats(4), floats(2, 1, 1)], {}, 8, "y", ()),
    ("Sum", [floats(3, 4)], {}, 6, "y", ()),
    ("Clip", [EDGES[:9]], {"min": -1.5}, 6, "y", ()),
    ("Clip", [EDGES[:9]], {"min": -1.5, "max": 1.0}, 7, "y", ()),
    ("Clip", [EDGES[:9], None, number(1)], {}, 11, "y", (2,)),
    ("Clip", [EDGES[:9], number(1), number(-1)], {}, 13, "y", (1, 2)),
    ("Clip", [floats(5), number(-1), number(1)], {}, 13, "y", ()),
    ("Clip", [whole(5, dtype=np.int8), number(-1, np.int8), None], {}, 12, "y", (1,)),
    ("Where", [MASK, whole(3, 4, dtype=np.int64), whole(4, dtype=np.int64)], {}, 9, "y", ()),
    ("IsInf", [EDGES], {"detect_negative": 0}, 10, "y", ()),
    ("IsInf", [EDGES], {"detect_negative": 0, "detect_positive": 0}, 10, "y", ()),
    ("Cast", [floats(50) * 20], {"to": 6}, 9, "y", ()),
    ("Cast", [EDGES[:8]], {"to": 9}, 9, "y", ()),
    ("Cast", [whole(50, low=-999, high=999)], {"to": 3}, 13, "y", ()),
    ("CastLike", [whole(5), number(1, np.float16)], {}, 15, "y", ()),
    ("PRelu", [floats(2, 3, 4, 4), floats(3, 1, 1)], {}, 9, "y", ()),
    ("PRelu", [floats(2, 3, 4, 4), floats(4)], {}, 16, "y", ()),
    ("Shrink", [whole(3, 4)], {"lambd": 1.5, "bias": 1.5}, 9, "y", ()),
    ("Selu", [floats(3, 4)], {"alpha": 1.2, "gamma": 0.7}, 6, "y", ()),
    ("HardSigmoid", [floats(3, 4)], {"beta": 0.0}, 6, "y", ()),
    ("Swish", [floats(3, 4)], {"alpha": 1.7}, 24, "y", ()),
    *((op, [floats(2, 3, 4)], {"axis": 1}, v, "y", ()) for op in ("Softmax", "LogSoftmax", "Hardmax") for v in (7, 13)),
    ("Softmax", [floats(2, 3, 4)], {}, 11, "y", ()),
    ("Hardmax", [np.array([[1, 2, 2], [3, 3, 1]], np.float32)], {}, 13, "y", ()),
    ("BitShift", [whole(9, low=0, dtype=np.uint8)] * 2, {"direction": "RIGHT"}, 11, "y", ()),
    ("SoftmaxCrossEntropyLoss", [floats(5, 3, 4), LABELS, abs(floats(3))], {"ignore_index": 1}, 12, "yy", ()),
    ("SoftmaxCrossEntropyLoss", [floats(5, 3, 4), LABELS.astype(np.int32)], {"reduction": "none"}, 13, "yy", ()),
    ("NegativeLogLikelihoodLoss", [floats(5, 3, 4), LABELS - (LABELS == 2) * 3], {"ignore_index": -1}, 13, "y", ()),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[3]}-{row[2]}")
def test_elements_are_as_the_runtime_has_them(row: Any) -> None:
    operator, inputs, attributes, opset, outputs, constant = row
    model = node_model(operator, inputs, attributes, opset, outputs=outputs, constant=constant)
    assert_same(here(model, inputs), runtimes(model, inputs), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("operator", "function"),
    [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)],
)
def test_before_opset_7_axes_are_told(operator: str, function: Callable[..., Array]) -> None:
    x, y = floats(2, 3, 4, 5), floats(3, 4)
    found = here(node_model(operator, [x, y], {"broadcast": 1, "axis": 1}, 6), [x, y])
    assert_same(found, [function(x, y[:, :, None])])
    found = here(node_model(operator, [x, y[0]], {"broadcast": 1, "axis": -2}, 6), [x, y[0]])
    assert_same(found, [function(x, y[0][:, None])])
    with pytest.raises(OnnxOperatorError, match="only broadcast=1 broadcasts"):
        here(node_model(operator, [x, x[0]], {}, 6), [x, x[0]])


def test_what_tensors_cannot_have_is_told() -> None:
    for row in (("Cast", [floats(3)], {"to": 12}), ("BitCast", [floats(3)], {"to": 6})):
        with pytest.raises(LenetcError, match=row[0]):
            here(node_model(*row, opset=26), row[1])


def test_powers_of_constants_have_their_gradient_at_zero() -> None:
    model = node_model("Pow", [floats(3), number(2)], {}, 13, constant=(1,))
    x = lenetc.zeros(3, requires_grad=True)
    lenetc.from_onnx(model)(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 0)


def test_random_numbers_are_new_at_every_call_and_repeat_with_the_seed() -> None:
    zeros, shares = np.zeros(500, np.float32), np.full(500, 0.2, np.float32)
    rows: list[tuple[str, list[Array], dict[str, Any], Callable[[Array], Any]]] = [
        ("RandomNormalLike", [zeros], {"mean": 2.0, "scale": 0.1}, lambda y: abs(y.mean() - 2) < 0.05),
        ("RandomUniformLike", [shares], {"low": 3.0, "high": 4.0}, lambda y: (y >= 3).all() and (y < 4).all()),
        ("Bernoulli", [shares], {"dtype": 6}, lambda y: 50 < y.sum() < 150),
        ("Multinomial", [np.array([[0, 0, -99], [-99, -99, 0]], np.float32)], {"sample_size": 9}, _is_drawn),
    ]  # fmt: skip
    for operator, inputs, attributes, is_right in rows:
        module = lenetc.from_onnx(node_model(operator, inputs, attributes, 15))
        given = [lenetc.tensor(value) for value in inputs]
        lenetc.manual_seed(0)
        first, second = (module(*given).numpy() for _ in range(2))
        lenetc.manual_seed(0)
        assert is_right(first) and (first != second).any(), operator
        compiled = lenetc.compile(lambda x, module=module: module(x))
        np.testing.assert_allclose(compiled(*given).numpy(), first, rtol=1e-6, err_msg=operator)


def test_operators_that_onnx_composes_of_others_need_no_entry() -> None:
    """The second has an input that is absent, which decides on what it is composed of."""
    x, w = floats(2, 3, 5), floats(3, 1, 4)
    for model, inputs in (
        (node_model("SwiGLU", [x, x], {}, 28), [x, x]),
        (
            node_model("CausalConvWithState", [x, w, None, floats(2, 3, 3)], {}, 27, outputs="yy"),
            [x, w, None, x[..., :3]],
        ),
    ):
        given = {f"x{i}": value for i, value in enumerate(inputs) if value is not None}
        assert_same(here(model, inputs), ReferenceEvaluator(model).run(None, given))


def _is_drawn(y: Array) -> bool:
    return y.shape == (2, 9) and bool((y[0] < 2).all() and (y[1] == 2).all())


def test_suite_tells_a_wrong_gradient() -> None:
    """The driver of ONNX's suite would see a gradient that is not the function's."""
    case, x = suite.Case("", node_model("Relu", [EDGES], {}), [], 0, 0), np.linspace(0.5, 2, 4)
    right, _ = suite.derivative_error(case, lambda x: x * x, [x], [0])
    wrong, has_kink = suite.derivative_error(case, lambda x: x * x.detach(), [x], [0])
    assert not right and "derivative" in wrong and not has_kink
