"""Limits on gradients, in place."""

from __future__ import annotations

from collections.abc import Iterable

from lenetc.operations import creation, elementwise, in_place, reductions, shaping
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, require_tensors


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    require_tensors("clip_grad", *listed)
    return [gradient for p in listed if (gradient := p.grad) is not None]


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    """Scale all gradients in place so that their norm, taken together, is at most `max_norm`.

    norm_type: 1, 2 or inf. Returns the norm before (torch.nn.utils.clip_grad_norm_).
    """
    gradients = _gradients(parameters)
    if not gradients:
        return creation.full((), 0.0)
    with no_grad():
        norms = [reductions.norm(gradient, norm_type) for gradient in gradients]
        total = norms[0] if len(norms) == 1 else reductions.norm(shaping.stack(norms), norm_type)
        factor = elementwise.clamp(max_norm / (total + 1e-6), max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.to(gradient.dtype))
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit the gradients to [-clip_value, clip_value] in place (torch.nn.utils.clip_grad_value_)."""
    with no_grad():
        for gradient in _gradients(parameters):
            in_place.clamp_(gradient, -clip_value, clip_value)
