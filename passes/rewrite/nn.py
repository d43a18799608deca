"""Rules for reductions, matrix products, convolution and pooling."""

from __future__ import annotations

from collections import Counter

from ir import ops
from ir.dims import product
from ir.node import Graph, Node, building_at, users
from ir.op import OPS
from passes.autodiff.means import narrowed, widened
from passes.autodiff.standardize import per_channel, standardized
from passes.rewrite.algebra import rescaled, scaled
from passes.rewrite.driver import used_once
from passes.rewrite.match import Rules, at_most, either, number, reshaped, with_shape

RULES = Rules()


@RULES.on("sum", "reduce_max")
def drop_reduction(node: Node) -> Node | None:
    """sum(x, axes) => reshape(x), where the axes have size 1; with keepdims such axes are not summed over"""
    x, axes = node.inputs[0], node.attrs["axes"]
    kept = tuple(axis for axis in axes if x.shape[axis] != 1)
    if not kept:
        return reshaped(x, node.shape)
    # Without keepdims they save a reshape.
    return node.op(x, axes=kept, keepdims=True) if kept != axes and node.attrs["keepdims"] else None


@RULES.on("sum", "reduce_max")
def merge_reductions(node: Node) -> Node | None:
    """sum(sum(x)) => sum(x) over the axes of both"""
    inner, axes = node.inputs[0], node.attrs["axes"]
    if inner.op is not node.op or not used_once(inner):
        return None
    x, first = inner.inputs[0], inner.attrs["axes"]
    left = range(x.rank) if inner.attrs["keepdims"] else [axis for axis in range(x.rank) if axis not in first]
    merged = tuple(sorted({*first, *(left[axis] for axis in axes)}))
    return reshaped(node.op(x, axes=merged, keepdims=node.attrs["keepdims"]), node.shape)


@RULES.on("reshape")
def reshape_reduction(node: Node) -> Node | None:
    """reshape(sum(x, axes)) => sum(x, axes, keepdims=True), where that has the shape; or without keepdims, over
    axes of size 1 as well
    """
    inner = node.inputs[0]
    if inner.op not in (ops.sum, ops.reduce_max) or not used_once(inner):
        return None
    x, axes = inner.inputs[0], inner.attrs["axes"]
    flat = tuple(axis for axis, size in enumerate(x.shape) if axis in axes or size == 1)
    others = (
        inner.op(x, axes=axes, keepdims=not inner.attrs["keepdims"]),
        inner.op(x, axes=flat, keepdims=False),
    )
    return next((other for other in others if other.shape == node.shape), None)


@RULES.on("sum")
def sum_of_broadcast(node: Node) -> Node | None:
    """sum(broadcast_to(x)) => mul(sum(x), count), where `count` equal elements are added up"""
    inner, axes = node.inputs[0], node.attrs["axes"]
    if inner.op is not ops.broadcast_to or node.dtype.name == "bf16":
        return None
    x = inner.inputs[0]
    x = reshaped(x, (1,) * (inner.rank - x.rank) + x.shape)
    spread = [axis for axis in axes if x.shape[axis] == 1 and inner.shape[axis] != 1]
    if not spread:
        return None
    count = product(tuple(inner.shape[axis] for axis in spread))
    if isinstance(count, int):
        factor = number(count, node)
    else:  # which f16 may not hold
        factor = None if node.dtype.name == "f16" else ops.cast(ops.dim(size=count), dtype=node.dtype)
    if factor is None:
        return None
    rest = tuple(axis for axis in axes if axis not in spread)
    total = ops.sum(x, axes=rest, keepdims=True) if rest else x
    shape = tuple(d for i, d in enumerate(total.shape) if node.attrs["keepdims"] or i not in axes)
    return with_shape(reshaped(total, shape) * factor, node.shape)


