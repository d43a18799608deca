"""docs/runtimes.md: what runtimes lack, and which versions train. `python -m runtimes.page` writes it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import lenetc
from examples.models.run import load
from lenetc.artifact.kernels.check import Checked, check
from lenetc.artifact.kernels.table import table
from lenetc.cli.parser import RUNTIMES
from runtimes.environments import ROOT
from runtimes.versions import FIGURES, OPSETS

PAGE = ROOT / "docs" / "runtimes.md"
TITLES = {
    "ort-1.17": "ONNX Runtime's CPU provider in 1.17, the oldest that files are exported for",
    "ort-cpu": "the same in the newest version",
    "ort-cuda": "its CUDA provider; what that lacks runs on the CPU",
    "ort-web-wasm": "`onnxruntime-web` on WebAssembly",
    "ort-web-webgpu": "`onnxruntime-web/webgpu`; what WebGPU lacks runs on WebAssembly",
    "openvino": "OpenVINO, on its CPU plugin",
}
STEPS = {"lenet_bn": "LeNet with batch normalization", "resnet20": "ResNet-20", "gpt": "GPT"}
OPERATORS = ("portable", "web")

_HEAD = """\
# What a runtime has

    lenetc check DIR --runtime ort-web-webgpu

tells for each model of an exported folder which nodes a runtime has no kernel for, which it runs on another device,
and between which nodes of its own device those stand: there tensors are copied to and fro in every step. The status
is 1 where the runtime cannot run a model, else 0; `--json` writes the same for programs. Instead of the folder it
takes a single `.onnx` file, such as `lenetc.export_gradient` writes.

- Nodes are looked up as they are in the file, by operator, version and element types. A runtime fuses some of them
  afterwards, and a provider may refuse a node for its attributes: neither is foreseen.
- What is computed from sizes alone (`Shape`, and what follows from it) runs on the CPU by design, and is counted apart.
- What is computed from constants alone is computed once, when the model is loaded.
- float16 that ONNX Runtime's CPU has no kernel for is computed in float32 there, between two casts: told as *on cpu*.
- OpenVINO converts element types as it likes, so that its table is of operators only.
- `ort-web-webgpu` is what `import "onnxruntime-web/webgpu"` brings. The import without `/webgpu` has another, older
  backend for WebGPU, which has fewer operators.

## Where the tables come from

Made by `python -m runtimes.tables` from the runtimes themselves, never by hand: `lenetc/artifact/kernels/*.json`. An
ONNX Runtime for Python lists its registered kernels (its CUDA provider on libraries that stand in for CUDA's, so that
no GPU is needed). Of the others, and of operators that a runtime composes of others, models of one node were loaded,
one for each operator, version and combination of element types; on WebGPU with the fallback to the CPU forbidden.
"""


def provenance() -> Iterator[str]:
    """A row for each runtime."""
    yield "| `--runtime` | what it is | made from | opset up to | operators |"
    yield "|---|---|---|---|---|"
    for name in RUNTIMES:
        known = table(name)
        counts = ", ".join(f"{len({o for o, _ in k})} on {d}" for d, k in known.devices.items())
        source = f"{known.package} {known.version}, {known.made}"
        yield f"| `{name}` | {TITLES[name]} | {source} | {known.opset or 'any'} | {counts} |"


def of_steps(names: tuple[str, ...] = tuple(STEPS)) -> Iterator[str]:
    """A row for each step, set of operators and runtime that has not got all of it on its own device."""
    yield "| step | `operators=` | runtime | not on its own device |"
    yield "|---|---|---|---|"
    for name in names:
        model = load(name, "lenetc")
        lenetc.manual_seed(0)
        step = lenetc.compile(model.build()[1], device="cpu")
        program = step.lower(*map(lenetc.from_numpy, next(iter(model.batches(1)))))
        for operators in OPERATORS:
            with tempfile.TemporaryDirectory() as folder:
                program.export(folder, operators=operators)
                said = {r: told(check(Path(folder) / "train.onnx", r)[0]) for r in RUNTIMES}
            well = [runtime for runtime, text in said.items() if not text]
            for runtime, text in said.items():
                if text:
                    yield f"| {STEPS[name]} | {operators} | `{runtime}` | {text} |"
            if well:
                yield f"| {STEPS[name]} | {operators} | {', '.join(f'`{r}`' for r in well)} | nothing |"


def told(checked: Checked) -> str:
    """What a runtime lacks of a model, in a table's cell; "" where it has all."""
    if checked.unreadable:
        return checked.unreadable
    parts = []
    for groups, what in ((checked.missing, "no kernel"), (checked.falls_back, "on the CPU")):
        counts: dict[str, int] = {}
        for group in groups:
            text = f"{group.operator} ({', '.join(dict.fromkeys(group.types[0]))})"
            counts[text] = counts.get(text, 0) + len(group.nodes)
        if counts:
            parts.append(f"{what}: " + ", ".join(f"{n} × {text}" for text, n in sorted(counts.items())))
    return "; ".join(parts)


def of_versions() -> Iterator[str]:
    """A row for each version of ONNX Runtime that was tried."""
    made = json.loads(FIGURES.read_text())
    yield f"| ONNX Runtime | Python | {' | '.join(f'opset {opset}' for opset in OPSETS)} |"
    yield f"|---|---|{'---|' * len(OPSETS)}"
    for row in made["rows"]:
        yield f"| {row['version']} | {row['python']} | {' | '.join(row['said'][str(o)] for o in OPSETS)} |"
    yield ""
    yield f"Made on {made['made']}."


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            _HEAD,
            *provenance(),
            "",
            "## What steps fall back on",
            "",
            "`train.onnx` of three of [the examples](../examples/models), as `python -m runtimes.page` finds it:",
            "",
            *of_steps(),
            "",
            "## Which versions train",
            "",
            "`python -m runtimes.versions --write` exports the LeNet of `examples/hosts/prepare.py` and trains it with",
            "`examples/hosts/python/train.py` for 50 steps, in an environment of each version; losses are compared",
            "with those of the newest. `make hosts` repeats it for 1.17, 1.20 and the installed one.",
            "",
            *of_versions(),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page())
