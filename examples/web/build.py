"""Build the page: python examples/web/build.py writes examples/web/dist, after `npm ci` here.

What is there then are static files: the page, LeNet's training step as ONNX, the digits, and ONNX Runtime.
"""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

import lenetc
import lenetc.nn.functional as F
from lenetc import optim
from lenetc.data import MEAN, STD, load_mnist
from lenetc.lenet import LeNet

HERE = Path(__file__).parent
DIST = HERE / "dist"
RUNTIME = HERE / "node_modules" / "onnxruntime-web" / "dist"
PLOT = HERE / "node_modules" / "uplot" / "dist"
BATCH = 64


def export_lenet(folder: Path) -> None:
    net = LeNet()
    optimizer = optim.SGD(net.parameters(), lr=0.03, momentum=0.9)

    def scores(images):
        """Pixels [N,28,28], 0 to 255 -> [N,10]: what a page has goes in, padding and scaling are in the graph."""
        return net((F.pad(images, (2, 2, 2, 2)).unsqueeze(1) / 255 - MEAN) / STD)

    @lenetc.compile
    def train_step(images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(scores(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    images, labels = np.zeros((BATCH, 28, 28), np.float32), np.zeros(BATCH, np.int64)
    train_step.lower(images, labels).export(folder, infer=scores, operators="web")


def pack_digits(file: Path) -> None:
    """Two u32: how many to train with, how many others; the pixels of all; their labels. Gzipped."""
    digits = load_mnist()
    counts = np.array([len(digits.train_labels), len(digits.test_labels)], "<u4").tobytes()
    parts = (digits.train_images, digits.test_images, digits.train_labels, digits.test_labels)
    packed = counts + b"".join(part.astype(np.uint8).tobytes() for part in parts)
    file.write_bytes(gzip.compress(packed, mtime=0))


def copy_vendored(folder: Path) -> None:
    """Runtimes are gzipped here, since not every static server does that."""
    folder.mkdir()
    for name in ("uPlot.esm.js", "uPlot.min.css"):
        shutil.copy(PLOT / name, folder)
    for script, binary in (("wasm", "wasm"), ("jspi", "jspi.wasm"), ("webgpu", "asyncify.wasm")):
        shutil.copy(RUNTIME / f"ort.{script}.bundle.min.mjs", folder)
        wasm = (RUNTIME / f"ort-wasm-simd-threaded.{binary}").read_bytes()
        (folder / f"ort-wasm-simd-threaded.{binary}.bin").write_bytes(gzip.compress(wasm, 6, mtime=0))


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.copytree(HERE / "src", DIST)
    copy_vendored(DIST / "vendor")
    pack_digits(DIST / "digits.bin")
    export_lenet(DIST / "model")
    files = sorted(path for path in DIST.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    shell = [path.name for path in (HERE / "src").iterdir() if path.name not in ("sw.js", "index.html")]
    kept = ["./", *sorted(shell), "vendor/uPlot.esm.js", "vendor/uPlot.min.css"]
    build = json.dumps({"name": f"lenetc-{digest}", "files": kept})
    (DIST / "build.js").write_text(f"const BUILD = {build};\n")
    print(f"{DIST}: {sum(path.stat().st_size for path in files) / 1e6:.1f} MB in {len(files)} files")


if __name__ == "__main__":
    main()
