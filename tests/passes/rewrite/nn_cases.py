"""Cases of the rules of reductions, matrix products, convolution and pooling."""

from __future__ import annotations

import numpy as np

from ir import Node, ops
from ir.types import f16
from tests.passes.rewrite.cases import by_output, case, count, refused, x, y
from tests.passes.rewriting import N, Rewrites, arg


@case
def drop_reduction() -> Rewrites:
    thin = x(N, 1, 3)
    return [
        (ops.sum(thin, axes=(1,)), ops.reshape(thin, shape=(N, 3))),
        (ops.sum(thin, axes=(0, 1), keepdims=True), ops.sum(thin, axes=(0,), keepdims=True)),
        (ops.sum(y(), axes=()), y()),
        (ops.reduce_max(thin, axes=(1,)), ops.reshape(thin, shape=(N, 3))),
    ]


@case
def merge_reductions() -> Rewrites:
    cube = x(N, 2, 3)
    columns = ops.sum(cube, axes=(0,), keepdims=True)
    return [
        (ops.sum(ops.sum(cube, axes=(1,)), axes=(1,)), ops.sum(cube, axes=(1, 2))),
        (ops.sum(columns, axes=(0, 2)), ops.sum(cube, axes=(0, 2))),
        (ops.reduce_max(ops.reduce_max(cube, axes=(2,)), axes=(0,)), ops.reduce_max(cube, axes=(0, 2))),
    ]


@refused("merge_reductions")
def _() -> object:
    rows = ops.sum(x(), axes=(1,))
    return rows, ops.sum(rows, axes=(0,))


@case
def reshape_reduction() -> Rewrites:
    z = arg("z", 1, N, 3)
    return [
        (ops.reshape(ops.sum(x(), axes=(1,)), shape=(N, 1)), ops.sum(x(), axes=(1,), keepdims=True)),
        (
            ops.reshape(ops.reduce_max(y(), axes=(0,), keepdims=True), shape=(3,)),
            ops.reduce_max(y(), axes=(0,)),
        ),
        (ops.reshape(ops.sum(z, axes=(1,), keepdims=True), shape=(3,)), ops.sum(z, axes=(0, 1))),
    ]


@case
def sum_of_broadcast() -> Rewrites:
    row, narrow = ops.broadcast_to(x(3), shape=(N, 2, 3)), ops.reshape(x(3), shape=(1, 1, 3))
    total = ops.sum(narrow, axes=(2,), keepdims=True)
    return [
        (
            ops.sum(row, axes=(0, 2)),
            ops.broadcast_to(ops.reshape(total, shape=(1,)) * count(N), shape=(2,)),
        ),
        (ops.sum(row, axes=(1,), keepdims=True), ops.broadcast_to(narrow * 2.0, shape=(N, 1, 3))),
        (ops.sum(row, axes=(0, 1, 2)), ops.reshape(total, shape=()) * count(2 * N)),
    ]


@refused("sum_of_broadcast")
def _() -> object:  # f16 may not hold the number of summands
    return ops.sum(ops.broadcast_to(x(3, dtype=f16), shape=(N, 3)), axes=(0,))


@case
def scale_after_sum() -> Rewrites:
    a, e = arg("a"), ops.exp(y())

    def rows(z: Node) -> Node:
        return ops.sum(z, axes=(1,), keepdims=True)

    return [
        (ops.sum(-x(), axes=(0,)), -ops.sum(x(), axes=(0,))),
        (rows(y() * a), rows(y()) * a),
        (rows(e / 3.0), rows(e) / 3.0),
    ]


@case
def scale_after_matmul() -> Rewrites:
    z = arg("z", 3, 1)
    return [((x(2, 3) * 2.0) @ y(3, 2), (x(2, 3) @ y(3, 2)) * 2.0), (x(2, 3) @ -z, -(x(2, 3) @ z))]


@refused("scale_after_matmul")
def _() -> object:  # the product is larger than what is scaled
    return (x(2, 1) * 2.0) @ y(1, 2)


@case
def conv_bias() -> Rewrites:
    image, w, b, c = (
        x(N, 2, 5, 5),
        y(4, 2, 3, 3),
        ops.reshape(arg("b", 4), shape=(4, 1, 1)),
        arg("c", 1, 4, 1, 1),
    )
    how = {"stride": (2, 2)}
    return [
        (ops.conv2d(image, w, **how) + b, ops.conv2d(image, w, ops.reshape(b, shape=(4,)), **how)),
        (c + ops.conv2d(image, w), ops.conv2d(image, w, ops.reshape(c, shape=(4,)))),
    ]


@refused("conv_bias")
def _() -> object:
    return ops.conv2d(x(N, 2, 5, 5), y(4, 2, 3, 3)) + arg("b", N, 4, 1, 1)


