"""Fusion: towards what the runtime computes in one kernel.

Each ONNX node costs about 1.5 µs before it computes anything, so that at small batches fewer nodes are
faster. Convolution with bias is joined in `simplify`; the runtime itself fuses Conv and Relu.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from ir import ops
from ir.dims import Dim, linear
from ir.dims import product as product_of
from ir.node import Graph, Node
from ir.types import f32, f64, i32
from passes.kernels import channels, cuda, lanes, long_sums, operands, web
from passes.kernels.exact import exact
from passes.kernels.gemm import factor_into_all, factor_of, product_of_matrices
from passes.kernels.integer_sums import exact_sum
from passes.kernels.pack import pack
from passes.rewrite import simplify
from passes.rewrite.driver import rewrite, used_once
from passes.rewrite.match import (
    ELEMENTWISE,
    Rules,
    joint_shape,
    number,
    reshaped,
)
from passes.strategies.finite import choice
from passes.target import Target

RULES = Rules()
WITH_CHOICES = Rules()  # for the CPU, of what may choose by values
FEW_THREADS = Rules()  # for less than _THREADS
INTEGERS = Rules()  # for where there are integers of 64 bits, and doubles
_THREADS = 4
_FEW_ROWS = 4
_FEW_CLASSES = 128  # rows that a product with zeros and ones adds into faster than one by one
_SMALL = 8192  # elements that are added one by one in the time of some operators
_MANY_ROWS = 4096  # which a model file has no ones for
_LARGEST_I32 = 2**31 - 1


def fuse(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` over the runtime's kernels, simplified again after the strategies; formulas for what they compute
    inexactly; for CUDA over the kernels that there are. Notes count the rules."""
    fired: Counter[str] = Counter()
    rules = Rules((*simplify.RULES, *RULES))
    if target.operators != "web":
        rules += INTEGERS
    if target.device == "cpu":
        rules += WITH_CHOICES if target.operators != "web" else ()
        rules += FEW_THREADS if target.threads < _THREADS else ()
    if target.lanes:
        rules += lanes.RULES
    fused = factor_into_all(simplify.to_rest(graph, rules, fired), fired)
    if target.device == "cpu" and target.operators != "web":
        fused = rewrite(fused, channels.RULES, fired)
    fused = exact(fused, target, fired)
    if target.device == "cuda":  # where packing does not pay: parts of different sizes are a slice each
        legal = rewrite(fused, cuda.RULES, fired)
        return legal, simplify.counts(fired)
    packed, count = pack(fused)
    on_web = target.operators == "web"
    packed = rewrite(packed, web.RULES, fired) if on_web else operands.arranged(packed, fired)
    return packed, simplify.counts(fired) + ([f"pack x{count}"] if count else [])


@RULES.on("matmul", "gemm")
def gemm_takes_transpose(node: Node) -> Node | None:
    """matmul(transpose(x), y) => gemm(x, y, trans_a=True); so for the second operand"""
    gemm = product_of_matrices(node)
    if gemm is None or not any(x.op is ops.transpose for x in (gemm.a, gemm.b)):
        return None
    turned_a, turned_b = gemm.turned
    if gemm.a.op is ops.transpose:
        gemm.a, turned_a = gemm.a.inputs[0], not turned_a
    if gemm.b.op is ops.transpose:
        gemm.b, turned_b = gemm.b.inputs[0], not turned_b
    gemm.turned = (turned_a, turned_b)
    return gemm.built()


@RULES.on("matmul", "gemm")
def gemm_turns_vector(node: Node) -> Node | None:
    """gemm(x, reshape(y, [K,1]), trans_b=True) => gemm(x, reshape(y, [1,K])); so for the first operand

    A reshape goes where one of the two shapes is that of y, or is there already.
    """
    gemm = product_of_matrices(node)
    if gemm is None:
        return None
    operands, turned = [gemm.a, gemm.b], list(gemm.turned)
    for i, x in enumerate(operands):
        if x.op is ops.reshape and 1 in x.shape:
            source, shape = x.inputs[0], x.shape[::-1]
            if turned[i] or source.shape == shape:
                operands[i], turned[i] = reshaped(source, shape), not turned[i]
    if turned == list(gemm.turned):
        return None
    (gemm.a, gemm.b), gemm.turned = operands, (turned[0], turned[1])
    return gemm.built()


