"""Recurrent cells: one step of the layers in `recurrent`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.errors import LenetcError, ShapeError
from ir.types import DType
from lenetc.evaluation.tracing import here
from lenetc.nn.functional import recurrent
from lenetc.nn.functional.recurrent import Weights
from lenetc.nn.modules.module import Module
from lenetc.nn.modules.recurrent import empty_parameter, fill
from lenetc.nn.parameter import Parameter
from lenetc.operations.creation import zeros
from lenetc.tensors.tensor import Tensor, require_tensors


class RNNCellBase(Module):
    """One step of a recurrent layer over input[B,I] or input[I], with parameters weight_ih, weight_hh, bias_ih and
    bias_hh (torch.nn.RNNCellBase)."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = empty_parameter((rows, input_size), dtype, device)
        self.weight_hh = empty_parameter((rows, hidden_size), dtype, device)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        if self.hidden_size > 0:
            fill(self, self.hidden_size)

    def extra_repr(self) -> str:
        told = "" if self.bias is True else f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            told += f", nonlinearity={self.nonlinearity}"
        return f"{self.input_size}, {self.hidden_size}{told}"

    def _step(self, mode: str, input: Tensor, hx: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        name = type(self).__name__
        require_tensors(name, input, optional=hx or ())
        named = ["hidden"] if hx is None or len(hx) == 1 else [f"hx[{i}]" for i in range(len(hx))]
        for what, x in (("input", input), *zip(named, hx or (), strict=False)):
            if x.ndim not in (1, 2):
                raise ShapeError(f"{name}: Expected {what} to be 1D or 2D, got {x.ndim}D instead").at(here())
        is_batched = input.ndim == 2
        if not is_batched:
            input, hx = input.unsqueeze(0), None if hx is None else [x.unsqueeze(0) for x in hx]
        if input.shape[1] != self.input_size:
            raise ShapeError(
                f"input has inconsistent input_size: got {input.shape[1]} expected {self.input_size}"
            ).at(here())
        if hx is None:
            start = zeros(input.shape[0], self.hidden_size, dtype=input.dtype)
            hx = [start] * recurrent.KINDS[mode].states
        for i, x in enumerate(hx):
            if x.ndim != 2 or x.shape[0] != input.shape[0]:
                raise ShapeError(
                    f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {x.shape[0]}"
                ).at(here())
            if x.shape[1] != self.hidden_size:
                raise ShapeError(
                    f"hidden{i} has inconsistent hidden_size: got {x.shape[1]}, expected {self.hidden_size}"
                ).at(here())
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        state = recurrent.cell(mode, input, hx, weights)
        return state if is_batched else tuple(x.squeeze(0) for x in state)


class RNNCell(RNNCellBase):
    """h' = tanh(W x + b + U h + d), or relu of it (torch.nn.RNNCell)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise LenetcError(f"Unknown nonlinearity: {self.nonlinearity}").at(here())
        mode = f"RNN_{self.nonlinearity.upper()}"
        (h,) = self._step(mode, input, None if hx is None else (hx,))
        return h


class GRUCell(RNNCellBase):
    """One step of GRU (torch.nn.GRUCell)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        (h,) = self._step("GRU", input, None if hx is None else (hx,))
        return h


class LSTMCell(RNNCellBase):
    """One step of LSTM: input, (h, c) -> (h', c') (torch.nn.LSTMCell)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step("LSTM", input, hx)
        return h, c
