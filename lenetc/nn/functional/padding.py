"""Padding with a constant."""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`value` (0 if None) added around x: (before, after) for the last dimension, then the one before, ...

    Negative amounts take elements away. Raises LenetcError for other modes, ShapeError for amounts that do
    not fit. Source: torch.nn.functional.pad.
    """
    require_tensors("pad", input)
    if mode != "constant":
        raise LenetcError(f"pad: mode {mode!r} is not supported, only 'constant' is").at(here())
    if not isinstance(pad, (tuple, list)):
        raise DTypeError(f"pad: the amounts are a sequence of whole numbers, not {pad!r}").at(here())
    amounts = [index_of("pad: an amount", amount) for amount in pad]
    need_number("pad", "value", value or 0)
    if len(amounts) % 2 or len(amounts) > 2 * input.ndim:
        raise ShapeError(
            f"pad: needs two amounts for each of the last dimensions, but got {len(amounts)} "
            f"for {input.type_text()}"
        ).at(here())
    before = [0] * input.ndim
    after = [0] * input.ndim
    for i in range(len(amounts) // 2):
        before[-1 - i], after[-1 - i] = amounts[2 * i : 2 * i + 2]

    def build(a: Node) -> Node:
        starts = tuple(max(-amount, 0) for amount in before)
        stops = tuple(size - max(-amount, 0) for size, amount in zip(a.shape, after, strict=True))
        if stops != a.shape or any(starts):
            a = ops.slice(a, starts=starts, stops=stops, steps=(1,) * a.rank)
        low, high = (tuple(max(amount, 0) for amount in side) for side in (before, after))
        return ops.pad(a, low=low, high=high, value=float(value or 0)) if any(low + high) else a

    return apply("ConstantPadNdBackward0", build, input, saves=False)
