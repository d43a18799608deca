"""Recurrent layers: one step of each kind, and the scan that repeats it over a sequence (torch.nn.RNN, GRU, LSTM).

What does not wait for the step before is done for all steps at once: the products with the inputs. So the program is
as long for a thousand steps as it is for two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ir import ops
from ir.errors import ShapeError
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import Type
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import alike
from lenetc.tensors.tensor import Tensor, apply


class Weights(NamedTuple):
    """The parameters of one layer and direction; G is as many blocks of H rows as the kind has gates."""

    input: Tensor  # [G,I]
    hidden: Tensor  # [G,H], or [G,P] with a projection
    input_bias: Tensor | None = None  # [G]
    hidden_bias: Tensor | None = None  # [G]
    projection: Tensor | None = None  # [P,H]


# From what the inputs send to the gates [B,G], the state, weight [H,G], bias [G] and projection [H,P] to the new state.
Step = Callable[[Node, Sequence[Node], Node, "Node | None", "Node | None"], tuple[Node, ...]]


class Kind(NamedTuple):
    """A kind of recurrent layer. gates: the blocks of its weights, in the order in which its step has them."""

    step: Step
    gates: tuple[int, ...]
    states: int  # h, or h and c
    adds_bias: bool  # whether the step itself adds the bias of the hidden state, which elsewhere goes with the input's


def _columns(x: Node, first: int, last: int, blocks: int) -> Node:
    """Blocks first..last-1 of x[B, blocks * H]."""
    size = x.shape[1] // blocks
    stops = (x.shape[0], size * last)
    return ops.slice(x, starts=(0, size * first), stops=stops, steps=(1, 1))


def _plain(activation: Callable[[Node], Node]) -> Step:
    """h' = activation(W x + b + U h + d)."""

    def step(x: Node, state: Sequence[Node], w: Node, b: Node | None, p: Node | None) -> tuple[Node, ...]:
        return (activation(x + state[0] @ w),)

    return step


def _gru(x: Node, state: Sequence[Node], w: Node, b: Node | None, p: Node | None) -> tuple[Node, ...]:
    """h' = n + z (h - n), n = tanh(x_n + r u_n), r and z = sigmoid(x + u), u = U h + d (Cho et al. 2014)."""
    (h,) = state
    u = h @ w if b is None else h @ w + b
    gates = ops.sigmoid(_columns(x, 0, 2, 3) + _columns(u, 0, 2, 3))
    r, z = _columns(gates, 0, 1, 2), _columns(gates, 1, 2, 2)
    n = ops.tanh(_columns(x, 2, 3, 3) + r * _columns(u, 2, 3, 3))
    return (n + z * (h - n),)


def _lstm(x: Node, state: Sequence[Node], w: Node, b: Node | None, p: Node | None) -> tuple[Node, ...]:
    """c' = f c + i g, h' = o tanh(c'), of which P is left (Hochreiter and Schmidhuber 1997, Gers et al. 2000)."""
    h, c = state
    z = x + h @ w
    gates, g = ops.sigmoid(_columns(z, 0, 3, 4)), ops.tanh(_columns(z, 3, 4, 4))
    i, f, o = (_columns(gates, k, k + 1, 3) for k in range(3))
    c = f * c + i * g
    h = o * ops.tanh(c)
    return h if p is None else h @ p, c


KINDS = {
    "RNN_TANH": Kind(_plain(ops.tanh), (0,), 1, False),
    "RNN_RELU": Kind(_plain(ops.relu), (0,), 1, False),
    "GRU": Kind(_gru, (0, 1, 2), 1, True),
    "LSTM": Kind(_lstm, (0, 1, 3, 2), 2, False),  # o before g: all sigmoids are one
}


class _Prepared(NamedTuple):
    """Weights as a step takes them."""

    input: Node  # [I,G]
    hidden: Node  # [H,G]
    input_bias: Node | None  # [G], with the other where the step does not add it
    hidden_bias: Node | None
    projection: Node | None  # [H,P]


def _prepared(kind: Kind, w: Node, u: Node, *rest: Node, has_bias: bool) -> _Prepared:
    def ordered(x: Node) -> Node:
        size, others = x.shape[0] // len(kind.gates), range(1, x.rank)
        if kind.gates == tuple(range(len(kind.gates))):
            return x
        blocks = [
            ops.slice(
                x,
                starts=(size * k, *(0 for _ in others)),
                stops=(size * (k + 1), *(x.shape[i] for i in others)),
                steps=(1,) * x.rank,
            )
            for k in kind.gates
        ]
        return ops.concat(*blocks, axis=0)

    def turned(x: Node) -> Node:
        return ops.transpose(x, perm=(1, 0))

    b = d = None
    if has_bias:
        b, d = ordered(rest[0]), ordered(rest[1])
        if not kind.adds_bias:
            b, d = b + d, None
    left = rest[2 if has_bias else 0 :]
    return _Prepared(turned(ordered(w)), turned(ordered(u)), b, d, turned(left[0]) if left else None)


