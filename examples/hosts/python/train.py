"""Train an exported LeNet with NumPy and ONNX Runtime alone: python train.py ARTIFACT DIGITS OUT.safetensors"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

artifact, digits, out = map(Path, sys.argv[1:4])
manifest = json.loads((artifact / "manifest.json").read_text())
wanted, options = manifest["session_options"], ort.SessionOptions()
options.intra_op_num_threads = wanted["intra_op_num_threads"]
options.add_session_config_entry("session.set_denormal_as_zero", f"{wanted['denormals_as_zero']:d}")


def model(name):
    """A function of (state, inputs and hyperparameters by name) that gives (results, new state)."""
    entry = manifest["models"][name]
    session = ort.InferenceSession(str(artifact / entry["file"]), options, ["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]

    def call(state, **feeds):
        feeds.update({name: state[name] for name in entry["state"]})
        found = dict(zip(outputs, session.run(outputs, feeds), strict=True))
        new = {name: found.pop(output) for name, output in entry["updates"].items()}
        return found, {**state, **new}

    return call


def read_digits(part):  # a header of 16 or 8 bytes, then one for each pixel or label
    images = np.frombuffer((digits / f"{part}-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    labels = np.frombuffer((digits / f"{part}-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    return images.reshape(-1, 28, 28), labels.astype(np.int64)


def safetensors(state):
    """The length of a header, the header as JSON, the arrays one after the other."""
    header, end = {}, 0
    for name, value in state.items():
        dtype, start, end = f"{value.dtype.kind.upper()}{8 * value.itemsize}", end, end + value.nbytes
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(value.tobytes() for value in state.values())


init, train, evaluate = map(model, ("init", "train", "eval"))
rates = {h["name"]: np.array(h["default"], h["dtype"]) for h in manifest["hyperparameters"]}
(_, state), (images, labels) = init({}, seed=np.array(0, np.int64)), read_digits("train")
for step in range(50):
    batch = slice(64 * step, 64 * (step + 1))
    results, state = train(state, images=images[batch], labels=labels[batch], **rates)
    assert results["valid"], "a label is out of range"
    print(f"step {step} loss {results['loss']:.6f}")
images, labels = read_digits("t10k")
results, _ = evaluate(state, images=images, labels=labels)
print(f"test loss {results['loss']:.6f}, {results['correct']} of {len(labels)} recognized")
out.write_bytes(safetensors(state))
