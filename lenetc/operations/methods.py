"""The operations as methods and operators of Tensor: one table of PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lenetc.autograd import engine
from lenetc.operations import elementwise, in_place, indexing, reductions, shaping
from lenetc.tensors.convert import is_operand
from lenetc.tensors.tensor import Tensor


def _operator(function: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    """`function` as an operator: where the other operand is none of arithmetic, Python asks it instead."""

    def operator(x: Any, other: Any) -> Tensor:
        return function(x, other) if is_operand(other) else NotImplemented

    operator.__name__ = function.__name__
    operator.__doc__ = function.__doc__
    return operator


class Methods:
    """To a type checker the base of Tensor, which is given them below."""

    __slots__ = ()

    def __hash__(self) -> int:  # by identity: __eq__ compares element by element
        return id(self)

    __add__ = __radd__ = _operator(elementwise.add)
    __sub__ = _operator(elementwise.sub)
    __rsub__ = _operator(elementwise.rsub)
    __mul__ = __rmul__ = _operator(elementwise.mul)
    __truediv__ = _operator(elementwise.div)
    __rtruediv__ = _operator(elementwise.rdiv)
    __pow__ = _operator(elementwise.pow)
    __rpow__ = _operator(elementwise.rpow)
    __matmul__ = elementwise.matmul
    __neg__ = elementwise.neg
    __pos__ = elementwise.positive
    __abs__ = elementwise.abs
    __eq__ = _operator(elementwise.eq)  # type: ignore[assignment]
    __ne__ = _operator(elementwise.ne)  # type: ignore[assignment]
    __lt__ = _operator(elementwise.lt)
    __le__ = _operator(elementwise.le)
    __gt__ = _operator(elementwise.gt)
    __ge__ = _operator(elementwise.ge)
    __invert__ = elementwise.bitwise_not
    __and__ = __rand__ = _operator(elementwise.bitwise_and)
    __or__ = __ror__ = _operator(elementwise.bitwise_or)
    __xor__ = __rxor__ = _operator(elementwise.bitwise_xor)
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
    add = elementwise.add
    sub = elementwise.sub
    mul = elementwise.mul
    div = elementwise.div
    pow = elementwise.pow
    maximum = elementwise.maximum
    minimum = elementwise.minimum
    eq = elementwise.eq
    ne = elementwise.ne
    lt = elementwise.lt
    gt = elementwise.gt
    le = elementwise.le
    ge = elementwise.ge
    logical_not = elementwise.logical_not
    logical_and = elementwise.logical_and
    logical_or = elementwise.logical_or
    bitwise_not = elementwise.bitwise_not
    bitwise_and = elementwise.bitwise_and
    bitwise_or = elementwise.bitwise_or
    bitwise_xor = elementwise.bitwise_xor
    bitwise_and_ = in_place.bitwise_and_
    bitwise_or_ = in_place.bitwise_or_
    bitwise_xor_ = in_place.bitwise_xor_
    matmul = elementwise.matmul
    neg = elementwise.neg
    abs = elementwise.abs
    sign = elementwise.sign
    exp = elementwise.exp
    log = elementwise.log
    sqrt = elementwise.sqrt
    rsqrt = elementwise.rsqrt
    square = elementwise.square
    reciprocal = elementwise.reciprocal
    sin = elementwise.sin
    cos = elementwise.cos
    tanh = elementwise.tanh
    sigmoid = elementwise.sigmoid
    erf = elementwise.erf
    floor = elementwise.floor
    relu = elementwise.relu
    clamp = elementwise.clamp
    isnan = elementwise.isnan
    clone = elementwise.clone
    to = elementwise.to
    sum = reductions.sum
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    norm = reductions.norm
    amax = reductions.amax
    amin = reductions.amin
    argmax = reductions.argmax
    argmin = reductions.argmin
    prod = reductions.prod
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
    addcmul = elementwise.addcmul
    addcdiv = elementwise.addcdiv
    lerp = elementwise.lerp
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
    mm = elementwise.matmul
    t = shaping.transposed
    backward = engine.backward_from

    @property
    def T(self) -> Tensor:
        """All dimensions in reverse order."""
        assert isinstance(self, Tensor)
        return shaping.permute(self, *reversed(range(self.ndim)))


for _name, _method in vars(Methods).items():
    if callable(_method) or isinstance(_method, property):
        setattr(Tensor, _name, _method)
