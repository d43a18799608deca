"""Random small programs: drawn once, then built with this compiler's ops or with PyTorch's."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ir import Graph, Node, ops
from ir.errors import LenetcError
from ir.op import leaf, literal
from ir.types import Array, DType, Type, f64


@dataclass(frozen=True)
class Step:
    """One operation on earlier values (the first are the program's inputs)."""

    name: str
    operands: tuple[int, ...]
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]

    @property
    def results(self) -> tuple[int, ...]:
        """The values that no step reads."""
        read = {i for step in self.steps for i in step.operands}
        return tuple(i for i in range(len(self.shapes) + len(self.steps)) if i not in read)

    def graph(self, dtype: DType) -> Graph:
        inputs = [leaf(f"x{i}", Type(dtype, shape)) for i, shape in enumerate(self.shapes)]
        values = self.run(IR, inputs)
        return Graph.make("program", inputs, [(f"y{i}", values[i]) for i in self.results])

    def run(self, table: Mapping[str, Callable[..., Any]], inputs: list[Any]) -> list[Any]:
        """Every value, computed with the functions of `table`."""
        values = list(inputs)
        for step in self.steps:
            values.append(table[step.name](*(values[i] for i in step.operands), **step.attrs))
        return values

    def inputs(self, dtype: DType) -> list[Array]:
        rng = np.random.default_rng(len(self.steps))
        return [rng.standard_normal(shape).astype(dtype.numpy) for shape in self.shapes]


# Functions whose values and derivatives stay small for any operands, so that errors do not grow with length.
IR: dict[str, Callable[..., Node]] = {
    "neg": ops.neg,
    "abs": ops.abs,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "sin": ops.sin,
    "cos": ops.cos,
    "erf": ops.erf,
    "exp": lambda x: ops.exp(ops.tanh(x)),
    "log": lambda x: ops.log(x * x + 0.5),
    "sqrt": lambda x: ops.sqrt(x * x + 0.5),
    "pow": lambda x, y: ops.pow(x * x + 0.5, ops.tanh(y)),
    "add": ops.add,
    "sub": ops.sub,
    "mul": lambda x, y: ops.tanh(x) * y,
    "div": lambda x, y: x / (y * y + 0.5),
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "where": lambda x, y: ops.where(ops.greater(y, 0.123), x * 0.5, y),
    "scale": lambda x, *, by: x * by,
    "sum": ops.sum,
    "reduce_max": ops.reduce_max,
    "reshape": ops.reshape,
    "transpose": ops.transpose,
    "broadcast_to": ops.broadcast_to,
    "slice": ops.slice,
    "reverse": ops.reverse,
    "pad": ops.pad,
    "concat": ops.concat,
    "gather": lambda x, *, indices, axis: ops.gather(x, literal(np.array(indices)), axis=axis),
    "matmul": lambda x, y: ops.tanh(x) @ y * 0.5,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "conv2d": lambda x, w, **how: ops.conv2d(ops.tanh(x), w, **how) * 0.5,
    "max_pool2d": ops.max_pool2d,
    "avg_pool2d": ops.avg_pool2d,
}
UNARY = ("neg", "abs", "relu", "tanh", "sigmoid", "sin", "cos", "erf", "exp", "log", "sqrt")
BINARY = ("pow", "add", "sub", "mul", "div", "maximum", "minimum", "where")


def draw_program(seed: int, length: int = 8) -> Program:
    """A program of `length` steps; the same seed gives the same one."""
    rng = random.Random(seed)
    shapes = [
        tuple(rng.choice((1, 2, 3)) for _ in range(rng.randint(0, 3))) for _ in range(rng.randint(1, 3))
    ]
    if rng.random() < 0.3:
        channels = rng.randint(1, 3)
        shapes += [(2, channels, rng.randint(4, 7), rng.randint(4, 7)), (rng.randint(1, 3), channels, 3, 2)]
    values = [leaf(f"x{i}", Type(f64, shape)) for i, shape in enumerate(shapes)]
    steps: list[Step] = []
    while len(steps) < length:
        name = rng.choice([*IR, *UNARY, *BINARY])
        operands = tuple(rng.randrange(len(values)) for _ in range(_arity(name, rng)))
        nodes = [values[i] for i in operands]
        try:
            attrs = _attributes(name, nodes, rng)
            node = None if attrs is None else IR[name](*nodes, **attrs)
        except LenetcError:  # these operands do not fit: draw again
            continue
        if node is not None and int(node.ty.size) <= 600:  # type: ignore[arg-type]
            steps.append(Step(name, operands, attrs or {}))
            values.append(node)
    return Program(tuple(shapes), tuple(steps))


