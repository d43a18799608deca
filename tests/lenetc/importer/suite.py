"""ONNX's own backend test suite, imported and run: outputs as expected, gradients as finite differences have them.

python -m tests.lenetc.importer.suite                 all cases: counts by operator, and what fails
python -m tests.lenetc.importer.suite Conv MaxPool    those of these operators, each listed
"""

from __future__ import annotations

import argparse
import collections
import functools
import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.case import node as nodes

import lenetc
from ir.errors import LenetcError
from lenetc.importer.errors import OnnxWarning
from lenetc.importer.graph.gradients import reached
from passes.emit.external import tensors

KINDS = ("simple", "pytorch-converted", "pytorch-operator")
Outcome = Literal["right", "wrong", "refused", "crashed", "out"]

# What is not in scope: no training in f32 has it. A pattern of names of cases, or an operator; why.
OUT_OF_SCOPE: dict[str, str] = {
    # ONNX Runtime and PyTorch, whom Resize follows, divide by the whole number of elements less one.
    "test_resize_downsample_scales_(linear|cubic)_align_corners": "counts by a size with a fraction",
    "test_training_dropout(_default)?(_mask)?": "random numbers",
    "test_bernoulli.*": "random numbers",
    "Gradient|Adam|Adagrad|Momentum": "training is not the file's, but that of who imports it",
    "ImageDecoder": "images in files",
    "NonMaxSuppression": "how many boxes come out depends on the data",
    "TfIdfVectorizer": "counts of symbols",
    "Binarizer|TreeEnsemble": "no network",
}
# What is refused though it is in scope.
REFUSED: dict[str, str] = {
    "test_bitcast_.*": "there is no reading of the bits of floats",
    "test_flexattention.*": "an operator of a preview domain that no exporter writes yet",
    "test_not_.d": "files of opset 1 to 5",
}
_HELD = {
    *(TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.BOOL),
    *(TensorProto.INT64, TensorProto.INT32, TensorProto.INT16, TensorProto.INT8, TensorProto.UINT8, 0),
}
# Of these the outputs are compared alone.
NO_DERIVATIVE: dict[str, str] = {
    "test_attention_.*(fullymasked|nan_robustness|structural_empty|local_window_gqa_rank4).*_expanded": (
        "a softmax of minus infinity alone, which a Where takes out again, has no derivative, as in PyTorch"
    ),
}
_WIDE = {TensorProto.FLOAT: TensorProto.DOUBLE, TensorProto.FLOAT16: TensorProto.DOUBLE}


@dataclass
class Case:
    """A case of the suite. data: pairs of inputs and outputs."""

    name: str
    model: onnx.ModelProto
    data: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float

    @property
    def operators(self) -> set[str]:
        return {node.op_type for node in self.model.graph.node} | {
            node.op_type for function in self.model.functions for node in function.node
        }

    @property
    def settings(self) -> set[str]:
        """What tells a case from others of its operators: attributes, which inputs there are, dtypes and ranks."""
        found = {
            f"{node.op_type} {attribute.name} {helper.get_attribute_value(attribute)}"
            for node in self.model.graph.node
            for attribute in node.attribute
            if attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.TENSOR)
        }
        found |= {f"{i} {bool(name)}" for node in self.model.graph.node for i, name in enumerate(node.input)}
        for port in (*self.model.graph.input, *self.model.graph.output):
            tensor = port.type.tensor_type
            found.add(f"{port.name} {tensor.elem_type} {len(tensor.shape.dim)}")
        return found


def cases() -> list[Case]:
    """All cases."""
    return [case for group in groups() for case in cases_of(group)]


def groups() -> list[str]:
    """Where cases are from: ONNX's modules of single nodes, whose cases are made as they are imported, which takes
    some 5 seconds for all of them; and the other kinds, whose cases are files."""
    return [module.name for module in pkgutil.walk_packages(nodes.__path__, nodes.__name__ + ".")] + [*KINDS]


