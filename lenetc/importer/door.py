"""`from_onnx`: from a file to a module."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lenetc.importer.errors import OnnxError, OnnxWarning
from lenetc.importer.graph.batch import with_batch
from lenetc.importer.graph.constants import constants, held
from lenetc.importer.graph.gradients import reached
from lenetc.importer.graph.outputs import cut
from lenetc.importer.module import OnnxModule, Renames
from lenetc.importer.names import Names
from lenetc.importer.problems import need_none, problems
from lenetc.importer.records import OnnxGraph
from lenetc.importer.values import Value
from lenetc.importer.weights.roles import Weight, chosen, weights
from lenetc.importer.weights.training import is_folded, own_statistics, with_dropout
from lenetc.importer.weights.tying import untied

if TYPE_CHECKING:
    from lenetc.importer.files.source import Source


def from_onnx(
    path_or_model: Source,
    *,
    trainable: Names | None = None,
    outputs: str | Iterable[str] | None = None,
    dropout: Mapping[str, float] | None = None,
    untie: Names | bool | None = None,
    batch: str | None = None,
    names: Renames | None = None,
) -> OnnxModule:
    """The network of an ONNX file as a module to train: `path_or_model` is a path, bytes or an onnx.ModelProto.

    Floating-point weights of rank 1 and more that a gradient reaches are its parameters, the statistics of
    BatchNormalization its buffers, under the file's names; everything else is constant. `net.table()` says of each what
    it became, and why.

    trainable: the parameters that are trained, the others being frozen (requires_grad=False): names, patterns such as
        "fc.*", or a function of a name; a name by itself makes a parameter of a mask or of a single number, too.
    outputs: values of the graph, by name, instead of its outputs: `outputs=["features"]` cuts it before its head.
    dropout: {"/fc1/Relu": 0.5} drops elements of that node's output in training, with this probability: nodes by name,
        or by patterns of names.
    untie: weights that several nodes share and each is to have a copy of: names, patterns, or True for all. Exporters
        make one of weights that are equal, as those of an untrained network often are.
    batch: a name for the size of the batch, such as "N", where a file is for batches of one size: constants that hold
        it follow it then. Raises OnnxOperatorError where what is the batch cannot be told.
    names: other names of parameters and buffers, {the file's name: the module's} or a function.

    Warns (OnnxWarning) of shared weights, and of tables of which it does not know whether they are weights. Raises
    OnnxError for anything that is no model or a broken one, and for names that it has not; OnnxOperatorError with all
    nodes that cannot be imported (`lenetc.examine` lists them); FileNotFoundError where there is no file.
    """
    from lenetc.importer.files.reading import read  # onnx is slow to import

    file = read(path_or_model)
    graph = cut(file.graph, outputs)
    need_none(problems(file, graph))
    if batch is not None and not isinstance(batch, str):
        raise OnnxError(f"batch is a name for the size of the batch, such as 'N', not {batch!r}")
    graph = graph if batch is None else with_batch(graph, batch)
    if dropout is not None:
        graph = with_dropout(graph, dropout)
    found = sort(graph)
    copies: dict[str, str] = {}
    if untie is not None and untie is not False:
        gradients = reached(graph, [port.name for port in graph.outputs])
        graph, copies = untied(graph, found.weights, untie, gradients)
    graph, more = own_statistics(graph)
    if more or copies:
        copies |= more
        found = sort(graph)
    sorted_weights = chosen(found.weights, trainable)
    if any(weight.role != before.role for weight, before in zip(sorted_weights, found.weights, strict=True)):
        found = sort(graph, {weight.name: weight for weight in sorted_weights})
    _tell(found.weights)
    skeleton = file.skeleton if outputs is None and not copies else None
    return OnnxModule(graph, found.weights, found.folded, copies, names, skeleton)


@dataclass(frozen=True)
class Sorted:
    """The values that a file holds: those of weights and the like, and what is computed of constants."""

    weights: list[Weight]
    folded: dict[str, Value]


def sort(graph: OnnxGraph, decided: dict[str, Weight] | None = None) -> Sorted:
    """What is trained and what is not. decided: weights that are what they are already."""
    outputs = [port.name for port in graph.outputs]
    decided = decided or {}

    def sorted_(held: dict[str, Value]) -> list[Weight]:
        return [decided.get(weight.name, weight) for weight in weights(graph, held, outputs)]  # type: ignore[arg-type]

    first = sorted_(dict(graph.initializers))
    varying = {weight.name for weight in first if weight.is_state} | {port.name for port in graph.inputs}
    folded = constants(graph, varying)
    more = [weight for weight in sorted_(dict(held(graph, folded))) if weight.is_state]
    if more:  # what is computed of them is no constant after all
        folded = constants(graph, varying | {weight.name for weight in more})
    return Sorted([*first, *more], dict(folded))


def _tell(found: list[Weight]) -> None:
    lines = []
    for weight in found:
        if weight.tied and weight.role == "parameter":
            by = ", ".join(node.path for node in weight.tied[:4]) + (", ..." if len(weight.tied) > 4 else "")
            lines.append(f"{weight.name!r} is shared by {len(weight.tied)} nodes ({by}): untie= makes copies")
        if weight.doubt:
            lines.append(f"{weight.name!r} {list(weight.array.shape)} {weight.doubt}: trainable= decides")
    if folded := [weight.name for weight in found if is_folded(weight)]:
        shown = ", ".join(map(repr, folded[:4])) + (", ..." if len(folded) > 4 else "")
        lines.insert(
            0,
            f"{len(folded)} have batch normalization folded into them ({shown}): it is gone, and does not normalize in "
            "training. To train it, export it unfolded, from PyTorch by torch.onnx.export(..., dynamo=True, "
            "optimize=False), or "
            "training=TrainingMode.PRESERVE and do_constant_folding=False",
        )
    if lines:
        more = [f"and {len(lines) - 8} more: see table()"] if len(lines) > 8 else []
        warnings.warn("\n  ".join(["of the file's weights:", *lines[:8], *more]), OnnxWarning, stacklevel=3)