@RULES.on("matmul", "gemm")
def gemm_takes_factor(node: Node) -> Node | None:
    """matmul(mul(x, 2), y) => gemm(x, y, alpha=2); so for neg, and for the second operand"""
    gemm = product_of_matrices(node)
    if gemm is None:
        return None
    for key in ("a", "b"):
        x = getattr(gemm, key)
        found = factor_of(x)
        if found is not None and used_once(x):
            setattr(gemm, key, found[0])
            gemm.alpha *= found[1]
            return gemm.built()
    return None


@RULES.on("transpose")
def transpose_of_gemm(node: Node) -> Node | None:
    """transpose(matmul(x, y)) => gemm(y, x, trans_a=True, trans_b=True)"""
    gemm = product_of_matrices(node.inputs[0])
    if gemm is None or gemm.c is not None or not used_once(node.inputs[0]):
        return None
    gemm.a, gemm.b = gemm.b, gemm.a
    gemm.turned = (not gemm.turned[1], not gemm.turned[0])
    return gemm.built()


@RULES.on("mul", "neg")
def factor_into_gemm(node: Node) -> Node | None:
    """mul(matmul(x, y), 2) => gemm(x, y, alpha=2); so for neg, and where the product is reshaped"""
    found = factor_of(node)
    if found is None or not used_once(found[0]):
        return None
    product = found[0].inputs[0] if found[0].op is ops.reshape else found[0]
    gemm = product_of_matrices(product)
    if gemm is None or not used_once(product):
        return None
    gemm.alpha *= found[1]
    if gemm.c is not None and gemm.c.rank == 1 and (factor := number(found[1], gemm.c)) is not None:
        gemm.c = gemm.c * factor  # another beta than 1 is a pass over the product
    else:
        gemm.beta *= found[1]
    built = gemm.built()
    return None if built is None else reshaped(built, node.shape)


@RULES.on("mul")
def product_takes_factor(node: Node) -> Node | None:
    """mul(matmul(x, y), mul(z, 2)) => mul(gemm(x, y, alpha=2), z); so where the product is reshaped"""
    for g, x in (node.inputs, node.inputs[::-1]):
        found = factor_of(x)
        if found is None or not used_once(x) or not used_once(g) or g.shape != node.shape:
            continue
        product = g.inputs[0] if g.op is ops.reshape else g
        gemm = product_of_matrices(product)
        if gemm is None or not used_once(product):
            continue
        gemm.alpha *= found[1]
        gemm.beta *= found[1]
        built = gemm.built()
        return None if built is None else reshaped(built, g.shape) * found[0]
    return None


@RULES.on("add", "sub")
def gemm_takes_bias(node: Node) -> Node | None:
    """add(matmul(x, y), c) => gemm(x, y, c); so for sub, and a factor of c becomes beta"""
    for i, product in enumerate(node.inputs):
        gemm = product_of_matrices(product)
        if gemm is None or gemm.c is not None or not used_once(product) or product.type != node.type:
            continue
        c, signs = node.inputs[1 - i], (1.0, -1.0 if node.op is ops.sub else 1.0)
        found = factor_of(c) if used_once(c) else None
        gemm.c, factor = (c, 1.0) if found is None else found
        if gemm.c.rank > 2 or joint_shape(gemm.c, node) != node.shape:
            continue
        gemm.alpha *= signs[i]
        gemm.beta = factor * signs[1 - i]
        return gemm.built()
    return None


@RULES.on("add", "sub")
def reshaped_gemm_takes_bias(node: Node) -> Node | None:
    """add(reshape(matmul(x, y)), mul(c, 0.9)) => reshape(gemm(x, y, reshape(c), beta=0.9)): momentum of a convolution's
    weights, and of a bias, which stays a row"""
    for i, outer in enumerate(node.inputs):
        gemm = product_of_matrices(outer.inputs[0]) if outer.op is ops.reshape else None
        found = factor_of(node.inputs[1 - i]) if used_once(node.inputs[1 - i]) else None
        if gemm is None or found is None or gemm.c is not None or outer.type != node.type:
            continue
        product = outer.inputs[0]
        if not (used_once(outer) and used_once(product)) or found[0].type != node.type:
            continue
        signs = (1.0, -1.0 if node.op is ops.sub else 1.0)
        gemm.alpha *= signs[i]
        row = found[0].rank == 1 and joint_shape(found[0], product) == product.shape
        gemm.c = found[0] if row else reshaped(found[0], product.shape)
        gemm.beta = found[1] * signs[1 - i]
        built = gemm.built()
        return None if built is None else reshaped(built, node.shape)
    return None


