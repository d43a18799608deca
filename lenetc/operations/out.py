"""The keyword `out=`: a function's result put into a tensor that is there already."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import lenetc.tensors.tensor as t
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.tensors.dtypes import can_cast
from lenetc.tensors.grad_fn import is_grad_enabled, set_grad_enabled

# PyTorch's functions with out=, of the package itself, of its `special` and of its `linalg`; but not those that make
# tensors of no other, which take their dtype from it.
NAMES = frozenset(
    """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr airy_ai alias_copy all amax amin
    aminmax angle any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin as_strided_copy asin
    asinh atan atan2 atanh baddbmm bernoulli bessel_j0 bessel_j1 bessel_y0 bessel_y1 bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm bucketize cat ceil
    chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w cholesky
    cholesky_ex cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip column_stack complex concat
    concatenate cond conj_physical copysign cos cosh cross cummax cummin cumprod cumsum deg2rad det diag
    diagonal_copy diff digamma div divide dot dstack eig eigh eigvals eigvalsh entr eq equal erf erfc erfcx
    erfinv exp exp2 expand_copy expit expm1 fix float_power floor floor_divide fmax fmin fmod frac frexp
    gammaln gather gcd ge geqrf ger greater greater_equal gt hash_tensor heaviside hermite_polynomial_h
    hermite_polynomial_he histc histogram histogramdd householder_product hstack hypot i0 i0e i1 i1e igamma
    igammac index_add index_copy index_reduce index_select inner inv inv_ex inverse isin isneginf isposinf
    kron kthvalue laguerre_polynomial_l lcm ldexp ldl_factor ldl_factor_ex ldl_solve le legendre_polynomial_p
    lerp less less_equal lgamma log log10 log1p log2 log_ndtr log_softmax logaddexp logaddexp2 logcumsumexp
    logical_and logical_not logical_or logical_xor logit logsumexp lstsq lt lu lu_factor lu_factor_ex lu_solve
    lu_unpack masked_select matmul matrix_norm matrix_power matrix_rank max maximum mean min minimum mm mode
    modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 msort mul multi_dot
    multigammaln multinomial multiply mv mvlgamma nan_to_num nanmean nanquantile nansum narrow_copy
    native_batch_norm ndtr ndtri ne neg negative nextafter nonzero norm normal not_equal orgqr ormqr outer
    permute_copy pinv polar polygamma pow psi qr quantile rad2deg reciprocal remainder renorm round row_stack
    rsqrt scaled_modified_bessel_k0 scaled_modified_bessel_k1 scatter scatter_add scatter_reduce searchsorted
    sgn shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w sigmoid sign signbit sin sinc sinh slice_scatter slogdet softmax solve
    solve_ex solve_triangular sort spherical_bessel_j0 split_with_sizes_copy sqrt square squeeze_copy stack
    std sub subtract svd svdvals t_copy take take_along_dim tan tanh tensordot tensorinv tensorsolve topk
    transpose_copy triangular_solve tril triu true_divide trunc unbind_copy unfold_copy unsqueeze_copy var
    vdot vecdot vector_norm view_copy vstack where xlog1py xlogy zeta
""".split()
)

# Of these, and of those with several results, PyTorch casts no result: `out` has its dtype.
EXACT = frozenset(
    """
    abs absolute addbmm addmm addmv alias_copy amax amin aminmax argmax argmin as_strided_copy avg_pool2d
    avg_pool3d baddbmm bitwise_not bmm bucketize ceil cholesky_ex conj_physical cross cummax cummin det diag
    diagonal_copy diff dot eigh eigvalsh expand_copy fix float_power floor frac frexp gather gelu hardshrink
    hash_tensor heaviside histc histogram histogramdd index_add index_copy index_reduce index_select inv
    inv_ex inverse isin isneginf isposinf kthvalue ldl_factor ldl_factor_ex ldl_solve linear log_softmax
    logcumsumexp logsigmoid lu_factor lu_factor_ex lu_solve lu_unpack masked_select matmul matrix_norm mm
    mode msort multi_dot multinomial mv nan_to_num nanquantile narrow_copy native_batch_norm neg negative
    nonzero norm ormqr permute_copy qr quantile renorm round scatter scatter_add scatter_reduce searchsorted
    sgn sign signbit slice_scatter slogdet softmax softplus softshrink solve solve_ex solve_triangular sort
    split_with_sizes_copy squeeze_copy svd svdvals t_copy take take_along_dim tensordot topk transpose_copy
    triangular_solve tril triu trunc unbind_copy unfold_copy unsqueeze_copy vdot vecdot vector_norm
    view_copy where
""".split()
)


def give_out(names: dict[str, Any]) -> None:
    """Let the functions among `names`, the globals of a module, take `out=` where PyTorch's do."""
    for name in NAMES & names.keys():
        if "out" in inspect.signature(names[name]).parameters:
            continue  # sees to it itself
        names[name] = with_out(names[name])


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with a keyword `out`: a tensor, or a tuple of them for one with several results."""

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        t.require_tensors(f"{function.__name__}: out", *outs)
        if is_grad_enabled() and any(x.requires_grad for x in _tensors((outs, args, [*kwargs.values()]))):
            raise LenetcError(
                f"{function.__name__}: functions with out=... arguments don't support automatic differentiation, "
                "but one of the arguments requires grad"
            ).at(here())
        result = function(*args, **kwargs)
        results = result if isinstance(result, (tuple, list)) else (result,)
        if len(results) != len(outs):
            raise LenetcError(
                f"{function.__name__}: out has {len(outs)} tensors for {len(results)} results"
            ).at(here())
        for target, value in zip(outs, results, strict=True):
            if value.dtype is not target.dtype and (len(outs) > 1 or function.__name__ in EXACT):
                raise DTypeError(
                    f"{function.__name__}: expected out to have the dtype {value.dtype.name} of the result, but got "
                    f"{target.dtype.name} instead"
                ).at(here())
            put(function.__name__, target, value)
        return type(result)(*outs) if hasattr(result, "_fields") else out

    return call


def _tensors(values: Iterable[Any]) -> Iterable[t.Tensor]:
    for value in values:
        if isinstance(value, t.Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)


def put(what: str, target: t.Tensor, value: t.Tensor) -> None:
    """Let `value` be the value of `target`, in the dtype of that; one of another shape takes its shape.

    Raises DTypeError where PyTorch does not cast the one to the other, ShapeError for another shape in a compiled
    function.
    """
    if not can_cast(value.dtype, target.dtype):
        raise DTypeError(
            f"{what}: result type {value.type_text()} can't be cast to that of out, {target.type_text()}"
        ).at(here())
    value = value.to(target.dtype)
    with set_grad_enabled(False):
        if target.shape == value.shape:
            target._change("out=", value)
            return
        if Context.trace is not None or target._shares:
            raise ShapeError(
                f"{what}: out has the shape {list(target.shape)}, but the result {list(value.shape)}"
            ).at(here())
        if target.numel():
            warnings.warn(
                f"an output with one or more elements was resized since it had shape {list(target.shape)}, which "
                f"does not match the required output shape {list(value.shape)}",
                stacklevel=3,
            )
        target._cell.become(value._cell.type, value._array())