def _arity(name: str, rng: random.Random) -> int:
    if name == "concat":
        return rng.randint(1, 3)
    return 2 if name in (*BINARY, "matmul", "conv2d") else 1


def _attributes(name: str, nodes: list[Node], rng: random.Random) -> dict[str, Any] | None:
    """Attributes that may fit the operands; None where none can."""
    shape = tuple(int(d) for d in nodes[0].shape)  # type: ignore[arg-type]
    rank = len(shape)
    if name in ("conv2d", "max_pool2d", "avg_pool2d"):
        return _window_attributes(name, rng) if rank == 4 else None
    if rank == 0 and name in ("concat", "gather", "softmax", "log_softmax"):
        return None
    axis = rng.randrange(max(rank, 1))
    match name:
        case "scale":
            return {"by": rng.choice((-1.5, 0.25, 1.0, 0.1))}
        case "sum" | "reduce_max":
            axes = tuple(sorted(rng.sample(range(rank), rng.randint(0, rank))))
            return {"axes": axes, "keepdims": rng.random() < 0.5}
        case "reshape":
            return {"shape": rng.choice(_shapes_of(int(np.prod(shape))))}
        case "transpose":
            return {"perm": tuple(rng.sample(range(rank), rank))}
        case "broadcast_to":
            front = tuple(rng.choice((1, 2)) for _ in range(rng.randint(0, 1)))
            return {"shape": front + tuple(rng.choice((1, 3)) if d == 1 else d for d in shape)}
        case "slice":
            starts = tuple(rng.randrange(d) for d in shape)
            stops = tuple(rng.randint(a + 1, d) for a, d in zip(starts, shape, strict=True))
            return {"starts": starts, "stops": stops, "steps": tuple(rng.choice((1, 1, 2)) for _ in shape)}
        case "reverse":
            return {"axes": tuple(rng.sample(range(rank), rng.randint(0, rank)))}
        case "pad":
            amounts = [tuple(rng.choice((0, 0, 1, 2)) for _ in shape) for _ in range(2)]
            return {"low": amounts[0], "high": amounts[1], "value": rng.choice((0.0, -1.5))}
        case "concat" | "softmax" | "log_softmax":
            return {"axis": axis}
        case "gather":
            return {"indices": [rng.randrange(shape[axis]) for _ in range(rng.randint(1, 4))], "axis": axis}
    return {}


def _window_attributes(name: str, rng: random.Random) -> dict[str, Any]:
    def pair(*choices: int) -> tuple[int, int]:
        return rng.choice(choices), rng.choice(choices)

    how: dict[str, Any] = {"stride": pair(1, 2), "padding": pair(0, 1)}
    if name == "conv2d":
        return how | {"dilation": pair(1, 2)}
    how |= {"kernel": pair(2, 3), "ceil_mode": rng.random() < 0.3}
    if (
        name == "max_pool2d"
    ):  # dilated windows that see padding only are -inf here, the lowest number in the runtime
        return how | {"dilation": pair(1, 1, 2) if how["padding"] == (0, 0) else (1, 1)}
    return how | {"count_include_pad": rng.random() < 0.5}


def _shapes_of(size: int) -> list[tuple[int, ...]]:
    """Shapes of up to three axes that hold `size` elements."""
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    pairs = [(d, size // d) for d in divisors]
    return [(size,), *pairs, *((a, b // c, c) for a, b in pairs for c in divisors if b % c == 0)] + (
        [()] if size == 1 else []
    )
