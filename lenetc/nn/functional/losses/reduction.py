"""What all losses share: which mean or sum of the elements is asked for, and taking it."""

from __future__ import annotations

from ir import ops
from ir.node import Node
from lenetc.nn.functional.activation import warn
from lenetc.operations import reductions
from lenetc.tensors.tensor import Tensor
from passes.autodiff import means

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction!r} is not a valid value for reduction; use 'none', 'mean' or 'sum'")


def chosen(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """`reduction`, or what the arguments that it replaced in PyTorch say, with PyTorch's warning."""
    if size_average is None and reduce is None:
        return reduction
    found = "none" if reduce is False else "sum" if size_average is False else "mean"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.")
    return found


def reduced(losses: Node, reduction: str) -> Node:
    """The mean or the sum of all elements, or the elements."""
    if reduction == "none":
        return losses
    axes = tuple(range(losses.rank))
    return means.mean(losses, axes) if reduction == "mean" else ops.sum(losses, axes=axes)


def total(losses: Tensor, reduction: str) -> Tensor:
    """`reduced` of a tensor, as operations of their own."""
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return reductions.mean(losses) if reduction == "mean" else reductions.sum(losses)
