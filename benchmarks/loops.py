"""The loops that must close, part by part: `python -m benchmarks.loops [PART …] [--full]`.

A part is a file `benchmarks/loops_PART.py` with one function `measure(*, full: bool)` that returns
its bars: (met, name, figure, bar). Without a part all are measured.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

Verdict = tuple[bool, str, str, str]


def parts() -> list[str]:
    """Name the parts that stand beside this file."""
    return sorted(
        path.stem.removeprefix("loops_") for path in Path(__file__).parent.glob("loops_*.py")
    )


def main() -> int:
    """Measure the parts asked for, one after the other, and print every bar at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of: {', '.join(parts())}")
    parser.add_argument("--full", action="store_true", help="the full size")
    asked = parser.parse_args()
    if unknown := set(asked.part) - set(parts()):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    verdicts: list[Verdict] = []
    for part in asked.part or parts():
        print(f"\n----- {part} -----", flush=True)
        started = time.monotonic()
        verdicts += importlib.import_module(f"benchmarks.loops_{part}").measure(full=asked.full)
        print(f"({part}: {time.monotonic() - started:.0f} s)", flush=True)
    print()
    for met, name, figure, bar in verdicts:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(verdict[0] for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
