"""TorchScript, torch.fx, torch.onnx, torch.compiler: what here is `compile` and `export`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

from lenetc.accepted.made import always, module_at, refused, same
from lenetc.evaluation.cell import Context
from lenetc.nn.modules.module import Module
from lenetc.runtime.device import version

EXPORT = "lenetc.compile(step).lower(*batch).export(folder) writes a program that any ONNX Runtime runs"

jit = module_at(
    "jit",
    "TorchScript's decorators, which give back what they are given (torch.jit).",
    script=same,
    ignore=same,
    export=same,
    unused=same,
    script_method=same,
    script_if_tracing=same,
    _overload_method=same,
    _overload=same,
    _script_if_tracing=same,
    annotate=lambda the_type, the_value: the_value,
    interface=same,
    trace=same,
    freeze=same,
    optimize_for_inference=same,
    is_scripting=always(False),
    is_tracing=always(False),
    fork=lambda function, *args, **kwargs: function(*args, **kwargs),
    wait=same,
    Final=None,
    save=refused("jit.save", EXPORT),
    load=refused("jit.load", "lenetc.load reads what was exported"),
    ScriptModule=Module,
)
module_at(
    "jit.annotations",
    "Names for annotations.",
    List=list,
    Optional=Optional,
    Tuple=tuple,
    Dict=dict,
    BroadcastingList1=list,
    BroadcastingList2=list,
    BroadcastingList3=list,
)
onnx = module_at(
    "onnx",
    "Files for inference (torch.onnx).",
    export=refused("onnx.export", EXPORT),
    is_in_onnx_export=always(False),
)
hub = module_at(
    "hub",
    "Models from the net (torch.hub).",
    load=refused(
        "hub.load", "build the network and load its weights from a safetensors file with lenetc.load"
    ),
    load_state_dict_from_url=refused(
        "hub.load_state_dict_from_url", "fetch a safetensors file and lenetc.load it"
    ),
)

fx = module_at(
    "fx",
    "Graphs of modules (torch.fx).",
    wrap=same,
    symbolic_trace=refused(
        "fx.symbolic_trace", "lenetc.compile(step).lower(*batch).text() shows the program"
    ),
)


def _is_compiling() -> bool:
    """Whether a function is being traced (torch.compiler.is_compiling)."""
    return Context.trace is not None


class _Stance:
    """torch.compiler.set_stance: as a call, a context or a decorator, which all ask for nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function


COMPILER = {
    **dict.fromkeys(("allow_in_graph", "assume_constant_result", "disable", "nested_compile_region"), same),
    **dict.fromkeys(("is_compiling", "is_dynamo_compiling"), _is_compiling),
    "is_exporting": always(False),
    "list_backends": always(["onnxruntime"]),
    **dict.fromkeys(("cudagraph_mark_step_begin", "reset"), always(None)),
    "set_stance": _Stance,
}
_dynamo = module_at(
    "_dynamo",
    "Settings of torch.compile.",
    config=SimpleNamespace(
        suppress_errors=False,
        cache_size_limit=8,
        recompile_limit=8,
        verbose=False,
        capture_scalar_outputs=False,
    ),
    **dict.fromkeys(
        ("graph_break", "mark_dynamic", "mark_static", "maybe_mark_dynamic", "reset"), always(None)
    ),
    **dict.fromkeys(("allow_in_graph", "disable"), same),
    optimize=always(same),
    is_compiling=_is_compiling,
)

_C = module_at(
    "_C",
    "PyTorch's compiled half, of which packages call these.",
    _log_api_usage_once=always(None),
    _get_tracing_state=always(None),
)

__config__ = module_at("__config__", "How it was built.", show=lambda: f"lenetc on ONNX Runtime {version()}")
