"""Write the folders in which a host teaches a network the digits 5 to 9: python export.py OUT

OUT/tuned: the network of digits_0_to_4.onnx, frozen, with a new head. OUT/scratch: the same layers, all trained, from
random weights. OUT/digits.npz: ten digits of each class to learn from, and those to be tested with.
"""

import sys
from pathlib import Path

import numpy as np

import lenetc as torch
import lenetc.nn.functional as F
from lenetc import nn
from lenetc.data import load_mnist

FILE = Path(__file__).parent / "digits_0_to_4.onnx"


def export(folder: Path, image: np.ndarray, label: np.ndarray) -> None:
    torch.manual_seed(0)
    # Its convolutions; a new head for five other classes replaces what is behind them.
    backbone = torch.from_onnx(FILE, outputs=["/10/Flatten_output_0"])
    net = nn.Sequential(backbone, nn.Linear(400, 5))
    if folder.name == "tuned":
        backbone.requires_grad_(False).eval()  # in eval mode batch normalization keeps its statistics
    else:
        for weight in backbone.parameters():
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight)  # those of one axis are biases and scales
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=3e-3)

    def step(image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), label)
        loss.backward()
        optimizer.step()
        return loss

    def evaluate(image: torch.Tensor, label: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"correct": (net(image).argmax(1) == label).sum()}

    torch.compile(step).lower(image, label).export(folder, infer=net, evaluate=evaluate)


out, digits, parts = Path(sys.argv[1]), load_mnist(), {}
for part, images, labels, most in (
    ("train", digits.train_images, digits.train_labels, 10),
    ("test", digits.test_images, digits.test_labels, None),
):
    chosen = np.concatenate([np.flatnonzero(labels == label)[:most] for label in range(5, 10)])
    parts[f"{part}_image"] = images[chosen, None].astype(np.float32) / 255
    parts[f"{part}_label"] = labels[chosen] - 5
for name in ("tuned", "scratch"):
    export(out / name, parts["train_image"], parts["train_label"])
np.savez(out / "digits.npz", **parts)
