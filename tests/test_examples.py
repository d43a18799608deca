"""The examples, run as a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOUSE = {"PYTHONPATH": str(ROOT)}


def output_of(script: Path, cwd: Path, *arguments: str, env: dict[str, str] = HOUSE) -> str:
    """What a script prints, in a process of its own; it must end well."""
    command = [sys.executable, str(script), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=env)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_compile_api_in_thirty_lines_learns(tmp_path: Path) -> None:
    script = ROOT / "examples" / "train_compiled.py"
    assert len(script.read_text().splitlines()) < 40
    lines = output_of(script, tmp_path).splitlines()
    assert len(lines) == 3
    accuracy = float(lines[-1].split("%")[0].split()[-1])
    assert accuracy > 90, lines


def test_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for number, block in enumerate(blocks[:2]):  # the third is run in tests/hosts, beside an exported folder
        script = tmp_path / f"block{number}.py"
        script.write_text(block)
        out = output_of(script, tmp_path)
        assert number or "grad_fn=<MseLossBackward0>" in out


def test_a_network_of_a_file_is_tuned_better_than_from_scratch(tmp_path: Path) -> None:
    """By a host that has no lenetc."""
    folder = ROOT / "examples" / "finetune"
    assert all(len(path.read_text().splitlines()) < 60 for path in folder.glob("*.py"))
    host = (folder / "host.py").read_text()
    assert "import lenetc" not in host and "from lenetc" not in host
    out = ""
    for script, paths in (("export.py", HOUSE), ("host.py", {})):
        out = output_of(folder / script, tmp_path, str(tmp_path), env=paths)
    found = {name: float(share) for name, share in re.findall(r"(\w+): ([\d.]+)% recognized", out)}
    assert found["tuned"] > found["scratch"] + 3 and found["tuned"] > 85, out
