"""CPU and memory of `score` and `explain` by size, beside scripts that a good engineer would write.

`python -m benchmarks.scale sizes [--full]`. Peak memory is that of all processes of a command
together. `python -m benchmarks.scale_sizes --ten-million` scores 10 M leads by parts, once (hours).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pyarrow.parquet as pq

from benchmarks.in_parts import Verdict
from benchmarks.repeated_company import BASE, TrainedCompany, trained_company

ROOT: Final = Path(__file__).parents[1]
PEERS: Final = ROOT / ".venv-peers" / "bin" / "python"
COMMAND: Final = (sys.executable, "-c", "from leadscore import main; main()")


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure CPU and memory of the command, whole and in parts, beside the scripts."""
    with trained_company() as company:
        yield from sizes(company, (20, 100, 300, 1000) if full else (4, 12))


def sizes(company: TrainedCompany, thousands: tuple[int, ...]) -> Iterator[Verdict]:
    """Measure the sizes, one after the other."""
    folder = company.folder
    trees = str(max(len(company.model.scorer.forest_text), 1) * 100)
    spent: dict[tuple[int, str], float] = {}
    for size in thousands:
        file = company.enlarge(f"of{size}k", size * 1000 // BASE)
        ours = [*COMMAND, "score", str(file), "--state", str(folder / "model"), "--accept"]
        runs = {"whole": [*ours, "--threads", "1", "--parts", "1"]}
        runs["8 parts"] = [*ours, "--threads", "1", "--parts", "8"]
        if PEERS.exists() and size <= 20:
            script = str(Path(__file__).with_name("peer_scoring.py"))
            for engine in ("pandas", "polars"):
                runs[engine] = [str(PEERS), script, engine, str(file.parent), trees]
        found = {name: measured(command) for name, command in runs.items()}
        yield one_lead(file, folder / "model", size)
        for name, (cpu, peak) in found.items():
            print(f"  {size:>5},000 leads  {name:8} {cpu:7.1f} s CPU  {peak / 1e9:5.2f} GB")
            spent[size, name] = cpu
        name = f"{size},000 leads: memory in 8 parts, of the whole"
        ratio = found["8 parts"][1] / found["whole"][1]
        yield ratio <= 1.0, name, f"{ratio:.2f}", "<= 1"
        for engine in sorted({"pandas", "polars"} & set(found)):
            cpu, peak = (a / b for a, b in zip(found["whole"], found[engine], strict=True))
            line = f"{size},000 leads: CPU and memory, of {engine} + LightGBM + pred_contrib"
            yield cpu <= 1.0, line, f"{cpu:.2f}, {peak:.2f}", "CPU <= 1"
        shutil.rmtree(file.parent)
    first, last = thousands[0], thousands[-1]
    growth = spent[last, "whole"] / spent[first, "whole"] / (last / first)
    name = f"CPU a lead at {last},000 leads, of {first},000"
    yield growth <= 1.1, name, f"{growth:.2f}", "<= 1.1"


def one_lead(file: Path, state: Path, size: int) -> Verdict:
    """Explain one lead of a company that was just scored, the start of the command included."""
    lead = pq.ParquetFile(state / "scores.parquet").read_row_group(0, ["lead_id"])[0][0].as_py()
    command = [*COMMAND, "explain", str(file), lead, "--state", str(state)]
    cpu, peak = min(measured(command) for _ in range(5))
    name = f"explain one lead of {size},000: CPU s with the start, memory"
    return cpu <= 1.0, name, f"{cpu:.2f}, {peak / 1e9:.2f} GB", "< 1"


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command: (CPU seconds, peak bytes of it and its children together).

    An installation has its bytecode: what keeps Python from writing it is left out.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
    process, peak = psutil.Process(started.pid), 0.0
    while not (ended := os.wait4(started.pid, os.WNOHANG))[0]:
        try:
            family = [process, *process.children(recursive=True)]
            peak = max(peak, float(sum(each.memory_info().rss for each in family)))
        except psutil.Error:
            pass
        time.sleep(0.02)
    started.returncode = os.waitstatus_to_exitcode(ended[1])  # nobody else can ask for it now
    if started.returncode:
        raise RuntimeError(f"{command} ended with {started.returncode}")
    return ended[2].ru_utime + ended[2].ru_stime, peak


def ten_million() -> None:
    """Score 10 M leads by parts, once."""
    with trained_company() as company:
        file = company.enlarge("all", 10_000_000 // BASE)
        words = ["score", str(file), "--state", str(company.folder / "model"), "--memory", "2.5GB"]
        cpu, peak = measured([*COMMAND, *words, "--threads", "1", "--accept"])
        met = "met" if peak <= 2.5e9 else "missed"
        found = f"{cpu:,.0f} s CPU, {peak / 1e9:.2f} GB"
        print(f"{met}  10 M leads, score and reasons  {found}  2.5 GB")


if __name__ == "__main__" and "--ten-million" in sys.argv:
    ten_million()
