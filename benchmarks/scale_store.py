"""The store on the road: CPU and peak memory of reading from CSV and Parquet, whole and in part.

Every figure is of a process of its own, after its imports, and the least of some tries: other work
on the machine only ever adds. What takes a tenth of a second is tried up to 25 times: with three
tries, reading an unchanged store grew by .6 to 1.7 of linear. Memory is the peak over what the
imports left, which Linux counts anew when asked. DuckDB and pandas read the same files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from benchmarks.in_parts import Verdict
from data.buckets import Part
from data.durations import DAY
from data.project import load_project
from data.reading.read_tables import read_with_notes
from data.schema import Project
from data.store.crm_store import CrmStore

SHORT, FULL = (20_000, 60_000), (100_000, 300_000, 1_000_000)
EACH = 20
PROJECT = """[project]
name = "scale"
[leads]
source = "leads.{kind}"
id = "lead_id"
created_at = "created_at"
account = "account"
fixed = ["country", "size"]
[[events]]
source = "touches.{kind}"
lead = "lead_id"
at = "at"
type = ["type"]
channel = "channel"
value = "value"
[conversion]
event = "won"
horizon = "90d"
"""
WAYS = ("sources", "taken in", "unchanged", "one lead", "part 1/16", "grown by 1 %")
PEERS = ("duckdb", "pandas")
OFTEN = 3  # how often at least: the first time pays for pages that the system gives out
ENOUGH, MOST = 2.0, 25  # CPU seconds after which it is not tried again, and how often at most
Figures = tuple[float, float, float]  # CPU s, wall s, peak GB over what the imports left


def write_company(folder: Path, n_leads: int) -> None:
    """Write leads and 20 touches of each in the order of time, as CSV and as Parquet."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    created = np.sort(rng.integers(0, 365 * DAY, n_leads)) + 20_000 * DAY
    ids = np.array([f"L{i:07d}" for i in range(n_leads)])
    leads = {
        "lead_id": ids,
        "created_at": pa.array(created).cast(pa.timestamp("us")),
        "account": np.char.add("A", rng.integers(0, n_leads, n_leads).astype(str)),
        "country": rng.choice(["IT", "FR", "DE"], n_leads),
        "size": rng.integers(1, 500, n_leads),
    }
    write(folder / "leads", pa.table(leads))
    write(folder / "touches", touches(rng, ids, created, EACH * n_leads))
    write(folder / "more", touches(rng, ids, created, EACH * n_leads // 100))


def touches(rng: np.random.Generator, ids: np.ndarray, created: np.ndarray, n: int) -> pa.Table:
    lead = rng.integers(0, len(ids), n)
    at = created[lead] + rng.integers(0, 120 * DAY, n)
    order = np.argsort(at)
    return pa.table(
        {
            "lead_id": ids[lead[order]],
            "at": pa.array(at[order]).cast(pa.timestamp("us")),
            "type": rng.choice(["visit", "mail", "call", "won"], n, p=[0.6, 0.3, 0.09, 0.01]),
            "channel": rng.choice(["web", "phone"], n),
            "value": rng.random(n).astype(np.float32),
            "note": np.full(n, "what nobody reads"),
        }
    )


def write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path.with_suffix(".parquet"))
    arrow_csv.write_csv(table, path.with_suffix(".csv"))


def work(way: str, folder: Path, kind: str) -> Figures:
    """Do one thing in this process, some times: the least CPU and wall, the memory of the first."""
    (folder / f"{kind}.toml").write_text(PROJECT.format(kind=kind))
    project = load_project(folder / f"{kind}.toml")
    place = folder / f"store-{kind}"
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM, the peak, begins again
    before, peak = memory_kb("VmHWM"), 0.0
    spent: list[tuple[float, float]] = []
    most = 1 if way == WAYS[-1] else MOST  # it has grown only once
    while len(spent) < most and (len(spent) < OFTEN or sum(cpu for cpu, _ in spent) < ENOUGH):
        if way == "taken in":
            shutil.rmtree(place, ignore_errors=True)
        cpu, wall = time.process_time(), time.perf_counter()
        do(way, folder, kind, project, CrmStore(place))
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
        peak = peak or (memory_kb("VmHWM") - before) / 1e6
    return min(cpu for cpu, _ in spent), min(wall for _, wall in spent), peak


def do(way: str, folder: Path, kind: str, project: Project, store: CrmStore) -> None:
    """Read the company in one of the ways."""
    if way == "sources":
        read_with_notes(project)
    elif way == "one lead":
        assert len(store.read(project, lead="L0000042").tables)
    elif way == "part 1/16":
        store.read(project, part=Part(1, 16))
    elif way == "pandas":
        path = folder / f"touches.{kind}"
        frame = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
        frame["at"] = pd.to_datetime(frame["at"])
        frame.sort_values(["lead_id", "at"])
    elif way == "duckdb":
        import duckdb

        sql = f"select * exclude (note) from '{folder}/touches.{kind}' order by lead_id, \"at\""
        duckdb.sql(sql).to_arrow_table()
    else:
        store.read(project)


def memory_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def run(way: str, folder: Path, kind: str) -> Figures:
    """Do one thing in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale_store", way, str(folder), kind]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu, wall, peak = json.loads(said.splitlines()[-1])
    return cpu, wall, peak


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure all ways at all sizes, and yield the bars."""
    taken: dict[tuple[int, str, str], Figures] = {}
    sizes = FULL if full else SHORT
    print(f"{'CPU s / wall s / peak GB':28}" + "".join(f"{n:>26,}" for n in sizes))
    for n in sizes:
        with tempfile.TemporaryDirectory(prefix="leadscore-store-") as scratch:
            folder = Path(scratch) / "company"
            write_company(folder, n)
            for kind in ("csv", "parquet"):
                for way in (*WAYS, *PEERS):
                    if way == WAYS[-1]:
                        grow(folder, kind)
                    taken[n, kind, way] = run(way, folder, kind)
    for kind in ("csv", "parquet"):
        for way in (*WAYS, *PEERS):
            cells = ["{:8.2f} {:7.2f} {:6.2f}".format(*taken[n, kind, way]) for n in sizes]
            print(f"{kind + ', ' + way:28}" + "".join(f"{cell:>26}" for cell in cells))
    first, last = sizes[0], sizes[-1]
    for kind in ("csv", "parquet"):
        whole, kept = taken[last, kind, "sources"][0], taken[last, kind, "unchanged"][0]
        yield bar(f"unchanged, CPU over reading the {kind}", kept / whole, 0.5)
        for way in ("taken in", "unchanged"):
            grown = taken[last, kind, way][0] / taken[first, kind, way][0] / (last / first)
            yield bar(f"{kind}, {way}: growth of CPU over linear", grown, 1.1)
        grown = (
            taken[last, kind, "taken in"][2] / taken[first, kind, "taken in"][2] / (last / first)
        )
        yield bar(f"{kind}, taken in: growth of peak memory over linear", grown, 0.8)
        yield bar(f"{kind}: one lead, CPU s", taken[last, kind, "one lead"][0], 0.5)
        part = taken[last, kind, "part 1/16"][2] / max(taken[last, kind, "sources"][2], 1e-9)
        yield bar(f"{kind}: part 1/16, memory over the whole", part, 0.25)
    grown_by = taken[last, "csv", "grown by 1 %"][0] / taken[last, "csv", "taken in"][0]
    yield bar("csv grown by 1 %, CPU over taking it in", grown_by, 1.0)


def grow(folder: Path, kind: str) -> None:
    """Let the touches grow by 1 %: at the end of the CSV, in a new Parquet file."""
    if kind == "csv":
        with (folder / "touches.csv").open("ab") as file, (folder / "more.csv").open("rb") as more:
            more.readline()
            shutil.copyfileobj(more, file)
        return
    parts = [pq.read_table(folder / f"{name}.parquet") for name in ("touches", "more")]
    pq.write_table(pa.concat_tables(parts), folder / "touches.parquet")


def bar(name: str, figure: float, most: float) -> Verdict:
    return figure <= most, name, f"{figure:.3g}", f"<= {most:g}"


if __name__ == "__main__":
    way, place, source = sys.argv[1:]
    print(json.dumps(work(way, Path(place), source)))
