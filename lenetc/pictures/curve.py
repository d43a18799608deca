"""The picture of a training run: loss, and accuracy where it was measured, over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from lenetc.installed import was_interrupted

LOSS_COLOUR, ACCURACY_COLOUR = "#d0643a", "#3b78c8"
SMOOTHING_SHARE = 0.02  # the mean runs over this share of all steps


def plot_curve(
    path: str | Path,
    steps: Sequence[int],
    losses: Sequence[float],
    accuracies: Mapping[int, float] | None = None,
    *,
    title: str = "Training",
) -> None:
    """Write the loss curve as PNG or SVG, as the ending of `path` says.

    `steps` are S step numbers in increasing order, `losses` the S losses at them (any float type; the unit of
    the loss function), drawn pale with their running mean on top. `accuracies` maps step numbers to held-out
    accuracy as a fraction in [0, 1] and gets an axis of its own, in percent. Losses that are NaN or infinite
    leave a gap. No display is needed, and matplotlib's global state (pyplot, rcParams, backend) stays as it
    is.

    Raises ValueError for another ending or for sequences of different lengths, ImportError without
    matplotlib, and OSError if the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".png", ".svg"):
        raise ValueError(
            f"a loss curve is written as .png or .svg, not as {path.name!r}; change the file's ending"
        )
    if len(steps) != len(losses):
        raise ValueError(f"there are {len(steps)} steps but {len(losses)} losses; give one loss per step")
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter
    except ImportError as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        raise ImportError(
            f"plot_curve draws with matplotlib, which cannot be imported ({error}): pip install matplotlib"
        ) from error

    figure = Figure(figsize=(8.0, 4.5), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    values = [float(loss) if isfinite(loss) else float("nan") for loss in losses]
    window = max(1, round(len(values) * SMOOTHING_SHARE))
    axes.plot(steps, values, color=LOSS_COLOUR, alpha=0.3 if window > 1 else 1.0, linewidth=1.0, gid="loss")
    lines = axes.lines[:]
    if window > 1:
        lines = axes.plot(
            steps, _running_mean(values, window), color=LOSS_COLOUR, linewidth=1.8, gid="loss-mean"
        )
    lines[0].set_label("loss")
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    finite = [v for v in values if isfinite(v)]
    if finite and min(finite) >= 0:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if accuracies:
        right = axes.twinx()
        at = sorted(accuracies)
        reached = [accuracies[step] for step in at]
        lines += right.plot(
            at,
            reached,
            color=ACCURACY_COLOUR,
            marker="o",
            markersize=4,
            linewidth=1.5,
            label="accuracy",
            gid="accuracy",
        )
        right.annotate(
            f"{reached[-1]:.1%}",
            (at[-1], reached[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
            color=ACCURACY_COLOUR,
        )
        right.set_ylabel("held-out accuracy")
        right.set_ylim(0, 1.06)
        right.yaxis.set_major_formatter(PercentFormatter(1.0))
        right.spines["top"].set_visible(False)
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="center right", frameon=False)
    # No date and no random ids, so that the same run gives the same file.
    with rc_context({"svg.hashsalt": "lenetc"}):
        figure.savefig(
            path, format=kind[1:], metadata={"Date": None} if kind == ".svg" else {"Software": None}
        )


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of the finite values among the `window` around each place; NaN where there is none."""
    sums, counts = [0.0], [0]
    for value in values:
        sums.append(sums[-1] + (value if isfinite(value) else 0.0))
        counts.append(counts[-1] + isfinite(value))
    out: list[float] = []
    for i in range(len(values)):
        low, high = max(0, i - window // 2), min(len(values), i + window // 2 + 1)
        count = counts[high] - counts[low]
        out.append((sums[high] - sums[low]) / count if count else float("nan"))
    return out
