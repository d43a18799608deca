"""What the strategies in lanes cost, in microseconds."""

from __future__ import annotations

import math

from passes.strategies.costs import (
    NODE,
    Work,
)

LANES = 8  # the fewest channels that a runtime's direct convolutions take at once


def conv(w: Work) -> float:
    """Direct convolution with channels in lanes, and the weights' way there. Images are in lanes mostly, as
    convolutions follow one another; half of the way there and back is counted. With a few channels only, which
    fill no lanes, the kernel is another and slower one, and what is around it hardly in lanes."""
    alone = w.channels < LANES
    moved = w.n * (
        w.outputs * w.out * 1.4e-4 if alone else (w.channels * w.image + w.outputs * w.out) * 0.7e-4
    )
    weights = w.channels * w.outputs * w.taps * 1e-3
    return 6 * NODE + moved + weights + w.n * 0.2 + w.macs * (2.2e-5 if alone else 7e-6) * w.pace


def conv_input_grad(w: Work) -> float:
    """Input gradient as a direct convolution; with strides over windows that are not full, and pixels put in order."""
    s, t = w.windows.stride
    if (s, t) == (1, 1):
        return conv(w)
    full = math.ceil(w.windows.kernel[0] / s) * s * math.ceil(w.windows.kernel[1] / t) * t / w.taps
    return conv(w) + w.macs * 7e-6 * w.pace * (full - 1) + w.n * w.channels * w.image * 2e-4


def conv_weight_grad(w: Work) -> float:
    """Weight gradient as a direct convolution with lanes beside the columns."""
    moved = w.n * (w.channels * w.image * 3e-4 + w.outputs * w.out * 2e-4)
    return 10 * NODE + moved + w.channels * w.outputs * w.taps * 2e-3 + w.macs * 9e-6 * w.pace
