"""`python -m benchmarks.report`: table and picture of the latest results; with --readme the README's section too."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.figures import Row, geometric_mean, ratio, yardstick
from benchmarks.peers import OURS
from benchmarks.picture import draw
from benchmarks.workloads import OPTIMIZERS
from lenetc.files import atomic_write

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
JSON, TABLE, PICTURE = "latest.json", "latest.md", "latest.png"
BEGIN, END = "<!-- benchmarks: written by make bench -->", "<!-- /benchmarks -->"
NONE = "—"
BUSY = 0.1  # of a core, for other programs: more than a machine at rest needs

HOW = (
    "A step counts from NumPy arrays in to the loss as a Python number out: forward, cross-entropy, backward, update, "
    "f32. Every peer runs in a process and an environment of its own; their rounds alternate in an order drawn anew "
    "each time, and all compute the same losses, or they are not timed. Medians of {rounds} rounds of {seconds:g} s "
    "(of one step, where that takes longer) on {date}, {cores} cores of an {cpu}, {threads} threads each, {system}, "
    "Python {python}, lenetc {lenetc}."
)
NOT_MEASURED = "No figure here was measured on a GPU."
COSTS = (
    "Compile time (what the first three steps take beyond three steps, and making the network), and the most memory "
    "that was resident while steps ran (in brackets, without what importing and the data take):"
)
LEGEND = (
    "Quartiles are over rounds. vs: how many times as fast, by the medians. Cores: processor time by wall time. "
    "Memory: the most that was resident while steps ran, and while compiling; in brackets without imports and data. "
    "Losses: the largest relative difference from the reference's."
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder with latest.json")
    parser.add_argument("--readme", action="store_true", help="update the marked section of README.md")
    options = parser.parse_args()
    written = write(options.out)
    if options.readme:
        readme = ROOT / "README.md"
        results = json.loads((options.out / JSON).read_text())
        where = options.out.resolve().relative_to(ROOT).as_posix()
        atomic_write(readme, update(readme.read_text(), section(results, where)).encode())
        written.append(readme)
    for path in written:
        print(f"written: {path}")


def write(folder: Path) -> list[Path]:
    """Table and picture of the results in a folder, beside them."""
    results = json.loads((folder / JSON).read_text())
    atomic_write(folder / TABLE, full(results).encode())
    draw(results, folder / PICTURE)
    return [folder / JSON, folder / TABLE, folder / PICTURE]


def update(text: str, section: str) -> str:
    """A README with what is between its two markers replaced. Raises ValueError where there are no such markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the README must have {BEGIN} once, and {END} once behind it")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{section.strip()}\n\n{END}{rest.split(END)[1]}"


def section(results: dict[str, Any], where: str) -> str:
    """What the README shows: times, compile times and memory, and what is not in them. where: the results' folder."""
    of = title(results, yardstick(results))
    parts = [
        f"Time per training step in µs; in brackets, how many times as fast as {of}.",
        times(results),
        *means(results),
        *notes(results),
        f"![Speed relative to {of}]({where}/{PICTURE})",
        COSTS,
        costs(results, middle(results["rows"])),
        f"{how(results)} [Every round's figures]({where}/{JSON}); "
        f"[spread, cores and versions]({where}/{TABLE}). {NOT_MEASURED}",
    ]
    return "\n\n".join(parts)


def full(results: dict[str, Any]) -> str:
    """Everything but single rounds, as Markdown."""
    parts = ["# Time per training step", f"{how(results)} {NOT_MEASURED}", times(results)]
    parts += [*means(results), *notes(results)]
    parts += [COSTS, costs(results, results["rows"]), "## Row by row", LEGEND]
    parts += [detail(results, row) for row in results["rows"]]
    parts += ["## Versions", versions(results)]
    return "\n\n".join(parts) + "\n"


def title(results: dict[str, Any], name: str) -> str:
    shown: str = results["peers"][name]["title"]
    return shown


def how(results: dict[str, Any]) -> str:
    version = results["peers"].get(OURS, {}).get("versions", {}).get(OURS, "")
    ours = " ".join(part for part in (version, results["commit"] and f"at {results['commit']}") if part)
    text = HOW.format(**{**results, **results["machine"], "lenetc": ours})
    foreign = max((row.get("foreign", 0.0) for row in results["rows"]), default=0.0)
    if foreign > BUSY:
        text += f" **Other programs took up to {foreign:.0%} of a core meanwhile: measure again on a quiet machine.**"
    return text


