"""Small graphs that measure one price each: a strategy alone, what several share, a change of layout.

Operands are inputs of the graph, stored as the strategy finds them in a whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ir import ops
from ir.dims import Dim, Poly, evaluate
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import DType, Type, f32
from passes.layouts.assignment import HEAVY
from passes.layouts.batch_last import PIXEL, Block, Stored, store, swap
from passes.layouts.lowering import Expand, steering
from passes.layouts.windows import Windows, windows_of

# What batch-last ops make of an image first, to share it.
Make = Callable[[Stored, Windows, Block], Sequence[Node]]


def numeric(node: Node, sizes: Mapping[str, Dim]) -> Node:
    """`node` on inputs x0, x1, ... of its own, with numbers for symbolic dims."""
    leaves = [
        leaf(f"x{i}", x.ty.with_shape(tuple(evaluate(d, sizes) for d in x.shape)))
        for i, x in enumerate(node.inputs)
    ]
    return node.op(*leaves, **{key: _number(value, sizes) for key, value in node.attrs.items()})


def _number(value: object, sizes: Mapping[str, Dim]) -> object:
    if isinstance(value, tuple):
        return tuple(_number(item, sizes) for item in value)
    return evaluate(value, sizes) if isinstance(value, Poly) else value


def what(node: Node) -> str:
    """What a price of the numeric `node` depends on, in a line."""
    operands = ", ".join(str(x.type) for x in node.inputs)
    kept = {key: value for key, value in node.attrs.items() if value != node.op.attributes[key]}
    return " ".join([operands, *(f"{key}={value}".replace(" ", "") for key, value in kept.items())])


def in_blocks(block: Block) -> str:
    """How keys tell blocks."""
    return "" if block == PIXEL else f" in {block[0]}x{block[1]}"


def _stored(x: Node, block: Block) -> Stored:
    """An input that holds a value of the type of `x` batch-last."""
    shape = store(x.shape, x, block).node.shape
    return Stored(x.shape, leaf(x.attrs["name"], Type(x.dtype, shape)), block)


def _steers(node: Node, position: int) -> bool:
    """Whether an operand is stored in the blocks in which `node` works."""
    tied = node.op is ops.max_pool2d_grad and position == 1
    return tied or node.inputs[position] is steering(node)


def batch_first(node: Node, expand: Expand) -> Graph:
    """A strategy that works batch-first, alone. `node` is numeric."""
    return _graph(node.inputs, [expand(node, *node.inputs)])


def batch_last(node: Node, expand: Expand, block: Block) -> Graph:
    """A strategy that works batch-last, alone: its steering image in blocks, others in single pixels."""
    batched = HEAVY[node.op.name]
    operands = [
        _stored(x, block if _steers(node, i) else PIXEL) if i in batched else x
        for i, x in enumerate(node.inputs)
    ]
    result = expand(node, block if steering(node) is node else PIXEL, *operands)
    leaves = [x.node if isinstance(x, Stored) else x for x in operands]
    return _graph(leaves, [result])


def shared(node: Node, image: int, make: Make, block: Block) -> Graph:
    """What the numeric `node` shares with others that read the operand at position `image`."""
    x = _stored(node.inputs[image], block if _steers(node, image) else PIXEL)
    return _graph([x.node], make(x, windows_of(node), block))


def turned(n: int, rest: int, dtype: DType) -> Graph:
    """Both changes of layout of a value [n, rest...]."""
    a, b = leaf("x0", Type(dtype, (n, rest))), leaf("x1", Type(dtype, (rest, n)))
    return _graph([a, b], [swap(a), swap(b)])


def moved(rows: int, n: int, dtype: DType) -> Graph:
    """`rows` rows of n elements put in another order."""
    x = leaf("x0", Type(dtype, (rows, n)))
    order = np.concatenate([np.arange(0, rows, 2), np.arange(1, rows, 2)])
    return _graph([x], [ops.gather(x, ops.literal(order), axis=0)])


def empty() -> Graph:
    """A graph of one operator that does nothing to speak of: what any run costs."""
    x = leaf("x0", Type(f32, (1,)))
    return _graph([x], [ops.relu(x)])


def _graph(leaves: Sequence[Node], outputs: Sequence[Node | Stored]) -> Graph:
    nodes = [y.node if isinstance(y, Stored) else y for y in outputs]
    return Graph.make("probe", leaves, [(f"y{i}", _unshaped(node)) for i, node in enumerate(nodes)])


def _unshaped(node: Node) -> Node:
    """What is reshaped to `node`: inside of a graph that costs nothing, for an output it is a copy."""
    while node.op is ops.reshape:
        node = node.inputs[0]
    return node
