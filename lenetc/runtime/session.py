"""Sessions of ONNX Runtime: programs loaded and run, and its errors told in the user's terms."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ir.errors import LenetcError
from ir.node import Where
from lenetc.runtime.binding import Binding
from lenetc.runtime.denormals import flushed
from lenetc.runtime.device import DeviceError
from lenetc.runtime.library import InferenceSession, ort
from lenetc.runtime.memory import Value
from lenetc.runtime.precision import allows_tf32
from lenetc.runtime.replay import Replay

log = logging.getLogger("lenetc.runtime")
Port: TypeAlias = tuple[str, list[int | str | None]]
# Optimizations that each go through all nodes, several times, and change nothing here that pays: what the passes have
# done already, and fusions for operators or patterns that no program has. A session is loaded in 60 % of the time
# without them, and runs as fast.
_OFF = [
    *("CommonSubexpressionElimination", "ConstantFolding", "ConstantSharing", "ReshapeFusion"),
    *("FreeDimensionOverrideTransformer", "SliceConcatToSpaceToDepthFusion", "NhwcTransformer"),
    # quantized operators
    *("DoubleQDQPairsRemover", "QDQPropagationTransformer", "QDQSelectorActionTransformer"),
    *("QDQS8ToU8Transformer", "QDQFinalCleanupTransformer", "EnsureUniqueDQForNodeUnit", "WhereDummyDq"),
    *(
        "WeightBiasQuantization",
        "DynamicQuantizeMatMulFusion",
        "MatMulIntegerToFloatFusion",
        "MatMulNBitsFusion",
    ),
    # patterns of forward networks, whose inner values a backward pass reads as well
    *(
        "AttentionFusion",
        "EmbedLayerNormFusion",
        "GroupQueryAttentionFusion",
        "GroupQueryAttentionPreNormFusion",
    ),
    *("LayerNormFusionL1", "LayerNormFusionL2", "SimplifiedLayerNormFusion", "SkipLayerNormFusion"),
    *("GeluFusionL1", "GeluFusionL2", "FastGeluFusion", "QuickGeluFusion", "BiasGeluFusion"),
    *("BiasSkipLayerNormFusion", "BiasSoftmaxFusion", "BiasDropoutFusion", "MatMulScaleFusion"),
    "MatMulActivationFusion",
]
# Those that the passes do before; what is left are the fusions into kernels of convolutions and products. Not on CUDA,
# where it was not timed.
_OFF_ON_CPU = [
    *(
        "Level1_RuleBasedTransformer",
        "Level2_RuleBasedTransformer",
        "FuseFp16InitializerToFp32NodeTransformer",
    ),
    *("TransposeOptimizer", "TransposeOptimizer_CPUExecutionProvider", "MatMulAddFusion"),
    *("GatherSliceToSplitFusion", "GatherToSliceFusion"),
]
# What is left, by the operators that it looks for. Each orders all nodes anew, by a list of those that can run: the
# square of their number.
_FUSIONS = {
    "ConvActivationFusion": b"Conv",
    "ConvAddActivationFusion": b"Conv",
    "NchwcTransformer": b"Conv",
    "GemmActivationFusion": b"Gemm",
    "MatmulTransposeFusion": b"MatMul",
}
# Optimizations that make a Split of unequal parts, whose kernel copies sizes from the host in every run.
NOT_ON_CUDA = ["GatherSliceToSplitFusion"]


class RunError(LenetcError):
    """ONNX Runtime failed while running a program; the message names the module and the user's line."""


def _unused(model: bytes | str) -> list[str]:
    """The fusions that a model has no operators for: in its file their names are nowhere. One that has images in lanes
    has all of them there for which that pays."""
    if isinstance(model, str):
        return []
    lanes = ["NchwcTransformer"] if b"com.microsoft.nchwc" in model else []
    return [*(fusion for fusion, name in _FUSIONS.items() if name not in model), *lanes]


def cuda_options(captures: bool) -> dict[str, str]:
    """Options of the CUDA provider, under its names."""
    return {
        "device_id": "0",
        # PyTorch's default for products is f32 as well.
        "use_tf32": str(int(allows_tf32())),
        "enable_cuda_graph": str(int(captures)),
        # DEFAULT is one slow algorithm for all; with cuDNN 9 EXHAUSTIVE is a heuristic too.
        "cudnn_conv_algo_search": "HEURISTIC",
    }


