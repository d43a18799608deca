"""Handwritten digits: 10,000 embedded ones or the original MNIST files; normalization and batches."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MEAN = 0.1307
"""Mean of all pixels of the 60,000 training images, scaled to [0, 1]."""
STD = 0.3081
"""Standard deviation of the same pixels."""

_SIDE = 28
_BORDER = 2
_CLASSES = 10
_TRAIN_COUNT = 8000
_CHUNK = 1 << 20

# An IDX magic number is 0x0800 (uint8 elements) plus the number of dimensions.
_IMAGES_MAGIC = 0x0803
_LABELS_MAGIC = 0x0801


@dataclass(frozen=True)
class Mnist:
    """Digits, split into training and test set.

    Attributes:
        train_images: uint8 `[N, 28, 28]`, 0 (background) to 255.
        train_labels: int64 `[N]`, 0 to 9.
        test_images: uint8 `[M, 28, 28]`.
        test_labels: int64 `[M]`.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def load_mnist(folder: str | Path | None = None) -> Mnist:
    """Load the embedded digits, or the original IDX files of a folder.

    Args:
        folder: None for the 10,000 embedded digits: 8,000 to train and 2,000 to test, always the same ones.
            Else a folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`
            and `t10k-labels-idx1-ubyte`, each also with a dot before `idx`, and with `.gz` behind.

    Raises:
        FileNotFoundError: the folder or one of its four files is missing.
        ValueError: a file is not IDX, truncated or too long, holds no images or none of 28x28 pixels, has
            labels outside 0 to 9, or images and labels differ in number.

    The IDX format: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges).
    """
    if folder is None:
        return _embedded()
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no MNIST folder at {folder}: it does not exist or is no folder. Name one that holds"
            f" {', '.join(_expected_names())}, or none for the embedded digits"
        )
    train_images, train_labels = _read_pair(folder, "train")
    test_images, test_labels = _read_pair(folder, "t10k")
    return Mnist(train_images, train_labels, test_images, test_labels)


def prepare(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Make LeNet's input of digits: pad to 32x32, scale to [0, 1], normalize by MNIST's mean and deviation.

    Args:
        images: uint8 `[N, 28, 28]`.

    Returns:
        float32 `[N, 1, 32, 32]`; a background pixel, border included, is `-MEAN / STD`.

    Raises:
        TypeError: images are not uint8.
        ValueError: images are not `[N, 28, 28]`.
    """
    if images.dtype != np.uint8:
        raise TypeError(
            f"prepare takes uint8 images of 0 to 255, got {images.dtype}: they may be prepared already"
        )
    if images.ndim != 3 or images.shape[1:] != (_SIDE, _SIDE):
        hint = "; a single image goes in as image[None]" if images.ndim == 2 else ""
        raise ValueError(
            f"prepare takes images of shape [N, {_SIDE}, {_SIDE}], got {list(images.shape)}{hint}"
        )
    padded = np.pad(images, ((0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER)))
    scaled = padded[:, None].astype(np.float32) / np.float32(255)
    return (scaled - np.float32(MEAN)) / np.float32(STD)


def batches(
    images: NDArray[Any],
    labels: NDArray[Any],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    drop_last: bool = False,
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Iterate over one epoch in an order that depends on nothing but seed and epoch.

    Args:
        images: `[N, ...]`, any dtype.
        labels: `[N, ...]`, any dtype.
        batch_size: samples in a batch, `B`.
        seed: of the run, not negative.
        epoch: counts from 0; every epoch has an order of its own.
        drop_last: leave out a last batch of fewer than `B` samples.

    Returns:
        Iterator of `(images [B, ...], labels [B, ...])`, contiguous copies; the last may be shorter.

    Raises:
        ValueError: at once, for differing lengths, a batch size under 1, or a negative seed or epoch.
    """
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels: every image needs one label")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
    if seed < 0 or epoch < 0:
        raise ValueError(f"seed is {seed} and epoch is {epoch}: neither may be negative")
    order = np.random.default_rng([seed, epoch]).permutation(len(images))
    end = len(order) - len(order) % batch_size if drop_last else len(order)
    return (
        (np.ascontiguousarray(images[chosen]), np.ascontiguousarray(labels[chosen]))
        for chosen in (order[start : start + batch_size] for start in range(0, end, batch_size))
    )


def _embedded() -> Mnist:
    with (
        resources.files("lenetc").joinpath("datasets/mnist_10k.npz").open("rb") as file,
        np.load(file) as arrays,
    ):
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:_TRAIN_COUNT], order[_TRAIN_COUNT:]
    return Mnist(images[train], labels[train], images[test], labels[test])


def _expected_names() -> list[str]:
    return [
        f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]


def _read_pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images_path = _find(folder, f"{part}-images-idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    images = _read_idx(images_path, _IMAGES_MAGIC)
    labels = _read_idx(labels_path, _LABELS_MAGIC)
    if images.shape[1:] != (_SIDE, _SIDE):
        height, width = images.shape[1:]
        raise ValueError(f"{images_path} holds images of {height}x{width} pixels: expected {_SIDE}x{_SIDE}")
    if len(images) == 0:
        raise ValueError(f"{images_path} holds no images")
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path} holds {len(images)} images, but {labels_path} holds {len(labels)} labels:"
            " the two files do not belong together"
        )
    wrong = np.flatnonzero(labels >= _CLASSES)
    if wrong.size:
        raise ValueError(
            f"{labels_path} holds {wrong.size} label(s) outside 0 to {_CLASSES - 1}:"
            f" the first is {labels[wrong[0]]}, at index {wrong[0]}"
        )
    return images, labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    for variant in (name, name.replace("-idx", ".idx")):
        for path in (folder / variant, folder / f"{variant}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"no {name} in {folder}: expected the files {', '.join(_expected_names())},"
        " each also with a dot before idx, and with .gz behind"
    )


def _read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """Read one IDX file of uint8 elements; the magic number tells the number of dimensions."""
    ndim = magic & 0xFF
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            header = _read(file, 4 + 4 * ndim)
            if len(header) >= 4 and (actual := struct.unpack(">I", header[:4])[0]) != magic:
                raise ValueError(
                    f"{path} is not the IDX file that its name says: its magic number is 0x{actual:08x},"
                    f" expected 0x{magic:08x} (uint8, {ndim} dimension(s))"
                )
            if len(header) < 4 + 4 * ndim:
                raise ValueError(
                    f"{path} is truncated: {len(header)} bytes, less than the header of {4 + 4 * ndim};"
                    " download it again"
                )
            shape = struct.unpack(f">{ndim}I", header[4:])
            size = int(np.prod(shape, dtype=object))
            # One byte more than the header promises, to notice a file that is too long.
            data = _read(file, size + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is corrupt or truncated gzip ({error}); download it again") from error
    if len(data) != size:
        actual_size = f"{len(data)}" if len(data) < size else f"more than {size}"
        state = "truncated" if len(data) < size else "too long"
        raise ValueError(
            f"{path} is {state}: its header says {'x'.join(map(str, shape))} = {size} bytes of data,"
            f" it holds {actual_size}; download it again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _read(file: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Read up to size bytes, in chunks: a corrupt header may promise more than fits into memory."""
    data = bytearray()
    while len(data) < size and (chunk := file.read(min(_CHUNK, size - len(data)))):
        data += chunk
    return data