def table(head: list[str], rows: Iterable[list[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def times(results: dict[str, Any]) -> str:
    names, to = list(results["peers"]), yardstick(results)
    head = ["network", "batch", "optimizer", *(title(results, name) for name in names)]
    rows = [
        [
            row["title"],
            str(row["batch"]),
            OPTIMIZERS[row["optimizer"]],
            *(cell(row, name, to) for name in names),
        ]
        for row in results["rows"]
    ]
    return table(head, rows, 3)


def cell(row: Row, name: str, to: str) -> str:
    found = row["peers"].get(name, {})
    if "median_us" not in found:
        return NONE
    text = f"{found['median_us']:,.0f}"
    if name == OURS:
        text = f"**{text}**"
    if name != to and (faster := ratio(row, name, to)) is not None:
        text += f" ({as_ratio(faster)})"
    return text + star(row, found)


def as_ratio(value: float) -> str:
    return f"{value:.2f}x" if value >= 0.1 else f"{value:.2g}x"


def means(results: dict[str, Any]) -> list[str]:
    """Ours over LeNet's batches of 16 and more, where arithmetic counts, not calls: one paragraph, or nothing."""
    to = yardstick(results)
    found: dict[str, list[float]] = {}
    for row in results["rows"]:
        faster = ratio(row, OURS, to)
        if row["workload"] == "lenet" and row["batch"] >= 16 and faster is not None and to != OURS:
            found.setdefault(row["optimizer"], []).append(faster)
    several = [
        f"{geometric_mean(values):.2f}x with {OPTIMIZERS[optimizer]}"
        for optimizer, values in found.items()
        if len(values) > 1
    ]
    what = f"Geometric mean over LeNet's batches of 16 and more, {title(results, to)} / {OURS}"
    return [f"{what}: {', '.join(several)}."] if several else []


def star(row: Row, found: dict[str, Any]) -> str:
    """Marks what was done with another optimizer than the row's."""
    return " \\*" if found["optimizer"] != row["optimizer"] else ""


def notes(results: dict[str, Any]) -> list[str]:
    """What the marks mean, and why some fields are empty: one list, or nothing."""
    lines = []
    for name, peer in results["peers"].items():
        found = [(row, row["peers"].get(name, {})) for row in results["rows"]]
        others = {
            (row["optimizer"], f["optimizer"]) for row, f in found if f.get("median_us") and star(row, f)
        }
        lines += [
            f"\\* {peer['title']} has no {OPTIMIZERS[asked]}: what was timed is {OPTIMIZERS[does]}, which is less work."
            for asked, does in sorted(others)
        ]
        reasons: dict[str, list[str]] = {}
        for row, f in found:
            if "reason" in f:
                where = f"{row['title']}, batch {row['batch']}, {OPTIMIZERS[row['optimizer']]}"
                reasons.setdefault(f["reason"], []).append(where)
        for reason, rows in reasons.items():
            where = "" if len(rows) == len(found) else f" ({'; '.join(rows)})"
            lines.append(f"{peer['title']}{where}: {reason}")
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def middle(rows: list[Row]) -> list[Row]:
    """One row of each network: its first optimizer, the middle one of its batches."""
    chosen = []
    for name in dict.fromkeys(row["workload"] for row in rows):
        of = [row for row in rows if row["workload"] == name]
        first = sorted(
            (row for row in of if row["optimizer"] == of[0]["optimizer"]), key=lambda row: row["batch"]
        )
        chosen.append(first[len(first) // 2])
    return chosen


def costs(results: dict[str, Any], rows: list[Row]) -> str:
    names = list(results["peers"])
    head = ["network", "batch", "", *(title(results, name) for name in names)]
    lines = []
    for row in rows:
        for what, show in (("compile, s", compile_cell), ("memory, MB", memory_cell)):
            cells = [show(row["peers"].get(name, {})) for name in names]
            lines.append([row["title"], str(row["batch"]), what, *cells])
    return table(head, lines, 3)


def compile_cell(found: dict[str, Any]) -> str:
    return f"{found['compile_s']:.2f}" if "compile_s" in found else NONE


def memory_cell(found: dict[str, Any]) -> str:
    if found.get("peak_mb") is None or found.get("start_mb") is None:
        return NONE
    return f"{found['peak_mb']:,.0f} ({found['peak_mb'] - found['start_mb']:,.0f})"


def detail(results: dict[str, Any], row: Row) -> str:
    """One row's table: a line for each peer."""
    compared = [name for name in dict.fromkeys((yardstick(results), OURS)) if name in results["peers"]]
    head = ["", "median, µs", "quartiles, µs", *(f"vs {title(results, name)}" for name in compared)]
    head += ["cores", "compile, s", "memory, MB", "compiling, MB", "losses"]
    lines = []
    for name in results["peers"]:
        found = row["peers"].get(name, {})
        if "median_us" not in found:
            why = found.get("reason", "not timed")
            lines.append([title(results, name), f"{NONE} {why}", *[""] * (len(head) - 2)])
            continue
        ratios = [ratio(row, name, other) for other in compared]
        peak = found.get("compile_peak_mb")
        lines.append(
            [
                title(results, name) + star(row, found),
                f"{found['median_us']:,.0f}",
                f"{found['low_us']:,.0f} to {found['high_us']:,.0f}",
                *(NONE if value is None else as_ratio(value) for value in ratios),
                f"{sum(found['processors']) / len(found['processors']):.1f}",
                compile_cell(found),
                memory_cell(found),
                NONE if peak is None else f"{peak:,.0f}",
                f"{found['deviation']:.0e}",
            ]
        )
    says = (
        f"Losses within {row['tolerance']:g} of those of {title(results, row['by'])}. " if "by" in row else ""
    )
    if "idle" in row:
        says += (
            f"While one was timed, the other peers together used {row['idle']:.1%} of a core, and all else "
        )
        says += f"on the machine {row['foreign']:.1%}."
    heading = f"### {row['title']}, batch {row['batch']}, {OPTIMIZERS[row['optimizer']]}"
    return "\n\n".join([heading, says.strip() or "Not measured to the end.", table(head, lines)])


def versions(results: dict[str, Any]) -> str:
    lines = []
    for peer in results["peers"].values():
        found = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
        lines.append(f"- {peer['title']}: {found or peer.get('unavailable', 'did not start')}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