class Session:
    """A loaded program, from a model or the path of one. `places` says where in the user's code each ONNX node came
    from.

    is_fused: whether the model has the runtime's fusions in it, so that there is nothing left to optimize. profile: a
    new folder for a profile of the runs, and for the model as the runtime rewrote it. large: whether intermediate
    values take many megabytes. captures: whether runs may be captured as CUDA graphs; False afterwards where the
    runtime would not have it. on_cpu: names of the nodes that run on the CPU though the device is CUDA, at the price of
    copies in every run. host_options: for a model that is loaded as other hosts load it, with all of the runtime's
    optimizations: graph_optimization_level and cpu_memory_arena, as an exported manifest has them.
    """

    def __init__(
        self,
        model: bytes | str,
        device: str,
        places: Mapping[str, Where],
        threads: int = 0,
        is_fused: bool = False,
        profile: Path | None = None,
        large: bool = False,
        captures: bool = False,
        host_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.device = device
        self._disabled = [] if host_options is not None or is_fused else list(_OFF)
        if self._disabled and device == "cpu":
            self._disabled += [*_OFF_ON_CPU, *_unused(model)]
        self.places = places
        self.threads = threads
        self.profile = profile
        self.captures = captures and device == "cuda"
        self.owner: Any = None  # whose state the last run has written
        self.on_cpu: list[str] = []
        self._graphs = itertools.count(1)
        self._run_options: dict[int, Any] = {}
        options = ort.SessionOptions()
        if profile is not None:
            profile.mkdir()
            options.enable_profiling = True
            options.profile_file_prefix = str(profile / "profile")
            options.optimized_model_filepath = str(profile / "optimized.onnx")
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors come back as exceptions
        # Planning all memory beforehand saves a small program 6 % of its time and a large one nothing, but takes
        # up to twice the memory.
        options.enable_mem_pattern = not large
        # A value that takes the memory of an earlier one is searched for among all that are free: the square of the
        # number of nodes, half of the time to load 8,000. Runs are as fast without: the arena finds memory at once, and
        # what an operator overwrites in place it still does.
        options.enable_mem_reuse = host_options is not None or device == "cuda"
        if is_fused:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if flushed.works:  # for the runtime's own threads; `execute` sees to the thread that calls
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
        if host_options is not None:
            level = f"ORT_ENABLE_{host_options['graph_optimization_level'].upper()}"
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
            options.enable_cpu_mem_arena = host_options["cpu_memory_arena"]
        if device == "cuda":
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        try:
            with flushed:
                self._session = self._load(model, options)
        except Exception as error:
            raise self._explained(error, places, "loading") from error
        if device == "cuda":
            self._check_placement()

    def _load(self, model: bytes | str, options: Any) -> Any:
        if self.device != "cuda":
            return InferenceSession(
                model, options, providers=["CPUExecutionProvider"], disabled_optimizers=self._disabled
            )

        def load() -> Any:
            chosen = [("CUDAExecutionProvider", cuda_options(self.captures))]
            # Without its fallback, which would run the program on the CPU and say so on the terminal only.
            return InferenceSession(
                model,
                options,
                providers=chosen,
                enable_fallback=0,
                disabled_optimizers=[*self._disabled, *NOT_ON_CUDA],
            )

        try:
            return load()
        except Exception as error:
            if not self.captures or "graph capture" not in str(error):
                raise
            log.warning("runs are not captured as CUDA graphs: %s", str(error).splitlines()[0])
            self.captures = False
            return load()

    def _check_placement(self) -> None:
        """Raise DeviceError where the CUDA provider is not there; tell which nodes it did not take."""
        if "CUDAExecutionProvider" not in self._session.get_providers():
            raise DeviceError(
                "device='cuda' was asked for, but ONNX Runtime could not load its CUDA provider for this program"
            )
        for part in self._session.get_provider_graph_assignment_info():
            if part.ep_name != "CUDAExecutionProvider":
                self.on_cpu += [node.name for node in part.get_nodes()]
        if self.on_cpu:
            listed = "; ".join(f"{name} {self.places.get(name, '')}".strip() for name in self.on_cpu)
            log.warning("these operators have no CUDA kernel and run on the CPU, with copies: %s", listed)

    def end_profiling(self) -> tuple[Path, bytes]:
        """The file of the profile (Chrome's trace events, as JSON), and the model as the runtime rewrote it."""
        assert self.profile is not None
        return Path(self._session.end_profiling()), (self.profile / "optimized.onnx").read_bytes()

    def bind(
        self, inputs: Mapping[str, Value], outputs: Mapping[str, Value], replay: bool = False
    ) -> Binding:
        """A prepared run that reads `inputs` and writes `outputs`; the rest is bound at each call.

        replay: whether all inputs are given and stay where they are, so that the run may be captured.
        """
        if replay and self.captures:
            return Replay(self, inputs, outputs, next(self._graphs))
        return Binding(self, inputs, outputs)

    def signature(self) -> tuple[dict[str, Port], dict[str, Port]]:
        """The model's inputs and outputs by name: the dtype as ONNX Runtime writes it, "tensor(float)", and the shape,
        where what is not known is a name or None."""
        inputs = {port.name: (port.type, port.shape) for port in self._session.get_inputs()}
        return inputs, {port.name: (port.type, port.shape) for port in self._session.get_outputs()}

    def run(self, feeds: Mapping[str, Value], outputs: Sequence[str]) -> list[Value]:
        """One run with named inputs; values of the named outputs, on the device."""
        binding = self._session.io_binding()
        for name, value in feeds.items():
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, self.device)
        self.execute(binding)
        return list(binding.get_outputs())

    def settle(self) -> None:
        """Wait for what a run leaves to be done after it: nothing, where one program does all."""

    def is_read_late(self, name: str) -> bool:
        """Whether the memory of an input is read after a run has returned."""
        return False

    def io_binding(self) -> Any:
        return self._session.io_binding()

    def execute(self, binding: Any, graph: int = -1) -> None:
        """Run once. graph: the number of the CUDA graph to capture or replay, -1 for none."""
        try:
            with flushed:
                self._session.run_with_iobinding(binding, self._options(graph) if self.captures else None)
        except Exception as error:
            raise self._explained(error, self.places, "running") from error

    def _options(self, graph: int) -> Any:
        found = self._run_options.get(graph)
        if found is None:
            found = self._run_options[graph] = ort.RunOptions()
            found.add_run_config_entry("gpu_graph_id", str(graph))
        return found

    def release(self, graph: int) -> None:
        """Drop a captured CUDA graph."""
        self._run_options.pop(graph, None)
        self._session.release_captured_graph(graph)

    def _explained(self, error: Exception, places: Mapping[str, Where], doing: str) -> RunError:
        """The runtime's error with the module path and the user's line of the node that it names."""
        text = str(error)
        named = [
            name for name in places if f"'{name}'" in text or f"Name:{name}" in text or f"({name})" in text
        ]
        explained = RunError(f"ONNX Runtime failed {doing} the program: {text}")
        return explained.at(str(places[max(named, key=len)])) if named else explained  # type: ignore[return-value]
