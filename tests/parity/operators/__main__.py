"""python -m tests.parity.operators [NAME...]: what is wrong with these names, or how many of all are here."""

from __future__ import annotations

import sys

from tests.parity.operators import running
from tests.parity.operators.database import DTYPES, function_of, infos


def main(names: list[str]) -> int:
    chosen = [
        n
        for n in infos()
        if not names or any(n == w or (n.startswith(w.rstrip("*")) and w.endswith("*")) for w in names)
    ]
    missing, bad, good = [], [], []
    for name in chosen:
        found: list[running.Failure] = []
        for info in infos()[name]:
            if function_of(info) is None:
                missing.append(name)
                break
            for dtype in DTYPES:
                found += running.failures(info, dtype)
                found += running.compiled_failures(info, dtype) if dtype == "f32" and not found else []
            found += running.variant_failures(info)
            found += running.error_failures(info)
        else:
            (bad if found else good).append(name)
            print(f"{name}: {len(found) or 'ok'}", flush=True)
            shown: dict[str, int] = {}
            for failure in found:
                shown[failure.what] = shown.get(failure.what, 0) + 1
                if shown[failure.what] <= (3 if names else 1):
                    print(f"  {failure}", flush=True)
    print(f"{len(good)} of {len(chosen)} names are right, {len(bad)} are not, {len(missing)} are missing")
    print("missing:", *missing)
    print("wrong:", *bad)
    return len(bad)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
