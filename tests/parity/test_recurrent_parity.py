"""Recurrent layers and packed sequences beside PyTorch's: values, gradients, names, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from lenetc import nn

T, B, D, H = 5, 3, 4, 6


def pair(kind: str, dtype: Any = torch.float64, **how: Any) -> tuple[Any, Any]:
    """The same layer of both, with the same weights."""
    theirs = getattr(torch.nn, kind)(D, H, dtype=dtype, **how)
    ours = getattr(nn, kind)(D, H, dtype=lenetc.float64 if dtype is torch.float64 else lenetc.float32, **how)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def run(lib: Any, layer: Any, arrays: list[Any], how: dict[str, Any]) -> list[Any]:
    """Outputs, then gradients of x, of the state where it is given, and of the weights."""
    lengths, is_sorted, is_first = how.get("lengths"), how.get("is_sorted", True), layer.batch_first
    x, *state = (lib.tensor(array, requires_grad=True) for array in arrays)
    given = x
    rnn = lib.nn.utils.rnn
    if lengths:
        given = rnn.pack_padded_sequence(x, lengths, is_first, enforce_sorted=is_sorted)
    hx = (tuple(state) if len(state) > 1 else state[0]) if how.get("state", True) else None
    output, last = layer(given, hx)
    if lengths:
        output, found = rnn.pad_packed_sequence(output, is_first, padding_value=0.5, total_length=T + 1)
        assert found.tolist() == lengths
    last = last if isinstance(last, tuple) else (last,)
    loss = (output * output).sum()
    for value in last:
        loss = loss + (value * value * value).sum()
    loss.backward()
    leaves = [x, *(state if hx is not None else ()), *layer.parameters()]
    return [output.detach(), *(value.detach() for value in last), *(leaf.grad for leaf in leaves)]


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *((kind, {"num_layers": 2, "bidirectional": True}, {}) for kind in ("RNN", "GRU", "LSTM")),
    *((kind, {"batch_first": True}, {"dtype": torch.float32}) for kind in ("RNN", "GRU", "LSTM")),
    *((kind, {"bias": False}, {"state": False, "batched": False}) for kind in ("RNN", "GRU", "LSTM")),
    ("RNN", {"nonlinearity": "relu"}, {"batched": False}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}, {}),
    ("GRU", {"bidirectional": True, "num_layers": 2}, {"lengths": [5, 3, 2]}),
    ("LSTM", {"batch_first": True}, {"lengths": [2, 5, 3], "is_sorted": False}),
    ("LSTM", {"proj_size": 2}, {"lengths": [4, 1, 1], "state": False}),
]


@pytest.mark.parametrize(("kind", "options", "how"), CASES)
def test_layers_and_their_gradients(kind: str, options: dict[str, Any], how: dict[str, Any]) -> None:
    dtype = how.get("dtype", torch.float64)
    ours, theirs = pair(kind, dtype, **options)
    rng = np.random.default_rng(0)
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    batch = (B,) if how.get("batched", True) else ()
    x = (*batch, T) if options.get("batch_first") else (T, *batch)
    shapes = [(*x, D), (count, *batch, options.get("proj_size", H))]
    if kind == "LSTM":
        shapes.append((count, *batch, H))
    arrays = [rng.standard_normal(shape).astype(str(dtype)[6:]) for shape in shapes]
    tolerance = 1e-10 if dtype is torch.float64 else 1e-4
    for a, b in zip(run(lenetc, ours, arrays, how), run(torch, theirs, arrays, how), strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(
            (kind, {"num_layers": 2, "bidirectional": True, "dropout": 0.5})
            for kind in ("RNN", "GRU", "LSTM")
        ),
        ("LSTM", {"proj_size": 2, "bias": False, "batch_first": True}),
        *((kind, {}) for kind in ("RNNCell", "GRUCell", "LSTMCell")),
        ("RNNCell", {"bias": False, "nonlinearity": "relu"}),
    ],
)
def test_names_and_text(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = pair(kind, torch.float32, **options)
    assert repr(ours) == repr(theirs)
    assert [(name, tuple(p.shape)) for name, p in ours.named_parameters()] == [
        (name, tuple(p.shape)) for name, p in theirs.named_parameters()
    ]
    if hasattr(theirs, "all_weights"):
        assert [len(group) for group in ours.all_weights] == [len(group) for group in theirs.all_weights]
    assert all(float(p.detach().abs().max()) <= H**-0.5 for p in ours.parameters())


@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [
        ("RNNCell", {}, (B, D)),
        ("RNNCell", {"nonlinearity": "relu", "bias": False}, (D,)),
        ("GRUCell", {}, (B, D)),
        ("GRUCell", {"bias": False}, (D,)),
        ("LSTMCell", {}, (B, D)),
        ("LSTMCell", {"bias": False}, (D,)),
    ],
)
def test_cells_and_their_gradients(kind: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours, theirs = pair(kind, **options)
    x, h = (np.random.default_rng(i).standard_normal((*shape[:-1], n)) for i, n in enumerate((D, H)))

    def stepped(lib: Any, cell: Any) -> list[Any]:
        value, state = lib.tensor(x, requires_grad=True), lib.tensor(h, requires_grad=True)
        new = cell(value, (state, state) if kind == "LSTMCell" else state)
        new = cell(value, new)
        start = cell(value)
        total = sum((y * y).sum() for y in (*new, *start)) if kind == "LSTMCell" else (new * start).sum()
        total.backward()
        return [total.detach(), *(leaf.grad for leaf in (value, state, *cell.parameters()))]

    for a, b in zip(stepped(lenetc, ours), stepped(torch, theirs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_second_order() -> None:
    """The gradient of a gradient's norm, through time."""
    ours, theirs = pair("LSTM")
    x = np.random.default_rng(0).standard_normal((T, B, D))

    def twice(lib: Any, layer: Any) -> Any:
        value = lib.tensor(x, requires_grad=True)
        (first,) = lib.autograd.grad((layer(value)[0] ** 2).sum(), value, create_graph=True)
        (first * first).sum().backward()
        return value.grad.numpy()

    np.testing.assert_allclose(twice(lenetc, ours), twice(torch, theirs), rtol=1e-9, atol=1e-11)


