"""What operations cost on the runtime, in microseconds: a model fitted to measurements on two server cores.

Absolute numbers differ from machine to machine; what decides is their ratios, and how they grow with the
batch. Every coefficient is the cost of one element, row or multiply-add, in µs, on two threads. Products get faster
with more of them; what moves numbers about takes much the same time on one, as it waits for memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from passes.batch_last import PIXEL, Block
from passes.expand_chwn import Windows, offsets

NODE = 1.5  # any operator, however small its work
ELEMENT = 2.0e-4  # an element of an elementwise operator
MAC = 1 / 165e3  # a multiply-add in a large matrix product
PACK = 130e-6  # an element of a product's second factor, which the runtime copies into panels
PACK_TURNED = 151e-6  # the same where it is transposed on the way
PANEL = 16  # columns of a panel
_THREADS = 4  # beyond so many, products of these sizes hardly get faster
LANES = 8  # the fewest channels that a runtime's direct convolutions take at once


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
    """`rows` rows of `row` elements each."""
    return NODE + rows * (0.0035 + row * 1.5e-4)


def product(m: float, k: float, n: float, pace: float = 1.0) -> float:
    """[m,k] @ [k,n]."""
    return NODE + (m * k * n * MAC + k * n * PACK) * pace


def product_turned(m: float, k: float, n: float, pace: float = 1.0) -> float:
    """[m,k] @ [n,k]ᵀ, over a long k."""
    wide = math.ceil(n / PANEL) * PANEL
    return NODE + (m * k * wide * MAC + k * wide * PACK_TURNED) * pace


def blocked(w: Work, block: Block) -> tuple[int, int, int]:
    """(rows of the weights, rows of im2col, columns of both for one sample), in one group."""
    planes = block[0] * block[1]
    rows, columns = offsets(w.windows, block)
    return planes * w.outputs // w.groups, w.channels // w.groups * len(rows) * len(columns), w.out // planes


# Batch-first. The runtime's kernels go over samples one by one.


def _columns(w: Work) -> int:
    """Elements of im2col for one sample."""
    return w.depth * w.groups * w.out


def conv(w: Work) -> float:
    """Conv: im2col, then a product for each sample."""
    return 2 * NODE + w.n * 2.7 + (w.n * _columns(w) * 1.4e-4 + w.macs * 9e-6) * w.pace


def lanes(w: Work) -> float:
    """Direct convolution with channels in lanes, and the weights' way there. Images are in lanes mostly, as
    convolutions follow one another; half of the way there and back is counted. With a few channels only, which
    fill no lanes, the kernel is another and slower one, and what is around it hardly in lanes."""
    alone = w.channels < LANES
    moved = w.n * (
        w.outputs * w.out * 1.4e-4 if alone else (w.channels * w.image + w.outputs * w.out) * 0.7e-4
    )
    weights = w.channels * w.outputs * w.taps * 1e-3
    return 6 * NODE + moved + weights + w.n * 0.2 + w.macs * (1.5e-5 if alone else 5e-6) * w.pace


def lanes_input_grad(w: Work) -> float:
    """Input gradient as a direct convolution; with strides over windows that are not full, and pixels put in order."""
    s, t = w.windows.stride
    if (s, t) == (1, 1):
        return lanes(w)
    full = math.ceil(w.windows.kernel[0] / s) * s * math.ceil(w.windows.kernel[1] / t) * t / w.taps
    return lanes(w) + w.macs * 5e-6 * w.pace * (full - 1) + w.n * w.channels * w.image * 2e-4


def lanes_weight_grad(w: Work) -> float:
    """Weight gradient as a direct convolution with lanes beside the columns."""
    moved = w.n * (w.channels * w.image * 3e-4 + w.outputs * w.out * 2e-4)
    return 10 * NODE + moved + w.channels * w.outputs * w.taps * 2e-3 + w.macs * 6.7e-6 * w.pace


def im2col(w: Work) -> float:
    """Slices, and a product for each sample."""
    return w.taps + 4 * NODE + w.n * _columns(w) * 7e-4 + w.macs * 4 * MAC * w.pace


def col2im(w: Work) -> float:
    """A product for each sample, and for every kernel position an image of zeros around it, all added up; strides put
    zeros between single elements."""
    spread = 0.0 if w.windows.stride == (1, 1) else w.n * w.channels * w.image * w.taps * 2e-3
    return w.taps * 2 * NODE + w.n * _columns(w) * 2e-3 + spread + w.macs * 2 * MAC * w.pace


def identity_columns(w: Work) -> float:
    """im2col of one sample by Conv with an identity for weights."""
    return 2 * NODE + w.channels * 0.5 + _columns(w) * (3e-4 + w.taps * 1.2e-5)


def columns_conv(w: Work) -> float:
    """The product of a convolution over the columns of one sample."""
    return NODE + product(w.outputs, w.depth, w.out, w.pace)


def columns_weight_grad(w: Work) -> float:
    """The columns of one sample, and the product of a weight gradient over them."""
    return NODE + identity_columns(w) + product_turned(w.outputs, w.out, w.depth, w.pace)


def im2col_weight_grad(w: Work) -> float:
    """Slices, and a product for each sample, added up."""
    return w.taps + 6 * NODE + w.n * _columns(w) * 7e-4 + w.macs * 2.1e-5 * w.pace


def swapped_conv(w: Work) -> float:
    """Weight gradient as Conv with samples for channels: windows as large as the gradient, few of them."""
    moved = transpose(w.n * (w.channels * w.image + w.outputs * w.out)) if w.n > 1 else 0.0
    return 4 * NODE + moved + w.n * _columns(w) * 1e-3 + w.macs * 4.5e-5


def dilated_weight_grad(w: Work) -> float:
    """Weight gradient as Conv with channels beside the columns, which are copied in runs of KW*C numbers."""
    moved = transpose(w.n * w.channels * w.image) + transpose(w.n * w.outputs * w.out)
    run = w.windows.kernel[1] * w.channels
    return 7 * NODE + moved + w.n * _columns(w) * 1.2e-4 * (1 + 24 / run) + w.macs * 7.3e-6 * w.pace


def conv_transpose(w: Work) -> float:
    """ConvTranspose: a product and col2im for each sample, which strides slow down."""
    column = 1.8e-4 if w.windows.stride == (1, 1) else 3.6e-4
    return 2 * NODE + w.n * (4 + _columns(w) * column) + w.macs * 7.5e-6 * w.pace


def pool(w: Work) -> float:
    """AveragePool."""
    return NODE + w.n * w.channels * w.image * 2.2e-4 * max(1.0, w.taps * w.out / w.image)


def max_pool(w: Work) -> float:
    """MaxPool, where a sum tells that all numbers are finite."""
    return 3 * NODE + pool(w) + w.n * w.channels * w.image * 1e-4


def pool_indices(w: Work) -> float:
    """MaxPool with Indices instead of MaxPool, and the scatter or gather by them."""
    return 5 * NODE + w.n * w.channels * (w.out * w.taps * 2.6e-3 + w.image * 1.9e-3)


def pool_taps(w: Work) -> float:
    """Strided slices for every kernel position, and work on each."""
    return w.taps * 2 * NODE + w.n * w.channels * w.out * w.taps * 2.6e-3


def pool_untaps(w: Work) -> float:
    """For every kernel position an image of zeros around it, and all added up."""
    return w.taps * (6 * NODE + w.n * w.channels * w.image * 2.6e-3)


def pool_taps_grad(w: Work) -> float:
    """Slices, a knockout among them handed back, and the images of its pieces."""
    return pool_taps(w) + 2 * pool_untaps(w)


def pool_matrix(w: Work) -> float:
    """A product of all images with one matrix of pixels by windows, or that transposed."""
    rows = w.n * w.channels
    return 2 * NODE + product(rows, w.image, w.out, w.pace) + rows * (w.image + w.out) * 1.5e-4


def pool_transposed(w: Work) -> float:
    """ConvTranspose of each channel by itself."""
    return 2 * NODE + w.n * w.channels * (0.15 + w.out * w.taps * 4e-4)


# Batch-last, with the windows' side in blocks.


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
    cols = _columns(w) * w.n * (3.2e-4 if any(w.windows.padding) else 1.8e-4)
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