@functools.cache
def cases_of(group: str) -> tuple[Case, ...]:
    """The cases of one of `groups`, the same in whatever order they are made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if group in KINDS:
            return tuple(map(_case, loader.load_model_tests(kind=group)))
        made = len(nodes._NodeTestCases)
        importlib.import_module(group)
        return tuple(map(_case, nodes._NodeTestCases[made:]))


def unlike(cases: Iterable[Case], count: int) -> list[str]:
    """Names of at most `count` cases of each operator: the first, and those whose settings are furthest from those of
    the ones already taken."""
    of: dict[frozenset[str], list[Case]] = {}
    for case in cases:
        of.setdefault(frozenset(case.operators), []).append(case)
    names = []
    for alike in of.values():
        settings = {case.name: case.settings for case in alike}
        taken = [alike[0].name]
        while len(taken) < min(count, len(settings)):
            taken.append(
                max(settings, key=lambda name: min(len(settings[name] ^ settings[t]) for t in taken))
            )
        names += taken
    return names


def _case(found: Any) -> Case:
    if found.model is not None:
        return Case(found.name, found.model, list(found.data_sets), found.rtol, found.atol)
    folder = Path(found.model_dir)
    model = onnx.load(folder / "model.onnx")
    data = [
        (_stored(model.graph.input, each, "input"), _stored(model.graph.output, each, "output"))
        for each in sorted(folder.glob("test_data_set_*"))
    ]
    return Case(found.name, model, data, found.rtol, found.atol)


def _stored(ports: Any, folder: Path, kind: str) -> list[Any]:
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    found = []
    for port, path in zip(ports, files, strict=False):
        if not port.type.HasField("tensor_type"):
            raise NotImplementedError(f"a {port.type.WhichOneof('value')} in {path}")
        found.append(numpy_helper.to_array(TensorProto.FromString(path.read_bytes())))
    return found


def out_of_scope(case: Case) -> str:
    """Why a case is not run, or ""."""
    for pattern, why in OUT_OF_SCOPE.items():
        if any(re.fullmatch(pattern, name) for name in (case.name, *case.operators)):
            return why
    ports = (*case.model.graph.input, *case.model.graph.output)
    dtypes = {port.type.tensor_type.elem_type for port in ports if port.type.HasField("tensor_type")}
    lacking = sorted(TensorProto.DataType.Name(dtype).lower() for dtype in dtypes - _HELD)
    return f"tensors have no {', '.join(lacking)}" if lacking else ""


def refusal(case: Case) -> str:
    """Why a case may be refused, or ""."""
    return next((why for pattern, why in REFUSED.items() if re.fullmatch(pattern, case.name)), "")


def check(case: Case, with_gradient: bool = True) -> tuple[Outcome, str]:
    """How a case comes out, and what was said or is different."""
    if why := out_of_scope(case):
        return "out", why
    try:
        for inputs, expected in case.data:
            wrong = _forward(case, inputs, expected)
            if not wrong and with_gradient:
                wrong = gradient_error(case, inputs)
            if wrong:
                return "wrong", wrong
    except LenetcError as error:
        return "refused", str(error).split("\n")[0]
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"
    return "right", ""


def _module(model: onnx.ModelProto) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnnxWarning)  # of a constant that may be a table, and the like
        module = lenetc.from_onnx(model)
    trains = any(
        attribute.name == "training_mode" and attribute.i
        for node in model.graph.node
        for attribute in node.attribute
    )
    return module.train(trains)


def _forward(case: Case, inputs: list[Any], expected: list[Any]) -> str:
    module = _module(case.model)
    given = [_input(value) for value in inputs]
    results = module(*given)
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(expected):
        return f"{len(results)} outputs, not {len(expected)}"
    for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        if wrong := _difference(result, wanted, case):
            return f"output {i}: {wrong}"
    return ""


def _difference(result: Any, wanted: Any, case: Case) -> str:
    if isinstance(wanted, list):
        if len(result) != len(wanted):
            return f"a sequence of {len(result)}, not {len(wanted)}"
        return next((d for r, w in zip(result, wanted, strict=True) if (d := _difference(r, w, case))), "")
    if wanted is None or result is None:
        return "" if wanted is result else f"{result}, not {wanted}"
    wanted = numpy_helper.to_array(wanted) if isinstance(wanted, TensorProto) else np.asarray(wanted)
    dtype = str(wanted.dtype)
    given = result.dtype.long_name if isinstance(result, lenetc.Tensor) else str(np.asarray(result).dtype)
    if given != dtype:
        return f"{given}, not {dtype}"
    found = _array(result)
    if found.shape != wanted.shape:
        return f"shape {list(found.shape)}, not {list(wanted.shape)}"
    if wanted.dtype.kind not in "fV" and dtype != "bfloat16":
        return "" if (found == wanted).all() else f"{found.ravel()[:4]}, not {wanted.ravel()[:4]}"
    # Half precision is rounded at other places.
    rtol = max(case.rtol, {"float16": 5e-3, "bfloat16": 3e-2}.get(dtype, 0))
    close = np.isclose(
        found.astype(np.float64), wanted.astype(np.float64), rtol, max(case.atol, rtol * 1e-3), equal_nan=True
    )
    if close.all():
        return ""
    place = tuple(np.argwhere(~close)[0]) if close.ndim else ()
    return (
        f"{found[place]}, not {wanted[place]} at {list(map(int, place))} ({(~close).sum()} of {close.size})"
    )


def _array(result: Any) -> np.ndarray[Any, Any]:
    if not isinstance(result, lenetc.Tensor):
        return np.asarray(result)
    return (result.float() if result.dtype is lenetc.bfloat16 else result).detach().numpy()


def _input(value: Any) -> Any:
    if isinstance(value, list):
        return [_input(item) for item in value]
    if isinstance(value, (TensorProto,)):
        value = numpy_helper.to_array(value)
    return value if value is None else lenetc.tensor(np.asarray(value))


def gradient_error(case: Case, inputs: list[Any]) -> str:
    """The derivative along a random direction of a random sum of the outputs, in f64, against a central difference;
    if there is a kink at the inputs, near to them. Inputs that no gradient goes to, as labels' weights, stay as they
    are."""
    if any(re.fullmatch(pattern, case.name) for pattern in NO_DERIVATIVE):
        return ""
    module = _module(widened(case.model))
    graph = module._imported.graph
    gets_gradient = reached(graph, [port.name for port in graph.outputs])
    places = [
        i
        for i, (port, value) in enumerate(zip(graph.inputs, inputs, strict=False))
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and port.name in gets_gradient
    ]
    if not places:
        return ""
    wide = [
        np.asarray(v, np.float64) if getattr(v, "dtype", None) in (np.float32, np.float16) else v
        for v in inputs
    ]
    text, has_kink = derivative_error(case, module, wide, places)
    if text and has_kink:
        rng = np.random.default_rng(2)
        for i in places:
            wide[i] = wide[i] * (1 + 1e-3 * rng.random(wide[i].shape)) + 1e-3 * rng.random(wide[i].shape)
        text, _ = derivative_error(case, module, wide, places)
    if text:  # what is computed in f32 whatever comes in has no digits for smaller steps
        text, _ = derivative_error(case, module, wide, places, step=1e-3)
    return text


def derivative_error(
    case: Case, module: Any, wide: list[Any], places: list[int], step: float = 1e-6
) -> tuple[str, bool]:
    """What is wrong with the derivative, and whether there is none, by a kink or a jump."""
    rng = np.random.default_rng(0)
    directions = {i: rng.standard_normal(np.shape(wide[i])) for i in places}

    def value(moved: float, requires_grad: bool) -> tuple[Any, list[Any]]:
        given = [_input(v + moved * directions[i] if i in directions else v) for i, v in enumerate(wide)]
        for i in places:
            given[i].requires_grad_(requires_grad)
        results = module(*given)
        total, weights = None, np.random.default_rng(1)
        results = results if isinstance(results, tuple) else (results,)
        # Running statistics are no function of what comes in, but state.
        for result in results[:1] if "BatchNormalization" in case.operators else results:
            if isinstance(result, lenetc.Tensor) and result.dtype.is_float and result.numel():
                finite = lenetc.tensor(weights.standard_normal(tuple(result.shape)), dtype=lenetc.float64)
                part = (result.to(lenetc.float64) * finite).sum()
                total = part if total is None else total + part
        return total, given

    total, given = value(0.0, True)
    if total is None or not total.requires_grad:
        return "", False
    total.backward()
    found = sum(float((g.numpy() * directions[i]).sum()) for i in places if (g := given[i].grad) is not None)
    high, low = (float(_array(value(sign * step, False)[0])) for sign in (1, -1))
    wanted = (high - low) / (2 * step)
    scale = max(abs(wanted), abs(found), 1e-3, 1e-10 * max(abs(high), abs(low)) / step)
    if not np.isfinite(wanted) or abs(found - wanted) <= 1e-4 * scale:
        return "", False
    bend = abs(high - 2 * float(_array(total)) + low) / step
    further, back = (float(_array(value(2 * sign * step, False)[0])) for sign in (1, -1))
    jump = abs((further - back) / (4 * step) - wanted)
    return f"derivative {found}, by differences {wanted}", max(bend, jump) > 1e-4 * scale


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in f64: inputs, outputs, tensors, and casts to f32."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in tensors(wide):
        if tensor.data_type in _WIDE:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )
    for port in (*wide.graph.input, *wide.graph.output, *wide.graph.value_info):
        if port.type.HasField("tensor_type") and port.type.tensor_type.elem_type in _WIDE:
            port.type.tensor_type.elem_type = _WIDE[port.type.tensor_type.elem_type]
    for node in _nodes(wide):
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype", "stash_type") and attribute.i in _WIDE:
                attribute.i = _WIDE[attribute.i]
            if attribute.name == "value_float":
                wide_value = numpy_helper.from_array(np.float64(attribute.f))
                attribute.CopyFrom(helper.make_attribute("value", wide_value))
        if node.op_type == "ConstantOfShape" and not node.attribute:
            node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
        if node.op_type == "LayerNormalization" and not any(a.name == "stash_type" for a in node.attribute):
            node.attribute.append(helper.make_attribute("stash_type", TensorProto.DOUBLE))
    return wide


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    todo = [model.graph]
    for function in model.functions:
        yield from function.node
    while todo:
        for node in todo.pop().node:
            yield node
            todo += [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "operators", nargs="*", help="run the cases of these operators, or with these names, only"
    )
    wanted = parser.parse_args().operators
    counts: dict[str, collections.Counter[str]] = {}
    for case in cases():
        if wanted and not (case.operators & set(wanted) or case.name in wanted):
            continue
        outcome, text = check(case)
        if outcome in ("wrong", "crashed", "refused"):
            print(f"{outcome:8} {case.name}: {text[:300]}", flush=True)
        for operator in case.operators:
            counts.setdefault(operator, collections.Counter())[outcome] += 1
        counts.setdefault("", collections.Counter())[outcome] += 1
    for operator, of in sorted(counts.items()):
        print(f"{operator or 'all':30} {dict(of)}")


if __name__ == "__main__":
    main()
