"""Train both networks with NumPy and ONNX Runtime, without lenetc: python host.py OUT"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file

out = Path(sys.argv[1])
digits = dict(np.load(out / "digits.npz"))
train, test = (
    {"image": digits[f"{part}_image"], "label": digits[f"{part}_label"]} for part in ("train", "test")
)


def run(folder: Path, steps: int = 60) -> float:
    """The share of the test set that is recognized after so many steps, each on all of the few digits."""
    manifest = json.loads((folder / "manifest.json").read_text())
    models = manifest["models"]
    step, evaluate = (ort.InferenceSession(folder / models[name]["file"]) for name in ("train", "eval"))
    rates = {
        entry["name"]: np.array(entry["default"], entry["dtype"]) for entry in manifest["hyperparameters"]
    }
    state = load_file(folder / "state.safetensors")
    outputs = [output.name for output in step.get_outputs()]
    for _ in range(steps):
        read = {name: state[name] for name in models["train"]["state"]}
        found = dict(zip(outputs, step.run(outputs, {**train, **rates, **read}), strict=True))
        state |= {name: found[new] for name, new in models["train"]["updates"].items()}
    read = {name: state[name] for name in models["eval"]["state"]}
    (correct,) = evaluate.run(["correct"], {**test, **read})
    return float(correct / len(test["label"]))


for name in ("tuned", "scratch"):
    print(f"{name}: {run(out / name):.1%} recognized")
