"""`python -m benchmarks`: time per training step, ours and the peers', so that it can be believed.

Every peer runs in a process and an environment of its own (made in .bench when first needed), with the same number of
threads. All must compute the same losses before anything is timed; then rounds alternate. The results are in the
folder --out after every row: latest.json, latest.md and latest.png. A quick run:

    python -m benchmarks --workloads lenet --batches 1 64 --optimizers sgd --peers lenetc pytorch --out runs/bench
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.measure import ROOT, Plan, Results, run
from benchmarks.peers import PEERS
from benchmarks.report import JSON, write
from benchmarks.workloads import WORKLOADS
from lenetc.files import atomic_write


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--batches", type=int, nargs="+", help="of LeNet (default: 1 16 64 256 1024)")
    parser.add_argument("--optimizers", nargs="+", choices=("sgd", "adam"), default=["sgd", "adam"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="a peer and round")
    parser.add_argument("--threads", type=int, default=cores(), help="of each peer (default: all cores)")
    parser.add_argument(
        "--timeout", type=float, default=600, help="seconds that a peer may take for one answer"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    console = Console()
    plan = Plan(
        [PEERS[name] for name in options.peers],
        options.workloads,
        options.batches,
        options.optimizers,
        options.rounds,
        options.seconds,
        options.threads,
        options.timeout,
    )

    def save(results: Results) -> None:
        options.out.mkdir(parents=True, exist_ok=True)
        atomic_write(options.out / JSON, (json.dumps(results, indent=1) + "\n").encode())

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background begins without
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        run(plan, save, lambda line: console.print(line, markup=False, highlight=False))
    except KeyboardInterrupt:
        console.print("interrupted: what was measured is kept")
        status = 130
    if (options.out / JSON).exists():
        for path in write(options.out):
            console.print(f"written: {path}")
    sys.exit(status)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


if __name__ == "__main__":
    main()
