"""Largest elements of windows, and putting them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ir import ops
from ir.dims import Dim, Poly, product
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import bool_, f32, f64, i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial import integers
from lenetc.nn.functional.spatial.sizes import (
    Sizes,
    image_attributes,
    is_batch,
    over_batch,
    plane_and_depth_attributes,
    spread,
)
from lenetc.operations.autocast import autocasts
from lenetc.tensors.tensor import Tensor, apply, require_tensors

_NAMES = {1: "SqueezeBackward1", 2: "MaxPool2DWithIndicesBackward0", 3: "MaxPool3DWithIndicesBackward0"}


class Maxima(NamedTuple):
    """The largest element of each window, and, where they are asked for, what stands in their places."""

    values: Node
    places: Node | None


def checked_window(what: str, dims: int, how: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a pool, each spread over `dims` axes; the stride is the kernel where it is None or empty, as in
    PyTorch. Raises ValueError for what is out of range, ShapeError for a padding of more than half of the kernel."""
    if how["stride"] is None or (isinstance(how["stride"], (tuple, list)) and not how["stride"]):
        how["stride"] = how["kernel_size"]
    made = {key.removesuffix("_size"): spread(value, dims, key) for key, value in how.items()}
    for name in ("kernel", "stride", "dilation"):
        if name in made and min(made[name]) < 1:
            raise ValueError(f"{what}: {name} must be positive, but it is {made[name]}")
    if min(made["padding"]) < 0:
        raise ValueError(f"{what}: padding must not be negative, but it is {made['padding']}")
    for kernel, padding in zip(made["kernel"], made["padding"], strict=True):
        if 2 * padding > kernel:
            raise ShapeError(
                f"{what}: padding should be at most half of the kernel size, but got padding={made['padding']}, "
                f"kernel_size={made['kernel']}"
            ).at(here())
    return made


def is_whole(x: Tensor, how: dict[str, Any]) -> bool:
    """Whether the one window is all of the last axis, whose size is not known."""
    kernel = how["kernel_size"][0] if isinstance(how["kernel_size"], (tuple, list)) else how["kernel_size"]
    return isinstance(kernel, Poly) and kernel == x.shape[-1] and how["padding"] in (0, (0,), [0])


def need_images(what: str, x: Tensor, dims: int) -> bool:
    """Whether x is a batch, as `is_batch`. Raises ShapeError where there is no channel or no pixel."""
    batched = is_batch(what, x, dims)
    if 0 in x.shape[-dims - 1 :]:
        raise ShapeError(f"{what}: of the sizes of {x.type_text()} only the batch's may be 0").at(here())
    return batched


def maxima(x: Node, places: Node | None, how: dict[str, Any]) -> Maxima:
    """The largest elements of windows over the axes behind x[N,C,...], the first of equal ones, or the last NaN; and
    those of `places`, which has the type of a float x, that stand where they do."""
    dims = x.rank - 2
    if dims == 1 and how["kernel"] == x.shape[2:] and how.get("padding", (0,)) == (0,) and x.dtype.is_float:
        # The whole of each sentence, however long: nothing here is of a fixed size, so that sentences share a program.
        numbers = ops.reshape(ops.iota(size=x.shape[2]), shape=(1, 1, x.shape[2]))
        last_nan = ops.where(ops.is_nan(x), numbers, ops.scalar(-1, i64))
        last_nan = ops.reduce_max(last_nan, axes=(2,), keepdims=True)
        at = ops.where(ops.less(last_nan, 0), ops.argmax(x, axis=2, keepdims=True), last_nan)
        taken = [None if v is None else ops.take_along_axis(v, at, axis=2) for v in (x, places)]
        return _shaped(Maxima(*taken), (*x.shape[:2], 1))  # type: ignore[arg-type]
    if dims < 3:
        image: Sequence[Dim] = (*x.shape[:2], 1, x.shape[2]) if dims == 1 else x.shape
        how = image_attributes(how, dims)
        x, places = ops.reshape(x, shape=image), None if places is None else ops.reshape(places, shape=image)
        if x.dtype.kind == "int":
            y, chosen = integers.first_largest(x, how)
            found = Maxima(y, None if places is None else integers.taken(places, chosen, how))
        else:
            y = ops.max_pool2d(x, **how)
            found = Maxima(y, None if places is None else ops.max_pool2d_pick(places, x, **how))
        return _shaped(found, (*y.shape[:2], *y.shape[4 - dims :]))
    # In the planes first, then among planes: row-major as it was, so that the first of equal maxima is the same one.
    n, c, depth, *plane = x.shape
    planes, through = plane_and_depth_attributes(how)
    flat = _shaped(Maxima(x, places), (n, c * depth, *plane))
    found = maxima(*flat, planes)
    height, width = found.values.shape[2:]
    stacked = _shaped(found, (n, c, depth, height * width))
    found = maxima(*stacked, through)
    return _shaped(found, (n, c, found.values.shape[2], height, width))


