"""Train both networks with NumPy and ONNX Runtime alone: python host.py OUT"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file

out = Path(sys.argv[1])
digits = np.load(out / "digits.npz")


def run(folder: Path, steps: int = 60) -> int:
    """Digits of the test set that are recognized after so many steps on all of the few digits."""
    manifest = json.loads((folder / "manifest.json").read_text())
    models = manifest["models"]
    rates = {h["name"]: np.float32(h["default"]) for h in manifest["hyperparameters"]}
    train, evaluate = (ort.InferenceSession(folder / models[name]["file"]) for name in ("train", "eval"))
    state = load_file(folder / "state.safetensors")
    names = [output.name for output in train.get_outputs()]
    for _ in range(steps):
        feeds = {name: state[name] for name in models["train"]["state"]}
        results = train.run(
            names, {"image": digits["train_image"], "label": digits["train_label"], **rates, **feeds}
        )
        found = dict(zip(names, results, strict=True))
        state.update((name, found[new]) for name, new in models["train"]["updates"].items())
    feeds = {name: state[name] for name in models["eval"]["state"]}
    return int(
        evaluate.run(["correct"], {"image": digits["test_image"], "label": digits["test_label"], **feeds})[0]
    )


for name in ("tuned", "scratch"):
    print(f"{name}: {run(out / name)} of {len(digits['test_label'])} recognized")
