"""The picture of the results: how many times as fast as PyTorch eager each peer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from benchmarks.figures import Row, ratio, yardstick
from benchmarks.peers import PEERS
from benchmarks.workloads import OPTIMIZERS

# Okabe and Ito's colours, which colour-blind people can tell apart; grey for the yardstick, whose bars have no height.
COLOURS = ("#D55E00", "#888888", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def draw(results: dict[str, Any], path: Path) -> None:
    """Write a PNG: one panel for each optimizer, a group of bars for each network and batch."""
    to = yardstick(results)
    others = {name: peer["title"] for name, peer in results["peers"].items() if name != to}
    colours = {
        name: COLOURS[i % len(COLOURS)] for i, name in enumerate([*PEERS, *(others.keys() - PEERS.keys())])
    }
    optimizers = list(dict.fromkeys(row["optimizer"] for row in results["rows"]))
    figure, panels = plt.subplots(
        max(1, len(optimizers)),
        1,
        figsize=(13, 1 + 3.4 * len(optimizers)),
        squeeze=False,
        layout="constrained",
    )
    for panel, optimizer in zip(panels[:, 0], optimizers, strict=False):
        rows = [row for row in results["rows"] if row["optimizer"] == optimizer]
        draw_panel(panel, rows, list(others), to, colours)
        panel.set_title(title_of(rows, others), loc="left", fontsize=10)
        panel.set_ylabel(f"times as fast as\n{results['peers'][to]['title']}", fontsize=8)
    handles = [Patch(color=colours[name], label=shown) for name, shown in others.items()]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=max(1, len(handles)), fontsize=9, frameon=False
    )
    machine = results["machine"]
    figure.supxlabel(
        f"{results['date']}, {machine['cores']} cores of an {machine['cpu']}, medians of {results['rounds']} rounds",
        fontsize=8,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def title_of(rows: list[Row], titles: dict[str, str]) -> str:
    """The optimizer, and who has another one in its place."""
    asked = rows[0]["optimizer"]
    does = {name: row["peers"].get(name, {}).get("optimizer", asked) for row in rows for name in titles}
    others = [f"{titles[name]}: {OPTIMIZERS[found]}" for name, found in does.items() if found != asked]
    return OPTIMIZERS[asked] + (f" ({'; '.join(others)})" if others else "")


def draw_panel(panel: Any, rows: list[Row], names: list[str], to: str, colours: dict[str, str]) -> None:
    width = 0.85 / max(1, len(names))
    for i, name in enumerate(names):
        for at, row in enumerate(rows):
            height = ratio(row, name, to)
            if height is None:
                continue
            # Bars grow from 1, the yardstick's own speed: up is faster, down is slower.
            place = at + (i - (len(names) - 1) / 2) * width
            panel.bar(place, height - 1, width * 0.95, bottom=1, color=colours[name])
            label = {"xytext": (0, 2 if height >= 1 else -2), "va": "bottom" if height >= 1 else "top"}
            panel.annotate(
                f"{height:.2g}",
                (place, height),
                textcoords="offset points",
                ha="center",
                fontsize=6,
                **label,
            )
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_yscale("log")
    marks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    low, high = panel.get_ylim()
    low, high = min(low, 0.5) / 1.3, max(high, 2) * 1.3
    shown = [mark for mark in marks if low <= mark <= high]
    panel.set_yticks(shown, [f"{mark:g}x" for mark in shown], fontsize=8)
    panel.set_ylim(low, high)
    panel.minorticks_off()
    panel.set_xticks(range(len(rows)), [f"{row['title']}\nbatch {row['batch']}" for row in rows], fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
