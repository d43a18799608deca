"""What the batch-last strategies cost, in microseconds, with the windows' side in blocks."""

from __future__ import annotations

import math

from passes.layouts.batch_last import PIXEL, Block
from passes.layouts.windows import offsets
from passes.strategies.costs import (
    NODE,
    Work,
    elementwise,
    gather,
    product,
    product_turned,
)


def blocked(w: Work, block: Block) -> tuple[int, int, int]:
    """(rows of the weights, rows of im2col, columns of both for one sample), in one group."""
    planes = block[0] * block[1]
    rows, columns = offsets(w.windows, block)
    return planes * w.outputs // w.groups, w.channels // w.groups * len(rows) * len(columns), w.out // planes


def columns(w: Work, block: Block) -> float:
    """im2col."""
    _, depth, area = blocked(w, block)
    return gather(depth * w.groups * area, w.n)


def gather_conv(w: Work, block: Block) -> float:
    """The product of a convolution over its columns."""
    m, k, area = blocked(w, block)
    return 3 * NODE + _spread(w, block) + w.groups * product(m, k, area * w.n, w.pace)


def gather_weight_grad(w: Work, block: Block) -> float:
    """The product of a weight gradient over the columns."""
    m, k, area = blocked(w, block)
    wide, narrow = (m, k) if k <= m else (k, m)
    cost = product_turned(wide, area * w.n, narrow, w.pace)
    return 3 * NODE + _spread(w, block) + w.groups * cost


def gather_input_grad(w: Work, block: Block) -> float:
    """A product, then each pixel gathered from the columns that saw it and added up."""
    m, k, area = blocked(w, block)
    overlap = [
        math.ceil(len(reach) / (b * s))
        for reach, b, s in zip(offsets(w.windows, block), block, w.windows.stride, strict=True)
    ]
    parts = overlap[0] * overlap[1] * w.channels * w.image
    cost = w.groups * product(k, m, area * w.n, w.pace) + gather(parts, w.n) + parts * w.n * 1.8e-4
    return 5 * NODE + _spread(w, block) + cost


def _spread(w: Work, block: Block) -> float:
    """Weights for all pixels of a block, or the gradient of that."""
    m, k, _ = blocked(w, block)
    return 0.0 if block == PIXEL else 3 * NODE + w.groups * m * k * 7e-4


def dilated_input_grad(w: Work, block: Block) -> float:
    """ConvTranspose of one wide image, whose col2im is slower where it has to look out for padding."""
    cols = w.columns * w.n * (3.2e-4 if any(w.windows.padding) else 1.8e-4)
    moved = 0.0 if block == PIXEL else gather(w.outputs * w.out, w.n)
    return 3 * NODE + w.groups * product(w.depth, w.outputs // w.groups, w.out * w.n, w.pace) + cols + moved


def views(w: Work, block: Block) -> float:
    """What the kernel positions of a pool see: slices of blocks, or gathers."""
    if block != PIXEL:
        return w.taps * (NODE + w.n * w.channels * w.out * 1.0e-4)
    return w.taps * gather(w.channels * w.out, w.n)


def knockout(w: Work, block: Block) -> float:
    """The largest of what the kernel positions see."""
    return (w.taps - 1) * elementwise(w.n * w.channels * w.out)


def knockout_grad(w: Work, block: Block) -> float:
    """Handing a gradient back along the knockout, and putting the pieces together."""
    games = (w.taps - 1) * 5 * elementwise(w.n * w.channels * w.out)
    joined = elementwise(w.n * w.channels * w.out * w.taps)
    return games + joined + (0.0 if block != PIXEL else gather(w.channels * w.image, w.n))


def average(w: Work, block: Block) -> float:
    """Sums of what the kernel positions see."""
    return views(w, block) + w.taps * elementwise(w.n * w.channels * w.out)


def average_grad(w: Work, block: Block) -> float:
    """Each pixel gathered from the windows that saw it."""
    parts = math.ceil(w.taps * w.out / w.image) * w.channels * w.image
    return gather(parts, w.n) * (1 if block == PIXEL else 0.5) + elementwise(w.n * w.channels * w.out)
