"""Recurrent layers: what does not wait for the step before is done for all steps at once, the rest by a scan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lenetc.nn.functional as F
import lenetc.operations.elementwise as E
from ir.errors import ShapeError
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.flow.scanning import places, scan
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, to_tensor
from lenetc.operations.creation import zeros
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor

Activation = Callable[[Tensor], Tensor]


_NEEDED = object()  # ONNX and ONNX Runtime are not of one mind about a default

# By name: the function of x, alpha and beta; the defaults of alpha and beta, None where it takes none.
_ACTIVATIONS: dict[str, tuple[Callable[..., Tensor], Any, Any]] = {
    "relu": (lambda x, a, b: F.relu(x), None, None),
    "tanh": (lambda x, a, b: F.tanh(x), None, None),
    "sigmoid": (lambda x, a, b: F.sigmoid(x), None, None),
    "softsign": (lambda x, a, b: F.softsign(x), None, None),
    "softplus": (lambda x, a, b: F.softplus(x), None, None),
    "affine": (lambda x, a, b: x * a + b, _NEEDED, _NEEDED),
    "leakyrelu": (lambda x, a, b: F.leaky_relu(x, a), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: E.where(x > a, x, 0.0), _NEEDED, None),
    "scaledtanh": (lambda x, a, b: F.tanh(x * b) * a, _NEEDED, _NEEDED),
    "hardsigmoid": (lambda x, a, b: (x * a + b).clamp(0.0, 1.0), 0.2, 0.5),
    "elu": (lambda x, a, b: F.elu(x, a), 1.0, None),
}


@dataclass
class Layer:
    """What a recurrent operator says besides its inputs. clip: the limit of what goes into activations."""

    direction: str
    clip: float | None
    layout: int
    activations: list[list[Activation]]  # of each direction

    @property
    def directions(self) -> int:
        return len(self.activations)

    def clipped(self, x: Tensor) -> Tensor:
        return x if self.clip is None else x.clamp(-self.clip, self.clip)


def _layer(
    direction: str,
    clip: float | None,
    layout: int,
    names: Sequence[str],
    alphas: Sequence[float],
    betas: Sequence[float],
    default: Sequence[str],
) -> Layer:
    if direction not in ("forward", "reverse", "bidirectional"):
        raise OnnxOperatorError(f"direction is forward, reverse or bidirectional, not {direction!r}")
    directions = 2 if direction == "bidirectional" else 1
    names = names or [*default] * directions
    if len(names) != len(default) * directions:
        raise OnnxOperatorError(f"{len(default) * directions} activations are needed, not {list(names)}")
    if unknown := [name for name in names if name.lower() not in _ACTIVATIONS]:
        raise OnnxOperatorError(f"the activations {', '.join(unknown)} are none of {', '.join(_ACTIVATIONS)}")
    left, found = (list(alphas), list(betas)), list[Activation]()
    for name in names:
        function, *defaults = _ACTIVATIONS[name.lower()]
        # Each takes its own from the front, and those that have none take none.
        alpha, beta = (
            values.pop(0) if values and given is not None else given
            for values, given in zip(left, defaults, strict=True)
        )
        if _NEEDED in (alpha, beta):
            raise OnnxOperatorError(f"{name} needs its own activation_alpha and activation_beta")
        found.append(functools.partial(function, a=alpha, b=beta))
    size = len(default)
    return Layer(direction, clip, layout, [found[i : i + size] for i in range(0, len(found), size)])


# From a layer's activations, what the inputs send to the gates [B,G], the state [B,H] each and weights to the state.
Cell = Callable[..., tuple[Tensor, ...]]


def _run(
    of: Layer,
    cell: Cell,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    input_bias: Tensor | None,
    more: Sequence[Tensor | None],
    lengths: Value,
    states: Sequence[Tensor | None],
) -> tuple[Tensor, ...]:
    """Y[T,D,B,H], and the last of each state [D,B,H]; of layout 1 with B first.

    x[T,B,I]; w[D,G,I]; r[D,G,H]; input_bias[D,G]; more: what else steps read, [D, ...]; lengths[B].
    """
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3 or w.shape[0] != of.directions:
        raise ShapeError(
            f"X has to be [T,B,I], W [D,G,I] and R [D,G,H] with D = {of.directions} for {of.direction}; they are "
            f"{x.type_text()}, {w.type_text()} and {r.type_text()}"
        )
    if of.layout:
        x = x.transpose(0, 1)
        states = [None if state is None else state.transpose(0, 1) for state in states]
    length, batch, features = x.shape
    hidden = r.shape[2]
    mask = is_empty = None
    if lengths is not None:
        counts = to_tensor(lengths).unsqueeze(0)
        mask = (places(length).unsqueeze(1) < counts).unsqueeze(2)
        is_empty = (counts == 0).unsqueeze(2)
    outputs, last = [], []
    for d, activations in enumerate(of.activations):
        gates = x.reshape(length * batch, features) @ w[d].transpose(0, 1)
        gates = gates if input_bias is None else gates + input_bias[d]
        first = [zeros(batch, hidden, dtype=x.dtype) if s is None else s[d] for s in states]
        given = [r[d].transpose(0, 1), *(value[d] for value in more if value is not None)]

        def step(
            carried: list[Tensor], items: list[Tensor], rest: list[Tensor], activations: Any = activations
        ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            read = iter(rest[1:])
            others = [None if value is None else next(read) for value in more]
            made: Sequence[Tensor] = cell(of, activations, items[0], carried, rest[0], *others)
            if mask is None:
                return made, made[:1]
            made = [E.where(items[1], new, old) for new, old in zip(made, carried, strict=True)]
            return made, [E.where(items[1], made[0], 0.0)]

        sequences = [gates.reshape(length, batch, w.shape[1]), *([] if mask is None else [mask])]
        reverse = of.direction == "reverse" or d == 1
        left, (output,) = scan(step, first, sequences, given, length, reverse=reverse)
        outputs.append(output)
        last.append(left)
    y = stack(outputs, 1)
    ends = [stack(list(each), 0) for each in zip(*last, strict=True)]
    if is_empty is not None:  # as ONNX Runtime has it, whatever the state was
        ends = [E.where(is_empty, 0.0, end) for end in ends]
    if of.layout:
        return y.permute(2, 0, 1, 3), *(end.transpose(0, 1) for end in ends)
    return y, *ends


def _biases(bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Of the inputs and of the hidden state, [D,G] each."""
    if bias is None:
        return None, None
    size = bias.shape[1] // 2
    return bias[:, :size], bias[:, size:]


