"""Recurrent layers over whole sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.types import DType
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.nn import init
from lenetc.nn.functional import recurrent
from lenetc.nn.functional.activation import warn
from lenetc.nn.functional.packed import PackedSequence, packed_rows
from lenetc.nn.functional.recurrent import Weights
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations import indexing, shaping
from lenetc.operations.autocast import autocast_modes
from lenetc.operations.creation import empty, zeros
from lenetc.tensors.tensor import Tensor, require_tensors

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")  # as the fields of Weights


class InputDTypeError(DTypeError, ValueError):
    """The input of a recurrent layer has another dtype than its weights: a ValueError in PyTorch."""


def empty_parameter(shape: Sequence[int], dtype: DType | None, device: Any) -> Parameter:
    """A weight that is to be filled."""
    return Parameter(empty(*shape, dtype=dtype, device=device))


def fill(module: Module, size: int) -> None:
    """Draw the parameters of a layer or cell with a state of `size`."""
    bound = 1.0 / math.sqrt(size)
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNBase(Module):
    """What RNN, GRU and LSTM share: layers of one or two directions over input[T,B,I] (torch.nn.RNNBase).

    Weights are called weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 and weight_hr_l0, with _reverse behind for
    the second direction. They start uniform within 1/sqrt(hidden_size). Raises TypeError and ValueError for
    arguments as PyTorch does.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}"
            )
        for name, value, kind in (
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name, value in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in recurrent.KINDS:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        gates, kept = len(recurrent.KINDS[mode].gates) * hidden_size, proj_size or hidden_size
        for k, suffixes in enumerate(self._suffixes()):
            inputs = input_size if k == 0 else kept * len(suffixes)
            for suffix in suffixes:
                shapes: list[Sequence[int] | None] = [(gates, inputs), (gates, kept)]
                shapes += [(gates,), (gates,)] if bias else [None, None]
                shapes.append((proj_size, hidden_size) if proj_size else None)
                for name, shape in zip(_NAMES, shapes, strict=True):
                    if shape is not None:
                        setattr(self, name + suffix, empty_parameter(shape, dtype, device))
        self.reset_parameters()

    def _suffixes(self) -> list[list[str]]:
        """What the names of the weights end with, of each layer and direction."""
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [[f"_l{layer}{end}" for end in ends] for layer in range(self.num_layers)]

    def _names_of(self, suffix: str) -> list[str]:
        return [name + suffix for name in _NAMES if name + suffix in self._parameters]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [
            [getattr(self, name) for name in self._names_of(suffix)]
            for suffixes in self._suffixes()
            for suffix in suffixes
        ]

    def reset_parameters(self) -> None:
        """Draw new first values."""
        fill(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: there is no memory to lay out."""

    def extra_repr(self) -> str:
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        told = [f"{name}={value}" for name in defaults if (value := getattr(self, name)) != defaults[name]]
        return ", ".join([str(self.input_size), str(self.hidden_size), *told])

    # Running.

    def _run(self, input: Any, hx: Sequence[Tensor] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """The output, and the last state: one tensor, or two for LSTM."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, hx)
        name = type(self).__name__
        require_tensors(name, input, optional=hx or ())
        if input.ndim not in (2, 3):
            raise ShapeError(f"{name}: Expected input to be 2D or 3D, got {input.ndim}D instead").at(here())
        is_batched, batch_axis = input.ndim == 3, 0 if self.batch_first else 1
        for x in hx or ():
            if x.ndim != input.ndim:
                raise ShapeError(
                    f"For {'batched 3' if is_batched else 'unbatched 2'}-D input, hx should also be "
                    f"{input.ndim}-D but got {x.ndim}-D tensor"
                ).at(here())
        if not is_batched:
            input = input.unsqueeze(batch_axis)
            hx = None if hx is None else [x.unsqueeze(1) for x in hx]
        self._check_input(input)
        steps = input.transpose(0, 1) if self.batch_first else input
        output, state = self._layers(steps, self._start(steps, hx), None)
        output = output.transpose(0, 1) if self.batch_first else output
        if not is_batched:
            output, state = output.squeeze(batch_axis), tuple(x.squeeze(1) for x in state)
        return output, state

    def _run_packed(
        self, input: PackedSequence, hx: Sequence[Tensor] | None
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        require_tensors(type(self).__name__, *(hx or ()))
        if input.data.ndim != 2:
            raise ShapeError(f"input must have 2 dimensions, got {input.data.ndim}").at(here())
        self._check_input(input.data)
        if hx is not None and input.sorted_indices is not None:
            hx = [indexing.index_select(x, 1, input.sorted_indices) for x in hx]
        steps = input.padded()
        output, state = self._layers(steps, self._start(steps, hx), input.mask())
        if input.unsorted_indices is not None:
            state = tuple(indexing.index_select(x, 1, input.unsorted_indices) for x in state)
        return input.with_data(packed_rows(output, input.sizes)), state

    def _check_input(self, input: Tensor) -> None:
        weight: Parameter = self.weight_ih_l0
        if input.dtype is not weight.dtype and not autocast_modes():
            raise InputDTypeError(
                f"RNN input dtype ({input.dtype!r}) does not match weight dtype ({weight.dtype!r}). Convert input: "
                f"input.to({weight.dtype!r}), or convert model: model.to({input.dtype!r})"
            ).at(here())
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            ).at(here())

    def _state_sizes(self) -> list[int]:
        kept = self.proj_size or self.hidden_size
        return [kept, self.hidden_size][: recurrent.KINDS[self.mode].states]

    def _start(self, steps: Tensor, hx: Sequence[Tensor] | None) -> Sequence[Tensor]:
        """The state before the first of steps[T,B,I]: what was given, or zeros."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        shapes: list[tuple[Dim, ...]] = [(count, steps.shape[1], size) for size in self._state_sizes()]
        if hx is None:
            return [zeros(*shape, dtype=steps.dtype) for shape in shapes]
        for i, (x, shape) in enumerate(zip(hx, shapes, strict=True)):
            if tuple(x.shape) != shape:
                which = f"hidden[{i}]" if len(shapes) > 1 else "hidden"
                raise ShapeError(f"Expected {which} size {shape}, got {list(x.shape)}").at(here())
            if x.dtype is not steps.dtype and not autocast_modes():
                raise DTypeError(
                    f"the input {steps.type_text()} and the hidden state {x.type_text()} should have the same dtype"
                ).at(here())
        return hx

    def _layers(
        self, steps: Tensor, start: Sequence[Tensor], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        last: list[tuple[Tensor, ...]] = []
        for number, suffixes in enumerate(self._suffixes()):
            if number:
                steps = F.dropout(steps, self.dropout, self.training)
            outputs = []
            for k, suffix in enumerate(suffixes):
                output, state = recurrent.layer(
                    self.mode,
                    steps,
                    [x[len(last)] for x in start],
                    self._weights(suffix),
                    reverse=k == 1,
                    mask=mask,
                )
                outputs.append(output)
                last.append(state)
            steps = shaping.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return steps, tuple(shaping.stack(states) for states in zip(*last, strict=True))

    def _weights(self, suffix: str) -> Weights:
        return Weights(*(self._parameters.get(name + suffix) for name in _NAMES))


class RNN(RNNBase):
    """h' = tanh(W x + b + U h + d), or relu of it: input[T,B,I] -> output[T,B,H], last h (torch.nn.RNN)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        modes = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
        if nonlinearity not in tuple(modes):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            modes[nonlinearity],
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class GRU(RNNBase):
    """Gated recurrent units: input[T,B,I] -> output[T,B,H], last h (Cho et al. 2014; torch.nn.GRU)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "GRU",
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            device=device,
            dtype=dtype,
        )

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class LSTM(RNNBase):
    """Long short-term memory: input[T,B,I] -> output[T,B,H], (last h, last c), h projected to proj_size if that is
    not 0 (Hochreiter and Schmidhuber 1997; torch.nn.LSTM)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, (h, c) = self._run(input, hx)
        return output, (h, c)
