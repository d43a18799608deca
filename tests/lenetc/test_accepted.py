"""Names that scripts use and that ask for nothing here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

import lenetc
from ir.errors import UnsupportedError


@pytest.mark.parametrize(
    "path",
    [
        "backends.cudnn",
        "backends.cuda",
        "backends.mps",
        "jit",
        "onnx",
        "hub",
        "distributed",
        "accelerator",
        "mps",
        "cuda",
        "cuda.nvtx",
        "fx",
        "multiprocessing",
        "profiler",
        "_C",
    ],
)
def test_modules_can_be_imported_and_tell_what_they_lack(path: str) -> None:
    module = importlib.import_module(f"lenetc.{path}")
    found: Any = lenetc
    for name in path.split("."):
        found = getattr(found, name)
    assert found is module
    with pytest.raises(AttributeError, match=f"lenetc.{path} has no 'no_such_name'"):
        _ = module.no_such_name


def test_settings_are_kept_and_one_of_them_means_something() -> None:
    lenetc.backends.cudnn.benchmark = True
    assert lenetc.backends.cudnn.benchmark
    lenetc.backends.cudnn.benchmark = False
    lenetc.use_deterministic_algorithms(True)
    assert lenetc.are_deterministic_algorithms_enabled()
    lenetc.use_deterministic_algorithms(False)
    lenetc.backends.cuda.matmul.allow_tf32 = True
    assert lenetc.get_float32_matmul_precision() == "high"
    lenetc.backends.cuda.matmul.allow_tf32 = False
    assert lenetc.get_float32_matmul_precision() == "highest"


def test_decorators_give_back_what_they_are_given() -> None:
    assert lenetc.jit.ScriptModule is lenetc.nn.Module

    def double(x: Any) -> Any:
        return x * 2

    assert lenetc.jit.script(double) is double
    assert lenetc.jit.ignore(drop=True)(double) is double


@pytest.mark.parametrize(
    "call",
    [
        lambda: lenetc.onnx.export(None, (), "x.onnx"),
        lambda: lenetc.jit.save(None, "x.pt"),
        lambda: lenetc.hub.load("a/b", "c"),
        lambda: lenetc.distributed.init_process_group("gloo"),
        lambda: lenetc.cuda.Event(enable_timing=True),
        lambda: lenetc.cuda.Stream(),
        lambda: lenetc.cuda.set_device(1),
        lambda: lenetc.fx.symbolic_trace(None),
        lambda: lenetc.multiprocessing.Process(target=print),
        lambda: lenetc.nn.parallel.DistributedDataParallel(lenetc.nn.Identity()),
        lambda: lenetc.utils.data.DistributedSampler([1, 2]),
        lambda: lenetc.profiler.profile(),
        lambda: lenetc.sparse_coo_tensor([[0], [1]], [1.0], (2, 2)),
    ],
)
def test_what_would_have_to_do_something_says_what_to_use(call: Callable[[], Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"supported: |first device"):
        call()


def test_a_default_device_must_be_there() -> None:
    lenetc.set_default_device("cpu")
    with pytest.raises(ValueError, match="abacus"):
        lenetc.set_default_device("abacus")


def test_a_tensor_tells_where_and_how_it_is() -> None:
    x = lenetc.ones(2)
    assert x.is_cuda == (x.device.type == "cuda") != x.is_cpu
    assert not (x.is_mps or x.is_xpu or x.is_sparse or x.is_quantized or x.is_meta)


def test_a_product_of_sparse_matrices_takes_dense_ones() -> None:
    a, b = lenetc.eye(3)[:2], lenetc.arange(6.0).view(3, 2)
    assert lenetc.spmm(a, b).tolist() == [[0.0, 1.0], [2.0, 3.0]]
