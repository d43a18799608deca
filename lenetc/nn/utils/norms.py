"""weight_norm and spectral_norm as PyTorch had them before parametrizations: the names in the state differ."""

from __future__ import annotations

from typing import Any

from lenetc.nn import functional as F
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.nn.utils.parametrizations import (
    as_matrix,
    norm_except_dim,
    output_dimension,
    power_method,
    singular_value,
)
from lenetc.nn.utils.parametrize import computed, stored
from lenetc.operations import creation
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length of a weight, `name`_g, and its direction, `name`_v (torch.nn.utils.weight_norm)."""
    axis = -1 if dim is None else dim
    weight = module.get_parameter(name)
    with no_grad():
        length = norm_except_dim(weight.detach(), axis).clone()
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.detach().clone()))

    def get(self: Any) -> Tensor:
        v = getattr(self, f"{name}_v")
        found: Tensor = v * (getattr(self, f"{name}_g") / norm_except_dim(v, axis))
        return found

    computed(module, name, get)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Train the weight itself again. Raises ValueError where weight_norm was not applied."""
    if f"{name}_g" not in module._parameters:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    return _removed(module, name, (f"{name}_g", f"{name}_v"))


def _removed(module: Module, name: str, parts: tuple[str, ...]) -> Module:
    with no_grad():
        value = getattr(module, name).detach().clone()
    stored(module, name)
    for part in parts:
        delattr(module, part)
    module.register_parameter(name, Parameter(value))
    return module


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight, `name`_orig, by its largest singular value (torch.nn.utils.spectral_norm).

    Each call of the module in training takes n_power_iterations steps of the power method, of which the buffers
    `name`_u and `name`_v keep the vectors.
    """
    axis = output_dimension(module) if dim is None else dim
    weight = module.get_parameter(name)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    with no_grad():
        sizes = as_matrix(weight.detach(), axis).shape
    for part, size in zip("uv", sizes, strict=True):
        drawn = F.normalize(creation.randn(size, dtype=weight.dtype), dim=0, eps=eps)
        module.register_buffer(f"{name}_{part}", drawn)

    def parts(self: Any) -> tuple[Tensor, Tensor, Tensor]:
        return (
            as_matrix(getattr(self, f"{name}_orig"), axis),
            getattr(self, f"{name}_u"),
            getattr(self, f"{name}_v"),
        )

    def before(self: Any, inputs: Any) -> None:
        if self.training:
            matrix, u, v = parts(self)
            power_method(matrix.transpose(0, 1), v, u, n_power_iterations, eps)

    def get(self: Any) -> Tensor:
        found: Tensor = getattr(self, f"{name}_orig") / singular_value(*parts(self))
        return found

    computed(module, name, get)
    module._spectral_norms = {
        **getattr(module, "_spectral_norms", {}),
        name: module.register_forward_pre_hook(before),
    }
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Train the weight itself again. Raises ValueError where spectral_norm was not applied."""
    handle = getattr(module, "_spectral_norms", {}).pop(name, None)
    if handle is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    handle.remove()
    return _removed(module, name, (f"{name}_orig", f"{name}_u", f"{name}_v"))
