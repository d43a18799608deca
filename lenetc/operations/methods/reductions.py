"""The reductions as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import reductions
from lenetc.operations.reductions import sums


class ReductionMethods:
    __slots__ = ()

    sum = reductions.sum
    sum_to_size = sums.sum_to_size
    nansum = reductions.nansum
    mean = reductions.mean
    nanmean = reductions.nanmean
    prod = reductions.prod
    logsumexp = reductions.logsumexp
    var = reductions.var
    std = reductions.std
    norm = reductions.norm
    dist = reductions.dist
    renorm = reductions.renorm
    amax = reductions.amax
    amin = reductions.amin
    aminmax = reductions.aminmax
    argmax = reductions.argmax
    argmin = reductions.argmin
    max = reductions.max
    min = reductions.min
    all = reductions.all
    any = reductions.any
    allclose = reductions.allclose
    equal = reductions.equal
    count_nonzero = reductions.count_nonzero
    histc = reductions.histc
    bincount = reductions.bincount
    median = reductions.median
    nanmedian = reductions.nanmedian
    mode = reductions.mode
    quantile = reductions.quantile
    nanquantile = reductions.nanquantile
    cumsum = reductions.cumsum
    cumprod = reductions.cumprod
    cummax = reductions.cummax
    cummin = reductions.cummin
    logcumsumexp = reductions.logcumsumexp
    diff = reductions.diff
