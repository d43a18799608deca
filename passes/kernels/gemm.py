"""Products of two matrices as ONNX Gemm has them, with numbers that their operands are multiplied by."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ir import ops
from ir.node import Graph, Node, building_at
from ir.types import f64
from passes.rewrite.driver import rebuilt
from passes.rewrite.match import is_const, number, value_of


class Gemm:
    """alpha * a @ b + beta * c, taken apart so that rules can change a part and put it together again."""

    def __init__(self, node: Node) -> None:
        self.a, self.b, *rest = node.inputs
        self.c: Node | None = rest[0] if rest else None
        attrs = node.attrs if node.op is ops.gemm else ops.gemm.attributes
        self.turned: tuple[bool, bool] = (attrs["trans_a"], attrs["trans_b"])
        self.alpha: float = attrs["alpha"]
        self.beta: float = attrs["beta"]

    def built(self) -> Node | None:
        """The gemm; None where a factor does not fit the dtype, or would lose digits in f32, as ONNX has it."""
        factors = (self.alpha, self.beta)
        if any(number(factor, self.a) is None for factor in factors):
            return None
        if self.a.dtype is f64 and any(float(np.float32(factor)) != factor for factor in factors):
            return None
        operands = (self.a, self.b) if self.c is None else (self.a, self.b, self.c)
        beta = 1.0 if self.c is None else self.beta
        trans_a, trans_b = self.turned
        return ops.gemm(*operands, trans_a=trans_a, trans_b=trans_b, alpha=self.alpha, beta=beta)


def product_of_matrices(node: Node) -> Gemm | None:
    """`node` as a Gemm, if it is a product of two matrices."""
    matrices = node.op is ops.gemm or (node.op is ops.matmul and all(x.rank == 2 for x in node.inputs))
    return Gemm(node) if matrices else None


def factor_of(node: Node) -> tuple[Node, float] | None:
    """(x, number) where `node` is x times a number."""
    if node.op is ops.neg:
        return node.inputs[0], -1.0
    if node.op is ops.mul and is_const(node.inputs[1]) and node.inputs[0].type == node.type:
        value = value_of(node.inputs[1])
        return None if value is None else (node.inputs[0], float(value))
    return None


def factor_into_all(graph: Graph, fired: Counter[str]) -> Graph:
    """`graph` without mul(x, 2) where nothing but products reads it: each has the factor in its alpha."""
    kept = set(graph.outputs)
    for node in graph.nodes():
        if product_of_matrices(node) is None:
            kept.update(node.inputs)
    new: dict[Node, Node] = {}
    for node in graph.nodes():
        found = new[node] = rebuilt(node, tuple(new[x] for x in node.inputs), node.attrs)
        gemm = product_of_matrices(found)
        if gemm is None:
            continue
        taken = 0
        for key, x in zip("ab", node.inputs, strict=False):
            factor = None if x in kept else factor_of(x)
            if factor is not None:
                setattr(gemm, key, new[factor[0]])
                gemm.alpha *= factor[1]
                taken += 1
        with building_at(node.where):
            built = gemm.built() if taken else None
        if built is not None:
            new[node] = built
            fired["factor_into_all"] += taken
    return graph.with_outputs(new[node] for node in graph.outputs)
