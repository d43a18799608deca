"""Limits on gradients, in place."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from ir import ops
from ir.errors import LenetcError
from ir.node import Node
from ir.types import f32, f64
from lenetc.evaluation.tracing import here
from lenetc.operations import creation, elementwise, in_place, reductions, shaping
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [gradient for p in _listed(parameters) if (gradient := p.grad) is not None]


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    require_tensors("clip_grad", *listed)
    return listed


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken together, 0 for none (torch.nn.utils.get_total_norm).

    error_if_nonfinite: raise LenetcError for one that is NaN or infinite. foreach asks for nothing here.
    """
    listed, norm_type = _listed(tensors), float(norm_type)
    if not listed:
        return creation.full((), 0.0)
    with no_grad():
        if norm_type == 2.0 and {tensor.dtype for tensor in listed} <= {listed[0].dtype} <= {f32, f64}:
            total = apply("LinalgVectorNormBackward0", _euclidean, *listed)
        else:
            norms = [reductions.norm(tensor, norm_type) for tensor in listed]
            total = norms[0] if len(norms) == 1 else reductions.norm(shaping.stack(norms), norm_type)
        if error_if_nonfinite and not bool(elementwise.abs(total) < float("inf")):
            raise LenetcError(
                f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
                "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
                "`error_if_nonfinite=False`"
            ).at(here())
    return total


def _euclidean(*nodes: Node) -> Node:
    """The 2-norm of all, to which no gradient goes back: the usual one, in three nodes for each of many parameters."""
    squares = [ops.sum(node * node, axes=tuple(range(node.rank))) for node in nodes]
    return ops.sqrt(functools.reduce(ops.add, squares))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients in place by max_norm / total_norm, where that is below 1.

    Source: torch.nn.utils.clip_grads_with_norm_.
    """
    with no_grad():
        factor = elementwise.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        for gradient in _gradients(parameters):
            gradient.mul_(factor.to(gradient.dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place so that their norm, taken together, is at most `max_norm`.

    Returns the norm before, as get_total_norm has it (torch.nn.utils.clip_grad_norm_).
    """
    listed = _listed(parameters)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit the gradients to [-clip_value, clip_value] in place (torch.nn.utils.clip_grad_value_)."""
    with no_grad():
        for gradient in _gradients(parameters):
            in_place.clamp_(gradient, -float(clip_value), float(clip_value))
