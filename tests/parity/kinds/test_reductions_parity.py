"""Reductions and products: values, dtypes, names of arguments and errors are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.kinds.alike import DTYPES, check_all

X = np.array([[[3.0, -1.0, 2.0, 0.0], [1.0, 5.0, -4.0, 2.5]], [[0.0, 7.0, 1.5, -2.0], [6.0, -3.0, 4.0, 8.0]]])
DIMS = [
    f"t.{name}(x{arguments})"
    for name in (
        "sum",
        "mean",
        "amax",
        "amin",
        "all",
        "any",
        "var",
        "std",
        "nansum",
        "nanmean",
        "count_nonzero",
    )
    for arguments in (
        "",
        ", 1",
        ", -1",
        ", (0, 2)",
        ", dim=None",
        ", axis=0",
        ", ()",
        ", 3",
        ", (1, 1)",
        ", 'a'",
    )
] + [
    f"t.{name}(x{arguments})"
    for name in (
        "prod",
        "argmax",
        "argmin",
        "max",
        "min",
        "median",
        "nanmedian",
        "mode",
        "cumsum",
        "cumprod",
        "cummax",
    )
    for arguments in ("", ", 1", ", -1", ", axis=0", ", (0, 2)", ", 3")
]
KEPT = [
    f"t.{name}(x, {arguments})"
    for name in ("sum", "mean", "amax", "prod", "argmax", "max", "min", "median", "mode", "all", "var")
    for arguments in ("dim=1, keepdim=True", "axis=2, keepdims=True", "dim=1, axis=1")
] + [f"t.{name}(x, keepdim=True)" for name in ("amax", "prod", "argmax", "max", "median", "mode", "norm")]
SCALARS = [
    f"t.{name}(s{arguments})"
    for name in (
        "sum",
        "mean",
        "amax",
        "prod",
        "argmax",
        "max",
        "min",
        "median",
        "mode",
        "all",
        "cumsum",
        "cummin",
        "std",
    )
    for arguments in ("", ", 0", ", -1", ", 1")
]
FORMS = [
    *(
        "t.var(x, False)",
        "t.var(x, 1, False)",
        "t.var(x, 1, correction=2)",
        "t.std(x, 1, unbiased=False, keepdim=True)",
    ),
    *(
        "t.var_mean(x, 1)",
        "t.std_mean(x, False)",
        "t.aminmax(x)",
        "t.aminmax(x, dim=1, keepdim=True)",
        "t.max(x, x - 1)",
    ),
    *(
        "t.max(x, other=-x)",
        "x.max(1).values",
        "x.median(2).indices",
        "t.logsumexp(x, (0, 2))",
        "t.norm(x, 3, 1)",
    ),
    *(
        "x.norm()",
        "x.norm(inf, (0, 1))",
        "t.norm(x, dtype=t.float64)",
        "t.dist(x, x * 2, 3)",
        "t.renorm(x, 2, 0, 1)",
    ),
    *(
        "t.quantile(x, 0.4)",
        "t.quantile(x, 0.4, 1, interpolation='nearest')",
        "t.quantile(x, 1.5)",
        "t.cov(x[0])",
    ),
    *(
        "t.trapezoid(x)",
        "t.trapezoid(x, x * 2, dim=1)",
        "t.histc(x, 4, -2, 5)",
        "t.bincount(x)",
        "t.corrcoef(x[0])",
    ),
    *(
        "t.linalg.norm(x, 2, 1)",
        "t.linalg.norm(x)",
        "t.linalg.matrix_norm(x, 1)",
        "t.linalg.vector_norm(x, 0.5, 2)",
    ),
]
SUMS = [f"x.sum(dtype=t.{kind})" for kind in DTYPES.values()] + [
    f"x.cumsum(1, dtype=t.{kind})" for kind in ("int32", "float64")
]
A, B, V = X[:, :, :2], np.arange(8.0).reshape(2, 2, 2), np.array([1.0, -2.0])
PRODUCTS = [
    *(
        "t.matmul(a, b)",
        "t.mm(a[0], b[0])",
        "t.bmm(a, b)",
        "t.mv(a[0], v)",
        "t.dot(v, v)",
        "t.inner(a, b)",
        "t.outer(v, v)",
    ),
    *(
        "t.mm(a, b)",
        "t.bmm(a[0], b[0])",
        "t.mv(a, v)",
        "t.dot(v, a[0])",
        "t.outer(a, v)",
        "a @ v[0]",
        "t.kron(a[0], b[0])",
    ),
    *(
        "t.addmm(b[0], a[0], b[0], beta=2, alpha=3)",
        "t.addmm(a[0], b[0], b[0], beta=0)",
        "t.addmv(v, a[0], v)",
    ),
    *(
        "t.addr(a[0], v, v)",
        "t.addbmm(a[0], a, b)",
        "t.baddbmm(a, a, b, alpha=2)",
        "t.addmm(v[:1], a[0], a[0])",
    ),
    *(
        "t.tensordot(a, b, 2)",
        "t.tensordot(a, b, ([0, 1], [1, 0]))",
        "t.tensordot(a, b, 4)",
        "t.chain_matmul(a[0], b[0], a[1])",
    ),
    *(
        "t.einsum('bij,bjk->bik', a, b)",
        "t.einsum('ii', a[0])",
        "t.einsum('bii->bi', a)",
        "t.einsum('...ij,j', a, v)",
    ),
    *(
        "t.einsum('i,j', v, v)",
        "t.einsum('ij,jk->iz', a[0], b[0])",
        "t.einsum('ijk', v)",
        "t.einsum(a[0], [0, 1], v, [1])",
    ),
    *(
        "t.einsum('bij,bjk,k->bi', a, b, v)",
        "t.einsum('ij->ii', a[0])",
        "t.cross(a, b)",
        "t.linalg.vecdot(a, b)",
    ),
    *(
        "t.linalg.multi_dot([v, a[0], b[0], v])",
        "t.matrix_power(a[0], 5)",
        "t.matrix_power(a[0], 0)",
        "t.vdot(v, v)",
    ),
]
SOLVED = [
    *(
        "t.linalg.solve(m, a)",
        "t.linalg.solve(m, v.expand(2, 2))",
        "t.linalg.solve(m, a, left=False)",
        "t.linalg.inv(m)",
    ),
    *("t.linalg.inv(z)", "t.inverse(a[:, :1])", "t.linalg.det(m)", "t.det(z)", "t.slogdet(m)", "t.logdet(m)"),
    *(
        "t.linalg.cholesky(m @ m.transpose(-2, -1))",
        "t.linalg.cholesky(-m)",
        "t.linalg.cholesky_ex(m @ m.transpose(-2, -1))",
        "t.linalg.inv_ex(m).info",
    ),
    *(
        "t.linalg.solve_triangular(m, a, upper=True)",
        "t.cholesky_solve(a, m)",
        "t.linalg.matrix_power(m, -2)",
    ),
]
GRADED = [
    "y = (t.linalg.solve(m, a) ** 2).sum(); y.backward(); m.grad",
    "y = t.linalg.cholesky(m @ m.transpose(-2, -1)).sin().sum(); y.backward(); m.grad",
    "y = t.linalg.inv(m).sin().sum(); g, = t.autograd.grad(y, m, create_graph=True); g.sin().sum().backward(); m.grad",
    "y = t.logdet(m[0]); g, = t.autograd.grad(y, m, create_graph=True); (g ** 2).sum().backward(); m.grad",
    "y = t.einsum('bij,bjk,k->bi', a, m, v).sin().sum(); y.backward(); v.grad",
    "y = t.addmm(a[0], m[0], m[1], beta=0.2, alpha=0.6).sin().sum(); y.backward(); m.grad",
]


@pytest.mark.parametrize("dtype", ["f32", "i64", "bool"])
def test_dims(dtype: str) -> None:
    values = {"x": (X, dtype), "s": (X[0, 0, 0], dtype)}
    check_all([*DIMS, *KEPT, *SCALARS] if dtype == "f32" else DIMS[::2], values)


@pytest.mark.parametrize("dtype", ["f32", "i64"])
def test_forms(dtype: str) -> None:
    check_all(FORMS, {"x": (X, dtype)})


@pytest.mark.parametrize("dtype", ["f16", "i64", "i32", "u8", "bool"])
def test_sums_of_every_dtype(dtype: str) -> None:
    """Integers wrap around in the dtype that is asked for, halves are added up in f32."""
    check_all(SUMS, {"x": (np.arange(4000).reshape(2, 2000) % 127, dtype)})


@pytest.mark.parametrize("dtype", ["f32", "f64", "i64", "u8"])
def test_products(dtype: str) -> None:
    check_all(PRODUCTS, {"a": (np.abs(A), dtype), "b": (B, dtype), "v": (np.abs(V), dtype)})


def test_matrices() -> None:
    regular = np.array([[[0.5, 2.0], [3.0, 1.0]], [[1.0, -2.0], [0.5, 4.0]]])
    values = {"m": (regular, "f64"), "a": (A, "f64"), "v": (V, "f64"), "z": (np.zeros((2, 2)), "f64")}
    check_all(SOLVED, values)
    check_all(GRADED, values, grad=True)