@RULES.on("sum")
def scale_after_sum(node: Node) -> Node | None:
    """sum(mul(x, 2)) => mul(sum(x), 2); so for neg and div: fewer elements to scale"""
    x = node.inputs[0]
    found = scaled(x)
    if found is None or not used_once(x) or (x.op is ops.div and not x.dtype.is_float):
        return None
    return rescaled(x, ops.sum(found[0], **node.attrs))


@RULES.on("matmul")
def scale_after_matmul(node: Node) -> Node | None:
    """matmul(mul(x, 2), y) => mul(matmul(x, y), 2), where the product is the smaller; so for neg, div"""
    for i, x in enumerate(node.inputs):
        found = scaled(x)
        if found is not None and used_once(x) and at_most(node.ty.size, x.ty.size):
            return rescaled(x, ops.matmul(*(found[0] if j == i else y for j, y in enumerate(node.inputs))))
    return None


@RULES.on("add")
def conv_bias(node: Node) -> Node | None:
    """add(conv2d(x, w), reshape(b, [O,1,1])) => conv2d(x, w, b)"""
    found = either(node, lambda x: x.op is ops.conv2d and len(x.inputs) == 2 and x.shape == node.shape)
    if found is None or not used_once(found[0]):
        return None
    conv, bias = found
    channels = conv.shape[1]
    if bias.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        return None
    return ops.conv2d(*conv.inputs, reshaped(bias, (channels,)), **conv.attrs)


@RULES.on("standardize")
def write_out_standardize(node: Node) -> Node | None:
    """standardize(x, scale) => sub(x, mean) * (scale / sqrt(variance + eps))"""
    x, scale = node.inputs
    parts = standardized(x, node.attrs["eps"])
    return narrowed(parts.centred * (parts.inverse * per_channel(widened(scale), x.rank)), x.dtype)


@RULES.on("standardize_along")
def write_out_standardize_along(node: Node) -> Node | None:
    """standardize_along(x) => sub(x, mean) * (1 / sqrt(variance + eps))"""
    x = node.inputs[0]
    parts = standardized(x, node.attrs["eps"], node.attrs["axes"])
    return narrowed(parts.centred * parts.inverse, x.dtype)


def _channel_factor(g: Node) -> tuple[Node, Node] | None:
    """(x, factor[O]) where `g`[N,O,H,W] is x times one factor for each channel."""
    if g.op is not ops.mul:
        return None
    for x, factor in (g.inputs, g.inputs[::-1]):
        if x.shape == g.shape and factor.shape in ((g.shape[1], 1, 1), (1, g.shape[1], 1, 1)):
            return x, reshaped(factor, (g.shape[1],))
    return None


@RULES.on("conv2d_input_grad")
def factor_into_weight(node: Node) -> Node | None:
    """conv2d_input_grad(mul(g, s), w) => conv2d_input_grad(g, mul(w, s)), s one factor for each output channel"""
    g, w = node.inputs
    found = _channel_factor(g)
    if found is None or not at_most(w.ty.size, g.ty.size):
        return None
    x, factor = found
    return ops.conv2d_input_grad(x, w * reshaped(factor, (factor.shape[0], 1, 1, 1)), **node.attrs)


@RULES.on("conv2d_weight_grad")
def factor_after_weight_grad(node: Node) -> Node | None:
    """conv2d_weight_grad(x, mul(g, s)) => mul(conv2d_weight_grad(x, g), s), s one factor for each output channel"""
    x, g = node.inputs
    found = _channel_factor(g)
    if found is None or not at_most(node.ty.size, g.ty.size):
        return None
    plain, factor = found
    return ops.conv2d_weight_grad(x, plain, **node.attrs) * reshaped(factor, (factor.shape[0], 1, 1, 1))


@RULES.on("sum")
def sum_of_put(node: Node) -> Node | None:
    """sum(put_along_axis(x, i, axis), axes) => sum(x, axes), where the axes hold `axis`"""
    inner = node.inputs[0]
    if inner.op is not ops.put_along_axis or inner.attrs["axis"] not in node.attrs["axes"]:
        return None
    return ops.sum(inner.inputs[0], **node.attrs)


