"""A training step of an imported network: a loss on its outputs, an optimizer, examples by the types of the file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lenetc.nn.functional as F
from ir.dims import is_name
from ir.errors import LenetcError
from ir.types import DTYPES, DType, i64
from lenetc.compiler.compile import compile
from lenetc.importer.module import OnnxModule
from lenetc.importer.records import Port
from lenetc.operations import creation
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

# Losses by PyTorch's names; whether their labels are classes along axis 1, else they are as the scores are.
LOSSES: dict[str, tuple[Callable[..., Tensor], bool]] = {
    "cross_entropy": (F.cross_entropy, True),
    "nll_loss": (F.nll_loss, True),
    "mse_loss": (F.mse_loss, False),
    "l1_loss": (F.l1_loss, False),
    "smooth_l1_loss": (F.smooth_l1_loss, False),
    "huber_loss": (F.huber_loss, False),
    "binary_cross_entropy_with_logits": (F.binary_cross_entropy_with_logits, False),
    "binary_cross_entropy": (F.binary_cross_entropy, False),
}
# What symbolic sizes are in examples: two sets, so that what changes with them shows.
_FIRST, _OTHERS = (4, 6), (32, 64)


@dataclass(frozen=True)
class Input:
    """An input of a step. shape: numbers, and names of symbolic sizes. examples: sizes of these that the user gave."""

    name: str
    dtype: DType
    shape: tuple[int | str, ...]
    examples: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}:{self.dtype.long_name}[{','.join(map(str, self.shape))}]"


def parsed(text: str) -> Input:
    """An input from text like "tokens:int64[N,T=12]": a name of a size says that it is symbolic, a number what it is in
    the example. Raises LenetcError for other text."""
    found = re.fullmatch(r"\s*([^:\[\]]+?)\s*(?::\s*(\w+))?\s*\[([^\]]*)\]\s*", text)
    dtypes = {d.long_name: d for d in DTYPES.values()} | DTYPES
    if found is None or (found[2] or "float32") not in dtypes:
        raise LenetcError(
            f"an input is written name:dtype[sizes], like tokens:int64[N,T=12], not {text!r}; dtypes are "
            f"{', '.join(d.long_name for d in DTYPES.values())}"
        )
    shape: list[int | str] = []
    examples = {}
    for size in found[3].split(",") if found[3].strip() else ():
        name, equals, example = (part.strip() for part in size.partition("="))
        size = size.strip()
        if not (_is_size(size) or (is_name(name) and (_is_size(example) if equals else True))):
            raise LenetcError(f"{size!r} in {text!r} is no size: a number, a name like N, or N=8")
        shape.append(int(size) if _is_size(size) else name)
        if example:
            examples[name] = int(example)
    return Input(found[1], dtypes[found[2] or "float32"], tuple(shape), examples)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def input_of(name: str, port: Port) -> Input:
    """The input `name` of a step, which the network's input `port` is. Sizes without a name get one."""
    dtypes = {
        "float": "f32",
        "double": "f64",
        "float16": "f16",
        "bfloat16": "bf16",
        "int64": "i64",
        "int32": "i32",
    }
    dtypes |= {"int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool"}
    if port.dtype not in dtypes or port.shape is None:
        raise LenetcError(
            f"the file does not tell the type of its input {port.name!r}: give it, as {name}:float32[N,3,8,8]"
        )
    shape = [
        size if isinstance(size, int) else _symbol(size, "N" if axis == 0 else f"{name}_{axis}")
        for axis, size in enumerate(port.shape)
    ]
    return Input(name, DTYPES[dtypes[port.dtype]], tuple(shape))


def _symbol(name: str | None, otherwise: str) -> str:
    plain = re.sub(r"\W", "_", name or "")
    return plain if is_name(plain) else otherwise


@dataclass(frozen=True)
class FileStep:
    """A step to lower and export. call: inputs and labels by name -> {"loss": ..., further outputs}; evaluate: the same
    without the update; axes: the symbolic sizes of its inputs."""

    call: Callable[..., Any]
    evaluate: Callable[..., Any]
    inputs: tuple[Input, ...]
    examples: dict[str, Tensor]
    axes: dict[str, dict[int, str]]

    def export(self, net: OnnxModule, folder: Path, **options: Any) -> list[Path]:
        """Write the folder of the step; options: those of `program.export`. Returns the paths written."""
        if not (options.get("axes") or options.get("static")):
            options["axes"] = self.axes
        program = compile(self.call).lower(**self.examples)
        return program.export(folder, infer=net, evaluate=self.evaluate, **options)


