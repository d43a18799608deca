"""`python -m benchmarks.imported [NET ...]`: networks that come as ONNX files, trained; writes a page of docs.

The architectures of the onnx package with random weights, and small networks as PyTorch's two exporters write them. A
process for each, one after the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

import lenetc
import lenetc.nn.functional as F
from benchmarks.imported.light import NAMES, light

PAGE = Path(__file__).parents[1] / "results" / "imported.md"
EXPORTED = ("lenet", "resnet18", "mobilenet", "encoder", "vit", "lstm", "gru", "unet", "generator")
BATCH, STEPS, RUNS = 4, 5, 5
RATES = {
    "bvlc_alexnet": 1e-3,
    "vgg19": 5e-5,
    "zfnet512": 1e-3,
    "inception_v1": 1e-3,
    "squeezenet": 5e-4,
    "shufflenet": 2e-3,
}
HEAD = """# Imported networks, trained

`python -m benchmarks.imported` wrote this table: batches of 4, SGD with momentum, two cores. The first nine are the
architectures that come with the onnx package (224 pixels, random weights, `batch="N"`), the others small networks
as PyTorch's exporters write them. *import* is `from_onnx`; *step* is `train.onnx` in
ONNX Runtime, with state and results as arrays; *forward* the file itself there, in parts where it takes one image at
a time; medians of 5. The loss is that of the same batch before the first step and before the fifth.

| network | nodes | parameters | import s | train.onnx kB | step ms | forward ms | loss |
|---|---:|---:|---:|---:|---:|---:|---|
"""


def _given(name: str) -> tuple[onnx.ModelProto, Any, Any, str, float]:
    """The file, a batch, its labels, the loss by its name, the rate."""
    if name in NAMES:
        rng = np.random.default_rng(0)
        images = rng.standard_normal((BATCH, 3, 224, 224)).astype(np.float32)
        return light(name), images, rng.integers(0, 1000, BATCH), "cross_entropy", RATES.get(name, 0.01)
    import torch  # which only these need

    from tests.parity.importer.exporting import Form, exported
    from tests.parity.importer.networks import NETWORKS

    network, exporter = NETWORKS[name.partition(" ")[0]], name.partition(" ")[2]
    torch.manual_seed(0)
    form = Form(True, 18, False, True) if exporter == "dynamo" else Form(False, 17, False, True)
    model = exported(network, network.make(), form)
    x, label = network.inputs(BATCH).numpy(), network.labels(BATCH).numpy()
    return model, x, label, network.loss, network.lr


def measured(name: str) -> dict[str, Any]:
    """A row."""
    warnings.simplefilter("ignore")
    model, x, label, loss_name, rate = _given(name)
    ends_in_softmax = model.graph.node[-1].op_type == "Softmax"
    start = time.perf_counter()
    net = lenetc.from_onnx(model, batch="N" if name in NAMES else None, untie=True).train()
    imported = time.perf_counter() - start
    optimizer = lenetc.optim.SGD(net.parameters(), lr=rate, momentum=0.9)

    @lenetc.compile
    def step(x: Any, label: Any) -> Any:
        optimizer.zero_grad()
        y = net(x).flatten(1) if name in NAMES else net(x)
        loss = F.nll_loss(y.log(), label) if ends_in_softmax else getattr(F, loss_name)(y, label)
        loss.backward()
        optimizer.step()
        return loss

    with tempfile.TemporaryDirectory() as folder:
        step.lower(x, label).export(folder)
        artifact = lenetc.load(folder)
        losses = [float(artifact(x=x, label=label)["loss"]) for _ in range(STEPS)]
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            artifact(x=x, label=label)
            times.append(time.perf_counter() - start)
        size = (Path(folder) / "train.onnx").stat().st_size
        del artifact
    return {
        "nodes": len(model.graph.node),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "import": imported,
        "bytes": size,
        "step": statistics.median(times),
        "forward": _forward(model, x),
        "losses": [losses[0], losses[-1]],
    }


def _forward(model: onnx.ModelProto, x: Any) -> float:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    rows = port.shape[0] if isinstance(port.shape[0], int) else len(x)
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        for first in range(0, len(x), rows):
            session.run(None, {port.name: x[first : first + rows]})
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def line(name: str, row: dict[str, Any]) -> str:
    losses = " -> ".join(f"{loss:.3f}" for loss in row["losses"])
    return (
        f"| {name} | {row['nodes']} | {row['parameters']:,} | {row['import']:.2f} | "
        f"{row['bytes'] / 1000:.0f} | {1000 * row['step']:.1f} | {1000 * row['forward']:.1f} | {losses} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", help="rows to measure (default: all, and the page is written)")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measured(options.row)))
        return
    names = options.networks or [
        *NAMES,
        *(f"{name} {by}" for name in EXPORTED for by in ("script", "dynamo")),
    ]
    lines = []
    for name in names:
        command = [sys.executable, "-m", "benchmarks.imported", "--row", name]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode:
            raise SystemExit(f"{name}: {found.stderr.strip().splitlines()[-1]}")
        lines.append(line(name, json.loads(found.stdout.splitlines()[-1])))
        print(lines[-1], flush=True)
    if not options.networks:
        PAGE.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
