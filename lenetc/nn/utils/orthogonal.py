"""Weights with orthonormal columns, or rows where there are fewer of them (torch.nn.utils.parametrizations)."""

from __future__ import annotations

from ir.errors import UnsupportedError
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.module import Module
from lenetc.nn.utils.parametrize import register_parametrization
from lenetc.operations import creation, elementwise, products, shaping
from lenetc.operations.dense.equations import solve, solve_triangular
from lenetc.operations.dense.orthogonal import qr
from lenetc.operations.dense.powers import matrix_exp
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor

MAPS = ("matrix_exp", "cayley", "householder")


def _eye(like: Tensor, rows: int, columns: int) -> Tensor:
    return creation.eye(rows, columns, dtype=like.dtype)


def _reflections(x: Tensor) -> Tensor:
    """The product of reflections along the columns of x[...,n,k] below the diagonal: [...,n,k].

    As one product, 1 - v s^-1 v^T with triangular s (Walker 1988), rather than one after the other.
    """
    n, k = int(x.shape[-2]), int(x.shape[-1])
    v = x.tril(-1) + _eye(x, n, k)
    inner = products.matmul(v.mT, v)
    s = inner.triu(1) + inner * _eye(x, k, k) * 0.5
    solved = solve_triangular(s, v[..., :k, :].mT, upper=True)
    return _eye(x, n, k) - products.matmul(v, solved)


def _orthogonalized(x: Tensor) -> Tensor:
    """The orthogonal factor of x[...,n,k], with signs such that the other one has a diagonal that is not negative."""
    q, r = qr(x)
    return q * elementwise.sign(r.diagonal(dim1=-2, dim2=-1)).unsqueeze(-2)


class _Orthogonal(Module):
    """A matrix made orthogonal by `orthogonal_map`, times `base` (Lezcano-Casado 2019) if use_trivialization."""

    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        is_wide = x.shape[-2] < x.shape[-1]
        x = x.mT if is_wide else x
        n, k = int(x.shape[-2]), int(x.shape[-1])
        if self.orthogonal_map == "householder":
            diagonal = x.detach().diagonal(dim1=-2, dim2=-1)
            q = _reflections(x) * elementwise.trunc(diagonal).unsqueeze(-2)
        else:
            lower = x.tril()
            if n != k:
                rest = creation.zeros(*lower.shape[:-1], n - k, dtype=x.dtype)
                lower = shaping.cat([lower, rest], -1)
            skew = lower - lower.mT
            if self.orthogonal_map == "matrix_exp":
                q = matrix_exp(skew)
            else:
                one = _eye(x, n, n)
                q = solve(one - skew * 0.5, one + skew * 0.5)
            q = q[..., :k]
        q = products.matmul(self.base, q) if self.use_trivialization else q
        return q.mT if is_wide else q

    def right_inverse(self, q: Tensor) -> Tensor:
        """What gives the orthogonal matrix nearest to q, of its shape; `base` is moved there.

        Raises NotImplementedError where there is no base.
        """
        if not self.use_trivialization:
            raise NotImplementedError(
                "It is not possible to assign to the orthogonal parametrizations when use_trivialization=False."
            )
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        with no_grad():
            n, k = int(q.shape[-2]), int(q.shape[-1])
            tall = q.mT if n < k else q
            n, k = max(n, k), min(n, k)
            if n != k:
                tall = shaping.cat([tall, creation.randn(*tall.shape[:-1], n - k, dtype=q.dtype)], -1)
            self.base = _orthogonalized(tall)
            return -_eye(q, *q.shape[-2:]).expand(*q.shape).clone()


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Let a weight's columns be orthonormal, or its rows where there are fewer of them.

    orthogonal_map: how: "matrix_exp" (for square ones, unless given), "cayley" or "householder".
    use_trivialization: map to the neighbourhood of a `base`, the weight as it is, which the map then need not reach.
    Raises ValueError for what is no matrix, and for another map, UnsupportedError for reflections without a base.
    Source: torch.nn.utils.parametrizations.orthogonal.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    if orthogonal_map == "householder" and not use_trivialization:
        raise UnsupportedError(
            'orthogonal: orthogonal_map="householder" needs use_trivialization=True; use "matrix_exp" or "cayley"'
        ).at(here())
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