def step_of(
    net: OnnxModule,
    loss: str | Callable[..., Tensor],
    optimizer: Optimizer,
    *,
    inputs: Sequence[Input] = (),
    labels: Sequence[Input] = (),
    scores: Sequence[str] | None = None,
    additional: Sequence[str] = (),
) -> FileStep:
    """A step of `net`: forward, loss, backward, `optimizer.step()`.

    loss: a name of LOSSES, which takes the first of the scores and `labels`, or a function of all scores and of labels
    by its further parameters' names. inputs: in the place of what the file says of its own; labels: where they are not
    what the loss's name says. scores: the outputs that the loss is given, by default all; additional: outputs that are
    results too. Raises LenetcError where something of this does not fit.
    """
    given = {i.name: i for i in inputs}
    called = list(inspect.signature(net.forward).parameters)
    pairs = zip(called, net.ports, strict=True)
    own = [given.pop(name) if name in given else input_of(name, port) for name, port in pairs]
    if given:
        raise LenetcError(
            f"the file has no input {', '.join(given)}; it has {', '.join(i.name for i in own)}"
        )
    names = [port.name for port in net.out_ports]
    if unknown := [name for name in (*(scores or ()), *additional) if name not in names]:
        raise LenetcError(f"the file has no output {', '.join(unknown)}; it has {', '.join(names)}")
    chosen = list(scores or [name for name in names if name not in additional])
    function, wanted = _loss(loss, chosen, labels)
    if wanted is None:
        wanted = [_labels(net, own, chosen[0], LOSSES[str(loss)][1])]
    if both := {i.name for i in own} & {i.name for i in wanted}:
        raise LenetcError(f"{', '.join(both)} is an input of the network and a label: rename one")

    everything = (*own, *wanted)
    called = [i.name for i in everything]

    def forward(*tensors: Tensor) -> dict[str, Tensor]:
        values = dict(zip(called, tensors, strict=True))
        outputs = net(*(values[i.name] for i in own))
        by_name = dict(zip(names, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))
        found = function(*(by_name[name] for name in chosen), **{i.name: values[i.name] for i in wanted})
        return {"loss": found, **{name: by_name[name] for name in additional}}

    def train(*tensors: Tensor) -> dict[str, Tensor]:
        optimizer.zero_grad()
        results = forward(*tensors)
        results["loss"].backward()
        optimizer.step()
        return results

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in called])
    for call in (forward, train):
        call.__signature__ = signature  # type: ignore[attr-defined]
    axes = {
        i.name: symbols
        for i in everything
        if (symbols := {axis: size for axis, size in enumerate(i.shape) if isinstance(size, str)})
    }
    return FileStep(train, forward, everything, _examples(everything, 0), axes)


def _loss(
    loss: str | Callable[..., Tensor], scores: Sequence[str], labels: Sequence[Input]
) -> tuple[Callable[..., Tensor], list[Input] | None]:
    """The loss as a function of scores and labels, and the labels; None where the scores tell what they are."""
    if callable(loss):
        parameters = list(inspect.signature(loss).parameters.values())[len(scores) :]
        known = {i.name: i for i in labels}
        if lacking := [p.name for p in parameters if p.default is p.empty and p.name not in known]:
            raise LenetcError(f"the loss takes {', '.join(lacking)}: give its type, as labels:int64[N]")
        return loss, [known[p.name] for p in parameters if p.name in known]
    if loss not in LOSSES:
        raise LenetcError(f"the loss {loss!r} is not known; {', '.join(LOSSES)} are, and FILE.py:FUNCTION")
    function = LOSSES[loss][0]
    if len(labels) > 1:
        raise LenetcError(f"{loss} takes one label, not {', '.join(map(str, labels))}")
    return lambda first, *_, **label: function(first, *label.values()), list(labels) or None


def _labels(net: OnnxModule, inputs: Sequence[Input], score: str, are_classes: bool) -> Input:
    """The labels for an output: of its shape, or that without its classes, which are axis 1."""
    index = [port.name for port in net.out_ports].index(score)
    found: list[Tensor] = []
    mode = net.training
    net.eval()
    try:
        for example in (0, 1):
            with set_grad_enabled(False):
                outputs = net(**_examples(inputs, example))
            found.append(outputs[index] if isinstance(outputs, tuple) else outputs)
    except LenetcError as error:
        listed = ", ".join(map(str, inputs))
        raise LenetcError(f"the network takes no example of {listed}; say sizes, as N=4: {error}") from error
    finally:
        net.train(mode)
    symbols = [(size, _sizes(inputs, 0)[size], _sizes(inputs, 1)[size]) for size in _sizes(inputs, 0)]
    shape: list[int | str] = []
    for axis, (one, other) in enumerate(zip(found[0].shape, found[1].shape, strict=True)):
        name = next((name for name, a, b in symbols if (a, b) == (one, other)), None)
        if name is None and one != other:
            raise LenetcError(
                f"axis {axis} of {score!r} is computed of the inputs' sizes: give the labels' type"
            )
        shape.append(name if name is not None and one != other else int(one))
    if are_classes:
        if len(shape) < 2:
            raise LenetcError(f"{score!r} {shape} has no axis of classes")
        return Input("labels", i64, (shape[0], *shape[2:]))
    return Input("target", found[0].dtype, tuple(shape))


def _sizes(inputs: Iterable[Input], example: int) -> dict[str, int]:
    """What each symbolic size is in an example."""
    found: dict[str, int] = {}
    for i in inputs:
        for axis, size in enumerate(i.shape):
            if isinstance(size, str) and size not in found:
                default = (
                    _FIRST[example] if axis == 0 else _OTHERS[example] + 8 * len(found) * i.dtype.is_float
                )
                found[size] = i.examples.get(size, default)
    return found


def _examples(inputs: Iterable[Input], example: int) -> dict[str, Tensor]:
    inputs = list(inputs)
    sizes = _sizes(inputs, example)
    return {
        i.name: creation.zeros(
            [size if isinstance(size, int) else sizes[size] for size in i.shape], dtype=i.dtype
        )
        for i in inputs
    }
