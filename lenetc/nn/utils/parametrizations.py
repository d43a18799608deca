"""Weights by length and direction, and by their largest singular value (torch.nn.utils.parametrizations)."""

from __future__ import annotations

from typing import Any

from lenetc.nn import functional as F
from lenetc.nn.modules.module import Module
from lenetc.nn.utils.orthogonal import orthogonal as orthogonal
from lenetc.nn.utils.parametrize import register_parametrization
from lenetc.operations import creation, elementwise, products, reductions
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The length of v over all dimensions but `dim`, all of them for -1, with dimensions of size 1."""
    if dim == -1:
        return reductions.norm(v)
    axis = axis_of(dim, v.ndim, "weight_norm")
    others = tuple(i for i in range(v.ndim) if i != axis)
    return reductions.norm(v, 2, others, keepdim=True) if others else elementwise.abs(v)


class _WeightNorm(Module):
    """v in the length g (Salimans and Kingma 2016)."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Train length and direction of a weight apart (Salimans and Kingma 2016).

    dim: along which there is a length each; None for one in all. Weights saved by the older
    nn.utils.weight_norm load. Source: torch.nn.utils.parametrizations.weight_norm.
    """

    def renamed(module: Module, given: dict[str, Any], prefix: str, *_: Any) -> None:
        for i, old in enumerate(("g", "v")):
            if f"{prefix}{name}_{old}" in given:
                given[f"{prefix}parametrizations.{name}.original{i}"] = given.pop(f"{prefix}{name}_{old}")

    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module.register_load_state_dict_pre_hook(renamed)
    return module


class _SpectralNorm(Module):
    """A weight over its largest singular value, which steps of the power method estimate (Miyato et al. 2018)."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        self.dim, self.eps = axis_of(dim, weight.ndim, "spectral_norm"), eps
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                drawn = creation.randn(size, dtype=weight.dtype)
                self.register_buffer(name, F.normalize(drawn, dim=0, eps=eps))
            power_method(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_method(matrix, self._u, self._v, self.n_power_iterations, self.eps)
        return weight / singular_value(matrix, self._u, self._v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with rows for `dim`."""
    order = (dim, *(i for i in range(weight.ndim) if i != dim))
    return weight.permute(*order).reshape(weight.shape[dim], -1)


def power_method(matrix: Tensor, u: Tensor, v: Tensor, steps: int, eps: float) -> None:
    """Turn u and v, in place, towards the directions in which the matrix stretches most."""
    with no_grad():
        for _ in range(steps):
            u.copy_(F.normalize(products.matmul(matrix, v), dim=0, eps=eps))
            v.copy_(F.normalize(products.matmul(matrix.transpose(0, 1), u), dim=0, eps=eps))


def singular_value(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """u matrix v, without gradients for u and v, at their present values."""
    return reductions.sum(u.detach().clone() * products.matmul(matrix, v.detach().clone()))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al. 2018).

    n_power_iterations: steps of the power method at each look at the weight in training. dim: that of the outputs, 0,
    and 1 for transposed convolutions. Raises ValueError where there is no tensor of that name.
    Source: torch.nn.utils.parametrizations.spectral_norm.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    made = _SpectralNorm(weight, n_power_iterations, output_dimension(module) if dim is None else dim, eps)
    return register_parametrization(module, name, made)


def output_dimension(module: Module) -> int:
    """The dimension of a weight that belongs to the outputs."""
    return 1 if any(base.__name__.startswith("ConvTranspose") for base in type(module).__mro__) else 0
