"""Who is timed, at which version. This is the place to change a version or to add a peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Environment:
    """Python packages of a peer, kept apart from everybody else's.

    pythons: versions of Python that its packages were built for, the first choice first; empty for whichever runs
    the benchmark.
    """

    requirements: tuple[str, ...]
    pythons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A program that trains.

    module: its worker, with arguments. environment: a name of ENVIRONMENTS, None for lenetc's own.
    instead: optimizers that it lacks, and the nearest one that it has, which is timed in their place and marked.
    """

    name: str
    title: str
    module: tuple[str, ...]
    environment: str | None
    instead: Mapping[str, str] = field(default_factory=dict)


ENVIRONMENTS = {
    "torch": Environment(("torch==2.13.0", "numpy==2.4.6")),
    "jax": Environment(("jax==0.10.2", "jaxlib==0.10.2", "numpy==2.4.6")),
    # The last release there will be. Its wheels end at Python 3.11, and its Python package imports torch.
    "ort-training": Environment(
        (
            "onnxruntime-training-cpu==1.19.2",
            "torch==2.13.0",
            "onnx==1.16.2",
            "protobuf==4.25.8",
            "numpy==1.26.4",
        ),
        ("3.11", "3.10", "3.9"),
    ),
    # Its CPU device calls clang, which comes with Zig.
    "tinygrad": Environment(("tinygrad==0.14.0", "ziglang==0.15.2", "numpy==2.4.6")),
    "onnxsim": Environment(("onnxsim==0.8.1", "onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6")),
}

PEERS = {
    peer.name: peer
    for peer in (
        Peer("lenetc", "lenetc", ("benchmarks.workers.lenetc",), None),
        Peer("pytorch", "PyTorch eager", ("benchmarks.workers.pytorch",), "torch"),
        Peer("torch.compile", "torch.compile", ("benchmarks.workers.pytorch", "--compile"), "torch"),
        Peer("jax", "JAX jit", ("benchmarks.workers.jax",), "jax"),
        Peer(
            "ort-training",
            "ORT training",
            ("benchmarks.workers.ort_training",),
            "ort-training",
            {"sgd": "plain-sgd"},
        ),
        Peer("tinygrad", "tinygrad", ("benchmarks.workers.tinygrad",), "tinygrad"),
        Peer("onnxsim", "onnxsim", ("benchmarks.workers.onnxsim",), "onnxsim"),
    )
}

OURS, BASELINE = "lenetc", "pytorch"