def _scan(kind: Kind, x: Node, mask: Node | None, state: Sequence[Node], w: _Prepared, reverse: bool) -> Node:
    """The last state, then the stacked h: a scan over x[T,B,I]. mask[T,B,1]: where it is false, the state stays."""
    length, batch, features = x.shape
    gates = ops.reshape(x, shape=(length * batch, features)) @ w.input
    gates = gates if w.input_bias is None else gates + w.input_bias
    gates = ops.reshape(gates, shape=(length, batch, gates.shape[1]))

    carries = [leaf(name, node.ty) for name, node in zip("hc", state, strict=False)]
    sequences = {"x": gates} if mask is None else {"x": gates, "mask": mask}
    items = {name: leaf(name, Type(node.dtype, node.shape[1:])) for name, node in sequences.items()}
    given = {"w": w.hidden, "b": w.hidden_bias, "p": w.projection}
    alike = {name: leaf(name, node.ty) for name, node in given.items() if node is not None}
    made = kind.step(items["x"], carries, alike["w"], alike.get("b"), alike.get("p"))
    if mask is not None:
        made = tuple(ops.where(items["mask"], new, old) for new, old in zip(made, carries, strict=True))
    results = [*zip(("h_n", "c_n"), made, strict=False), ("y", made[0])]
    return ops.scan(
        *state,
        *sequences.values(),
        *(node for node in given.values() if node is not None),
        body=Graph.make("recurrence", [*carries, *items.values(), *alike.values()], results),
        carries=len(carries),
        sequences=len(sequences),
        length=length,
        reverse=reverse,
    )


def _alike(
    name: str, input: Tensor, state: Sequence[Tensor], weights: Weights
) -> tuple[Sequence[Tensor], Tensor, Weights]:
    """All of the dtype that the state has within `autocast`."""
    first, *rest = alike(name, state[0], *state[1:], input, *weights)
    states = len(state)
    return [first, *rest[: states - 1]], rest[states - 1], Weights(*rest[states:])


def layer(
    mode: str,
    input: Tensor,
    state: Sequence[Tensor],
    weights: Weights,
    *,
    reverse: bool = False,
    mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction over input[T,B,I]: the output [T,B,H], and the last state, one [B,H] each.

    mode: a key of KINDS. mask[T,B,1]: steps that are false change nothing. Raises ShapeError for no steps.
    """
    if input.shape[0] == 0:
        raise ShapeError(
            f"Expected sequence length to be larger than 0 in RNN: the input is {input.type_text()}"
        ).at(here())
    kind = KINDS[mode]
    state, input, weights = _alike(mode.lower(), input, state, weights)
    masks = [] if mask is None else [mask]
    given = [tensor for tensor in weights if tensor is not None]

    @functools.lru_cache(maxsize=1)  # of which each result is taken
    def build(x: Node, *nodes: Node) -> Node:
        rest = nodes[len(masks) + kind.states :]
        prepared = _prepared(kind, *rest, has_bias=weights.input_bias is not None)
        return _scan(
            kind, x, nodes[0] if masks else None, nodes[len(masks) :][: kind.states], prepared, reverse
        )

    *last, output = (
        apply(
            "StackBackward0",
            lambda *nodes, i=i: ops.get(build(*nodes), index=i),
            input,
            *masks,
            *state,
            *given,
        )
        for i in range(kind.states + 1)
    )
    return output, tuple(last)


def cell(mode: str, input: Tensor, state: Sequence[Tensor], weights: Weights) -> tuple[Tensor, ...]:
    """The state [B,H] after one step with input[B,I]. mode: a key of KINDS."""
    kind = KINDS[mode]
    state, input, weights = _alike(f"{mode.lower()}_cell", input, state, weights)
    given = [tensor for tensor in weights if tensor is not None]

    def build(x: Node, *nodes: Node) -> tuple[Node, ...]:
        w = _prepared(kind, *nodes[kind.states :], has_bias=weights.input_bias is not None)
        gates = x @ w.input if w.input_bias is None else x @ w.input + w.input_bias
        return kind.step(gates, nodes[: kind.states], w.hidden, w.hidden_bias, w.projection)

    return tuple(
        apply("AddBackward0", lambda *nodes, i=i: build(*nodes)[i], input, *state, *given)
        for i in range(kind.states)
    )