@RULES.on("add", "sub")
def put_into_sum(node: Node) -> Node | None:
    """add(put_along_axis(u, i), y) => scatter(y, i, u, "add"); of sub(put_along_axis(u, i), mul(x, y)) the smaller of x
    and y changes its sign"""
    for put, y in (node.inputs, node.inputs[::-1]):
        if put.op is not ops.put_along_axis or not used_once(put) or y.type != node.type:
            continue
        indices, updates = put.inputs[1], put.inputs[0]
        if node.op is ops.sub and put is node.inputs[1]:
            updates = ops.neg(updates)
        elif node.op is ops.sub:
            y = _negative(y)
        if put.type == node.type:
            return ops.scatter(y, indices, updates, axis=put.attrs["axis"], reduction="add")
    return None


@WITH_CHOICES.on("scatter_add")
def scatter_by_product(node: Node) -> Node | None:
    """scatter_add(x[N,D], i[N]) => matmul(cast(equal(i, iota)), x), where all is finite: into few rows zeros and ones
    add up three times as fast"""
    x, indices = node.inputs
    size, number = node.attrs["size"], indices.ty.size
    width = product_of(x.shape[indices.rank :])
    if node.attrs["axis"] or x.dtype is not f32 or not isinstance(width, int) or not isinstance(size, int):
        return None
    if size > _FEW_CLASSES or (isinstance(number, int) and number * width < _SMALL):
        return None
    if any(not isinstance(dim, int) and linear(dim) is None for dim in (*x.shape, *indices.shape)):
        return None  # a size such as N*T, of which the bodies of the choice could not work out N and T
    narrow = ops.cast(indices, dtype=i32)
    rows, classes = ops.reshape(narrow, shape=(1, number)), ops.iota(size=size, dtype=i32)
    mine = ops.cast(ops.equal(rows, ops.reshape(classes, shape=(size, 1))), dtype=f32)
    product = mine @ reshaped(x, (number, width))
    # One number that is not finite would be NaN in all rows: zero times it is.
    one_by_one = reshaped(_one_by_one(node, x, narrow, width), product.shape)
    chosen = choice([product], [x, narrow, product], [product], [one_by_one])
    return reshaped(ops.get(chosen, index=0), node.shape)


@FEW_THREADS.on("scatter_add")
def scatter_of_elements(node: Node) -> Node | None:
    """scatter_add(x[N,D], i[N]) => put_along_axis(x[N*D], i * D + iota(D)): one axis and narrow indices are a third of
    the kernel's time on one thread, half of it on two; but only columns are shared among threads"""
    x, indices = node.inputs
    width = product_of(x.shape[indices.rank :])
    if node.attrs["axis"] or not isinstance(width, int) or not isinstance(node.ty.size, int):
        return None
    if not width > 1 or node.ty.size > _LARGEST_I32:
        return None
    return _one_by_one(node, x, ops.cast(indices, dtype=i32), width)


def _one_by_one(node: Node, x: Node, indices: Node, width: int) -> Node:
    """The scatter_add `node` of x, whose rows have `width` elements, element by element."""
    rows = ops.reshape(indices, shape=(indices.ty.size, 1))
    places = ops.reshape(rows * width + ops.iota(size=width, dtype=i32), shape=(x.ty.size,))
    flat = ops.reshape(x, shape=(x.ty.size,))
    return ops.reshape(ops.put_along_axis(flat, places, axis=0, size=node.ty.size), shape=node.shape)


def _negative(x: Node) -> Node:
    """-x, of a product by that of its smaller factor."""
    if x.op is ops.mul and used_once(x):
        large, small = x.inputs
        return large * ops.neg(small) if small.type != x.type else ops.neg(large) * small
    return ops.neg(x)


