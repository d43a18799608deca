"""What passes are given and give: the target, and the graph after one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ir.node import Graph


@dataclass(frozen=True, eq=False)
class Measured:
    """Costs in µs by key, all from one machine.

    scale: what that machine takes, by what the model estimates; for candidates that were not measured.
    """

    costs: Mapping[str, float]
    scale: float = 1.0


@dataclass(frozen=True)
class Target:
    """What a graph is compiled for.

    device: "cpu" or "cuda". threads: that one run has. batch: the size that costs assume for a symbolic dim;
    sizes: for those of these names, instead.
    overrides: (op name or module path, strategy name) pairs that take the choice away from the cost model; a key may
    also be both, as in "conv1/conv2d_weight_grad". costs: what strategies cost on the machine; where None, a built-in
    model tells. lanes: how many channels the runtime's direct convolutions take at once on the machine that will run
    the graph (8 or 16); with 0 the graph is for any machine, of ai.onnx operators only. opset: the version of ai.onnx
    that the model is written in. operators: which of them it may use: "portable", what every runtime has; "web", what
    browsers have on WebGPU, where integers have 32 bits; "ort", ONNX Runtime's own besides.
    """

    device: str = "cpu"
    threads: int = 1
    batch: int = 64
    sizes: tuple[tuple[str, int], ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()
    costs: Measured | None = None
    lanes: int = 0
    opset: int = 18
    operators: str = "portable"

    def size(self, name: str) -> int:
        """What costs assume for the symbolic dim of this name."""
        return dict(self.sizes).get(name, self.batch)


@dataclass
class Stage:
    """The graph after one pass. notes: what the pass did, a line each; seconds: what it took."""

    name: str
    graph: Graph
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
