"""Moving elements between space, channels and columns: fold and unfold, shuffles of pixels and channels."""

from __future__ import annotations

from math import prod
from typing import Any

from ir import ops
from ir.dims import product
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial.sizes import Sizes, over_batch, spread
from lenetc.nn.functional.spatial.windows import padded, windows
from lenetc.operations import shaping
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff.driver import gradients


def _window(
    what: str, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> dict[str, tuple[int, ...]]:
    how = {
        "kernel": spread(kernel_size, 2, "kernel_size"),
        "dilation": spread(dilation, 2, "dilation"),
        "padding": spread(padding, 2, "padding"),
        "stride": spread(stride, 2, "stride"),
    }
    for name, values in how.items():
        if min(values) < (0 if name == "padding" else 1):
            raise LenetcError(f"{what}: {name} should be greater than zero, but got {values}").at(here())
    return how


def _columns(x: Node, how: dict[str, tuple[int, ...]]) -> Node:
    """x[N,C,H,W] -> [N,C*KH*KW,OH*OW]."""
    for axis, side in enumerate(how["padding"], 2):
        x = padded(x, axis, side, side)
    for name, size, kernel, dilation in zip("HW", x.shape[2:], how["kernel"], how["dilation"], strict=True):
        if isinstance(size, int) and size < dilation * (kernel - 1) + 1:
            raise ShapeError(
                f"unfold: a kernel of {kernel} with dilation {dilation} does not fit into {name} of {x.type}, padded"
            )
    (kh, kw), (sh, sw), (dh, dw) = how["kernel"], how["stride"], how["dilation"]
    rows = windows(x, 2, kh, stride=sh, dilation=dh)  # [N,C,KH,OH,W]
    seen = windows(rows, 4, kw, stride=sw, dilation=dw, at=3)  # [N,C,KH,KW,OH,OW]
    n, c, _, _, height, width = seen.shape
    return ops.reshape(seen, shape=(n, c * kh * kw, height * width))


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """What each window sees as a column: [N,C,H,W], or [C,H,W] -> [N,C*KH*KW,OH*OW] (torch.nn.functional.unfold).

    Raises ShapeError where no window fits.
    """
    require_tensors("unfold", input)
    how = _window("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ShapeError(
            "unfold: expected a 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions, but it is {input.type_text()}"
        ).at(here())
    _need_float("unfold", input)
    return apply(
        "Im2ColBackward0", over_batch(lambda x: _columns(x, how), input.ndim == 4), input, saves=False
    )


def _need_float(what: str, x: Tensor) -> None:
    if not x.dtype.is_float:
        raise DTypeError(f"{what} takes floating point tensors, not {x.type_text()}; use .float()").at(here())


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns added up where their windows are, the transpose of unfold: [N,C*KH*KW,OH*OW], or without N ->
    [N,C,*output_size] (torch.nn.functional.fold). Raises ShapeError where the numbers of columns or elements differ."""
    require_tensors("fold", input)
    how = _window("fold", kernel_size, dilation, padding, stride)
    size = spread(output_size, 2, "output_size")
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"fold: expected 2D or 3D (batch mode) tensor for input, but it is {input.type_text()}"
        ).at(here())
    _need_float("fold", input)
    positions = prod(how["kernel"])
    elements, columns = input.shape[-2:]
    if elements % positions or not elements:
        raise ShapeError(
            f"fold: expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"{input.type_text()} and kernel_size={how['kernel']}"
        ).at(here())
    moves = zip(size, *(how[key] for key in ("kernel", "dilation", "padding", "stride")), strict=True)
    blocks = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in moves]
    if min(blocks) < 1 or columns != prod(blocks):
        raise ShapeError(
            f"fold: given output_size={size}, kernel_size={how['kernel']}, dilation={how['dilation']}, "
            f"padding={how['padding']}, stride={how['stride']}, the number of columns should be "
            f"{' * '.join(map(str, blocks))}, but the input is {input.type_text()}"
        ).at(here())

    def build(y: Node) -> Node:
        shape = (y.shape[0], elements // positions, *size)
        x = ops.broadcast_to(ops.scalar(0, y.dtype), shape=shape)
        (found,) = gradients([(_columns(x, how), y)], [x])
        assert found is not None
        return found

    return apply("Col2ImBackward0", over_batch(build, input.ndim == 3), input, saves=False)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[*,C*r*r,H,W] -> [*,C,H*r,W*r], r the upscale factor (torch.nn.functional.pixel_shuffle).

    Raises ShapeError where r squared does not divide the channels.
    """
    factor = _factor("pixel_shuffle", input, upscale_factor)
    *batch, channels, height, width = input.shape
    if channels % (factor * factor):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {factor * factor}"
        ).at(here())
    n = product(tuple(batch))
    x = shaping.reshape(input, n, channels // (factor * factor), factor, factor, height, width)
    x = shaping.permute(x, 0, 1, 4, 2, 5, 3)
    return shaping.reshape(x, *batch, channels // (factor * factor), height * factor, width * factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[*,C,H*r,W*r] -> [*,C*r*r,H,W], r the downscale factor (torch.nn.functional.pixel_unshuffle).

    Raises ShapeError where r does not divide height and width.
    """
    factor = _factor("pixel_unshuffle", input, downscale_factor)
    *batch, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % factor:
            raise ShapeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but {size} is not divisible "
                f"by {factor}"
            ).at(here())
    n = product(tuple(batch))
    x = shaping.reshape(input, n, channels, height // factor, factor, width // factor, factor)
    x = shaping.permute(x, 0, 1, 3, 5, 2, 4)
    return shaping.reshape(x, *batch, channels * factor * factor, height // factor, width // factor)


def _factor(what: str, x: Tensor, value: Any) -> int:
    require_tensors(what, x)
    if x.ndim < 3:
        raise ShapeError(f"{what} expects input to have at least 3 dimensions, but it is {x.type_text()}").at(
            here()
        )
    factor = index_of(f"{what}: the factor", value)
    if factor < 1:
        raise LenetcError(f"{what} expects a positive factor, but got {factor}").at(here())
    return factor


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of [N,C,*] taken from each of `groups` in turn (torch.nn.functional.channel_shuffle).

    Raises ShapeError where `groups` does not divide the channels.
    """
    require_tensors("channel_shuffle", input)
    groups = index_of("channel_shuffle: groups", groups)
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but it is {input.type_text()}").at(
            here()
        )
    if groups < 1 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: the number of channels must be divisible by groups, a positive number: got "
            f"{input.shape[1]} channels and {groups} groups"
        ).at(here())
    n, channels, *rest = input.shape
    x = shaping.reshape(input, n, groups, channels // groups, product(tuple(rest)))
    return shaping.reshape(shaping.permute(x, 0, 2, 1, 3), n, channels, *rest)
