"""The command `lenetc check`: what of an exported folder a runtime lacks, and what it runs on another device."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Iterator

from lenetc.artifact.kernels.check import Checked, Group, check
from lenetc.artifact.kernels.table import Table, table

_NAMED = 3  # nodes of a group that are named


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc check` say. Returns 1 where the runtime cannot run a file, else 0."""
    found = check(options.folder, options.runtime)
    if options.json:
        print(json.dumps([_entry(checked) for checked in found], indent=1))
    else:
        known = table(options.runtime)
        print(f"{options.folder} in {known.runtime} ({known.package} {known.version})")
        for checked in found:
            print("\n".join(lines(checked, known)))
    return 0 if all(checked.runs for checked in found) else 1


def lines(checked: Checked, known: Table) -> Iterator[str]:
    """What is told of one file."""
    device = next(iter(known.devices))
    if checked.unreadable:
        yield f"{checked.file} cannot be loaded: {checked.unreadable}"
    copied = f" (tensors copied: {checked.copies})" if checked.copies else ""
    counts = {
        f"nodes on {device}": str(checked.on_device),
        "without a kernel": str(_count(checked.missing) or ""),
        "fallen back": f"{_count(checked.falls_back)}{copied}" if checked.falls_back else "",
        "of sizes alone": str(checked.of_shapes or ""),
        "folded when loaded": str(checked.folded or ""),
    }
    well = "" if checked.groups or checked.unreadable else "; all is well"
    yield f"{checked.file}: {', '.join(f'{what}: {n}' for what, n in counts.items() if n)}{well}"
    for group in checked.groups:
        yield from _group(group)


def _group(group: Group) -> Iterator[str]:
    where = f"on {group.device}" if group.device else "no kernel"
    inputs, outputs = map(_types, group.types)
    yield f"  {where:<10} {len(group.nodes):>4} x {group.operator} ({inputs} -> {outputs})"
    for name, after, before in list(zip(group.nodes, group.after, group.before, strict=True))[:_NAMED]:
        near = [f"after {after[0]}"] if after else []
        near += [f"before {before[0]}"] if before else []
        yield f"{'':<19}{name}{': ' if near else ''}{', '.join(near)}"
    if len(group.nodes) > _NAMED:
        yield f"{'':<19}and {len(group.nodes) - _NAMED} more"


def _types(types: tuple[str, ...]) -> str:
    runs = [(type, len(list(same))) for type, same in itertools.groupby(types)]
    return " ".join(f"{count} {type}" if count > 3 else " ".join([type] * count) for type, count in runs)


def _count(groups: tuple[Group, ...]) -> int:
    return sum(len(group.nodes) for group in groups)


def _entry(checked: Checked) -> dict[str, object]:
    return {**dataclasses.asdict(checked), "runs": checked.runs}
