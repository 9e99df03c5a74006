"""Scoring in parts: equal bits whatever the cut, and whatever the number of workers.

`python -m benchmarks.scale parts [--full]`
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.in_parts import Verdict
from benchmarks.repeated_company import BASE, trained_company
from serving.parts.run_parts import PartsPlan


def measure(*, full: bool) -> Iterator[Verdict]:
    """Compare every cut and every number of workers with the company scored whole."""
    with trained_company() as company:
        file = company.enlarge("small", 2)
        whole = company.scored(file, PartsPlan(1))
        plans = {f"{n} parts": PartsPlan(n) for n in ((7, 64) if full else (7,))}
        for workers in (1, 2, 4) if full else (2,):
            plans[f"Dask, {workers} workers"] = PartsPlan(8, workers, "local")
        for name, plan in plans.items():
            same = company.scored(file, plan) == whole
            yield (
                same,
                f"{name} = whole, {2 * BASE:,} leads",
                "bit for bit" if same else "no",
                "equal",
            )
