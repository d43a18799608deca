"""The products as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import products


class ProductMethods:
    __slots__ = ()

    matmul = products.matmul
    mm = products.mm
    bmm = products.bmm
    mv = products.mv
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    addbmm = products.addbmm
    baddbmm = products.baddbmm
    dot = products.dot
    vdot = products.vdot
    outer = products.outer
    ger = products.ger
    inner = products.inner
    kron = products.kron
    cross = products.cross
    cov = products.cov
    corrcoef = products.corrcoef