@RULES.on("sum")
def sum_of_rows(node: Node) -> Node | None:
    """sum(x, axes=(0,)) => matmul(1, x): the runtime adds up along leading axes many times slower; so for both steps of
    a long one"""
    x, axes = node.inputs[0], node.attrs["axes"]
    if axes != tuple(range(len(axes))) or not 0 < len(axes) < x.rank or x.dtype is not f32:
        return None
    number, width = product_of(x.shape[: len(axes)]), product_of(x.shape[len(axes) :])
    if isinstance(number, int) and number < _FEW_ROWS:
        return None
    rows = reshaped(x, (number, width))
    if long_sums.is_long(number):
        rows = long_sums.in_parts(rows, 0)
        number, part = rows.shape[:2]
        rows = ops.reshape(_ones(part) @ rows, shape=(number, width))
    return ops.reshape(_ones(number) @ rows, shape=node.shape)


@RULES.on("sum")
def sum_of_weighted(node: Node) -> Node | None:
    """sum(mul(mul(x, w[C]), y), axes=(-1,)) => matmul(mul(x, y), w); so for mul(x, w) alone: the gradient of a layer
    that is normalized and has weights needs x * y for these as well"""
    x = node.inputs[0]
    if node.attrs["axes"] != (x.rank - 1,) or x.rank < 2 or x.dtype is not f32 or x.op is not ops.mul:
        return None
    found = _weighted(x)
    if found is None:
        for inner, y in (x.inputs, x.inputs[::-1]):
            found = _weighted(inner) if inner.shape == y.shape == x.shape else None
            if found is not None:
                found = found[0] * y, found[1]
                break
    if found is None:
        return None
    rows, weights = found
    return reshaped(rows @ ops.reshape(weights, shape=(x.shape[-1], 1)), node.shape)


def _weighted(x: Node) -> tuple[Node, Node] | None:
    """(y, w[C]) where x is y[*,C] times one weight for each place of the last axis."""
    if x.op is ops.mul:
        for y, w in (x.inputs, x.inputs[::-1]):
            if y.shape == x.shape and w.shape == x.shape[-1:]:
                return y, w
    return None


def _ones(number: Dim) -> Node:
    """[1,number], which many sums of a step share."""
    if isinstance(number, int) and number <= _MANY_ROWS:
        return ops.literal(np.ones((1, number), np.float32))
    return ops.broadcast_to(ops.scalar(1, f32), shape=(1, number))


@INTEGERS.on("sum")
def sum_of_integers(node: Node) -> Node | None:
    """sum(x: i64) => cast(sum(cast(low bits, f64))) + cast(sum(cast(high bits, f64))) * 2^k: runtimes add doubles"""
    return exact_sum(node)


@RULES.on(*ELEMENTWISE)
def drop_outer_ones(node: Node) -> Node | None:
    """add(reshape(x, [1,K]), y[N,K]) => add(x[K], y): broadcasting adds the leading axes

    Of two such operands one may have to keep them for both.
    """
    inner = [
        x.inputs[0]
        if x.op is ops.reshape and x.shape == (1,) * (x.rank - x.inputs[0].rank) + x.inputs[0].shape
        else x
        for x in node.inputs
    ]
    changed = [i for i, (x, y) in enumerate(zip(inner, node.inputs, strict=True)) if x is not y]
    for dropped in (changed, *([i] for i in changed)):
        operands = [inner[i] if i in dropped else x for i, x in enumerate(node.inputs)]
        if dropped and joint_shape(*operands) == node.shape:
            return node.op(*operands, **node.attrs)
    return None


@RULES.on("mul")
def bell_as_quotient(node: Node) -> Node | None:
    """mul(x, exp(neg(mul(x, x)))) => div(x, exp(mul(x, x))): where that overflows, the result is as good as zero"""
    for x, bell in (node.inputs, node.inputs[::-1]):
        square = bell.inputs[0].inputs[0] if bell.op is ops.exp and bell.inputs[0].op is ops.neg else None
        if square is not None and square.op is ops.mul and square.inputs == (x, x) and used_once(bell):
            return x / ops.exp(square) if x.dtype in (f32, f64) else None
    return None


@RULES.on("scan")
def pack_body(node: Node) -> Node | None:
    """scan(body) => scan(body with the arithmetic on small carries packed)"""
    body, count = pack(node.attrs["body"])
    return ops.scan(*node.inputs, **{**node.attrs, "body": body}) if count else None