@RULES.on("sum")
def sum_of_pool_grad(node: Node) -> Node | None:
    """sum(max_pool2d_grad(g, x), axes=(0, 2, 3)) => sum(g, axes=(0, 2, 3)): each window pays one element"""
    inner, axes = node.inputs[0], node.attrs["axes"]
    if inner.op is not ops.max_pool2d_grad or not {2, 3} <= set(axes) or any(inner.attrs["padding"]):
        return None
    return ops.sum(inner.inputs[0], **node.attrs)  # a window of padding alone would pay none


@RULES.on("max_pool2d")
def pool_before_relu(node: Node) -> Node | None:
    """max_pool2d(relu(x)) => relu(max_pool2d(x)): relu is monotone, and there is less of it to do"""
    x = node.inputs[0]
    if x.op is not ops.relu or not at_most(node.ty.size, x.ty.size):
        return None
    return ops.relu(ops.max_pool2d(x.inputs[0], **node.attrs))


@RULES.on("relu_grad")
def relu_grad_before_pool_grad(node: Node) -> Node | None:
    """relu_grad(max_pool2d_grad(g, r), r) => max_pool2d_grad(relu_grad(g, p), x)

    where r = relu(x) and p = relu(max_pool2d(x)). A window with a positive element has the same first maximum
    in r and in x, and is paid there on both sides; so has one with NaN. One without pays an element of r that is
    0, where relu_grad takes it away again; on the right it does so for the whole window.
    """
    pool_grad, y = node.inputs
    if pool_grad.op is not ops.max_pool2d_grad or pool_grad.inputs[1] is not y or y.op is not ops.relu:
        return None
    g, x = pool_grad.inputs[0], y.inputs[0]
    if not at_most(g.ty.size, x.ty.size):
        return None
    pooled = ops.relu(ops.max_pool2d(x, **pool_grad.attrs))
    return ops.max_pool2d_grad(ops.relu_grad(g, pooled), x, **pool_grad.attrs)


_POOLS = {ops.max_pool2d: 0, ops.max_pool2d_grad: 1, ops.max_pool2d_pick: 1}  # each with its image's position


def bias_after_pool(graph: Graph, fired: Counter[str]) -> Graph:
    """`graph` with max_pool2d(conv2d(x, w, b)) => max_pool2d(conv2d(x, w)) + b, in bodies of scans too.

    The same for all elements of a window, a bias moves no maximum, and after the pool there is less to add it to.
    Only for a convolution that nothing else reads, so a step over the graph and not a rule of one node.
    """
    if not any(node.op in (ops.scan, *_POOLS) for node in graph.nodes()):
        return graph
    readers = users(graph)
    kept = set(graph.outputs)
    moved = {
        node
        for node in graph.nodes()
        if node.op is ops.conv2d
        and len(node.inputs) == 3
        and node not in kept
        and any(user.op is ops.max_pool2d for user in readers[node])
        and all(user.op in _POOLS and user.inputs.index(node) == _POOLS[user.op] for user in readers[node])
    }
    if not moved and not any(node.op is ops.scan for node in graph.nodes()):
        return graph
    fired["bias_after_pool"] += len(moved)
    new: dict[Node, Node] = {}
    for node in graph.nodes():
        inputs = tuple(new[x] for x in node.inputs)
        attrs = {k: bias_after_pool(v, fired) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
        with building_at(node.where):
            if node in moved:
                new[node] = ops.conv2d(*inputs[:2], **attrs)
                continue
            unchanged = inputs == node.inputs and attrs == node.attrs
            new[node] = node if unchanged else OPS[node.op.name](*inputs, **attrs)
            if node.op is ops.max_pool2d and node.inputs[0] in moved:
                bias = new[node.inputs[0].inputs[2]]
                new[node] = new[node] + reshaped(bias, (bias.shape[0], 1, 1))
    return graph.with_outputs(new[node] for node in graph.outputs)