def _shaped(found: Maxima, shape: tuple[Any, ...]) -> Maxima:
    values, places = (None if x is None else ops.reshape(x, shape=shape) for x in found)
    assert values is not None
    return Maxima(values, places)


def numbered(x: Node) -> tuple[Node, Node]:
    """x[N,C,...], in a dtype that holds its places, and for each element its place among those of its channel."""
    count = product(x.shape[2:])
    dtype = i64 if x.dtype.kind == "int" else f64 if x.dtype is f64 or int(count) > 1 << 24 else f32
    wide = x if x.dtype is dtype or dtype is i64 else ops.cast(x, dtype=dtype)
    places = ops.literal(
        np.arange(int(count), dtype=dtype.numpy).reshape([int(size) for size in x.shape[2:]])
    )
    return wide, ops.broadcast_to(places, shape=x.shape)


def where_largest(x: Node, how: dict[str, Any]) -> Node:
    """The place, among the elements of its channel, of the largest element of each window of x[N,C,...], as i64."""
    found = maxima(*numbered(x), how)
    assert found.places is not None
    return ops.cast(found.places, dtype=i64)


def _max_pool(dims: int, input: Tensor, ceil_mode: bool, return_indices: bool, **window: Any) -> Any:
    what = f"max_pool{dims}d"
    require_tensors(what, input)
    if dims == 1 and is_whole(input, window):  # of a sentence, however long
        kernel = tuple(input.shape[-1:])
        how: dict[str, Any] = {"kernel": kernel, "stride": kernel}
    else:
        how = {**checked_window(what, dims, window), "ceil_mode": bool(ceil_mode)}
    batched = need_images(what, input, dims)
    if input.dtype is bool_:
        raise DTypeError(f"{what} takes numbers, not {input.type_text()}; use .float()").at(here())
    values = apply(_NAMES[dims], over_batch(lambda x: maxima(x, None, how).values, batched), input)
    if not return_indices:
        return values
    return values, apply("", over_batch(lambda x: where_largest(x, how), batched), input)


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window: [N,C,L], or [C,L] -> [N,C,OL]; as max_pool2d
    (torch.nn.functional.max_pool1d)."""
    return _max_pool(
        1,
        input,
        ceil_mode,
        return_indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window: [N,C,H,W], or [C,H,W] -> [N,C,OH,OW] (torch.nn.functional.max_pool2d).

    stride: the kernel size if None. return_indices: return (values, indices), which are places in each flat image
    H*W, as i64. The gradient goes to the first maximum of a window, row by row. Raises ShapeError where no window
    fits, DTypeError for bools.
    """
    return _max_pool(
        2,
        input,
        ceil_mode,
        return_indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )


