"""Reading and writing by index as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import indexing


class IndexingMethods:
    __slots__ = ()

    argwhere = indexing.argwhere
    gather = indexing.gather
    index_add = indexing.index_add
    index_copy = indexing.index_copy
    index_fill = indexing.index_fill
    index_put = indexing.index_put
    index_reduce = indexing.index_reduce
    index_select = indexing.index_select
    masked_fill = indexing.masked_fill
    masked_scatter = indexing.masked_scatter
    masked_select = indexing.masked_select
    nonzero = indexing.nonzero
    put = indexing.put
    scatter = indexing.scatter
    scatter_add = indexing.scatter_add
    scatter_reduce = indexing.scatter_reduce
    take = indexing.take
    take_along_dim = indexing.take_along_dim
