"""The reductions as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import reductions


class ReductionMethods:
    __slots__ = ()

    sum = reductions.sum
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    norm = reductions.norm
    amax = reductions.amax
    amin = reductions.amin
    argmax = reductions.argmax
    argmin = reductions.argmin
    prod = reductions.prod
    max = reductions.max
    min = reductions.min
    all = reductions.all
    any = reductions.any
    allclose = reductions.allclose
    equal = reductions.equal
