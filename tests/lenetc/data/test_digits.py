"""The embedded digits, the IDX files of a folder, preparation, batches."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from lenetc import data

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(array: np.ndarray) -> bytes:
    magic = struct.pack(">I", 0x0800 + array.ndim)
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, 10, count, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven training and three test digits, as plain IDX files."""
    for name, array in zip(FILES, (*digits(7, 1), *digits(3, 2)), strict=True):
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def assert_is_fixture(mnist: data.Mnist) -> None:
    for (images, labels), seed in (
        ((mnist.train_images, mnist.train_labels), 1),
        ((mnist.test_images, mnist.test_labels), 2),
    ):
        expected_images, expected_labels = digits(len(images), seed)
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
    assert (len(mnist.train_images), len(mnist.test_images)) == (7, 3)


def test_embedded_split_is_the_documented_one():
    mnist = data.load_mnist()
    assert mnist.train_images.shape == (8000, 28, 28)
    assert mnist.test_images.shape == (2000, 28, 28)
    assert mnist.train_labels.shape == (8000,)
    assert mnist.train_labels.dtype == mnist.test_labels.dtype == np.int64
    assert mnist.train_labels[:10].tolist() == [3, 8, 1, 0, 4, 0, 9, 3, 4, 9]
    assert mnist.test_labels[:10].tolist() == [3, 8, 8, 0, 9, 0, 9, 0, 4, 5]
    digest = hashlib.sha256(mnist.train_images.tobytes() + mnist.test_images.tobytes()).hexdigest()
    assert digest == "01a649acf97bc53c9bbc1a378d3087f5a8f67ccf25746dab384bcbe11feed658"


def test_embedded_images_and_labels_were_shuffled_together():
    """The nearest class mean recognizes most digits; labels out of step would give one in ten."""
    mnist = data.load_mnist()
    train = mnist.train_images.reshape(-1, 784).astype(np.float32)
    test = mnist.test_images.reshape(-1, 784).astype(np.float32)
    means = np.stack([train[mnist.train_labels == digit].mean(axis=0) for digit in range(10)])
    distance = (means**2).sum(axis=1) - 2 * test @ means.T
    assert (distance.argmin(axis=1) == mnist.test_labels).mean() > 0.75


def test_folder_with_plain_files(folder: Path):
    assert_is_fixture(data.load_mnist(str(folder)))


def test_folder_with_gzip_and_dotted_names(folder: Path):
    for name in FILES:
        plain = folder / name
        (folder / f"{name.replace('-idx', '.idx')}.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    assert_is_fixture(data.load_mnist(folder))


def test_missing_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no MNIST folder at .*nowhere.*train-images-idx3-ubyte"):
        data.load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        data.load_mnist(folder)
    message = str(caught.value)
    assert message.startswith(f"no {name} in {folder}")
    assert all(expected in message for expected in FILES)


@pytest.mark.parametrize("name", FILES)
def test_truncated_file(folder: Path, name: str):
    path = folder / name
    size = len(path.read_bytes()) - (16 if "images" in name else 8)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ValueError, match=rf"{name} is truncated.*= {size} bytes.*holds {size - 2};"):
        data.load_mnist(folder)


@pytest.mark.parametrize("size", [0, 3, 4, 15])
def test_file_shorter_than_its_header(folder: Path, size: int):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"truncated: {size} bytes, less than the header of 16"):
        data.load_mnist(folder)


def test_file_too_long(folder: Path):
    path = folder / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes() + b"\x00")
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte is too long.* 3 bytes.*more than 3"):
        data.load_mnist(folder)


def test_wrong_magic_number(folder: Path):
    (folder / "train-images-idx3-ubyte").write_bytes((folder / "train-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.*0x00000801, expected 0x00000803"):
        data.load_mnist(folder)


def test_header_that_promises_more_than_memory(folder: Path):
    header = struct.pack(">IIII", 0x0803, 0xFFFFFFFF, 28, 28)
    (folder / "train-images-idx3-ubyte").write_bytes(header + bytes(784))
    with pytest.raises(
        ValueError, match=r"truncated: its header says 4294967295x28x28 = 3367254359280 bytes"
    ):
        data.load_mnist(folder)


@pytest.mark.parametrize("damage", ["cut", "flip", "bad block", "not gzip"])
def test_corrupt_gzip(folder: Path, damage: str):
    plain = folder / "train-images-idx3-ubyte"
    packed = bytearray(gzip.compress(plain.read_bytes()))
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    elif damage == "flip":
        packed[len(packed) // 2] ^= 0xFF
    elif damage == "bad block":
        packed[10] |= 0b110  # the first block after the 10-byte header gets the type that deflate reserves
    else:
        packed = bytearray(plain.read_bytes())
    plain.unlink()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is corrupt or truncated gzip"):
        data.load_mnist(folder)


def test_images_and_labels_differ_in_number(folder: Path):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(digits(6, 1)[1]))
    with pytest.raises(ValueError, match=r"train-images.* 7 images, but .*train-labels.* 6 labels"):
        data.load_mnist(folder)


def test_label_out_of_range(folder: Path):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 10, 255])))
    with pytest.raises(
        ValueError, match=r"t10k-labels.* 2 label\(s\) outside 0 to 9: the first is 10, at index 1"
    ):
        data.load_mnist(folder)


