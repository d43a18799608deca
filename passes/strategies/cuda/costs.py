"""What strategies cost on a CUDA device, in microseconds: a model, not measurements.

Its numbers are those of data sheets for a data-center GPU, rounded, and a kernel's start as commonly seen. They tell
few kernels from many and memory-bound work from products, which is what decides; `lenetc tune` measures.
"""

from __future__ import annotations

from collections.abc import Callable

from passes.strategies.costs import Work

KERNEL = 3.0  # starting a kernel
ELEMENT = 4 / 1.5e6  # reading or writing an f32
MAC = 1 / 1e7  # a multiply-add, of a kernel that keeps the device busy
# How much longer a convolution takes whose windows are as large as the image: libraries are tuned for small ones.
UNUSUAL = 20


def _image(w: Work) -> float:
    return w.n * w.channels * w.image * ELEMENT


def _outputs(w: Work, channels: int) -> float:
    return w.n * channels * w.out * ELEMENT


def _columns(w: Work) -> float:
    return w.n * w.columns * ELEMENT


def convolution(w: Work) -> float:
    """Conv, ConvTranspose: one call of cuDNN, and the bias."""
    return 2 * KERNEL + _image(w) + 2 * _outputs(w, w.outputs) + w.macs * MAC


def swapped(w: Work) -> float:
    """Conv of windows as large as the gradient, with two transposes before and one after."""
    return 4 * KERNEL + 2 * (_image(w) + _outputs(w, w.outputs)) + w.macs * MAC * UNUSUAL


def by_slices(w: Work) -> float:
    """im2col by a slice for each position, one concatenation, a product; or the same backwards."""
    return (w.taps + 4) * KERNEL + 4 * _columns(w) + w.macs * MAC


def by_gather(w: Work) -> float:
    """im2col by one Gather, a product for each sample, a sum over samples."""
    return 4 * KERNEL + _image(w) + 3 * _columns(w) + w.macs * MAC


def pool(w: Work) -> float:
    """MaxPool, AveragePool."""
    return KERNEL + _image(w) + _outputs(w, w.channels)


def pool_slices(w: Work) -> float:
    """Strided slices for every position, work on each; backwards, an image padded from each and their sum."""
    return w.taps * 7 * KERNEL + w.taps * (13 * _outputs(w, w.channels) + 3 * _image(w))


def pool_apart(w: Work) -> float:
    """Two transposes of the image and five kernels between them."""
    return 7 * KERNEL + 10 * _image(w)


def grouped(w: Work) -> float:
    """ConvTranspose with a group for each channel."""
    return (
        2 * KERNEL + _image(w) + _outputs(w, w.channels) + w.n * w.channels * w.out * w.taps * MAC * UNUSUAL
    )


def spread(w: Work) -> float:
    """A product with a number, and one kernel that repeats."""
    return 2 * KERNEL + _image(w) + 3 * _outputs(w, w.channels)


def many_kernels(w: Work) -> float:
    """What a strategy counts as that was made with CPUs in mind and that nobody has priced here."""
    return by_slices(w) + pool_slices(w)


# By op and strategy; `passes.strategies.table` has the strategies.
COSTS: dict[tuple[str, str], Callable[[Work], float]] = {
    ("conv2d", "conv"): convolution,
    ("conv2d", "im2col"): by_slices,
    ("conv2d_weight_grad", "swapped_conv"): swapped,
    ("conv2d_weight_grad", "im2col"): by_slices,
    ("conv2d_weight_grad", "gathered"): by_gather,
    ("conv2d_input_grad", "conv_transpose"): convolution,
    ("conv2d_input_grad", "col2im"): by_slices,
    ("max_pool2d", "max_pool"): pool,
    ("max_pool2d", "slices"): pool_slices,
    ("max_pool2d_grad", "slices"): pool_slices,
    ("max_pool2d_grad", "first_equal"): pool_apart,
    ("max_pool2d_pick", "slices"): pool_slices,
    ("avg_pool2d", "average_pool"): pool,
    ("avg_pool2d", "slices"): pool_slices,
    ("avg_pool2d_grad", "slices"): pool_slices,
    ("avg_pool2d_grad", "conv_transpose"): grouped,
    ("avg_pool2d_grad", "spread"): spread,
}