def _both(bias: Tensor | None) -> Tensor | None:
    first, second = _biases(bias)
    return None if first is None or second is None else first + second


@operator
def RNN(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Value = None,
    initial_h: Tensor | None = None,
    /,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    of = _layer(direction, clip, layout, activations, activation_alpha, activation_beta, ["Tanh"])
    return _run(of, _rnn, x, w, r, _both(b), (), sequence_lens, [initial_h])


def _rnn(of: Layer, activations: Sequence[Activation], x: Tensor, state: Sequence[Tensor], r: Tensor) -> Any:
    return (activations[0](of.clipped(x + state[0] @ r)),)


@operator
def GRU(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Value = None,
    initial_h: Tensor | None = None,
    /,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[Tensor, ...]:
    of = _layer(direction, clip, layout, activations, activation_alpha, activation_beta, ["Sigmoid", "Tanh"])
    if linear_before_reset:
        input_bias, hidden_bias = _biases(b)
        return _run(of, _gru_linear, x, w, r, input_bias, [hidden_bias], sequence_lens, [initial_h])
    return _run(of, _gru, x, w, r, _both(b), (), sequence_lens, [initial_h])


def _gru(of: Layer, activations: Sequence[Activation], x: Tensor, state: Sequence[Tensor], r: Tensor) -> Any:
    """Gates z, r, h; the reset is of the state."""
    (h,), size = state, state[0].shape[1]
    f, g = activations
    gates = f(of.clipped(x[:, : 2 * size] + h @ r[:, : 2 * size]))
    z, reset = gates[:, :size], gates[:, size:]
    n = g(of.clipped(x[:, 2 * size :] + (reset * h) @ r[:, 2 * size :]))
    return (n + z * (h - n),)


def _gru_linear(
    of: Layer,
    activations: Sequence[Activation],
    x: Tensor,
    state: Sequence[Tensor],
    r: Tensor,
    bias: Tensor | None,
) -> Any:
    """The reset is of what the state sends, as PyTorch has it."""
    (h,), size = state, state[0].shape[1]
    f, g = activations
    u = h @ r if bias is None else h @ r + bias
    gates = f(of.clipped(x[:, : 2 * size] + u[:, : 2 * size]))
    z, reset = gates[:, :size], gates[:, size:]
    n = g(of.clipped(x[:, 2 * size :] + reset * u[:, 2 * size :]))
    return (n + z * (h - n),)


@operator
def LSTM(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Value = None,
    initial_h: Tensor | None = None,
    initial_c: Tensor | None = None,
    p: Tensor | None = None,
    /,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    default = ["Sigmoid", "Tanh", "Tanh"]
    of = _layer(direction, clip, layout, activations, activation_alpha, activation_beta, default)
    cell = functools.partial(_lstm, is_coupled=bool(input_forget))
    return _run(of, cell, x, w, r, _both(b), [p], sequence_lens, [initial_h, initial_c])


def _lstm(
    of: Layer,
    activations: Sequence[Activation],
    x: Tensor,
    state: Sequence[Tensor],
    r: Tensor,
    p: Tensor | None,
    *,
    is_coupled: bool,
) -> Any:
    """Gates i, o, f, c; p[3H]: what i, o and f read of the cell. Only gates are clipped, as ONNX Runtime does."""
    (h, c), size = state, state[0].shape[1]
    f, g, last = activations
    z = x + h @ r
    n = g(of.clipped(z[:, 3 * size :]))
    if p is None:
        gates = f(of.clipped(z[:, : 3 * size]))
        i, o, forget = (gates[:, k * size : (k + 1) * size] for k in range(3))
    else:
        i = f(of.clipped(z[:, :size] + p[:size] * c))
        forget = f(of.clipped(z[:, 2 * size : 3 * size] + p[2 * size :] * c))
    c = (1 - i if is_coupled else forget) * c + i * n
    if p is not None:
        o = f(of.clipped(z[:, size : 2 * size] + p[size : 2 * size] * c))
    return o * last(c), c
