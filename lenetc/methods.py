"""The operations as methods and operators of Tensor: one table of PyTorch's names."""

from __future__ import annotations

from lenetc import in_place, operations, reductions, shaping


class Methods:
    """Base of Tensor."""

    __slots__ = ()

    def __hash__(self) -> int:  # by identity: __eq__ compares element by element
        return id(self)

    __add__ = __radd__ = operations.add
    __sub__ = operations.sub
    __rsub__ = operations.rsub
    __mul__ = __rmul__ = operations.mul
    __truediv__ = operations.div
    __rtruediv__ = operations.rdiv
    __pow__ = operations.pow
    __rpow__ = operations.rpow
    __matmul__ = operations.matmul
    __neg__ = operations.neg
    __abs__ = operations.abs
    __eq__ = operations.eq  # type: ignore[assignment]
    __ne__ = operations.ne  # type: ignore[assignment]
    __lt__ = operations.lt
    __le__ = operations.le
    __gt__ = operations.gt
    __ge__ = operations.ge
    __invert__ = operations.logical_not
    __and__ = operations.logical_and
    __or__ = operations.logical_or
    __iadd__ = in_place.add_
    __isub__ = in_place.sub_
    __imul__ = in_place.mul_
    __itruediv__ = in_place.div_
    __getitem__ = shaping.getitem
    __setitem__ = shaping.setitem
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
