"""Wrote the files beside it with onnxruntime-training 1.19.2: python write.py FOLDER

mlp.onnx: the forward network. checkpoint, nominal: what generate_artifacts writes; after: saved after five steps, with
the optimizer's state. found.npz: the batch, the weights when it was saved, the losses of all ten steps, the weights
after them.
"""

import itertools
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.training import artifacts
from onnxruntime.training.api import CheckpointState, Module, Optimizer

out, parts = Path(sys.argv[1]), Path(sys.argv[1]) / "parts"
rng = np.random.default_rng(0)
sizes = (10, 8, 6, 4)
weights, nodes, last = [], [], "x"
for i, (given, made) in enumerate(itertools.pairwise(sizes)):
    for name, shape in ((f"{i}.weight", (made, given)), (f"{i}.bias", (made,))):
        weights.append(numpy_helper.from_array((rng.standard_normal(shape) * 0.4).astype(np.float32), name))
    output = "y" if i == len(sizes) - 2 else f"h{i}"
    nodes.append(
        helper.make_node("Gemm", [last, f"{i}.weight", f"{i}.bias"], [output], f"/{i}/Gemm", transB=1)
    )
    if output != "y":
        nodes.append(helper.make_node("Relu", [output], [f"r{i}"], f"/{i}/Relu"))
    last = f"r{i}"
ports = [helper.make_tensor_value_info(name, 1, ["N", size]) for name, size in (("x", 10), ("y", 4))]
graph = helper.make_graph(nodes, "mlp", ports[:1], ports[1:], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, out / "mlp.onnx")

parts.mkdir(exist_ok=True)
artifacts.generate_artifacts(
    model,
    requires_grad=[f"{i}.{name}" for i in (1, 2) for name in ("weight", "bias")],
    frozen_params=["0.weight", "0.bias"],
    loss=artifacts.LossType.CrossEntropyLoss,
    optimizer=artifacts.OptimType.AdamW,
    artifact_directory=parts,
    nominal_checkpoint=True,
)
shutil.copy(parts / "nominal_checkpoint", out / "nominal")
shutil.copy(parts / "checkpoint", out / "checkpoint")
state = CheckpointState.load_checkpoint(parts / "checkpoint")
module = Module(parts / "training_model.onnx", state, parts / "eval_model.onnx")
optimizer = Optimizer(parts / "optimizer_model.onnx", module)
optimizer.set_learning_rate(0.02)
x, y = rng.standard_normal((16, 10)).astype(np.float32), rng.integers(0, 4, 16)
losses, found = [], {}
module.train()
for number in range(10):
    losses.append(float(module(x, y)))
    optimizer.step()
    module.lazy_reset_grad()
    if number == 4:
        state.properties["epoch"], state.properties["best"], state.properties["name"] = 3, 0.5, "run"
        CheckpointState.save_checkpoint(state, out / "after", include_optimizer_state=True)
        found |= {f"saved {name}": parameter.data.copy() for name, parameter in state.parameters}
found |= {f"last {name}": parameter.data.copy() for name, parameter in state.parameters}
np.savez(out / "found.npz", x=x, y=y, losses=losses, **found)
shutil.rmtree(parts)
