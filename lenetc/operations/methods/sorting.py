"""Sorting as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import sorting


class SortingMethods:
    __slots__ = ()

    sort = sorting.sort
    argsort = sorting.argsort
    msort = sorting.msort
    topk = sorting.topk
    kthvalue = sorting.kthvalue
    unique = sorting.unique
    unique_consecutive = sorting.unique_consecutive
