"""Dropout layers."""

from __future__ import annotations

from lenetc.nn import functional as F
from lenetc.nn.functional.dropout import check_share
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor


class _Dropout(Module):
    """What they have in common. Raises ValueError unless 0 <= p <= 1."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_share(type(self).__name__, p)
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training mode, functional.dropout: of elements (Srivastava et al. 2014; torch.nn.Dropout)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training mode, functional.dropout1d: of channels of [N,C,L] or [C,L] (torch.nn.Dropout1d)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training mode, functional.dropout2d: of channels of [N,C,H,W] (torch.nn.Dropout2d)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training mode, functional.dropout3d: of channels of [N,C,D,H,W] or [C,D,H,W] (torch.nn.Dropout3d)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """In training mode, functional.alpha_dropout (Klambauer et al. 2017; torch.nn.AlphaDropout)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """In training mode, functional.feature_alpha_dropout: of channels, for SELU (torch.nn.FeatureAlphaDropout)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
