"""Convolutions and their transposes over lines, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir import ops
from ir.dims import Dim
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.spatial import integers
from lenetc.nn.functional.spatial.padding import pad
from lenetc.nn.functional.spatial.sizes import (
    AXES,
    Sizes,
    as_image,
    as_line,
    image_attributes,
    is_batch,
    spread,
)
from lenetc.nn.functional.spatial.windows import padded, part, windows
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff.driver import gradients


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and after each axis that keep its size."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _moves(
    what: str, dims: int, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> dict[str, Any]:
    """The attributes of a convolution. Raises ValueError and LenetcError for what is out of range."""
    how: dict[str, Any] = {
        "stride": spread(stride, dims, "stride"),
        "padding": spread(padding, dims, "padding"),
        "dilation": spread(dilation, dims, "dilation"),
        "groups": index_of(f"{what}: groups", groups),
    }
    if min(*how["stride"], *how["dilation"], how["groups"]) < 1:
        raise ValueError(f"{what}: stride {stride}, dilation {dilation} and groups {groups} must be positive")
    if min(how["padding"]) < 0:
        raise LenetcError(f"{what}: negative padding {padding} is not supported").at(here())
    return how


def _need_weight(what: str, dims: int, weight: Tensor, form: str) -> None:
    if weight.ndim != dims + 2:
        kernel = ",".join(f"K{axis}" for axis in AXES[dims].split(","))
        raise ShapeError(f"{what}: the weight must be [{form},{kernel}], but it is {weight.type_text()}").at(
            here()
        )
    if 0 in weight.shape:
        raise ShapeError(f"{what}: the weight {weight.type_text()} has a size of 0").at(here())


def _conv(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    what = f"conv{dims}d"
    require_tensors(what, input, weight, optional=[bias])
    _need_weight(what, dims, weight, "O,C/groups")
    if not is_batch(what, input, dims):
        return _conv(dims, input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    same_dtype(what, input, weight, bias)
    how = _moves(what, dims, stride, 0 if isinstance(padding, str) else padding, dilation, groups)
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise LenetcError(f"{what}: invalid padding string {padding!r}; use 'same', 'valid' or numbers").at(
            here()
        )
    if padding == "same":
        if max(how["stride"]) > 1:
            raise LenetcError(f"{what}: padding='same' is not supported for strided convolutions").at(here())
        sides = same_padding([int(size) for size in weight.shape[2:]], how["dilation"])
        how["padding"] = tuple(before for before, _ in sides)
        if any(before != after for before, after in sides):
            input = pad(input, [n for before, after in reversed(sides) for n in (0, after - before)])
    if input.shape[1] != weight.shape[1] * how["groups"] or weight.shape[0] % how["groups"]:
        raise ShapeError(
            f"{what}: weight {weight.type_text()} with groups={groups} expects an input with "
            f"{weight.shape[1] * how['groups']} channels "
            + (f"and a multiple of {groups} output channels, " if groups > 1 else "")
            + f"but the input is {input.type_text()}"
        ).at(here())
    operands = (input, weight) if bias is None else (input, weight, bias)
    return apply(
        "ConvolutionBackward0",
        lambda *nodes: _convolved(dims, how, *nodes),
        *operands,
        edges=(input, weight, bias),
    )


def _convolved(dims: int, how: dict[str, Any], x: Node, w: Node, *bias: Node) -> Node:
    """The convolution over `dims` axes of x[N,C,...] with w[O,C/groups,...]."""
    if x.dtype.kind == "int":
        return integers.convolved(how, x, w, *bias)
    if dims == 3:
        return _through_depth(how, x, w, *bias)
    if dims == 2:
        return ops.conv2d(x, w, *bias, **how)
    return as_line(ops.conv2d(as_image(x), as_image(w), *bias, **image_attributes(how, 1)))


def _through_depth(how: dict[str, Any], x: Node, w: Node, *bias: Node) -> Node:
    """A convolution of volumes as one of images: what the kernel sees in the depth becomes channels, and the planes
    of the result a part of the batch."""
    (depth, *_), groups = w.shape[2:], how["groups"]
    moves = {key: how[key][1:] for key in ("stride", "padding", "dilation")}
    (stride, _, _), (side, _, _), (apart, _, _) = how["stride"], how["padding"], how["dilation"]
    planes = ops.transpose(padded(x, 2, side, side), perm=(0, 2, 1, 3, 4))
    n, size, channels, *image = planes.shape
    if isinstance(size, int) and size < apart * (int(depth) - 1) + 1:
        raise ShapeError(f"conv3d: a kernel of depth {depth} and dilation {apart} does not fit into {x.type}")
    grouped = ops.reshape(planes, shape=(n, size, groups, channels // groups, *image))
    seen = windows(grouped, 1, int(depth), stride=stride, dilation=apart, at=3)
    stacked = ops.reshape(seen, shape=(n * seen.shape[1], int(depth) * channels, *image))
    kernel = ops.reshape(
        ops.transpose(w, perm=(0, 2, 1, 3, 4)), shape=(w.shape[0], depth * w.shape[1], *w.shape[3:])
    )
    y = ops.conv2d(stacked, kernel, *bias, **moves, groups=groups)
    return ops.transpose(ops.reshape(y, shape=(n, seen.shape[1], *y.shape[1:])), perm=(0, 2, 1, 3, 4))


@autocasts
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """input[N,C,L], or [C,L], with weight[O,C/groups,K] and bias[O] -> [N,O,OL]; as conv2d
    (torch.nn.functional.conv1d)."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """input[N,C,H,W], or [C,H,W], with weight[O,C/groups,KH,KW] and bias[O] -> [N,O,OH,OW].

    padding: zeros on both sides of height and width; or "valid" for none; or "same" to keep the size, which
    needs stride 1. Source: torch.nn.functional.conv2d.
    Raises ShapeError and DTypeError naming both types.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """input[N,C,D,H,W], or [C,D,H,W], with weight[O,C/groups,KD,KH,KW] and bias[O] -> [N,O,OD,OH,OW]; as conv2d
    (torch.nn.functional.conv3d)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    what = f"conv_transpose{dims}d"
    require_tensors(what, input, weight, optional=[bias])
    _need_weight(what, dims, weight, "C,O/groups")
    if not is_batch(what, input, dims):
        batch = input.unsqueeze(0)
        return _conv_transpose(
            dims, batch, weight, bias, stride, padding, output_padding, groups, dilation
        ).squeeze(0)
    same_dtype(what, input, weight, bias)
    how = _moves(what, dims, stride, padding, dilation, groups)
    more = spread(output_padding, dims, "output_padding")
    if min(more) < 0:
        raise LenetcError(f"{what}: negative output_padding {output_padding} is not supported").at(here())
    if any(m >= max(s, d) for m, s, d in zip(more, how["stride"], how["dilation"], strict=True)):
        raise LenetcError(
            f"{what}: output padding must be smaller than either stride or dilation, but got "
            f"output_padding={more}, stride={how['stride']}, dilation={how['dilation']}"
        ).at(here())
    if input.shape[1] != weight.shape[0] or weight.shape[0] % how["groups"]:
        raise ShapeError(
            f"{what}: weight {weight.type_text()} expects an input with {weight.shape[0]} channels, which "
            f"groups={groups} divide, but the input is {input.type_text()}"
        ).at(here())
    outputs = weight.shape[1] * how["groups"]
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise ShapeError(
            f"{what}: bias {bias.type_text()} does not fit weight {weight.type_text()}; it needs shape [{outputs}]"
        ).at(here())
    if 0 in input.shape[2:]:
        raise ShapeError(f"{what}: of the sizes of {input.type_text()} only the batch's may be 0").at(here())

    def build(x: Node, w: Node, *bias: Node) -> Node:
        y = _transposed(dims, how, more, x, w)
        return y + ops.reshape(bias[0], shape=(outputs, *(1,) * dims)) if bias else y

    operands = (input, weight) if bias is None else (input, weight, bias)
    return apply("ConvolutionBackward0", build, *operands, edges=(input, weight, bias))


def _transposed(dims: int, how: dict[str, Any], more: tuple[int, ...], x: Node, w: Node) -> Node:
    """The transpose of a convolution with w, of x[N,C,...], `more` at the end of each axis."""
    axes = zip(x.shape[2:], w.shape[2:], how["stride"], how["dilation"], strict=True)
    full = [(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in axes]
    sizes = [n - 2 * p + m for n, p, m in zip(full, how["padding"], more, strict=True)]
    if any(isinstance(size, int) and size < 1 for size in sizes):
        raise ShapeError(
            f"conv_transpose{dims}d: of {x.type}, weight {w.type} and padding {how['padding']} nothing is left: the "
            f"output would have sizes {sizes}"
        )
    if x.dtype.kind == "int":
        return integers.transposed(how, sizes, x, w)
    if all(m < s for m, s in zip(more, how["stride"], strict=True)):
        return _unconvolved(dims, how, sizes, x, w)
    # No convolution moves by so little that it would miss as much: cut the whole, or add to it.
    whole = {**how, "padding": (0,) * dims}
    y = _unconvolved(dims, whole, full, x, w)
    for axis, (n, p, size) in enumerate(zip(full, how["padding"], sizes, strict=True), 2):
        y = padded(y, axis, 0, max(int(p + size - n), 0))
        y = part(y, axis, p, p + size)
    return y


def _unconvolved(dims: int, how: dict[str, Any], sizes: Sequence[Dim], y: Node, w: Node) -> Node:
    """What a convolution with w gives its input of `sizes` for a gradient y."""
    if dims == 1:
        x = ops.conv2d_input_grad(as_image(y), as_image(w), size=(1, *sizes), **image_attributes(how, 1))
        return as_line(x)
    if dims == 2:
        return ops.conv2d_input_grad(y, w, size=tuple(sizes), **how)
    shape = (y.shape[0], w.shape[1] * how["groups"], *sizes)
    x = ops.broadcast_to(ops.scalar(0, y.dtype), shape=shape)
    (found,) = gradients([(_through_depth(how, x, w), y)], [x])
    assert found is not None
    return found


@autocasts
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """input[N,C,L], or [C,L], with weight[C,O/groups,K] and bias[O] -> [N,O,OL]; as conv_transpose2d
    (torch.nn.functional.conv_transpose1d)."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """input[N,C,H,W], or [C,H,W], with weight[C,O/groups,KH,KW] and bias[O] -> [N,O,OH,OW]: what a convolution with
    this weight gives its input as a gradient.

    output_padding: by how much the output is longer than needed, less than stride or dilation. Raises ShapeError and
    DTypeError naming both types, LenetcError for an output padding that is too large.
    Source: torch.nn.functional.conv_transpose2d.
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """input[N,C,D,H,W], or [C,D,H,W], with weight[C,O/groups,KD,KH,KW] and bias[O] -> [N,O,OD,OH,OW]; as
    conv_transpose2d (torch.nn.functional.conv_transpose3d)."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
