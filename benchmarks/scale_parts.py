"""Scoring in parts: equal bits whatever the cut, workers killed, CPU and memory beside scripts.

The world is simulated once and repeated under other ids to the size asked for. Peak memory is that
of all processes of a command together. `python -m benchmarks.scale_parts --ten-million` scores 10 M
leads by parts, once (hours).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.in_parts import Verdict
from data.world import make_world, write_world
from serving.loaded_model import LoadedModel
from serving.parts.part_job import AskedRun
from serving.parts.run_parts import PartsPlan
from serving.parts.score_company import score_company
from serving.session import Session, open_session
from serving.verbs import train_model

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "examples" / "software_trial.toml"
PEERS: Final = ROOT / ".venv-peers" / "bin" / "python"
IDS: Final = ("lead_id", "account_id", "contact_id", "opportunity_id", "touch_id")
BASE: Final = 2000
AT: Final = 1_795_000_000_000_000
KEPT: Final = ("scores.parquet", "scores/r1/features.parquet", "guard.json")
COMMAND: Final = (sys.executable, "-c", "from leadscore import main; main()")


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure the bars; `full` also the sizes up to 1 M leads."""
    with tempfile.TemporaryDirectory(prefix="scale-parts-") as place:
        folder = Path(place)
        write_world(make_world("software_trial", BASE, 7), folder / "base", project=EXAMPLE)
        session = open_session(folder / "base" / EXAMPLE.name, state=folder / "model", threads=2)
        train_model(session, session.read(), fast=True, on_stage=lambda _: None)
        model = session.model("champion")
        small = enlarge(folder / "base", folder / "small", 2)
        yield from equal_bits(folder, small, model, full=full)
        yield from kills(folder, small, model, full=full)
        yield from sizes(folder, model, (20, 100, 300, 1000) if full else (6, 20))


def enlarge(base: Path, folder: Path, times: int) -> Path:
    """Repeat a world under other ids, file by file; return its project file."""
    folder.mkdir()
    shutil.copy(base / EXAMPLE.name, folder)
    for path in sorted(base.glob("*.parquet")):
        table = pq.read_table(path)
        names = [name for name in table.column_names if name in IDS]
        with pq.ParquetWriter(folder / path.name, table.schema) as file:
            for copy in range(times):
                again = table
                for name in names if copy else ():
                    field = table.schema.field(name)
                    own, parted = (pa.scalar(text, field.type) for text in (f"c{copy}", "-"))
                    ids = pc.binary_join_element_wise(table[name], own, parted)
                    again = again.set_column(again.column_names.index(name), field, ids)
                file.write_table(again)
    return folder / EXAMPLE.name


def scored(
    file: Path, state: Path, model: LoadedModel, plan: PartsPlan, kill: Kill | None = None
) -> list[bytes]:
    """Score a company: the bytes of what is kept."""
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    session: Session = open_session(file, state=state, threads=max(plan.processes, 1))
    score_company(
        session,
        model,
        plan,
        AskedRun(AT, "r1"),
        accept=True,
        on_stage=lambda _: None,
        on_part=lambda done, _: None if kill is None else kill(done),
    )
    return [(state / name).read_bytes() for name in KEPT]


def equal_bits(folder: Path, file: Path, model: LoadedModel, *, full: bool) -> Iterator[Verdict]:
    """Compare every cut and every number of workers with the company scored whole."""
    whole = scored(file, folder / "s", model, PartsPlan(1))
    plans = {f"{n} parts": PartsPlan(n) for n in (7, 64)}
    for workers in (1, 2, *((4,) if full else ())):
        plans[f"Dask, {workers} workers"] = PartsPlan(8, workers, "local")
    for name, plan in plans.items():
        same = scored(file, folder / "s", model, plan) == whole
        yield same, f"{name} = whole, {2 * BASE:,} leads", "bit for bit" if same else "no", "equal"


class Kill:
    """Kills a worker of the local cluster after every so many parts, until enough were killed.

    Kills are spread over the run: one part that its worker dies with four times stops it.
    """

    def __init__(self, wanted: int, every: int, seed: int) -> None:
        """Draw with a seed."""
        self.wanted, self.every, self.killed = wanted, every, 0
        self._draw = random.Random(seed)

    def __call__(self, done: int) -> None:
        """Kill one worker at a random moment after this part."""
        if done % self.every:
            return
        workers = [each for each in psutil.Process().children(recursive=True) if _works(each)]
        if workers and self.killed < self.wanted:
            time.sleep(self._draw.random())
            chosen = self._draw.choice(workers)
            if chosen.is_running():
                os.kill(chosen.pid, signal.SIGKILL)
                self.killed += 1


def _works(process: psutil.Process) -> bool:
    """Tell whether a process is a worker of the cluster, and not one that was just killed."""
    try:
        is_worker = any("spawn_main" in word for word in process.cmdline())
        return is_worker and not process.children()
    except psutil.Error:
        return False


def kills(folder: Path, small: Path, model: LoadedModel, *, full: bool) -> Iterator[Verdict]:
    """Kill workers while they score: nothing is lost and nothing is there twice."""
    file = enlarge(folder / "base", folder / "20k", 10) if full else small
    wanted, workers, of = (200, 4, 64) if full else (5, 2, 16)
    whole = scored(file, folder / "s", model, PartsPlan(1))
    killed = equal = runs = 0
    while killed < wanted:
        kill = Kill(min(wanted - killed, 10), of // 11, runs)
        equal += scored(file, folder / "s", model, PartsPlan(of, workers, "local"), kill) == whole
        runs, killed = runs + 1, killed + kill.killed
        if not kill.killed:
            break
    said = f"{equal} of {runs} runs equal"
    yield killed >= wanted and equal == runs, f"{killed} kills of workers", said, "0 lost, 0 twice"


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


def sizes(folder: Path, model: LoadedModel, thousands: tuple[int, ...]) -> Iterator[Verdict]:
    """Measure CPU and memory of the command, whole and in parts, beside the scripts."""
    trees = str(max(len(model.scorer.forest_text), 1) * 100)
    spent: dict[tuple[int, str], float] = {}
    for size in thousands:
        file = enlarge(folder / "base", folder / f"of{size}k", size * 1000 // BASE)
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


def ten_million() -> None:
    """Score 10 M leads by parts, once."""
    with tempfile.TemporaryDirectory(prefix="scale-parts-") as place:
        folder = Path(place)
        write_world(make_world("software_trial", BASE, 7), folder / "base", project=EXAMPLE)
        session = open_session(folder / "base" / EXAMPLE.name, state=folder / "model", threads=2)
        train_model(session, session.read(), fast=True, on_stage=lambda _: None)
        file = enlarge(folder / "base", folder / "all", 10_000_000 // BASE)
        words = ["score", str(file), "--state", str(folder / "model"), "--memory", "2.5GB"]
        cpu, peak = measured([*COMMAND, *words, "--threads", "1", "--accept"])
        met = "met" if peak <= 2.5e9 else "missed"
        found = f"{cpu:,.0f} s CPU, {peak / 1e9:.2f} GB"
        print(f"{met}  10 M leads, score and reasons  {found}  2.5 GB")


if __name__ == "__main__" and "--ten-million" in sys.argv:
    ten_million()
