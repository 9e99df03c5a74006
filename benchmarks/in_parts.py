"""A benchmark of several parts, each a file: `python -m benchmarks.NAME [PART …] [--full]`.

A part is a file `benchmarks/NAME_PART.py` with one function `measure(*, full: bool)` that returns
its bars: (met, name, figure, bar). Without a part all are measured.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

Verdict = tuple[bool, str, str, str]


def parts(name: str) -> list[str]:
    """Name the parts of a benchmark that stand beside this file."""
    return sorted(
        path.stem.removeprefix(f"{name}_") for path in Path(__file__).parent.glob(f"{name}_*.py")
    )


def run_parts(name: str, about: str | None) -> int:
    """Measure the parts asked for, one after the other, and print every bar at the end."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of: {', '.join(parts(name))}")
    parser.add_argument("--full", action="store_true", help="the full size")
    asked = parser.parse_args()
    if unknown := set(asked.part) - set(parts(name)):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    verdicts: list[Verdict] = []
    for part in asked.part or parts(name):
        print(f"\n----- {part} -----", flush=True)
        started = time.monotonic()
        measure = importlib.import_module(f"benchmarks.{name}_{part}").measure
        for verdict in measure(full=asked.full):
            verdicts.append(verdict)
            print("   so far:", _line(verdict), flush=True)  # a later one may break off
        print(f"({part}: {time.monotonic() - started:.0f} s)", flush=True)
    print()
    for verdict in verdicts:
        print(_line(verdict))
    return 0 if all(verdict[0] for verdict in verdicts) else 1


def _line(verdict: Verdict) -> str:
    met, name, figure, bar = verdict
    return f"{'met' if met else 'missed'}  {name}  {figure}  {bar}"