@case
def write_out_standardize() -> Rewrites:
    def formula(z: Node, axes: tuple[int, ...], n: Node | float) -> Node:
        centred = z - ops.sum(z, axes=axes, keepdims=True) / n
        variance = ops.sum(centred * centred, axes=axes, keepdims=True) / n
        scale = ops.reshape(y(3), shape=(1, 3, *(1,) * (z.rank - 2)))
        return centred * (1.0 / ops.sqrt(variance + 0.5) * scale)

    images, rows = x(2, 3, 4, 2), arg("a", N + 1, 3)
    return [
        (ops.standardize(images, y(3), eps=0.5), formula(images, (0, 2, 3), 16.0)),
        (ops.standardize(rows, y(3), eps=0.5), formula(rows, (0,), count(N + 1))),
    ]


@case
def write_out_standardize_along() -> Rewrites:
    rows = x(N, 3, 4)
    centred = rows - ops.sum(rows, axes=(1, 2), keepdims=True) / 12.0
    variance = ops.sum(centred * centred, axes=(1, 2), keepdims=True) / 12.0
    return [
        (ops.standardize_along(rows, axes=(1, 2), eps=0.5), centred * (1.0 / ops.sqrt(variance + 0.5))),
    ]


@case
def factor_into_weight() -> Rewrites:
    g, w, s, t = y(N, 4, 3, 3), arg("w", 4, 2, 2, 2), arg("s", 1, 4, 1, 1), arg("t", 4, 1, 1)
    return [
        (
            ops.conv2d_input_grad(g * s, w, size=(4, 4)),
            ops.conv2d_input_grad(g, w * by_output(s), size=(4, 4)),
        ),
        (
            ops.conv2d_input_grad(t * g, w, size=(4, 4)),
            ops.conv2d_input_grad(g, w * by_output(t), size=(4, 4)),
        ),
    ]


@refused("factor_into_weight")
def _() -> object:  # one factor for each pixel; one for each sample
    g, w = y(N, 4, 3, 3), arg("w", 4, 2, 3, 3)
    pixels = ops.conv2d_input_grad(g * arg("s", 3, 3), w, size=(5, 5))
    return pixels, ops.conv2d_input_grad(g * arg("t", N, 1, 1, 1), w, size=(5, 5))


@case
def factor_after_weight_grad() -> Rewrites:
    image, g, s = x(N, 2, 5, 5), y(N, 4, 4, 4), arg("s", 4, 1, 1)
    return [
        (
            ops.conv2d_weight_grad(image, s * g, kernel=(2, 2)),
            ops.conv2d_weight_grad(image, g, kernel=(2, 2)) * by_output(s),
        )
    ]


@refused("factor_after_weight_grad")
def _() -> object:  # the weight is the larger
    return ops.conv2d_weight_grad(x(2, 8, 5, 5), y(2, 4, 1, 1) * arg("s", 4, 1, 1), kernel=(5, 5))


@case
def sum_of_put() -> Rewrites:
    chosen = x(3, 2)
    put = ops.put_along_axis(chosen, ops.literal(np.array([[1, 1], [0, 4], [2, 3]])), axis=1, size=5)
    return [
        (ops.sum(put, axes=(1,)), ops.sum(chosen, axes=(1,))),
        (ops.sum(put, axes=(0, 1), keepdims=True), ops.sum(chosen, axes=(0, 1), keepdims=True)),
    ]


@refused("sum_of_put")
def _() -> object:  # the other axis
    places = ops.literal(np.array([[1, 1], [0, 4], [2, 3]]))
    return ops.sum(ops.put_along_axis(x(3, 2), places, axis=1, size=5), axes=(0,))


@case
def sum_of_pool_grad() -> Rewrites:
    g = y(N, 2, 3, 3)
    pooled = ops.max_pool2d_grad(g, x(N, 2, 6, 6), kernel=(2, 2), stride=(2, 2))
    return [(ops.sum(pooled, axes=(0, 2, 3)), ops.sum(g, axes=(0, 2, 3)))]


@refused("sum_of_pool_grad")
def _() -> object:
    """Of the rows of the image, not all."""
    pooled = ops.max_pool2d_grad(y(N, 2, 3, 3), x(N, 2, 6, 6), kernel=(2, 2), stride=(2, 2))
    return ops.sum(pooled, axes=(2,))


@refused("sum_of_pool_grad")
def _() -> object:
    """A window may be padding alone."""
    g, image = y(N, 2, 4, 4), x(N, 2, 6, 6)
    pooled = ops.max_pool2d_grad(g, image, kernel=(2, 2), stride=(2, 2), padding=(1, 1))
    return ops.sum(pooled, axes=(0, 2, 3))


@case
def pool_before_relu() -> Rewrites:
    image = x(N, 2, 5, 6)
    how = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True}
    return [(ops.max_pool2d(ops.relu(image), **how), ops.relu(ops.max_pool2d(image, **how)))]


@case
def relu_grad_before_pool_grad() -> Rewrites:
    image, g, how = x(N, 2, 6, 6), y(N, 2, 3, 3), {"kernel": (2, 2), "stride": (2, 2)}
    r = ops.relu(image)
    kept = ops.relu_grad(g, ops.relu(ops.max_pool2d(image, **how)))
    return [(ops.relu_grad(ops.max_pool2d_grad(g, r, **how), r), ops.max_pool2d_grad(kept, image, **how))]
