"""Recurrent layers compiled: one scan each way, whatever the length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import ops
from ir.errors import UnsupportedError
from ir.node import Graph
from lenetc import nn, optim
from lenetc.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    """A class for every step of a sequence of words, [T,B] -> [T,B,5]."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.layer = getattr(nn, kind)(4, 6)
        self.out = nn.Linear(6, 5)

    def forward(self, words: Any, state: Any = None) -> Any:
        h, state = self.layer(self.words(words), state)
        return self.out(h), state


def words(length: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 7, (length, 3)), rng.integers(0, 5, (length, 3))


def trained(kind: str) -> tuple[Tagger, Any]:
    lenetc.manual_seed(0)
    net = Tagger(kind)
    optimizer = optim.SGD(net.parameters(), lr=0.5)

    def step(x: Any, y: Any, state: Any) -> Any:
        optimizer.zero_grad()
        state = tuple(h.detach() for h in state)
        found, state = net(x, state if kind == "LSTM" else state[0])
        loss = F.cross_entropy(found.reshape(-1, 5), y.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.25)
        optimizer.step()
        return loss.detach(), state if kind == "LSTM" else (state,)

    return net, step


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_state_goes_from_one_compiled_step_to_the_next(kind: str) -> None:
    losses = []
    for wrap in (lenetc.compile, lambda step: step):
        net, step = trained(kind)
        step = wrap(step)
        state = (lenetc.zeros(1, 3, 6),) * (2 if kind == "LSTM" else 1)
        run = []
        for k in range(4):
            x, y = map(lenetc.tensor, words(4, k))
            loss, state = step(x, y, state)
            run.append(float(loss))
        losses.append([*run, float(net.out.weight.detach().sum())])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] != losses[0][1]


def scans(graph: Graph) -> list[Graph]:
    return [node.attrs["body"] for node in graph.nodes() if node.op is ops.scan]


@pytest.mark.parametrize(("kind", "most"), [("RNN", 4), ("GRU", 16), ("LSTM", 10)])
def test_a_program_is_as_long_for_any_length(kind: str, most: int) -> None:
    sizes = []
    for length in (3, 300):
        _, step = trained(kind)
        state = (lenetc.zeros(1, 3, 6),) * (2 if kind == "LSTM" else 1)
        program = lenetc.compile(step).lower(*words(length), state)
        graph = program.graph(program.stages()[-1])
        forward, backward = scans(graph)
        assert sum(node.op in (ops.matmul, ops.gemm) for node in backward.operations()) == 1, (
            "the products for the weights' gradients are made once, outside of the loop"
        )
        assert len(backward.operations()) <= most
        sizes.append((len(graph.nodes()), len(forward.nodes()), len(backward.nodes())))
    assert sizes[0] == sizes[1]


def test_packed_sequences_compiled() -> None:
    lenetc.manual_seed(0)
    layer = nn.GRU(4, 6, bidirectional=True)
    x = lenetc.randn(5, 3, 4)

    def last(x: Any) -> Any:
        output, h = layer(pack_padded_sequence(x, [5, 2, 1]))
        return pad_packed_sequence(output)[0], h

    for a, b in zip(lenetc.compile(last)(x), last(x), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)
    padded, h = last(x)
    alone, h_alone = layer(x[:2, 1:2])
    np.testing.assert_allclose(padded[:2, 1:2].detach().numpy(), alone.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(h[:, 1:2].detach().numpy(), h_alone.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert not padded[2:, 1].detach().numpy().any()


def test_a_packed_sequence_that_a_compiled_function_is_given_is_refused() -> None:
    layer = nn.GRU(4, 6)
    packed = pack_padded_sequence(lenetc.randn(5, 3, 4), [5, 3, 1])
    with pytest.raises(UnsupportedError, match="pack inside"):
        lenetc.compile(lambda given: layer(given)[1])(packed)
    inside = lenetc.compile(lambda x: layer(pack_padded_sequence(x, [5, 3, 1]))[0])
    assert isinstance(inside(lenetc.randn(5, 3, 4)), PackedSequence), "but it may return one"


def test_dropout_between_layers_in_training_only() -> None:
    layer = nn.LSTM(4, 6, num_layers=2, dropout=0.5)
    x = lenetc.randn(5, 3, 4)
    assert not np.allclose(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(4, 6, dropout=0.5)


def test_gates_are_kept_once() -> None:
    """Each by itself, and not all of them side by side as well, which is the widest value of a step."""
    layer = nn.LSTM(4, 6)
    x = lenetc.ones(5, 2, 4)
    graph = lenetc.compile(lambda x: lenetc.autograd.grad(layer(x)[0].sum(), list(layer.parameters()))).lower(
        x
    )
    forward = next(node for node in graph.graph("traced").nodes() if node.op is ops.scan)
    widths = [type.shape[-1] for type in forward.type.items]  # type: ignore[union-attr]
    assert set(widths) == {6}
