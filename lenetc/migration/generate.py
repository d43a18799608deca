"""`generate_artifacts`: onnxruntime-training's call, which writes an exported folder."""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ir.errors import LenetcError
from lenetc.compiler.program import Program
from lenetc.importer.door import from_onnx
from lenetc.migration.step import Input, step_of
from lenetc.optim import SGD, AdamW
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    import onnx


class LossType(enum.IntEnum):
    """onnxruntime.training.artifacts.LossType."""

    MSELoss = 1
    CrossEntropyLoss = 2
    BCEWithLogitsLoss = 3
    L1Loss = 4


class OptimType(enum.IntEnum):
    """onnxruntime.training.artifacts.OptimType."""

    AdamW = 1
    SGD = 2


_LOSSES = {
    LossType.MSELoss: "mse_loss",
    LossType.CrossEntropyLoss: "cross_entropy",
    LossType.BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
    LossType.L1Loss: "l1_loss",
}
_OPTIMIZERS: dict[OptimType, Callable[[Sequence[Tensor]], Optimizer]] = {
    OptimType.AdamW: lambda parameters: AdamW(list(parameters), lr=1e-3, eps=1e-6, weight_decay=0.0),
    OptimType.SGD: lambda parameters: SGD(list(parameters), lr=1e-3),
}


def generate_artifacts(
    model: str | os.PathLike[str] | onnx.ModelProto,
    requires_grad: Sequence[str] | None = None,
    frozen_params: Sequence[str] | None = None,
    loss: LossType | str | Callable[..., Tensor] | None = None,
    optimizer: OptimType | Callable[[Sequence[Tensor]], Optimizer] | None = None,
    artifact_directory: str | os.PathLike[str] | None = None,
    prefix: str = "",
    *,
    additional_output_names: Sequence[str] | None = None,
    loss_input_names: Sequence[str] | None = None,
    inputs: Sequence[Input] = (),
    labels: Sequence[Input] = (),
    **options: Any,
) -> list[Path]:
    """Write the folder that trains the network of an ONNX file, as onnxruntime.training.artifacts.generate_artifacts
    did with a training model, an evaluation model, an optimizer model and a checkpoint. Returns the paths written.

    requires_grad, frozen_params: names of initializers; by default those are trained that a gradient reaches. loss: a
    LossType, a name of PyTorch's ("cross_entropy"), or a function of the outputs and labels. optimizer: an OptimType
    (AdamW with eps 1e-6 and no decay, SGD; both with a rate of 1e-3, which is an input), or a function that makes one
    for a list of parameters. artifact_directory: by default the working directory. additional_output_names: outputs, or
    inner values, that the step gives besides. loss_input_names: the outputs that the loss is given, by default all.
    inputs, labels: types, where the file does not tell them. options: those of `program.export`.

    Raises LenetcError for names that the file has not, and for what there is no equal of: a prefix, `ort_format`,
    `custom_op_library`, `nominal_checkpoint`, a loss or an optimizer of onnxblock.
    """
    _refuse(prefix, options)
    if loss is None or optimizer is None:
        raise LenetcError(
            "generate_artifacts: give a loss and an optimizer; for gradients alone use lenetc.export_gradient"
        )
    _refuse_what_is_none(loss, optimizer)
    both = sorted({*(requires_grad or ())} & {*(frozen_params or ())})
    if both:
        raise LenetcError(f"generate_artifacts: {', '.join(both)} cannot be trained and frozen at once")
    net = from_onnx(model, trainable=requires_grad)
    if additional_output_names:
        more = [name for name in additional_output_names if name not in [port.name for port in net.out_ports]]
        if more:
            net = from_onnx(
                model, trainable=requires_grad, outputs=[*[port.name for port in net.out_ports], *more]
            )
    net.train()
    parameters = net.onnx_names()
    if unknown := sorted({*(frozen_params or ())} - {*parameters.values()}):
        raise LenetcError(f"generate_artifacts: the file has no parameter {', '.join(unknown)}")
    for path, parameter in net.named_parameters():
        if parameters.get(path) in (frozen_params or ()):
            parameter.requires_grad_(False)
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not trained:
        raise LenetcError("generate_artifacts: nothing is trained")
    make = _OPTIMIZERS[optimizer] if isinstance(optimizer, OptimType) else optimizer
    step = step_of(
        net,
        _LOSSES[loss] if isinstance(loss, LossType) else loss,
        make(trained),
        inputs=inputs,
        labels=labels,
        scores=loss_input_names,
        additional=additional_output_names or (),
    )
    return step.export(net, Path(artifact_directory or "."), **options)


def _refuse_what_is_none(loss: object, optimizer: object) -> None:
    if not (isinstance(loss, (LossType, str)) or callable(loss)):
        raise LenetcError(
            f"generate_artifacts: the loss is a LossType, a name of PyTorch's or a function, not {loss!r}"
        )
    if not (isinstance(optimizer, OptimType) or callable(optimizer)):
        raise LenetcError(
            "generate_artifacts: the optimizer is an OptimType, or a function that makes one for a list of "
            f"parameters, not {optimizer!r}"
        )


def _refuse(prefix: str, options: dict[str, Any]) -> None:
    instead = {
        "ort_format": "stock ONNX Runtime reads the files as they are",
        "custom_op_library": "the files need no operators of their own",
        "nominal_checkpoint": "state.safetensors can be left out of what is shipped: init.onnx draws a state",
    }
    for name, why in instead.items():
        if options.pop(name, None):
            raise LenetcError(f"generate_artifacts: there is no {name}: {why}")
    if unknown := sorted(options.keys() - inspect.signature(Program.export).parameters.keys()):
        raise LenetcError(f"generate_artifacts: there is no argument {', '.join(unknown)}")
    if prefix:
        raise LenetcError(f"generate_artifacts: there is no prefix {prefix!r}: give each a folder of its own")
