"""The functions that make tensors, and fill them with random numbers, as methods of Tensor."""

from __future__ import annotations

from lenetc.operations.creation import likes, refilled, sampling


class CreationMethods:
    __slots__ = ()

    new = likes.new
    new_empty = likes.new_empty
    new_empty_strided = likes.new_empty_strided
    new_full = likes.new_full
    new_ones = likes.new_ones
    new_tensor = likes.new_tensor
    new_zeros = likes.new_zeros
    bernoulli = refilled.bernoulli
    multinomial = sampling.multinomial
    bernoulli_ = refilled.bernoulli_
    cauchy_ = refilled.cauchy_
    exponential_ = refilled.exponential_
    geometric_ = refilled.geometric_
    log_normal_ = refilled.log_normal_
    normal_ = refilled.normal_
    random_ = refilled.random_
    uniform_ = refilled.uniform_
