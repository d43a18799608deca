"""The operations as methods and operators of Tensor: one table of PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lenetc import in_place, indexing, operations, reductions, shaping
from lenetc.convert import is_operand

if TYPE_CHECKING:
    from lenetc.tensor import Tensor


def _operator(function: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    """`function` as an operator: where the other operand is none of arithmetic, Python asks it instead."""

    def operator(x: Any, other: Any) -> Tensor:
        return function(x, other) if is_operand(other) else NotImplemented

    operator.__name__ = function.__name__
    operator.__doc__ = function.__doc__
    return operator


class Methods:
    """Base of Tensor."""

    __slots__ = ()

    def __hash__(self) -> int:  # by identity: __eq__ compares element by element
        return id(self)

    __add__ = __radd__ = _operator(operations.add)
    __sub__ = _operator(operations.sub)
    __rsub__ = _operator(operations.rsub)
    __mul__ = __rmul__ = _operator(operations.mul)
    __truediv__ = _operator(operations.div)
    __rtruediv__ = _operator(operations.rdiv)
    __pow__ = _operator(operations.pow)
    __rpow__ = _operator(operations.rpow)
    __matmul__ = operations.matmul
    __neg__ = operations.neg
    __pos__ = operations.positive
    __abs__ = operations.abs
    __eq__ = _operator(operations.eq)  # type: ignore[assignment]
    __ne__ = _operator(operations.ne)  # type: ignore[assignment]
    __lt__ = _operator(operations.lt)
    __le__ = _operator(operations.le)
    __gt__ = _operator(operations.gt)
    __ge__ = _operator(operations.ge)
    __invert__ = operations.bitwise_not
    __and__ = __rand__ = _operator(operations.bitwise_and)
    __or__ = __ror__ = _operator(operations.bitwise_or)
    __xor__ = __rxor__ = _operator(operations.bitwise_xor)
    __iadd__ = _operator(in_place.add_)
    __isub__ = _operator(in_place.sub_)
    __imul__ = _operator(in_place.mul_)
    __itruediv__ = _operator(in_place.div_)
    __ipow__ = _operator(in_place.pow_)
    __iand__ = _operator(in_place.bitwise_and_)
    __ior__ = _operator(in_place.bitwise_or_)
    __ixor__ = _operator(in_place.bitwise_xor_)
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    add = operations.add
    sub = operations.sub
    mul = operations.mul
    div = operations.div
    pow = operations.pow
    maximum = operations.maximum
    minimum = operations.minimum
    eq = operations.eq
    ne = operations.ne
    lt = operations.lt
    gt = operations.gt
    le = operations.le
    ge = operations.ge
    logical_not = operations.logical_not
    logical_and = operations.logical_and
    logical_or = operations.logical_or
    bitwise_not = operations.bitwise_not
    bitwise_and = operations.bitwise_and
    bitwise_or = operations.bitwise_or
    bitwise_xor = operations.bitwise_xor
    bitwise_and_ = in_place.bitwise_and_
    bitwise_or_ = in_place.bitwise_or_
    bitwise_xor_ = in_place.bitwise_xor_
    matmul = operations.matmul
    neg = operations.neg
    abs = operations.abs
    sign = operations.sign
    exp = operations.exp
    log = operations.log
    sqrt = operations.sqrt
    rsqrt = operations.rsqrt
    square = operations.square
    reciprocal = operations.reciprocal
    sin = operations.sin
    cos = operations.cos
    tanh = operations.tanh
    sigmoid = operations.sigmoid
    erf = operations.erf
    floor = operations.floor
    relu = operations.relu
    clamp = operations.clamp
    isnan = operations.isnan
    clone = operations.clone
    to = operations.to
    sum = reductions.sum
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    norm = reductions.norm
    amax = reductions.amax
    amin = reductions.amin
    argmax = reductions.argmax
    max = reductions.max
    min = reductions.min
    all = reductions.all
    any = reductions.any
    allclose = reductions.allclose
    equal = reductions.equal
    add_ = in_place.add_
    sub_ = in_place.sub_
    mul_ = in_place.mul_
    div_ = in_place.div_
    pow_ = in_place.pow_
    neg_ = in_place.neg_
    sqrt_ = in_place.sqrt_
    relu_ = in_place.relu_
    clamp_ = in_place.clamp_
    addcmul = operations.addcmul
    addcdiv = operations.addcdiv
    lerp = operations.lerp
    addcmul_ = in_place.addcmul_
    addcdiv_ = in_place.addcdiv_
    lerp_ = in_place.lerp_
    fill_ = in_place.fill_
    zero_ = in_place.zero_
    copy_ = in_place.copy_
    view = shaping.view
    reshape = shaping.reshape
    view_as = shaping.view_as
    flatten = shaping.flatten
    squeeze = shaping.squeeze
    unsqueeze = shaping.unsqueeze
    permute = shaping.permute
    transpose = shaping.transpose
    expand = shaping.expand
    expand_as = shaping.expand_as
    contiguous = shaping.contiguous
    gather = shaping.gather
    index_select = shaping.index_select
    split = shaping.split
    chunk = shaping.chunk
    tril = shaping.tril
    mm = operations.matmul
    t = shaping.transposed
