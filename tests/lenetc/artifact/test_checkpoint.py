"""Checkpoints: what goes in comes out, foreign tools read them, and no crash leaves half a file."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import lenetc
from lenetc.artifact import checkpoint
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.files import atomic_write

TENSORS = {
    "conv1.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "step": np.array(7, dtype=np.int64),
    "flag": np.array(True),
    "mask": np.array([[True, False], [False, True]]),
    "wide": np.array([1 / 3, -0.0, np.inf, np.nan]),
    "half": np.array([1.5, -2.25], dtype=np.float16),
    "brain": np.array([1.5, -2.25], dtype=ml_dtypes.bfloat16),
    "int": np.array([-(2**31)], dtype=np.int32),
    "byte": np.array([0, 255], dtype=np.uint8),
    "empty": np.zeros((0, 3), dtype=np.float32),
}


NESTED = {
    "epoch": 3,
    "best": float("-inf"),
    "loss": [0.1, 1 / 3, float("nan"), -0.0, 5e-324],
    "done": False,
    "note": None,
    "name": "größer",
    "model": {"conv1.weight": np.ones((2, 3), np.float32), "conv1.bias": np.zeros(2, np.float32)},
    "optimizer": {
        "state": {
            0: {"step": np.array(4, np.int64), "exp_avg": np.ones(3)},
            10: {},
            2: {"step": np.array(1)},
        },
        "param_groups": [{"lr": 0.001, "betas": (0.9, 0.999), "params": [0, 1], "nesterov": True}],
    },
    "rng": (np.array([1, 2], np.uint64), 2**80, ()),
    True: {None: [], 2.5: {}},
}

OLD = {"w": np.zeros(1000)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.safetensors"


def assert_same(actual, expected) -> None:
    """Equal in structure, types, order of keys, and bit for bit in arrays."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert [(type(key), key) for key in actual] == [(type(key), key) for key in expected]
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for left, right in zip(actual, expected, strict=True):
            assert_same(left, right)
    elif isinstance(expected, np.ndarray):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        assert actual.tobytes() == expected.tobytes()
    else:
        assert repr(actual) == repr(expected)


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, with `path` in sys.argv[1]."""
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestTensors:
    def test_every_dtype_and_shape_round_trips(self, path: Path):
        checkpoint.save_tensors(path, TENSORS, {"epoch": "3", "note": "größer ✓"})
        tensors, metadata = checkpoint.load_tensors(path)
        assert sorted(tensors) == sorted(TENSORS)
        for name, expected in TENSORS.items():
            assert_same(tensors[name], expected)
        assert metadata == {"epoch": "3", "note": "größer ✓"}

    @pytest.mark.parametrize("order", ["transposed", "strided", "big-endian"])
    def test_any_memory_layout(self, path: Path, order: str):
        array = np.arange(24, dtype=np.float32).reshape(4, 6)
        given = {"transposed": array.T, "strided": array[::2, ::-3], "big-endian": array.astype(">f4")}[order]
        checkpoint.save_tensors(path, {"x": given})
        loaded = checkpoint.load_tensors(path)[0]["x"]
        assert loaded.dtype == np.float32
        np.testing.assert_array_equal(loaded, given)

    def test_bfloat16_loads_in_a_process_that_never_heard_of_it(self, path: Path):
        checkpoint.save(TENSORS["brain"], path)
        code = "import sys; from lenetc.artifact import checkpoint; print(checkpoint.load(sys.argv[1]).dtype)"
        assert run(code, path).stdout == "bfloat16\n"

    def test_no_tensors_and_no_metadata(self, path: Path):
        checkpoint.save_tensors(path, {})
        assert checkpoint.load_tensors(path) == ({}, {})

    def test_loaded_arrays_are_independent_of_the_file(self, path: Path):
        checkpoint.save_tensors(path, {"x": np.ones(5)})
        loaded = checkpoint.load_tensors(path)[0]["x"]
        loaded += 1
        path.write_bytes(b"")
        np.testing.assert_array_equal(loaded, 2)

    def test_other_tools_read_and_write_it(self, path: Path):
        checkpoint.save_tensors(path, TENSORS, {"epoch": "3"})
        for name, array in safetensors.numpy.load_file(path).items():
            assert_same(array, TENSORS[name])
        safetensors.numpy.save_file({"w": np.ones(2)}, path, metadata={"format": "pt"})
        tensors, metadata = checkpoint.load_tensors(path)
        assert_same(tensors, {"w": np.ones(2)})
        assert metadata == {"format": "pt"}

    def test_equal_content_gives_equal_files(self, path: Path):
        """Several processes, because the order inside safetensors differs from process to process."""
        contents = set()
        for names in ("xyzu", "uzyx", "zxuy"):
            code = (
                "import sys, numpy as np; from lenetc.artifact import checkpoint\n"
                f"tensors = {{name: np.full(2, ord(name)) for name in {names!r}}}\n"
                f"checkpoint.save_tensors(sys.argv[1], tensors, dict.fromkeys({names!r}, '1'))"
            )
            run(code, path).check_returncode()
            contents.add(path.read_bytes())
        assert len(contents) == 1

    @pytest.mark.parametrize("dtype", [np.complex128, object, "U3", "M8[s]"])
    def test_dtypes_that_do_not_fit(self, path: Path, dtype):
        with pytest.raises(TypeError, match=r"tensor 'fc\.bias' has dtype .* safetensors cannot hold"):
            checkpoint.save_tensors(path, {"fc.bias": np.zeros(3, dtype)})
        assert not path.exists()

    def test_reserved_name(self, path: Path):
        with pytest.raises(ValueError, match="__metadata__"):
            checkpoint.save_tensors(path, {"__metadata__": np.zeros(3)})


class TestBadFiles:
    def test_missing(self, path: Path):
        with pytest.raises(FileNotFoundError, match=r"state\.safetensors: it does not exist"):
            checkpoint.load(path)
        with pytest.raises(FileNotFoundError, match="it is a folder"):
            checkpoint.load(path.parent)

    def test_truncated_anywhere(self, path: Path):
        checkpoint.save_tensors(path, TENSORS)
        whole = path.read_bytes()
        for size in (0, 4, 8, 50, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(CheckpointError) as caught:
                checkpoint.load(path)
            assert str(caught.value).startswith(f"{path} ({size} bytes) is no readable checkpoint: ")
            assert "use another copy" in str(caught.value)

    def test_not_safetensors(self, path: Path):
        path.write_text("epoch,loss\n" * 50)
        with pytest.raises(CheckpointError, match=r"truncated, corrupt or not a safetensors file"):
            checkpoint.load(path)

    @pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02}q"])
    def test_pickle_is_refused_by_name(self, path: Path, start: bytes):
        path.write_bytes(start + bytes(200))
        with pytest.raises(CheckpointError, match=r"is a pickle.*convert it with safetensors"):
            checkpoint.load(path)

    def test_any_flipped_byte_of_the_data_is_noticed(self, path: Path):
        checkpoint.save(OrderedDict(w=np.arange(6.0), b=np.ones(2, np.float32)), path)
        whole = path.read_bytes()
        start = 8 + int.from_bytes(whole[:8], "little")
        assert len(whole) - start == 56
        for position in range(start, len(whole)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            with pytest.raises(CheckpointError, match=r"state\.safetensors is corrupt: .*checksum"):
                checkpoint.load(path)

    def test_no_flipped_byte_of_the_header_gets_another_error(self, path: Path):
        state = {"w": np.arange(6.0), "lr": 0.5}
        checkpoint.save(state, path)
        whole = path.read_bytes()
        for position in range(8 + int.from_bytes(whole[:8], "little")):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x11]) + whole[position + 1 :])
            try:
                checkpoint.load(path)
            except CheckpointError as error:
                assert str(path) in str(error)

    @pytest.mark.parametrize("dtype", ["F8_E8M0", "I1024"])
    def test_dtype_that_may_be_unknown(self, path: Path, dtype: str):
        """Which dtypes it knows depends on the version of safetensors; the kind of error must not."""
        header = b'{"x":{"dtype":"%s","shape":[1],"data_offsets":[0,1]}}' % dtype.encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x00")
        try:
            checkpoint.load(path)
        except CheckpointError as error:
            assert str(path) in str(error)
        else:
            assert dtype != "I1024"

    def test_state_that_does_not_fit_its_tensors(self, path: Path):
        _, metadata = checkpoint.encode_state({"a": np.ones(1), "b": np.ones(1)})
        checkpoint.save_tensors(path, {"a": np.ones(1)}, metadata)
        with pytest.raises(CheckpointError, match=r"state\.safetensors: its metadata .*KeyError: 'b'"):
            checkpoint.load(path)

    @pytest.mark.parametrize(
        "document",
        [
            "{",
            "[]",
            "{}",
            '{"format": 1}',
            '{"format": 1, "state": {"pair": []}}',
            '{"format": 1, "state": {}}',
            '{"format": 1, "state": {"dict": 3}}',
            '{"format": 1, "state": {"dict": [[[1], 2]]}}',
            '{"format": 1, "state": ' + "[" * 100_000 + "]" * 100_000 + "}",
        ],
        ids=lambda document: document[:40],
    )
    def test_malformed_state(self, document: str):
        with pytest.raises(CheckpointError, match="do not describe its tensors"):
            checkpoint.decode_state({}, {"lenetc.state": document})

    def test_state_of_a_newer_version(self):
        with pytest.raises(CheckpointError, match=r"format 2, this version of lenetc reads 1: update"):
            checkpoint.decode_state({}, {"lenetc.state": '{"format": 2, "state": null}'})


class TestState:
    def test_nested_state_round_trips(self, path: Path):
        checkpoint.save(NESTED, path)
        assert_same(checkpoint.load(path), NESTED)

    def test_names_are_dotted(self):
        tensors, metadata = checkpoint.encode_state(NESTED)
        assert list(tensors) == [
            "model.conv1.weight",
            "model.conv1.bias",
            "optimizer.state.0.step",
            "optimizer.state.0.exp_avg",
            "optimizer.state.2.step",
            "rng.0",
        ]
        assert_same(checkpoint.decode_state(tensors, metadata), NESTED)

    def test_flat_state_dict_is_a_plain_file_in_the_same_order(self, path: Path):
        state = OrderedDict((name, TENSORS[name]) for name in ("step", "conv1.weight", "flag", "half"))
        checkpoint.save(state, path)
        assert sorted(safetensors.numpy.load_file(path)) == sorted(state)
        assert_same(checkpoint.load(path), dict(state))

    def test_a_foreign_file_is_a_dict_of_arrays(self, path: Path):
        safetensors.numpy.save_file({"w": np.ones(2)}, path)
        assert_same(checkpoint.load(path), {"w": np.ones(2)})

    @pytest.mark.parametrize(
        "state", [np.arange(3), 5, None, "text", [], (), {}, [np.ones(2), (np.zeros(1),)]]
    )
    def test_any_root(self, path: Path, state):
        checkpoint.save(state, path)
        assert_same(checkpoint.load(path), state)

    def test_names_that_collide(self, path: Path):
        state = {
            "a": {"b": np.array(1), 0: np.array(2), "0": np.array(3)},
            "a.b": np.array(4),
            "a.b~2": np.array(5),
            "__metadata__": np.array(6),
            "": np.array(7),
        }
        checkpoint.save(state, path)
        assert_same(checkpoint.load(path), state)

    def test_numpy_scalars_become_numbers(self, path: Path):
        checkpoint.save(
            {"a": np.float32(0.1), "b": np.int64(3), "c": np.bool_(True), "d": np.float64(0.1)}, path
        )
        assert_same(checkpoint.load(path), {"a": float(np.float32(0.1)), "b": 3, "c": True, "d": 0.1})

    def test_anything_with_array_is_an_array(self, path: Path):
        class Tensor:
            def __array__(self, dtype=None, copy=None):
                return np.arange(3, dtype=np.float32)

        checkpoint.save({"w": Tensor()}, path)
        assert_same(checkpoint.load(path), {"w": np.arange(3, dtype=np.float32)})

    def test_what_cannot_be_saved_is_named_by_its_place(self, path: Path):
        with pytest.raises(TypeError, match=r"the entry 'optimizer\.hooks\.1': a function is neither"):
            checkpoint.save({"optimizer": {"hooks": [1, lambda: None]}}, path)
        with pytest.raises(TypeError, match=r"the object: a set is neither"):
            checkpoint.save({1, 2}, path)
        with pytest.raises(TypeError, match=r"the entry 'a': its key \(1, 2\) is a tuple"):
            checkpoint.save({"a": {(1, 2): 3}}, path)
        with pytest.raises(TypeError, match=r"a Pair is neither"):
            checkpoint.save(namedtuple("Pair", "x y")(1, 2), path)
        assert not path.exists()

    def test_metadata_is_strict_json(self):
        _, metadata = checkpoint.encode_state({"x": float("nan")})

        def refuse(constant: str):
            raise AssertionError(constant)

        json.loads(metadata["lenetc.state"], parse_constant=refuse)


class TestCrashes:
    @pytest.fixture
    def old(self, path: Path) -> Path:
        checkpoint.save(OLD, path)
        return path

    def assert_old_and_alone(self, path: Path) -> None:
        assert_same(checkpoint.load(path), OLD)
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]

    @pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_kill_before_the_rename_keeps_the_old_file(self, old: Path, call: str):
        code = (
            "import os, signal, sys, numpy as np; from lenetc.artifact import checkpoint\n"
            f"os.{call} = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)\n"
            "checkpoint.save({'w': np.ones(1000)}, sys.argv[1])"
        )
        assert run(code, old).returncode == -signal.SIGKILL
        assert len(list(old.parent.iterdir())) == 2, "the kill came before the new file was written"
        assert_same(checkpoint.load(old), OLD)
        checkpoint.save({"w": np.ones(1000)}, old)
        assert_same(checkpoint.load(old), {"w": np.ones(1000)})

    @pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
    def test_write_that_really_fails_keeps_the_old_file(self, old: Path):
        code = (
            "import resource, sys, numpy as np; from lenetc.artifact import checkpoint\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
            "checkpoint.save({'w': np.ones(100_000)}, sys.argv[1])"
        )
        result = run(code, old)
        assert result.returncode == 1
        assert "CheckpointError: could not write the checkpoint" in result.stderr
        assert "File too large" in result.stderr
        self.assert_old_and_alone(old)

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_full_disk_keeps_the_old_file(self, old: Path, call: str, monkeypatch: pytest.MonkeyPatch):
        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, call, full)
        with pytest.raises(CheckpointError, match=r"state\.safetensors .*No space left on device.*make room"):
            checkpoint.save({"w": np.ones(1000)}, old)
        monkeypatch.undo()
        self.assert_old_and_alone(old)

    def test_any_error_of_the_writer_keeps_the_old_file(self, old: Path):
        def writer(file) -> None:
            file.write(b"half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            atomic_write(old, writer)
        self.assert_old_and_alone(old)

    def test_full_disk_in_the_writer(self, old: Path):
        def writer(file) -> None:
            raise OSError(errno.ENOSPC, "full")

        with pytest.raises(OSError, match="full") as caught:
            atomic_write(old, writer)
        assert caught.value.errno == errno.ENOSPC
        self.assert_old_and_alone(old)

    def test_missing_folder(self, tmp_path: Path):
        with pytest.raises(CheckpointError, match=r"nowhere.*No such file or directory.*another folder"):
            checkpoint.save({}, tmp_path / "nowhere" / "state.safetensors")


def test_open_files_hold_what_a_path_would(tmp_path: Path) -> None:
    state = {"weight": lenetc.ones(2, 3), "epoch": 4}
    memory = io.BytesIO()
    lenetc.save(state, memory)
    memory.seek(0)
    with open(tmp_path / "state.pt", "wb") as file:
        lenetc.save(state, file)
    assert (tmp_path / "state.pt").read_bytes() == memory.getvalue()
    found = lenetc.load(memory)
    assert found["weight"].tolist() == [[1.0] * 3] * 2
    assert found["epoch"] == 4
    with open(tmp_path / "state.pt", "rb") as file:
        assert lenetc.load(file, weights_only=True)["weight"].shape == (2, 3)
    with pytest.raises(CheckpointError):
        lenetc.load(io.BytesIO(b"nothing"))


def test_tensors_that_require_grad_are_saved_without_their_history(tmp_path):
    net = lenetc.nn.Linear(2, 1)
    net.bias.requires_grad_(False)
    loss = net(lenetc.ones(1, 2)).sum()
    lenetc.save(
        {"loss": loss, "weight": net.weight, "bias": net.bias, "mean": net.weight.data}, tmp_path / "a"
    )
    found = lenetc.load(tmp_path / "a")
    assert found["loss"].item() == loss.item() and found["loss"].requires_grad and found["loss"].is_leaf
    assert [type(found[name]).__name__ for name in found] == ["Tensor", "Parameter", "Parameter", "Tensor"]
    assert [found[name].requires_grad for name in found] == [True, True, False, False]
    assert found["weight"].tolist() == net.weight.tolist()
