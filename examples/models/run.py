"""The models here, trained: `python -m examples.models.run gpt --steps 100 --framework torch`.

Each file is written for lenetc and runs with PyTorch as it is, but for the name that it imports.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "synthetic"))


def load(name: str, framework: str) -> SimpleNamespace:
    """The file of a model with `framework` ("lenetc" or "torch") for what it imports: its `build` and `batches`.

    `build()` gives a module, a step that takes a batch and gives the loss, and schedules to step after it.
    """
    text = (HERE / f"{name}.py").read_text()
    names: dict[str, Any] = {"__name__": f"examples.models.{name}"}
    exec(compile(text.replace("lenetc", framework), f"{name}.py", "exec"), names)
    return SimpleNamespace(**names)


def losses(name: str, framework: str, steps: int) -> Iterator[float]:
    """Train for some steps: with lenetc in a compiled step."""
    library = importlib.import_module(framework)
    library.manual_seed(0)
    model = load(name, framework)
    _, step, *schedules = model.build()
    if framework == "lenetc":
        step = library.compile(step)
    for batch in model.batches(steps):
        yield float(step(*map(library.from_numpy, batch)))
        for schedule in schedules:
            schedule.step()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--framework", choices=("lenetc", "torch"), default="lenetc")
    chosen = parser.parse_args()
    for i, loss in enumerate(losses(chosen.name, chosen.framework, chosen.steps)):
        if i % 10 == 0 or i == chosen.steps - 1:
            print(f"step {i}: loss {loss:.4f}")
