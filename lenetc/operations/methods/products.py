"""The products and the functions of matrices as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import dense, products


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
    inverse = dense.inverse
    det = dense.det
    logdet = dense.logdet
    slogdet = dense.slogdet
    cholesky = dense.cholesky
    cholesky_solve = dense.cholesky_solve
    cholesky_inverse = dense.cholesky_inverse
    matrix_power = dense.matrix_power
    pinverse = dense.pinverse
    svd = dense.svd
    lu = dense.lu
    lu_solve = dense.lu_solve
    geqrf = dense.geqrf
    orgqr = dense.orgqr
    ormqr = dense.ormqr
    qr = dense.qr
    matrix_exp = dense.matrix_exp
    triangular_solve = dense.triangular_solve
