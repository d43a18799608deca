"""The elementwise functions as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import elementwise


class ElementwiseMethods:
    __slots__ = ()

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
    addcmul = elementwise.addcmul
    addcdiv = elementwise.addcdiv
    lerp = elementwise.lerp
