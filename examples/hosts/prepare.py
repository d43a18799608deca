"""What the hosts in this folder train from: python examples/hosts/prepare.py runs/hosts

Writes runs/hosts/lenet, an exported LeNet, and runs/hosts/digits, the embedded digits in MNIST's own files.
"""

import struct
import sys
from pathlib import Path

import lenetc
import lenetc.nn.functional as F
from lenetc.data import load_mnist
from lenetc.lenet import LeNet
from lenetc.optim import SGD

lenetc.manual_seed(0)
net = LeNet()
optimizer = SGD(net.parameters(), lr=0.02, momentum=0.9)


def scores(images):
    """uint8 digits [N,28,28] -> [N,10]. Padding and normalization are in the graph: a host feeds bytes."""
    return net((F.pad(images.float(), (2, 2, 2, 2)).unsqueeze(1) / 255 - 0.1307) / 0.3081)


@lenetc.compile
def train_step(images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(scores(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def evaluate(images, labels):
    output = scores(images)
    loss = F.cross_entropy(output, labels)
    correct = (output.argmax(1) == labels).sum()
    return loss, correct


def idx(array):
    """`array` of uint8 as an IDX file: type and rank, sizes in big-endian, bytes (LeCun, Cortes, Burges)."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def main(folder):
    digits = load_mnist()
    program = train_step.lower(digits.train_images[:64], digits.train_labels[:64])
    program.export(folder / "lenet", infer=scores, evaluate=evaluate)
    (folder / "digits").mkdir(exist_ok=True)
    for name, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("t10k", digits.test_images, digits.test_labels),
    ):
        (folder / "digits" / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / "digits" / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels.astype("uint8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
