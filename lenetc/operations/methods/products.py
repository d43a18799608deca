"""The products as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import products


class ProductMethods:
    __slots__ = ()

    matmul = products.matmul
    mm = products.matmul
