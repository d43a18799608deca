"""Sorting and what is found by order: values, places, gradients and errors are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import lenetc
from ir.errors import UnsupportedError
from tests.parity.kinds.alike import check_all

DISTINCT = np.random.default_rng(0).permutation(24).reshape(4, 6)
SPECIAL = [[np.inf, np.nan, -np.inf, 0.0, np.nan, np.inf], [1.0, -0.0, 0.0, -2.0, 3.5, 1.0]]

ORDERED = [
    *("x.sort()", "t.sort(x, 0, True)", "x.argsort(-1, descending=True)", "t.msort(x)", "x.sort(2)"),
    *("x.topk(2)", "t.topk(x, 3, 0, False)", "x.topk(0)", "x.topk(7)", "x.topk(-1)", "x.topk(4, dim=0)"),
    *(
        "x.kthvalue(1)",
        "t.kthvalue(x, 3, 0, True)",
        "x.kthvalue(0)",
        "x.kthvalue(7)",
        "x.sort(stable=True).indices",
    ),
    *("x[0, 0].sort()", "x[0, 0].topk(1)", "x[0, 0].kthvalue(1)", "x[:, :0].sort()", "x[:, :0].topk(1)"),
]
STABLE = ["x.sort(stable=True)", "x.sort(descending=True, stable=True)", "x.argsort(stable=True)"]
FOUND = [
    *("t.unique(x)", "x.unique(return_inverse=True)", "x.unique(False, True, True)[1:]", "x.unique(dim=1)"),
    *("t.unique_consecutive(x)", "x.unique_consecutive(True, True)", "t.unique_consecutive(x, dim=0)"),
    *("t.searchsorted(x.sort().values, x)", "t.searchsorted(x[0].sort().values, x, right=True)"),
    *("t.searchsorted(x[0], x, sorter=x[0].argsort())", "t.searchsorted(x[0].sort().values, 2)"),
    *(
        "t.searchsorted(x, x[0])",
        "t.searchsorted(x[0], x, side='left', right=True)",
        "t.searchsorted(x[0], x.int())",
    ),
    *("t.bucketize(x, x[0].unique(), out_int32=True)", "t.bucketize(x, x)", "t.isin(x, x[0])"),
    *("t.isin(x, 3, invert=True)", "t.isin(3, x)", "t.isin(x, x[:0])", "t.isin(x > 1, x)"),
]


@pytest.mark.parametrize("dtype", ["f32", "f64", "i64", "i32", "u8", "f16"])
def test_order(dtype: str) -> None:
    check_all(ORDERED, {"x": (DISTINCT, dtype)})
    check_all(STABLE, {"x": (DISTINCT % 3, dtype)})
    if dtype.startswith("f"):
        check_all(["x.topk(4).values", "x.kthvalue(5).values", *STABLE[:3]], {"x": (SPECIAL, dtype)})


@pytest.mark.parametrize("dtype", ["f32", "f64", "i64", "i32"])
def test_what_is_found_by_order(dtype: str) -> None:
    check_all(FOUND, {"x": (DISTINCT % 5, dtype)})


def test_gradients() -> None:
    tail = "; w = t.arange(1., 25.); (y.reshape(-1) * w[:y.numel()]).sum().backward(); x.grad"
    read = (
        "x.sort(0)[0]",
        "x.topk(2)[0]",
        "x.kthvalue(2).values",
        "t.msort(x)",
        "x.sort(descending=True).values",
    )
    check_all([f"y = {code}{tail}" for code in read], {"x": (DISTINCT, "f32")}, grad=True)


def test_compiled() -> None:
    """Places are found by the program; a shape that depends on values is refused."""
    x = lenetc.tensor(DISTINCT.astype(np.float32))
    order = lenetc.compile(lambda x: x.topk(3, 0))
    assert (order(x).indices.numpy() == np.argsort(-DISTINCT, 0)[:3]).all()
    with pytest.raises(UnsupportedError, match="depends on the values"):
        lenetc.compile(lambda x: x.unique())(x)
