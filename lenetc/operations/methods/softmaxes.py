"""Softmax and its logarithm as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import softmaxes


class SoftmaxMethods:
    __slots__ = ()

    softmax = softmaxes.softmax
    log_softmax = softmaxes.log_softmax
