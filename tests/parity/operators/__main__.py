"""python -m tests.parity.operators [--quick] [NAME...]: what is wrong with these names ("nn.*" are all that begin so),
or how many of all are here."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings

from tests.parity.operators.checking import QUICK, WHOLE, failures, is_missing
from tests.parity.operators.database import infos


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true", help="some samples of each, as the tests do")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.getLogger("lenetc").setLevel(logging.ERROR)

    def is_chosen(name: str) -> bool:
        return not options.names or any(
            name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1]))
            for wanted in options.names
        )

    chosen = [name for name in infos() if is_chosen(name)]
    missing = [name for name in chosen if is_missing(name)]
    wrong = []
    for name in chosen:
        if name in missing:
            continue
        found = failures(name, QUICK if options.quick else WHOLE)
        print(f"{name}: {len(found) or 'ok'}", flush=True)
        shown: dict[str, int] = {}
        for failure in found:
            shown[failure.what] = shown.get(failure.what, 0) + 1
            if shown[failure.what] <= 3:
                print(f"  {failure}", flush=True)
        wrong += [name] if found else []
    right = len(chosen) - len(missing) - len(wrong)
    print(f"{right} of {len(chosen)} names are right, {len(wrong)} are not, {len(missing)} are missing")
    print("missing:", *missing)
    print("wrong:", *wrong)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
