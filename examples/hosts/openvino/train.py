"""Train an exported LeNet with NumPy and OpenVINO alone: python train.py ARTIFACT DIGITS"""

import json
import sys
from pathlib import Path

import numpy as np
import openvino

artifact, digits = map(Path, sys.argv[1:3])
manifest = json.loads((artifact / "manifest.json").read_text())
core = openvino.Core()
# Or it computes in bfloat16 on processors that have it.
core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def model(name):
    """A function of (state, inputs and hyperparameters by name) that gives (results, new state)."""
    entry = manifest["models"][name]
    compiled = core.compile_model(artifact / entry["file"], "CPU")

    def call(state, **feeds):
        feeds.update({name: state[name] for name in entry["state"]})
        found = compiled(feeds, share_outputs=False)
        results = {result["name"]: found[result["name"]] for result in entry["results"]}
        return results, {**state, **{name: found[output] for name, output in entry["updates"].items()}}

    return call


def read_digits(part):
    """MNIST's files: a header of 16 or 8 bytes, then one byte for each pixel or label."""
    images = np.frombuffer((digits / f"{part}-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    labels = np.frombuffer((digits / f"{part}-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    return images.reshape(-1, 28, 28), labels.astype(np.int64)


init, train, evaluate = map(model, ("init", "train", "eval"))
rates = {h["name"]: np.array(h["default"], h["dtype"]) for h in manifest["hyperparameters"]}
_, state = init({}, seed=np.array(0, np.int64))
images, labels = read_digits("train")
for step in range(50):
    batch = slice(64 * step, 64 * (step + 1))
    results, state = train(state, images=images[batch], labels=labels[batch], **rates)
    assert results["valid"], "a label is out of range"
    print(f"step {step} loss {results['loss']:.6f}")
images, labels = read_digits("t10k")
results, _ = evaluate(state, images=images, labels=labels)
print(f"test loss {results['loss']:.6f}, {results['correct']} of {len(labels)} recognized")
