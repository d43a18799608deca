"""What tests do with the stand-in for CUDA, each in a process of its own. See `tests.fake_cuda.run`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

SHORT = {
    "float": "f32",
    "double": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "u8",
    "bool": "bool",
}


def main(function: str, arguments: str) -> None:
    """Print the result of a case as JSON, and leave without the provider's clean-up of a device that is not there."""
    print(json.dumps(globals()[function](*json.loads(arguments))), flush=True)
    os._exit(0)


def kernels(opset: int) -> dict[str, list[str]]:
    """The operators of ai.onnx that the CUDA provider registers, with the dtypes of the operand that decides."""
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    found: dict[str, set[str]] = {}
    for kernel in get_all_opkernel_def():
        first, last = kernel.version_range
        if kernel.provider != "CUDAExecutionProvider" or kernel.domain or not first <= opset <= last:
            continue
        constraints = kernel.type_constraints
        key = next((key for key in ("T", "T1", "V") if key in constraints), None)
        names = (SHORT.get(name[7:-1], "") for name in constraints.get(key, ()))
        found.setdefault(kernel.op_name, set()).update(name for name in names if name)
    return {operator: sorted(dtypes) for operator, dtypes in found.items()}


def placement(folder: str) -> dict[str, list[str]]:
    """For each model file of `folder` the nodes that the provider leaves to the CPU, or what it says loading it."""
    left: dict[str, list[str]] = {}
    for path in sorted(Path(folder).glob("*.onnx")):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CUDAExecutionProvider"], enable_fallback=0
            )
        except Exception as error:
            left[path.stem] = [str(error)]
            continue
        assert session.get_providers()[0] == "CUDAExecutionProvider"
        left[path.stem] = [
            f"{node.name} ({node.op_type})"
            for part in session.get_provider_graph_assignment_info()
            if part.ep_name != "CUDAExecutionProvider"
            for node in part.get_nodes()
        ]
    return left


def _log() -> list[list[str]]:
    """What the device did since the last call: (what, bytes)."""
    path = Path(os.environ["FAKE_CUDA_LOG"])
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    return [line.rsplit(" ", 1) for line in lines]


def _cuda() -> None:
    """Let this process believe in the device."""
    from lenetc.runtime import device

    os.environ["FAKE_CUDA_LOG"] = f"/tmp/fake_cuda_{os.getpid()}.log"
    device.DRIVERS = ("/",)
    assert device.resolve_device("auto") == "cuda"


def _training(**options: Any) -> tuple[Any, Any, Any]:
    """A step of a perceptron on CUDA, its batch, its network."""
    import lenetc
    import lenetc.nn.functional as F

    lenetc.manual_seed(0)
    net = lenetc.nn.Sequential(lenetc.nn.Linear(300, 64), lenetc.nn.ReLU(), lenetc.nn.Linear(64, 10))
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.ones((64, 300), np.float32), np.zeros(64, np.int64)
    return lenetc.compile(step, device="cuda", **options), (x, y), net


def training(cuda_graphs: bool) -> dict[str, Any]:
    """What five steps do, then one that follows a look at a weight, then three whose losses are all kept."""
    _cuda()
    step, batch, net = _training(cuda_graphs=cuda_graphs)
    step.lower(*batch)
    _log()
    steps = []
    for _ in range(5):
        step(*batch)
        steps.append(_log())
    net[0].weight.detach().numpy()
    _log()
    step(*batch)
    looked = _log()
    kept = [step(*batch) for _ in range(3)]
    distinct = len({loss._cell.value().data_ptr() for loss in kept})
    specialization = step.specialization(batch, {}, scan=False)
    return {
        "steps": steps,
        "looked": looked,
        "distinct": distinct,
        "captures": specialization.session.captures,
        "on_cpu": specialization.session.on_cpu,
        "numbers": [getattr(b, "number", None) for b in specialization.turns],
        "obstacles": step.lower(*batch).obstacles,
    }


def scanned() -> dict[str, Any]:
    """Three steps in one run, twice: control flow, so nothing is captured."""
    _cuda()
    step, (x, y), _ = _training()
    _log()
    batches = np.stack([x] * 3), np.stack([y] * 3)
    for _ in range(2):
        assert step.scan(*batches).shape == (3,)
    specialization = step.specialization(batches, {}, scan=True)
    return {
        "log": _log(),
        "captures": specialization.session.captures,
        "obstacles": specialization.program.obstacles,
        "on_cpu": specialization.session.on_cpu,
    }


