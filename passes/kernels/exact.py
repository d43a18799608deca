"""What the runtime computes inexactly, or many times slower than need be, as formulas over what it computes right.

ONNX Runtime 1.31's Sigmoid is wrong by 7 % at -14 and 0 below -18, on CUDA as well; its largest elements lose NaN,
depending on where it is. `TABLE` has a formula for each such op, `ON_CPU` for those that only the kernels of the CPU
get wrong or are slow at, `WITHOUT_KERNEL` for those that it has no kernel for. A formula may hold the op that it
stands for (the largest element, NaN aside), so each node is replaced once, last of all, and a node that is in its
formula already is left.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from ir import ops
from ir.dims import Dim
from ir.dims import product as product_of
from ir.node import Graph, Node, building_at
from ir.types import f32, f64, i32
from passes.kernels import elimination, long_sums
from passes.rewrite.driver import rebuilt
from passes.strategies import finite
from passes.target import Target

_APART = 16  # numbers between those of one softmax from which on it is written out

Formula = Callable[..., "Node | None"]  # (*operands, **attributes); None where the op is right as it is


def exact(graph: Graph, target: Target, fired: Counter[str], in_scan: bool = False) -> Graph:
    """`graph` with every op of the tables replaced, in bodies of scans too; `fired` counts them."""
    table = TABLE | WITHOUT_KERNEL | (ON_CPU if target.device == "cpu" else ON_CUDA)
    if target.device == "cpu" and (in_scan or target.operators != "ort"):
        table |= QUICK
    given = set(graph.nodes())
    # What is cut off at 0, with a gradient of 0 for what is below: whether it is -inf makes no difference.
    cut_off = {x for node in given if node.op is ops.relu for x in node.inputs} - set(graph.outputs)
    cut_off -= {x for node in given if node.op is not ops.relu for x in node.inputs}
    tells = set(long_sums.tells(given))
    new: dict[Node, Node] = {}
    for node in graph.nodes():
        inputs = tuple([new[x] for x in node.inputs])
        attrs: Mapping[str, Any] = node.attrs
        if node.op is ops.scan:
            attrs = {**attrs, "body": exact(attrs["body"], target, fired, in_scan=True)}
        formula = table.get(node.op.name)
        if node in tells or (formula in ON_CUDA.values() and node in cut_off):
            formula = None
        if formula is not None:
            with building_at(node.where):
                found = formula(*inputs, **attrs)
            if found is not None and found not in given:
                fired[f"exact_{node.op.name}"] += 1
                new[node] = found
                continue
        new[node] = rebuilt(node, inputs, attrs)
    return graph.with_outputs(new[node] for node in graph.outputs)


def _in_f32(formula: Callable[[Node], Node]) -> Formula:
    """`formula`, computed in f32 for halves, in which exp overflows soon."""

    def widened(x: Node) -> Node:
        wide = x.dtype in (f32, f64)
        return formula(x) if wide else ops.cast(formula(ops.cast(x, dtype=f32)), dtype=x.dtype)

    return widened


def _sigmoid(x: Node) -> Node:
    """1 / (1 + exp(-x)): where exp overflows, the result is as good as 0."""
    return 1.0 / (ops.exp(-x) + 1.0)


def _softplus(x: Node) -> Node:
    """max(x, 0) + log(1 + t) with t = exp(-|x|), and what rounding takes from 1 + t given back (W. Kahan).

    softplus(x) and softplus(-x), which a binary cross-entropy has both, share the logarithm.
    """
    t = ops.exp(-ops.abs(x.inputs[0] if x.op is ops.neg else x))
    u = t + 1.0
    return ops.relu(x) + (ops.log(u) - ((u - 1.0) - t) / u)


def _reduce_max(x: Node, **how: Any) -> Node | None:
    """The larger of what the runtime finds and of -inf, or NaN where there is one."""
    if not x.dtype.is_float or not how["axes"]:
        return None
    return ops.maximum(ops.reduce_max(x, **how), ops.sum(ops.minimum(x, -math.inf), **how))


def _reduce_max_on_cuda(x: Node, **how: Any) -> Node | None:
    """The kernel keeps NaN, and takes the least finite number for -inf."""
    if not x.dtype.is_float or not how["axes"]:
        return None
    return _or_least(x, ops.reduce_max(x, **how), lambda marks: ops.reduce_max(marks, **how))


def _max_pool2d_on_cuda(x: Node, **how: Any) -> Node | None:
    if not x.dtype.is_float or x.op is ops.relu:
        return None
    return _or_least(x, ops.max_pool2d(x, **how), lambda marks: ops.max_pool2d(marks, **how))


def _or_least(x: Node, found: Node, largest: Callable[[Node], Node]) -> Node:
    """`found`, or -inf where there is nothing larger. largest: of marks in the place of the elements of x."""
    marks = ops.cast(ops.greater(x, -math.inf), dtype=f32)
    above = ops.logical_or(ops.greater(largest(marks), 0.0), ops.is_nan(found))
    return ops.where(above, found, ops.scalar(-math.inf, x.dtype))


def _argmax(x: Node, *, axis: int, keepdims: bool) -> Node | None:
    """Where NaN is there it wins, elsewhere what equals the largest element."""
    if not x.dtype.is_float:
        return None
    largest = _reduce_max(x, axes=(axis,), keepdims=True)
    assert largest is not None
    rank = ops.where(ops.is_nan(x), ops.scalar(2, i32), ops.cast(ops.equal(x, largest), dtype=i32))
    return ops.argmax(rank, axis=axis, keepdims=keepdims)


def _argsort(x: Node, *, axis: int, count: Dim, descending: bool) -> Node | None:
    """The kernel has no place for NaN. An f64 has room for it beyond the infinities of narrower floats; f64 itself is
    sorted once more, by what is NaN."""
    if not x.dtype.is_float or _is_without_nan(x):
        return None
    if x.dtype is not f64:
        wide = ops.minimum(ops.maximum(ops.cast(x, dtype=f64), -1e300), 1e300)
        return ops.argsort(_without_nan(wide), axis=axis, count=count, descending=descending)
    by_number = ops.argsort(_without_nan(x), axis=axis, count=x.shape[axis], descending=descending)
    is_nan = ops.take_along_axis(ops.cast(ops.is_nan(x), dtype=i32), by_number, axis=axis)
    order = ops.argsort(is_nan, axis=axis, count=count, descending=descending)
    return ops.take_along_axis(by_number, order, axis=axis)


def _without_nan(x: Node) -> Node:
    """x with infinity for NaN."""
    return ops.where(ops.is_nan(x), ops.scalar(math.inf, x.dtype), x)


def _is_without_nan(x: Node) -> bool:
    return x.op is ops.where and x is _without_nan(x.inputs[2])


def _scatter(x: Node, indices: Node, updates: Node, *, axis: int, reduction: str) -> Node | None:
    """The kernel's largest and smallest lose NaN: where one is put, or is there, 0 / 0 gives it back."""
    if reduction not in ("max", "min") or not x.dtype.is_float:
        return None
    marks = ops.cast(ops.is_nan(updates), dtype=f32)
    found = ops.scatter(x, indices, updates, axis=axis, reduction=reduction)
    put = ops.greater(ops.put_along_axis(marks, indices, axis=axis, size=x.shape[axis]), 0.0)
    return ops.where(ops.logical_or(put, ops.is_nan(x)), ops.scalar(math.nan, x.dtype), found)


