"""Networks exported by PyTorch's two exporters, and trained beside PyTorch."""

from __future__ import annotations

import copy
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch

import lenetc
import lenetc.nn.functional as F
from ir.types import Array
from tests.parity.importer.networks import Network

BATCH = 6


@dataclass(frozen=True)
class Form:
    """How a network is exported. dynamo: by which of the two exporters, the newer one or that of TorchScript;
    optimized: by the newer one as it does by default, which folds batch normalization into convolutions, and what is
    broadcast into weights. The other one does not here."""

    dynamo: bool
    opset: int
    training: bool
    dynamic: bool
    optimized: bool = False

    def __str__(self) -> str:
        words = ("dynamo" if self.dynamo else "script", self.opset, "train" if self.training else "eval")
        return "-".join(map(str, (*words, "dynamic" if self.dynamic else "static")))


def exported(network: Network, module: torch.nn.Module, form: Form) -> onnx.ModelProto:
    """The file of a copy of `module`."""
    module = copy.deepcopy(module).train(form.training)
    opset = max(form.opset, network.opset)
    example = (network.inputs(BATCH),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form.dynamo:
            shapes = (dict.fromkeys(network.dynamic, torch.export.Dim.DYNAMIC),) if form.dynamic else None
            program = torch.onnx.export(
                module,
                example,
                dynamo=True,
                opset_version=opset,
                input_names=["x"],
                output_names=["y"],
                dynamic_shapes=shapes,
                optimize=form.optimized,
                verbose=False,
            )
            assert program is not None
            return program.model_proto
        buffer = io.BytesIO()
        torch.onnx.export(
            module,
            example,
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": network.dynamic, "y": {0: "batch"}} if form.dynamic else None,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def in_runtime(model: onnx.ModelProto, x: Array) -> Array:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def torch_losses(
    network: Network, module: torch.nn.Module, batches: list[tuple[Any, Any]], training: bool
) -> list[float]:
    module = copy.deepcopy(module).train(training)
    optimizer = torch.optim.SGD(module.parameters(), lr=network.lr, momentum=0.9)
    losses = []
    for x, label in batches:
        optimizer.zero_grad()
        loss = getattr(torch.nn.functional, network.loss)(module(x), label)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def step_of(network: Network, net: Any) -> Any:
    optimizer = lenetc.optim.SGD(net.parameters(), lr=network.lr, momentum=0.9)
    criterion = getattr(F, network.loss)

    @lenetc.compile
    def step(x: Any, label: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), label)
        loss.backward()
        optimizer.step()
        return loss

    return step


def check(network: Network, form: Form, folder: Path) -> None:
    """Forward as in ONNX Runtime, five steps as in PyTorch, and the same five from the exported folder."""
    torch.manual_seed(0)
    module = network.make()
    with torch.no_grad():  # exporters take values that are equal for one
        for value in (*module.parameters(), *module.buffers()):
            if value.is_floating_point():
                value.mul_(1 + 0.01 * torch.rand_like(value)).add_(1e-3 * torch.rand_like(value))
    model = exported(network, module, form)
    net = lenetc.from_onnx(model)
    batches = [(network.inputs(BATCH), network.labels(BATCH)) for _ in range(5)]
    x = batches[0][0].numpy()
    if not form.training:
        np.testing.assert_allclose(net.eval()(x).detach().numpy(), in_runtime(model, x), rtol=1e-4, atol=1e-5)
    net.train(form.training)
    step = step_of(network, net)
    wanted = torch_losses(network, module, batches, form.training)
    arrays = [(x.numpy(), label.numpy()) for x, label in batches]
    with warnings.catch_warnings():
        # A file for one batch says so.
        warnings.simplefilter("error" if form.dynamic else "ignore")
        step.lower(*arrays[0]).export(folder, infer=net)
    artifact = lenetc.load(folder)
    from_file = [float(artifact(x=x, label=label)["loss"]) for x, label in arrays]
    mine = [float(step(*batch).detach()) for batch in arrays]
    np.testing.assert_allclose(mine, wanted, rtol=1e-4, err_msg="compiled")
    np.testing.assert_allclose(from_file, wanted, rtol=1e-4, err_msg="exported")
