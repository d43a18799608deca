"""In-place changes: a new value for the cell of a tensor. PyTorch's methods of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import f64
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise, products, reductions
from lenetc.operations.elementwise import special
from lenetc.tensors.convert import as_tensor, filling_for, promoted

if TYPE_CHECKING:
    from ir.types import DType
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor


# Those that PyTorch has as functions of the package too.
__all__ = [
    "abs_",
    "acos_",
    "acosh_",
    "addmv_",
    "arccos_",
    "arccosh_",
    "arcsin_",
    "arcsinh_",
    "arctan_",
    "arctanh_",
    "asin_",
    "asinh_",
    "atan_",
    "atanh_",
    "ceil_",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "conj_physical_",
    "cos_",
    "cosh_",
    "deg2rad_",
    "erf_",
    "erfc_",
    "exp2_",
    "exp_",
    "expm1_",
    "fill",
    "fill_",
    "fix_",
    "floor_",
    "frac_",
    "gcd_",
    "lcm_",
    "ldexp_",
    "log1p_",
    "log2_",
    "log10_",
    "log_",
    "logit_",
    "nan_to_num_",
    "neg_",
    "negative_",
    "rad2deg_",
    "reciprocal_",
    "round_",
    "rsqrt_",
    "sigmoid_",
    "sin_",
    "sinc_",
    "sinh_",
    "sqrt_",
    "square_",
    "tan_",
    "tanh_",
    "trunc_",
    "xlogy_",
    "zero_",
]


def stored_as(dtype: DType, value: Tensor) -> Tensor:
    """`value` in `dtype` where PyTorch stores it there: a float in any float, an integer in any integer or float."""
    return value if promoted(dtype, value.dtype).kind != dtype.kind else value.to(dtype)


InPlace: TypeAlias = "Callable[..., Tensor]"


def _in_place(operation: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def change(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        t.require_tensors(name, x)
        return x._change(name, stored_as(x.dtype, operation(x, *args, **kwargs)))

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place."
    return change


def _in_f64_only(x: Tensor, exponent: Tensor | Number) -> Tensor:
    if x.dtype is not f64:
        raise DTypeError(
            f"float_power_: the result is f64, which is not put into {x.type_text()}; use float_power"
        ).at(here())
    return elementwise.float_power(x, exponent)


abs_: InPlace = _in_place(elementwise.abs, "abs_")
conj_physical_: InPlace = _in_place(elementwise.conj_physical, "conj_physical_")
absolute_: InPlace = _in_place(elementwise.absolute, "absolute_")
neg_: InPlace = _in_place(elementwise.neg, "neg_")
negative_: InPlace = _in_place(elementwise.negative, "negative_")
sign_: InPlace = _in_place(elementwise.sign, "sign_")
sgn_: InPlace = _in_place(elementwise.sgn, "sgn_")
add_: InPlace = _in_place(elementwise.add, "add_")
sub_: InPlace = _in_place(elementwise.sub, "sub_")
subtract_: InPlace = _in_place(elementwise.subtract, "subtract_")
mul_: InPlace = _in_place(elementwise.mul, "mul_")
multiply_: InPlace = _in_place(elementwise.multiply, "multiply_")
addcmul_: InPlace = _in_place(elementwise.addcmul, "addcmul_")
addcdiv_: InPlace = _in_place(elementwise.addcdiv, "addcdiv_")
lerp_: InPlace = _in_place(elementwise.lerp, "lerp_")
deg2rad_: InPlace = _in_place(elementwise.deg2rad, "deg2rad_")
rad2deg_: InPlace = _in_place(elementwise.rad2deg, "rad2deg_")
div_: InPlace = _in_place(elementwise.div, "div_")
divide_: InPlace = _in_place(elementwise.divide, "divide_")
true_divide_: InPlace = _in_place(elementwise.true_divide, "true_divide_")
floor_divide_: InPlace = _in_place(elementwise.floor_divide, "floor_divide_")
remainder_: InPlace = _in_place(elementwise.remainder, "remainder_")
fmod_: InPlace = _in_place(elementwise.fmod, "fmod_")
gcd_: InPlace = _in_place(elementwise.gcd, "gcd_")
lcm_: InPlace = _in_place(elementwise.lcm, "lcm_")
pow_: InPlace = _in_place(elementwise.pow, "pow_")
float_power_: InPlace = _in_place(_in_f64_only, "float_power_")
ldexp_: InPlace = _in_place(elementwise.ldexp, "ldexp_")
square_: InPlace = _in_place(elementwise.square, "square_")
sqrt_: InPlace = _in_place(elementwise.sqrt, "sqrt_")
rsqrt_: InPlace = _in_place(elementwise.rsqrt, "rsqrt_")
reciprocal_: InPlace = _in_place(elementwise.reciprocal, "reciprocal_")
exp_: InPlace = _in_place(elementwise.exp, "exp_")
exp2_: InPlace = _in_place(elementwise.exp2, "exp2_")
expm1_: InPlace = _in_place(elementwise.expm1, "expm1_")
log_: InPlace = _in_place(elementwise.log, "log_")
log2_: InPlace = _in_place(elementwise.log2, "log2_")
log10_: InPlace = _in_place(elementwise.log10, "log10_")
log1p_: InPlace = _in_place(elementwise.log1p, "log1p_")
logit_: InPlace = _in_place(elementwise.logit, "logit_")
xlogy_: InPlace = _in_place(elementwise.xlogy, "xlogy_")
sigmoid_: InPlace = _in_place(elementwise.sigmoid, "sigmoid_")
relu_: InPlace = _in_place(elementwise.relu, "relu_")
sin_: InPlace = _in_place(elementwise.sin, "sin_")
cos_: InPlace = _in_place(elementwise.cos, "cos_")
tan_: InPlace = _in_place(elementwise.tan, "tan_")
asin_: InPlace = _in_place(elementwise.asin, "asin_")
acos_: InPlace = _in_place(elementwise.acos, "acos_")
atan_: InPlace = _in_place(elementwise.atan, "atan_")
atan2_: InPlace = _in_place(elementwise.atan2, "atan2_")
sinh_: InPlace = _in_place(elementwise.sinh, "sinh_")
cosh_: InPlace = _in_place(elementwise.cosh, "cosh_")
tanh_: InPlace = _in_place(elementwise.tanh, "tanh_")
asinh_: InPlace = _in_place(elementwise.asinh, "asinh_")
acosh_: InPlace = _in_place(elementwise.acosh, "acosh_")
atanh_: InPlace = _in_place(elementwise.atanh, "atanh_")
arcsin_: InPlace = _in_place(elementwise.arcsin, "arcsin_")
arccos_: InPlace = _in_place(elementwise.arccos, "arccos_")
arctan_: InPlace = _in_place(elementwise.arctan, "arctan_")
arctan2_: InPlace = _in_place(elementwise.arctan2, "arctan2_")
arcsinh_: InPlace = _in_place(elementwise.arcsinh, "arcsinh_")
arccosh_: InPlace = _in_place(elementwise.arccosh, "arccosh_")
arctanh_: InPlace = _in_place(elementwise.arctanh, "arctanh_")
hypot_: InPlace = _in_place(elementwise.hypot, "hypot_")
sinc_: InPlace = _in_place(elementwise.sinc, "sinc_")
erf_: InPlace = _in_place(elementwise.erf, "erf_")
erfc_: InPlace = _in_place(elementwise.erfc, "erfc_")
erfinv_: InPlace = _in_place(elementwise.erfinv, "erfinv_")
lgamma_: InPlace = _in_place(elementwise.lgamma, "lgamma_")
digamma_: InPlace = _in_place(elementwise.digamma, "digamma_")
polygamma_: InPlace = _in_place(special.polygamma_of, "polygamma_")
mvlgamma_: InPlace = _in_place(elementwise.mvlgamma, "mvlgamma_")
ceil_: InPlace = _in_place(elementwise.ceil, "ceil_")
fix_: InPlace = _in_place(elementwise.fix, "fix_")
floor_: InPlace = _in_place(elementwise.floor, "floor_")
frac_: InPlace = _in_place(elementwise.frac, "frac_")
round_: InPlace = _in_place(elementwise.round, "round_")
trunc_: InPlace = _in_place(elementwise.trunc, "trunc_")
eq_: InPlace = _in_place(elementwise.eq, "eq_")
ne_: InPlace = _in_place(elementwise.ne, "ne_")
lt_: InPlace = _in_place(elementwise.lt, "lt_")
gt_: InPlace = _in_place(elementwise.gt, "gt_")
le_: InPlace = _in_place(elementwise.le, "le_")
ge_: InPlace = _in_place(elementwise.ge, "ge_")
greater_: InPlace = _in_place(elementwise.greater, "greater_")
greater_equal_: InPlace = _in_place(elementwise.greater_equal, "greater_equal_")
less_: InPlace = _in_place(elementwise.less, "less_")
less_equal_: InPlace = _in_place(elementwise.less_equal, "less_equal_")
not_equal_: InPlace = _in_place(elementwise.not_equal, "not_equal_")
logical_not_: InPlace = _in_place(elementwise.logical_not, "logical_not_")
logical_and_: InPlace = _in_place(elementwise.logical_and, "logical_and_")
logical_or_: InPlace = _in_place(elementwise.logical_or, "logical_or_")
logical_xor_: InPlace = _in_place(elementwise.logical_xor, "logical_xor_")
bitwise_not_: InPlace = _in_place(elementwise.bitwise_not, "bitwise_not_")
bitwise_and_: InPlace = _in_place(elementwise.bitwise_and, "bitwise_and_")
bitwise_or_: InPlace = _in_place(elementwise.bitwise_or, "bitwise_or_")
bitwise_xor_: InPlace = _in_place(elementwise.bitwise_xor, "bitwise_xor_")
bitwise_left_shift_: InPlace = _in_place(elementwise.bitwise_left_shift, "bitwise_left_shift_")
bitwise_right_shift_: InPlace = _in_place(elementwise.bitwise_right_shift, "bitwise_right_shift_")
clamp_: InPlace = _in_place(elementwise.clamp, "clamp_")
clamp_min_: InPlace = _in_place(elementwise.clamp_min, "clamp_min_")
clamp_max_: InPlace = _in_place(elementwise.clamp_max, "clamp_max_")
clip_: InPlace = _in_place(elementwise.clip, "clip_")
heaviside_: InPlace = _in_place(elementwise.heaviside, "heaviside_")
copysign_: InPlace = _in_place(elementwise.copysign, "copysign_")
nan_to_num_: InPlace = _in_place(elementwise.nan_to_num, "nan_to_num_")
addmm_: InPlace = _in_place(products.addmm, "addmm_")
addmv_: InPlace = _in_place(products.addmv, "addmv_")
addr_: InPlace = _in_place(products.addr, "addr_")
addbmm_: InPlace = _in_place(products.addbmm, "addbmm_")
baddbmm_: InPlace = _in_place(products.baddbmm, "baddbmm_")
cumsum_: InPlace = _in_place(reductions.cumsum, "cumsum_")
cumprod_: InPlace = _in_place(reductions.cumprod, "cumprod_")
renorm_: InPlace = _in_place(reductions.renorm, "renorm_")


def fill_(x: Tensor, value: Any) -> Tensor:
    """Every element becomes `value`, a number or a tensor without dimensions."""
    t.require_tensors("fill_", x)
    if isinstance(value, np.ndarray):
        value = as_tensor(value)
    if isinstance(value, t.Tensor):
        if value.ndim:
            raise ShapeError(f"fill_: the value must have no dimensions, but it is {value.type_text()}").at(
                here()
            )
        source = value
    else:
        number = value.item() if isinstance(value, np.generic) else value
        source = as_tensor(filling_for(x.dtype, number, x.shape), x.dtype)

    def build(a: Node, v: Node) -> Node:
        return ops.broadcast_to(v if v.dtype is a.dtype else ops.cast(v, dtype=a.dtype), shape=a.shape)

    return x._change("fill_", t.apply("FillBackward0", build, x.detach(), source))


def fill(input: Tensor, value: Number | Tensor) -> Tensor:
    """A tensor like `input` of nothing but `value`, as fill_ (torch.fill)."""
    t.require_tensors("fill", input)
    return fill_(input.clone(), value)


def zero_(x: Tensor) -> Tensor:
    """Write 0 into every element of x (torch.Tensor.zero_)."""
    return fill_(x, 0)


def copy_(x: Tensor, source: Any) -> Tensor:
    """The values of `source`, broadcast and cast to x's type."""
    source = as_tensor(source)

    def build(a: Node) -> Node:
        cast = a if a.dtype is x.dtype else ops.cast(a, dtype=x.dtype)
        return cast if cast.shape == tuple(x.shape) else ops.broadcast_to(cast, shape=tuple(x.shape))

    return x._change("copy_", t.apply("CopyBackwards", build, source))
