"""The in-place changes as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import in_place


class InPlaceMethods:
    __slots__ = ()

    bitwise_and_ = in_place.bitwise_and_
    bitwise_or_ = in_place.bitwise_or_
    bitwise_xor_ = in_place.bitwise_xor_
    add_ = in_place.add_
    sub_ = in_place.sub_
    mul_ = in_place.mul_
    div_ = in_place.div_
    pow_ = in_place.pow_
    neg_ = in_place.neg_
    sqrt_ = in_place.sqrt_
    relu_ = in_place.relu_
    clamp_ = in_place.clamp_
    addcmul_ = in_place.addcmul_
    addcdiv_ = in_place.addcdiv_
    lerp_ = in_place.lerp_
    fill_ = in_place.fill_
    zero_ = in_place.zero_
    copy_ = in_place.copy_
