"""Runs the cases and prints those that are not the same as PyTorch: `python -m tests.semantics --only WORD`."""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict

from tests.semantics.matrix import all_cases
from tests.semantics.runner import STATUSES, Pool


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.semantics", description=__doc__)
    parser.add_argument(
        "--only", default="", help="cases whose name has one of these words, separated by commas"
    )
    parser.add_argument("--verbose", action="store_true", help="whole values and messages")
    parser.add_argument(
        "--source", action="store_true", help="print the source of generated cases, and run nothing"
    )
    parser.add_argument("--slow", type=int, default=0, metavar="N", help="name the N that take longest")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument(
        "--serve", action="store_true", help="names on stdin, verdicts as JSON on stdout; for the tests"
    )
    options = parser.parse_args()
    cases = {case.name: case for case in all_cases() if any(w in case.name for w in options.only.split(","))}
    if options.source:
        print(*(f"# {case.name}\n{case.text}" for case in cases.values() if case.text), sep="\n\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LENETC_CACHE"] = folder  # what was measured on this machine is not asked
        tempfile.tempdir = folder  # what the cases write there is gone afterwards
        pool = Pool(cases.values(), 1 if options.serve else options.jobs)
        if options.serve:
            for line in sys.stdin:
                (verdict,) = pool.verdicts([cases[line.strip()]])
                print(json.dumps(asdict(verdict)), flush=True)
            return 0
        count: collections.Counter[str] = collections.Counter()
        cut, wrong, times, start = 10**6 if options.verbose else 110, 0, {}, time.monotonic()
        for verdict in pool.verdicts(cases.values()):
            case = cases[verdict.case]
            count[verdict.status] += 1
            times[verdict.case] = verdict.seconds
            problem = verdict.problem(case)
            wrong += bool(problem)
            if verdict.status == verdict.lazily == "same" and not problem:
                continue
            mark = (
                "" if problem else " (documented)" if case.refused or case.lazily else " (refused uncompiled)"
            )
            more = f": {problem}" if problem != verdict.status else ""
            print(f"{verdict.status}{mark}  {case.name}{more}\n{verdict.text(case, cut)}", flush=True)
        pool.close()
    for name in sorted(times, key=lambda name: -times[name])[: options.slow]:
        print(f"{times[name]:6.2f} s  {name}")
    print(f"{len(cases)} cases in {time.monotonic() - start:.0f} s: "
          f"{', '.join(f'{count[s]} {s}' for s in STATUSES)}; {wrong} are not as they should be")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
