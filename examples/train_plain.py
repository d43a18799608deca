"""Train an exported LeNet anew: python examples/train_plain.py runs/demo lenetc/datasets/mnist_10k.npz"""

import sys

import numpy as np
import onnxruntime as ort

folder, digits = sys.argv[1:3]
ort.set_default_logger_severity(3)  # or it warns that weights which are inputs are not folded away
init, train, infer = (
    ort.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
    for name in ("init", "train", "infer")
)
with np.load(digits) as data:
    images = np.pad(data["images"], ((0, 0), (2, 2), (2, 2)))[:, None] / np.float32(255)
    images, labels = (images - np.float32(0.1307)) / np.float32(0.3081), data["labels"].astype(np.int64)

# The state as exported gives names and shapes. Start over: random weights, zeros for all the rest.
state = dict(zip([output.name for output in init.get_outputs()], init.run(None, {}), strict=True))
rng = np.random.default_rng(0)
for name, value in state.items():
    bound = 1 / np.sqrt(value[0].size) if name.endswith(".weight") else 0
    state[name] = rng.uniform(-bound, bound, value.shape).astype(value.dtype)

outputs = [output.name for output in train.get_outputs()]
order = rng.permutation(len(labels))
for epoch in range(3):
    for batch in np.split(order[:8005], range(64, 8005, 64)):  # the last one has 5 digits
        feeds = {"images": images[batch], "labels": labels[batch], "lr": np.array(0.02, np.float32), **state}
        results = dict(zip(outputs, train.run(outputs, feeds), strict=True))
        state = {name: results.get(f"{name}.next", value) for name, value in state.items()}
    weights = {value.name: state[value.name] for value in infer.get_overridable_initializers()}
    (scores,) = infer.run(None, {"images": images[order[8005:]], **weights})
    right = np.mean(scores.argmax(axis=1) == labels[order[8005:]])
    print(f"epoch {epoch + 1}: loss {results['loss']:.3f}, {right:.2%} of the other digits recognized")
