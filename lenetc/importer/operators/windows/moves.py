"""How windows slide over images, as ONNX's attributes say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.dims import Dim
from ir.errors import ShapeError, UnsupportedError


def spread(values: Sequence[int] | None, rank: int, what: str) -> list[int]:
    """One number for each of `rank` axes, 1 if nothing is said. Raises ShapeError for another count."""
    found = [1] * rank if values is None else [int(value) for value in values]
    if len(found) != rank or min(found) < 1:
        raise ShapeError(f"{what} {found} needs to be a positive number for each of {rank} axes")
    return found


def paddings(
    auto_pad: str,
    pads: Sequence[int] | None,
    sizes: Sequence[Dim],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[int], list[int]]:
    """What is added before and after each axis of an image (`auto_pad` and `pads`)."""
    rank = len(kernel)
    if auto_pad in ("NOTSET", ""):
        given = [int(pad) for pad in pads or [0] * (2 * rank)]
        if len(given) != 2 * rank:
            raise ShapeError(f"pads {given} needs to be two numbers for each of {rank} axes")
        return given[:rank], given[rank:]
    if auto_pad == "VALID":
        return [0] * rank, [0] * rank
    totals: list[Any] = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        if stride == 1:
            totals.append(reach - 1)
        elif isinstance(size, int):
            totals.append(max((-(-size // stride) - 1) * stride + reach - size, 0))
        else:
            raise UnsupportedError(
                f"auto_pad {auto_pad} with strides {list(strides)} adds what depends on the size {size}; give the "
                "input a fixed size"
            )
    return divided(totals, auto_pad)


def divided(totals: Sequence[int], auto_pad: str) -> tuple[list[int], list[int]]:
    """What stands before and what after of a padding; of an odd one the greater part is after in SAME_UPPER."""
    before = [total // 2 if auto_pad == "SAME_UPPER" else total - total // 2 for total in totals]
    return before, [total - part for total, part in zip(totals, before, strict=True)]


def around(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The amounts in the order of torch.nn.functional.pad: the last axis first."""
    return [amount for pair in reversed(list(zip(before, after, strict=True))) for amount in pair]
