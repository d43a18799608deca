"""The elementwise functions as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import elementwise
from lenetc.operations.elementwise import choosing, special


class ElementwiseMethods:
    __slots__ = ()

    abs = elementwise.abs
    absolute = elementwise.absolute
    neg = elementwise.neg
    negative = elementwise.negative
    positive = elementwise.positive
    sign = elementwise.sign
    sgn = elementwise.sgn
    add = elementwise.add
    sub = elementwise.sub
    subtract = elementwise.subtract
    mul = elementwise.mul
    multiply = elementwise.multiply
    addcmul = elementwise.addcmul
    addcdiv = elementwise.addcdiv
    lerp = elementwise.lerp
    angle = elementwise.angle
    deg2rad = elementwise.deg2rad
    rad2deg = elementwise.rad2deg

    div = elementwise.div
    divide = elementwise.divide
    true_divide = elementwise.true_divide
    floor_divide = elementwise.floor_divide
    remainder = elementwise.remainder
    fmod = elementwise.fmod
    gcd = elementwise.gcd
    lcm = elementwise.lcm

    pow = elementwise.pow
    float_power = elementwise.float_power
    ldexp = elementwise.ldexp
    square = elementwise.square
    sqrt = elementwise.sqrt
    rsqrt = elementwise.rsqrt
    reciprocal = elementwise.reciprocal

    exp = elementwise.exp
    exp2 = elementwise.exp2
    expm1 = elementwise.expm1
    log = elementwise.log
    log2 = elementwise.log2
    log10 = elementwise.log10
    log1p = elementwise.log1p
    logaddexp = elementwise.logaddexp
    logaddexp2 = elementwise.logaddexp2
    logit = elementwise.logit
    xlogy = elementwise.xlogy
    sigmoid = elementwise.sigmoid
    relu = elementwise.relu

    sin = elementwise.sin
    cos = elementwise.cos
    tan = elementwise.tan
    asin = elementwise.asin
    acos = elementwise.acos
    atan = elementwise.atan
    atan2 = elementwise.atan2
    sinh = elementwise.sinh
    cosh = elementwise.cosh
    tanh = elementwise.tanh
    asinh = elementwise.asinh
    acosh = elementwise.acosh
    atanh = elementwise.atanh
    arcsin = elementwise.arcsin
    arccos = elementwise.arccos
    arctan = elementwise.arctan
    arctan2 = elementwise.arctan2
    arcsinh = elementwise.arcsinh
    arccosh = elementwise.arccosh
    arctanh = elementwise.arctanh
    hypot = elementwise.hypot
    sinc = elementwise.sinc

    where = choosing.where_of
    polygamma = special.polygamma_of
    erf = elementwise.erf
    erfc = elementwise.erfc
    erfinv = elementwise.erfinv
    lgamma = elementwise.lgamma
    digamma = elementwise.digamma
    mvlgamma = elementwise.mvlgamma

    ceil = elementwise.ceil
    fix = elementwise.fix
    floor = elementwise.floor
    frac = elementwise.frac
    round = elementwise.round
    trunc = elementwise.trunc

    eq = elementwise.eq
    ne = elementwise.ne
    lt = elementwise.lt
    gt = elementwise.gt
    le = elementwise.le
    ge = elementwise.ge
    greater = elementwise.greater
    greater_equal = elementwise.greater_equal
    less = elementwise.less
    less_equal = elementwise.less_equal
    not_equal = elementwise.not_equal
    isnan = elementwise.isnan
    isinf = elementwise.isinf
    isposinf = elementwise.isposinf
    isneginf = elementwise.isneginf
    isfinite = elementwise.isfinite
    isreal = elementwise.isreal
    isclose = elementwise.isclose

    logical_not = elementwise.logical_not
    logical_and = elementwise.logical_and
    logical_or = elementwise.logical_or
    logical_xor = elementwise.logical_xor
    bitwise_not = elementwise.bitwise_not
    bitwise_and = elementwise.bitwise_and
    bitwise_or = elementwise.bitwise_or
    bitwise_xor = elementwise.bitwise_xor
    bitwise_left_shift = elementwise.bitwise_left_shift
    bitwise_right_shift = elementwise.bitwise_right_shift

    maximum = elementwise.maximum
    minimum = elementwise.minimum
    fmax = elementwise.fmax
    fmin = elementwise.fmin
    clamp = elementwise.clamp
    clamp_min = elementwise.clamp_min
    clamp_max = elementwise.clamp_max
    clip = elementwise.clip
    heaviside = elementwise.heaviside
    copysign = elementwise.copysign
    signbit = elementwise.signbit
    nan_to_num = elementwise.nan_to_num