def _sign(x: Node) -> Node | None:
    """(x > 0) - (x < 0): of NaN 0, for which the kernel has NaN."""
    if not x.dtype.is_float:
        return None
    return ops.cast(ops.greater(x, 0.0), dtype=x.dtype) - ops.cast(ops.less(x, 0.0), dtype=x.dtype)


def _tanh(x: Node) -> Node | None:
    """By the kernel for f64: that for f32 is off by up to 5 units, above 1 between 8 and 9, and 0 below 1e-36."""
    return ops.cast(ops.tanh(ops.cast(x, dtype=f64)), dtype=f32) if x.dtype is f32 else None


def _quick_tanh(x: Node) -> Node | None:
    """x where it is small, else what the kernel for f32 gives."""
    return ops.where(ops.less(ops.abs(x), 2.0**-12), x, ops.tanh(x)) if x.dtype is f32 else None


def _log_softmax(x: Node, *, axis: int) -> Node | None:
    """The kernel for f64 loses NaN, and is slow along an axis that is not the last."""
    if x.dtype is not f64:
        return _less_log(*_shifted(x, axis, ops.reduce_max)) if _is_across(x, axis) else None
    return _less_log(*_shifted(x, axis, _reduce_max))


def _softmax(x: Node, *, axis: int) -> Node | None:
    """The kernel is slow along an axis that is not the last."""
    if not _is_across(x, axis):
        return None
    shifted, how = _shifted(x, axis, ops.reduce_max)
    e = ops.exp(shifted)
    return e / ops.sum(e, **how)


def _is_across(x: Node, axis: int) -> bool:
    """Whether a softmax goes from pixel to pixel, which its kernel turns the array for, and has few numbers in a row
    then: 25 times as long for ten scores of each pixel."""
    apart = product_of(x.shape[axis + 1 :])
    return x.dtype is f32 and (not isinstance(apart, int) or apart >= _APART)


