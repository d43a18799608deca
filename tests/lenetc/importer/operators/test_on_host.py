"""What is computed of sizes: right for all sizes, as ONNX Runtime has it for numbers, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ir.dims import Poly, evaluate, symbol
from ir.errors import LenetcError, SymbolicDimError
from ir.types import Array
from lenetc.importer.registry import ON_HOST
from lenetc.importer.values import as_host, dtype_of
from tests.lenetc.importer.operators.single import difference, node_model

N, M = symbol("N"), symbol("M")
DIMS = [1, 2, 3, -1, 0, 4, N, N * 2, N + 1, N * M, M, N - 1, N * 4, -N]
# Operator, number of operands, attributes, and whether they are floats too.
SYMBOLIC = [
    *((name, 2, {}) for name in ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Pow")),
    *((name, 2, {}) for name in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")),
    *((name, 1, {}) for name in ("Neg", "Abs", "Sign", "Floor", "NonZero", "ReduceMean")),
    *((name, 1, {}) for name in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin")),
    ("Cast", 1, {"to": 1}),
]


def _at(value: Array, sizes: dict[str, int]) -> Array:
    numbers = [evaluate(item, sizes) if isinstance(item, Poly) else item for item in value.flat]
    return np.array(numbers, dtype_of(value)).reshape(value.shape)


@pytest.mark.parametrize(("name", "count", "attributes"), SYMBOLIC, ids=[case[0] for case in SYMBOLIC])
def test_sizes_are_right_for_all_sizes(name: str, count: int, attributes: dict[str, Any]) -> None:
    rng, known = np.random.default_rng(0), 0
    function = ON_HOST[name].function
    for _ in range(60):
        dtype = rng.choice([np.int64, np.float32]) if name in ("Mul", "Div", "ReduceMean") else np.int64
        operands = [
            as_host(np.array([DIMS[i] for i in rng.integers(len(DIMS), size=2)], object), dtype)
            for _ in range(count)
        ]
        try:
            found = function(*operands, **attributes)
        except SymbolicDimError:
            continue
        except LenetcError:  # a division by zero
            continue
        for sizes in ({"N": 2, "M": 3}, {"N": 5, "M": 2}, {"N": 7, "M": 7}):
            wanted = function(*(_at(operand, sizes) for operand in operands), **attributes)
            np.testing.assert_array_equal(_at(found, sizes), wanted)
            assert dtype_of(found) == wanted.dtype
        known += 1
    assert known > 5


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_numbers_are_computed_as_onnx_runtime_computes_them(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(shape) * 9 for shape in ((2, 3), (3,)))
    a, b = a.astype(dtype), np.where(abs(b) < 1, 1, b).astype(dtype)
    pairs = "Add Sub Mul Div Max Min Equal Less LessOrEqual Greater GreaterOrEqual".split()
    cases: list[tuple[str, list[Any], dict[str, Any]]] = [(name, [a, b], {}) for name in pairs]
    cases += [("Mod", [a, b], {"fmod": 1}), ("Pow", [abs(a), np.array(2)], {}), ("Where", [a > 0, a, b], {})]
    cases += [("Cast", [a], {"to": to}) for to in (1, 7, 6, 9, 11)]
    cases += [
        (name, [a, np.array([1])], {"keepdims": 0}) for name in ("ReduceSum", "ReduceProd", "ReduceMax")
    ]
    for name, inputs, attributes in cases:
        found = ON_HOST[name].function(*inputs, **attributes)
        wrong = difference([found], node_model(name, inputs, attributes, 18, constant=range(len(inputs))), {})
        assert not wrong, f"{name}: {wrong}"


def test_what_is_no_size_is_told() -> None:
    dims = as_host(np.array([N, 6], object))
    for name, operand in (("Div", np.array(4)), ("Pow", np.array(-1)), ("Less", np.array(5))):
        with pytest.raises(SymbolicDimError):
            ON_HOST[name].function(dims, operand)
    with pytest.raises(LenetcError, match="divided by zero"):
        ON_HOST["Div"].function(dims, np.array(0))
    assert ON_HOST["Equal"].function(dims, np.array(-1)).tolist() == [False, False]
