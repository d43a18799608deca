"""PyTorch's torch.linalg: linear algebra of dense matrices, in stacks of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ir.errors import LenetcError as LinAlgError
from lenetc.missing import names_of
from lenetc.operations.dense.cholesky import cholesky, cholesky_ex
from lenetc.operations.dense.determinants import det, slogdet
from lenetc.operations.dense.equations import (
    cond,
    inv,
    inv_ex,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from lenetc.operations.dense.orthogonal import linalg_qr as qr
from lenetc.operations.dense.powers import matrix_exp, matrix_power
from lenetc.operations.dense.refused import (
    eig,
    eigh,
    eigvals,
    eigvalsh,
    householder_product,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    lstsq,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    matrix_rank,
    pinv,
    svd,
    svdvals,
)
from lenetc.operations.dense.stacks import last_diagonal as diagonal
from lenetc.operations.out import give_out
from lenetc.operations.products.matrices import matmul, multi_dot
from lenetc.operations.products.vectors import last_cross as cross
from lenetc.operations.products.vectors import vander, vecdot
from lenetc.operations.reductions.norms import linalg_norm as norm
from lenetc.operations.reductions.norms import matrix_norm, vector_norm

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "ldl_factor",
    "ldl_factor_ex",
    "ldl_solve",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]

give_out(globals())

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