def accumulated() -> dict[str, Any]:
    """Steps that add to the gradients of the last one, which are in new memory every time."""
    import lenetc

    _cuda()
    w = lenetc.nn.Parameter(lenetc.ones(3))

    def step(x: Any) -> Any:
        loss = (w * x).sum()
        loss.backward()
        return loss

    compiled = lenetc.compile(step, device="cuda")
    for _ in range(3):
        compiled(np.ones(3, np.float32))
    return {"log": _log(), "grad": w.grad is not None}


def on_the_cpu() -> dict[str, Any]:
    """A model with a node that CUDA has no kernel for, loaded to be captured; and what is said about it."""
    import logging

    from onnx import helper

    from ir.node import Where
    from lenetc.runtime import Session

    _cuda()
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("lenetc.runtime").addHandler(handler)
    x, y = (helper.make_tensor_value_info(name, 7, [4]) for name in "xy")
    nodes = [
        helper.make_node("Add", ["x", "x"], ["t"], name="conv1/add"),
        helper.make_node("BitwiseXor", ["t", "x"], ["y"], name="conv1/xor"),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    places = {"conv1/xor": Where(module="conv1", phase="forward", file="net.py", line=3)}
    session = Session(model.SerializeToString(), "cuda", places, captures=True)
    return {"told": told, "on_cpu": session.on_cpu, "captures": session.captures}


def moves() -> dict[str, Any]:
    """Values between the devices, and a result that is fed to the next step."""
    import lenetc
    from lenetc import runtime

    _cuda()
    there = runtime.to_device(np.arange(3.0), "cuda")
    _log()
    copy = runtime.moved(there, "cuda")
    between = _log()
    back = runtime.moved(copy, "cpu")
    double = lenetc.compile(lambda x: x * 2, device="cuda")
    y = double(double(np.ones(40_000, np.float32)))
    _log()
    double(y)
    return {"between": between, "back": back.numpy().tolist(), "fed": _log()}


def prefetched() -> dict[str, Any]:
    """Batches made ahead on CUDA, the last one shorter, their values after all of them were made."""
    import threading

    from lenetc.data import prefetch

    _cuda()
    arrays = [np.full((4 if i < 5 else 3, 6000), i, np.float32) for i in range(6)]
    threads, found = set(), []

    def batches() -> Any:
        for array in arrays:
            threads.add(threading.current_thread().name)
            yield array, np.arange(len(array))

    _log()
    for images, labels in prefetch(batches(), device="cuda"):
        value = images._cell.value()
        found.append([value.device_name(), float(images.numpy().mean()), list(images.shape), labels.tolist()])
    log = _log()
    return {"found": found, "threads": sorted(threads), "log": log}


def lenet() -> dict[str, Any]:
    """Four steps of LeNet, with cuDNN's convolutions and pools."""
    import lenetc
    import lenetc.nn.functional as F
    from lenetc.lenet import LeNet

    _cuda()
    net = LeNet()
    optimizer = lenetc.optim.Adam(net.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = lenetc.compile(step, device="cuda")
    batch = np.ones((64, 1, 32, 32), np.float32), np.zeros(64, np.int64)
    program = compiled.lower(*batch)
    _log()
    steps = []
    for _ in range(4):
        compiled(*batch)
        steps.append(_log())
    return {"steps": steps, "operators": sorted({node.op_type for node in program.onnx.graph.node})}


def copies(folder: str) -> dict[str, list[list[str]]]:
    """For each model file of `folder` what a second run copies between host and device, its values being there."""
    from lenetc.runtime import NOT_ON_CUDA

    os.environ["FAKE_CUDA_LOG"] = f"/tmp/fake_cuda_{os.getpid()}.log"
    found: dict[str, list[list[str]]] = {}
    for path in sorted(Path(folder).glob("*.onnx")):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            str(path),
            options,
            providers=["CUDAExecutionProvider"],
            enable_fallback=0,
            disabled_optimizers=NOT_ON_CUDA,
        )
        binding = session.io_binding()
        values = []
        for value in (*session.get_inputs(), *session.get_outputs()):
            kind = value.type[7:-1]
            dtype = {"float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_}.get(
                kind
            )
            dtype = dtype or np.dtype(kind).type
            values.append(onnxruntime.OrtValue.ortvalue_from_shape_and_type(value.shape, dtype, "cuda", 0))
            is_input = len(values) <= len(session.get_inputs())
            (binding.bind_ortvalue_input if is_input else binding.bind_ortvalue_output)(
                value.name, values[-1]
            )
        try:
            for _ in range(2):
                _log()
                session.run_with_iobinding(binding)
        except RuntimeError as error:
            found[path.stem] = [["error", str(error)]]
            continue
        found[path.stem] = [entry for entry in _log() if entry[0] != "on device"]
    return found
