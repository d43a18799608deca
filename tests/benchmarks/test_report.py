"""Statistics, tables, the README's section and the picture, from made-up results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from benchmarks.figures import compile_seconds, deviation, ratio, summary, yardstick
from benchmarks.picture import draw, draw_panel, title_of
from benchmarks.report import BEGIN, END, as_ratio, full, middle, section, update

README = Path(__file__).parents[2] / "README.md"


def timed(median: float, optimizer: str = "sgd") -> dict[str, Any]:
    return {
        "optimizer": optimizer,
        "times_us": [median],
        "processors": [2.0, 1.5],
        "median_us": median,
        "low_us": median - 1,
        "high_us": median + 1,
        "compile_s": 0.25,
        "start_mb": 100.0,
        "peak_mb": 150.0,
        "compile_peak_mb": 175.0,
        "deviation": 2.5e-7,
    }


def results() -> dict[str, Any]:
    names = {"lenetc": "lenetc", "pytorch": "PyTorch eager", "ort-training": "ORT training", "jax": "JAX jit"}
    return {
        "date": "2026-11-23 09:00 UTC",
        "machine": {"cpu": "Abacus", "cores": "2", "python": "3.11.7", "system": "Linux"},
        "commit": "abc1234",
        "threads": 2,
        "rounds": 7,
        "seconds": 0.3,
        "peers": {name: {"title": shown, "versions": {name: "1.2"}} for name, shown in names.items()},
        "rows": [
            {
                "workload": "lenet", "title": "LeNet", "batch": 64, "optimizer": "sgd", "tolerance": 1e-3,
                "by": "pytorch", "idle": 0.004, "foreign": 0.31,
                "peers": {
                    "lenetc": timed(2000.0), "pytorch": timed(5000.0), "ort-training": timed(6250.0, "plain-sgd"),
                    "jax": {"optimizer": "sgd", "reason": "ended in 'losses' with signal SIGKILL"},
                },
            },
        ],
    }  # fmt: skip


def test_summary() -> None:
    assert summary([5.0, 1.0, 2.0, 4.0, 3.0]) == {"median_us": 3.0, "low_us": 2.0, "high_us": 4.0}
    assert summary([7.0]) == {"median_us": 7.0, "low_us": 7.0, "high_us": 7.0}


def test_ratio() -> None:
    (row,) = results()["rows"]
    assert ratio(row, "lenetc", "pytorch") == 2.5
    assert ratio(row, "pytorch", "lenetc") == 0.4
    assert ratio(row, "jax", "pytorch") is None
    assert ratio(row, "lenetc", "nobody") is None


def test_yardstick() -> None:
    without = results()
    assert yardstick(without) == "pytorch"
    del without["peers"]["pytorch"]
    assert yardstick(without) == "lenetc"


def test_deviation() -> None:
    assert deviation([2.0, 1.01], [2.0, 1.0]) == pytest.approx(0.01)
    assert deviation([2.0, float("nan"), 2.0], [2.0, 2.0, 2.0]) == float("inf")
    assert deviation([2.0, 2.0], [2.0, float("nan")]) == float("inf")


def test_compile_seconds() -> None:
    assert compile_seconds(0.5, [1.0, 0.25, 0.125, 9.0], 0.125) == 1.5
    assert compile_seconds(0.0, [0.1], 0.2) == 0.0


def test_section() -> None:
    text = section(results(), "benchmarks/results")
    lines = text.splitlines()
    assert "how many times as fast as PyTorch eager" in lines[0]
    assert (
        "| LeNet | 64 | SGD with momentum 0.9 | **2,000** (2.50x) | 5,000 | 6,250 (0.80x) \\* | — |" in lines
    )
    assert "| LeNet | 64 | compile, s | 0.25 | 0.25 | 0.25 | — |" in lines
    assert "| LeNet | 64 | memory, MB | 150 (50) | 150 (50) | 150 (50) | — |" in lines
    assert (
        "- \\* ORT training has no SGD with momentum 0.9: what was timed is SGD without momentum, which is less work."
        in lines
    )
    assert "- JAX jit: ended in 'losses' with signal SIGKILL" in lines
    assert "![Speed relative to PyTorch eager](benchmarks/results/latest.png)" in lines
    assert "on 2026-11-23 09:00 UTC, 2 cores of an Abacus, 2 threads each" in text
    assert "Medians of 7 rounds of 0.3 s" in text
    assert "Python 3.11.7, lenetc 1.2 at abc1234." in text
    assert "No figure here was measured on a GPU." in text


def test_reasons_of_some_rows_name_them() -> None:
    both = results()
    both["rows"].append({**both["rows"][0], "batch": 1, "peers": {"jax": timed(1.0)}})
    assert "- JAX jit (LeNet, batch 64, SGD with momentum 0.9): ended in" in section(both, "r")


def test_a_busy_machine_is_told() -> None:
    some = results()
    assert "Other programs took up to 31% of a core meanwhile: measure again" in section(some, "r")
    some["rows"][0]["foreign"] = 0.02
    assert "Other programs" not in section(some, "r")


def test_small_ratios_keep_their_digits() -> None:
    assert [as_ratio(value) for value in (12.345, 0.514, 0.0123)] == ["12.35x", "0.51x", "0.012x"]


def test_full() -> None:
    text = full(results())
    assert "### LeNet, batch 64, SGD with momentum 0.9" in text
    assert (
        "Losses within 0.001 of those of PyTorch eager. While one was timed, the other peers together" in text
    )
    assert "used 0.4% of a core, and all else on the machine 31.0%." in text
    row = "2,000 | 1,999 to 2,001 | 2.50x | 1.00x | 1.8 | 0.25 | 150 (50) | 175 | 2e-07 |"
    assert f"| lenetc | {row}" in text
    assert "- JAX jit: jax 1.2" in text
    assert "| JAX jit | — ended in 'losses' with signal SIGKILL |" in text


def test_geometric_mean() -> None:
    some = results()
    first = some["rows"][0]
    assert "Geometric mean" not in section(some, "r")
    some["rows"].append({**first, "batch": 16, "peers": {**first["peers"], "lenetc": timed(500.0)}})
    some["rows"].append({**first, "batch": 1, "peers": {**first["peers"], "lenetc": timed(1.0)}})
    assert "16 and more, PyTorch eager / lenetc: 5.00x with SGD with momentum 0.9." in section(some, "r")


def test_costs_of_one_batch_each() -> None:
    rows = [
        {"workload": name, "optimizer": optimizer, "batch": batch}
        for name, batches in (("lenet", (1024, 1, 64)), ("mlp", (128,)))
        for optimizer in ("sgd", "adam")
        for batch in batches
    ]
    assert [(row["workload"], row["optimizer"], row["batch"]) for row in middle(rows)] == [
        ("lenet", "sgd", 64), ("mlp", "sgd", 128),
    ]  # fmt: skip


def test_titles_of_panels() -> None:
    rows = results()["rows"]
    titles = {"lenetc": "lenetc", "ort-training": "ORT training", "jax": "JAX"}
    assert title_of(rows, titles) == "SGD with momentum 0.9 (ORT training: SGD without momentum)"
    assert title_of(rows, {"lenetc": "lenetc"}) == "SGD with momentum 0.9"


def test_update() -> None:
    text = f"# Title\n\n{BEGIN}\n\nold\n\n{END}\n\nThe rest.\n"
    new = update(text, "new")
    assert new == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nThe rest.\n"
    assert update(new, "new") == new


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN} {END}"], ids=range(5)
)
def test_update_without_markers(text: str) -> None:
    with pytest.raises(ValueError, match="the README must have"):
        update(text, "new")


def test_the_readme_has_the_markers() -> None:
    assert "old figures" in update(README.read_text(), "old figures")


def test_bars() -> None:
    figure, panel = plt.subplots()
    try:
        draw_panel(panel, results()["rows"], ["lenetc", "ort-training", "jax"], "pytorch", dict.fromkeys(
            ("lenetc", "ort-training", "jax"), "red"
        ))  # fmt: skip
        tops = [round(bar.get_y() + bar.get_height(), 6) for bar in panel.patches]
        assert tops == [2.5, 0.8]
        assert panel.get_ylim()[0] < 0.8
        assert panel.get_ylim()[1] > 2.5
    finally:
        plt.close(figure)


@pytest.mark.parametrize("rows", [0, 1])
def test_picture(tmp_path: Path, rows: int) -> None:
    some = results()
    some["rows"] = some["rows"][:rows]
    draw(some, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
