"""Write the folders in which a host teaches a network the digits 5 to 9: python export.py OUT

OUT/tuned: the network of digits_0_to_4.onnx, frozen, with a new head. OUT/scratch: the same layers, trained from random
weights. OUT/digits.npz: ten digits of each class to learn from, and those to be tested with.
"""

import sys
from pathlib import Path

import numpy as np

import lenetc as torch
import lenetc.nn.functional as F
from lenetc import nn
from lenetc.data.digits import load_mnist

HERE = Path(__file__).parent


class Tuned(nn.Module):
    """The network of the file up to its last layer, which a new one for five other classes replaces."""

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.backbone = torch.from_onnx(HERE / "digits_0_to_4.onnx", outputs=["features"])
        self.head = nn.Linear(32, 5)
        if frozen:
            self.backbone.requires_grad_(False)
            self.backbone.eval()  # its statistics stay
        else:
            for weight in self.backbone.parameters():
                torch.nn.init.normal_(weight, 0, 0.1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.backbone(image)))


def export(folder: Path, frozen: bool, image: np.ndarray, label: np.ndarray) -> None:
    torch.manual_seed(0)
    net = Tuned(frozen)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=3e-3)

    def step(image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), label)
        loss.backward()
        optimizer.step()
        return loss

    def evaluate(image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        correct = (net(image).argmax(1) == label).sum()
        return correct

    torch.compile(step).lower(image, label).export(folder, infer=net, evaluate=evaluate)


def main(out: Path) -> None:
    digits = load_mnist()
    parts = {}
    for part, images, labels, most in (
        ("train", digits.train_images, digits.train_labels, 10),
        ("test", digits.test_images, digits.test_labels, None),
    ):
        chosen = np.concatenate([np.flatnonzero(labels == label)[:most] for label in range(5, 10)])
        parts[f"{part}_image"] = images[chosen, None].astype(np.float32) / 255
        parts[f"{part}_label"] = labels[chosen] - 5
    for name, frozen in (("tuned", True), ("scratch", False)):
        export(out / name, frozen, parts["train_image"], parts["train_label"])
    np.savez(out / "digits.npz", **parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
