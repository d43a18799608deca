"""Train an exported artifact with nothing but NumPy and ONNX Runtime.

    python examples/train_plain.py runs/demo lenetc/datasets/mnist_10k.npz
"""

import sys

import numpy as np
import onnxruntime as ort

artifact, digits = sys.argv[1:3]
init = ort.InferenceSession(f"{artifact}/init.onnx", providers=["CPUExecutionProvider"])
train = ort.InferenceSession(f"{artifact}/train.onnx", providers=["CPUExecutionProvider"])
outputs = [output.name for output in train.get_outputs()]

with np.load(digits) as data:
    order = np.random.default_rng(0).permutation(len(data["labels"]))
    images = np.pad(data["images"][order] / np.float32(255), ((0, 0), (2, 2), (2, 2)))
    images = ((images - np.float32(0.1307)) / np.float32(0.3081))[:, None].astype(np.float32)
    labels = data["labels"][order].astype(np.int64)

state = dict(zip([output.name for output in init.get_outputs()], init.run(None, {}), strict=True))
# Start over: small random weights instead of the trained ones, zeros for the optimizer.
rng = np.random.default_rng(1)
for name, value in state.items():
    fresh = name.endswith((".weight", ".bias"))
    state[name] = (rng.uniform(-1, 1, value.shape) / np.sqrt(max(value[0].size, 1)) if fresh else value * 0).astype(value.dtype)

for epoch in range(2):
    for start in range(0, 8005, 100):  # the last batch has 5 samples
        batch = slice(start, min(start + 100, 8005))
        feeds = {"images": images[batch], "labels": labels[batch], "lr": np.float32(0.05).reshape(()), **state}
        results = dict(zip(outputs, train.run(None, feeds), strict=True))
        state = {name: results.get(f"{name}.next", value) for name, value in state.items()}
    print(f"epoch {epoch + 1}: loss {results['loss']:.4f}, {int(results['correct'])} of 5 right in the last batch")
