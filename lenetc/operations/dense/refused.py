"""What needs singular values or eigenvalues, which no formula gives: each name says what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ir.errors import UnsupportedError
from lenetc.evaluation.tracing import here

__all__ = [
    "geqrf",
    "lobpcg",
    "lu",
    "lu_solve",
    "nuclear_norm",
    "orgqr",
    "ormqr",
    "pca_lowrank",
    "pinverse",
    "svd",
    "svd_lowrank",
]


def _refused(name: str, instead: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f"{name} is not computed here; {instead}").at(here())

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raises UnsupportedError: {instead}."
    return function


_SINGULAR_VALUES = (
    "compute it outside of compiled functions with numpy.linalg, and make a tensor of the result"
)
_LEAST_SQUARES = "for a matrix of full rank use linalg.solve(A.mT @ A, A.mT @ B)"
_BY_SOLVE = "use linalg.solve, inv, det or cholesky"

svd = _refused("svd", _SINGULAR_VALUES)
nuclear_norm = _refused("nuclear_norm", _SINGULAR_VALUES)
svdvals = _refused("svdvals", _SINGULAR_VALUES)
svd_lowrank = _refused("svd_lowrank", _SINGULAR_VALUES)
pca_lowrank = _refused("pca_lowrank", _SINGULAR_VALUES)
lobpcg = _refused("lobpcg", _SINGULAR_VALUES)
eig = _refused("eig", _SINGULAR_VALUES)
eigh = _refused("eigh", _SINGULAR_VALUES)
eigvals = _refused("eigvals", _SINGULAR_VALUES)
eigvalsh = _refused("eigvalsh", _SINGULAR_VALUES)
matrix_rank = _refused("matrix_rank", _SINGULAR_VALUES)
pinv = _refused("pinv", _LEAST_SQUARES)
pinverse = _refused("pinverse", _LEAST_SQUARES)
lstsq = _refused("lstsq", _LEAST_SQUARES)
lu = _refused("lu", _BY_SOLVE)
lu_factor = _refused("lu_factor", _BY_SOLVE)
lu_factor_ex = _refused("lu_factor_ex", _BY_SOLVE)
lu_solve = _refused("lu_solve", _BY_SOLVE)
ldl_factor = _refused("ldl_factor", _BY_SOLVE)
ldl_factor_ex = _refused("ldl_factor_ex", _BY_SOLVE)
ldl_solve = _refused("ldl_solve", _BY_SOLVE)
householder_product = _refused("householder_product", "use linalg.qr")
geqrf = _refused("geqrf", "use linalg.qr")
orgqr = _refused("orgqr", "use linalg.qr")
ormqr = _refused("ormqr", "use linalg.qr, and multiply by its Q")
