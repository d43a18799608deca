"""Run by the Python of an ONNX Runtime: its kernels and the schemas of its own domain, as JSON to the file named.

Imports nothing but onnxruntime, whose Python may be an old one.
"""

import json
import sys

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

UNBOUNDED = 2**31 - 1


def parameters(formals):
    return [[p.name, p.typeStr] for p in formals]


kernels = [
    {
        "provider": k.provider,
        "domain": k.domain,
        "operator": k.op_name,
        "first": k.version_range[0],
        "last": None if k.version_range[1] == UNBOUNDED else k.version_range[1],
        "types": k.type_constraints,
    }
    for k in state.get_all_opkernel_def()
    if k.domain in ("", "com.microsoft")
]
schemas = [
    {
        "name": s.name,
        "domain": s.domain,
        "version": s.since_version,
        "inputs": parameters(s.inputs),
        "outputs": parameters(s.outputs),
        "least": max(s.min_input, min(1, len(s.inputs))),
        "least_outputs": max(s.min_output, min(1, len(s.outputs))),
        "constraints": {c.type_param_str: c.allowed_type_strs for c in s.type_constraints},
        "attributes": {
            name: [str(a.type).rpartition(".")[2], a.required] for name, a in s.attributes.items()
        },
    }
    for s in state.get_all_operator_schema()
    if s.domain == "com.microsoft"
]
with open(sys.argv[1], "w") as file:
    json.dump({"version": onnxruntime.__version__, "kernels": kernels, "schemas": schemas}, file)
