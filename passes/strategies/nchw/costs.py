"""What the batch-first strategies cost, in microseconds. The runtime's kernels go over samples one by one."""

from __future__ import annotations

from ir.ops.windows import Pair
from passes.strategies.costs import (
    NODE,
    Work,
    product,
    product_turned,
    transpose,
)


def conv(w: Work) -> float:
    """Conv: im2col, then a product for each sample."""
    return _convolved(w, w.columns)


def turned_conv(w: Work) -> float:
    """Input gradient as Conv, whose im2col is that of what the windows gave; and the weights on their way there."""
    return 5 * NODE + w.channels * w.outputs * w.taps * 5.5e-4 + _convolved(w, w.outputs * w.taps * w.image)


def _convolved(w: Work, columns: int) -> float:
    return 2 * NODE + w.n * 5.5 + (w.n * columns * 1.4e-4 + w.macs * 9e-6) * w.pace


def im2col(w: Work) -> float:
    """Slices, and a product for each sample."""
    columns = _sliced(w, 7e-4)
    return w.taps + 4 * NODE + w.n * 2.8 + columns + w.macs * (2.4e-5 if columns else 9e-6) * w.pace


def _sliced(w: Work, column: float) -> float:
    """im2col by slices, which take longer with strides; windows of one pixel side by side are the image as it is."""
    if w.taps == 1 and w.windows.stride == (1, 1) and not any(w.windows.padding):
        return 0.0
    return w.n * w.columns * column * (1.0 if w.windows.stride == (1, 1) else 1.8)


def col2im(w: Work) -> float:
    """A product for each sample, and for every kernel position an image of zeros around it, all added up; strides put
    zeros between single elements."""
    spread = 0.0 if w.windows.stride == (1, 1) else w.n * w.channels * w.image * w.taps * 2e-3
    return w.taps * 2 * NODE + w.n * w.columns * 2e-3 + spread + w.macs * 1.2e-5 * w.pace


def identity_columns(w: Work) -> float:
    """im2col of one sample by Conv with an identity for weights."""
    sizes = w.channels, w.windows.kernel, w.windows.out
    return min(columns_by_windows(*sizes), columns_by_rows(*sizes))


def columns_by_windows(channels: int, kernel: Pair, out: Pair) -> float:
    """One Conv for all of them."""
    taps = kernel[0] * kernel[1]
    return 2 * NODE + channels * 0.5 + channels * taps * out[0] * out[1] * (3e-4 + taps * 1.2e-5)


def columns_by_rows(channels: int, kernel: Pair, out: Pair) -> float:
    """Conv for what the positions of one row of the kernel see, of which rows are gathered for all."""
    seen = channels * kernel[1] * out[0] * out[1]
    return (
        3 * NODE + channels * 0.5 + seen * 6e-4 + seen * kernel[0] * 1e-4 + seen / out[1] * kernel[0] * 7.7e-3
    )


def columns_conv(w: Work) -> float:
    """The product of a convolution over the columns of one sample."""
    return NODE + product(w.outputs, w.depth, w.out, w.pace)


def columns_weight_grad(w: Work) -> float:
    """The columns of one sample, and the product of a weight gradient over them."""
    return NODE + identity_columns(w) + product_turned(w.outputs, w.out, w.depth, w.pace)


def im2col_weight_grad(w: Work) -> float:
    """Slices, and a product for each sample, added up."""
    products = w.macs * 8.2e-6 * w.pace + w.n * w.outputs * w.depth * 1e-3
    return w.taps + 6 * NODE + _sliced(w, 7.5e-4) + products


def swapped_conv(w: Work) -> float:
    """Weight gradient as Conv with samples for channels: windows as large as the gradient, few of them."""
    moved = transpose(w.n * (w.channels * w.image + w.outputs * w.out)) if w.n > 1 else 0.0
    return 4 * NODE + moved + w.n * w.columns * 1.2e-3 + w.macs * 4.5e-5


def dilated_weight_grad(w: Work) -> float:
    """Weight gradient as Conv with channels beside the columns, which are copied in runs of KW*C numbers."""
    moved = transpose(w.n * w.channels * w.image) + transpose(w.n * w.outputs * w.out)
    run = w.windows.kernel[1] * w.channels
    # Strides put the pixels of a window apart.
    apart = 1 if w.windows.stride == (1, 1) else 3
    return 7 * NODE + moved + w.n * w.columns * 1.2e-4 * apart * (1 + 48 / run) + w.macs * 9e-6 * w.pace


def conv_transpose(w: Work) -> float:
    """ConvTranspose: a product and col2im for each sample, which strides slow down."""
    return 2 * NODE + w.n * (4 + w.columns * 3.4e-4) + w.macs * 9.5e-6 * w.pace


def pool(w: Work) -> float:
    """AveragePool."""
    return NODE + w.n * w.channels * w.image * 2.2e-4 * max(1.0, w.taps * w.out / w.image)


def max_pool(w: Work) -> float:
    """MaxPool, where a sum tells that all numbers are finite."""
    return 3 * NODE + pool(w) + w.n * w.channels * w.image * 1e-4


def pool_indices(w: Work) -> float:
    """MaxPool with Indices instead of MaxPool, and the scatter or gather by them."""
    return 5 * NODE + w.n * w.channels * (w.out * w.taps * 4.5e-3 + w.image * 1.9e-3)


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
