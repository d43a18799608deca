"""The command `lenetc check`: what of an exported folder a runtime lacks, and what it runs on another device."""

from __future__ import annotations

import argparse
import dataclasses
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
        print(f"{options.folder} in {known.runtime}: {known.package} {known.version}, up to opset {known.opset}")
        for checked in found:
            print("\n".join(lines(checked, known)))
    return 0 if all(checked.runs for checked in found) else 1


def lines(checked: Checked, known: Table) -> Iterator[str]:
    """What is told of one file."""
    device = next(iter(known.devices))
    if checked.unreadable:
        yield f"{checked.file}: cannot be loaded: {checked.unreadable}"
    parts = [f"{checked.on_device} nodes run on {device}" if len(known.devices) > 1 else f"{checked.on_device} nodes run"]
    if checked.missing:
        parts.append(f"{_count(checked.missing)} have no kernel")
    if checked.falls_back:
        copies = f" ({checked.copies} tensors are copied)" if checked.copies else ""
        parts.append(f"{_count(checked.falls_back)} fall back{copies}")
    if len(known.devices) > 1 and checked.of_shapes:
        parts.append(f"{checked.of_shapes} compute sizes, on the CPU by design")
    if checked.folded:
        parts.append(f"{checked.folded} are computed once, when the model is loaded")
    yield f"{checked.file}: {', '.join(parts)}{'' if checked.groups or checked.unreadable else ': all is well'}"
    for group in checked.groups:
        yield from _group(group)


def _group(group: Group) -> Iterator[str]:
    where = f"on {group.device}" if group.device else "no kernel"
    inputs, outputs = (" ".join(side) for side in group.types)
    yield f"  {where:<10} {len(group.nodes):>4} x {group.operator} ({inputs} -> {outputs})"
    for name, after, before in list(zip(group.nodes, group.after, group.before, strict=True))[:_NAMED]:
        near = [f"after {after[0]}"] if after else []
        near += [f"before {before[0]}"] if before else []
        yield f"{'':<19}{name}{': ' if near else ''}{', '.join(near)}"
    if len(group.nodes) > _NAMED:
        yield f"{'':<19}and {len(group.nodes) - _NAMED} more"


def _count(groups: tuple[Group, ...]) -> int:
    return sum(len(group.nodes) for group in groups)


def _entry(checked: Checked) -> dict[str, object]:
    return {**dataclasses.asdict(checked), "runs": checked.runs}
