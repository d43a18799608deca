"""What of a file's values is trained, what is kept as it is, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ir.types import Array
from lenetc.importer.errors import OnnxError
from lenetc.importer.graph.gradients import reached, readers
from lenetc.importer.names import Names, selected
from lenetc.importer.records import OnnxGraph, OnnxNode, Port
from lenetc.importer.registry import TABLE
from lenetc.importer.weights.tying import ties

Role = Literal["parameter", "frozen", "buffer", "constant"]

# Arithmetic of single elements, where weights and tables look alike.
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Where", "Pow", "Min", "Max", "Clip", "Mod")
_AUTOMATIC = re.compile(
    r"val_\d+$|onnx::\w+$|_?\d+$|.*_output_\d+$|_?(lifted_tensor|tensor_constant)\w*$|const", re.I
)
# What PyTorch's exporters call what no module has.
_MADE_UP = re.compile(r"val_\d+$|onnx::\w+$|.*_output_\d+$|\d+$")
# Operators that want a scale and an offset even where the network has none.
_NORMALIZATIONS = (
    "BatchNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "RMSNormalization",
)
_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
_MOVES = (
    "Identity",
    "Cast",
    "CastLike",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Slice",
    "Split",
    "Concat",
)
_SCALES = {"QuantizeLinear": (1,), "DequantizeLinear": (1,), "Resize": (1, 2), "Upsample": (1,)}


@dataclass(frozen=True, eq=False)
class Weight:
    """A value that the file holds. role: what becomes of it; why: in words; readers: the nodes that read it; tied:
    those that share it as a weight, two or more; doubt: what the user should know of it."""

    name: str
    array: Array
    role: Role
    why: str
    readers: tuple[OnnxNode, ...]
    tied: tuple[OnnxNode, ...] = ()
    doubt: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it is a parameter or a buffer of the module."""
        return self.role != "constant"


def is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def weights(graph: OnnxGraph, held: Mapping[str, Array], outputs: list[str]) -> list[Weight]:
    """A record for each of the `held` values, initializers and constants, in order."""
    gradients = reached(graph, outputs)
    reads = readers(graph)
    found = []
    for name, array in held.items():
        of = reads.get(name, [])
        is_zero_state = is_float(array) and not array.any() and _serves(name, reads, _is_state)
        is_neutral = is_float(array) and _is_neutral(name, array, name in graph.initializers, reads)
        told = graph.inner.get(name)
        value = _Held(name, array, name in graph.initializers, is_zero_state, is_neutral, told)
        role, why, doubt = _role(value, name in gradients, of)
        shared = ties(name, reads, gradients) if role == "parameter" else ()
        found.append(
            Weight(name, array, role, why, tuple(dict.fromkeys(node for node, _ in of)), shared, doubt)
        )
    return found


@dataclass(frozen=True)
class _Held:
    """A value that the file holds. is_zero_state: whether it is of zeros that a state starts from; is_neutral: whether
    it is of ones that a normalization multiplies by, or of zeros that it adds. told: what the file says of it."""

    name: str
    array: Array
    is_initializer: bool
    is_zero_state: bool
    is_neutral: bool
    told: Port | None

    @property
    def is_named(self) -> bool:
        """Whether somebody gave it its name: it has none such as val_3, onnx::Mul_12 or /Mul_output_0."""
        if self.told is not None and self.told.made_of:
            paths = (name.rpartition(".") for name in self.told.made_of)
            return any(module and not _AUTOMATIC.match(last) for module, _, last in paths)
        return self.is_initializer and not _AUTOMATIC.match(self.name)

    @property
    def is_made_up(self) -> bool:
        """Whether an exporter made it where the network has nothing. Numbers are what older files call weights too."""
        return (
            not self.is_named
            and _MADE_UP.match(self.name) is not None
            and not (self.is_initializer and self.name.isdigit())
        )


def _role(held: _Held, is_reached: bool, of: list[tuple[OnnxNode, int]]) -> tuple[Role, str, str]:
    """The role, why, and what is doubtful."""
    array, told = held.array, held.told
    if any(
        node.operator == "BatchNormalization" and _kind(node, position) == "Buffer" for node, position in of
    ):
        return "buffer", "statistics", ""
    if not is_float(array):
        return "constant", "no floating-point numbers", ""
    if not array.ndim and not (is_reached and told is not None and told.kind == "PARAMETER"):
        made_of = [name for name in (told.made_of if told else ()) if not _AUTOMATIC.match(name)]
        doubt = f"is computed of {', '.join(made_of)}, and not trained" if made_of and is_reached else ""
        return "constant", "a single number", doubt
    if any(position in _SCALES.get(node.operator, ()) for node, position in of):
        return "constant", "a scale", ""
    if not is_reached:
        return "constant", "no gradient reaches it", ""
    if told is not None and told.kind:
        if told.kind == "PARAMETER":
            return "parameter", "", ""
        return (
            ("buffer", "a buffer in PyTorch", "")
            if told.kind == "BUFFER"
            else ("constant", "a constant in PyTorch", "")
        )
    elementwise = all(node.operator in _ELEMENTWISE for node, _ in of)
    if elementwise and array.size == 1 and not held.is_named:
        return "constant", "a single number", ""
    if held.is_zero_state and not held.is_named:
        return "constant", "a state of zeros", ""
    if held.is_neutral and held.is_made_up:
        return "constant", "a normalization without weights", ""
    if elementwise and told is not None and told.made_of and not held.is_named:
        return "constant", "a constant in PyTorch", ""
    if _is_mask(array):
        return "constant", "a mask", "is taken for a mask, and not trained"
    if elementwise and _is_sinusoidal(array):
        return (
            "constant",
            "sines and cosines",
            "is taken for fixed positions (sines and cosines), and not trained",
        )
    if elementwise and sum(size > 1 for size in array.shape) > 1:
        return "parameter", "a table", "is a table that is added or multiplied elementwise, and trained"
    return "parameter", f"made of {', '.join(told.made_of)}" if told and told.made_of else "", ""


