"""CPU and memory of `train --fast` by size, in half of the machine's memory.

`python -m benchmarks.scale training [--full]`: in full 20,000 to 1 M leads, hours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from benchmarks.in_parts import Verdict
from benchmarks.process_cost import COMMAND, measured
from benchmarks.repeated_company import BASE, trained_company
from data.memory import memory_budget


def measure(*, full: bool) -> Iterator[Verdict]:
    """Train at each size; CPU a lead may grow by a tenth, memory be half of the machine's."""
    thousands = (20, 100, 300, 1000) if full else (2, 6)
    spent: dict[int, float] = {}
    most, allowed = 0.0, memory_budget(None)
    with trained_company() as company:
        for size in thousands:
            file = company.enlarge(f"of{size}k", size * 1000 // BASE)
            state = company.folder / "trained"
            words = ["train", str(file), "--state", str(state), "--fast"]
            cost = measured([*COMMAND, *words], ends=(0, 3))
            spent[size], most = cost.cpu_s, max(most, cost.peak)
            print(f"  {size:>5},000 leads  {cost.cpu_s:7.1f} s CPU  {cost.peak / 1e9:5.2f} GB")
            shutil.rmtree(state)
            shutil.rmtree(file.parent)
    first, last = thousands[0], thousands[-1]
    growth = spent[last] / spent[first] / (last / first)
    line = f"train --fast: CPU a lead at {last},000 leads, of {first},000"
    yield growth <= 1.1, line, f"{growth:.2f}", "<= 1.1"
    line = "train --fast: peak memory, of the half of the machine's that it may take"
    yield most <= allowed, line, f"{most / 1e9:.2f} GB", f"<= {allowed / 1e9:.2f} GB"