def _shifted(x: Node, axis: int, largest: Formula) -> tuple[Node, dict[str, Any]]:
    """x less the largest along the axis, of which NaN may be lost: x has it still."""
    how = {"axes": (axis,), "keepdims": True}
    found = largest(x, **how)
    assert found is not None
    return x - found, how


def _less_log(shifted: Node, how: dict[str, Any]) -> Node:
    return shifted - ops.log(ops.sum(ops.exp(shifted), **how))


# pi in three parts: the first two have so few bits that their products with whole and half numbers up to _FAR / pi
# are exact (W. J. Cody and W. Waite, Software manual for the elementary functions, 1980).
_PI = (3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21)
_FAR = 1e5  # beyond, the kernel is right


def _less_pi(x: Node, multiple: Node) -> Node:
    """x - multiple * pi."""
    return reduce(lambda rest, part: rest - multiple * part, _PI, x)


def _is_odd(number: Node) -> Node:
    """1 for odd numbers, 0 for even ones."""
    return number - ops.floor(number * 0.5) * 2.0


def _sin(x: Node) -> Node | None:
    """(-1)^k sin(x - k pi) with the nearest k: near multiples of pi the kernel for f64 has nine digits right."""
    if x.dtype is not f64:
        return None
    zero = ops.scalar(0, f64)
    k = ops.where(ops.less(ops.abs(x), _FAR), ops.floor(x * (1 / math.pi) + 0.5), zero)
    return ops.sin(_less_pi(x, k)) * (1.0 - _is_odd(k) * 2.0)


def _cos(x: Node) -> Node | None:
    """-(-1)^k sin(x - (k + 1/2) pi), see _sin."""
    if x.dtype is not f64:
        return None
    k = ops.floor(x * (1 / math.pi))
    near = ops.sin(_less_pi(x, k + 0.5)) * (_is_odd(k) * 2.0 - 1.0)
    return ops.where(ops.less(ops.abs(x), _FAR), near, ops.cos(x))


# W. J. Cody, Rational Chebyshev approximations for the error function, 1969: numerators and denominators of
# erf(x) / x in x * x up to 1/2, of exp(x * x) * erfc(x) in x beyond. Highest power first.
ERF = (
    (
        0.185777706184603153,
        3.16112374387056560,
        113.864154151050156,
        377.485237685302021,
        3209.37758913846947,
    ),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
ERFC = (
    (
        *(2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295),
        *(298.635138197400131, 881.952221241769090, 1712.04761263407058, 2051.07837782607147),
        1230.33935479799725,
    ),
    (
        *(1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019),
        *(3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
    ),
)


def ratio(x: Node, polynomials: Sequence[Sequence[float]]) -> Node:
    """Numerator(x) / denominator(x) by Horner's rule."""
    above, below = (
        reduce(lambda value, c: value * x + c, p[2:], x * p[0] + p[1] if p[0] != 1 else x + p[1])
        for p in polynomials
    )
    return above / below


def _erf(x: Node) -> Node | None:
    """The CPU has no kernel for f64. Both formulas are for bounded x: erf is 1 from 6 on."""
    if x.dtype is not f64:
        return None
    size = ops.abs(x)
    small, large = ops.minimum(size, 0.5), ops.minimum(size, 6.0)
    tail = 1.0 - ops.exp(-(large * large)) * ratio(large, ERFC)
    found = ops.where(ops.less(size, 0.5), small * ratio(small * small, ERF), tail)
    return ops.where(ops.less(x, 0.0), -found, found)


TABLE: dict[str, Formula] = {
    "sigmoid": _in_f32(_sigmoid),
    "softplus": _in_f32(_softplus),
    "reduce_max": _reduce_max,
    "argmax": _argmax,
    "argsort": _argsort,
    "scatter": _scatter,
    "sign": _sign,
    "erf": _erf,
}
# What the runtime has no kernel for at all.
WITHOUT_KERNEL: dict[str, Formula] = {"solve": elimination.solve, "cholesky": elimination.cholesky}
ON_CUDA: dict[str, Formula] = {"reduce_max": _reduce_max_on_cuda, "max_pool2d": _max_pool2d_on_cuda}
ON_CPU: dict[str, Formula] = {
    "tanh": _tanh,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "sin": _sin,
    "cos": _cos,
    "sum": long_sums.sum_in_parts,
    "cumsum": long_sums.running_sum,
    "matmul": long_sums.product_in_parts,
    "max_pool2d": finite.max_pool2d,
    "max_pool2d_with_indices": finite.max_pool2d_with_indices,
}
# For files that browsers run too, which have no f64, and for steps of a scan, which wait for each other: a layer of an
# LSTM takes 1.3 times as long with f64, and what the products before it lose is more than what the kernel for f32 does.
QUICK: dict[str, Formula] = {"tanh": _quick_tanh, "cumsum": lambda x, **how: None}
