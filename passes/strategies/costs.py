"""What operations cost on the runtime, in microseconds: a model fitted to measurements on two server cores.

Absolute numbers differ from machine to machine; what decides is their ratios, and how they grow with the
batch. Every coefficient is the cost of one element, row or multiply-add, in µs, on two threads. Products get faster
with more of them; what moves numbers about takes much the same time on one, as it waits for memory. What strategies
cost is made of these, in the `costs` of each backend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from passes.layouts.windows import Windows

NODE = 1.5  # any operator, however small its work
ELEMENT = 2.0e-4  # an element of an elementwise operator
MAC = 1 / 112e3  # a multiply-add in a large matrix product
PACK = 190e-6  # an element of a product's second factor, which the runtime copies into panels
PACK_TURNED = 220e-6  # the same where it is transposed on the way
PANEL = 16  # columns of a panel
_CACHED = 1e6  # elements
_THREADS = 4  # beyond so many, products of these sizes hardly get faster


@dataclass(frozen=True)
class Work:
    """Sizes of a heavy node as plain numbers, with the batch that costs assume."""

    n: int
    channels: int  # of the image
    outputs: int  # channels of what the windows give
    groups: int
    image: int  # pixels of the image
    windows: Windows
    threads: int = 2

    @property
    def out(self) -> int:
        """Number of windows."""
        return self.windows.out[0] * self.windows.out[1]

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return self.windows.kernel[0] * self.windows.kernel[1]

    @property
    def depth(self) -> int:
        """Rows of im2col in one group."""
        return self.channels // self.groups * self.taps

    @property
    def columns(self) -> int:
        """Elements of im2col for one sample."""
        return self.depth * self.groups * self.out

    @property
    def pace(self) -> float:
        """What arithmetic takes, by what it takes on two threads."""
        return 2 / min(self.threads, _THREADS)

    @property
    def macs(self) -> int:
        """Multiply-adds of a convolution."""
        return self.n * self.outputs * self.depth * self.out


def elementwise(elements: float) -> float:
    """An elementwise operator."""
    return NODE + elements * ELEMENT


def transpose(elements: float) -> float:
    """A transpose of two axes, and the reshapes around it."""
    return 3 * NODE + elements * 2.3e-4


def gather(rows: float, row: float) -> float:
    """`rows` rows of `row` elements each; beyond what caches hold it waits for memory."""
    return NODE + rows * (0.005 + row * 1.5e-4) + max(rows * row - _CACHED, 0) * 2.5e-4


def product(m: float, k: float, n: float, pace: float = 1.0) -> float:
    """[m,k] @ [k,n]."""
    return NODE + (m * k * n * MAC + k * n * PACK) * pace


def product_turned(m: float, k: float, n: float, pace: float = 1.0) -> float:
    """[m,k] @ [n,k]ᵀ, over a long k."""
    wide = math.ceil(n / PANEL) * PANEL
    return NODE + (m * k * wide * MAC + k * wide * PACK_TURNED) * pace
