"""The operations as methods and operators of Tensor: one table of PyTorch's names."""

from __future__ import annotations

from lenetc.autograd import engine
from lenetc.operations import elementwise, in_place, reductions, shaping
from lenetc.tensors.tensor import Tensor


class Methods:
    """To a type checker the base of Tensor, which is given them below."""

    __slots__ = ()

    def __hash__(self) -> int:  # by identity: __eq__ compares element by element
        return id(self)

    __add__ = __radd__ = elementwise.add
    __sub__ = elementwise.sub
    __rsub__ = elementwise.rsub
    __mul__ = __rmul__ = elementwise.mul
    __truediv__ = elementwise.div
    __rtruediv__ = elementwise.rdiv
    __pow__ = elementwise.pow
    __rpow__ = elementwise.rpow
    __matmul__ = elementwise.matmul
    __neg__ = elementwise.neg
    __abs__ = elementwise.abs
    __eq__ = elementwise.eq  # type: ignore[assignment]
    __ne__ = elementwise.ne  # type: ignore[assignment]
    __lt__ = elementwise.lt
    __le__ = elementwise.le
    __gt__ = elementwise.gt
    __ge__ = elementwise.ge
    __invert__ = elementwise.logical_not
    __and__ = elementwise.logical_and
    __or__ = elementwise.logical_or
    __iadd__ = in_place.add_
    __isub__ = in_place.sub_
    __imul__ = in_place.mul_
    __itruediv__ = in_place.div_
    __getitem__ = shaping.getitem
    __setitem__ = shaping.setitem
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