def test_images_of_another_size(folder: Path):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((7, 32, 30))))
    with pytest.raises(ValueError, match=r"images of 32x30 pixels: expected 28x28"):
        data.load_mnist(folder)


def test_no_images(folder: Path):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((0, 28, 28))))
    with pytest.raises(ValueError, match="holds no images"):
        data.load_mnist(folder)


def test_prepare_pads_scales_and_normalizes():
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 0, 0] = 255
    images[1, 27, 27] = 51
    prepared = data.prepare(images)
    assert prepared.dtype == np.float32
    assert prepared.shape == (2, 1, 32, 32)
    assert prepared.flags.c_contiguous
    background = -0.1307 / 0.3081
    np.testing.assert_allclose(prepared[0], background, rtol=1e-6)
    np.testing.assert_allclose(prepared[1, 0, 2, 2], (1 - 0.1307) / 0.3081, rtol=1e-6)
    np.testing.assert_allclose(prepared[1, 0, 29, 29], (0.2 - 0.1307) / 0.3081, rtol=1e-6)
    assert (np.abs(prepared[1] - background) > 1e-6).sum() == 2


def test_prepare_refuses_other_dtypes_and_shapes():
    with pytest.raises(TypeError, match=r"uint8 images.*float32"):
        data.prepare(np.zeros((2, 28, 28), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\[N, 28, 28\], got \[28, 28\].*image\[None\]"):
        data.prepare(np.zeros((28, 28), np.uint8))
    with pytest.raises(ValueError, match=r"got \[2, 1, 32, 32\]$"):
        data.prepare(np.zeros((2, 1, 32, 32), np.uint8))


def test_batches_cover_an_epoch_once_and_keep_pairs_together():
    images = np.arange(23 * 4, dtype=np.float32).reshape(23, 2, 2)
    labels = np.arange(23)
    seen = list(data.batches(images, labels, 5, seed=3, epoch=0))
    assert [len(batch) for batch, _ in seen] == [5, 5, 5, 5, 3]
    for batch, batch_labels in seen:
        assert batch.flags.c_contiguous
        assert batch_labels.flags.c_contiguous
        np.testing.assert_array_equal(batch, images[batch_labels])
    everything = np.concatenate([batch_labels for _, batch_labels in seen])
    assert sorted(everything) == list(range(23))
    assert everything.tolist() != list(range(23))


def test_batches_are_contiguous_for_any_layout():
    images = np.asfortranarray(np.arange(6 * 3 * 2).reshape(6, 3, 2))
    for batch, labels in data.batches(images, np.arange(6), 4, seed=0, epoch=0):
        assert batch.flags.c_contiguous
        np.testing.assert_array_equal(batch, images[labels])


def test_batches_depend_on_seed_and_epoch_only():
    def order(seed: int, epoch: int) -> list[int]:
        labels = np.arange(50)
        parts = [part for _, part in data.batches(labels, labels, 7, seed=seed, epoch=epoch)]
        return np.concatenate(parts).tolist()

    assert order(1, 2) == order(1, 2) == np.random.default_rng([1, 2]).permutation(50).tolist()
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    assert order(1, 2) != order(2, 1)


def test_batches_drop_last():
    labels = np.arange(23)
    assert [len(part) for part, _ in data.batches(labels, labels, 5, seed=0, epoch=0, drop_last=True)] == [
        5
    ] * 4
    assert [len(part) for part, _ in data.batches(labels, labels, 23, seed=0, epoch=0, drop_last=True)] == [
        23
    ]
    assert not list(data.batches(labels, labels, 24, seed=0, epoch=0, drop_last=True))


def test_batches_refuse_bad_arguments_at_once():
    labels = np.arange(3)
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        data.batches(labels, labels[:2], 1, seed=0, epoch=0)
    with pytest.raises(ValueError, match="batch_size is 0"):
        data.batches(labels, labels, 0, seed=0, epoch=0)
    with pytest.raises(ValueError, match="epoch is -1"):
        data.batches(labels, labels, 1, seed=0, epoch=-1)
