"""Operands in the form that the runtime's kernels for the CPU are fast with: last of all rules, as those of
`passes.rewrite` undo some of them.

A product of many matrices takes either operand's last two axes exchanged for nothing (MatmulTransposeFusion), while a
Transpose that takes rows apart is three times as slow as one that moves them. What broadcasts goes along the last axis,
so that for a column and a scalar there is a call for each number, 20 ns of it.
"""

from __future__ import annotations

from collections import Counter

from ir import ops
from ir.dims import product as product_of
from ir.node import Graph, Node
from passes.rewrite.driver import rewrite, used_once
from passes.rewrite.match import ARITHMETIC, COMPARISONS, Rules, is_const

OF_RESULTS = Rules()  # before the others, which put a reshape behind products
RULES = Rules()


def arranged(graph: Graph, fired: Counter[str]) -> Graph:
    """`graph` with all of these rules applied."""
    return rewrite(rewrite(graph, OF_RESULTS, fired), RULES, fired)


def _exchanged(x: Node) -> Node:
    """x[*,M,N] as [*,N,M]."""
    source, perm = (x.inputs[0], x.attrs["perm"]) if x.op is ops.transpose else (x, tuple(range(x.rank)))
    perm = (*perm[:-2], perm[-1], perm[-2])
    return source if perm == tuple(range(x.rank)) else ops.transpose(source, perm=perm)


@OF_RESULTS.on("transpose")
def product_in_rows(node: Node) -> Node | None:
    """transpose(matmul(x, y), [0,3,1,2]) => transpose(matmul(y', x'), [0,2,1,3]) with their last two axes exchanged"""
    product, perm = node.inputs[0], node.attrs["perm"]
    if product.op is not ops.matmul or node.rank < 3 or perm[-1] != node.rank - 2 or not used_once(product):
        return None
    x, y = product.inputs
    if x.rank != y.rank:
        return None
    swapped = {node.rank - 1: node.rank - 2, node.rank - 2: node.rank - 1}
    turned = ops.matmul(_exchanged(y), _exchanged(x))
    return ops.transpose(turned, perm=tuple(swapped.get(axis, axis) for axis in perm))


@RULES.on("matmul")
def rows_stay_whole(node: Node) -> Node | None:
    """matmul(x, transpose(y, [0,2,3,1])) => matmul(x, transpose(transpose(y, [0,2,1,3]), [0,1,3,2])); so for x

    Leading axes are one in between, without which the runtime makes one Transpose of the two again.
    """
    x, y = node.inputs
    if x.shape[:-2] != y.shape[:-2] or not (_takes_rows_apart(x) or _takes_rows_apart(y)):
        return None
    return ops.reshape(ops.matmul(_in_rows(x), _in_rows(y)), shape=node.shape)


def _takes_rows_apart(x: Node) -> bool:
    """Whether x is a transpose that moves its operand's last axis to the last but one, and others as well."""
    if x.op is not ops.transpose or x.rank < 4:
        return False
    *others, row, column = x.attrs["perm"]
    return row == x.rank - 1 and (*others, column) != tuple(range(x.rank - 1))


def _in_rows(x: Node) -> Node:
    """x[*,M,N] as [L,M,N]."""
    leading = product_of(x.shape[:-2])
    if not _takes_rows_apart(x):
        return ops.reshape(x, shape=(leading, *x.shape[-2:]))
    *others, row, column = x.attrs["perm"]
    rows = ops.transpose(x.inputs[0], perm=(*others, column, row))
    return _exchanged(ops.reshape(rows, shape=(leading, *rows.shape[-2:])))


@RULES.on(*ARITHMETIC, *COMPARISONS)
def column_takes_number(node: Node) -> Node | None:
    """add(x[N,1], 2) => add(x[N,1], [[2]])"""
    x, y = node.inputs
    if not x.rank or x.shape[-1] != 1 or y.shape or not is_const(y) or y.dtype.name == "bf16":
        return None
    if node.op is ops.mul and x.op is ops.matmul:  # which takes a scalar itself (MatMulScaleFusion)
        return None
    return node.op(x, ops.literal(y.attrs["value"].array.reshape((1,) * x.rank)), **node.attrs)