def _serves(
    name: str, reads: Mapping[str, list[tuple[OnnxNode, int]]], serves: Callable[[OnnxNode, int], bool]
) -> bool:
    """Whether all that read the value, if in another form, are nodes and positions that `serves` is true of."""
    of = reads.get(name, [])
    return bool(of) and all(
        serves(node, position)
        or (
            node.operator in _MOVES
            and all(_serves(output, reads, serves) for output in node.outputs if output)
        )
        for node, position in of
    )


def _is_neutral(
    name: str, array: Array, is_initializer: bool, reads: Mapping[str, list[tuple[OnnxNode, int]]]
) -> bool:
    """Whether a normalization multiplies by `array`, which is of ones, or adds it, which is of zeros; or, as group
    normalization in PyTorch's files, another node does, with one number for all channels."""
    if (array == 1).all():
        wanted, operator = 1, "Mul"
    elif not array.any():
        wanted, operator = 2, "Add"
    else:
        return False
    is_single = array.size == 1 and not is_initializer

    def serves(node: OnnxNode, position: int) -> bool:
        if node.domain:
            return False
        return (node.operator in _NORMALIZATIONS and position == wanted) or (
            is_single and node.operator == operator
        )

    return _serves(name, reads, serves)


def _is_state(node: OnnxNode, position: int) -> bool:
    """Whether the input at `position` is a state that `node` starts from."""
    if node.operator == "Loop":
        return position >= 2
    if node.operator == "Scan":
        return position < len(node.inputs) - int(node.attributes.get("num_scan_inputs", 0))
    return position in _STATES.get(node.operator, ())


def _kind(node: OnnxNode, position: int) -> str | None:
    entry = TABLE.get((node.domain, node.operator))
    return entry.kind(position) if entry else None


def _is_mask(array: Array) -> bool:
    """Whether `array` is there to be added to scores: of zeros and of numbers that exp makes zero of."""
    flat = array.reshape(-1)
    lowest = flat.min() if flat.size else 0
    return bool(lowest <= -1e4 and ((flat <= -1e4) | (flat == 0)).all())


def _is_sinusoidal(array: Array) -> bool:
    """Whether the rows of `array` are sines and cosines of the same angles, as of Vaswani et al. (2017), or the table
    is the sine or the cosine part of a rotation, the angles of which grow with the row."""
    width = array.shape[-1]
    count = array.size // max(width, 1)
    rows = array.reshape(count, width).astype(np.float64)
    if count < 3 or width < 2 or np.abs(rows).max() > 1 + 1e-3:
        return False
    if width % 2 == 0 and np.allclose((rows**2).sum(1), width / 2, atol=1e-3 * width) and _is_start(rows[0]):
        return True
    first = rows[0]
    if np.allclose(first, 1):  # cos(2a) = 2 cos(a)² - 1
        return np.allclose(rows[2], 2 * rows[1] ** 2 - 1, atol=1e-3)
    if np.allclose(first, 0) and rows[1].any():  # sin(2a)² = 4 sin(a)² (1 - sin(a)²)
        return np.allclose(rows[2] ** 2, 4 * rows[1] ** 2 * (1 - rows[1] ** 2), atol=1e-3)
    return False


def _is_start(row: Array) -> bool:
    """Whether `row` is of the sines and cosines of 0, or of 1 where positions count from there."""
    return bool(np.isin(np.round(row, 4), (0.0, 1.0)).all())


def chosen(found: list[Weight], trainable: Names | None) -> list[Weight]:
    """`found`, with what `trainable` names as trained parameters and the other ones frozen; as they are for None.

    Patterns mean parameters alone; a name of its own makes one of a single number or of a mask too. Raises OnnxError
    for what cannot be trained.
    """
    if trainable is None:
        return found
    by_name = {weight.name: weight for weight in found}
    exact, matched = selected(trainable, by_name.keys(), "trainable")
    for name in exact:
        weight = by_name[name]
        if weight.role == "buffer" or weight.why in (
            "no floating-point numbers",
            "no gradient reaches it",
            "a scale",
        ):
            raise OnnxError(f"trainable: {name!r} cannot be trained: {weight.why}")
    parameters = {weight.name for weight in found if weight.role == "parameter"}
    trained = exact | (matched & parameters)
    return [_chosen(weight, trained) for weight in found]


def _chosen(weight: Weight, trained: set[str]) -> Weight:
    if weight.name in trained:
        return replace(weight, role="parameter", why="asked for", doubt="")
    if weight.role == "parameter":
        return replace(weight, role="frozen", why="not among the trainable", doubt="")
    return weight
