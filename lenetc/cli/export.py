"""The command `lenetc export`: from a forward ONNX file to the folder that trains it."""

from __future__ import annotations

import argparse

from rich.console import Console

from lenetc.cli.functions import function_named
from lenetc.importer.door import from_onnx
from lenetc.migration.step import parsed, step_of
from lenetc.training.trainer import OPTIMIZERS


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc export` say."""
    net = from_onnx(options.model, trainable=options.train).train()
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    rate, optimizer = OPTIMIZERS[options.optimizer]
    step = step_of(
        net,
        function_named(options.loss) if ":" in options.loss else options.loss,
        optimizer(trained, options.lr or rate),
        inputs=[parsed(text) for text in options.inputs],
        labels=[parsed(text) for text in options.labels],
        scores=options.outputs,
    )
    step.export(net, options.out, batch=options.batch, opset=options.opset, operators=options.operators)
    console = Console(highlight=False)
    console.print(f"{options.out}: a step of {', '.join(map(str, step.inputs))}", markup=False)
    count = sum(parameter.numel() for parameter in trained)
    console.print(f"{len(trained)} parameters are trained, {count:,} numbers", markup=False)
    return 0