@autocasts
def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window: [N,C,D,H,W], or [C,D,H,W] -> [N,C,OD,OH,OW]; as max_pool2d
    (torch.nn.functional.max_pool3d)."""
    return _max_pool(
        3,
        input,
        ceil_mode,
        return_indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )


def _unpooled_sizes(
    what: str, dims: int, input: Tensor, how: dict[str, Any], output_size: Sequence[int] | None
) -> tuple[int, ...]:
    """The sizes that a pool made input's of: `output_size`, where it is given and possible."""
    axes = zip(input.shape[-dims:], how["kernel"], how["stride"], how["padding"], strict=True)
    usual = tuple(int((n - 1) * s + k - 2 * p) for n, k, s, p in axes)
    if output_size is None:
        return usual
    given = tuple(int(size) for size in output_size)
    given = given[2:] if len(given) == dims + 2 else given
    if len(given) != dims:
        raise ValueError(
            f"{what}: output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a "
            f"length of {len(given)}"
        )
    for size, middle, step in zip(given, usual, how["stride"], strict=True):
        if not middle - step < size < middle + step:
            raise ValueError(
                f"{what}: invalid output_size {list(given)}: each size must be nearer to {list(usual)} than the "
                f"stride {list(how['stride'])}"
            )
    return given


def _max_unpool(
    dims: int, input: Tensor, indices: Tensor, output_size: Sequence[int] | None, **window: Any
) -> Tensor:
    what = f"max_unpool{dims}d"
    require_tensors(what, input, indices)
    how = checked_window(what, dims, window)
    batched = need_images(what, input, dims)
    if indices.dtype is not i64:
        raise DTypeError(f"{what}: the indices should be i64, but they are {indices.type_text()}").at(here())
    if indices.shape != input.shape:
        raise ShapeError(
            f"{what}: expected the shape of the indices to be that of the input {input.type_text()}, but they are "
            f"{indices.type_text()}"
        ).at(here())
    sizes = _unpooled_sizes(what, dims, input, how, output_size)
    require_range(what, "index", indices, int(product(sizes)), None, f"an output of {list(sizes)}")

    def build(y: Node, places: Node) -> Node:
        n, c, *rest = y.shape
        flat = (n, c, product(tuple(rest)))
        x = _put(ops.reshape(y, shape=flat), ops.reshape(places, shape=flat), int(product(sizes)))
        return ops.reshape(x, shape=(n, c, *sizes))

    name = f"MaxUnpool{max(dims, 2)}DBackward0"
    return apply(name, over_batch(build, batched), input, indices, edges=(input,))


def _put(y: Node, places: Node, size: int) -> Node:
    """y[N,C,L] put into zeros [N,C,size] where `places` say; of several for one place the last. The gradient goes to
    each of them, as in PyTorch."""
    zeros = ops.broadcast_to(ops.scalar(0, y.dtype), shape=(*y.shape[:2], size))
    added = ops.put_along_axis(y, places, axis=2, size=size)
    return ops.with_gradient(ops.scatter(zeros, places, y, axis=2), added)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """[N,C,L], or [C,L], put into zeros; as max_unpool2d (torch.nn.functional.max_unpool1d)."""
    return _max_unpool(
        1, input, indices, output_size, kernel_size=kernel_size, stride=stride, padding=padding
    )


@autocasts
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """input[N,C,OH,OW], or [C,OH,OW], put into zeros [N,C,H,W] where the indices of max_pool2d say
    (torch.nn.functional.max_unpool2d).

    output_size: height and width, or all sizes, where several images have such a pool. Of elements for one place the
    last one stays, and all get its gradient. Raises ShapeError, DTypeError for indices that are not i64, and
    LabelError, an IndexError, for one that is out of range.
    """
    return _max_unpool(
        2, input, indices, output_size, kernel_size=kernel_size, stride=stride, padding=padding
    )


@autocasts
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """[N,C,OD,OH,OW], or [C,OD,OH,OW], put into zeros; as max_unpool2d (torch.nn.functional.max_unpool3d)."""
    return _max_unpool(
        3, input, indices, output_size, kernel_size=kernel_size, stride=stride, padding=padding
    )