ERRORS: dict[str, Any] = {
    "input of another rank": lambda lib: lib.nn.LSTM(D, H)(lib.zeros(T, B, D, 1)),
    "input of another size": lambda lib: lib.nn.GRU(D, H)(lib.zeros(T, B, D + 1)),
    "input of another dtype": lambda lib: lib.nn.GRU(D, H)(lib.zeros(T, B, D, dtype=lib.float64)),
    "no steps": lambda lib: lib.nn.RNN(D, H)(lib.zeros(0, B, D)),
    "state of another size": lambda lib: lib.nn.RNN(D, H)(lib.zeros(T, B, D), lib.zeros(2, B, H)),
    "state of another rank": lambda lib: lib.nn.GRU(D, H)(lib.zeros(T, B, D), lib.zeros(B, H)),
    "cell of another size": lambda lib: lib.nn.LSTM(D, H)(
        lib.zeros(T, B, D), (lib.zeros(1, B, H), lib.zeros(1, B, D))
    ),
    "unbatched input, batched state": lambda lib: lib.nn.GRU(D, H)(lib.zeros(T, D), lib.zeros(1, B, H)),
    "hidden_size 0": lambda lib: lib.nn.LSTM(D, 0),
    "hidden_size no int": lambda lib: lib.nn.LSTM(D, 2.0),
    "proj_size too large": lambda lib: lib.nn.LSTM(D, H, proj_size=H),
    "dropout above 1": lambda lib: lib.nn.GRU(D, H, 2, dropout=1.5),
    "nonlinearity": lambda lib: lib.nn.RNN(D, H, nonlinearity="gelu"),
    "mode": lambda lib: lib.nn.RNNBase("ELMAN", D, H),
    "cell: input of another size": lambda lib: lib.nn.GRUCell(D, H)(lib.zeros(B, D + 1)),
    "cell: input of another rank": lambda lib: lib.nn.LSTMCell(D, H)(lib.zeros(T, B, D)),
    "cell: another batch": lambda lib: lib.nn.RNNCell(D, H)(lib.zeros(B, D), lib.zeros(B + 1, H)),
    "cell: state of another size": lambda lib: lib.nn.RNNCell(D, H)(lib.zeros(B, D), lib.zeros(B, H + 1)),
    "lengths out of order": lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(T, 2, D), [2, 4]),
    "a length of 0": lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(T, 2, D), [2, 0]),
    "too many lengths": lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(T, 2, D), [3, 2, 1]),
    "total_length too short": lambda lib: lib.nn.utils.rnn.pad_packed_sequence(
        lib.nn.utils.rnn.pack_sequence([lib.zeros(3), lib.zeros(1)]), total_length=2
    ),
    "no sequences": lambda lib: lib.nn.utils.rnn.pad_sequence([]),
    "sequences of other sizes": lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2, 3), lib.zeros(2, 4)]),
    "padding_side": lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2)], padding_side="top"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_what_pytorch_refuses(what: str) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError)) as theirs:
        ERRORS[what](torch)
    with pytest.raises(theirs.type):
        ERRORS[what](lenetc)


def test_sequences_are_padded_and_packed_as_there() -> None:
    arrays = [np.random.default_rng(n).standard_normal((n, 2)) for n in (2, 4, 1)]

    def moved(lib: Any) -> list[Any]:
        rnn = lib.nn.utils.rnn
        xs = [lib.tensor(array) for array in arrays]
        packed = rnn.pack_sequence(xs, enforce_sorted=False)
        padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True)
        return [
            rnn.pad_sequence(xs),
            rnn.pad_sequence(xs, True, -1.5, padding_side="left"),
            rnn.pad_sequence([lib.tensor([1, 2]), lib.tensor([3])], padding_value=7),
            *packed,
            packed.double().data,
            padded,
            lengths,
            *rnn.unpad_sequence(padded, lengths, batch_first=True),
            *rnn.unpack_sequence(packed),
        ]

    for a, b in zip(moved(lenetc), moved(torch), strict=True):
        assert a.numpy().dtype == b.numpy().dtype
        np.testing.assert_array_equal(a.numpy(), b.numpy())
