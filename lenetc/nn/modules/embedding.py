"""Tables of rows that are looked up by index."""

from __future__ import annotations

from typing import Any, Self

from ir.errors import ShapeError
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.nn import init
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations.creation import empty
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, require_tensors


class _Table(Module):
    """weight[num_embeddings,embedding_dim], whose rows start normal, and row `padding_idx` as zeros."""

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        freeze: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        num_embeddings = index_of("num_embeddings", num_embeddings)
        if padding_idx is not None:
            padding_idx = index_of("padding_idx", padding_idx)
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"padding_idx {padding_idx} must be within the {num_embeddings} embeddings")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is None:
            made = empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(made, requires_grad=not freeze)
            self.reset_parameters()
        else:
            require_tensors("Embedding: _weight", weight)
            if tuple(weight.shape) != (num_embeddings, embedding_dim):
                raise ShapeError(
                    f"the weight {weight.type_text()} does not have {num_embeddings} rows of {embedding_dim} elements"
                ).at(here())
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            values = self.weight.detach().numpy()
            values[self.padding_idx] = 0
            self.weight._cell.set_value(values)

    def _options(self) -> str:
        """What is not by default, as extra_repr shows it."""
        shown = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        shown += "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        return shown + (f", scale_grad_by_freq={self.scale_grad_by_freq}" if self.scale_grad_by_freq else "")


def _pretrained(what: str, embeddings: Tensor) -> Tensor:
    """The rows of a table. Raises ShapeError for another number of dimensions than 2."""
    require_tensors(what, embeddings)
    if embeddings.ndim != 2:
        raise ShapeError(
            f"Embeddings parameter is expected to be 2-dimensional, but it is {embeddings.type_text()}"
        ).at(here())
    return embeddings.detach()


class Embedding(_Table):
    """Rows of weight[num_embeddings,embedding_dim] by index: integers [*] -> [*,D] (torch.nn.Embedding).

    Rows start normal; row `padding_idx` starts as zeros and is not trained. The rest is as for functional.embedding.
    Raises ValueError for a padding_idx out of range.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            _freeze,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{self._options()}{sparse}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """An Embedding of the rows of `embeddings`, whose storage it shares; not trained if `freeze`."""
        rows = _pretrained("Embedding.from_pretrained", embeddings)
        return cls(
            rows.shape[0],
            rows.shape[1],
            _weight=rows,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of rows; see functional.embedding_bag (torch.nn.EmbeddingBag)."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            False,
            device,
            dtype,
        )
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{self._options()}, mode={self.mode!r}{padding}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """An EmbeddingBag of the rows of `embeddings`, whose storage it shares; not trained if `freeze`."""
        rows = _pretrained("EmbeddingBag.from_pretrained", embeddings)
        made = cls(
            rows.shape[0],
            rows.shape[1],
            _weight=rows,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made
