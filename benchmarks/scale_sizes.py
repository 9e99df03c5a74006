"""CPU and memory of the commands by size, beside scripts that a good engineer would write.

`python -m benchmarks.scale sizes [--full]`. Peak memory is that of all processes of a command
together. `python -m benchmarks.scale_sizes --ten-million` scores 10 M leads by parts, once (hours).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.in_parts import Verdict
from benchmarks.process_cost import COMMAND, ROOT, ProcessCost, measured
from benchmarks.repeated_company import BASE, TrainedCompany, trained_company

PEERS: Final = ROOT / ".venv-peers" / "bin" / "python"


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure the commands of a night at each size; in full also report and write-back.

    All sizes have 19 events a lead. CPU a lead may grow by a tenth from the first size to the last.
    """
    thousands = (20, 100, 300, 1000) if full else (4, 12)
    spent: dict[int, dict[str, ProcessCost]] = {}
    with trained_company() as company:
        for size in thousands:
            file = company.enlarge(f"of{size}k", size * 1000 // BASE)
            spent[size] = dict(costs(company, file, full=full, beside=size <= 20))
            for name, cost in spent[size].items():
                taken = f"{cost.cpu_s:7.1f} s CPU  {cost.peak / 1e9:5.2f} GB"
                print(f"  {size:>5},000 leads  {name:12} {taken}")
            yield from bars(size, spent[size])
            shutil.rmtree(file.parent)
    first, last = thousands[0], thousands[-1]
    for name in spent[last]:
        growth = spent[last][name].cpu_s / spent[first][name].cpu_s / (last / first)
        line = f"{name}: CPU a lead at {last},000 leads, of {first},000"
        yield growth <= 1.1, line, f"{growth:.2f}", "<= 1.1"


def costs(
    company: TrainedCompany, file: Path, *, full: bool, beside: bool
) -> Iterator[tuple[str, ProcessCost]]:
    """Run the commands on a company, one after the other, and beside them the scripts."""
    state, out = company.folder / "model", company.folder / "out"
    ours = [str(file), "--state", str(state)]
    yield "check", measured([*COMMAND, "check", *ours], ends=(0, 3))
    for name, n in (("score, 8 parts", "8"), ("score", "1")):
        words = [*ours, "--accept", "--threads", "1", "--parts", n]
        yield name, measured([*COMMAND, "score", *words])
    lead = pq.ParquetFile(state / "scores.parquet").read_row_group(0, ["lead_id"])[0][0].as_py()
    explain = [*COMMAND, "explain", str(file), lead, "--state", str(state)]
    yield "explain", min(measured(explain) for _ in range(5))
    if full:
        yield "report", measured([*COMMAND, "report", *ours, "--out", str(out), "--lang", "en"])
        yield "write-back", measured([*COMMAND, "write-back", *ours])
        shutil.rmtree(out)
    if beside and PEERS.exists():
        trees = str(max(len(company.model.scorer.forest_text), 1) * 100)
        script = str(Path(__file__).with_name("peer_scoring.py"))
        for engine in ("pandas", "polars"):
            yield engine, measured([str(PEERS), script, engine, str(file.parent), trees])


def bars(size: int, found: dict[str, ProcessCost]) -> Iterator[Verdict]:
    """Hold the figures of a size against what is asked."""
    ratio = found["score, 8 parts"].peak / found["score"].peak
    name = f"{size},000 leads: memory of score in 8 parts, of the whole"
    yield ratio <= 1.0, name, f"{ratio:.2f}", "<= 1"
    explained = found["explain"]
    name = f"explain one lead of {size},000: CPU s with the start, memory"
    taken = f"{explained.cpu_s:.2f}, {explained.peak / 1e9:.2f} GB"
    yield explained.cpu_s <= 1.0, name, taken, "< 1"
    for engine in sorted({"pandas", "polars"} & set(found)):
        ours, theirs = found["score"], found.pop(engine)
        cpu, peak = ours.cpu_s / theirs.cpu_s, ours.peak / theirs.peak
        line = f"{size},000 leads: CPU and memory, of {engine} + LightGBM + pred_contrib"
        yield cpu <= 1.0, line, f"{cpu:.2f}, {peak:.2f}", "CPU <= 1"


def ten_million() -> None:
    """Score 10 M leads by parts, once."""
    with trained_company() as company:
        file = company.enlarge("all", 10_000_000 // BASE)
        words = ["score", str(file), "--state", str(company.folder / "model"), "--memory", "2.5GB"]
        cost = measured([*COMMAND, *words, "--threads", "1", "--accept"])
        met = "met" if cost.peak <= 2.5e9 else "missed"
        found = f"{cost.cpu_s:,.0f} s CPU, {cost.peak / 1e9:.2f} GB"
        print(f"{met}  10 M leads, score and reasons  {found}  2.5 GB")


if __name__ == "__main__" and "--ten-million" in sys.argv:
    ten_million()
