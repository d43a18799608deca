"""The in-place changes as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import in_place


class InPlaceMethods:
    __slots__ = ()

    abs_ = in_place.abs_
    conj_physical_ = in_place.conj_physical_
    absolute_ = in_place.absolute_
    neg_ = in_place.neg_
    negative_ = in_place.negative_
    sign_ = in_place.sign_
    sgn_ = in_place.sgn_
    add_ = in_place.add_
    sub_ = in_place.sub_
    subtract_ = in_place.subtract_
    mul_ = in_place.mul_
    multiply_ = in_place.multiply_
    addcmul_ = in_place.addcmul_
    addcdiv_ = in_place.addcdiv_
    lerp_ = in_place.lerp_
    deg2rad_ = in_place.deg2rad_
    rad2deg_ = in_place.rad2deg_

    div_ = in_place.div_
    divide_ = in_place.divide_
    true_divide_ = in_place.true_divide_
    floor_divide_ = in_place.floor_divide_
    remainder_ = in_place.remainder_
    fmod_ = in_place.fmod_
    gcd_ = in_place.gcd_
    lcm_ = in_place.lcm_

    pow_ = in_place.pow_
    float_power_ = in_place.float_power_
    ldexp_ = in_place.ldexp_
    square_ = in_place.square_
    sqrt_ = in_place.sqrt_
    rsqrt_ = in_place.rsqrt_
    reciprocal_ = in_place.reciprocal_

    exp_ = in_place.exp_
    exp2_ = in_place.exp2_
    expm1_ = in_place.expm1_
    log_ = in_place.log_
    log2_ = in_place.log2_
    log10_ = in_place.log10_
    log1p_ = in_place.log1p_
    logit_ = in_place.logit_
    xlogy_ = in_place.xlogy_
    sigmoid_ = in_place.sigmoid_
    relu_ = in_place.relu_

    sin_ = in_place.sin_
    cos_ = in_place.cos_
    tan_ = in_place.tan_
    asin_ = in_place.asin_
    acos_ = in_place.acos_
    atan_ = in_place.atan_
    atan2_ = in_place.atan2_
    sinh_ = in_place.sinh_
    cosh_ = in_place.cosh_
    tanh_ = in_place.tanh_
    asinh_ = in_place.asinh_
    acosh_ = in_place.acosh_
    atanh_ = in_place.atanh_
    arcsin_ = in_place.arcsin_
    arccos_ = in_place.arccos_
    arctan_ = in_place.arctan_
    arctan2_ = in_place.arctan2_
    arcsinh_ = in_place.arcsinh_
    arccosh_ = in_place.arccosh_
    arctanh_ = in_place.arctanh_
    hypot_ = in_place.hypot_
    sinc_ = in_place.sinc_

    erf_ = in_place.erf_
    erfc_ = in_place.erfc_
    erfinv_ = in_place.erfinv_
    lgamma_ = in_place.lgamma_
    digamma_ = in_place.digamma_
    polygamma_ = in_place.polygamma_
    mvlgamma_ = in_place.mvlgamma_

    ceil_ = in_place.ceil_
    fix_ = in_place.fix_
    floor_ = in_place.floor_
    frac_ = in_place.frac_
    round_ = in_place.round_
    trunc_ = in_place.trunc_

    eq_ = in_place.eq_
    ne_ = in_place.ne_
    lt_ = in_place.lt_
    gt_ = in_place.gt_
    le_ = in_place.le_
    ge_ = in_place.ge_
    greater_ = in_place.greater_
    greater_equal_ = in_place.greater_equal_
    less_ = in_place.less_
    less_equal_ = in_place.less_equal_
    not_equal_ = in_place.not_equal_

    logical_not_ = in_place.logical_not_
    logical_and_ = in_place.logical_and_
    logical_or_ = in_place.logical_or_
    logical_xor_ = in_place.logical_xor_
    bitwise_not_ = in_place.bitwise_not_
    bitwise_and_ = in_place.bitwise_and_
    bitwise_or_ = in_place.bitwise_or_
    bitwise_xor_ = in_place.bitwise_xor_
    bitwise_left_shift_ = in_place.bitwise_left_shift_
    bitwise_right_shift_ = in_place.bitwise_right_shift_

    clamp_ = in_place.clamp_
    clamp_min_ = in_place.clamp_min_
    clamp_max_ = in_place.clamp_max_
    clip_ = in_place.clip_
    heaviside_ = in_place.heaviside_
    copysign_ = in_place.copysign_
    nan_to_num_ = in_place.nan_to_num_

    fill_ = in_place.fill_
    zero_ = in_place.zero_
    copy_ = in_place.copy_
    addmm_ = in_place.addmm_
    addmv_ = in_place.addmv_
    addr_ = in_place.addr_
    addbmm_ = in_place.addbmm_
    baddbmm_ = in_place.baddbmm_
    cumsum_ = in_place.cumsum_
    cumprod_ = in_place.cumprod_
    renorm_ = in_place.renorm_
