"""The loss-curve picture: readable files, what they show, and errors."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lenetc.pictures.curve import plot_curve

pytest.importorskip("matplotlib")

SVG = "{http://www.w3.org/2000/svg}"
STEPS = list(range(200))
LOSSES = [2.3 / (1 + step / 20) + (step % 3) * 0.01 for step in STEPS]


def vertices(path: Path, gid: str) -> int:
    """How many points the curve with this id has in an SVG file."""
    group = next(g for g in ET.parse(path).iter(f"{SVG}g") if g.get("id") == gid)
    line = group.find(f"{SVG}path")
    assert line is not None
    return line.attrib["d"].count("L") + line.attrib["d"].count("M")


def test_png(tmp_path: Path) -> None:
    target = tmp_path / "loss.png"
    plot_curve(target, STEPS, LOSSES, {99: 0.91, 199: 0.97}, title="LeNet")
    data = target.read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 5000
    assert int.from_bytes(data[16:20], "big") == 1200


def test_svg_holds_the_curves(tmp_path: Path) -> None:
    target = tmp_path / "loss.svg"
    plot_curve(target, STEPS, LOSSES, {99: 0.91, 149: 0.95, 199: 0.97})
    ids = {g.get("id") for g in ET.parse(target).iter(f"{SVG}g")}
    assert {"loss", "loss-mean", "accuracy"} <= ids
    assert vertices(target, "accuracy") == 3
    plot_curve(target, STEPS, LOSSES)
    assert "accuracy" not in {g.get("id") for g in ET.parse(target).iter(f"{SVG}g")}


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_run_gives_the_same_file(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        plot_curve(tmp_path / f"{name}.{ending}", STEPS, LOSSES, {199: 0.97})
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_one_step_no_step_and_nan(tmp_path: Path) -> None:
    plot_curve(tmp_path / "one.png", [1], [0.5])
    plot_curve(tmp_path / "none.png", [], [])
    plot_curve(tmp_path / "nan.svg", [1, 2, 3, 4], [0.5, float("nan"), float("inf"), 0.4])
    assert all((tmp_path / name).stat().st_size for name in ("one.png", "none.png", "nan.svg"))


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.png or \.svg.*loss\.pdf"):
        plot_curve(tmp_path / "loss.pdf", STEPS, LOSSES)
    with pytest.raises(ValueError, match="200 steps but 3 losses"):
        plot_curve(tmp_path / "loss.png", STEPS, LOSSES[:3])


def test_importing_is_free_and_drawing_leaves_no_global_state(tmp_path: Path) -> None:
    code = f"""
import sys
from lenetc.pictures.curve import plot_curve
assert "matplotlib" not in sys.modules
plot_curve({str(tmp_path / "x.svg")!r}, [1, 2], [0.5, 0.4])
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
assert matplotlib.rcParams["svg.hashsalt"] is None
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
