"""The picture of the results: how many times as fast as the baseline each peer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.figures import Row, ratio
from benchmarks.peers import BASELINE
from benchmarks.workloads import OPTIMIZERS

# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = ("#D55E00", "#555555", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def draw(results: dict[str, Any], path: Path) -> None:
    """Write a PNG: one panel for each optimizer, a group of bars for each network and batch."""
    optimizers = list(dict.fromkeys(row["optimizer"] for row in results["rows"]))
    figure, panels = plt.subplots(
        len(optimizers), 1, figsize=(11, 0.8 + 3.4 * len(optimizers)), squeeze=False, layout="constrained"
    )
    titles = {name: peer["title"] for name, peer in results["peers"].items()}
    for panel, optimizer in zip(panels[:, 0], optimizers, strict=True):
        rows = [row for row in results["rows"] if row["optimizer"] == optimizer]
        _draw_panel(panel, rows, titles)
        panel.set_title(OPTIMIZERS[optimizer], loc="left", fontsize=10)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9, frameon=False)
    machine = results["machine"]
    figure.supxlabel(
        f"{results['date']}, {machine['cores']} cores of {machine['cpu']}, median of {results['rounds']} rounds",
        fontsize=8,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_panel(panel: Any, rows: list[Row], titles: dict[str, str]) -> None:
    width = 0.85 / len(titles)
    for i, name in enumerate(titles):
        places = [at + (i - (len(titles) - 1) / 2) * width for at in range(len(rows))]
        heights = [ratio(row, name, BASELINE) for row in rows]
        drawn = [(at, height) for at, height in zip(places, heights, strict=True) if height is not None]
        colour = COLOURS[i % len(COLOURS)]
        # Bars grow from 1, PyTorch's own speed: up is faster, down is slower.
        bars = panel.bar(
            [at for at, _ in drawn],
            [height - 1 for _, height in drawn],
            width,
            bottom=1,
            color=colour,
            label=titles[name],
        )
        panel.bar_label(bars, [f"{height:.2g}" for _, height in drawn], fontsize=6.5, padding=1)
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1x", "0.2x", "0.5x", "1x", "2x", "5x", "10x"])
    panel.minorticks_off()
    panel.set_ylabel("times as fast as PyTorch eager", fontsize=8)
    panel.set_xticks(range(len(rows)), [f"{row['title']}\nbatch {row['batch']}" for row in rows], fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(y=0.15)
